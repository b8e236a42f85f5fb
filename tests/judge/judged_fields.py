"""Shared by the tests of the judge: shipped problems, and fields whose error is known."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from pinn.judge.evaluation import cell_weights, evaluation_axes, on_tensor
from pinn.problem.formulas import calculus
from pinn.problem.formulas.tree import Call, Name, Number
from pinn.problem.language import load_problem, read_problem

FOLDER = Path(__file__).parents[2] / "configs" / "problem"
SHIPPED = [
    "advection_diffusion",
    "beam",
    "biharmonic",
    "burgers",
    "heat_1d",
    "heat_2d",
    "heat_neumann",
    "heat_periodic",
    "helmholtz_2d",
    "kovasznay",
    "poisson_1d",
    "poisson_2d",
    "poisson_3d",
    "reaction_diffusion",
    "wave_1d",
]


@cache
def shipped(name):
    return load_problem(FOLDER / f"{name}.yaml")


def from_text(name="trial", **text):
    return read_problem(text, name)


def heat(**changes):
    text = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"heat": "u_t = 0.4*u_xx"},
        "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
        "exact": "exp(-0.4*pi**2*t)*sin(pi*x)",
    }
    return from_text(**(text | changes))


def exact(problem):
    return lambda points, request: problem.exact_values(request, points)


def perturbed(problem, size):
    """The exact solution plus ``size`` times a product of cosines that satisfies neither equations nor conditions."""
    trees = {}
    for k, unknown in enumerate(problem.unknown_names):
        bump = Number(float(size))
        for i, c in enumerate(problem.coordinates):
            wave = (3.0 + i + 0.45 * k) / (c.high - c.low)
            phase = calculus.add(calculus.multiply(Number(wave), Name(c.name)), Number(1.0 + i + k))
            bump = calculus.multiply(bump, Call("cos", (phase,)))
        trees[unknown] = calculus.add(problem.exact[unknown], bump)
    return exact(replace(problem, exact=trees))


def with_bump(problem, tree):
    """The exact solution of a single unknown plus a formula tree."""
    (unknown,) = problem.unknown_names
    return exact(replace(problem, exact={unknown: calculus.add(problem.exact[unknown], tree)}))


def zero(points, request):
    return np.zeros((len(points), len(request)))


def true_error(problem, solution):
    axes = evaluation_axes(problem, {1: 401, 2: 61, 3: 25}[problem.dim])
    found, truth, weights = on_tensor(problem, solution, axes), on_tensor(problem, exact(problem), axes), cell_weights(axes)
    return {
        name: np.sqrt(np.sum(weights * (found[name] - truth[name]) ** 2) / np.sum(weights * truth[name] ** 2)) for name in found
    }
