"""A few unknown numbers from measurements, where all else follows from them: Levenberg-Marquardt over whole solutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Misfit = Callable[[Array], Array]
"""From parameters (numbers,) to misfits (rows,); it raises `FloatingPointError` where there is no solution."""

STEP = 1e-4
"""Of differences, in parameters of size one; solutions are smooth in them to ten digits or more."""

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-12, 1e8

FIRST_RADIUS = 1.0
"""How far the linear model is trusted at first, in parameters of size one."""

BELIEVED = 0.5
"""Part of the foretold fall of the cost from which the linear model is trusted twice as far."""

ENOUGH = 1e-9
"""Change of parameters, relative to their size or one, below which the search ends."""

ROUNDING = 1e-11
"""Misfits of this size, relative to the first ones, are zero."""


@dataclass
class Search:
    """Where a search is.

    Attributes
    ----------
    parameters : (numbers,). misfit : there, (rows,). damping : of the last step. radius : longest change of a parameter in a step.
    solves : of the problem so far.
    reason : why it has ended; empty while it goes on.
    """

    parameters: Array
    misfit: Array
    damping: float = FIRST_DAMPING
    radius: float = FIRST_RADIUS
    first: float = 0.0
    solves: int = 0
    reason: str = ""

    @property
    def cost(self) -> float:
        """The sum of squared misfits."""
        return float(self.misfit @ self.misfit)


def begin(misfit: Misfit, parameters: Array) -> Search:
    """Return where a search begins."""
    there = misfit(parameters)
    return Search(parameters, there, first=float(np.linalg.norm(there)), solves=1)


def search(misfit: Misfit, state: Search, steps: int) -> Iterator[Search]:
    """Yield the search after each step that made the misfits smaller; its last state has a reason.

    The normal equations are damped by λ |J|² (Levenberg 1944, Q. Appl. Math. 2, 164): parameters are of size one, and those of
    which the misfits know little had better stay where they are. λ becomes ten times smaller after a step and larger after a trial
    that is none. Longer changes than the radius are shortened to it; it doubles where the linear model is right so far away, and is
    a quarter after a trial of that length that is none. So numbers that are far from their start are reached in few steps.
    """
    for number in range(steps):
        if np.linalg.norm(state.misfit) <= ROUNDING * max(state.first, 1e-300):
            state.reason = "the observations are matched to rounding"
        else:
            _step(misfit, state)
        if number == steps - 1:
            state.reason = state.reason or "all steps done"
        yield state
        if state.reason:
            return


def _step(misfit: Misfit, state: Search) -> None:
    """Change the parameters so that the misfits become smaller, or say why they cannot."""
    jacobian = slopes(misfit, state.parameters, state.misfit)
    state.solves += len(state.parameters)
    size = max(float(np.linalg.norm(jacobian, axis=0).max()), 1e-300)
    while state.damping <= MOST_DAMPING:
        rows = np.concatenate([jacobian / size, math.sqrt(state.damping) * np.eye(jacobian.shape[1])])
        target = np.concatenate([-state.misfit, np.zeros(jacobian.shape[1])])
        change = np.linalg.lstsq(rows, target, rcond=None)[0] / size
        is_long = np.abs(change).max() > state.radius
        if is_long:
            change *= state.radius / np.abs(change).max()
        is_small = np.linalg.norm(change) <= ENOUGH * (1 + np.linalg.norm(state.parameters))
        there = _tried(misfit, state.parameters + change)
        state.solves += 1
        if there is not None and there @ there < state.cost:
            _take(state, change, there, state.misfit + jacobian @ change if is_long else None, is_small)
            return
        if is_small:
            state.reason = "the numbers do not change any more"
            return
        if is_long:
            state.radius /= 4
        else:
            state.damping *= 10
    state.reason = "no change of the numbers makes the misfits smaller"


def _take(state: Search, change: Array, there: Array, foretold: Array | None, is_small: bool) -> None:
    """Do a step to misfits ``there`` (rows,); ``foretold`` are those of the linear model where the radius has shortened it."""
    fall = state.cost - float(there @ there)
    if foretold is not None and fall > BELIEVED * (state.cost - float(foretold @ foretold)):
        state.radius *= 2
    if is_small or fall < ENOUGH * state.cost:
        state.reason = "the numbers do not change any more"
    state.parameters, state.misfit = state.parameters + change, there
    state.damping = max(state.damping / 10, LEAST_DAMPING)


def slopes(misfit: Misfit, parameters: Array, there: Array | None = None) -> Array:
    """Return the derivatives of misfits by parameters, (rows, numbers): central differences, or one-sided ones from ``there``."""
    columns = []
    for number in range(len(parameters)):
        step = STEP * np.eye(len(parameters))[number]
        ahead = misfit(parameters + step)
        columns.append((ahead - there) / STEP if there is not None else (ahead - misfit(parameters - step)) / (2 * STEP))
    return np.stack(columns, axis=1)


def _tried(misfit: Misfit, parameters: Array) -> Array | None:
    try:
        with np.errstate(all="ignore"):
            found = misfit(parameters)
    except FloatingPointError:
        return None
    return found if np.isfinite(found).all() else None
