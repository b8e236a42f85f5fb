"""Random projections of a Jacobian: rows by a count sketch, columns by a subsampled cosine transform."""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dct, idct, next_fast_len
from scipy.sparse import csr_array

from pinn.solver.normal_equation import NormalEquation

HASHES = 4
"""Places of the projection to which every row is added."""

ROWS_PER_COLUMN = 3
"""Projected rows for each projected column; with half as many, what is projected away spoils the steps."""


def count_sketch(num_rows: int, num_kept: int, random: np.random.Generator) -> csr_array:
    """Return C (kept, rows) with four entries ±1/2 in every column, one in each quarter of the rows that are kept.

    E |C x|² = |x|² (Clarkson and Woodruff 2013, arXiv:1207.6365; more than one place: Nelson and Nguyễn 2013, arXiv:1211.1002). The
    rows are ``num_kept`` rounded up to a multiple of four.
    """
    quarter = -(-num_kept // HASHES)
    places = random.integers(0, quarter, (HASHES, num_rows)) + quarter * np.arange(HASHES)[:, None]
    signs = random.choice([-1.0, 1.0], (HASHES, num_rows)) / math.sqrt(HASHES)
    rows = np.tile(np.arange(num_rows), HASHES)
    return csr_array((signs.ravel(), (places.ravel(), rows)), shape=(HASHES * quarter, num_rows))


class CosineSketch:
    """Ω (params, kept) with orthonormal columns: random signs, a cosine transform, and of its outputs a random few.

    A subsampled randomised trigonometric transform (Halko, Martinsson and Tropp 2011, doi:10.1137/090771806, section 4.6). Where
    the length is padded for a fast transform, the columns are orthonormal but for the padding.
    """

    def __init__(self, num_params: int, num_kept: int, random: np.random.Generator):
        self._length = next_fast_len(num_params, real=True)
        self._signs = random.choice([-1.0, 1.0], num_params)
        self._kept = np.sort(random.choice(self._length, num_kept, replace=False))

    def project(self, matrix: np.ndarray) -> np.ndarray:
        """Return M Ω, (rows, kept), for M (rows, params)."""
        return dct(matrix * self._signs, n=self._length, axis=1, norm="ortho", overwrite_x=True)[:, self._kept]

    def expand(self, vector: np.ndarray) -> np.ndarray:
        """Return Ω y, (params,), for y (kept,)."""
        whole = np.zeros(self._length)
        whole[self._kept] = vector
        return idct(whole, norm="ortho")[: len(self._signs)] * self._signs


class SketchedEquation:
    """The d = Ω y in a random subspace that makes |C (J d − b)|² + λ|y|² least, instead of `NormalEquation`.

    Its matrix of products is that of C J Ω, which costs the square of what is kept. What C leaves out is not seen, so the fall of
    the squares that a step promises is to be had from J itself.

    Parameters
    ----------
    jacobian : J, (rows, params).
    num_columns : of Ω, at most the number of parameters.
    random : draws C and Ω.

    Attributes
    ----------
    unit : the mean of the diagonal of the projected JᵀJ, in which damping is measured.
    """

    def __init__(self, jacobian: np.ndarray, num_columns: int, random: np.random.Generator):
        num_rows, num_params = jacobian.shape
        self._columns = CosineSketch(num_params, num_columns, random)
        wanted = ROWS_PER_COLUMN * num_columns
        self._rows = count_sketch(num_rows, wanted, random) if wanted < num_rows else None
        self._equation = NormalEquation(self._columns.project(self._sketched(jacobian)))
        self.unit = self._equation.unit

    def solve(self, right: np.ndarray, damping: float) -> np.ndarray:
        """Return d (params,) for b = ``right`` (rows,) and λ = ``damping`` · ``unit``.

        Raises
        ------
        LinAlgError : the matrix is not positive definite to rounding.
        """
        return self._columns.expand(self._equation.solve(self._sketched(right), damping))

    def _sketched(self, of_rows: np.ndarray) -> np.ndarray:
        return of_rows if self._rows is None else self._rows @ of_rows
