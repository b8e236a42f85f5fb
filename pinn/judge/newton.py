"""Newton's method for a steady system F(y) = 0, damped by the natural monotonicity test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinn.judge.linear import Factorise, factorise
from pinn.judge.refusal import NoConvergence

Array = np.ndarray
SMALLEST_STEP = 1e-4
ROUNDING = 1e-13


def newton(
    residual: Callable[[Array], Array],
    jacobian: Callable,
    start: Array,
    *,
    linear: bool = False,
    tolerance: float = 1e-12,
    floor: float = 0.0,
    max_iterations: int = 30,
    factorise: Factorise = factorise,
) -> Array:
    """Return y with F(y) = 0 from ``start`` (unknowns,).

    Parameters
    ----------
    residual, jacobian : F(y) (unknowns,) and its sparse derivative (csc).
    linear : F is affine; one solve with one step of iterative refinement, no test.
    tolerance : the last correction relative to |y|.
    floor : a correction of this size is rounding (an error equation knows the size of the rounding in its data).
    factorise : how linear systems are solved; by least squares where there are more rows than unknowns.

    The step is halved until |J⁻¹ F(new)| < (1 - λ/4) |J⁻¹ F(old)|, which no scaling of rows can upset.
    Source: P. Deuflhard (2011), Newton Methods for Nonlinear Problems, section 3.3.

    Raises
    ------
    NoConvergence : no descent or too many iterations. NoReference : the first Jacobian is singular.
    """
    y = start
    for iteration in range(max_iterations):
        matrix = jacobian(y)
        factors = factorise(matrix, check=iteration == 0)
        if linear:
            y = y - factors.solve(residual(y))
            return y - factors.solve(residual(y))
        y, correction, stuck = _damped(residual, factors, y)
        size = float(np.linalg.norm(y))
        if correction <= max(tolerance * size, floor):
            return y
        if stuck:
            if correction <= max(1e-9 * size, floor):
                return y
            raise NoConvergence(f"Newton's method found no descent (correction {correction:.1e}, solution {size:.1e})")
    raise NoConvergence(f"Newton's method did not converge in {max_iterations} iterations")


def _damped(residual, factors, y: Array) -> tuple[Array, float, bool]:
    """One damped step: the new y, the size of the next simplified correction, and whether no step was good enough."""
    step = -factors.solve(residual(y))
    old = float(np.linalg.norm(step))
    fraction = 1.0
    while fraction >= SMALLEST_STEP:
        trial = y + fraction * step
        with np.errstate(all="ignore"):
            value = residual(trial)
        if np.isfinite(value).all():
            new = float(np.linalg.norm(factors.solve(value)))
            if new <= (1 - fraction / 4) * old or new < ROUNDING * np.linalg.norm(trial):
                return trial, new, False
        fraction /= 2
    return y, old, True
