"""Sparse least squares by normal equations with one step of refinement, every row divided by its size."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

from pinn.judge.linear import SINGULAR, condition
from pinn.judge.refusal import NoReference
from pinn.judge.scattered.cloud import Array
from pinn.judge.scattered.rows import Block, Scatter
from pinn.judge.system import Discretised

WORST_CONDITION = 1e13
"""Of the normal equations: 1e3 to 1e9 for regular problems, 1e18 for singular ones; of ill-posed ones it grows with the density."""


class LeastSquares:
    """What minimises Σ (w (A x - b))² with one matrix A (rows, columns) and weights w (rows,)."""

    def __init__(self, matrix: sparse.csc_matrix, weights: Array):
        self.weights, self.matrix = weights, (sparse.diags(weights) @ matrix).tocsr()
        self.adjoint = self.matrix.conj().T.tocsr()
        self.normal = (self.adjoint @ self.matrix).tocsc()
        options = {"SymmetricMode": True}
        self.factors = splu(self.normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def solve(self, rhs: Array) -> Array:
        """Return x (columns,) for a right side b (rows,)."""
        rhs = self.weights * rhs
        found = self.factors.solve(np.ascontiguousarray(self.adjoint @ rhs))
        return found + self.factors.solve(np.ascontiguousarray(self.adjoint @ (rhs - self.matrix @ found)))


class WeightedRows:
    """The least squares of a system: rows of size one.

    The size of a row is the root of the sum of squares of its entries that belong to the unknowns with the highest derivatives in
    its formula; so the equations of a flow are not measured by what they hold of the pressure.
    """

    def __init__(self, system: Discretised):
        layout = system.layout
        assert isinstance(layout, Scatter)
        sets: dict[tuple[str, ...], int] = {layout.unknowns: 0}
        self._set = np.zeros(system.num_rows, int)
        for compiled in system.compiled:
            block = compiled.block
            assert isinstance(block, Block)
            self._set[block.rows] = sets.setdefault(block.leading, len(sets))
        self._counts = np.zeros((len(sets), system.size), bool)
        for names, number in sets.items():
            for unknown, derivative in layout.offset:
                if unknown in names:
                    start = layout.offset[unknown, derivative]
                    self._counts[number, start : start + layout.count[unknown]] = True

    def weights(self, matrix: sparse.csc_matrix) -> Array:
        """Return one over the sizes of the rows, (rows,); zero for empty ones."""
        entries = matrix.tocoo()
        square = np.abs(entries.data) ** 2
        own = np.where(self._counts[self._set[entries.row], entries.col], square, 0.0)
        size, whole = (np.sqrt(np.bincount(entries.row, each, matrix.shape[0])) for each in (own, square))
        size = np.where(size > 0, size, whole)
        return np.divide(1.0, size, out=np.zeros(len(size)), where=size > 0)

    def __call__(self, matrix: sparse.csc_matrix, *, check: bool = False) -> LeastSquares:
        """Return what solves with a matrix (rows, columns).

        Raises
        ------
        NoReference : the matrix is not finite, or (with ``check``) rows leave something undetermined.
        """
        if not np.isfinite(matrix.data).all():
            raise NoReference("the linearised problem holds values that are not finite")
        try:
            found = LeastSquares(matrix, self.weights(matrix))
        except RuntimeError as error:
            raise NoReference(SINGULAR) from error
        if check and (number := condition(found.normal, found.factors)) > WORST_CONDITION:
            raise NoReference(f"{SINGULAR} (condition number {number:.0e})")
        return found
