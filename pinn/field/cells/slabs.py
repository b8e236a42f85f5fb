"""A field in cells over all of time: one cover after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pinn.field.cells.cell_field import CellField
from pinn.problem.problem import Problem, Request

Array = np.ndarray


class Slab(NamedTuple):
    """A field in cells with its coefficients (cells, unknowns, features)."""

    field: CellField
    coefficients: Array

    def jets(self, points: Array, request: Request, side: Array | None = None) -> Array:
        """Return derivatives of the unknowns at points (points, dim), (points, len(request)), as seen from a side of faces."""
        owners = None if side is None else self.field.cover.owner(points, side)
        return self.field.jets(self.coefficients, points, request, owners)


class Slabs:
    """What a solve in cells found, as a function; NumPy float64 in and out.

    Attributes
    ----------
    time : axis along which the slabs follow one another; None when there is one slab only.
    slabs : in order of time.
    """

    def __init__(self, problem: Problem, time: int | None, slabs: tuple[Slab, ...]):
        self.problem, self.time, self.slabs = problem, time, slabs

    @property
    def cuts(self) -> tuple[Any, ...]:
        """Where it may jump: faces between cells, and the times between slabs."""
        faces = [face for slab in self.slabs for face in slab.field.cover.faces()]
        return (*faces, *(slab.field.cover.domain[self.time] for slab in self.slabs[1:] if self.time is not None))

    @property
    def boxes(self) -> Array:
        """All cells of all slabs, (cells, dim, 2)."""
        return np.concatenate([slab.field.cover.boxes for slab in self.slabs])

    @property
    def num_params(self) -> int:
        """Number of all coefficients."""
        return sum(slab.field.num_params for slab in self.slabs)

    def windows(self, points: Array) -> None:
        """Return None: cells are cut."""

    def __call__(self, points: Array, request: Request | None = None, side: Array | None = None) -> Array:
        """Return derivatives of the unknowns, (points, len(request)).

        Parameters
        ----------
        points : (points, dim), coordinates in the problem's order.
        request : (unknown, operator) pairs; None means the values of all unknowns.
        side : towards where to look from points on faces, (points, dim); otherwise they belong to the upper cell.
        """
        points = np.asarray(points, float)
        request = self.problem.values if request is None else tuple(request)
        if self.time is None or len(self.slabs) == 1:
            return self.slabs[0].jets(points, request, side)
        ends = [slab.field.cover.domain[self.time, 1] for slab in self.slabs]
        owners = np.minimum(np.searchsorted(ends, points[:, self.time]), len(ends) - 1)
        result = np.empty((len(points), len(request)))
        for number, slab in enumerate(self.slabs):
            own = owners == number
            if own.any():
                result[own] = slab.jets(points[own], request, None if side is None else side[own])
        return result
