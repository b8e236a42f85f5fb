"""Quadrature over parts of a box that end at planes, balls, ellipses, polygons and rims of formulas in a plane.

A part is cut into slices: along each coordinate in turn the line is divided at every place where the section of the part changes
its kind, where a rim has an extreme or two rims meet, so that between these places all lengths are smooth. Along the last
coordinate these intervals take Gauss-Legendre nodes. Along the others lengths may begin and end like a square root, and the nodes
are those of x = (a + b)/2 − (b − a)/2 cos θ with Gauss-Legendre nodes in θ, which makes them smooth again (Saye 2022, J. Comput.
Phys. 448, 110720, section 3.2). The error falls faster than any power of the number of nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pinn.problem.formulas.tree import Node
from pinn.problem.settings import BadInput
from pinn.problem.shapes.geometry import Array, Geometry, Keep
from pinn.problem.shapes.outlines import Outline
from pinn.problem.shapes.pieces import holds_at

FEWEST = 16
"""Nodes of a short interval; one as long as the box has as many as are asked for."""

BENT = 4 / 3
"""Nodes in θ for each one along a straight interval."""

MOST_NODES = 10_000_000
"""Nodes of one integral at most."""

APART = 1e-13
"""Places closer than this, in parts of the box, are one."""

SEPARATE = 4.0
"""An interval is at most this many times as long as it is far from the next place where lengths are not smooth."""


SAMPLES, SMOOTH, MOST_HALVINGS = 24, 1e-13, 40
"""Nodes at which lengths are looked at, with last Legendre coefficients this small, in parts of the box, where they are smooth."""


class Rule(NamedTuple):
    """Nodes of a quadrature: points (nodes, names), weights (nodes,), and on surfaces unit normals (nodes, names)."""

    points: Array
    weights: Array
    normals: Array | None = None


@lru_cache(maxsize=64)
def legendre(count: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights on 0 … 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def volume(geometry: Geometry, tree: Node | None, quadrature: int, pinned: Mapping[str, float] | None = None) -> Rule:
    """Return a rule for the part of the box where a boolean tree holds, or for its section where coordinates are pinned.

    Parameters
    ----------
    tree : over coordinates; None is the whole box. quadrature : nodes along a coordinate of an interval as long as the box.

    Raises
    ------
    BadInput : too many nodes, or surfaces that meet in a way that is not covered.
    """
    pinned = dict(pinned or {})
    start = Rule(np.array([list(pinned.values())]), np.ones(1))
    return along(geometry, lambda points: holds_at(tree, points, geometry.names), quadrature, tuple(pinned), start)


def along(geometry: Geometry, keep: Keep, quadrature: int, known: tuple[str, ...], start: Rule) -> Rule:
    """Return a rule over all coordinates from one, ``start``, over the ``known`` ones; points have the order of the geometry."""
    order = (*known, *(name for name in geometry.names if name not in known))
    columns = [order.index(name) for name in geometry.names]
    points, weights, owner = start.points, start.weights, np.arange(len(start.points))
    if len(known) == len(order):
        kept = keep(points[:, columns])
        points, weights, owner = points[kept], weights[kept], owner[kept]
    else:
        geometry.refuse_strange()
    for number in range(len(known), len(order)):
        if len(points) * quadrature > MOST_NODES:
            raise BadInput(f"an integral over {len(order) - len(known)} coordinates needs too many points")
        ends, sharp = places(geometry, order, number, points)
        rows, low, high = intervals(ends)
        if number == len(order) - 1:
            middle = np.column_stack([points[rows], (low + high) / 2])
            chosen = keep(middle[:, columns])
            rows, low, high = rows[chosen], low[chosen], high[chosen]
        else:
            rows, low, high = graded(rows, low, high, sharp)
            for outline in geometry.outlines:
                if order[number] in outline.names and set(outline.names) <= set(order[number:]):
                    rows, low, high = halved_along(outline, order[number], rows, low, high)
        whole = np.ptp(geometry.range(order[number]))
        rows, values, factors = fill(rows, low, high, whole, quadrature, number < len(order) - 1)
        points, weights, owner = np.column_stack([points[rows], values]), weights[rows] * factors, owner[rows]
    return Rule(points[:, columns], weights, None if start.normals is None else start.normals[owner])


def fill(rows: Array, low: Array, high: Array, whole: float, quadrature: int, bent: bool) -> tuple[Array, Array, Array]:
    """Return nodes in intervals: their rows, values and weights; ``bent`` where lengths may end like square roots.

    Parameters
    ----------
    whole : length of an interval that gets as many nodes as ``quadrature`` says.
    """
    counts = np.clip(np.ceil(quadrature * np.sqrt((high - low) / whole)).astype(int), min(FEWEST, quadrature), quadrature)
    found = [(np.zeros(0, int), np.zeros(0), np.zeros(0))]
    counts = np.ceil(BENT * counts).astype(int) if bent else counts
    for count in np.unique(counts):
        chosen = counts == count
        unit, weight = legendre(int(count))
        if bent:
            unit, weight = (1 - np.cos(np.pi * unit)) / 2, weight * np.pi / 2 * np.sin(np.pi * unit)
        width = (high - low)[chosen]
        values = low[chosen, None] + width[:, None] * unit
        found.append((np.repeat(rows[chosen], count), values.ravel(), (width[:, None] * weight).ravel()))
    first, second, third = (np.concatenate(each) for each in zip(*found, strict=True))
    return first, second, third


def places(geometry: Geometry, order: tuple[str, ...], number: int, points: Array) -> tuple[Array, Array]:
    """Return the places along a coordinate where a section begins, ends or changes, and those where lengths are not smooth.

    Parameters
    ----------
    points : values of the coordinates before it, (rows, number).

    Returns
    -------
    Ascending places within the box (rows, places), and others (rows, others), not a number where there are none.
    """
    name, later = order[number], order[number + 1 :]
    known: dict[str, Array | float] = {each: points[:, column] for column, each in enumerate(order[:number])}
    smooth: list[Array | float] = list(geometry.values(name))
    sharp: list[Array | float] = []
    for pins in _pins(geometry, later):
        several = smooth if pins and len(later) == 1 else sharp
        for each in geometry.quadrics:
            if set(pins) <= set(each.center):
                several += each.extremes(name, known | pins)
        (several if len(later) != 1 else smooth).extend(_of_meeting_balls(geometry, name, later, known, pins))
    smooth += _of_plane_curves(geometry, name, known)
    for outline in geometry.outlines:
        if name in outline.names:
            other = outline.names[1 - outline.names.index(name)]
            if other in known:
                smooth += outline.crossings(name, np.asarray(known[other]))
            else:
                sharp += outline.extremes(name).tolist()
    low, high = geometry.range(name)
    table = [_column(each, len(points)) for each in (*smooth, *sharp)]
    found = np.clip(np.stack(table, axis=1), low, high)
    edges = np.stack([_column(each, len(points)) for each in sharp], axis=1) if sharp else np.empty((len(points), 0))
    return np.sort(np.where(np.isnan(found), high, found), axis=1), edges


def _column(values: Array | float, count: int) -> Array:
    return np.broadcast_to(np.asarray(values, float), (count,))


def _pins(geometry: Geometry, later: Iterable[str]) -> Iterator[dict[str, float]]:
    """Yield every choice of planes, at most one for each of some coordinates."""
    choices = [[None, *geometry.values(name)] for name in later]
    for values in itertools.product(*choices):
        yield {name: value for name, value in zip(later, values, strict=True) if value is not None}


def _of_meeting_balls(
    geometry: Geometry, name: str, later: Sequence[str], known: Mapping[str, Array | float], pins: Mapping[str, float]
) -> Iterator[Array]:
    """Yield the extremes of a coordinate where several balls meet, some others known.

    The common points of balls lie on the planes 2 (c_i − c_0)·(x − c_0) = ρ_0² − ρ_i² + |c_i − c_0|², on a sphere about the
    point of all these planes that is nearest to c_0.
    """
    fixed = {**known, **pins}
    for first, others in _cliques(geometry, len(later) + 1 - len(pins)):
        balls = [geometry.quadrics[number] for number in (first, *others)]
        free = [each for each in balls[0].center if each not in fixed]
        if name not in free or not set(pins) <= set(balls[0].center) or len(balls) > len(free):
            continue
        centers = np.array([[ball.center[each] for each in free] for ball in balls])
        squares = [
            ball.radii[name] ** 2 - sum((fixed[each] - ball.center[each]) ** 2 for each in ball.center if each in fixed)
            for ball in balls
        ]
        across = centers[1:] - centers[0]
        if np.linalg.matrix_rank(across) < len(across):
            continue
        inverse = np.linalg.pinv(across)
        right = [(squares[0] - square + away @ away) / 2 for square, away in zip(squares[1:], across, strict=True)]
        offset = np.stack([np.asarray(each, float) for each in right], axis=-1) @ inverse.T
        rest = squares[0] - np.sum(offset**2, axis=-1)
        axis = free.index(name)
        slope = max(1.0 - float(inverse[axis] @ across[:, axis]), 0.0)
        half = np.sqrt(np.where(rest < 0, np.nan, rest) * slope)
        yield from (centers[0, axis] + offset[..., axis] + sign * half for sign in (-1, 1))


def _cliques(geometry: Geometry, most: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield sets of at least two and at most so many balls, any two of which meet."""
    pairs = set(geometry.meeting)
    sets: list[tuple[int, ...]] = sorted(pairs)
    while sets and len(sets[0]) <= most:
        yield from ((each[0], each[1:]) for each in sets)
        last = len(geometry.quadrics)
        sets = [(*each, new) for each in sets for new in range(each[-1] + 1, last) if all((old, new) in pairs for old in each)]


