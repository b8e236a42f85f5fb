"""From the words of a command line to checked settings and a checked problem, before anything is computed or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pinn.field.decomposition.settings import NETWORK, Cuts, Whole, supports
from pinn.problem.directions import estimated, nonlinear_in
from pinn.problem.families import middle
from pinn.problem.formulas.source import caret
from pinn.problem.formulas.tree import Position
from pinn.problem.language import Where, read_problem
from pinn.problem.problem import Problem
from pinn.problem.quantities import check_quantity
from pinn.problem.settings import BadInput, nearest
from pinn.problem.text import Document
from pinn.run.compose import compose
from pinn.run.configuration import Configuration, in_cells, read_configuration
from pinn.run.decide import ANY_PROBLEM, decided, is_open, with_cells
from pinn.run.options import groups
from pinn.run.overrides import unknown_option
from pinn.run.sources import Given, read_source
from pinn.solver.staged import Staged
from pinn.solver.sweep import Turn


class Prepared(NamedTuple):
    """What a run is made from."""

    configuration: Configuration
    problem: Problem


def prepare(name: str | None, words: Sequence[str] = ()) -> Prepared:
    """Return the settings and the problem that ``name`` and the words ``name=value`` stand for.

    Raises
    ------
    BadInput : anything is wrong with them.
    """
    given = read_source(name)
    return prepare_settings(compose(given.source, words), given)


def prepare_settings(settings: Mapping[str, Any], given: Given | None = None) -> Prepared:
    """Return the same from settings that are composed already."""
    where = None if given is None or given.document is None else _where(given.document, settings["problem"])
    problem = None
    if is_open(settings):
        problem = read_problem(settings["problem"], settings["name"], where)
        settings = decided(settings, problem)
    configuration = read_configuration(with_networks(settings))
    problem = problem or read_problem(configuration.problem, configuration.name, where)
    configuration = with_cells(configuration, problem)
    check_names(configuration, problem)
    check_cells(configuration, problem)
    check_decomposition(configuration, problem)
    turns(configuration, problem)
    check_directions(configuration, problem)
    check_quantities(problem, where)
    return Prepared(configuration, problem)


def with_networks(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which boxes whose network is the name of an option have its settings.

    Raises
    ------
    BadInput : an option that does not exist.
    """
    decomposition = settings.get("decomposition")
    boxes = decomposition.get("boxes") if isinstance(decomposition, Mapping) else None
    if not isinstance(decomposition, Mapping) or not isinstance(boxes, (list, tuple)):
        return dict(settings)
    found = []
    for number, box in enumerate(boxes):
        name = box.get(NETWORK) if isinstance(box, Mapping) else None
        if isinstance(name, str):
            options = groups()[NETWORK]
            if name not in options:
                raise BadInput(f"decomposition.boxes[{number}]: {unknown_option(NETWORK, name, options)}")
            box = {**box, NETWORK: compose(ANY_PROBLEM, [f"network={name}"])[NETWORK]}
        found.append(box)
    return {**settings, "decomposition": {**decomposition, "boxes": found}}


def _where(document: Document, problem: Mapping[str, Any]) -> Where:
    """Tell places in the file, but only for values that the command line has not replaced."""
    above: tuple = () if "equations" in document.mapping else ("problem",)

    def where(path: tuple, offset: int | None) -> Position | None:
        place = (*above, *path)
        same = _at(problem, path) == _at(document.mapping, place)
        return document.position(place, offset) if same else None

    return where


def _at(node: Any, path: tuple) -> Any:
    for key in path:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def check_quantities(problem: Problem, where: Where | None = None) -> None:
    """Raise `BadInput` about the first quantity that cannot be evaluated, with its place in the file when that is known."""
    for name in problem.quantities:
        try:
            check_quantity(problem, name)
        except BadInput as error:
            path = ("quantities", name)
            position = where(path, 0) if where else None
            place = f"{Path(position.file).name} line {position.line}: " if position else ""
            raise BadInput(f"{place}quantities.{name}: {error.message}", detail=caret(position) if position else "") from None


