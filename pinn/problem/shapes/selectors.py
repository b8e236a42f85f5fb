"""Selectors: which part of the coordinate box the text after ``at:`` chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pinn.problem.formulas.calculus import leaves, names, substitute
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.parser import FormulaError, parse_selector
from pinn.problem.formulas.tree import Call, Integral, Jet, Name, Node, Number
from pinn.problem.settings import nearest
from pinn.problem.shapes.bodies import (
    COMPARED,
    SWAPPED,
    both,
    comparisons,
    either,
    has_points,
    inside_of,
    opposite,
    plane,
    refuse_parameters,
    with_parts,
)
from pinn.problem.shapes.pieces import Piece

TOLERANCE = 1e-9
"""A value counts as a face when it differs from it by less than this part of the range."""


def volume(namespace: Namespace) -> Piece:
    """Return the whole domain."""
    return Piece(free=namespace.coordinates, cut=namespace.domain)


def walls(namespace: Namespace, axes: Sequence[str] | None = None) -> tuple[Piece, ...]:
    """Return the faces of the box across the given space coordinates, by default all, cut to the domain; low side first."""
    faces = []
    for axis in axes if axes is not None else namespace.space:
        for side, value in zip((-1, 1), namespace.box[axis], strict=True):
            free = tuple(name for name in namespace.coordinates if name != axis)
            cut = inside_of(namespace.domain, axis, namespace.box[axis], side)
            if cut is not False:
                faces.append(Piece(((axis, value),), (axis, side), None if cut is True else cut, free))
    return tuple(faces)


def select_volume(text: object, namespace: Namespace) -> tuple[Piece, ...]:
    """Return the part of the volume chosen by the selector of an equation.

    Raises
    ------
    FormulaError : a surface.
    """
    tree = parse_selector(text)
    if any(item.function == "=" for item in comparisons(tree)):
        raise FormulaError(f"an equation holds in a part of the volume; '{text}' is a surface")
    kept = _restrict(volume(namespace), tree, namespace)
    if kept is None:
        raise FormulaError(f"the selector '{text}' chooses no part of the domain")
    return (kept,)


def body_of(tree: Node, namespace: Namespace) -> Node | None:
    """Return the boolean tree of a body that a selector without surfaces describes; None where it is all of the box.

    Raises
    ------
    FormulaError : a surface, nothing.
    """
    if any(item.function == "=" for item in comparisons(tree)) or _names_surface(tree, namespace):
        raise FormulaError(f"'{tree}' is a surface, which has no volume; write surface_integral(f, {tree})")
    found = _holds(tree, Piece(free=namespace.coordinates), namespace)
    if found is False:
        raise FormulaError(f"'{tree}' is no part of the box")
    return None if found is True else found


def _names_surface(tree: Node, namespace: Namespace) -> bool:
    if isinstance(tree, Name):
        return tree.name in ("boundary", "interfaces") or tree.name in namespace.named
    return isinstance(tree, Call) and any(_names_surface(argument, namespace) for argument in tree.arguments)


def select(text: object, namespace: Namespace) -> tuple[Piece, ...]:
    """Return the pieces chosen by the selector of a condition.

    Raises
    ------
    FormulaError : a name that is no surface, an inner line, a corner, nothing chosen.
    """
    return select_tree(parse_selector(text), namespace)


def select_tree(text: Node, namespace: Namespace) -> tuple[Piece, ...]:
    """Return the pieces chosen by a selector that is read already; errors as in `select`."""
    tree = with_parts(text, namespace)
    instants = (Piece((instant,), None, namespace.domain, _at_an_instant(namespace)) for instant in _instants(tree, namespace))
    pieces = (*walls(namespace), *namespace.edges, *namespace.interfaces, *instants)
    chosen = tuple(kept for piece in pieces if (kept := _restrict(piece, tree, namespace)) is not None)
    if namespace.shapes:
        chosen = tuple(piece for piece in chosen if not piece.is_cut or has_points(piece, namespace))
    corner = [f"{axis}={value:g}" for axis, value in (_pinned(item, namespace) for item in _equalities(tree))]
    if not chosen and len(corner) > 1:
        raise FormulaError(
            f"the selector '{text}' chooses no face; at a corner write a condition without at:, u({', '.join(corner)}) = ..."
        )
    if not chosen:
        raise FormulaError(f"the selector '{text}' chooses no part of the boundary; faces: {_faces_in_words(namespace)}")
    return chosen


def _at_an_instant(namespace: Namespace) -> tuple[str, ...]:
    """Return the coordinates that stay free at a time."""
    return tuple(name for name in namespace.coordinates if name != namespace.time)


def _faces_in_words(namespace: Namespace) -> str:
    return ", ".join(f"{axis} = {value:g}" for axis in namespace.space for value in namespace.box[axis])


def _equalities(tree: Node) -> list[Call]:
    if isinstance(tree, Call):
        if tree.function == "=":
            return [tree]
        return [found for argument in tree.arguments for found in _equalities(argument)]
    return []


def _instants(tree: Node, namespace: Namespace) -> list[tuple[str, float]]:
    """Return each (time coordinate, value) that the selector names; the space domain at that time may belong to what it chooses."""
    found = []
    for equality in _equalities(tree):
        axis, value = _pinned(equality, namespace)
        if axis == namespace.time:
            low, high = namespace.box[axis]
            if not low - TOLERANCE * (high - low) <= value <= high + TOLERANCE * (high - low):
                raise FormulaError(f"{axis} = {value:g} lies outside the range of {axis}, {low:g} to {high:g}")
            if (axis, value) not in found:
                found.append((axis, value))
    return found


def _pinned(equality: Call, namespace: Namespace) -> tuple[str, float]:
    """Return (coordinate, value) of ``x = 1`` or ``1 = x``."""
    left, right = (Expander(namespace).scalar(side) for side in equality.arguments)
    refuse_parameters((left, right), namespace)
    if isinstance(right, Name):
        left, right = right, left
    if not (isinstance(left, Name) and isinstance(right, Number)):
        raise FormulaError(f"'{equality}' is not of the form coordinate = number")
    return left.name, right.value


def _restrict(piece: Piece, tree: Node, namespace: Namespace) -> Piece | None:
    """Return the part of a piece that the selector keeps, or None."""
    kept = _holds(tree, piece, namespace)
    if kept is False:
        return None
    if kept is True:
        return piece
    return replace(piece, cut=kept if piece.cut is None else Call("and", (piece.cut, kept)))


def _holds(tree: Node, piece: Piece, namespace: Namespace) -> bool | Node:
    """Return whether the selector holds on a whole piece, or the tree that decides point by point."""
    if isinstance(tree, Name):
        return _surface(tree.name, piece, namespace)
    if not isinstance(tree, Call) or tree.function not in ("and", "or", "not", "=", "<", "<=", ">", ">="):
        raise FormulaError(f"'{tree}' does not choose a part of the domain; write boundary, x = 0, y > 1, and, or, not")
    if tree.function == "not":
        return opposite(_holds(tree.arguments[0], piece, namespace))
    if tree.function in ("and", "or"):
        left, right = (_holds(argument, piece, namespace) for argument in tree.arguments)
        return both(left, right) if tree.function == "and" else either(left, right)
    if tree.function == "=":
        return _equals(tree, piece, namespace)
    return _compares(tree, piece, namespace)


def _surface(name: str, piece: Piece, namespace: Namespace) -> bool | Node:
    if name == "boundary":
        return piece.is_wall
    if name == "interfaces":
        if not namespace.rims:
            raise FormulaError("'interfaces' needs interfaces:, a list of shapes whose rims they are")
        return piece.is_inner
    if name in namespace.rims and piece.is_inner:
        return piece in namespace.rims[name]
    if name in namespace.shapes and piece in namespace.edges:
        return _ends_at(piece, namespace.shapes[name], namespace)
    if name in namespace.shapes:
        return _holds(namespace.shapes[name], piece, namespace)
    known = ["boundary", *namespace.coordinates, *namespace.shapes, *namespace.named]
    raise FormulaError(f"'{name}' is not a surface{nearest(name, known)}; write boundary or x = value")


def _ends_at(piece: Piece, shape: Node, namespace: Namespace) -> bool:
    """Whether a piece of the domain's rim is one of a shape's."""
    for comparison in comparisons(shape):
        if piece.surface in namespace.surfaces.get(comparison, ()) or plane(comparison) in piece.fixed:
            return True
    return False


def _equals(tree: Call, piece: Piece, namespace: Namespace) -> bool:
    axis, value = _pinned(tree, namespace)
    low, high = namespace.box[axis]
    slack = TOLERANCE * (high - low)
    inner = [pinned for piece in (*namespace.interfaces, *namespace.edges) for name, pinned in piece.fixed if name == axis]
    if axis != namespace.time and min(abs(value - pinned) for pinned in (low, high, *inner)) > slack:
        raise FormulaError(
            f"'{tree}' is not a face, {axis} runs from {low:g} to {high:g}; "
            f"a condition on an inner line is written without at:, as u({axis}={value:g}) = ..."
        )
    return any(name == axis and abs(value - pinned) <= slack for name, pinned in piece.fixed)


def _compares(tree: Call, piece: Piece, namespace: Namespace) -> bool | Node:
    inside = {name: Number(value) for name, value in piece.fixed}
    expander = Expander(namespace)
    left, right = (substitute(expander.scalar(side), inside) for side in tree.arguments)
    if isinstance(left, Number) and isinstance(right, Number):
        return bool(COMPARED[tree.function](left.value, right.value))
    return _within_range(Call(tree.function, (left, right)), namespace)


def _within_range(tree: Call, namespace: Namespace) -> bool | Node:
    """Decide ``x > 0.5`` from the range of x where that settles it."""
    left, right = tree.arguments
    function = tree.function
    if isinstance(right, Name):
        left, right, function = right, left, SWAPPED[function]
    if isinstance(left, Name) and isinstance(right, Number):
        low, high = namespace.box[left.name]
        if (function in ("<", "<=") and right.value >= high) or (function in (">", ">=") and right.value <= low):
            return True
        if (function in ("<", "<=") and right.value <= low) or (function in (">", ">=") and right.value >= high):
            return False
    return tree


def matters(tree: Node, coordinates: Sequence[str]) -> tuple[str, ...]:
    """Return the coordinates on which the value of an expanded tree depends, jets at their images included."""
    found: set[str] = set(names(tree))
    for leaf in leaves(tree):
        if isinstance(leaf, Jet):
            found |= set(coordinates) - {name for name, _ in leaf.image}
        elif isinstance(leaf, Integral):
            bound = {name for name, _, _ in leaf.over}
            found |= set(matters(leaf.integrand, coordinates)) - bound
    return tuple(name for name in coordinates if name in found)
