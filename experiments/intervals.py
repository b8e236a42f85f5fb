"""How often the confidence interval of a number that was found holds the truth.

On the command line:

    python experiments/intervals.py                          40 draws of the noise, by least squares in cells
    python experiments/intervals.py --draws 5 solver=adam_broyden    words for the settings may follow
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pinn

PROBLEM: dict[str, Any] = {
    "title": "Diffusivity from fifty values with noise of one per cent of the largest",
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "unknowns": {"u": None, "C": {"of": [], "start": 2}},
    "equations": {"diffusion": "u_t = C*u_xx - exp(-t)*(1 - pi**2)*sin(pi*x)"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "ends": {"at": "boundary", "u": 0}},
    "exact": {"u": "sin(pi*x)*exp(-t)", "C": 1},
}
TRUTH, NOISE = 1.0, 0.008
"""The number, and the deviation of the noise; the largest measured value is 0.8."""


def draw(seed: int, words: list[str], folder: Path) -> dict[str, Any]:
    """Return what metrics.json holds of the number for one draw of the noise."""
    sensors = {"points": {"x": [-0.9, 0.9, 10], "t": [0.2, 1, 5]}, "u": "exact", "add_noise": NOISE, "seed": seed}
    text = {**PROBLEM, "data": {"sensors": sensors}}
    found = pinn.solve(text, "report=none", *words, folder=folder / str(seed), quiet=True)
    return dict(found.metrics["unknowns"]["C"])


def main() -> None:
    """Solve for every draw and print how many intervals hold the truth, and how the errors compare with their standard errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="NAME=VALUE", help="settings of the runs")
    parser.add_argument("--draws", type=int, default=40, help="of the noise")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [draw(seed, given.words, Path(folder)) for seed in range(given.draws)]
    held = sum(each["interval"][0] <= TRUTH <= each["interval"][1] for each in found)
    scaled = np.array([(each["value"] - TRUTH) / each["standard_error"] for each in found])
    print(f"{held} of {len(found)} intervals hold the truth; errors are {np.sqrt(np.mean(scaled**2)):.2f} standard errors")
    print(f"first draw: {found[0]['value']:.5f}, standard error {found[0]['standard_error']:.5f}")


if __name__ == "__main__":
    main()