def check_names(configuration: Configuration, problem: Problem) -> None:
    """Raise `BadInput` when weights or hard conditions name what the problem does not have."""
    terms, decomposition = [residual.name for residual in problem.residuals], configuration.decomposition
    faces = [] if isinstance(decomposition, Whole) else [residual.name for residual in decomposition.interfaces(problem)]
    conditions = sorted({row.condition for row in problem.conditions})
    observed = [row.condition for row in problem.data]
    known = list(dict.fromkeys([*terms, *conditions, *observed, *faces, "equations", "conditions", "interfaces", "data"]))
    _refuse_unknown("weights", "term", configuration.weights, known)
    _refuse_unknown("hard", "condition", [name for name in configuration.hard if name != "all"], conditions)


def remarks(prepared: Prepared) -> list[str]:
    """Return what a person should know before a run, one line each."""
    configuration, problem = prepared
    if in_cells(configuration) is not None:
        return list(problem.warnings)
    found = [*problem.warnings, *configuration.points.warnings()]
    if problem.interfaces and not isinstance(configuration.decomposition, Cuts):
        found.append("this field is smooth and cannot have the kinks that interfaces allow; take decomposition=regions or cuts")
    return found


def check_cells(configuration: Configuration, problem: Problem) -> None:
    """Raise `BadInput` when settings of cells do not go with the problem: its coordinates, their number, the accuracy."""
    settings = in_cells(configuration)
    if settings is not None:
        problem = middle(problem)
        _refuse_unknown("solver.cells", "coordinate", settings.solver.cells, problem.names)
        degree = settings.network.degree_for(problem)
        order = problem.highest_order
        if degree <= order:
            raise BadInput(f"must be greater than the order of the equations, {order}, got {degree}", "network.degree")
        settings.solver.tolerance_for(problem, configuration.accuracy)


def check_decomposition(configuration: Configuration, problem: Problem) -> None:
    """Raise `BadInput` when the cells of a decomposition do not go with the problem."""
    decomposition = configuration.decomposition
    if not isinstance(decomposition, Whole):
        for cover in decomposition.covers(problem):
            decomposition.partition(cover, problem)


def turns(configuration: Configuration, problem: Problem) -> list[Turn]:
    """Return in which turns networks are trained, none where all of them are trained together.

    Raises
    ------
    BadInput : a sweep of a single network, or one that the cells have no turns for.
    """
    solver, decomposition = configuration.solver, configuration.decomposition
    if not isinstance(solver, Staged) or solver.sweep is None:
        return []
    if problem.is_inverse and any(len(unknown.depends) < problem.dim for unknown in problem.unknowns):
        raise BadInput("is for unknowns that all depend on all coordinates: the others belong to no turn", "solver.sweep")
    if isinstance(decomposition, Whole):
        raise BadInput("needs a network in every cell: take a decomposition, such as cuts", "solver.sweep")
    return solver.sweep.turns(supports(decomposition, problem), problem.names)


def check_directions(configuration: Configuration, problem: Problem) -> None:
    """Raise `BadInput` when random directions are asked for where they are of no use, or biased."""
    num = configuration.points.directions
    if num is None:
        return
    operators = estimated(problem.residuals, num)
    if not operators:
        raise BadInput(f"must be null or less: nothing in the problem is a sum of more than {num} derivatives", "points.directions")
    for row in problem.residuals:
        jet = nonlinear_in(row, operators)
        if jet is not None:
            why = f"'{row.name}' is not linear in a sum of derivatives of {jet.unknown}, so that its estimate would be biased"
            raise BadInput(f"must be null: {why}", "points.directions")
    if configuration.hard:
        raise BadInput("must be null where conditions are hard: their lift has no derivatives along lines", "points.directions")


def _refuse_unknown(setting: str, kind: str, names: Any, known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise BadInput(f"unknown {kind} '{name}'{nearest(name, known)}; {kind}s: {', '.join(known)}", setting)
