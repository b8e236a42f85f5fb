"""Radau IIA with three stages (order 5, L-stable, stiffly accurate) for F(t, y, y') = 0 of index 0 to 2, with given steps.

Z_i = y(t + c_i h) - y solves F(t + c_i h, y + Z_i, (1/h) Σ_j (A⁻¹)_ij Z_j) = 0 for i = 1, 2, 3. With A⁻¹ = V Λ V⁻¹ the
simplified Newton step falls into one real and one complex system, (∂F/∂y + λ_k/h ∂F/∂y') w_k = -(V⁻¹ F)_k, ΔZ = V w.
The factors are kept while h is unchanged and Newton converges fast. Neither a mass matrix form nor consistent algebraic
starting values are needed. Source: E. Hairer, G. Wanner (1996), Solving ODEs II, section IV.8, VII.

Steps are an argument, not chosen: refined together with the space grids their error shows up in the observed order,
whereas a common error-controlled integrator would leave the same error on all grids and hide it from the error bar.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.sparse as sparse

from pinn.judge.linear import Factorise, factorise
from pinn.judge.refusal import NoConvergence

Array = np.ndarray

_S6 = np.sqrt(6.0)
STAGES = np.array([(4 - _S6) / 10, (4 + _S6) / 10, 1.0])
_A = np.array(
    [
        [(88 - 7 * _S6) / 360, (296 - 169 * _S6) / 1800, (-2 + 3 * _S6) / 225],
        [(296 + 169 * _S6) / 1800, (88 + 7 * _S6) / 360, (-2 - 3 * _S6) / 225],
        [(16 - _S6) / 36, (16 + _S6) / 36, 1 / 9],
    ]
)
INVERSE = np.linalg.inv(_A)
_VALUES, _VECTORS = np.linalg.eig(INVERSE)
_ORDER = [int(np.argmin(np.abs(_VALUES.imag))), int(np.argmax(_VALUES.imag))]
REAL_VALUE, COMPLEX_VALUE = _VALUES[_ORDER[0]].real, _VALUES[_ORDER[1]]
_TO_MODES = np.linalg.inv(_VECTORS)
REAL_VECTOR, COMPLEX_VECTOR = _VECTORS[:, _ORDER[0]], _VECTORS[:, _ORDER[1]]
MODES = _TO_MODES[_ORDER].T
FROM_MODES = np.stack([REAL_VECTOR.real, 2 * COMPLEX_VECTOR.real, -2 * COMPLEX_VECTOR.imag])

SLOW = 0.2
MAX_ITERATIONS = 15


class Implicit(Protocol):
    """What is marched: F(t, y, y'), for ``step`` number n at stage times (stages,), columns of Y and Yp are stages."""

    linear: bool
    """F is affine in y, y' with coefficients that do not depend on time."""

    def residual(self, step: int, times: Array, values: Array, rates: Array) -> Array:
        """Return F, shape (unknowns, stages)."""

    def jacobian(self, step: int, times: Array, values: Array, rates: Array) -> tuple[sparse.csc_matrix, sparse.csc_matrix]:
        """Return ∂F/∂y and ∂F/∂y' at the last stage, on one common sparsity pattern or not."""


class Radau:
    """March a system over given times.

    Parameters
    ----------
    tolerance : the error of Newton's method relative to the largest root mean square of y so far.
    floor : a correction of this root mean square is rounding.
    check : refuse the first matrix when it is singular (condition number above 1e13).
    factorise : how linear systems are solved; by least squares where there are more rows than unknowns.
    """

    def __init__(
        self,
        system: Implicit,
        *,
        tolerance: float = 1e-11,
        floor: float = 1e-300,
        check: bool = True,
        factorise: Factorise = factorise,
    ):
        self.system, self.tolerance, self.floor, self.check = system, tolerance, floor, check
        self.factorise = factorise
        self.step_length: float | None = None
        self.rate = 0.0
        self.num_factorisations = 0

    def march(self, times: Array, start: Array) -> Array:
        """Return y at ``times`` (steps + 1, unknowns) from ``start`` (unknowns,).

        Raises
        ------
        NoConvergence : Newton's method fails, or y overflows. NoReference : the first matrix is singular.
        """
        history = np.empty((len(times), len(start)))
        history[0] = start
        stages, self.largest = None, _root_mean_square(start)
        for n, (begin, end) in enumerate(zip(times[:-1], times[1:], strict=True)):
            length = end - begin
            stages = _extrapolated(stages, length / (begin - times[n - 1]) if n else 1.0, len(start))
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                stages = self._solve_stages(n, begin, length, history[n], stages)
            history[n + 1] = history[n] + stages[:, 2]
            size = _root_mean_square(history[n + 1])
            if not np.isfinite(size):
                raise NoConvergence("the solution grows without bound")
            self.largest = max(self.largest, size)
        return history

    def _solve_stages(self, n: int, begin: float, length: float, y: Array, stages: Array) -> Array:
        times, previous, fresh = begin + STAGES * length, None, False
        stale = self.step_length is None or abs(length / self.step_length - 1) > 1e-10
        for _ in range(MAX_ITERATIONS):
            values, rates = y[:, None] + stages, _mixed(stages, INVERSE.T) / length
            if stale or self.rate > SLOW:
                self._factorise(n, times, values, rates, length)
                stale, fresh, previous, self.rate = False, True, None, 0.0
            correction = self._correction(self.system.residual(n, times, values, rates))
            stages = stages + correction
            size = _root_mean_square(correction)
            if self.system.linear or size == 0:
                return stages
            limit = max(self.tolerance * max(self.largest, _root_mean_square(y + stages[:, 2])), self.floor)
            if previous is not None:
                rate = size / previous
                if self._converged(size, rate, limit):
                    self.rate = rate if not fresh else 0.0
                    return stages
                if not np.isfinite(size) or (rate > 0.95 and fresh and size > 1e3 * limit):
                    raise NoConvergence(f"Newton's method diverges in the step at t = {begin:.3g}")
                fresh = fresh and rate <= SLOW
                self.rate = 0.0 if fresh else rate
            previous = size
        raise NoConvergence(f"Newton's method does not converge in the step at t = {begin:.3g}")

    @staticmethod
    def _converged(size: float, rate: float, limit: float) -> bool:
        remaining = size * rate / (1 - rate) if rate < 1 else np.inf
        return size <= limit or remaining <= limit or (rate > 0.5 and size < 100 * limit)

    def _factorise(self, n: int, times: Array, values: Array, rates: Array, length: float) -> None:
        slope, mass = self.system.jacobian(n, times, values, rates)
        matrix = (slope + (REAL_VALUE / length) * mass).tocsc()
        self.real = self.factorise(matrix, check=self.check and self.num_factorisations == 0)
        self.complex = self.factorise((slope + (COMPLEX_VALUE / length) * mass).tocsc())
        self.step_length = length
        self.num_factorisations += 1

    def _correction(self, residual: Array) -> Array:
        modes = -_mixed(residual, MODES)
        real = self.real.solve(np.ascontiguousarray(modes[:, 0].real))
        pair = self.complex.solve(np.ascontiguousarray(modes[:, 1]))
        parts = np.stack([real, pair.real, pair.imag], axis=1)
        return _mixed(parts, FROM_MODES)


def _extrapolated(stages: Array | None, ratio: float, size: int) -> Array:
    """Continue the last collocation polynomial over a step ``ratio`` times as long; returns Z relative to the new start."""
    if stages is None:
        return np.zeros((size, 3))
    nodes = np.append(0.0, STAGES)
    ahead = 1 + ratio * STAGES
    lagrange = np.array(
        [np.prod([(ahead - nodes[k]) / (nodes[j] - nodes[k]) for k in range(4) if k != j], axis=0) for j in (1, 2, 3)]
    )
    return _mixed(stages, lagrange) - stages[:, 2:3]


def _mixed(columns: Array, weights: Array) -> Array:
    """Return ``columns @ weights`` for a handful of columns without BLAS, whose threads cost more than they save here."""
    return np.einsum("ns,sk->nk", columns, weights)


def _root_mean_square(values: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0
