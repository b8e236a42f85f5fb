"""``pinn list`` and ``pinn show``: what there is, and a problem as formulas."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinn.problem.classes import CLASSES
from pinn.problem.language import load_problem
from pinn.problem.problem import Problem, Residual
from pinn.problem.quantities import dependence
from pinn.problem.settings import BadInput
from pinn.problem.shapes.pieces import Piece
from pinn.run.options import config_folder, groups
from pinn.run.prepare import prepare
from pinn.run.words import Words

HIDDEN = ("problem", "stage")

MOST_NAMES, LINE = 4, 100
"""Names that are written out in a table, and characters of a line of options."""


def list_command(words: Words) -> int:
    """Print the shipped problems and the options of every group."""
    if words.names and Path(words.names[0]).is_dir():
        raise BadInput(f"pinn list shows what is shipped; for the runs in {words.names[0]} say pinn compare {words.names[0]}")
    if words.names or words.settings:
        raise BadInput(f"pinn list takes no further words, got '{(*words.names, *words.settings)[0]}'")
    problems = [load_problem(config_folder() / "problem" / f"{name}.yaml", tables=False) for name in groups()["problem"]]
    print("problems: pinn run NAME, pinn show NAME\n")
    print(table(by_class(problems)))
    print("\noptions: GROUP=NAME\n")
    print(table([row for group, options in groups().items() if group not in HIDDEN for row in _wrapped(group, options)]))
    return 0


def by_class(problems: Iterable[Problem]) -> list[tuple[str, ...]]:
    """Return the rows of a table of problems, in a block for every class under its heading; those without one come last."""
    blocks: dict[str, list[tuple[str, ...]]] = {name: [] for name in (*CLASSES, "")}
    for problem in problems:
        blocks[problem.class_].append(_row(problem))
    rows: list[tuple[str, ...]] = [("name", "unknowns", "coordinates", "order", "exact", "title")]
    for name, block in blocks.items():
        rows += [("",), (f"{name}: {CLASSES[name]}" if name else "others",), *block] if block else []
    return rows


def _row(problem: Problem) -> tuple[str, ...]:
    exact = "yes" if problem.exact else "no"
    return problem.name, some(problem.unknown_names), some(problem.names), str(order(problem)), exact, problem.title


def _wrapped(group: str, options: Iterable[str]) -> list[tuple[str, str]]:
    """Return the options of a group on as many lines as they need."""
    lines = textwrap.wrap(", ".join(options), LINE)
    return list(zip([group, *[""] * len(lines)], lines, strict=False))


def some(names: Sequence[str]) -> str:
    """Return names in a row, the first and the last of many."""
    return ", ".join(names if len(names) <= MOST_NAMES else [*names[:2], "…", names[-1]])


def show_command(words: Words) -> int:
    """Print a problem as formulas."""
    prepared = prepare(words.one_name("problem", "show"), words.settings)
    print(describe(prepared.problem))
    return 0


def order(problem: Problem) -> int:
    """Return the highest order of a derivative along one coordinate in the equations."""
    return max(problem.order(unknown, x) for unknown in problem.unknown_names for x in problem.names)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns of text; a row of one cell is a line of its own."""
    whole = [row for row in rows if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def _parameters(problem: Problem) -> Iterator[str]:
    """Yield every parameter with its range, components of a vector together."""
    for vector in dict.fromkeys(parameter.vector for parameter in problem.parameters):
        parts = [parameter for parameter in problem.parameters if parameter.vector == vector]
        yield str(replace(parts[0], name=some([part.name for part in parts])))


def describe(problem: Problem) -> str:
    """Return the problem as text for people: ranges, formulas and the places where they hold, by the names of the terms."""
    lines = [problem.title]
    if problem.citation:
        lines.append(problem.citation)
    ranges = [f"{x.name} in [{x.low:g}, {x.high:g}]" for x in problem.coordinates if x.parameter is None]
    lines += ["", "coordinates  " + ", ".join(ranges) + (f"; time {problem.time}" if problem.time else "")]
    if problem.parameters:
        lines += ["parameters   " + ", ".join(_parameters(problem))]
    lines += ["unknowns     " + ", ".join(problem.unknown_names)]
    constants = problem.source.get("constants") or {}
    if constants:
        lines += ["constants    " + ", ".join(f"{name} = {value}" for name, value in constants.items())]
    define = problem.source.get("define") or {}
    lines += ["", "equations", _rows(problem.equations, problem)]
    if define:
        lines += ["where", table([(name, f"= {formula}") for name, formula in define.items()])]
    fields = problem.source.get("fields") or {}
    if fields:
        lines += ["from files", table([(name, _table(settings)) for name, settings in fields.items()])]
    if problem.conditions:
        lines += ["conditions", _rows(problem.conditions, problem)]
    if problem.free:
        lines += ["free", table([(unknown, f"on {place_of([piece], problem)}") for unknown, piece in problem.free])]
    if problem.exact:
        exact = problem.source.get("exact")
        given = exact if isinstance(exact, dict) else {problem.unknown_names[0]: exact}
        lines += ["exact", table([(name, f"= {formula}") for name, formula in given.items()])]
    if problem.given is not None:
        lines += ["reference", table([(", ".join(problem.given.values), _table(problem.source["reference"]))])]
    formulas = problem.source.get("quantities") or {}
    if formulas:
        lines += ["quantities", table([(dependence(problem, name), f"= {formula}") for name, formula in formulas.items()])]
    return "\n".join([*lines, *(f"note: {warning}" for warning in problem.warnings)])


def _table(settings: Mapping[str, Any]) -> str:
    """Return a table in words: its file, and everything else that is said of it."""
    more = [f"{key} {value}" for key, value in settings.items() if key in ("interpolate", "error")]
    return ", ".join([Path(settings["file"]).name, *more])


def _rows(residuals: Iterable[Residual], problem: Problem) -> str:
    return table([(row.name, row.text, place_of(row.region, problem)) for row in residuals])


def place_of(region: Iterable[Piece], problem: Problem) -> str:
    """Return the places of a region in words: ``x = 0, x = 1``; nothing for the whole volume."""
    places = []
    for piece in region:
        fixed = " and ".join(f"{name} = {value:g}" for name, value in piece.fixed)
        cut = f" where {piece.cut}" if piece.cut is not None else ""
        if fixed or cut:
            places.append(f"{fixed}{cut}")
    return ", ".join(places)
