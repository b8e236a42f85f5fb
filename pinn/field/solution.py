"""What the judge, the report and users get: the solution as a function of coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pinn.field.request import Request
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.field.field import Field


class Solution:
    """A field with fixed parameters; NumPy float64 in and out, in bounded memory.

    Attributes
    ----------
    boxes : cells that the field is made of, (cells, dim, 2); None for a single network.
    cuts : cells across whose faces the solution may jump, (cells, dim, 2); a single network has none.
    numbers : the unknown numbers by name.
    """

    def __init__(self, field: Field, theta: Tensor):
        self.field, self.theta = field, theta.detach()
        self.cuts, self.boxes = field.cuts, field.boxes
        self.numbers = field.values(self.theta)

    def __call__(self, points: np.ndarray, request: Request | None = None, side: np.ndarray | None = None) -> np.ndarray:
        """Return derivatives of the unknowns, (points, len(request)).

        Parameters
        ----------
        points : (points, dim), coordinates in the problem's order.
        request : (unknown, operator) pairs; None means the values of all unknowns.
        side : (points, dim) towards where to look from points on cuts; of no effect without them.
        """
        points = np.asarray(points, dtype=float)
        request = self._values() if request is None else tuple(request)
        out = np.empty((len(points), len(request)))
        size = self.field.chunk(request)
        with torch.no_grad():
            for start in range(0, len(points), size):
                part = slice(start, start + size)
                sites = Sites(points[part], side=None if side is None else side[part])
                out[part] = self.field.at(sites, request).jets(self.theta).cpu().double().numpy()
        return out

    def windows(self, points: np.ndarray) -> np.ndarray | None:
        """Return the windows of the finest cover at points (points, dim), (cells, points); None where there are none."""
        return self.field.windows(points)

    def _values(self) -> Request:
        value = ((0,) * len(self.field.problem.coordinates),)
        return tuple((name, value) for name in self.field.unknown_names)