def _of_plane_curves(geometry: Geometry, name: str, known: Mapping[str, Array | float]) -> Iterator[Array | float]:
    """Yield where edges of polygons lie for known other coordinates, and where curves in a plane meet."""
    for names, corners in geometry.corners:
        if name in names and not set(names) & set(known):
            yield from corners[:, names.index(name)]
    for edge in geometry.segments:
        other = edge.names[1 - edge.names.index(name)] if name in edge.names else ""
        if other in known:
            i, j = edge.names.index(name), edge.names.index(other)
            if edge.start[j] != edge.end[j]:
                ratio = (np.asarray(known[other]) - edge.start[j]) / (edge.end[j] - edge.start[j])
                yield np.where((ratio >= 0) & (ratio <= 1), edge.start[i] + ratio * (edge.end[i] - edge.start[i]), np.nan)


def intervals(ends: Array) -> tuple[Array, Array, Array]:
    """Return the intervals between places (rows, places) that have a length: their row, low and high ends."""
    width = np.diff(ends, axis=1)
    rows, columns = np.nonzero(width > APART * max(np.ptp(ends), 1e-300))
    return rows, ends[rows, columns], ends[rows, columns + 1]


def graded(rows: Array, low: Array, high: Array, singular: Array) -> tuple[Array, Array, Array]:
    """Return the intervals, those divided that are long against their distance to places outside where lengths are not smooth."""
    for _ in range(40 if singular.shape[1] else 0):
        sharp, width = singular[rows], high - low
        slack = APART * np.maximum(np.abs(low), np.abs(high))[:, None] + 1e-9 * width[:, None]
        below = np.where(sharp < low[:, None] - slack, low[:, None] - sharp, np.inf)
        above = np.where(sharp > high[:, None] + slack, sharp - high[:, None], np.inf)
        near = np.minimum(np.nanmin(below, axis=1, initial=np.inf), np.nanmin(above, axis=1, initial=np.inf))
        long = width > SEPARATE * near
        if not long.any():
            break
        middle = (low + high) / 2
        rows = np.concatenate([rows[~long], rows[long], rows[long]])
        low, high = (
            np.concatenate([low[~long], low[long], middle[long]]),
            np.concatenate([high[~long], middle[long], high[long]]),
        )
    return rows, low, high


