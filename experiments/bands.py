"""At how many places the 95 % bands of functions that noisy observations determine hold the truth.

On the command line:

    python experiments/bands.py                 10 draws of the noise
    python experiments/bands.py --prior 30      a prior that expects too smooth a source
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from results import ROOT

import pinn
from pinn.problem.text import read_text

SHIPPED = ROOT / "configs" / "problem" / "hidden_source.yaml"
NOISE, PRIOR = 0.01, 440.0
"""Of forty deflections of size one, and of the source's second derivative at 41 points: its size, 69, times the root of 41."""

QUANTILE = 1.96


def problem(seed: int, prior: float) -> dict[str, Any]:
    """Return the shipped problem with noise and with a prior for its source."""
    text = read_text(SHIPPED).mapping
    deflections = {**text["data"]["deflections"], "add_noise": NOISE, "seed": seed}
    smoothness = {"points": {"x": [-1, 1, 41]}, "q_xx": 0, "noise": prior}
    return {**text, "data": {"deflections": deflections, "smoothness": smoothness}}


def draw(seed: int, prior: float, words: list[str], folder: Path) -> dict[str, tuple[float, float, float]]:
    """Return for each function the share of places where the band holds, its root mean square error and standard error."""
    found = pinn.solve(problem(seed, prior), *words, seed=seed, folder=folder / str(seed), quiet=True)
    stored = np.load(found.folder / "solution.npz")
    pairs = {name: (stored[f"{name}.error"], stored[f"{name}.standard_error"]) for name in ("u", "q")}
    return {
        name: (float(np.mean(np.abs(error) <= QUANTILE * spread)), _size(error), _size(spread))
        for name, (error, spread) in pairs.items()
    }


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def main() -> None:
    """Solve for every draw and print what the bands hold on average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="NAME=VALUE", help="settings of the runs")
    parser.add_argument("--draws", type=int, default=10, help="of the noise")
    parser.add_argument("--prior", type=float, default=PRIOR, help="standard deviation of the prior")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [draw(seed, given.prior, ["report=none", *given.words], Path(folder)) for seed in range(given.draws)]
    for name in ("u", "q"):
        held, error, spread = np.mean([each[name] for each in found], axis=0)
        print(f"{name}: bands hold {held:.0%} of the places; errors {error:.2g}, standard errors {spread:.2g}")


if __name__ == "__main__":
    main()
