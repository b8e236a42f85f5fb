"""A text with a name: positions in it, and complaints that show the line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from pinn.problem.formulas.tree import Position
from pinn.problem.settings import BadInput

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML 1.1 takes as the end of a line."""


def caret(position: Position, column: int = 0, width: int = 100) -> str:
    """Return the line of ``position`` and below it a caret, ``column`` characters after the position.

    Long lines are cut to a window of ``width`` characters around the caret.
    """
    at = min(max(position.column - 1 + column, 0), len(position.text))
    start = max(0, min(at - width // 2, len(position.text) - width))
    shown = position.text[start : start + width].replace("\t", " ")
    return f"  {shown}\n  {' ' * (at - start)}^"


@dataclass(frozen=True)
class Source:
    """The text of a file, and messages about places in it."""

    file: str
    text: str

    def at(self, index: int) -> Position:
        """Return the position of the character ``index`` (counted in `text`)."""
        breaks = [match.end() for match in LINE_BREAK.finditer(self.text, 0, index)]
        line = LINE_BREAK.split(self.text, len(breaks) + 1)[len(breaks)]
        return Position(self.file, len(breaks) + 1, index - (breaks[-1] if breaks else 0) + 1, line)

    def refuse(self, index: int, message: str) -> NoReturn:
        """Raise `BadInput` about the character ``index``: file, line, message, and the line with a caret."""
        position = self.at(min(max(index, 0), len(self.text)))
        raise BadInput(f"{Path(self.file).name} line {position.line}: {message}", detail=caret(position))

    def inside(self, node: yaml.Node, offset: int) -> Position:
        """Return the position of character ``offset`` of the value of a scalar, undoing quotes and folded lines."""
        start, end = node.start_mark.index, node.end_mark.index
        if not isinstance(node, yaml.ScalarNode):
            return self.at(start)
        if node.style in ("'", '"'):
            start += 1
        elif node.style in ("|", ">"):
            start = _after(r"[^\r\n]*\s*", self.text, start, end)
        index = start
        for sign in node.value[:offset]:
            if sign.isspace():  # a blank, or a line break with the indentation after it
                blank = self.text[index : index + 1] == sign == " "
                index = index + 1 if blank else _after(r"\s*", self.text, index, end)
            elif self.text[index : index + 2] == "''" and node.style == "'":
                index += 2
            elif self.text[index : index + 1] == sign:
                index += 1
            else:
                return self.at(start)
        return self.at(min(index, end))


def _after(pattern: str, text: str, start: int, end: int) -> int:
    match = re.compile(pattern).match(text, start, end)
    return match.end() if match else start
