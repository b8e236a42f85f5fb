"""Heat, Poisson and Burgers with DeepXDE by its documented recipes, and with this package, on one machine in one run.

On the command line:

    python experiments/versus_deepxde.py [--only NAMES] [--seeds N] [--json FILE]

The recipes are those of DeepXDE's documentation: 3 x 20 tanh, 2,540 points inside, 80 on walls, 160 at the start, Adam with
rate 1e-3 (20,000 steps for heat and Poisson, 15,000 for Burgers), then L-BFGS; float32 is the documentation's precision,
float64 the same in its other one. This package runs with the settings in brackets. Errors are relative L2 on one grid, against
the exact solution or the finite-difference reference. One thread each; medians over seeds. Needs the package ``deepxde``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("DDE_BACKEND", "pytorch")

import numpy as np
import torch

import pinn
from pinn.judge.choose import reference
from pinn.run.prepare import prepare

OURS = {
    "heat_1d": [[], ["solver=least_squares"]],
    "poisson_2d": [[], ["solver=least_squares"]],
    "burgers": [["experiment=burgers"]],
}
ADAM_STEPS = {"heat_1d": 20_000, "poisson_2d": 20_000, "burgers": 15_000}


def quiet():
    """Return a context in which nothing is printed."""
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
    return stack


def data(dde, name):
    """Return the problem as DeepXDE has it."""
    if name == "poisson_2d":
        box = dde.geometry.Rectangle([0, 0], [1, 1])
        walls = dde.icbc.DirichletBC(box, lambda x: 0, lambda x, on_boundary: on_boundary)

        def poisson(x, u):
            source = 2 * np.pi**2 * torch.sin(np.pi * x[:, :1]) * torch.sin(np.pi * x[:, 1:])
            return dde.grad.hessian(u, x, i=0, j=0) + dde.grad.hessian(u, x, i=1, j=1) + source

        return dde.data.PDE(box, poisson, walls, num_domain=2540, num_boundary=80)
    low, high = (0, 1) if name == "heat_1d" else (-1, 1)
    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(low, high), dde.geometry.TimeDomain(0, 1))

    def heat(x, u):
        return dde.grad.jacobian(u, x, i=0, j=1) - 0.4 * dde.grad.hessian(u, x, i=0, j=0)

    def burgers(x, u):
        u_x, u_t = (dde.grad.jacobian(u, x, i=0, j=axis) for axis in (0, 1))
        return u_t + u * u_x - 0.01 / np.pi * dde.grad.hessian(u, x, i=0, j=0)

    start = (lambda x: np.sin(np.pi * x[:, :1])) if name == "heat_1d" else (lambda x: -np.sin(np.pi * x[:, :1]))
    conditions = [
        dde.icbc.DirichletBC(domain, lambda x: 0, lambda x, on_boundary: on_boundary),
        dde.icbc.IC(domain, start, lambda x, on_initial: on_initial),
    ]
    equation = heat if name == "heat_1d" else burgers
    return dde.data.TimePDE(domain, equation, conditions, num_domain=2540, num_boundary=80, num_initial=160)


def theirs(name, precision, seed):
    """Return the values of DeepXDE's solution as a function of points, and seconds."""
    with quiet():
        import deepxde as dde

        dde.config.set_default_float(precision)
        dde.config.set_random_seed(seed)
        model = dde.Model(data(dde, name), dde.nn.FNN([2, 20, 20, 20, 1], "tanh", "Glorot normal"))
        begin = time.perf_counter()
        model.compile("adam", lr=1e-3)
        model.train(iterations=ADAM_STEPS[name], display_every=10**9)
        model.compile("L-BFGS")
        model.train(display_every=10**9)
        seconds = time.perf_counter() - begin
    return lambda points: np.asarray(model.predict(points.astype(precision)), float), seconds


def ours(name, settings, seed):
    """Return our solution and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        result = pinn.solve(name, *settings, "report=none", seed=seed, folder=Path(folder) / "run", quiet=True)
    return result.solution, result.metrics["seconds"]["setup"] + result.metrics["seconds"]["solve"]


def error(problem, truth, solution):
    """Return the relative L2 error on a grid of 161 x 161 points."""
    axes = tuple(np.linspace(low, high, 161) for low, high in problem.box)
    exact = truth.on_grid(axes)["u"].reshape(-1)
    found = solution(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)).reshape(-1)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def compare(name, seeds):
    """Yield (method, errors, seconds) for one problem."""
    prepared = prepare(name)
    problem = prepared.problem
    truth = reference(problem, prepared.configuration.reference)
    methods = {f"DeepXDE {precision}": partial(theirs, name, precision) for precision in ("float32", "float64")}
    for settings in OURS[name]:
        methods[f"pinn ({' '.join(settings) or 'defaults'})"] = partial(ours, name, settings)
    for method, solve in methods.items():
        found = [solve(seed) for seed in range(seeds)]
        yield method, [error(problem, truth, solution) for solution, _ in found], [seconds for _, seconds in found]


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(OURS), choices=list(OURS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", help="write all measurements to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print("| problem | method | relative L2 error | seconds |\n|---|---|---|---|", flush=True)
    for name in arguments.only:
        for method, errors, seconds in compare(name, arguments.seeds):
            print(f"| `{name}` | {method} | {statistics.median(errors):.1e} | {statistics.median(seconds):.0f} |", flush=True)
            rows += [
                {"problem": name, "method": method, "seed": seed, "relative_l2": e, "seconds": s}
                for seed, (e, s) in enumerate(zip(errors, seconds, strict=True))
            ]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
