"""Where to start in a slab of time: the end of the slab before, continued."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pinn.field.cells.cell_field import CellField
from pinn.field.cells.slabs import Slab
from pinn.problem.problem import Problem

Array = np.ndarray

ORDERS = 6
"""Highest power of time with which the end of a slab is continued."""


def forecasts(problem: Problem, before: Slab, field: CellField, time: int) -> Iterator[Array]:
    """Yield coefficients of Taylor polynomials in time about the end of a slab, from the first order to the highest.

    Parameters
    ----------
    field : of the next slab, whose cells are as long as it. time : the axis.
    """
    grid, others = field.basis.points, [axis for axis in range(problem.dim) if axis != time]
    _, first, places = np.unique(grid[:, others], axis=0, return_index=True, return_inverse=True)
    begin = float(field.cover.domain[time, 0])
    at = field.grid_points()[:, first].reshape(-1, problem.dim)
    at[:, time] = begin
    later = (field.cover.halves[0, time] * (grid[:, time] + 1))[None, :, None]
    values: Array = np.zeros(())
    for order in range(ORDERS + 1):
        index = tuple(order if axis == time else 0 for axis in range(problem.dim))
        rates = before.jets(at, tuple((name, (index,)) for name in problem.unknown_names))
        by_cell = rates.reshape(field.cover.num_cells, len(first), -1)[:, places.reshape(-1)]
        values = values + by_cell * later**order / math.factorial(order)
        if order:
            yield field.project(values.transpose(0, 2, 1))
