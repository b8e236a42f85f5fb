"""Formulas to text: a tree printed with as few brackets as the parser needs to read the same tree again."""

from __future__ import annotations

import math

from pinn.problem.formulas.tree import (
    At,
    Call,
    Enclosure,
    Imaginary,
    Integral,
    Jet,
    Known,
    Measured,
    Name,
    Node,
    Normal,
    Number,
    Vector,
)

_PRECEDENCE = {
    "or": 1,
    "and": 2,
    "not": 3,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "neg": 7,
    "**": 8,
}
_ATOM = 10


def to_text(tree: Node) -> str:
    """Print a tree as a formula with as few brackets as `parse` needs to read the same tree again."""
    return _print(tree)[0]


def _print(tree: Node) -> tuple[str, int]:
    """Return the text and how tightly its outermost operator binds."""
    if isinstance(tree, Number):
        return _print_number(tree.value)
    if isinstance(tree, Imaginary):
        return f"{_print_number(tree.value)[0]}j", _ATOM
    if isinstance(tree, Name):
        return tree.name, _ATOM
    if isinstance(tree, Normal):
        return f"n_{tree.coordinate}", _ATOM
    if isinstance(tree, Measured):
        return f"measured({tree.column})", _ATOM
    if isinstance(tree, Vector):
        items = [to_text(item) for item in tree.items]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})", _ATOM
    if isinstance(tree, At):
        return f"{to_text(tree.quantity)}({_print_places(tree.where)})", _ATOM
    if isinstance(tree, Jet):
        orders = " + ".join("".join(map(str, index)) for index in tree.operator)
        return f"{tree.unknown}[{orders}]" + (f"({_print_places(tree.image)})" if tree.image else ""), _ATOM
    if isinstance(tree, Enclosure):
        return tree.name, _ATOM
    if isinstance(tree, Known):
        letters = "".join(name * order for name, order in zip(tree.names, tree.orders, strict=True))
        return tree.name + (f"_{letters}" if letters else ""), _ATOM
    if isinstance(tree, Integral):
        ranges = ", ".join(f"{name} from {low} to {high}" for name, low, high in tree.over)
        over = ranges if tree.part is None else tree.part.text
        return f"{'mean' if tree.mean else 'integral'}({to_text(tree.integrand)}, {over})", _ATOM
    return _print_call(tree) if isinstance(tree, Call) else (repr(tree), _ATOM)


def _print_call(tree: Call) -> tuple[str, int]:
    name, arguments = tree.function, tree.arguments
    if name == "lookup" and isinstance(arguments[0], Known):
        pairs = zip(arguments[0].names, arguments[1:], strict=True)
        places = tuple((name, place) for name, place in pairs if place != Name(name))
        return to_text(arguments[0]) + (f"({_print_places(places)})" if places else ""), _ATOM
    if name not in _PRECEDENCE:
        return f"{name}({', '.join(to_text(argument) for argument in arguments)})", _ATOM
    own = _PRECEDENCE[name]
    if name in ("neg", "not"):
        return ("-" if name == "neg" else "not ") + _bracketed(arguments[0], own), own
    left_least, right_least = (own, own + 1)
    if name == "**":
        left_least, right_least = own + 1, own - 1
    elif own == 4:
        left_least, right_least = own + 1, own + 1
    space = "" if name in ("*", "/", "**") else " "
    return f"{_bracketed(arguments[0], left_least)}{space}{name}{space}{_bracketed(arguments[1], right_least)}", own


def _bracketed(tree: Node, least: int) -> str:
    text, binds = _print(tree)
    return text if binds >= least else f"({text})"


def _print_places(where: tuple[tuple[str, Node], ...]) -> str:
    return ", ".join(f"{name}={to_text(value)}" for name, value in where)


def _print_number(value: float) -> tuple[str, int]:
    if value < 0 or (value == 0 and math.copysign(1, value) < 0):
        return f"-{_print_number(-value)[0]}", _PRECEDENCE["neg"]
    return (str(int(value)) if value == int(value) and value < 1e16 else repr(value)), _ATOM
