"""Bodies given by their measures: balls, boxes, ellipses and polygons, as comparisons and the surfaces these stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.formulas.calculus import divide, multiply, power, subtract, total
from pinn.problem.formulas.calculus import names as names_of
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.tree import Call, Enclosure, Name, Node, Number
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.facet_files import read_mesh, read_outline
from pinn.problem.shapes.facets import Facets, Solid
from pinn.problem.shapes.level_sets import level_set
from pinn.problem.shapes.surfaces import Ellipse, Ends, Moving, Segment, Sphere, Surface

NUM_MOMENTS = 16
"""Times at which it is looked whether edges of a polygon that moves cross."""

Value = Callable[[Any], Node]
"""Reads a number, or a formula of time and of other coordinates that are not in space."""


class Body(NamedTuple):
    """A boolean tree over coordinates, and the surfaces that those of its comparisons stand for that are no planes."""

    tree: Node
    surfaces: Mapping[Node, tuple[Surface, ...]] = {}


def primitive(settings: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    """Return a body given by its kind and measures, such as ``{ball: {center: [0, 0], radius: 1}}``.

    Raises
    ------
    BadInput : an unknown kind, measures that are missing or make no sense.
    """
    if len(settings) != 1 or next(iter(settings)) not in EXAMPLES:
        kind = next(iter(settings), "")
        raise BadInput(f"a body is one of {', '.join(EXAMPLES)} or a formula, got '{kind}'{nearest(str(kind), EXAMPLES)}")
    ((kind, measures),) = settings.items()
    if not isinstance(measures, Mapping):
        raise BadInput(f"needs its measures, for instance {EXAMPLES[kind]}")
    if kind == "mesh" or (kind == "polygon" and "file" in measures):
        return _from_file(kind, measures, namespace)
    missing, unknown = set(EXPECTED[kind]) - set(measures), set(measures) - set(EXPECTED[kind])
    if kind != "box" and (missing or unknown):
        raise BadInput(f"a {kind} has {' and '.join(EXPECTED[kind])}: {EXAMPLES[kind]}")
    return KINDS[kind](measures, namespace, value)


def _ball(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    centers, names = _centers(measures["center"], namespace, value)
    radii = _several(measures["radius"], len(centers), value, "radius", namespace)
    trees: list[Node] = []
    surfaces: dict[Node, tuple[Surface, ...]] = {}
    for center, radius in zip(centers, radii, strict=True):
        squares = total(power(subtract(Name(name), c), Number(2.0)) for name, c in zip(names, center, strict=True))
        tree = Call("<", (squares, power(radius, Number(2.0))))
        trees.append(tree)
        surfaces[tree] = (_sphere(names, center, radius, namespace),)
    return Body(_union(trees), surfaces)


def _sphere(names: tuple[str, ...], center: tuple[Node, ...], radius: Node, namespace: Namespace) -> Surface:
    """Return the rim of a ball that may move."""
    numbers = _numbers((*center, radius))
    if numbers is not None:
        return Sphere(names, numbers[:-1], numbers[-1])
    return Moving(Sphere, names, (*center, radius), *_movers((*center, radius), namespace))


def _numbers(values: Sequence[Node]) -> tuple[float, ...] | None:
    """Return values that are all numbers, None of others."""
    found = tuple(value.value for value in values if isinstance(value, Number))
    return found if len(found) == len(values) else None


def _movers(values: Sequence[Node], namespace: Namespace) -> tuple[tuple[str, ...], Ends]:
    """Return the coordinates on which values depend, and their ranges."""
    moves = tuple(name for name in namespace.coordinates if any(name in names_of(value) for value in values))
    return moves, tuple(namespace.box[name] for name in moves)


def _ellipsoid(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    centers, names = _centers(measures["center"], namespace, value)
    if len(centers) > 1:
        raise BadInput(f"center: an ellipsoid has one, got {len(centers)}")
    radii = _several(measures["radii"], len(names), value, "radii", namespace)
    ratios = [divide(subtract(Name(name), c), r) for name, c, r in zip(names, centers[0], radii, strict=True)]
    tree = Call("<", (total(power(ratio, Number(2.0)) for ratio in ratios), Number(1.0)))
    numbers = _numbers((*centers[0], *radii))
    rim: Surface | None = level_set(tree, namespace)
    if numbers is not None and len(names) == 2:
        rim = Ellipse(names, (numbers[0], numbers[1]), (numbers[2], numbers[3]))
    if rim is None:
        raise BadInput("ellipsoids lie in at most three coordinates, and move with at most two others")
    return Body(tree, {tree: (rim,)})


def _box(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    sides: list[Call] = []
    for name, ends in measures.items():
        if name not in namespace.space:
            raise BadInput(f"'{name}' is not a space coordinate{nearest(str(name), namespace.space)}")
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise BadInput(f"{name}: must be [low, high], got {ends!r}")
        low, high = map(value, ends)
        least, place = _least(subtract(high, low), namespace)
        if not least > 0:
            raise BadInput(f"{name}: the lower bound must be below the upper bound, got [{ends[0]}, {ends[1]}]{place}")
        sides += [Call(">", (Name(name), low)), Call("<", (Name(name), high))]
    if not sides:
        raise BadInput(f"needs its sides, for instance {EXAMPLES['box']}")
    rims: dict[Node, tuple[Surface, ...]] = {}
    for side in sides:
        rim = None if isinstance(side.arguments[1], Number) else level_set(side, namespace)
        rims |= {side: (rim,)} if rim else {}
    return Body(reduce(lambda left, right: Call("and", (left, right)), sides), rims)


def _polygon(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    """Where corners move a point is inside if edges go around it: upward edges to its right less downward ones (winding number)."""
    names = namespace.space
    if len(names) != 2:
        raise BadInput(f"polygons lie in a plane, here are {len(names)} space coordinates")
    given = measures["vertices"]
    if (
        not isinstance(given, Sequence)
        or len(given) < 3
        or not all(isinstance(each, Sequence) and len(each) == 2 for each in given)
    ):
        raise BadInput("vertices must be a list of at least three pairs of numbers")
    corners = [(value(x), value(y)) for x, y in given]
    everything = [each for corner in corners for each in corner]
    numbers = _numbers(everything)
    if numbers is not None:
        return _outline(np.array(numbers).reshape(-1, 2), names)
    moments = _moments(everything, *_movers(everything, namespace))
    areas = [_twice_the_area(_refuse_crossing(each.reshape(-1, 2))) for each in moments]
    if min(areas) < 0 < max(areas):
        raise BadInput("the polygon turns inside out")
    corners = corners if areas[0] > 0 else corners[::-1]
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    tree: Node = Call(">", (total(part for a, b in edges for part in _windings(names, a, b)), Number(0.5)))
    return Body(tree, {tree: tuple(_edge((names[0], names[1]), (*a, *b), namespace) for a, b in edges)})


def _moments(values: Sequence[Node], moves: tuple[str, ...], ranges: Ends) -> np.ndarray:
    """Return what values that move are at some times, (times, values)."""
    moving = Moving(Segment, (), tuple(values), moves, ranges)
    return moving.values(moving.trials[:: math.ceil(len(moving.trials) / NUM_MOMENTS)])


def _windings(names: tuple[str, ...], a: tuple[Node, Node], b: tuple[Node, Node]) -> Iterator[Node]:
    """Yield what an edge adds where it lies to the right: 1 where it goes upwards, -1 where it goes downwards."""
    x, y = (Name(name) for name in names)
    ahead = multiply(subtract(b[0], a[0]), subtract(y, a[1]))
    turn = subtract(ahead, multiply(subtract(x, a[0]), subtract(b[1], a[1])))
    for low, high, function, sign in ((a[1], b[1], ">", 1.0), (b[1], a[1], "<", -1.0)):
        if isinstance(low, Number) and isinstance(high, Number) and not low.value < high.value:
            continue
        between = Call("and", (Call("<=", (low, y)), Call("<", (y, high))))
        yield Call("where", (Call("and", (between, Call(function, (turn, Number(0.0))))), Number(sign), Number(0.0)))


def _edge(names: tuple[str, str], ends: tuple[Node, ...], namespace: Namespace) -> Surface:
    """Return an edge of a polygon that may move."""
    numbers = _numbers(ends)
    if numbers is not None:
        return Segment(names, (numbers[0], numbers[1]), (numbers[2], numbers[3]))
    return Moving(Segment, names, ends, *_movers(ends, namespace))


def _from_file(kind: str, measures: Mapping[str, Any], namespace: Namespace) -> Body:
    """Return a mesh of triangles, or a polygon whose corners stand in a file."""
    names, dim = namespace.space, 3 if kind == "mesh" else 2
    if set(measures) != {"file"}:
        raise BadInput(f"a {kind} from a file has a file: {{{kind}: {{file: {'part.stl' if dim == 3 else 'outline.csv'}}}}}")
    if len(names) != dim:
        raise BadInput(f"a {kind} lies in {dim} space coordinates, here are {len(names)}")
    if kind == "mesh":
        facets, key = read_mesh(measures["file"])
    else:
        return _outline(read_outline(measures["file"]), names)
    return _bounded(facets, Path(measures["file"]).name, key, names)


def _outline(corners: np.ndarray, names: tuple[str, ...]) -> Body:
    """Return the polygon with corners (corners, 2) in either order."""
    corners = corners if _twice_the_area(_refuse_crossing(corners)) > 0 else corners[::-1]
    facets = Facets(np.stack([corners, np.roll(corners, -1, axis=0)], axis=1))
    return _bounded(facets, "polygon", str(corners.tolist()), names)


def _bounded(facets: Facets, name: str, key: str, names: tuple[str, ...]) -> Body:
    """Return the body inside of facets."""
    tree = Call(">", (Call("encloses", (Enclosure(name, key, facets.contains), *map(Name, names))), Number(0.5)))
    return Body(tree, {tree: (Solid(names, key, facets),)})


def _twice_the_area(corners: np.ndarray) -> float:
    following = np.roll(corners, -1, axis=0)
    return float(np.sum(corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]))


def _refuse_crossing(corners: np.ndarray) -> np.ndarray:
    """Return the corners (corners, 2) of a polygon whose edges meet at their ends only."""
    if len(np.unique(corners, axis=0)) < len(corners):
        raise BadInput("a corner of the polygon is listed twice")
    following = np.roll(corners, -1, axis=0)
    along = following - corners

    def left(points: np.ndarray) -> np.ndarray:
        """Return which points lie how far to the left of each edge, (edges, points)."""
        away = points[None] - corners[:, None]
        return np.asarray(along[:, None, 0] * away[..., 1] - along[:, None, 1] * away[..., 0])

    apart = left(corners) * left(following) < 0
    crossing = np.argwhere(np.triu(apart & apart.T))
    if len(crossing):
        raise BadInput(f"edges {crossing[0, 0] + 1} and {crossing[0, 1] + 1} of the polygon cross")
    if abs(_twice_the_area(corners)) <= 1e-12 * np.prod(np.ptp(corners, axis=0)):
        raise BadInput("the corners of the polygon lie on a line")
    return corners


def _centers(given: Any, namespace: Namespace, value: Value) -> tuple[list[tuple[Node, ...]], tuple[str, ...]]:
    """Return centers, and the coordinates in which they lie: all of space, or those that are named."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in namespace.space:
                raise BadInput(f"center: '{name}' is not a space coordinate{nearest(str(name), namespace.space)}")
        return [tuple(value(item) for item in given.values())], tuple(given)
    if not isinstance(given, Sequence) or isinstance(given, str):
        given = [given] * len(namespace.space)
    rows = given if given and isinstance(given[0], Sequence) and not isinstance(given[0], str) else [given]
    for row in rows:
        if len(row) != len(namespace.space):
            raise BadInput(f"center: a point in space has {len(namespace.space)} coordinates, got {len(row)}")
    return [tuple(value(item) for item in row) for row in rows], namespace.space


