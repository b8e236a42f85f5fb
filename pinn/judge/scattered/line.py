"""Error against seconds of least squares on scattered nodes: the classical line where there is no grid."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from pinn.judge.metrics import relative_l2
from pinn.judge.reference import Reference
from pinn.judge.refusal import NoConvergence
from pinn.judge.scattered.solve import Solved, degree_for, solve
from pinn.judge.scattered.space import Space
from pinn.judge.scattered.windows import FIRST_STEPS, RATIO, affordable, first_density
from pinn.problem.problem import Problem

PLACES, TIMES = 1000, 9


def solutions(problem: Problem, order: int) -> Iterator[tuple[float, Solved]]:
    """Yield the seconds, set-up included, and the solutions on nodes that become denser, as long as they are affordable.

    Raises
    ------
    NoReference : the problem is not covered.
    """
    finer, begin = 1.0, time.perf_counter()
    space = Space(problem)
    density = first_density(space)
    while affordable(problem, density, finer):
        try:
            found = solve(density, finer, round(FIRST_STEPS * finer), degree_for(problem, order))
            yield time.perf_counter() - begin, found
        except NoConvergence:
            pass
        begin, finer = time.perf_counter(), finer * RATIO[space.dim]


def errors(problem: Problem, reference: Reference, found: Solved) -> dict[str, float]:
    """Return the distance from a reference by unknown, relative L2 over the domain and all times but the first."""
    space = found.layout.space
    places = space.evenly(PLACES, "line")
    times = np.zeros(1) if problem.time is None else np.linspace(found.times[0], found.times[-1], TIMES)[1:]
    points = np.tile(space.full(places), (len(times), 1))
    if problem.time is not None:
        points[:, problem.names.index(problem.time)] = np.repeat(times, len(places))
    truth = dict(zip(problem.unknown_names, reference(points).T, strict=True))
    return {name: relative_l2(values.ravel(), truth[name]) for name, values in found.at(places, times).items()}
