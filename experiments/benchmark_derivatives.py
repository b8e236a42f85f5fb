"""Time and memory of one training step, residual and gradient by θ, with each way to get derivatives.

On the command line:

    python experiments/benchmark_derivatives.py                    the table
    python experiments/benchmark_derivatives.py --json FILE        also one row per measurement, with peak memory
    python experiments/benchmark_derivatives.py --only Burgers --repeats 21

A network is a chain of tanh layers. *nested* is repeated `torch.autograd.grad` at all points at once and a reverse pass through
all of it, as it is commonly written; *chunked* the same in chunks that fit the cache; *jets* goes through tensors, *compiled*
through C code; *jax* and *deepxde* are these packages, where they are installed. All ways run alternately on one thread; the table
shows medians in milliseconds of the processor's time. The *floor* is the time of the products of matrices alone that a step needs
(three for every layer and channel), measured in the same run. Peak memory is that of a process of its own that makes three steps,
less that of one that makes none; Linux only.

A second table has the same for many equal networks, each with its own points: a *loop* over them with nested `torch.autograd.grad`,
and a stack by tensors and by compiled code.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import derivative_peers
import numpy as np
import torch

from pinn.field.compiler import is_available
from pinn.field.nested import ValueAlgebra, differentiate
from pinn.field.network.mlp import MLP
from pinn.field.request import channels
from pinn.field.stack import Stack
from pinn.problem.directions import as_sum, draw_directions
from pinn.problem.formulas.calculus import jets
from pinn.problem.language import read_problem
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.solver.rows import Rows


class StackCase(NamedTuple):
    """Many networks on a grid of squares, each with as many points in its own."""

    residual: str
    operators: tuple
    per_side: int
    points_each: int
    width: int = 16
    depth: int = 1


class Case(NamedTuple):
    """What is measured: an equation at points in a box with these coordinates, a network, a number type.

    ``directions`` estimates the Laplacian along so many random lines; 0 is exact.
    """

    residual: str
    equation: str
    coordinates: tuple[str, ...]
    num_points: int = 10_000
    width: int = 64
    depth: int = 4
    dtype: str = "float64"
    directions: int = 0


BURGERS = "burgers", "u_t + u*u_x = 0.01*u_xx", ("x", "t")
CASES = [
    Case(*BURGERS),
    Case("laplacian", "laplacian(u) = 1", ("x", "y", "z")),
    Case("kuramoto_sivashinsky", "u_t + u_xxxx = 0", ("x", "t")),
    Case("mixed", "u_xy + u = 1", ("x", "y")),
    Case("biharmonic", "u_xxxx + 2*u_xxyy + u_yyyy = 1", ("x", "y"), 4_000),
    Case("laplacian_10d", "laplacian(u) = 1", tuple(f"x{k}" for k in range(10)), 4_000),
    Case("laplacian_100d", "laplacian(u) = 1", tuple(f"x{k}" for k in range(100)), 2_000),
    Case("laplacian_100d_16", "laplacian(u) = 1", tuple(f"x{k}" for k in range(100)), 2_000, directions=16),
    Case(*BURGERS, 2_048, 20, 3),
    Case(*BURGERS, 10_000, 128),
    Case(*BURGERS, 4_000, 256),
    Case(*BURGERS, 10_000, 64, 4, "float32"),
]
LAPLACIAN = (((0, 2), (2, 0)),)
STACK_CASES = [StackCase("laplacian_2d", LAPLACIAN, 16, 25), StackCase("laplacian_2d", LAPLACIAN, 8, 100, 32, 2)]
ENGINES = {"nested": ("autograd", False), "chunked": ("autograd", False), "jets": ("taylor", False), "compiled": ("taylor", True)}


def engines(case=None):
    """Return the names of all ways that can be had here, or of those that can take a case with the memory of most machines."""
    found = [name for name in ENGINES if name != "compiled" or is_available()] + derivative_peers.installed()
    if case is None or len(case.coordinates) <= 10:
        return found
    return [name for name in found if name in ENGINES and (case.directions or name in ("jets", "compiled"))]


def make_problem(case):
    """Return the equation with conditions that make a problem of it; they are not measured."""
    space = [name for name in case.coordinates if name != "t"]
    derivatives = {"u": 0, "u_n": 0} if "xxxx" in case.equation else {"u": 0}
    conditions = {"walls": {"at": "boundary", **derivatives}}
    if "t" in case.coordinates:
        conditions["start"] = {"at": "t = -1", "u": 0}
    return read_problem(
        {
            "coordinates": {name: [-1, 1] for name in (*space, *case.coordinates[len(space) :])},
            "unknowns": ["u"],
            "equations": {"equation": case.equation},
            "conditions": conditions,
        }
    )


def make_step(case, name):
    """Return a function that gives the gradient of the mean square of the residual."""
    engine, compiled = ENGINES.get(name, ("autograd", False))
    problem = make_problem(case)
    field = MLP(width=case.width, depth=case.depth).field(problem, engine, case.dtype, compiled=compiled)
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (case.num_points, len(case.coordinates)))
    operators = [jet.operator for jet in jets(problem.equations[0].tree)] if case.directions else []
    rng = np.random.default_rng(1)
    lines = {each: draw_directions(as_sum(each), "signs", case.directions, len(points), rng) for each in operators}
    term = make_term(problem, problem.equations[0], Sites(points, directions=lines))
    rows = Rows(field, [term], chunk={"nested": len(points), "chunked": 1000}.get(name))
    theta = field.initial(0)
    if name in derivative_peers.NAMES:
        return derivative_peers.make_step(name, rows, theta)
    if name != "nested":
        return lambda: rows.evaluate(theta).gradient
    leaf = theta.requires_grad_()
    return lambda: torch.autograd.grad(rows.residual(leaf).square().sum(), leaf)[0]


def make_stack_steps(case):
    """Return functions by name that give the gradient of the mean square of the residual of a stack."""
    axis = np.linspace(-1.0, 1.0, case.per_side + 1)
    low = np.stack(np.meshgrid(axis[:-1], axis[:-1], indexing="ij"), -1).reshape(-1, 2)
    boxes = np.stack([low, low + 2 / case.per_side], -1)
    members = np.repeat(np.arange(len(low)), case.points_each)
    points = low[members] + np.random.default_rng(0).uniform(0, 2 / case.per_side, (len(members), 2))
    request = tuple(("u", operator) for operator in case.operators)
    network = MLP(width=case.width, depth=case.depth)
    stacks = {"tensors": Stack(network, boxes, compiled=False)}
    if is_available():
        stacks["compiled"] = Stack(network, boxes, compiled=True)
    theta = stacks["tensors"].initial(0).requires_grad_()

    def gradient(residual):
        return torch.autograd.grad(residual.dot(residual) / len(points), theta)[0]

    def make(stack):
        evaluation = stack.at(points, members, request)
        return lambda: gradient(evaluation.jets(theta)[:, 0])

    def loop():
        stack, parts = stacks["tensors"], []
        for member, x in enumerate(torch.as_tensor(points).split(case.points_each)):
            parameters, (lower, upper) = stack.layout.unpack(theta[stack.part(member)]), torch.as_tensor(boxes[member]).T
            scaled = partial(scale, lower, upper)
            function = partial(evaluate, network, parameters, scaled)
            parts.append(differentiate(function, x, channels(case.operators, 2)[-1:], tape=True).flatten())
        return gradient(torch.cat(parts))

    return {"loop": loop} | {name: make(stack) for name, stack in stacks.items()}


def scale(low, high, x):
    return (2 * x - low - high) / (high - low)


def evaluate(network, parameters, scaled, x):
    return network.apply(parameters, scaled(x), ValueAlgebra())


def make_floor(case):
    """Return a function that does the products of matrices of a step, in blocks that fit the cache."""
    operators = tuple(jet.operator for jet in jets(make_problem(case).equations[0].tree))
    carried = 2 + case.directions if case.directions else len(channels(operators, len(case.coordinates)))
    rows, dtype = 2048, getattr(torch, case.dtype)
    left, weight = torch.rand(rows, case.width, dtype=dtype), torch.rand(case.width, case.width, dtype=dtype)
    out, gradient = torch.empty_like(left), torch.empty_like(weight)
    count = 3 * (case.depth - 1) * carried * case.num_points

    def floor():
        for turn in range(count // rows):
            if turn % 3:
                torch.mm(left, weight, out=out)
            else:
                torch.mm(left.t(), out, out=gradient)

    return floor


def measure(case, repeats):
    """Return medians in milliseconds by engine, those of the floor included, and differences of gradients to the first."""
    steps = {name: make_step(case, name) for name in engines(case)}
    difference = differences(steps)
    return medians(steps | {"floor": make_floor(case)}, repeats), difference


def differences(steps):
    """Return the largest difference of each gradient to the first one, relative to its size."""
    gradients = {name: step() for name, step in steps.items()}
    exact = next(iter(gradients.values()))
    return {name: float((gradient - exact).abs().max() / exact.abs().max()) for name, gradient in gradients.items()}


def medians(steps, repeats):
    """Return the median milliseconds of the processor's time of each step, all run alternately."""
    times = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name].append(1e3 * (time.process_time() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def peak_memory(number, engine):
    """Return the peak memory of three steps in MB."""
    peaks = []
    for steps in (0, 3):
        words = [sys.executable, __file__, "--worker", str(number), engine, str(steps)]
        peaks.append(float(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    return peaks[1] - peaks[0]


def work(number, engine, steps):
    """Print the peak memory of this process in MB after some steps."""
    torch.set_num_threads(1)
    step = make_step(CASES[number], engine)
    for _ in range(steps):
        step()
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def record(case, number, times, difference):
    """Return the rows of the JSON file for one case."""
    shared = {
        "residual": case.residual,
        "width": case.width,
        "depth": case.depth,
        "num_points": case.num_points,
        "dtype": case.dtype,
    }
    return [
        {
            **shared,
            "engine": name,
            "milliseconds": times[name],
            "floor_milliseconds": times["floor"],
            "peak_memory_mb": peak_memory(number, name),
            "relative_difference": difference[name],
        }
        for name in difference
    ]


def show(cases, repeats, with_memory):
    """Print the table of numbered cases, and return their rows of the JSON file if memory is to be measured."""
    ways = "".join(f"{name:>16s}" for name in engines())
    print(f"{'residual':22s}{'network':>8s}{'points':>8s}{ways}{'floor':>8s}{'difference':>12s}")
    rows = []
    for number, case in cases:
        times, difference = measure(case, repeats)
        first = times[next(iter(difference))]
        shown = {name: f"{times[name]:9.1f} ({first / times[name]:4.1f})" for name in difference}
        cells = "".join(f"{shown.get(name, ''):>16s}" for name in engines())
        kind = f"{case.depth}x{case.width}" + ("" if case.dtype == "float64" else "f")
        worst = max(difference.values())
        print(f"{case.residual:22s}{kind:>8s}{case.num_points:8d}{cells}{times['floor']:8.1f}{worst:12.0e}", flush=True)
        rows += record(case, number, times, difference) if with_memory else []
    return rows


def show_stacks(cases, repeats):
    """Print the table of stacks, and return its rows of the JSON file."""
    ways = "".join(f"{name:>16s}" for name in ("loop", "tensors", "compiled"))
    print(f"{'residual':22s}{'network':>8s}{'members':>8s}{'points':>8s}{ways}{'difference':>12s}")
    rows = []
    for case in cases:
        steps, members = make_stack_steps(case), case.per_side**2
        difference, times = differences(steps), medians(steps, repeats)
        cells = "".join(f"{times[name]:9.1f} ({times['loop'] / times[name]:4.0f})" for name in steps)
        shape = f"{f'{case.depth}x{case.width}':>8s}{members:8d}{members * case.points_each:8d}"
        print(f"{case.residual:22s}{shape}{cells}{max(difference.values()):12.0e}", flush=True)
        shared = {"residual": case.residual, "width": case.width, "depth": case.depth, "members": members}
        shared |= {"num_points": members * case.points_each, "dtype": "float64"}
        rows += [{**shared, "engine": name, "milliseconds": times[name], "relative_difference": difference[name]} for name in steps]
    return rows


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="write all measurements to this file")
    parser.add_argument("--only", default="", help="cases whose residual begins with this")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        number, engine, steps = arguments.worker
        return work(int(number), engine, int(steps))
    torch.set_num_threads(1)
    cases = [(number, case) for number, case in enumerate(CASES) if case.residual.startswith(arguments.only)]
    stacks = [case for case in STACK_CASES if case.residual.startswith(arguments.only)]
    rows = show(cases, arguments.repeats, bool(arguments.json)) if cases else []
    rows += show_stacks(stacks, arguments.repeats) if stacks else []
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
