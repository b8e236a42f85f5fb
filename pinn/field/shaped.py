"""Conditions on rims of any shape that hold by construction: their lift and their distance.

Values on several pieces are joined by u_D = Σ_i g_i w_i, w_i = (1/ω_i) / Σ_j 1/ω_j, with the distances ω_i of
`pinn.field.distance` (transfinite interpolation: Rvachev, Sheiko, Shapiro & Tsukanov 2001, Comput. Aided Geom. Des. 18, 195);
pieces with the same formula count as one. Values at times are met by the same correction as on a box, with the values on the rims
in place of those on its faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinn.field.distance import Distance, joined, series
from pinn.field.taylor import Array, Monomials, Taylor, constant, monomials_up_to
from pinn.problem.formulas.tree import Node
from pinn.problem.problem import Problem
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import sample

NUM_TRIALS = 512
"""Points inside at which it is looked how large a distance is."""

CORNER = 1e-9
"""How far from a corner, in parts of the way to a point inside, it is looked instead."""


@dataclass(frozen=True)
class Moment:
    """What is given at a time: trees of the value, perhaps of the slope, and of the factors that they are multiplied with."""

    place: float
    value: Node
    slope: Node | None
    hat: Node
    offset: Node


@dataclass(frozen=True)
class Shaped:
    """The hard conditions of one unknown where some hold on rims that are no whole faces of the box.

    Attributes
    ----------
    values : formulas on the rims and the distances to their pieces. moments : in time. elapsed : tree that vanishes at these.
    """

    problem: Problem
    values: Mapping[Node, Sequence[Distance]]
    moments: Sequence[Moment]
    elapsed: Node

    def evaluate(self, points: Array, order: int) -> tuple[Taylor, Taylor]:
        """Return the lift and the distance near points (points, dim), up to a total order of derivatives.

        At corners, where several distances vanish and derivatives need not exist, they are those of a point a little inside.
        """
        found = self._evaluate(points, order)
        lost = ~np.isfinite(found[0].coefficients + found[1].coefficients).all(axis=1)
        if lost.any():
            middle = self._inside[np.argmin(((self._inside - points[lost][:, None]) ** 2).sum(axis=2), axis=1)]
            beside = self._evaluate(points[lost] + CORNER * (middle - points[lost]), order)
            for whole, part in zip(found, beside, strict=True):
                whole.coefficients[lost] = part.coefficients
        return found

    def _evaluate(self, points: Array, order: int) -> tuple[Taylor, Taylor]:
        problem = self.problem
        slopes = any(moment.slope is not None for moment in self.moments)
        monomials = monomials_up_to(problem.dim, order + slopes)
        with np.errstate(all="ignore"):
            lift, distance = self._on_rims(points, monomials)
            corrections = [self._at(moment, points, monomials) for moment in self.moments]
            distance = distance * (1 / self._size) * series(self.elapsed, problem, points, monomials)
        return sum(corrections, lift), distance

    @cached_property
    def _inside(self) -> Array:
        """Points of the domain, (points, dim)."""
        return sample(self.problem, Piece(cut=self.problem.domain), "hard inside", NUM_TRIALS)

    @cached_property
    def _size(self) -> float:
        """The largest distance to the rims inside the domain."""
        with np.errstate(all="ignore"):
            _, distance = self._on_rims(self._inside, monomials_up_to(self.problem.dim, 0))
        return float(np.nanmax(distance.value))

    def _on_rims(self, points: Array, monomials: Monomials) -> tuple[Taylor, Taylor]:
        """Return the lift that meets the values on the rims, and the distance to them."""
        problem = self.problem
        groups = [joined([each(problem, points, monomials) for each in several])[0] for several in self.values.values()]
        distance, shares = joined(groups)
        parts = [series(tree, problem, points, monomials) * share for tree, share in zip(self.values, shares, strict=True)]
        return sum(parts, constant(monomials, np.zeros(len(points)))), distance

    def _at(self, moment: Moment, points: Array, monomials: Monomials) -> Taylor:
        """Return what the lift lacks at a time."""
        problem, axis = self.problem, self.problem.names.index(str(self.problem.time))
        then = points.copy()
        then[:, axis] = moment.place
        lift, _ = self._on_rims(then, monomials)
        missing = series(moment.value, problem, points, monomials) - lift.frozen(axis)
        found = missing * series(moment.hat, problem, points, monomials)
        if moment.slope is not None:
            missing = series(moment.slope, problem, points, monomials) - lift.slope(axis).frozen(axis)
            found = found + missing * series(moment.offset, problem, points, monomials)
        return found
