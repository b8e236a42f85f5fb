"""Gauss-Newton for a problem on a cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pinn.solver.cells.system import System

Array = np.ndarray

SHORTEST = 2.0**-8
"""Least part of a step that is tried."""

LITTLE, SHORTER = 0.9, 0.5
"""A whole step that leaves more than this part of the norm, and is longer than that part of the step before, is the last: data that
no solution meets keep the norm up, and then it is the steps that show convergence."""


SAFETY = 10.0
"""Factor on the size that is foreseen for the next step."""

Tolerance = Callable[[Array], float]

Crosses = Callable[[Array], bool]


class Solved(NamedTuple):
    """Where Gauss-Newton came to.

    Attributes
    ----------
    steps : linear solves. norm : of the rows at the end. has_converged : whether the last step was small, or could not help.
    rate : the last step over the square of the one before, both relative to the coefficients; None when nobody knows.
    """

    coefficients: Array
    steps: int
    norm: float
    has_converged: bool
    rate: float | None = None


def gauss_newton(
    system: System,
    start: Array,
    is_linear: bool,
    tolerance: Tolerance,
    most: int,
    rate: float | None = None,
    crosses: Crosses | None = None,
    size_of: Callable[[Array], float] = lambda coefficients: float(np.linalg.norm(coefficients)),
) -> Solved:
    """Return the coefficients with the least rows; the norm never rises from one step to the next.

    Where the rows can be made small convergence is quadratic in the end: the next step is foreseen from the last two, after the
    first one from those of a solve before, and is not done when it would be small.

    Parameters
    ----------
    start : (cells, unknowns, features).
    is_linear : whether one step is all.
    tolerance : for coefficients, the size of a step relative to them that does not count.
    most : steps at most. rate : of a solve of the same equations before.
    size_of : the size of coefficients and steps.
    crosses : tells of coefficients that no solution has; none is taken unless those to start from are of the kind.

    Raises
    ------
    FloatingPointError : the rows are not finite at the start.
    """
    coefficients, norm, last = start, np.inf, np.inf
    is_barred = crosses if crosses is not None and not crosses(start) else None
    for number in range(1, most + 1):
        try:
            move, before = system.step(coefficients)
        except np.linalg.LinAlgError as error:
            raise FloatingPointError(str(error)) from None
        if not (np.isfinite(before) and np.isfinite(move).all()):
            raise FloatingPointError("the rows are not finite")
        part, new, norm = _search(system, coefficients, move, before, is_barred)
        if not norm < before and number > 1:
            return Solved(coefficients, number, before, True, rate)
        coefficients = new
        size, enough = part * size_of(move) / (size_of(new) or 1.0), tolerance(new)
        if number > 1 and size > 0:
            rate = size / last**2
        foreseen = size if rate is None else SAFETY * rate * size**2
        is_stuck = part == 1.0 and norm > LITTLE * before and size > SHORTER * last
        last = size
        if is_linear or min(size, foreseen) <= enough or is_stuck:
            return Solved(coefficients, number, norm, True, rate)
    return Solved(coefficients, most, norm, False, rate)


def _search(
    system: System, coefficients: Array, move: Array, before: float, is_barred: Crosses | None
) -> tuple[float, Array, float]:
    """Return the first of 1, 1/2, 1/4, … times the step that lowers the norm, with where it leads and the norm there.

    Where coefficients are barred the norm counts as infinite.
    """
    part = 1.0
    while True:
        new = coefficients + part * move
        with np.errstate(all="ignore"):
            norm = np.inf if is_barred is not None and is_barred(new) else system.norm(new)
        if norm < before or part <= SHORTEST:
            return part, new, norm
        part /= 2
