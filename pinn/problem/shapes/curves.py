"""Curves on which a formula vanishes: found on a grid, measured by quadrature, with points uniform in arc length.

Crossings of the grid's lines are found by bisection and joined by chords (marching squares). Over a chord the curve is a graph,
whose height is found by Newton's method and whose arc length for a step along the chord is |∇f| / |∇f · m|, m normal to the chord.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre

from pinn.problem.settings import BadInput

Array = np.ndarray

Level = Callable[[Array], tuple[Array, Array]]
"""Points (points, dim) to the values of a formula (points,) and its gradients (points, dim)."""

OFFSETS = (0.3172, 0.2236, 0.4142)
"""Of grid lines from round places, in widths of a cell, so that surfaces along round places do not lie on them."""

NODES = -np.cos(np.pi * np.arange(13) / 12)
"""Along a chord, ends included: a corner of the curve next to one of them would not be seen otherwise."""

SHORTEST = 1e-12
"""Chords are not halved below this length, in parts of the box: they meet at a corner."""

STILL = 1e-14
"""Newton's method ends with steps this small, in parts of a chord or a triangle."""

BISECTIONS, NEWTON_STEPS, MOST_HALVINGS, MOST_CHORDS = 60, 8, 60, 3000


@dataclass(frozen=True)
class Curve:
    """Arcs over chords, in order along each branch.

    Attributes
    ----------
    starts, ends : of the chords, (arcs, 2). speeds : the arc length for a step along each, Legendre coefficients (degree, arcs).
    """

    level: Level
    starts: Array
    ends: Array
    speeds: Array

    @cached_property
    def _lengths(self) -> Array:
        """Legendre coefficients of the arc length from the start of each arc, (degree + 1, arcs)."""
        return legendre.legint(self.speeds, lbnd=-1, axis=0)

    @cached_property
    def _until(self) -> Array:
        """The arc length up to the start of each arc and to the end of all, (arcs + 1,)."""
        return np.concatenate([[0.0], np.cumsum(2 * self.speeds[0])])

    @property
    def measure(self) -> float:
        """The length."""
        return float(self._until[-1])

    @property
    def ends_of_arcs(self) -> Array:
        """The numbers of the unit interval at which arcs begin and end, (arcs + 1,)."""
        return self._until / (self.measure or 1.0)

    @property
    def ends_of_branches(self) -> Array:
        """The numbers of the unit interval at which branches begin and end, (branches + 1,)."""
        is_new = np.ones(len(self._until), bool)
        is_new[1:-1] = (self.starts[1:] != self.ends[:-1]).any(axis=1)
        return self.ends_of_arcs[is_new]

    def place(self, unit: Array) -> Array:
        """Return points (points, 2) for points of the unit interval (points, 1), uniform in arc length."""
        if not self.measure:
            return np.full((len(unit), 2), np.nan)
        wanted = self.measure * unit[:, 0]
        arc = np.clip(np.searchsorted(self._until, wanted, side="right") - 1, 0, len(self.starts) - 1)
        rest, lengths, speeds = wanted - self._until[arc], self._lengths[:, arc], self.speeds[:, arc]
        along = np.clip(rest / speeds[0] - 1, -1, 1)
        for _ in range(NEWTON_STEPS):
            missing = rest - legendre.legval(along, lengths, tensor=False)
            along = np.clip(along + missing / legendre.legval(along, speeds, tensor=False), -1, 1)
        return over(self.level, self.starts[arc], self.ends[arc], along)[0]


def over(level: Level, starts: Array, ends: Array, along: Array) -> tuple[Array, Array]:
    """Return the points over chords (points, 2), at −1 … 1 along each, and the arc length for a step there (points,)."""
    chord = ends - starts
    length = np.linalg.norm(chord, axis=1)
    across = np.stack([-chord[:, 1], chord[:, 0]], axis=1) / length[:, None]
    points = (starts + ends) / 2 + along[:, None] * chord / 2
    height = np.zeros(len(points))
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            values, gradients = level(points + height[:, None] * across)
            step = np.nan_to_num(values / np.einsum("ij,ij->i", gradients, across), posinf=0.0, neginf=0.0)
            height = np.clip(height - step, -2 * length, 2 * length)
            if np.abs(step).max(initial=0.0) <= STILL * length.max(initial=0.0):
                break
        points = points + height[:, None] * across
        _, gradients = level(points)
        rise = np.abs(np.einsum("ij,ij->i", gradients, across))
        return points, length / 2 * np.linalg.norm(gradients, axis=1) / rise


def trace(level: Level, box: Array, grids: tuple[int, ...], settled: float = 1e-13) -> Curve:
    """Return the curve on which a formula vanishes inside a box (2, 2).

    Parameters
    ----------
    grids : squares along an axis; the next where the last ones overlook parts.
    settled : chords are halved until the last coefficients of the speed along them are this small.

    Raises
    ------
    BadInput : parts of it are too small for the grid; it cannot be followed, since the gradient vanishes there or is not finite.
    """
    for grid in grids:
        found = _chords(level, box, grid)
        if found is not None:
            return _measured(level, *found, max(SHORTEST, settled) * float(np.ptp(box, axis=1).max()), settled)
    raise BadInput(f"the rim has parts smaller than 1/{grids[-1]} of the box, which are not seen")


