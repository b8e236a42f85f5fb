"""Time of one training step, residual and gradient by θ, with each way to get derivatives.

Residuals are the sum of the requested derivatives; networks 4×64 tanh at 10,000 points (4,000 for the biharmonic) and 3×20 tanh
at 2,048 points, float64, one thread, points in chunks that fit the cache. All ways run alternately; the table shows medians in
milliseconds of the processor's time, and the largest difference between the gradients, relative to the largest entry.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from pinn.field.compiler import is_available
from pinn.field.network.mlp import MLP
from pinn.problem.problem import Coordinate, Problem, Unknown
from pinn.problem.sites import Sites

REQUESTS = {
    "Burgers: u, u_x, u_t, u_xx": (((0, 0),), ((1, 0),), ((0, 1),), ((2, 0),)),
    "Laplacian, 3-D": (((0, 0, 2), (0, 2, 0), (2, 0, 0)),),
    "u_t, u_xxxx": (((0, 1),), ((4, 0),)),
    "biharmonic, 2-D": (((0, 4), (2, 2), (2, 2), (4, 0)),),
}
WAYS = {"nested": ("autograd", False), "jets": ("taylor", False), "jets, compiled": ("taylor", True)}


def box(dim):
    names = ("x", "y", "z")[:dim]
    return Problem("box", tuple(Coordinate(name, -1.0, 1.0) for name in names), (Unknown("u", names),), ())


def make_step(network, way, request, points):
    """Return a function that gives the gradient of the mean square of the residual."""
    engine, compiled = WAYS[way]
    field = network.field(box(points.shape[1]), engine, compiled=compiled)
    size = field.chunk(request) if engine == "taylor" else 1000
    evaluations = [field.at(Sites(part), request) for part in np.array_split(points, max(1, round(len(points) / size)))]
    theta = field.initial(0).requires_grad_()

    def step():
        total = torch.zeros_like(theta)
        for evaluation in evaluations:
            residual = evaluation.jets(theta).sum(1)
            total += torch.autograd.grad(residual.dot(residual) / len(points), theta)[0]
        return total

    return step


def measure(network, operators, num_points, repeats):
    request = tuple(("u", operator) for operator in operators)
    dim = len(operators[0][0])
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (num_points, dim))
    steps = {way: make_step(network, way, request, points) for way in WAYS if way != "jets, compiled" or is_available()}
    gradients = {way: step() for way, step in steps.items()}
    times = {way: [] for way in steps}
    for _ in range(repeats):
        for way, step in steps.items():
            start = time.thread_time()
            step()
            times[way].append(1e3 * (time.thread_time() - start))
    exact = gradients["nested"]
    difference = max(float((gradient - exact).abs().max() / exact.abs().max()) for gradient in gradients.values())
    return {way: float(np.median(values)) for way, values in times.items()}, difference


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{'residual':28s}{'network':>9s}" + "".join(f"{way:>16s}" for way in WAYS) + f"{'difference':>14s}")
    for name, operators in REQUESTS.items():
        for width, depth, num_points in ((64, 4, 4000 if "biharmonic" in name else 10000), (20, 3, 2048)):
            times, difference = measure(MLP(width=width, depth=depth), operators, num_points, repeats)
            cells = "".join(
                f"{times[way]:9.1f} ({times['nested'] / times[way]:4.1f})" if way in times else f"{'':>16s}" for way in WAYS
            )
            print(f"{name:28s}{f'{depth}x{width}':>9s}{cells}{difference:14.0e}", flush=True)


if __name__ == "__main__":
    main()