def _several(given: Any, count: int, value: Value, name: str, namespace: Namespace) -> list[Node]:
    """Return positive numbers, one for all or one for each."""
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * count
    if len(listed) != count:
        raise BadInput(f"{name}: {count} numbers are needed, got {len(listed)}")
    found = [value(item) for item in listed]
    for number in found:
        least, place = _least(number, namespace)
        if not least > 0:
            raise BadInput(f"{name}: must be greater than 0, got {least:g}{place}")
    return found


def _least(value: Node, namespace: Namespace) -> tuple[float, str]:
    """Return the least value of a number that may move, and the words that say where."""
    if isinstance(value, Number):
        return value.value, ""
    moving = Moving(Sphere, (), (value,), *_movers((value,), namespace))
    with np.errstate(all="ignore"):
        found = np.nan_to_num(moving.values(moving.trials)[:, 0], nan=-math.inf)
    place = moving.trials[int(found.argmin())]
    return float(found.min()), " at " + ", ".join(f"{name}={at:g}" for name, at in zip(moving.moves, place, strict=True))


def _union(trees: Sequence[Node]) -> Node:
    return reduce(lambda left, right: Call("or", (left, right)), trees)


KINDS: dict[str, Callable[[Mapping[str, Any], Namespace, Value], Body]] = {
    "ball": _ball, "box": _box, "ellipsoid": _ellipsoid, "polygon": _polygon,
}  # fmt: skip

EXPECTED = {"ball": ("center", "radius"), "ellipsoid": ("center", "radii"), "polygon": ("vertices",), "box": ()}

EXAMPLES = {
    "ball": "{ball: {center: [0, 0], radius: 1}}",
    "box": "{box: {x: [0, 1], y: [0, 0.5]}}",
    "ellipsoid": "{ellipsoid: {center: [0, 0], radii: [2, 1]}}",
    "polygon": "{polygon: {vertices: [[0, 0], [1, 0], [0, 1]]}}",
    "mesh": "{mesh: {file: part.stl}}",
}
