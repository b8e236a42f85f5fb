"""Functions through numbers on grids: tensor splines, broken lines, steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pinn.problem.data.tables import SLACK
from pinn.problem.formulas.tree import Index
from pinn.problem.settings import BadInput
from pinn.problem.sites import tensor_points

Array = np.ndarray
Evaluate = Callable[[Array, Index], Array]
"""Derivatives at points (points, coordinates), of given orders, (points,)."""

KINDS = ("cubic", "linear", "nearest")

CLOSED = 1e-6
"""How far the two ends of a periodic table may be from a whole period, and their values from each other, relative."""

COVERED = 9
"""Places along each coordinate at which scattered points are asked to cover the box."""


@dataclass(frozen=True, eq=False)
class Interpolant:
    """A real function of coordinates through given values.

    Attributes
    ----------
    name, file : of the field and of its table, for messages.
    names : the coordinates it depends on.
    low, high : along each the range in which it is known.
    highest : the highest derivative along one coordinate and in all.
    why : what is said where a higher one is asked for.
    jumps : whether it jumps.
    scattered : whether its points are no grid.
    evaluate : (points (points, names), orders of derivatives) -> (points,).
    """

    name: str
    file: str
    names: tuple[str, ...]
    low: Array
    high: Array
    highest: tuple[int, int]
    why: str
    evaluate: Evaluate = field(repr=False)
    jumps: bool = False
    scattered: bool = False

    def __call__(self, orders: Index, *places: Any) -> Array:
        """Return a derivative at places along the coordinates, of their broadcast shape.

        Raises
        ------
        BadInput : a place lies outside the table.
        """
        columns = np.broadcast_arrays(*[np.asarray(place, dtype=float) for place in places])
        points = np.stack([column.reshape(-1) for column in columns], axis=1)
        slack = 2 * SLACK * (self.high - self.low)
        beyond = np.argwhere(~((points >= self.low - slack) & (points <= self.high + slack)))
        if len(beyond):
            row, axis = beyond[0]
            ranges = zip(self.names, self.low, self.high, strict=True)
            reaches = ", ".join(f"{name} from {low:g} to {high:g}" for name, low, high in ranges)
            place = f"{self.names[axis]} = {points[row, axis]:.6g}"
            raise BadInput(f"'{self.name}' is wanted at {place}, but {self.file} has {reaches}")
        values = self.evaluate(np.clip(points, self.low, self.high), orders)
        if np.isnan(values).any():
            lost = zip(self.names, points[int(np.argmax(np.isnan(values)))], strict=True)
            place = ", ".join(f"{name} = {value:.6g}" for name, value in lost)
            raise BadInput(f"'{self.name}' is wanted at {place}, which is not between the points of {self.file}")
        return values.reshape(columns[0].shape)

    def refuse_uncovered(self, box: Mapping[str, tuple[float, float]]) -> None:
        """Raise `BadInput` unless it is known on the whole box of the coordinates."""
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            first, last = box[name]
            slack = SLACK * (last - first)
            if low > first + slack or high < last - slack:
                raise BadInput(f"{self.file} reaches from {name} = {low:g} to {high:g}; {name} goes from {first:g} to {last:g}")
        if self.scattered:
            self((0,) * len(self.names), *tensor_points([np.linspace(*box[name], COVERED) for name in self.names]).T)

    def check(self, orders: Index) -> None:
        """Raise `BadInput` where there is no such derivative."""
        if max(orders) > self.highest[0] or sum(orders) > self.highest[1]:
            suffix = "".join(name * order for name, order in zip(self.names, orders, strict=True))
            raise BadInput(f"'{self.name}_{suffix}': {self.why}")


def through_grid(
    name: str,
    file: str,
    kind: str,
    axes: Mapping[str, Array],
    values: Array,
    periods: Mapping[str, tuple[float, float]],
) -> Interpolant:
    """Return the function through values on a tensor grid.

    ``cubic`` is the tensor product of not-a-knot splines of degree three, lower with fewer than four values and periodic where
    the values go round; ``linear`` of broken lines; ``nearest`` keeps each value half way to the next, and as far beyond the ends.

    Parameters
    ----------
    axes : increasing places along each coordinate.
    values : shaped by the axes.
    periods : the ranges of coordinates along which the solution is periodic.
    """
    axes, values, period = _all_closed(file, dict(axes), values, periods)
    places = list(axes.values())
    low, high = (np.array([each[end] for each in places]) for end in (0, -1))
    goes_round = np.isfinite(period)
    if kind == "nearest":
        evaluate: Evaluate = _Steps([(each[1:] + each[:-1]) / 2 for each in places], values)
    else:
        evaluate = _spline(places, values, 3 if kind == "cubic" else 1, period)
    if goes_round.any():
        evaluate = _Around(evaluate, low, period)
    if kind == "nearest":
        low, high = low - [(each[1] - each[0]) / 2 for each in places], high + [(each[-1] - each[-2]) / 2 for each in places]
    box = np.array([periods.get(coordinate, (0.0, 0.0)) for coordinate in axes])
    low = np.where(goes_round, np.minimum(low, box[:, 0]), low)
    high = np.where(goes_round, np.maximum(high, box[:, 1]), high)
    highest = {"cubic": (3, 3 * len(axes)), "linear": (1, len(axes)), "nearest": (0, 0)}[kind]
    return Interpolant(name, file, tuple(axes), low, high, highest, too_high(kind), evaluate, kind == "nearest")


def too_high(kind: str) -> str:
    """Return why there is no higher derivative."""
    return {
        "cubic": "a function made of cubics has third derivatives at most along a coordinate",
        "linear": "a function made of straight pieces has first derivatives only; interpolate: cubic has third ones",
        "nearest": "the derivative of steps drops the jumps; say interpolate: linear or cubic, or write the equation without it",
    }[kind]


def _all_closed(
    file: str, axes: dict[str, Array], values: Array, periods: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, Array], Array, Array]:
    """Return a grid with its first values repeated a period later where it goes round, and the periods, infinite elsewhere."""
    period = np.full(len(axes), np.inf)
    for axis, (coordinate, places) in enumerate(axes.items()):
        if len(places) < 2:
            raise BadInput(f"{file} has a single value of {coordinate}; a function of {coordinate} needs two")
        closed = _closed(places, values, axis, *periods[coordinate]) if coordinate in periods else None
        if closed is not None:
            axes[coordinate], values = closed
            period[axis] = np.subtract(*periods[coordinate][::-1])
    return axes, values, period


def _closed(places: Array, values: Array, axis: int, low: float, high: float) -> tuple[Array, Array] | None:
    """Return places and values with the first one repeated a period later, None where the table does not go round."""
    period, gap = high - low, high - low - (places[-1] - places[0])
    first, last = (np.take(values, [end], axis) for end in (0, -1))
    if gap > CLOSED * period and gap <= 1.5 * np.diff(places).max():
        return np.append(places, places[0] + period), np.concatenate([values, first], axis)
    if abs(gap) <= CLOSED * period and np.abs(first - last).max() <= CLOSED * np.abs(values).max():
        kept = np.take(values, range(len(places) - 1), axis)
        return np.append(places[:-1], places[0] + period), np.concatenate([kept, first], axis)
    return None


@dataclass(frozen=True)
class _Around:
    """A function of one period, everywhere."""

    inner: Evaluate
    start: Array
    period: Array

    def __call__(self, points: Array, orders: Index) -> Array:
        around = self.start + np.mod(points - self.start, self.period)
        return self.inner(np.where(np.isfinite(self.period), around, points), orders)


@dataclass(frozen=True)
class _Spline:
    """A tensor product of splines."""

    spline: Any

    def __call__(self, points: Array, orders: Index) -> Array:
        return self.spline(points, nu=orders)


def _spline(places: Sequence[Array], values: Array, degree: int, period: Array) -> Evaluate:
    from scipy.interpolate import NdBSpline, make_interp_spline

    knots, degrees = [], []
    for axis, each in enumerate(places):
        order = min(degree, len(each) - 1)
        ends = "periodic" if np.isfinite(period[axis]) and order == 3 else None
        found = make_interp_spline(each, np.moveaxis(values, axis, 0), order, bc_type=ends)
        values = np.moveaxis(found.c, 0, axis)
        knots.append(found.t)
        degrees.append(order)
    return _Spline(NdBSpline(tuple(knots), np.ascontiguousarray(values), tuple(degrees)))


@dataclass(frozen=True)
class _Steps:
    """Values between the middles along every axis."""

    middles: Sequence[Array]
    values: Array

    def __call__(self, points: Array, orders: Index) -> Array:
        return self.values[tuple(np.searchsorted(each, points[:, k], side="right") for k, each in enumerate(self.middles))]
