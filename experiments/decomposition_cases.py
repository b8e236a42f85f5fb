"""What `decomposition.py` compares: problems, and ways to solve each with words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BROYDEN = "solver=adam_broyden solver.stages.broyden.steps=100000"
GAUSS_NEWTON = "solver=adam_gauss_newton solver.stages.gauss_newton.steps=100000"
SOLVED = "solver=extreme_learning"
CELLS = "solver=least_squares"
HEAVY = "weights.conditions=1e5 weights.interfaces=1e5"
"""Weights of all but the equation where residuals are of the size of a squared frequency; with 100 cuts end at errors of a half."""


class Way(NamedTuple):
    """A way to solve a problem: words of the command line, for so many seeds."""

    name: str
    settings: str
    seeds: int = 5


class Case(NamedTuple):
    """A problem with the seconds that training has and the ways that are compared; ``common`` is for all that train."""

    problem: str
    title: str
    seconds: float
    common: str
    ways: Sequence[Way]

    def words(self, way: Way) -> list[str]:
        """Return the words of a run; cells of `least_squares` are fixed features, which have nothing to train."""
        if CELLS in way.settings.split():
            return way.settings.split()
        until = f"solver.until.seconds={self.seconds:g} solver.until.plateau=null solver.until.check=100"
        return [*self.common.split(), *way.settings.split(), *until.split()]


def one(width: int, depth: int, more: str = "") -> str:
    """Return the words of a single network that is trained."""
    return f"{BROYDEN} network.width={width} network.depth={depth} {more}".strip()


def cells(kind: str, number: str, width: int, more: str = "") -> str:
    """Return the words of networks in cells, each with one layer of sines."""
    joined = f"decomposition={kind} decomposition.cells={number}"
    return f"{joined} network.width={width} network.depth=1 network.activation=sin {more}".strip()


COSINE = Case(
    "cosine",
    "u' = cos 15x on thirty periods",
    8.0,
    "points.interior=1024 points=grid points.redraw=null",
    [
        Way("one network, tanh", one(22, 2, "points=sobol points.redraw=200"), 2),
        Way("one network, sines", one(22, 2, "network.activation=sin"), 2),
        Way("one network, sines of the solution's frequency", one(22, 2, "network.activation=sin network.frequency=90")),
        Way("windows, 30 cells", f"{BROYDEN} {cells('windows', '30', 6, 'network.frequency=5')}"),
        Way("multilevel windows, 30 to 2 cells", f"{BROYDEN} {cells('multilevel', '30', 4, 'decomposition.levels=5')}", 2),
        Way("cuts, 30 cells", f"{BROYDEN} {cells('cuts', '30', 6, 'network.frequency=5')}", 2),
        Way("xpinn, 30 cells", f"{BROYDEN} {cells('xpinn', '30', 6, 'network.frequency=5')}", 2),
        Way("windows, Gauss-Newton", f"{GAUSS_NEWTON} {cells('windows', '30', 6, 'network.frequency=5')}", 2),
        Way("one layer of random tanh, last layer solved", f"{SOLVED} network.width=489 network.activation=tanh"),
        Way("windows, last layers solved", f"{SOLVED} {cells('windows', '30', 16)}"),
        Way("cells of `least_squares`", CELLS, 1),
    ],
)

OSCILLATOR = Case(
    "oscillator",
    "Damped oscillator, ω₀ = 60",
    8.0,
    "points.interior=512",
    [
        Way("one network, tanh", one(20, 2, "hard=[start]"), 1),
        Way("one network, sines", one(20, 2, "hard=[start] network.activation=sin"), 1),
        Way(
            "one network, sines of the solution's frequency",
            one(20, 2, "hard=[start] network.activation=sin network.frequency=30"),
        ),
        Way("windows, 20 cells", f"{BROYDEN} {cells('windows', '20', 8, 'hard=[start] decomposition.smoothness=3')}"),
        Way("multilevel windows, 20 to 5 cells", f"{BROYDEN} {cells('multilevel', '20', 5, 'hard=[start]')}", 1),
        Way("cuts, 20 cells", f"{BROYDEN} {cells('cuts', '20', 8, HEAVY)}", 1),
        Way("cpinn, 20 cells", f"{BROYDEN} {cells('cpinn', '20', 8, HEAVY)}", 1),
        Way("xpinn, 20 cells", f"{BROYDEN} {cells('xpinn', '20', 8, HEAVY)}", 1),
        Way("windows, Gauss-Newton", f"{GAUSS_NEWTON} {cells('windows', '20', 8, 'hard=[start] points.interior=1024')}", 1),
        Way("one layer of random sines, last layer solved", f"{SOLVED} network.width=326 points=grid"),
        Way("windows, last layers solved", f"{SOLVED} {cells('windows', '20', 16)} points=grid"),
        Way("cells of `least_squares`", CELLS, 1),
    ],
)


def halves(kind: str) -> str:
    """Return the words of two networks for Burgers' equation, on both sides of the front or overlapping there."""
    return f"decomposition={kind} decomposition.cells={{x:2}} network.width=12 network.depth=3"


