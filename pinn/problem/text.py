"""Strict reading of YAML: the text of a problem or experiment as plain values, each with its place in the file.

What YAML would silently turn into something else is refused with the line and the way to write it: names that mean true
or false, octal and sexagesimal numbers, formulas cut at a comma, doubled keys, anchors, tags, a missing space after ':'.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pinn.problem.formulas.source import Source, caret
from pinn.problem.formulas.tree import Position
from pinn.problem.settings import BadInput
from pinn.problem.yaml_errors import ALIASES, TAGS, explain

__all__ = ["DEEPEST", "LARGEST_FILE", "Document", "Place", "caret", "plain", "read_string", "read_text"]

LARGEST_FILE = 2**20
"""Bytes; a file with formulas is a thousand times smaller, and tables belong into files of their own."""

DEEPEST = 40
"""Levels of nesting."""

Place = tuple[str | int, ...]
"""Keys and list indices from the top of the file: ``("conditions", "walls", "u")``."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_ENVIRONMENT = re.compile(r"\$\{\s*(oc\.)?env\s*:")
_PROBLEM_KEYS = {"coordinates", "unknowns", "equations", "conditions"}


@dataclass(frozen=True)
class Document:
    """A file that was read, as plain values, and where each of them stands.

    ``mapping`` is made of dict, list, str, int, float, bool and None, with the keys in order; ``file`` is its path.
    """

    file: str
    mapping: dict[str, Any]
    _source: Source = field(repr=False, compare=False)
    _nodes: Mapping[Place, tuple[yaml.Node, yaml.Node]] = field(repr=False, compare=False)

    def position(self, place: Place, offset: int | None = 0) -> Position | None:
        """Return where the value at ``place`` stands, or None when it does not come from this file.

        ``offset`` counts characters of the value: an error at column 5 of a formula is at ``position(place, 5)``, also
        when the formula is quoted or runs over several lines. None asks for the key instead of the value.
        """
        if offset is None:
            return self.key_position(place)
        if tuple(place) not in self._nodes:
            return None
        return self._source.inside(self._nodes[tuple(place)][1], offset)

    def key_position(self, place: Place) -> Position | None:
        """Return where the key (or the list item) at ``place`` stands, or None when it does not come from this file."""
        if tuple(place) not in self._nodes:
            return None
        return self._source.inside(self._nodes[tuple(place)][0], 0)


def read_text(path: str | Path) -> Document:
    """Read a ``.yaml`` file.

    Raises
    ------
    BadInput : the file cannot be read, or is not what it seems; ``my.yaml line 7: …`` with a caret.
    """
    path = Path(path)
    if path.suffix != ".yaml":
        renamed = f"rename to {path.with_suffix('.yaml').name}"
        advice = renamed if path.suffix.lower() == ".yml" else "its name must end in .yaml"
        raise BadInput(f"{path}: {advice}")
    try:
        if not path.is_file():
            raise BadInput(f"{path} is a folder" if path.is_dir() else f"no file '{path}'")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from None
    return read_string(data, str(path))


def read_string(text: str | bytes, file: str = "text") -> Document:
    """Read YAML text, called ``file`` in messages; the same checks as `read_text`."""
    name = Path(file).name
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > LARGEST_FILE:
        raise BadInput(f"{name} is larger than 1 MiB; put tables into files of their own")
    try:
        source = Source(file, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not UTF-8 text") from None
    if "\0" in source.text:
        raise BadInput(f"{name} is not UTF-8 text")
    root = _compose(source)
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise BadInput(f"{name} has no settings")
    reader = _Reader(source, root)
    return Document(file, reader.read(root, ()), source, reader.nodes)


def plain(mapping: Mapping, name: str = "problem") -> dict[str, Any]:
    """Return a mapping given from Python as plain values, as if it had been read from a file.

    Tuples and NumPy arrays become lists, NumPy numbers Python's. ``name`` stands in front of the keys in messages.

    Raises
    ------
    BadInput : a key that is not text, a number that is not finite, a reference ``${…}``, a value of another type.
    """
    if not isinstance(mapping, Mapping):
        raise BadInput(f"must be a mapping, got {type(mapping).__name__}", name)
    return _plain(mapping, name, 0)


def _plain(value: Any, name: str, depth: int) -> Any:
    if depth > DEEPEST:
        raise BadInput(f"is nested deeper than {DEEPEST} levels", name)
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(value, name)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise BadInput(f"must be a finite number, got {value}", name)
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise BadInput(f"has the key {key!r}; keys are text", name)
            _plain_text(key, name)
        return {key: _plain(item, f"{name}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item, f"{name}.{index}", depth + 1) for index, item in enumerate(value)]
    raise BadInput(f"must be text, a number, a list or a mapping, got {type(value).__name__}", name)


def _plain_text(value: str, name: str) -> str:
    complaint = _complaint_about_text(value, True, name)
    if complaint:
        raise BadInput(complaint)
    return str(value)


def _complaint_about_text(value: str, in_problem: bool, setting: str) -> str | None:
    """Say what is wrong with a text (key or value) wherever it comes from, or return None."""
    if value.strip() == "???":
        return f"setting '{setting}' has no value"
    if _ENVIRONMENT.search(value):
        return "environment lookups are not allowed"
    if in_problem and "${" in value:
        return "references ${...} are not allowed in a problem; declare a constant and write its name"
    if re.search(r"\$\{[^}]*:", value):
        return "only plain references such as ${seed} are allowed"
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        return "a half of a surrogate pair is not a character"
    return None


class _Loader(yaml.SafeLoader):
    """PyYAML's composer that stops at anchors, aliases, tags and bottomless nesting."""

    def __init__(self, source: Source):
        super().__init__(source.text)
        self.source, self.depth = source, 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        at = event.start_mark.index
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self.source.refuse(at, ALIASES)
        if event.tag is not None:
            self.source.refuse(at, TAGS)
        self.depth += 1
        if self.depth > DEEPEST:
            self.source.refuse(at, f"nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(source: Source) -> yaml.Node | None:
    indented = re.search(r"(?m)^[ ]*\t", source.text)
    if indented:
        source.refuse(indented.end() - 1, "tab character; indent with spaces")
    try:
        return _Loader(source).get_single_node()
    except yaml.reader.ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        source.refuse(at, f"the character U+{error.character:04X} is not allowed")
    except yaml.MarkedYAMLError as error:
        at, message = explain(error, source.text)
        source.refuse(at, message)
    except BadInput:
        raise
    except (ValueError, OverflowError):  # of chr() and int(), which PyYAML lets through
        raise BadInput(f"{Path(source.file).name} has an escape in double quotes that is no character; use single quotes") from None


class _Reader:
    """Turns a graph of nodes into plain values, refusing what YAML would misread on the way."""

    def __init__(self, source: Source, root: yaml.MappingNode):
        self.source = source
        self.nodes: dict[Place, tuple[yaml.Node, yaml.Node]] = {}
        self.is_problem = any(key.value in _PROBLEM_KEYS for key, _ in root.value if isinstance(key, yaml.ScalarNode))

    def read(self, node: yaml.Node, place: Place) -> Any:
        """Return the plain value of ``node``."""
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.flow_style:
            self._refuse_cut(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, value_node, place, node.flow_style)
            if key in result:
                line = self.source.at(self.nodes[*place, key][0].start_mark.index).line
                self.source.refuse(key_node.start_mark.index, f"'{key}' is already set on line {line}")
            self.nodes[*place, key] = (key_node, value_node)
            result[key] = self.read(value_node, (*place, key))
        return result

    def _in_problem(self, place: Place) -> bool:
        return self.is_problem or place[:1] == ("problem",)

    def _item(self, node: yaml.Node, place: Place) -> Any:
        self.nodes[place] = (node, node)
        value = self.read(node, place)
        if self._in_problem(place) and (value is None or isinstance(value, bool)):
            self._refuse_word(node, value)
        return value

    def _refuse_word(self, node: yaml.Node, value: bool | None) -> NoReturn:
        meaning = {True: "true", False: "false", None: "nothing"}[value]
        at = node.start_mark.index
        if not node.value:
            self.source.refuse(at, "a name or value is missing here")
        if node.value.lower() == "on":
            meaning = "true; the key for a place is 'at'"
        self.source.refuse(at, f"YAML reads '{node.value}' as {meaning}; choose another name")

    def _key(self, node: yaml.Node, value: yaml.Node, place: Place, flow: bool) -> str:
        at = node.start_mark.index
        if not isinstance(node, yaml.ScalarNode):
            self.source.refuse(at, "a list or mapping cannot be a key; put a text with [ ] or { } in quotes")
        kind = node.tag.rsplit(":", 1)[-1]
        if kind in ("bool", "null"):
            self._refuse_word(node, None if kind == "null" else node.value.lower() in ("yes", "on", "true"))
        empty = isinstance(value, yaml.ScalarNode) and value.value == "" and value.style is None
        if kind in ("int", "float") or (_NUMBER.fullmatch(node.value) and node.style is None):
            if flow and empty and "," in self.source.text[max(at - 2, 0) : at]:
                self.source.refuse(at, "cut at the comma; quote it, or write a decimal number with a point")
            self.source.refuse(at, f"the key {node.value} is a number; keys are names")
        if kind == "merge":
            self.source.refuse(at, "merging with '<<' is not allowed")
        if node.style is None and empty and re.search(r":\S", node.value):
            self.source.refuse(at + node.value.index(":"), "a space after ':' is missing")
        return self._text(node, (*place, node.value))

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind = node.tag.rsplit(":", 1)[-1]
        if node.style is not None or kind not in ("int", "float", "bool", "null"):
            return self._text(node, place)
        if kind == "null":
            return None
        if kind == "bool":
            value = node.value.lower() in ("yes", "on", "true")
            if self._in_problem(place) and node.value.lower() not in ("true", "false"):
                self._refuse_word(node, value)
            return value
        return self._number(node, kind)

    def _number(self, node: yaml.ScalarNode, kind: str) -> int | float:
        at = node.start_mark.index
        if not (_INTEGER if kind == "int" else _NUMBER).fullmatch(node.value):
            self.source.refuse(at, f"YAML reads {node.value} as {_meaning(node, kind)}; write a plain number")
        if not math.isfinite(float(node.value)):
            self.source.refuse(at, f"{node.value} is too large for a number")
        return int(node.value) if kind == "int" else float(node.value)

    def _text(self, node: yaml.ScalarNode, place: Place) -> str:
        complaint = _complaint_about_text(node.value, self._in_problem(place), ".".join(map(str, place)))
        if node.style is None and _NUMBER.fullmatch(node.value) and not math.isfinite(float(node.value)):
            complaint = f"{node.value} is too large for a number"
        if complaint:
            self.source.refuse(node.start_mark.index, complaint)
        return node.value

    def _refuse_cut(self, node: yaml.CollectionNode) -> None:
        """Refuse ``{u: max(x, 0)}``, two entries for YAML: a bracket opens in one and closes in a later one."""
        entries = [item for entry in node.value for item in (entry if isinstance(entry, tuple) else (entry,))]
        depth, first = 0, node.start_mark.index
        for entry in entries:
            if not isinstance(entry, yaml.ScalarNode) or entry.style is not None:
                depth = 0
                continue
            first = entry.start_mark.index if depth <= 0 else first
            opened, depth = depth, max(depth, 0) + entry.value.count("(") - entry.value.count(")")
            if opened > 0 and depth <= 0:
                whole = " ".join(self.source.text[first : entry.end_mark.index].split())
                self.source.refuse(first, f'cut at the comma; quote it or write it on its own line: "{whole}"')


def _meaning(node: yaml.ScalarNode, kind: str) -> str:
    """Say what YAML 1.1 makes of an unusual number."""
    constructor = yaml.constructor.SafeConstructor()
    try:
        if len(node.value) > 40:
            return "another number"
        return str(constructor.construct_yaml_int(node) if kind == "int" else constructor.construct_yaml_float(node))
    except ValueError:
        return "a number"
