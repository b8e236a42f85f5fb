"""The problem of a run as formulas for the page: domain, equations, conditions, constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinn.report.folder import RunData
from pinn.report.markup import Html, element, join
from pinn.report.typeset import condition, equation, formula, name, selector


def statement(data: RunData) -> Html:
    """Return the problem as a list of names and formulas; empty when the run's configuration has no problem."""
    problem = data.problem
    rows = [row for part in (_unknowns, _equations, _conditions, _values) for row in part(problem)]
    if not rows:
        texts = {**data.metric("equations", {}), **data.metric("conditions", {})}
        rows = [(key, equation(text)) for key, text in texts.items()]
    lines = [element("tr", element("th", key), element("td", content)) for key, content in rows]
    return element("table", *lines, class_="statement")


def _unknowns(problem: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    coordinates = _named(problem.get("coordinates"))
    unknowns = _named(problem.get("unknowns"))
    if unknowns:
        of = [*coordinates, *_named(problem.get("parameters"))]
        yield "unknowns", _commas([_dependence(key, _depends(settings, of)) for key, settings in unknowns.items()])
    if coordinates:
        yield "domain", _commas([_interval(key, settings) for key, settings in coordinates.items()])
    for key in ("parameters", "domain"):
        given = problem.get(key)
        if isinstance(given, Mapping) and given:
            yield key, _commas([_interval(parameter, settings) for parameter, settings in given.items()])
        elif isinstance(given, str):
            yield "inside", selector(given)


def _equations(problem: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    for key, given in _named(problem.get("equations")).items():
        if isinstance(given, Mapping):
            yield key, join([equation(given.get("equation", "")), _where(given)])
        else:
            yield key, equation(given)


def _conditions(problem: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    for key, given in _named(problem.get("conditions")).items():
        if not isinstance(given, Mapping):
            yield key, equation(given)
            continue
        said: list[Html] = [condition(left, right) for left, right in given.items() if left not in ("at", "periodic", "free")]
        said += [join(["periodic in ", _names(given["periodic"])])] if given.get("periodic") is not None else []
        said += [join(["nothing imposed on ", _names(given["free"])])] if given.get("free") is not None else []
        yield key, join([_commas(said), _where(given)])


def _values(problem: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    for key, words in (("constants", "constants"), ("define", "with"), ("exact", "exact solution"), ("quantities", "quantities")):
        given = problem.get(key)
        if isinstance(given, Mapping) and given:
            yield words, _commas([join([name(left), " = ", formula(right)]) for left, right in given.items()])
        elif given is not None and not isinstance(given, Mapping):
            yield words, formula(given)
    for key, words in (("fields", "functions from files"), ("reference", "reference")):
        given = problem.get(key)
        tables = {"": given} if key == "reference" else _named(given)
        files = {
            each: settings["file"] for each, settings in tables.items() if isinstance(settings, Mapping) and "file" in settings
        }
        if files:
            shown = [(name(each), " from ") if each else () for each in files]
            links = [element("code", Path(str(file)).name) for file in files.values()]
            yield words, _commas([join([*said, link]) for said, link in zip(shown, links, strict=True)])
    if problem.get("manufactured") is True:
        yield "forcing", join(["added to the right sides so that the exact solution solves the equations"])


def _where(given: Mapping[str, Any]) -> Html | None:
    at = given.get("at")
    return None if at is None else element("span", " on ", selector(at), class_="where")


def _dependence(key: str, on: Sequence[str]) -> Html:
    return join([name(key), "(", _commas([name(item) for item in on]), ")"]) if on else join([name(key), " (a number)"])


def _depends(settings: Any, every: Sequence[str]) -> Sequence[str]:
    of = settings.get("of") if isinstance(settings, Mapping) else None
    return every if of is None else list(of)


def _interval(key: str, settings: Any) -> Html:
    settings = settings if isinstance(settings, Mapping) else {"range": settings}
    spread, ends = settings.get("normal"), settings.get("range", settings.get("uniform"))
    if isinstance(spread, Sequence) and len(spread) == 2:
        return join([name(key), " normal with mean ", formula(spread[0]), " and standard deviation ", formula(spread[1])])
    if isinstance(ends, Sequence) and not isinstance(ends, str) and len(ends) == 2:
        return join([name(key), " ∈ [", formula(ends[0]), ", ", formula(ends[1]), "]"])
    return join([name(key), ": ", element("code", settings.get("range", settings))])


def _named(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    return dict.fromkeys(given) if isinstance(given, (list, tuple)) else {}


def _names(given: Any) -> Html:
    return _commas([name(item) for item in ([given] if isinstance(given, str) else given)])


def _commas(items: Sequence[Html]) -> Html:
    return join([part for item in items for part in (item, ", ")][:-1])
