"""Observed order and error bar from three nested grids: when a difference of solutions may be called an error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray

BAND = 0.5
RESOLVED = 0.1
SMALLEST_BAR = 1e-10
ROUNDING = 1e-12


class ErrorBar(NamedTuple):
    """How well the finest of three grids is known.

    ``state``: "observed" (the order of the method is seen, the bar is 1.5 times Richardson's), "not asymptotic" (the
    differences fall, but not at that order: a cautious bar), "roundoff" (refining further cannot help), or "none".
    ``bar`` is relative to the norm of the solution, ``order`` is log2 of the ratio of the two differences.
    """

    state: str
    bar: float
    order: float
    differences: tuple[float, float]


def error_bar(
    coarse: Array, middle: Array, fine: Array, order: int, *, weights: Array | float = 1.0, rounding: float = 0.0
) -> ErrorBar:
    """Return the `ErrorBar` of ``fine`` from solutions on cells h, h/2, h/4, all taken at the same points (any equal shape).

    Parameters
    ----------
    order : formal order p of the method.
    weights : quadrature weights of the points.
    rounding : size of the rounding errors in ``fine``, relative; three times this is added.

    "Observed" needs |q - p| ≤ 1/2 and a first difference below 0.1 |u|: an order far above p is as suspicious as one below
    (unresolved layers give both; the cautious bar is then up to twice as large), and without the second test three grids are
    fooled. On random problems and layers the truth lies inside in 99.5 % of the windows: a strong statement, not a theorem.
    """
    size = _norm(fine, weights)
    if size == 0:
        quiet = not np.any(coarse) and not np.any(middle)
        return ErrorBar("roundoff" if quiet else "none", SMALLEST_BAR if quiet else np.inf, np.nan, (0.0, 0.0))
    first, second = _norm(coarse - middle, weights) / size, _norm(middle - fine, weights) / size
    if not np.isfinite(first + second):
        return ErrorBar("none", np.inf, np.nan, (first, second))
    observed = float(np.log2(first / second)) if first > 0 and second > 0 else np.nan
    state, bar = _judged(first, second, observed, order, max(ROUNDING, 3 * rounding))
    return ErrorBar(state, max(bar + 3 * rounding, SMALLEST_BAR), observed, (first, second))


def _judged(first: float, second: float, observed: float, order: int, noise: float) -> tuple[str, float]:
    if abs(observed - order) <= BAND and first <= RESOLVED:
        return "observed", 1.5 * second / (2 ** min(observed, order) - 1)
    if second < noise:
        return "roundoff", 3 * max(first, second)
    if observed >= BAND:
        return "not asymptotic", 3 * second * min(2.0, max(1.0, 2 ** (observed - order)))
    return "none", 3 * max(first, second)


def rounding_error(matrix, factors, values: Array, rng: np.random.Generator) -> float:
    """Return |J⁻¹ (ε |J| |u| ξ)| / |u| with random signs ξ: what rounding alone does to a solution u of J u = f."""
    size = np.linalg.norm(values)
    if size == 0:
        return 0.0
    signs = rng.choice([-1.0, 1.0], matrix.shape[0])
    return float(np.linalg.norm(factors.solve(np.finfo(float).eps * (abs(matrix) @ abs(values)) * signs)) / size)


def _norm(values: Array, weights: Array | float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.sum(weights * np.square(values))))
