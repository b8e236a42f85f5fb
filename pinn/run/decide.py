"""Settings that leave the choice of the solver open, and how it is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pinn.field.decomposition.settings import Adaptive, Cuts, Regions, Whole
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
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


def with_cells(configuration: Configuration, problem: Problem) -> Configuration:
    """Return settings in which the cells of networks are said: those of interfaces, or those that suit the solution.

    Raises
    ------
    BadInput : no solution to suit.
    """
    decomposition = configuration.decomposition
    if isinstance(decomposition, Adaptive):
        if problem.parameters:
            raise BadInput("adaptive needs a problem without parameters; take windows or cuts", "decomposition")
        from pinn.solver.cells.covering import adapted

        start = time.perf_counter()
        boxes = adapted(problem, decomposition.cells)
        found = f"decomposition=adaptive: {len(boxes)} cells found by least squares in {time.perf_counter() - start:.1f} s"
        chosen = "; ".join(filter(None, (configuration.chosen, found)))
        return replace(configuration, decomposition=decomposition.joined(boxes, problem.names), chosen=chosen)
    if not isinstance(decomposition, Regions):
        return configuration
    if problem.interfaces:
        with contextlib.suppress(BadInput):
            return replace(configuration, decomposition=Cuts(cells=1))
    return replace(configuration, decomposition=Whole())


def instead(configuration: Configuration, failure: str) -> Configuration | None:
    """Return the settings of a second try after a failure; None where a person chose the solver, or this was the second try."""
    if not configuration.chosen or in_cells(configuration) is None:
        return None
    option = compose(ANY_PROBLEM, [f"solver={FALLBACK}"])
    chosen = f"solver={FALLBACK}: {failure}"
    return replace(configuration, solver=build(option["solver"]), network=build(option["network"]), chosen=chosen)


def contradiction(problem: Problem, configuration: Configuration) -> str:
    """Return what the judge says of data that contradict each other, which no other solver meets either; '' where it sees none."""
    from pinn.judge.choose import reference

    if problem.is_inverse or problem.parameters:
        return ""
    found = reference(problem, configuration.reference)
    return found.why if found.state == "contradictory" else ""
