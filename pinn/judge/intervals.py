"""How well unknown numbers are known: standard errors, confidence intervals, and which of them the observations cannot tell apart.

For misfits r with noise σ and derivatives J by the parameters, all else following from these, the covariance is σ² (JᵀJ)⁻¹ (Seber &
Wild 2003, Nonlinear Regression, section 2.1.2). Where σ is not stated it is |r|² over the degrees of freedom, and Student's
distribution takes the place of the normal one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinn.problem.unknowns import Unknown

Array = np.ndarray

LEVEL = 0.95
"""Of confidence intervals."""

DEFICIENT = 1e-7
"""Ratio of singular values, of derivatives scaled to columns of length one, below which numbers cannot be told apart."""


@dataclass(frozen=True)
class Interval:
    """What observations say of one unknown number.

    Attributes
    ----------
    standard_error : of the number; infinite where it is not determined.
    low, high : ends of the interval with confidence `LEVEL`.
    """

    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The same of all, by name.

    Attributes
    ----------
    covariance : of the parameters from which the numbers are computed, (numbers, numbers), without the factor ``noise``.
    correlation : between the numbers, (numbers, numbers).
    noise : standard deviation of the misfits over their stated noise, or over their size where none is stated.
    undetermined : one line about numbers that cannot be told apart; empty when there are none.
    """

    of: dict[str, Interval]
    covariance: Array
    correlation: Array
    noise: float
    is_stated: bool
    undetermined: str = ""


def intervals(unknowns: Sequence[Unknown], parameters: Array, misfit: Array, jacobian: Array, is_stated: bool) -> Intervals:
    """Return the confidence intervals of unknown numbers.

    Parameters
    ----------
    parameters : those from which the numbers are computed, (numbers,).
    misfit : (rows,), divided by their noise where that ``is_stated``.
    jacobian : derivatives of the misfits by the parameters, (rows, numbers).
    """
    from scipy import stats

    freedom = max(len(misfit) - len(parameters), 0)
    noise = math.sqrt(float(misfit @ misfit) / max(freedom, 1))
    deviation = 1.0 if is_stated else noise
    quantile = float(stats.norm.ppf((1 + LEVEL) / 2)) if is_stated else float(stats.t.ppf((1 + LEVEL) / 2, max(freedom, 1)))
    size = np.linalg.norm(jacobian, axis=0)
    scaled = jacobian / np.where(size > 0, size, 1.0)
    _, values, modes = np.linalg.svd(scaled, full_matrices=False)
    weak = values <= DEFICIENT * values[0] if len(values) == len(size) else np.ones(len(values), bool)
    inverse = np.where(weak, 0.0, 1 / np.square(np.where(weak, 1.0, values)))
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = (modes.T * inverse) @ modes / np.outer(size, size)
    errors = deviation * np.sqrt(np.abs(np.diag(covariance)))
    found: dict[str, Interval] = {}
    blind = (np.abs(modes[weak]) > 0.1).any(axis=0) | (size == 0)
    if not is_stated and freedom == 0:
        blind[:] = True
    for number, unknown in enumerate(unknowns):
        error = math.inf if blind[number] or not math.isfinite(errors[number]) else float(errors[number])
        found[unknown.name] = _interval(unknown, float(parameters[number]), error, quantile)
    roots = np.sqrt(np.abs(np.diag(covariance)))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / np.outer(roots, roots)
    return Intervals(found, covariance, correlation, noise, is_stated, _undetermined(unknowns, blind, freedom, is_stated))


def _interval(unknown: Unknown, parameter: float, error: float, quantile: float) -> Interval:
    if not math.isfinite(error):
        low, high = unknown.bounds or (0.0 if unknown.positive else -math.inf, math.inf)
        return Interval(math.inf, low, high)
    step = 1e-6
    slope = (unknown.value(parameter + step) - unknown.value(parameter - step)) / (2 * step)
    with np.errstate(over="ignore"):
        ends = [float(unknown.value(parameter + sign * quantile * error, np.exp)) for sign in (-1, 1)]
    return Interval(abs(slope) * error, min(ends), max(ends))


def _undetermined(unknowns: Sequence[Unknown], blind: Array, freedom: int, is_stated: bool) -> str:
    names = [unknown.name for unknown, is_blind in zip(unknowns, blind, strict=True) if is_blind]
    if not names:
        return ""
    if freedom == 0 and not is_stated:
        return "there are as many unknown numbers as observations: without stated noise nothing is known of their errors"
    if len(names) == 1:
        return f"the observations do not determine {names[0]}"
    return f"the observations cannot tell {', '.join(names[:-1])} and {names[-1]} apart: other values of them fit as well"
