"""Formulas as MathML, which browsers typeset themselves; what cannot be read as a formula stays as typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pinn.problem.formulas.parser import parse, parse_equation, parse_selector
from pinn.problem.formulas.tree import At, Call, Imaginary, Name, Node, Number, Vector
from pinn.problem.settings import BadInput
from pinn.report.markup import Html, element, join
from pinn.report.wording import GREEK, NAME_PARTS, is_number

_BINDS = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "=": 4, "+": 5, "-": 5, "neg": 7, "*": 7, "/": 9, "**": 8}
_PREFIX, _ATOM = 8, 10
_SIGNS = {"<=": "≤", ">=": "≥", "-": "−", "and": "and", "or": "or"}
COORDINATE_LETTERS = set("xyztrsn")
_INVISIBLE = "\u2062"
_SHORT = (Name, Number, Imaginary)

_GREEK_LETTER = "|".join([*sorted(GREEK, key=len, reverse=True), "[xyzrstn]"])
_GREEK_RUN = f"({_GREEK_LETTER})+"
"""Coordinates of a derivative, some of them Greek: ``thetatheta``, ``rtheta``."""


def equation(value: object) -> Html:
    """Return ``left = right`` as MathML, as typed when it is no equation."""
    return _math(value, lambda: _both_sides(*parse_equation(value)))


def condition(left: object, right: object) -> Html:
    """Return the equation of a left and a right side as MathML."""
    return _math(f"{left} = {right}", lambda: _both_sides(parse(left), parse(right)))


def selector(value: object) -> Html:
    """Return where a condition holds as MathML."""
    return _math(value, lambda: _set(parse_selector(value))[0])


def formula(value: object) -> Html:
    """Return a formula as MathML; lists become vectors."""
    if isinstance(value, (list, tuple)):
        return join(["(", *[part for item in value for part in (formula(item), ", ")][:-1], ")"])
    return _math(value, lambda: _set(parse(value))[0])


def name(text: object) -> Html:
    """Return a name as MathML."""
    return _wrap(_name(str(text)), str(text))


def _math(value: object, draw: Callable[[], Html]) -> Html:
    try:
        return _wrap(draw(), str(value))
    except BadInput:
        return element("code", value)


def _wrap(content: Html, text: str) -> Html:
    return element("math", content, alttext=text, displaystyle="true")


def _both_sides(left: Node, right: Node) -> Html:
    return _row(_set(left)[0], _operator("="), _set(right)[0])


def _set(tree: Node) -> tuple[Html, int]:
    """Return the markup of a tree and how tightly its outermost operator binds."""
    if isinstance(tree, Number):
        return _number(tree.value), _ATOM
    if isinstance(tree, Imaginary):
        return _row(join([]) if tree.value == 1 else _number(tree.value), _upright("i")), _ATOM
    if isinstance(tree, Name):
        return _name(tree.name), _ATOM
    if isinstance(tree, Vector):
        return _list(tree.items), _ATOM
    if isinstance(tree, At):
        places = [_row(_name(key), _operator("="), _set(value)[0]) for key, value in tree.where]
        return _row(_tight(tree.quantity, _ATOM), _brackets(_commas(places))), _ATOM
    if isinstance(tree, Call) and tree.function in _BINDS:
        return _operation(tree), _BINDS[tree.function]
    if isinstance(tree, Call):
        return _function(tree.function, tree.arguments)
    return element("mtext", str(tree)), _ATOM


def _operation(tree: Call) -> Html:
    sign, arguments = tree.function, tree.arguments
    own = _BINDS[sign]
    if sign == "neg":
        twice = isinstance(arguments[0], Call) and arguments[0].function == "neg"
        return _row(_operator("−"), _tight(arguments[0], own + twice))
    if sign == "not":
        return _row(element("mtext", "not\u00a0"), _tight(arguments[0], own))
    left, right = arguments
    if sign == "/" and isinstance(left, Call) and left.function == "neg":
        return _row(_operator("−"), element("mfrac", _set(left.arguments[0])[0], _set(right)[0]))
    if sign == "/":
        return element("mfrac", _set(left)[0], _set(right)[0])
    if sign == "**":
        return element("msup", _tight(left, _ATOM), _set(right)[0])
    if sign == "*":
        return _row(_tight(left, own), _times(left, right), _second(right, own + 1))
    if sign in ("and", "or"):
        return _row(_tight(left, own), element("mtext", f"\u00a0{sign}\u00a0"), _tight(right, own))
    return _row(_tight(left, own), _operator(_SIGNS.get(sign, sign)), _second(right, own + (sign == "-")))


def _second(tree: Node, least: int) -> Html:
    """Return a right operand, in brackets also where its minus would follow a sign."""
    return _tight(tree, _ATOM if least > _BINDS["="] and _leads_with_minus(tree) else least)


def _leads_with_minus(tree: Node) -> bool:
    while isinstance(tree, Call) and tree.function in ("*", "/"):
        tree = tree.arguments[0]
    return isinstance(tree, Call) and tree.function == "neg"


def _times(left: Node, right: Node) -> Html:
    """Return a dot where two numbers would run into each other, else an invisible sign with a little room."""
    if _starts_with_number(right):
        return _operator("·")
    names = isinstance(left, _SHORT) and isinstance(right, _SHORT)
    return join([_operator(_INVISIBLE), None if names else element("mspace", width="0.12em")])


def _starts_with_number(tree: Node) -> bool:
    while isinstance(tree, Call) and tree.function in ("*", "**", "/"):
        tree = tree.arguments[0]
    return isinstance(tree, (Number, Imaginary))


def _function(called: str, arguments: Sequence[Node]) -> tuple[Html, int]:
    first = arguments[0]
    if called == "sqrt":
        return element("msqrt", _set(first)[0]), _ATOM
    if called == "abs":
        return _row(_operator("|"), _set(first)[0], _operator("|")), _ATOM
    if called == "exp" and isinstance(first, (*_SHORT, Call)) and not _tall(first):
        return element("msup", element("mi", "e", mathvariant="normal"), _set(first)[0]), _BINDS["**"]
    if called in ("laplacian", "grad", "div"):
        sign = {"laplacian": "Δ", "grad": "∇", "div": "∇·"}[called]
        return _row(_upright(sign), _tight(first, _ATOM)), _PREFIX
    if called == "diff":
        return _derivative(first, arguments[1:]), _PREFIX
    if called == "where":
        return _cases(*arguments), _ATOM
    return _row(_upright(called.replace("_", " ")), _brackets(_commas([_set(item)[0] for item in arguments]))), _ATOM


def _tall(tree: Node) -> bool:
    """Tell whether an exponent would be hard to read as one."""
    if isinstance(tree, Call):
        return tree.function not in ("+", "-", "neg", "*", "**", "/") or any(_tall(item) for item in tree.arguments)
    return not isinstance(tree, _SHORT)


def _derivative(of: Node, by: Sequence[Node]) -> Html:
    order = element("msup", _upright("∂"), element("mn", len(by))) if len(by) > 1 else _upright("∂")
    below = join(part for item in by for part in (_upright("∂"), _set(item)[0]))
    return _row(element("mfrac", element("mrow", order), element("mrow", below)), _tight(of, _ATOM))


def _cases(test: Node, value: Node, other: Node) -> Html:
    def line(shown: Node, words: Html) -> Html:
        return element("mtr", element("mtd", _set(shown)[0]), element("mtd", words))

    words = _row(element("mtext", "if\u00a0"), _set(test)[0])
    lines = element("mtable", line(value, words), line(other, element("mtext", "otherwise")))
    return _row(element("mo", "{", stretchy="true"), lines)


def _tight(tree: Node, least: int) -> Html:
    markup, binds = _set(tree)
    return markup if binds >= least else _brackets(markup)


def _brackets(content: Html) -> Html:
    """Return ``content`` in brackets, which grow only around what is tall: those that may grow leave gaps in some browsers."""
    grow = "true" if "<mfrac" in content or "<mtable" in content else "false"
    return _row(element("mo", "(", stretchy=grow), content, element("mo", ")", stretchy=grow))


def _list(items: Sequence[Node]) -> Html:
    return _brackets(_commas([_set(item)[0] for item in items]))


def _commas(items: Sequence[Html]) -> Html:
    parts = [part for item in items for part in (_operator(","), item)]
    return join(parts[1:])


def _number(value: float) -> Html:
    if value == int(value) and abs(value) < 1e6:
        return element("mn", f"{int(value)}")
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    if not exponent or not is_number(float(value)):
        return element("mn", mantissa)
    power = element("msup", element("mn", 10), element("mn", str(int(exponent)).replace("-", "−")))
    return power if mantissa == "1" else _row(element("mn", mantissa), _operator("·"), power)


def _name(text: str) -> Html:
    found = NAME_PARTS.fullmatch(text)
    head, below = (found[1], found[2] or found[3]) if found else (text, None)
    letter = GREEK.get(head, head)
    shown = element("mi", letter) if len(letter) == 1 else element("mi", letter, mathvariant="normal")
    if not below:
        return shown
    return element("msub", shown, _below(below))


def _below(text: str) -> Html:
    """Return what stands below the line: numbers, coordinates of a derivative each in italics, words upright."""
    if text.isdigit():
        return element("mn", text)
    if set(text) <= COORDINATE_LETTERS:
        return _row(*(element("mi", letter) for letter in text))
    if re.fullmatch(_GREEK_RUN, text):
        return _row(*(element("mi", GREEK.get(letter, letter)) for letter in re.findall(_GREEK_LETTER, text)))
    return element("mi", text.replace("_", " "))


def _upright(text: str) -> Html:
    return element("mi", text, mathvariant="normal")


def _operator(sign: str) -> Html:
    return element("mo", sign)


def _row(*parts: Html) -> Html:
    return element("mrow", *parts)
