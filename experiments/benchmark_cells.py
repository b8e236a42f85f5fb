"""Time of one training step, loss and gradient by θ, of a network in every cell, beside a plain loop over torch modules.

On the command line:

    python experiments/benchmark_cells.py                  the table
    python experiments/benchmark_cells.py --repeats 21 --cells 16 256
    python experiments/benchmark_cells.py --write          put the table into DECOMPOSITION.md

The loss is the mean square of the Laplacian less a given function at 6,400 points of a square, whose cells have networks of one
layer of 16 tanh; *cuts* are cells that own their points, *windows* overlap, so that four networks see a point. The *loop* is as
commonly written: a `torch.nn.Sequential` for each cell, outputs times windows put together, `torch.autograd.grad` twice by the
points and once by the parameters. *Tensors* and *compiled* are the rows of `pinn` without and with a C compiler. All run in turn on
one thread; the table shows medians of the processor's time, and the largest difference of loss and gradient to those of the loop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from results import write
from torch import Tensor

from pinn.field.compiler import is_available
from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts, Windows
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.solver.rows import Rows

PAGE = Path(__file__).with_name("DECOMPOSITION.md")
NUM_POINTS, WIDTH, REACH = 6_400, 16, 0.5
CELLS = (16, 64, 256, 1024)
HEAD = ["joined by", "cells", "loop, ms", "tensors, ms", "compiled, ms", "loop / compiled", "difference"]
PROBLEM = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]},
    "unknowns": ["u"],
    "equations": {"poisson": "laplacian(u) = sin(3*x)*y"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
}

Step = Callable[[], tuple[Tensor, Tensor]]
"""Returns the loss and its gradient (params,)."""


def steps(joined: str, per_side: int) -> dict[str, Step]:
    """Return the ways to make a training step, the loop first."""
    problem = read_problem(PROBLEM)
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (NUM_POINTS, 2))
    settings = Windows(cells=per_side, reach=REACH) if joined == "windows" else Cuts(cells=per_side)
    network = MLP(width=WIDTH, depth=1)
    found: dict[str, Step] = {}
    theta = DecomposedField(network, problem, settings).initial(0)
    for name, compiled in (("tensors", False), ("compiled", True)) if is_available() else (("tensors", False),):
        field = DecomposedField(network, problem, settings, compiled=compiled)
        rows = Rows(field, [make_term(problem, problem.equations[0], Sites(points))])
        found[name] = lambda rows=rows: rows.evaluate(theta)[:2]
    return {"loop": Loop(per_side, joined == "windows", theta, torch.as_tensor(points)), **found}


class Loop:
    """The step by a loop over modules.

    Parameters
    ----------
    per_side : cells along each side of the square, numbered with the second coordinate first.
    overlap : whether networks are under windows.
    theta : parameters of all networks, one after the other: weights by input, biases, and the same of the last layer.
    points : (points, 2).
    """

    def __init__(self, per_side: int, overlap: bool, theta: Tensor, points: Tensor):
        self.points, self.overlap = points, overlap
        self.width, self.last = 2 / per_side, per_side - 1
        self.cells = [(i, j) for i in range(per_side) for j in range(per_side)]
        self.modules = [self._module(values) for values in theta.view(len(self.cells), -1)]
        self.parameters = [each for module in self.modules for each in module.parameters()]
        ends = [self._support(cell) for cell in self.cells]
        self.seen = [((points >= low) & (points < high)).all(1).nonzero()[:, 0] for low, high in ends]
        self.centers = [(low + high) / 2 for low, high in ends]
        self.halves = [(high - low) / 2 for low, high in ends]

    def _module(self, values: Tensor) -> torch.nn.Sequential:
        module = torch.nn.Sequential(torch.nn.Linear(2, WIDTH), torch.nn.Tanh(), torch.nn.Linear(WIDTH, 1)).double()
        weights, bias, last, last_bias = values.split([2 * WIDTH, WIDTH, WIDTH, 1])
        with torch.no_grad():
            module[0].weight.copy_(weights.view(2, WIDTH).T)
            module[0].bias.copy_(bias)
            module[2].weight.copy_(last[None])
            module[2].bias.copy_(last_bias)
        return module

    def _support(self, cell: tuple[int, int]) -> tuple[Tensor, Tensor]:
        low = torch.tensor(cell, dtype=torch.float64) * self.width - 1
        reach = REACH * self.width * self.overlap
        return (low - reach).clamp(min=-1), (low + self.width + reach).clamp(max=1)

    def _window(self, cell: tuple[int, int], x: Tensor) -> Tensor:
        window = torch.ones_like(x[:, 0])
        for axis, number in enumerate(cell):
            low, reach = number * self.width - 1, REACH * self.width
            if number > 0:
                window = window * smooth_step((x[:, axis] - low) / reach)
            if number < self.last:
                window = window * smooth_step((low + self.width - x[:, axis]) / reach)
        return window

    def _value(self, x: Tensor) -> Tensor:
        total = torch.zeros(len(x), dtype=x.dtype)
        for module, seen, center, half, cell in zip(self.modules, self.seen, self.centers, self.halves, self.cells, strict=True):
            own = x[seen]
            values = module((own - center) / half)[:, 0]
            total = total.index_add(0, seen, values * self._window(cell, own) if self.overlap else values)
        return total

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradient in the order of θ."""
        x = self.points.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(self._value(x).sum(), x, create_graph=True)
        second = [torch.autograd.grad(slopes[:, k].sum(), x, create_graph=True)[0][:, k] for k in (0, 1)]
        loss = (second[0] + second[1] - torch.sin(3 * self.points[:, 0]) * self.points[:, 1]).square().mean()
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        return loss.detach(), torch.cat([each.T.flatten() if each.dim() == 2 else each for each in found])


def smooth_step(z: Tensor) -> Tensor:
    """Return the polynomial with two continuous derivatives that goes from 0 at −1 to 1 at 1."""
    z = z.clamp(-1, 1)
    return 0.5 + z * (15 - 10 * z**2 + 3 * z**4) / 16


def difference(found: Mapping[str, Step]) -> float:
    """Return the largest difference of loss and gradient to those of the first way, relative to the loss and the largest slope."""
    (loss, gradient), *others = [step() for step in found.values()]
    return max(
        max(float((value - loss).abs() / loss), float((slopes - gradient).abs().max() / gradient.abs().max()))
        for value, slopes in others
    )


def medians(found: Mapping[str, Step], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of the processor's time of each way, all run alternately."""
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(repeats):
        for name, step in found.items():
            start = time.process_time()
            step()
            times[name].append(1e3 * (time.process_time() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def line(joined: str, cells: int, times: Mapping[str, float], apart: float) -> str:
    """Return the line of the table for one number of cells."""
    compiled = times.get("compiled")
    shown = [f"{times['loop']:.0f}", f"{times['tensors']:.1f}", *([f"{compiled:.1f}"] if compiled else ["–"])]
    ratio = times["loop"] / (compiled or times["tensors"])
    return "| " + " | ".join([joined, f"{cells:,}", *shown, f"{ratio:.0f}", f"{apart:.0e}"]) + " |"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", type=int, default=CELLS, help="in all, squares of whole numbers")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    print(*lines, sep="\n", flush=True)
    for joined in ("cuts", "windows"):
        for cells in arguments.cells:
            found = steps(joined, round(cells**0.5))
            lines.append(line(joined, cells, medians(found, arguments.repeats), difference(found)))
            print(lines[-1], flush=True)
    if arguments.write:
        write(lines, "cells", PAGE)


if __name__ == "__main__":
    main()