def halved_along(outline: Outline, name: str, rows: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Return the intervals of a coordinate, those halved over which the other one is not smooth along the curve."""
    ends, numbers = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
    numbers, own = numbers.reshape(-1), np.arange(len(ends))
    settled: list[tuple[Array, Array]] = []
    for halvings in range(MOST_HALVINGS + 1):
        is_rough = _is_rough(outline, name, ends) if halvings < MOST_HALVINGS else np.zeros(len(ends), bool)
        settled.append((own[~is_rough], ends[~is_rough]))
        middle = ends[is_rough].mean(axis=1, keepdims=True)
        ends = np.concatenate([np.hstack([ends[is_rough, :1], middle]), np.hstack([middle, ends[is_rough, 1:]])])
        own = np.tile(own[is_rough], 2)
        if not len(own):
            break
    own, ends = (np.concatenate(each) for each in zip(*settled, strict=True))
    found = [(row, *pair) for row, number in zip(rows, numbers, strict=True) for pair in ends[own == number]]
    return np.array([each[0] for each in found], int), *np.array([each[1:] for each in found]).reshape(-1, 2).T


def _is_rough(outline: Outline, name: str, ends: Array) -> Array:
    """Return over which intervals (intervals, 2) the area beside some piece of a curve is not smooth in the angle of the nodes."""
    other = outline.names[1 - outline.names.index(name)]
    unit, _ = legendre(SAMPLES)
    last = np.linalg.inv(np.polynomial.legendre.legvander(2 * unit - 1, SAMPLES - 1))[-3:]
    width, size = np.diff(ends, axis=1), np.ptp(outline.surface.box, axis=1)
    places = ends[:, :1] + width * (1 - np.cos(np.pi * unit)) / 2
    rough = np.zeros(len(ends), bool)
    for values in outline.crossings(other, places.ravel()):
        areas = values.reshape(places.shape) * width * np.sin(np.pi * unit)
        with np.errstate(invalid="ignore"):
            rough |= np.abs(areas @ last.T).max(axis=1) > SMOOTH * size.prod()
    return np.asarray(rough)
