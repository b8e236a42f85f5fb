"""Settings that leave the choice of the solver open, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pinn.problem.problem import Problem
from pinn.run.build import TARGET, build
from pinn.run.compose import Source, compose
from pinn.run.configuration import Configuration, in_cells
from pinn.solver.choose import Auto, choose

ANY_PROBLEM = Source(name="heat_1d")
"""What defaults are composed with; they are the same for every problem."""

WISHES = ("decomposition", "network", "points", "precision", "device", "derivatives", "hard", "launch")
"""Settings for whose sake a network is trained; most of them only training follows."""

FALLBACK = "adam_broyden"
"""The solver that takes over where the one that was chosen fails."""


def is_open(settings: Mapping[str, Any]) -> bool:
    """Whether the solver is still to be chosen."""
    solver = settings.get("solver")
    return isinstance(solver, Mapping) and solver.get(TARGET) == f"pinn.{Auto.__name__}"


def decided(settings: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
    """Return settings with the solver that suits the problem, and the network that it brings along.

    Raises
    ------
    BadInput : settings of a solver, though none is chosen.
    """
    build(settings["solver"], "solver")
    usual = compose(ANY_PROBLEM)
    wishes = any(settings[name] != usual[name] for name in WISHES)
    choice = choose(problem, wishes)
    option = compose(ANY_PROBLEM, [f"solver={choice.solver}"])
    network = settings["network"] if wishes else option["network"]
    return {**settings, "solver": option["solver"], "network": network, "chosen": f"solver={choice.solver}: {choice.why}"}


def instead(configuration: Configuration, failure: str) -> Configuration | None:
    """Return the settings of a second try after a failure; None where a person chose the solver, or this was the second try."""
    if not configuration.chosen or in_cells(configuration) is None:
        return None
    option = compose(ANY_PROBLEM, [f"solver={FALLBACK}"])
    chosen = f"solver={FALLBACK}: {failure}"
    return replace(configuration, solver=build(option["solver"]), network=build(option["network"]), chosen=chosen)
