"""Settings of the report: what is drawn and written when a run ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pinn.problem.settings import Settings, setting

FigureName = Literal[
    "solution",
    "cuts",
    "quantities",
    "residual",
    "history",
    "points",
    "cover",
    "jumps",
    "windows",
    "frontier",
    "estimate",
    "processes",
    "members",
    "dependence",
    "sensitivity",
    "statistics",
    "observations",
    "profile",
]
"""Kinds of figures; each is a file or several in ``figures/`` whose names begin with this word."""


@dataclass(frozen=True)
class Classical(Settings):
    """How long the finite-difference solvers may run for the line of comparison.

    Parameters
    ----------
    seconds : budget of all classical runs together, seconds; 0 leaves the comparison out.
    """

    seconds: float = setting(30.0, at_least=0)


@dataclass(frozen=True)
class Report(Settings):
    """What is made of a run's folder.

    Parameters
    ----------
    figures : kinds of figures to draw; one with nothing to show (no reference, no time) is left out.
    animation : write ``figures/animation.gif`` for problems in time with one or two space coordinates.
    html : write ``report.html``, one page with everything in it.
    classical : budget of the comparison with finite differences; ``None`` leaves it out.
    """

    figures: tuple[FigureName, ...] = (
        "solution", "cuts", "quantities", "residual", "history", "points", "cover", "jumps", "windows",
        "frontier", "estimate", "processes", "observations", "profile", "members", "dependence", "sensitivity", "statistics",
    )  # fmt: skip
    animation: bool = True
    html: bool = True
    classical: Classical | None = Classical()
