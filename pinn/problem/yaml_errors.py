"""What PyYAML's error messages mean for a person who writes formulas."""

from __future__ import annotations

import re

import yaml

ALIASES = "anchors and aliases are not allowed; put a formula that begins with * or & in quotes"
TAGS = "YAML tag not allowed; put a text that begins with ! in quotes"
_LISTS = "'- ' begins a list in YAML; write -x without the space, or put the value in quotes"
_BLOCKS = "'|' and '>' at the start of a value begin a block of text in YAML; write abs(...), or put it in quotes"
_DIRECTIVES = "YAML directives ('%' at the start of a line) are not allowed"

_SIGNS = {
    "\t": "tab character; indent with spaces",
    "|": "'|' is not allowed here in YAML; write abs(...) for a modulus",
    ">": "a value cannot begin with '>' in YAML; write the formula that stands before it, or put the value in quotes",
}
"""Signs that cannot begin a value."""

_MEANINGS: tuple[tuple[str, bool, str], ...] = (
    # text in PyYAML's message, whether the place is that of its context, what we say
    ("found another document", False, "a second document begins; one file holds one problem"),
    ("sequence entries are not allowed", False, _LISTS),
    ("expected the node content, but found '-'", False, _LISTS),
    ("expected the node content", False, "a value is missing here, or begins with a sign that needs quotes"),
    ("mapping keys are not allowed", False, "a value cannot begin with '?'"),
    ("while scanning a block scalar", True, _BLOCKS),
    ("while scanning an alias", True, ALIASES),
    ("while scanning an anchor", True, ALIASES),
    ("while scanning a tag", True, TAGS),
    ("could not find expected ':'", True, "expected 'name: value', with a space after ':'"),
    ("unknown escape character", False, "a backslash in double quotes begins an escape; use single quotes"),
    ("while scanning a quoted scalar", True, "this quotation mark is never closed"),
    ("while scanning a double-quoted scalar", True, "this text in double quotes cannot be read; use single quotes"),
    ("while scanning a directive", True, _DIRECTIVES),
    ("incompatible YAML document", False, _DIRECTIVES),
    ("directive", False, _DIRECTIVES),
    ("expected '<document start>'", False, "nothing may follow here; is a bracket closed twice?"),
)


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """Return the place of an error (index into ``text``) and what to tell the person."""
    problem, context = error.problem or "", error.context or ""
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark else 0
    origin = error.context_mark.index if error.context_mark else at
    sign = re.search(r"found character '(.+)' that cannot start", problem)
    if sign:
        found = text[at : at + 1]
        return at, _SIGNS.get(found, f"a value cannot begin with '{found}' in YAML; put it in quotes")
    if "expected ',' or" in problem:
        return _unclosed(problem, at, origin, text)
    if "mapping values are not allowed" in problem:
        return at, _second_colon(at, text)
    if "expected <block end>" in problem:
        return at, _out_of_line(at, text)
    if "expected the node content, but found '?'" in problem:
        return at, "a setting has no value" if text[at : at + 3] == "???" else "a value cannot begin with '?'"
    whole = f"{context}: {problem}"
    for part, from_context, message in _MEANINGS:
        if part in whole:
            return (origin if from_context else at), message
    return at, f"not readable as YAML ({problem})"


def _unclosed(problem: str, at: int, origin: int, text: str) -> tuple[int, str]:
    """Explain a mapping {…} or list […] that goes on with something else than a comma."""
    closing = "]" if "']'" in problem else "}"
    opening = "[" if closing == "]" else "{"
    if at >= len(text) or "\n" in text[origin:at] or "<stream end>" in problem:
        return origin, f"'{opening}' was never closed, or a comma is missing"
    if text[at : at + 1] in "[{":
        return at, f"'{text[at]}' in a formula; put the formula in quotes, and only round brackets in it"
    return at, f"a comma or '{closing}' is missing here"


def _second_colon(at: int, text: str) -> str:
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    if re.search(r":\s", text[start:at]):
        return "a second ': ' in one value; put the value in quotes"
    above = text[:start].rstrip()
    last = above[max(above.rfind("\n"), above.rfind("\r")) + 1 :]
    if re.match(r"\s*[^\s#:]+:\S", last):
        return "expected 'name: value' on the line above, with a space after ':'"
    return "this line is indented deeper than the value above allows"


def _out_of_line(at: int, text: str) -> str:
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    before = text[start:at].strip()
    if not before:
        return "the indentation does not fit the lines above"
    if text[at : at + 1] in "]}":
        return f"'{text[at]}' closes nothing"
    if before[-1] in "'\"":
        return "text after a closing quotation mark; put the whole value in quotes"
    return "this does not fit the lines above; check the indentation and the quotation marks"