def _chords(level: Level, box: Array, grid: int) -> tuple[Array, Array] | None:
    """Return starts and ends of chords, branch by branch; None where the grid overlooks parts."""
    axes = [lines(low, high, grid, offset) for (low, high), offset in zip(box, OFFSETS, strict=False)]
    inside = _inside(level, axes)
    middle = _inside(level, [(axis[1:] + axis[:-1]) / 2 for axis in axes])
    corners = np.stack([inside[:-1, :-1], inside[1:, :-1], inside[:-1, 1:], inside[1:, 1:]])
    if ((corners == corners[0]).all(axis=0) & (corners[0] != middle)).any():
        return None
    pairs = _pairs(inside, middle)
    used, numbers = np.unique(pairs, return_inverse=True)
    ends = _ends_of_lines(axes, used)
    first = inside.reshape(-1)[ends[:, 0]]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    within, without = np.where(first[:, None], ends, ends[:, ::-1]).T
    crossings = crossing(level, places[within], places[without])
    order = np.array(_in_order(numbers.reshape(-1, 2)), int).reshape(-1, 2)
    return crossings[order[:, 0]], crossings[order[:, 1]]


def lines(low: float, high: float, count: int, offset: float) -> Array:
    """Return the places of grid lines from one end to the other, (count + 1,), those between off round places."""
    places = np.arange(count + 1.0)
    places[1:-1] += offset - 0.5
    return np.asarray(low + (high - low) * places / count)


def _inside(level: Level, axes: list[Array]) -> Array:
    """Return where on a tensor grid the formula is negative."""
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return (level(points.reshape(-1, len(axes)))[0] < 0).reshape(points.shape[:-1])


def _pairs(inside: Array, middle: Array) -> Array:
    """Return the pairs of grid lines' pieces that a curve joins in some square, (chords, 2).

    Pieces along the first axis come first, each numbered as the grid point that it begins at.
    """
    number = np.arange(inside.size).reshape(inside.shape)
    below, above = number[:-1, :-1], number[:-1, 1:]
    left, right = inside.size + number[:-1, :-1], inside.size + number[1:, :-1]
    pieces = np.stack([below, right, above, left], axis=-1)
    a, b, c, d = inside[:-1, :-1], inside[1:, :-1], inside[1:, 1:], inside[:-1, 1:]
    crossed = np.stack([a != b, b != c, c != d, d != a], axis=-1)
    count = crossed.sum(axis=-1)
    simple = pieces[count == 2][crossed[count == 2]].reshape(-1, 2)
    around_b = pieces[(count == 4) & (middle == a)].reshape(-1, 2, 2)
    around_a = np.roll(pieces[(count == 4) & (middle != a)], 1, axis=-1).reshape(-1, 2, 2)
    return np.concatenate([simple, around_b.reshape(-1, 2), around_a.reshape(-1, 2)])


def _ends_of_lines(axes: list[Array], pieces: Array) -> Array:
    """Return the grid points at both ends of pieces of grid lines, (pieces, 2)."""
    size, stride = len(axes[0]) * len(axes[1]), len(axes[1])
    begin = pieces % size
    return np.stack([begin, begin + np.where(pieces < size, stride, 1)], axis=1)


def crossing(level: Level, within: Array, without: Array) -> Array:
    """Return where a formula changes sign between points where it is negative and points where it is not, (points, dim)."""
    for _ in range(BISECTIONS):
        middle = (within + without) / 2
        inside = (level(middle)[0] < 0)[:, None]
        within, without = np.where(inside, middle, within), np.where(inside, without, middle)
    return (within + without) / 2


def _in_order(pairs: Array) -> list[tuple[int, int]]:
    """Return pairs of neighbours as steps along each branch, open branches from one end to the other."""
    neighbours: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        neighbours.setdefault(first, []).append(second)
        neighbours.setdefault(second, []).append(first)
    steps = []
    for start in sorted(neighbours, key=lambda each: len(neighbours[each])):
        at = start
        while neighbours[at]:
            after = neighbours[at].pop()
            neighbours[after].remove(at)
            steps.append((at, after))
            at = after
    return steps


def _measured(level: Level, starts: Array, ends: Array, shortest: float, settled: float) -> Curve:
    """Return the curve over chords, which are halved until its length is known."""
    keep = np.linalg.norm(ends - starts, axis=1) > shortest
    starts, ends = starts[keep], ends[keep]
    matrix = np.linalg.inv(legendre.legvander(NODES, len(NODES) - 1))
    most = MOST_CHORDS + 4 * len(starts)
    for _ in range(MOST_HALVINGS):
        count = len(starts)
        first, last = (np.repeat(each, len(NODES), axis=0) for each in (starts, ends))
        speeds = over(level, first, last, np.tile(NODES, count))[1].reshape(count, len(NODES)).T
        coefficients = matrix @ speeds
        length = np.linalg.norm(ends - starts, axis=1)
        with np.errstate(invalid="ignore"):
            rough = ~(np.abs(coefficients[-2:]).max(axis=0) <= settled * length) & (length > shortest)
        if not rough.any() or count > most:
            break
        starts, ends = _halved(level, starts, ends, rough)
    is_lost = ~np.isfinite(coefficients).all(axis=0) | (rough if count > most else False)
    if is_lost.any():
        place = ", ".join(f"{value:.4g}" for value in starts[int(np.argmax(is_lost))])
        raise BadInput(f"the rim cannot be followed at ({place}): the formula's gradient vanishes or is not finite there")
    return Curve(level, starts, ends, coefficients)


def _halved(level: Level, starts: Array, ends: Array, which: Array) -> tuple[Array, Array]:
    """Return chords of which some are replaced by two that meet on the curve, in order."""
    middles = over(level, starts[which], ends[which], np.zeros(which.sum()))[0]
    first = (np.cumsum(1 + which) - 1 - which)[which]
    starts, ends = (np.repeat(each, 1 + which, axis=0) for each in (starts, ends))
    ends[first] = starts[first + 1] = middles
    return starts, ends