BURGERS = Case(
    "burgers",
    "Burgers' equation",
    30.0,
    "experiment=burgers solver.stages.broyden.steps=100000",
    [
        Way("one network", "", 2),
        Way("windows, 2 cells", halves("windows"), 2),
        Way("cuts, 2 cells", halves("cuts"), 2),
        Way("cpinn, 2 cells", halves("cpinn"), 2),
        Way("xpinn, 2 cells", halves("xpinn"), 2),
        Way("cells of `least_squares`", CELLS, 1),
    ],
)

OCTAVES = Case(
    "poisson_octaves",
    "Poisson equation, four octaves",
    20.0,
    "points.interior=4096 hard=[walls]",
    [
        Way("one network, sines", one(32, 2, "network.activation=sin"), 1),
        Way("one network, sines of the solution's frequency", one(32, 2, "network.activation=sin network.frequency=20"), 2),
        Way("windows, 8 × 8 cells", f"{BROYDEN} {cells('windows', '8', 5, 'network.frequency=5')}", 2),
        Way("multilevel windows, 8 × 8 to 1 cell", f"{BROYDEN} {cells('multilevel', '8', 4, 'decomposition.levels=4')}", 1),
        Way("one layer of random sines, last layer solved", f"{SOLVED} network.width=1024", 2),
        Way("windows, last layers solved", f"{SOLVED} {cells('windows', '8', 24)}", 2),
        Way("the same, 100 features each", f"{SOLVED} {cells('windows', '8', 100, 'points.interior=20000')}", 2),
        Way("cells of `least_squares`", CELLS, 1),
    ],
)

WAVE = Case(
    "wave_2d",
    "Waves on a membrane",
    30.0,
    "points.interior=4096 hard=[walls,initial]",
    [
        Way("one network, sines of the solution's frequency", one(20, 3, "network.activation=sin network.frequency=6"), 1),
        Way("windows, 4 × 4 × 4 cells", f"{BROYDEN} {cells('windows', '4', 4, 'network.frequency=3')}", 1),
        Way("one layer of random sines, last layer solved", f"{SOLVED} network.width=1024", 1),
        Way("windows, last layers solved", f"{SOLVED} {cells('windows', '4', 16)}", 1),
        Way("the same, 64 features each", f"{SOLVED} {cells('windows', '4', 64, 'points.interior=20000')}", 1),
        Way("cells of `least_squares`, 8 × 8 × 8", f"{CELLS} solver.cells={{x:8,y:8,t:8}} accuracy=1e-3", 1),
    ],
)


def materials(problem: str, title: str, along: str) -> Case:
    """Return the case of a problem with an interface, whose solution has a kink there."""
    several = f"decomposition.cells={{{along}:4}} network.width=10 network.depth=3"
    return Case(
        problem,
        title,
        15.0,
        "points.interior=2048",
        [
            Way("one network", one(24, 3, "decomposition=none")),
            Way("a network on each side of the interface", one(16, 3, "decomposition=regions")),
            Way("cpinn, 4 cells", f"{BROYDEN} decomposition=cpinn {several}"),
            Way("xpinn, 4 cells", f"{BROYDEN} decomposition=xpinn {several}"),
            Way("cells of `least_squares`", CELLS, 1),
        ],
    )


MATERIALS = materials("two_materials", "Two materials", "x")
ROD = materials("composite_rod", "A composite rod", "x")

CASES = [COSINE, OSCILLATOR, BURGERS, OCTAVES, WAVE, MATERIALS, ROD]
