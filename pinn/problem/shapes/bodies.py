"""Bodies: named parts of space, and the rims of those across which unknowns may jump."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pinn.problem.formulas.calculus import jets, names, substitute
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace, UnusableName, point_at
from pinn.problem.formulas.parser import FormulaError, parse, parse_selector
from pinn.problem.formulas.sides import NUDGE
from pinn.problem.formulas.tree import Call, Name, Node, Number
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.facets import Solid
from pinn.problem.shapes.level_sets import level_set
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.primitives import primitive
from pinn.problem.shapes.surfaces import Surface

At = Callable[..., AbstractContextManager]

SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "="}
"""What a comparison becomes when its sides change places."""

FLAT = 1e-7
"""What of a surface is this close to a face of the box, in parts of its width, belongs to the face."""

RARE = 1e-3
"""Part of a piece that counts as nothing."""

NUM_TRIALS = 10_000
"""Points at which it is looked whether there is anything."""

COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def with_bodies(mapping: Mapping[str, Any], namespace: Namespace, at: At) -> Namespace:
    """Return the namespace with the bodies under ``shapes``, the ``domain``, and the rims of those under ``interfaces``.

    Raises
    ------
    BadInput : a shape that is no selector, or refers to itself; a domain of nothing; an interface that is no body, or is curved.
    """
    given = mapping.get("shapes") or {}
    named: dict[str, Node] = {}
    for name, text in given.items():
        with at("shapes", name):
            if not isinstance(text, Mapping) and _is_part(tree := _parsed(text), named):
                named[str(name)] = tree
    reader = _Shapes({name: text for name, text in given.items() if name not in named}, namespace, {}, {})
    for name in reader.given:
        with at("shapes", name):
            reader.shape(str(name))
    namespace = replace(namespace, shapes=reader.done, surfaces=reader.surfaces, named=named)
    for name in reader.done:
        with at("shapes", name):
            _refuse_outside(reader.done[name], namespace)
    shapes = reader.done
    if mapping.get("domain") is not None:
        with at("domain"):
            namespace = _with_domain(mapping["domain"], namespace, reader)
    listed = mapping.get("interfaces") or []
    rims = {}
    with at("interfaces"):
        for name in listed if isinstance(listed, list) else [listed]:
            if not isinstance(name, str) or name not in shapes:
                raise BadInput(f"'{name}' is not a shape{nearest(str(name), shapes)}; shapes: {', '.join(shapes) or 'none'}")
            pieces = rim(shapes[name], namespace)
            rims[name] = tuple(replace(piece, cut=_and(piece.cut, namespace.domain)) for piece in pieces)
            if not rims[name]:
                raise BadInput(f"'{name}' has no rim inside the domain")
    return replace(namespace, rims=rims)


def _refuse_outside(body: Node, namespace: Namespace) -> None:
    """Complain about a body that is neither met by many random points nor has a rim inside the box."""
    if len(some_points(Piece(cut=body), namespace)):
        return
    values = [found for each in comparisons(body) if (found := plane(each))]
    is_cut = any(namespace.box[name][0] < value < namespace.box[name][1] for name, value in values)
    if not is_cut and next(_curved(body, namespace), None) is None:
        raise BadInput(
            f"lies outside the box of the coordinates or is too small to be seen: 0 of {NUM_TRIALS:,} trial points are inside"
        )


def _and(first: Node | None, second: Node | None) -> Node | None:
    return first if second is None else second if first is None else Call("and", (first, second))


def _parsed(text: Any) -> Node:
    try:
        return parse_selector(text)
    except FormulaError as error:
        raise point_at(str(text), error) from None


def _is_part(tree: Node, parts: Mapping[str, Node]) -> bool:
    """Whether a selector speaks of surfaces, so that it is a name for some of them and no body."""
    if isinstance(tree, Name):
        return tree.name in ("boundary", "interfaces") or tree.name in parts
    if isinstance(tree, Call) and tree.function in ("and", "or", "not"):
        return any(_is_part(argument, parts) for argument in tree.arguments)
    return isinstance(tree, Call) and tree.function == "="


def with_parts(tree: Node, namespace: Namespace) -> Node:
    """Return a selector with what names of surfaces stand for in their place."""
    if isinstance(tree, Name) and tree.name in namespace.named:
        return with_parts(namespace.named[tree.name], namespace)
    if isinstance(tree, Call) and tree.function in ("and", "or", "not"):
        return Call(tree.function, tuple(with_parts(argument, namespace) for argument in tree.arguments))
    return tree


@dataclass
class _Shapes:
    """Reads shapes in any order.

    Attributes
    ----------
    done : trees over coordinates by name, shapes that they name put in. surfaces : of comparisons that are no planes.
    """

    given: Mapping
    namespace: Namespace
    done: dict[str, Node]
    surfaces: dict[Node, tuple[Surface, ...]]

    def shape(self, name: str, pending: tuple[str, ...] = ()) -> Node:
        """Return the tree of a shape."""
        if name in pending:
            raise BadInput(f"shape '{name}' is defined by itself: {' -> '.join((*pending, name))}")
        if name not in self.done:
            settings = self.given[name]
            if isinstance(settings, Mapping):
                body = primitive(settings, self.namespace, self._value)
                self.done[name] = body.tree
                self.surfaces |= body.surfaces
            else:
                self.done[name] = self.boolean(settings, (*pending, name))
        return self.done[name]

    def boolean(self, text: Any, pending: tuple[str, ...] = ()) -> Node:
        """Return the tree of a selector of bodies."""
        try:
            return self._boolean(parse_selector(text), pending)
        except FormulaError as error:
            raise point_at(str(text), error) from None

    def _boolean(self, tree: Node, pending: tuple[str, ...]) -> Node:
        if isinstance(tree, Name) and tree.name in self.given:
            return self.shape(tree.name, pending)
        if isinstance(tree, Call) and tree.function in ("and", "or", "not"):
            return Call(tree.function, tuple(self._boolean(argument, pending) for argument in tree.arguments))
        if isinstance(tree, Call) and tree.function in COMPARED:
            return self._comparison(tree)
        if isinstance(tree, Name):
            raise UnusableName(f"'{tree.name}' is not a shape{nearest(tree.name, self.given)}", name=tree.name)
        raise FormulaError(f"'{tree}' is no body; compare with < or >, and combine with and, or, not")

    def _comparison(self, tree: Call) -> Node:
        """Return a comparison, and remember the surface it stands for where that is no plane."""
        found = Call(tree.function, tuple(Expander(self.namespace).scalar(side) for side in tree.arguments))
        if jets(found):
            raise FormulaError(f"'{tree}' contains an unknown; shapes are formulas of coordinates")
        rim_of_it = None if plane(found) else level_set(found, self.namespace)
        if rim_of_it is not None:
            self.surfaces.setdefault(found, (rim_of_it,))
        return found

    def _value(self, text: Any) -> Node:
        found = Expander(self.namespace).scalar(parse(text))
        known = set(self.namespace.coordinates) - set(self.namespace.space)
        if jets(found) or not names(found) <= known:
            also = f" and {', '.join(sorted(known))}" if known else ""
            raise BadInput(f"'{text}' is not a number; measures of a body are formulas of constants{also}")
        return found


def refuse_parameters(trees: Iterable[Node], namespace: Namespace) -> None:
    """Raise `FormulaError` when regions would differ between values of a parameter."""
    for name in sorted(set().union(*map(names, trees)) & set(namespace.parameters)):
        raise UnusableName(f"'{name}' is a parameter; regions are the same for all its values", name=name)


def _with_domain(text: Any, namespace: Namespace, reader: _Shapes) -> Namespace:
    """Return the namespace with a domain that is a part of the box."""
    domain = reader.boolean(text)
    if not has_points(Piece(cut=domain), namespace):
        raise BadInput(f"the domain is empty: no more than {round(RARE * NUM_TRIALS)} of {NUM_TRIALS:,} trial points are inside")
    namespace = replace(namespace, domain=domain)
    return replace(namespace, edges=rim(domain, namespace, is_inner=False))


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


def rim(body: Node, namespace: Namespace, is_inner: bool = True) -> tuple[Piece, ...]:
    """Return the pieces of surfaces inside the box on which a body ends, with their normals out of it.

    Raises
    ------
    FormulaError : an inner surface that is no plane on which a coordinate is constant; one by a formula, or in time.
    """
    found = []
    for coordinate, value in dict.fromkeys(_planes(body, namespace, is_inner)):
        low, high = namespace.box[coordinate]
        if low < value < high:
            free = tuple(name for name in namespace.coordinates if name != coordinate)
            below, above = (_beside(body, coordinate, value, side) for side in (-1, 1))
            for side, inner, outer in ((1, below, above), (-1, above, below)):
                cut = both(inner, opposite(outer))
                if cut is not False:
                    found.append(Piece(((coordinate, value),), (coordinate, side), None if cut is True else cut, free, is_inner))
    return (*found, *_curved(body, namespace))


def _curved(body: Node, namespace: Namespace) -> Iterator[Piece]:
    """Yield what the rim of a body has of each surface, with the normals out of the body."""
    for surface in dict.fromkeys(each for comparison in comparisons(body) for each in namespace.surfaces.get(comparison, ())):
        free = tuple(name for name in namespace.coordinates if name not in surface.names)
        for sign in (1, -1):
            piece = Piece(free=free, surface=surface, sign=sign, body=_off_faces(body, surface, namespace))
            if len(some_points(piece, namespace)):
                yield piece


def _off_faces(body: Node, surface: Surface, namespace: Namespace) -> Node:
    """Return a body without the faces of the box, on which parts of a polygon or a mesh may lie; other rims only touch them."""
    flat = FLAT if isinstance(surface, Solid) else 0.0
    for name in namespace.space:
        low, high = namespace.box[name]
        off = flat * (high - low)
        sides = Call(">", (Name(name), Number(low + off))), Call("<", (Name(name), Number(high - off)))
        body = Call("and", (body, Call("and", sides)))
    return body


def has_points(piece: Piece, namespace: Namespace) -> bool:
    """Whether some of many random points of a piece belong to it; where a body only touches a face, hardly any do."""
    return len(some_points(piece, namespace)) > RARE * NUM_TRIALS


def some_points(piece: Piece, namespace: Namespace) -> np.ndarray:
    """Return those of many random points of a piece that belong to it, (points, dim)."""
    rng, axes = np.random.default_rng(0), namespace.coordinates
    low, high = np.array([namespace.box[name] for name in axes]).T
    points = low + (high - low) * rng.random((NUM_TRIALS, len(axes)))
    for name, value in piece.fixed:
        points[:, axes.index(name)] = value
    if piece.surface is not None:
        unit = rng.random((NUM_TRIALS, piece.surface.num_params))
        piece.put(points, unit, axes)
    return points[piece.keeps(points, axes)]


def _planes(body: Node, namespace: Namespace, is_inner: bool) -> Iterator[tuple[str, float]]:
    for comparison in comparisons(body):
        found = plane(comparison)
        if comparison in namespace.surfaces and not is_inner:
            continue
        if found is None:
            what = "an interface" if is_inner else "a domain that ends"
            raise FormulaError(f"{what} along '{comparison}' is not supported yet; planes such as x < 0 are")
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
    return bool(COMPARED[function](difference, 0.0))


def inside_of(domain: Node | None, coordinate: str, ends: tuple[float, float], side: int) -> bool | Node:
    """Return whether points inside a face of the box belong to the domain, or the tree that decides; all do where there is none.

    Parameters
    ----------
    ends : of the box along a coordinate. side : −1 for the face at the lower one, 1 for that at the higher one.
    """
    if domain is None:
        return True
    value = ends[int(side > 0)]
    found = _beside(domain, coordinate, value, -side)
    if isinstance(found, bool):
        return found
    return substitute(found, {coordinate: Number(value - side * NUDGE * (ends[1] - ends[0]))})


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
