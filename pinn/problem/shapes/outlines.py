"""Rims of formulas in a plane as quadrature needs them: where a coordinate has an extreme, and where lines cross them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinn.problem.shapes.curves import Curve
from pinn.problem.shapes.level_sets import LevelSet

Array = np.ndarray

NEXT_TO = 1e-15
"""Numbers this far from where a branch begins or ends belong to it."""

ON_END = 1e-12
"""Lines this close to an end of the curve, in parts of the box, meet it there: ends lie on faces of the box."""

PER_ARC = 12
"""Points of an arc at which it is looked which way it goes."""

HALVINGS = 56
"""Of an interval in which the curve turns or crosses a line."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The rim of a formula of two coordinates, by numbers 0 … 1 that are uniform in arc length."""

    surface: LevelSet

    @property
    def names(self) -> tuple[str, ...]:
        """Of both coordinates."""
        return self.surface.names

    @cached_property
    def _curve(self) -> Curve:
        found = self.surface.at_rest
        assert isinstance(found, Curve)
        return found

    @cached_property
    def arcs(self) -> Array:
        """The numbers at which smooth arcs begin and end, ascending."""
        return self._curve.ends_of_arcs

    @cached_property
    def ends(self) -> Array:
        """Where branches begin and end, (ends, 2)."""
        return np.concatenate([self._at(self._branches[:-1] + NEXT_TO), self._at(self._branches[1:] - NEXT_TO)])

    @cached_property
    def _branches(self) -> Array:
        return self._curve.ends_of_branches

    def _at(self, unit: Array) -> Array:
        return self.surface.place(unit[:, None])

    def turns(self, name: str) -> Array:
        """Return the numbers at which a coordinate has an extreme, ascending; corners of the curve may be among them."""
        other = 1 - self.names.index(name)
        found = [np.zeros(0)]
        for begin, end in zip(self._branches[:-1] + NEXT_TO, self._branches[1:] - NEXT_TO, strict=True):
            inner = self.arcs[(self.arcs > begin) & (self.arcs < end)]
            ends = np.concatenate([[begin], inner, [end]])
            parts = np.arange(PER_ARC) / PER_ARC
            unit = np.append((ends[:-1, None] + np.diff(ends)[:, None] * parts).ravel(), end)
            found.append(self._sign_changes(unit, other))
        return np.concatenate(found)

    def _sign_changes(self, unit: Array, axis: int) -> Array:
        """Return where between numbers the normal's component along an axis changes its sign."""

        def sign(where: Array) -> Array:
            return self.surface.normals(self._at(where))[:, axis] > 0

        values = sign(unit)
        at = np.flatnonzero(values[1:] != values[:-1])
        low, high = unit[at], unit[at + 1]
        for _ in range(HALVINGS if len(at) else 0):
            middle = (low + high) / 2
            same = sign(middle) == values[at]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return np.asarray((low + high) / 2)

    def extremes(self, name: str) -> Array:
        """Return the values of a coordinate at its extremes."""
        return self._at(self.turns(name))[:, self.names.index(name)]

    @cached_property
    def _monotone(self) -> dict[str, tuple[Array, Array]]:
        """By name of a coordinate, the numbers between which it only rises or only falls, (pieces,) each."""
        found = {}
        for name in self.names:
            ends = np.unique(np.concatenate([self._branches, self.turns(name)]))
            found[name] = ends[:-1] + NEXT_TO, ends[1:] - NEXT_TO
        return found

    def crossings(self, name: str, others: Array) -> list[Array]:
        """Return the values of a coordinate where the other one has some values (rows,), by piece; nan where a piece is not met."""
        own = self.names.index(name)
        wanted, rows = np.unique(others, return_inverse=True)
        pieces = zip(*self._monotone[self.names[1 - own]], strict=True)
        return [self._crossing(own, wanted, low, high)[rows] for low, high in pieces]

    def _crossing(self, own: int, wanted: Array, low: float, high: float) -> Array:
        """Return the values of one coordinate on a piece where the other is wanted, by Newton's method within a bracket."""
        first, last = self._at(np.array([low, high]))[:, 1 - own]
        least, most, size = min(first, last), max(first, last), np.abs(self.surface.box).max()
        met = np.flatnonzero((wanted >= least - ON_END * size) & (wanted <= most + ON_END * size))
        wanted = np.clip(wanted, least, most)
        below, above = np.full(len(met), low), np.full(len(met), high)
        unit, points = (below + above) / 2, np.zeros((len(met), 2))
        for _ in range(HALVINGS if len(met) else 0):
            points = self._at(unit)
            missing = wanted[met] - points[:, 1 - own]
            if np.abs(missing).max() <= NEXT_TO * size:
                break
            before = (missing > 0) == (first < last)
            below, above = np.where(before, unit, below), np.where(before, above, unit)
            with np.errstate(divide="ignore"):
                step = missing / (self.surface.measure * np.abs(self.surface.normals(points)[:, own])) * (1 if first < last else -1)
            unit = np.where((unit + step > below) & (unit + step < above), unit + step, (below + above) / 2)
        found = np.full(len(wanted), np.nan)
        found[met] = points[:, own]
        return found
