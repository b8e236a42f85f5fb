"""Least squares with damping, by the smaller of the two matrices of products."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, cho_factor, cho_solve


class NormalEquation:
    """The d that makes |J d − b|² + λ|d|² least: (JᵀJ + λI) d = Jᵀb, or d = Jᵀ(JJᵀ + λI)⁻¹b with fewer rows than parameters.

    Parameters
    ----------
    jacobian : J, (rows, params).

    Attributes
    ----------
    unit : the mean of the diagonal of JᵀJ, in which damping is measured.
    """

    def __init__(self, jacobian: np.ndarray):
        num_rows, num_params = jacobian.shape
        self._jacobian, self._by_params = jacobian, num_params <= num_rows
        self._products = blas.dsyrk(1.0, jacobian.T, trans=0 if self._by_params else 1, lower=1)
        self.unit = float(np.trace(self._products)) / num_params

    def solve(self, right: np.ndarray, damping: float) -> np.ndarray:
        """Return d (params,) for b = ``right`` (rows,) and λ = ``damping`` · ``unit``.

        Raises
        ------
        LinAlgError : the matrix is not positive definite to rounding.
        """
        matrix = self._products.copy(order="F")
        matrix[np.diag_indices_from(matrix)] += damping * self.unit
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        if self._by_params:
            return cho_solve(factor, self._jacobian.T @ right, check_finite=False)
        return self._jacobian.T @ cho_solve(factor, right, check_finite=False)
