"""A field that is a sum of features in each cell of a cover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pinn.field.cells.basis import Basis
from pinn.field.cells.cover import Cover
from pinn.problem.formulas.tree import Operator
from pinn.problem.problem import Request

Array = np.ndarray


class CellField(NamedTuple):
    """Unknown u(x) = Σ_j c_j ψ_j((x − middle)/half width) in each cell, with coefficients of its own in each.

    Coefficients are arrays (cells, unknowns, features). All is NumPy in float64.

    Attributes
    ----------
    unknowns : their names, in the problem's order.
    """

    cover: Cover
    basis: Basis
    unknowns: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the coefficients."""
        return self.cover.num_cells, len(self.unknowns), self.basis.size

    @property
    def num_params(self) -> int:
        """Number of coefficients."""
        return math.prod(self.shape)

    def scale(self, index: Sequence[int]) -> Array:
        """Return the factor from a derivative in a cell's own coordinates to the true one, (cells,)."""
        return np.prod(self.cover.halves ** -np.asarray(index, float), axis=1)

    def size_of(self, coefficients: Array) -> float:
        """Return the size of coefficients: the root of their squares times the share of the box that each cell has."""
        shares = np.prod(2 * self.cover.halves, axis=1) / np.prod(np.ptp(self.cover.domain, axis=1))
        return float(np.sqrt(np.sum(shares * np.sum(coefficients**2, axis=(1, 2)))))

    def local(self, cell: int, points: Array) -> Array:
        """Return points (points, dim) in a cell's own coordinates, those of its grid without rounding."""
        return self.basis.snapped(self.cover.local(cell, points))

    def features(self, cell: int, local: Array, operator: Operator) -> Array:
        """Return derivatives of a cell's features at points (points, dim) in its own coordinates, (points, features)."""
        inverse = 1 / self.cover.halves[cell]
        parts = [np.prod(inverse ** np.array(index)) * self.basis.at(local, index) for index in operator]
        return sum(parts[1:], start=parts[0])

    def on_grid(self, coefficients: Array, unknown: str, operator: Operator) -> Array:
        """Return derivatives of an unknown at the basis' grid in every cell, (cells, points)."""
        own = coefficients[:, self.unknowns.index(unknown)]
        return sum(self.scale(index)[:, None] * (own @ self.basis.table(index).T) for index in operator)

    def grid_points(self) -> Array:
        """Return the basis' grid in every cell, (cells, points, dim)."""
        cover = self.cover
        return cover.centers[:, None] + cover.halves[:, None] * self.basis.points

    def jets(self, coefficients: Array, points: Array, request: Request, owners: Array | None = None) -> Array:
        """Return derivatives of the unknowns at points (points, dim), (points, len(request)).

        Parameters
        ----------
        owners : the cell from which to look at each point, (points,); None means the one that owns it, or on the edge of a
            domain one beside it that is in the domain.
        """
        owners = self._seen_from(coefficients, points) if owners is None else owners
        result = np.empty((len(points), len(request)))
        order = np.argsort(owners, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
            if len(group):
                cell = int(owners[group[0]])
                result[group] = self.jets_of(coefficients[cell], cell, self.cover.local(cell, points[group]), request)
        return result

    def _seen_from(self, coefficients: Array, points: Array) -> Array:
        """Return the cells that own points, (points,), beside those outside the domain, where all is zero, their neighbours."""
        owners, is_blank = self.cover.owner(points), np.all(coefficients == 0, axis=(1, 2))
        for side in itertools.product((0, -1), repeat=points.shape[1]) if is_blank.any() else ():
            blank = np.flatnonzero(is_blank[owners])
            owners[blank] = self.cover.owner(points[blank], np.tile(side, (len(blank), 1)))
        return owners

    def jets_of(self, own: Array, cell: int, local: Array, request: Request) -> Array:
        """Return the same for points in one cell, in its own coordinates; ``own`` are its coefficients (unknowns, features)."""
        result, inverse = np.zeros((len(local), len(request))), 1 / self.cover.halves[cell]
        for column, (unknown, operator) in enumerate(request):
            coefficients = own[self.unknowns.index(unknown)]
            for index in operator:
                factor = np.prod(inverse ** np.array(index))
                result[:, column] += factor * self.basis.features.combined(coefficients, local, index)
        return result

    def project(self, values: Array) -> Array:
        """Return the coefficients for values (cells, unknowns, points) on the basis' grid."""
        return self.basis.fit(values)
