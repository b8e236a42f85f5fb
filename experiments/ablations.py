"""What a setting decides: the same problems solved with several values of one setting, a table for each comparison.

On the command line:

    python experiments/ablations.py                              all comparisons, one seed, about half an hour
    python experiments/ablations.py --only degree hard --seeds 2    medians over the seeds 0 and 1, worst in brackets
    python experiments/ablations.py --write                      put the tables into ABLATIONS.md, each when it is done

Values are words of the command line. Cells end at an accuracy of 1e-8, trainings after the same number of steps except where
seconds are the same; errors are relative L2, seconds those of the solve without set-up.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import write
from scoreboard import Run, attempt, error_cell, reasons, rounded

import pinn

PAGE = Path(__file__).with_name("ABLATIONS.md")
HEAD = ["problem", "setting", "relative L2 error", "seconds", "parameters"]


@dataclass(frozen=True)
class Ablation:
    """A comparison of settings; each is a string of words, as are those that all have in common."""

    name: str
    problems: str
    common: str
    settings: Sequence[str]
    default: str

    def words(self, setting: str) -> list[str]:
        """Return the words of a run with a setting."""
        return ["report=none", *self.common.split(), *setting.split()]


CELLS = "solver=least_squares accuracy=1e-8 solver.seconds=30"
RANDOM = "heat_1d helmholtz_2d kovasznay"
EASY = "heat_1d poisson_2d"
HARD = "helmholtz_2d burgers kovasznay"
CUT = f"heat_1d {HARD}"
ALL = "heat_1d poisson_2d helmholtz_2d burgers kovasznay"
FRONTS = "burgers advection_diffusion helmholtz_2d"
JOINED = "solver=adam_broyden network.depth=2"
GAUSS_NEWTON = "solver.stages.gauss_newton"
TRAINED = "solver=adam_broyden solver.stages.broyden.steps=1000"
TIMED = "solver.until.seconds=20 solver.until.plateau=null"
DAMPED = "solver=adam_gauss_newton solver.stages.gauss_newton.steps=100 points.interior=512 points.surface=64"


def values(name: str, *found: object) -> list[str]:
    """Return the words that give a setting these values."""
    return [f"{name}={value}" for value in found]


ACTIVATIONS = ["tanh", "sin", "gelu", "swish", "softplus", "sigmoid"]
RULES = ["sobol", "latin_hypercube", "uniform", "grid", "chebyshev"]
CUTS = ["network.degree=20 solver.most_cells=1", "solver.cells={}", "solver.cells={x:4}", "network.degree=6 solver.cells={x:4}"]
SHORT = "solver.stages.adam.steps=100 solver.stages.broyden.steps=300"
SLABS = f"solver=adam_broyden decomposition=time_slabs network.width=12 network.depth=2 {SHORT}"
SWEEPS = ["solver.sweep=null", "solver.stages.adam.steps=800 solver.stages.broyden.steps=2400", "solver.sweep=t"]
"""Eight slabs at once with as many steps as each has in turn, then with as many as all have in turn, and in turn."""
CANDIDATES = ["points.candidates=1", "points.candidates=4", "points.candidates=8 points.power=2"]
JOINS = [
    "decomposition=none",
    *(f"decomposition={each} decomposition.cells={{x:3}} network.width=12" for each in ("windows", "cuts", "cpinn", "xpinn")),
]
SOLVERS = [
    "solver=adam_broyden solver.stages.broyden.steps=100000",
    "solver=adam_lbfgs solver.stages.lbfgs.steps=100000",
    f"solver=adam_gauss_newton {GAUSS_NEWTON}.steps=100000",
    "solver=adam_spring solver.stages.spring.steps=100000",
    "solver=adam_spring solver.stages.spring.steps=100000 points.redraw=1 points.interior=512 points.surface=64",
    "solver=soap solver.stages.soap.steps=3000",
]
"""Steps for more than the seconds that there are; of SOAP so many as there may be, for its rate falls over them."""

ABLATIONS = [
    Ablation("features", ALL, CELLS, values("network.features", "legendre", "tanh", "sin"), "network.features=legendre"),
    Ablation("radius_tanh", RANDOM, f"{CELLS} network.features=tanh", values("network.radius", 0.5, 1, 2, 4), "network.radius=1"),
    Ablation("radius_sin", RANDOM, f"{CELLS} network.features=sin", values("network.radius", 0.5, 1, 2, 4), "network.radius=1"),
    Ablation("degree", CUT, CELLS, values("network.degree", 8, 11, "null", 17, 20), "network.degree=null"),
    Ablation("one_cell", HARD, CELLS, CUTS, "solver.cells={}"),
    Ablation("weights_in_cells", ALL, CELLS, values("weights.conditions", 1, 10, 100, 1000), "weights.conditions=100"),
    Ablation("extra_points", ALL, CELLS, values("network.extra_points", 1, 2, 4, 8), "network.extra_points=2"),
    Ablation("activation", EASY, TRAINED, values("network.activation", *ACTIVATIONS), "network.activation=tanh"),
    Ablation("weights", EASY, TRAINED, values("weights.conditions", 1, 10, 100, 1000), "weights.conditions=100"),
    Ablation("points", EASY, TRAINED, values("points", *RULES), "points=sobol"),
    Ablation("redraw", EASY, TRAINED, values("points.redraw", "null", 50, 200), "points.redraw=200"),
    Ablation("candidates", FRONTS, f"{TRAINED[:-4]}3000", CANDIDATES, CANDIDATES[0]),
    Ablation("decomposition", FRONTS, JOINED, JOINS, JOINS[0]),
    Ablation("sweep", "convection allen_cahn", SLABS, SWEEPS, SWEEPS[0]),
    Ablation("hard", EASY, TRAINED, values("hard", "[]", "[walls]"), "hard=[]"),
    Ablation("precision", EASY, TRAINED, values("precision", "float64", "float32"), "precision=float64"),
    Ablation("solvers", EASY, TIMED, SOLVERS, SOLVERS[0]),
    Ablation("accept", EASY, DAMPED, values(f"{GAUSS_NEWTON}.accept", 0.01, 0.25, 0.75), f"{GAUSS_NEWTON}.accept=0.25"),
    Ablation("ladder", EASY, DAMPED, values(f"{GAUSS_NEWTON}.ladder", 2, 4, 10), f"{GAUSS_NEWTON}.ladder=2"),
    Ablation("damping", EASY, DAMPED, values(f"{GAUSS_NEWTON}.damping", 1e-6, 1e-3, 1), f"{GAUSS_NEWTON}.damping=0.001"),
]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[each.name for each in ABLATIONS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a run is ended")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    arguments = parser.parse_args()
    for ablation in ABLATIONS:
        if arguments.only and ablation.name not in arguments.only:
            continue
        print(f"\n{ablation.name}: {ablation.common}\n", flush=True)
        lines = []
        for text in table(ablation, arguments.seeds, arguments.limit):
            print(text, flush=True)
            lines.append(text)
        if arguments.write:
            write(lines, ablation.name, PAGE)


def table(ablation: Ablation, seeds: int, limit: float) -> Iterator[str]:
    """Yield the lines of a comparison's table while it is made, and below it what it was made with."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * len(HEAD)
    failures = []
    for problem in ablation.problems.split():
        for setting in ablation.settings:
            found = [attempt(problem, setting, tuple(ablation.words(setting)), seed, limit) for seed in range(seeds)]
            failures += [f"- {problem}, {setting}, {reason.strip()}" for reason in reasons(found)]
            yield line(ablation, found)
    made = "one seed" if seeds == 1 else f"{seeds} seeds"
    yield f"\n{made}, {platform.machine()}, a load of {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores, pinn {pinn.__version__}"
    yield from (["", *failures] if failures else [])


def line(ablation: Ablation, found: Sequence[Run]) -> str:
    """Return the line of the table for the runs of one problem and setting, the default in bold."""
    first, finished = found[0], [run for run in found if run.metrics]
    shown = f"`{first.method}`"
    cells = [
        f"`{first.problem}`",
        f"**{shown}**" if first.method == ablation.default else shown,
        error_cell(found),
        rounded(statistics.median(run.metrics["seconds"]["solve"] for run in finished)) if finished else "–",
        f"{finished[0].metrics['num_parameters']:,}" if finished else "–",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
