"""The solution of a family of problems as a function: polynomials in the parameters through solutions in cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pinn.field.nodes import Nodes
from pinn.problem.problem import Problem, Request

Array = np.ndarray

CHUNK = 20_000
"""Points at once."""


class Family:
    """Solutions at nodes of the parameters, joined by polynomials; NumPy float64 in and out.

    Attributes
    ----------
    members : callables (points (points, dim without parameters), request, side) -> (points, len(request)), by node.
    """

    def __init__(self, problem: Problem, nodes: Nodes, members: Sequence[Callable[..., Any]]):
        self.problem, self.nodes, self.members = problem, nodes, tuple(members)

    def __call__(self, points: Array, request: Request | None = None, side: Array | None = None) -> Array:
        """Return derivatives of the unknowns, (points, len(request)).

        Parameters
        ----------
        points : (points, dim), parameters last, as columns.
        request : (unknown, operator) pairs; None means the values of all unknowns.
        side : towards where to look from points on faces between cells, (points, dim).
        """
        points = np.asarray(points, float)
        request = self.problem.values if request is None else tuple(request)
        if side is not None or len(points) <= CHUNK:
            return self._at(points, request, side)
        return np.concatenate([self._at(points[i : i + CHUNK], request, None) for i in range(0, len(points), CHUNK)])

    def _at(self, points: Array, request: Request, side: Array | None) -> Array:
        cut = self.problem.num_plain
        places, at = (points[:, :cut], np.arange(len(points))) if side is not None else _different(points[:, :cut])
        values, value = _different(points[:, cut:])
        orders = {index[cut:] for _, operator in request for index in operator}
        weights = {order: self.nodes.weights(values, order) for order in orders}
        parts = [(number, unknown, index) for number, (unknown, operator) in enumerate(request) for index in operator]
        plain = tuple(dict.fromkeys((unknown, (index[:cut],)) for _, unknown, index in parts))
        columns = {entry: number for number, entry in enumerate(plain)}
        found = np.zeros((len(points), len(request)))
        for node, member in enumerate(self.members):
            jets = member(places, plain) if side is None else member(places, plain, side[:, :cut])
            for number, unknown, index in parts:
                jet = jets[:, columns[unknown, (index[:cut],)]]
                found[:, number] += weights[index[cut:]][value, node] * jet[at]
        return found


def _different(rows: Array) -> tuple[Array, Array]:
    """Return the different rows of an array, and which of them each is."""
    if len(rows) and not np.any(rows != rows[0]):
        return rows[:1], np.zeros(len(rows), int)
    found, which = np.unique(rows, axis=0, return_inverse=True)
    return found, which.reshape(-1)
