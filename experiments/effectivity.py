"""How well the error estimate knows the error, where the truth is known: estimated over true error of real networks.

Every shipped problem with an exact solution, four networks each: all zero, badly trained (a hundred steps of Adam), trained (500
quasi-Newton steps more) and well trained (the default solver). The estimate sees the equation and the conditions, never the exact
solution.

    python experiments/effectivity.py [PROBLEM ...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import pinn
from pinn.judge.choose import reference
from pinn.judge.estimate import estimate
from pinn.judge.evaluation import evaluation_axes
from pinn.judge.metrics import metrics
from pinn.problem.language import load_problem
from pinn.problem.problem import Problem

PROBLEMS = Path(__file__).parents[1] / "configs" / "problem"
TRAINING = {"badly trained": 0, "trained": 500, "well trained": 2000}
"""Quasi-Newton steps after a hundred steps of Adam."""


def main() -> None:
    """Print a line per problem and network."""
    names = sys.argv[1:] or sorted(path.stem for path in PROBLEMS.glob("*.yaml"))
    print("| problem | network | unknown | true error | estimate | effectivity | seconds |")
    print("|---|---|---|---|---|---|---|")
    outside = 0
    for name in names:
        problem = load_problem(PROBLEMS / f"{name}.yaml")
        if not problem.exact:
            continue
        for kind, solution in networks(problem, name):
            outside += compare(problem, name, kind, solution)
    print(f"\n{outside} outside 0.8 to 1.25, or refused")


def networks(problem: Problem, name: str):
    """Yield the networks as solutions."""
    yield "zero", lambda points, request: np.zeros((len(points), len(request)))
    for kind, steps in TRAINING.items():
        with tempfile.TemporaryDirectory() as folder:
            words = ["report=none", f"solver.stages.broyden.steps={steps}"]
            yield kind, pinn.solve(name, *words, folder=Path(folder) / "run", quiet=True).outcome.solution


def compare(problem: Problem, name: str, kind: str, solution) -> int:
    """Print the true and the estimated error of each unknown; return how many are far apart."""
    found = metrics(problem, solution, reference(problem), evaluation_axes(problem))
    guess = estimate(problem, solution)
    outside = 0
    for unknown, true in found.relative_l2.items():
        known = guess.relative_l2[unknown] if guess.accepted else float("nan")
        far = not 0.8 <= known / true <= 1.25
        outside += far
        cells = [name, kind, unknown, f"{true:.2e}", f"{known:.2e}", f"{known / true:.3f}{' !' * far}", f"{guess.seconds:.2f}"]
        print("| " + " | ".join(cells) + f" | {guess.why}" * bool(guess.why), flush=True)
    return outside


if __name__ == "__main__":
    main()
