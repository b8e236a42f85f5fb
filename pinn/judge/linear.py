"""Sparse factorisation with the two checks it needs: an exact zero pivot and a condition number beyond use."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import LinearOperator, SuperLU, onenormest, splu

from pinn.judge.refusal import NoReference

Array = np.ndarray

WORST_CONDITION = 1e13


class Factors(Protocol):
    """What solves with one matrix."""

    def solve(self, rhs: Array) -> Array:
        """Return the solution (columns,) for a right side (rows,)."""


class Factorise(Protocol):
    """How a matrix is made ready for solving; ``check`` refuses one that is singular but for rounding."""

    def __call__(self, matrix: sparse.csc_matrix, *, check: bool = False) -> Factors:
        """Return what solves with the matrix."""


def factorise(matrix: sparse.csc_matrix, *, check: bool = False) -> SuperLU:
    """Return the LU factors (column approximate minimum degree order: others are 10 to 50 times slower on these matrices).

    Raises `NoReference` at an exact zero pivot, where the matrix holds no finite number, and where ``check`` finds a condition
    number above 1e13.
    """
    if not np.isfinite(matrix.data).all():
        raise NoReference("the linearised problem holds values that are not finite")
    try:
        factors = splu(matrix, permc_spec="COLAMD")
    except RuntimeError as error:
        raise NoReference(SINGULAR) from error
    if check:
        refuse_singular(matrix, factors)
    return factors


SINGULAR = (
    "the problem is singular: something is left undetermined (a level that no condition fixes, a wall without a condition) "
    "or determined twice"
)


def condition(matrix: sparse.csc_matrix, factors: SuperLU) -> float:
    """Return an estimate of the 1-norm condition number of the matrix after its rows were scaled to largest entry 1.

    SuperLU returns O(1) garbage for singular systems without a word; this number is 1e17 for them and below 1e11 for every
    regular discretisation tried. Source: N. Higham, F. Tisseur (2000), SIAM J. Matrix Anal. Appl. 21, 1185-1201.
    """
    rows = abs(matrix).max(axis=1).toarray().ravel()
    if not rows.all():
        return np.inf
    scaled = sparse.diags(1 / rows) @ matrix
    size = matrix.shape[0]

    def solve(vector):
        return factors.solve(np.ascontiguousarray(rows * vector.ravel()).astype(matrix.dtype))

    def solve_transposed(vector):
        return rows * factors.solve(np.ascontiguousarray(vector.ravel()).astype(matrix.dtype), "H")

    with np.errstate(all="ignore"):
        norm = abs(scaled).sum(axis=0).max()
        if size < 4:
            inverse = np.column_stack([solve(column) for column in np.eye(size)])
            estimate = float(norm * np.abs(inverse).sum(axis=0).max())
        else:
            operator = LinearOperator(matrix.shape, solve, rmatvec=solve_transposed, dtype=matrix.dtype)
            estimate = float(norm * onenormest(operator, t=1))
    return estimate if np.isfinite(estimate) else np.inf


def refuse_singular(matrix: sparse.csc_matrix, factors: SuperLU) -> float:
    """Return the condition number, or raise `NoReference` above 1e13."""
    number = condition(matrix, factors)
    if number > WORST_CONDITION:
        raise NoReference(f"{SINGULAR} (condition number {number:.0e})")
    return number
