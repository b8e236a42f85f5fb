"""Bodies given by their measures: balls, boxes, ellipses and polygons, as comparisons and the surfaces these stand for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.calculus import add, multiply, power, subtract, total
from pinn.problem.namespace import Namespace
from pinn.problem.settings import BadInput, nearest
from pinn.problem.surfaces import Ellipse, Segment, Sphere, Surface
from pinn.problem.tree import Call, Name, Node, Number

Value = Callable[[Any], float]
"""Reads a number that may be a formula of constants."""


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
    if len(settings) != 1 or next(iter(settings)) not in KINDS:
        kind = next(iter(settings), "")
        raise BadInput(f"a body is one of {', '.join(KINDS)} or a formula, got '{kind}'{nearest(str(kind), KINDS)}")
    ((kind, measures),) = settings.items()
    if not isinstance(measures, Mapping):
        raise BadInput(f"needs its measures, for instance {EXAMPLES[kind]}")
    missing, unknown = set(EXPECTED[kind]) - set(measures), set(measures) - set(EXPECTED[kind])
    if kind != "box" and (missing or unknown):
        raise BadInput(f"a {kind} has {' and '.join(EXPECTED[kind])}: {EXAMPLES[kind]}")
    return KINDS[kind](measures, namespace, value)


def _ball(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    centers, names = _centers(measures["center"], namespace, value)
    radii = _several(measures["radius"], len(centers), value, "radius")
    trees: list[Node] = []
    surfaces: dict[Node, tuple[Surface, ...]] = {}
    for center, radius in zip(centers, radii, strict=True):
        squares = total(power(subtract(Name(name), Number(c)), Number(2.0)) for name, c in zip(names, center, strict=True))
        tree = Call("<", (squares, Number(radius**2)))
        trees.append(tree)
        surfaces[tree] = (Sphere(names, center, radius),)
    return Body(_union(trees), surfaces)


def _ellipsoid(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    (center,), names = _centers(measures["center"], namespace, value)
    radii = tuple(_several(measures["radii"], len(names), value, "radii"))
    if len(names) != 2:
        raise BadInput("ellipsoids are possible in two coordinates so far")
    ratios = [(subtract(Name(name), Number(c)), Number(r**-2)) for name, c, r in zip(names, center, radii, strict=True)]
    tree: Node = Call("<", (total(multiply(weight, power(away, Number(2.0))) for away, weight in ratios), Number(1.0)))
    rim: Surface = Ellipse(names, (center[0], center[1]), (radii[0], radii[1]))
    return Body(tree, {tree: (rim,)})


def _box(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    sides: list[Node] = []
    for name, ends in measures.items():
        if name not in namespace.space:
            raise BadInput(f"'{name}' is not a space coordinate{nearest(str(name), namespace.space)}")
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise BadInput(f"{name}: must be [low, high], got {ends!r}")
        low, high = map(value, ends)
        if not low < high:
            raise BadInput(f"{name}: the lower bound must be below the upper bound, got [{low:g}, {high:g}]")
        sides += [Call(">", (Name(name), Number(low))), Call("<", (Name(name), Number(high)))]
    if not sides:
        raise BadInput(f"needs its sides, for instance {EXAMPLES['box']}")
    return Body(reduce(lambda left, right: Call("and", (left, right)), sides))


def _polygon(measures: Mapping[str, Any], namespace: Namespace, value: Value) -> Body:
    """A point is inside where edges go around it: upward edges to its right less downward ones (winding number)."""
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
    corners = np.array([[value(item) for item in corner] for corner in given])
    _refuse_crossing(corners)
    if _twice_the_area(corners) < 0:
        corners = corners[::-1]
    x, y = (Name(name) for name in names)
    parts: list[Node] = []
    for (ax, ay), (bx, by) in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True):
        if ay == by:
            continue
        (lx, ly), (hx, hy), sign = ((ax, ay), (bx, by), 1.0) if ay < by else ((bx, by), (ax, ay), -1.0)
        crossing = add(Number(lx), multiply(Number((hx - lx) / (hy - ly)), subtract(y, Number(ly))))
        between = Call("and", (Call("<=", (Number(ly), y)), Call("<", (y, Number(hy)))))
        parts.append(Call("where", (Call("and", (between, Call("<", (x, crossing)))), Number(sign), Number(0.0))))
    tree: Node = Call(">", (total(parts), Number(0.5)))
    ends = zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True)
    edges: tuple[Surface, ...] = tuple(Segment((names[0], names[1]), (ax, ay), (bx, by)) for (ax, ay), (bx, by) in ends)
    return Body(tree, {tree: edges})


def _twice_the_area(corners: np.ndarray) -> float:
    following = np.roll(corners, -1, axis=0)
    return float(np.sum(corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]))


def _refuse_crossing(corners: np.ndarray) -> None:
    count = len(corners)
    if len(np.unique(corners, axis=0)) < count:
        raise BadInput("a corner of the polygon is listed twice")

    def left(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    for first, second in itertools.combinations(range(count), 2):
        a, b = corners[first], corners[(first + 1) % count]
        c, d = corners[second], corners[(second + 1) % count]
        if left(a, b, c) * left(a, b, d) < 0 and left(c, d, a) * left(c, d, b) < 0:
            raise BadInput(f"edges {first + 1} and {second + 1} of the polygon cross")
    if abs(_twice_the_area(corners)) <= 1e-12 * np.prod(np.ptp(corners, axis=0)):
        raise BadInput("the corners of the polygon lie on a line")


def _centers(given: Any, namespace: Namespace, value: Value) -> tuple[list[tuple[float, ...]], tuple[str, ...]]:
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


def _several(given: Any, count: int, value: Value, name: str) -> list[float]:
    """Return positive numbers, one for all or one for each."""
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * count
    if len(listed) != count:
        raise BadInput(f"{name}: {count} numbers are needed, got {len(listed)}")
    found = [value(item) for item in listed]
    if any(not number > 0 for number in found):
        raise BadInput(f"{name}: must be greater than 0, got {min(found):g}")
    return found


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
}
