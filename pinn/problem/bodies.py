"""Bodies: named parts of space, and the rims of those across which unknowns may jump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from pinn.problem.expand import Expander
from pinn.problem.formula import FormulaError, parse_selector
from pinn.problem.namespace import Namespace, UnusableName, point_at
from pinn.problem.problem import Piece
from pinn.problem.settings import BadInput, nearest
from pinn.problem.tree import Call, Name, Node, Number

At = Callable[..., AbstractContextManager]

SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "="}
"""What a comparison becomes when its sides change places."""

COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def with_bodies(mapping: Mapping[str, Any], namespace: Namespace, at: At) -> Namespace:
    """Return the namespace with the bodies under ``shapes`` and the rims of those under ``interfaces``.

    Raises
    ------
    BadInput : a shape that is no selector, or refers to itself; an interface that is no body, or is curved.
    """
    given = mapping.get("shapes") or {}
    shapes: dict[str, Node] = {}
    for name in given:
        with at("shapes", name):
            _shape(str(name), given, shapes, namespace, ())
    namespace = replace(namespace, shapes=shapes)
    listed = mapping.get("interfaces") or []
    rims = {}
    with at("interfaces"):
        for name in listed if isinstance(listed, list) else [listed]:
            if not isinstance(name, str) or name not in shapes:
                raise BadInput(f"'{name}' is not a shape{nearest(str(name), shapes)}; shapes: {', '.join(shapes) or 'none'}")
            rims[name] = rim(shapes[name], namespace)
            if not rims[name]:
                raise BadInput(f"'{name}' has no rim inside the domain")
    return replace(namespace, rims=rims)


def _shape(name: str, given: Mapping, done: dict[str, Node], namespace: Namespace, pending: tuple[str, ...]) -> Node:
    """Return the tree of a shape over coordinates, shapes that it names put in."""
    if name in pending:
        raise BadInput(f"shape '{name}' is defined by itself: {' -> '.join((*pending, name))}")
    if name not in done:
        if isinstance(given[name], Mapping):
            raise BadInput("bodies other than by a formula, such as x < 0, are not supported yet")
        try:
            done[name] = _boolean(parse_selector(given[name]), given, done, namespace, (*pending, name))
        except FormulaError as error:
            raise point_at(str(given[name]), error) from None
    return done[name]


def _boolean(tree: Node, given: Mapping, done: dict[str, Node], namespace: Namespace, pending: tuple[str, ...]) -> Node:
    if isinstance(tree, Name) and tree.name in given:
        return _shape(tree.name, given, done, namespace, pending)
    if isinstance(tree, Call) and tree.function in ("and", "or", "not"):
        parts = (_boolean(argument, given, done, namespace, pending) for argument in tree.arguments)
        return Call(tree.function, tuple(parts))
    if isinstance(tree, Call) and tree.function in COMPARED:
        return Call(tree.function, tuple(Expander(namespace).scalar(side) for side in tree.arguments))
    if isinstance(tree, Name):
        raise UnusableName(f"'{tree.name}' is not a shape{nearest(tree.name, given)}", name=tree.name)
    raise FormulaError(f"'{tree}' is no body; compare with < or >, and combine with and, or, not")


def comparisons(tree: Node) -> Iterator[Call]:
    """Yield the comparisons of a boolean tree."""
    if isinstance(tree, Call) and tree.function in ("and", "or", "not"):
        for argument in tree.arguments:
            yield from comparisons(argument)
    elif isinstance(tree, Call):
        yield tree


def plane(comparison: Call) -> tuple[str, float] | None:
    """Return the coordinate and the value of a comparison of one with a number, None of any other."""
    left, right = comparison.arguments
    if isinstance(right, Name):
        left, right = right, left
    return (left.name, right.value) if isinstance(left, Name) and isinstance(right, Number) else None


def rim(body: Node, namespace: Namespace) -> tuple[Piece, ...]:
    """Return the pieces of planes inside the domain on which a body ends, with their normals out of it.

    Raises
    ------
    FormulaError : a surface that is no plane on which a coordinate is constant, or one in time.
    """
    found = []
    for coordinate, value in dict.fromkeys(_planes(body, namespace)):
        low, high = namespace.box[coordinate]
        if low < value < high:
            free = tuple(name for name in namespace.coordinates if name != coordinate)
            below, above = (_beside(body, coordinate, value, side) for side in (-1, 1))
            for side, inner, outer in ((1, below, above), (-1, above, below)):
                cut = both(inner, opposite(outer))
                if cut is not False:
                    found.append(Piece(((coordinate, value),), (coordinate, side), None if cut is True else cut, free, True))
    return tuple(found)


def _planes(body: Node, namespace: Namespace) -> Iterator[tuple[str, float]]:
    for comparison in comparisons(body):
        found = plane(comparison)
        if found is None:
            raise FormulaError(f"an interface along '{comparison}' is not supported yet; planes such as x < 0 are")
        if found[0] == namespace.time:
            raise FormulaError(f"an interface lies in space, not at a time: '{comparison}'")
        yield found


def _beside(tree: Node, coordinate: str, value: float, side: int) -> bool | Node:
    """Return whether points a little below (−1) or above (1) a plane belong to a body, or the tree that decides."""
    assert isinstance(tree, Call)
    if tree.function in ("and", "or"):
        left, right = (_beside(argument, coordinate, value, side) for argument in tree.arguments)
        return both(left, right) if tree.function == "and" else either(left, right)
    if tree.function == "not":
        return opposite(_beside(tree.arguments[0], coordinate, value, side))
    found = plane(tree)
    if found is None or found[0] != coordinate:
        return tree
    function = tree.function if isinstance(tree.arguments[0], Name) else SWAPPED[tree.function]
    difference = value - found[1] or float(side)
    return COMPARED[function](difference, 0.0)


def both(left: bool | Node, right: bool | Node) -> bool | Node:
    """Return the conjunction of two booleans, each of which may be a tree that decides point by point."""
    if False in (left, right) and (left is False or right is False):
        return False
    if isinstance(left, bool):
        return right
    return left if isinstance(right, bool) else Call("and", (left, right))


def opposite(value: bool | Node) -> bool | Node:
    """Return the negation of such a boolean."""
    return (not value) if isinstance(value, bool) else Call("not", (value,))


def either(left: bool | Node, right: bool | Node) -> bool | Node:
    """Return the disjunction of two such booleans."""
    if left is True or right is True:
        return True
    if isinstance(left, bool):
        return right
    return left if isinstance(right, bool) else Call("or", (left, right))
