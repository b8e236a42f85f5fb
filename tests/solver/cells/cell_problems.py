"""Solves in cells for tests: shipped problems and texts."""

from pathlib import Path

import numpy as np

from pinn.field.network.local_features import LocalFeatures
from pinn.problem.language import load_problem, read_problem
from pinn.solver.cell_least_squares import CellLeastSquares
from pinn.solver.cells import rounds
from pinn.solver.cells.attempt import Limits
from pinn.solver.cells.march import March

SHIPPED = Path(__file__).parents[3] / "configs" / "problem"


def shipped(name):
    return load_problem(SHIPPED / f"{name}.yaml")


def read(coordinates, equations, conditions, unknowns=("u",), **more):
    unknowns = dict(unknowns) if isinstance(unknowns, dict) else list(unknowns)
    mapping = {"coordinates": coordinates, "unknowns": unknowns, "equations": equations, "conditions": conditions}
    return read_problem({**mapping, **more}, "trial")


def make_march(problem, tolerance=None, cells=None, most=2000, steps=25, degree=None):
    tolerance = CellLeastSquares(tolerance=tolerance).tolerance_for(problem, None)
    return March(problem, LocalFeatures(degree=degree).basis(problem, 0), Limits(tolerance, most, steps), cells or {})


def solve(march, seconds=None):
    """The last state of a solve from its beginning."""
    *_, last = rounds.solve(march, rounds.first_state(march), seconds)
    assert last.is_final
    return last


def random_points(problem, num=1000, seed=0):
    low, high = problem.box.T
    return low + (high - low) * np.random.default_rng(seed).random((num, problem.dim))


def error(march, state, exact=None):
    """Largest relative L2 error over the unknowns, at random points; ``exact`` is a function of them, or the problem's own."""
    points = random_points(march.problem)
    truth = march.problem.exact_values(march.problem.values, points) if exact is None else exact(*points.T)[:, None]
    found = rounds.solution(march, state)(points)
    return float((np.linalg.norm(found - truth, axis=0) / np.linalg.norm(truth, axis=0)).max())
