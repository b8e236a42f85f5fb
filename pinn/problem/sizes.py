"""How large a residual typically is: what equations of unlike units are divided by where they are weighed against observations."""

from __future__ import annotations

import math

import numpy as np

from pinn.problem.problem import Problem, Request, Residual
from pinn.problem.randomness import generator
from pinn.problem.shapes.regions import sample_region
from pinn.problem.terms import make_term

NUM_SAMPLES = 1024

MEDIAN = 0.6745
"""Of the absolute value of a normal number of deviation one."""


def typical_size(problem: Problem, residual: Residual) -> float:
    """Return what a residual comes to when its derivatives are unrelated: the size of its terms.

    Unknown functions and their derivatives are normal numbers of the size that they have for a function of the stated or observed
    ``scale``, else 1, that changes over half the range of each coordinate; unknown numbers are at their start. It is the median of
    the absolute values at points of the region, over that of a normal number, so that quotients and powers do no harm; 1 where the
    residual is nowhere finite, or zero.
    """
    term = make_term(problem, residual, sample_region(problem, residual.region, f"size/{residual.name}", NUM_SAMPLES))
    rng = generator(0, f"size/{residual.name}")
    with np.errstate(all="ignore"):
        jets = [_unrelated(problem, image.request, len(image.sites.points), rng) for image in term.images]
        values = np.broadcast_to(np.asarray(term.evaluate(jets), float), term.num_rows)
    values = np.abs(values[np.isfinite(values)])
    return float(np.median(values)) / MEDIAN or 1.0 if len(values) else 1.0


def _unrelated(problem: Problem, request: Request, num: int, rng: np.random.Generator) -> np.ndarray:
    """Return random columns (num, len(request)) of the size that the requested derivatives have."""
    half = np.ptp(problem.box, axis=1) / 2
    unknowns = {unknown.name: unknown for unknown in problem.unknowns}
    columns = []
    for name, operator in request:
        if unknowns[name].is_number:
            columns.append(np.full(num, unknowns[name].start * any(not any(index) for index in operator)))
        else:
            size = math.hypot(*(float(np.prod(half ** -np.array(index, float))) for index in operator))
            columns.append((unknowns[name].scale or 1.0) * size * rng.standard_normal(num))
    return np.stack(columns, axis=1) if columns else np.empty((num, 0))
