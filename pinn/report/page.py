"""The report: one HTML page with everything in it, readable without a network, a script or this program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pinn.report.family_tables import members, spreads
from pinn.report.folder import RunData
from pinn.report.markup import Html, element, picture, table
from pinn.report.statement import statement
from pinn.report.wording import (
    at_most,
    bar_of,
    classical_sentences,
    count,
    duration,
    error_words,
    estimates_of,
    is_number,
    is_trained,
    network_error,
    network_seconds,
    number,
    reference_words,
    unknown_numbers,
)

CAPTIONS = {
    "solution": "Solution, what it is compared with, and the error. Solution and reference share one colour scale.",
    "cuts": "Cuts through the solution, and the error along them.",
    "quantities": "Quantities that were asked for, as functions of what they depend on.",
    "observations": "What was measured against what was found there, and the misfits.",
    "profile": "How much worse observations are matched when a number is moved and the others follow; 3.84 bounds the interval.",
    "estimate": "The error known from the reference and the error estimated without it, on one colour scale.",
    "residual": "How far the equations are from being satisfied; the size of a residual is not the size of the error.",
    "history": "Mean square of the residual by term after each step or round, and the errors that were checked.",
    "points": "Collocation points of the last step.",
    "cover": "Cells, in each of which the solution is a sum of features of its own; they were found while solving.",
    "jumps": "What the solution jumps by across the faces between cells, in units of its size.",
    "windows": "Windows along each coordinate through the middle cell; networks count by them, and they sum to 1.",
    "frontier": "Error against time of finite differences on this machine, and of this run; further down and left is better.",
    "processes": "Time of the evaluations in each process, and what it owns; a cell counts wherever its network is evaluated.",
    "members": "The error at every value of the parameters that was judged, and how well the reference itself is known.",
    "dependence": "How quantities and the solution depend on each parameter: a thin line for each value of the other parameters or "
    "place in the domain (individual conditional expectation), the thick one is their mean (partial dependence).",
    "sensitivity": "Derivatives of the solution by each parameter, in the middle of all parameters.",
    "statistics": "Mean and spread of the solution over the distributions of the parameters.",
    "animation": "The solution in time.",
}
"""What is written below a figure, by its kind; figures stand in this order."""

LARGE = 0.05
"""An error above this is not shown in green when no accuracy was asked for."""

_LOOK = {"verified": "good", "not verified": "open", "failed": "bad"}


def write_page(folder: str | Path, pictures: Sequence[Path] | None = None, warnings: Sequence[str] = ()) -> Path:
    """Write ``report.html`` into a run's folder and return its path.

    Parameters
    ----------
    pictures : figures to show; None takes all that are in ``figures/``.
    warnings : lines to show besides those of the run (a figure that could not be drawn).
    """
    data = RunData(Path(folder))
    found = _pictures(data) if pictures is None else pictures
    parts = [
        _header(data), _verdict(data), _errors(data), members(data), _numbers(data), _quantities(data), spreads(data),
        _classical(data), _section("Problem", statement(data)), _figures(found), _terms(data), _work(data),
        _warnings([*data.metric("warnings", []), *dict.fromkeys(data.metric("remarks", [])), *warnings]),
        _record("Configuration", _yaml(data)), _record("Environment", _lines(data.environment)),
    ]  # fmt: skip
    style = files("pinn.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head", element("meta", charset="utf-8"), element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{data.title} — report"), element("style", Html(style)),
    )  # fmt: skip
    path = data.folder / "report.html"
    body = element("body", element("main", *parts))
    path.write_text(f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n", encoding="utf-8")
    return path


def _pictures(data: RunData) -> list[Path]:
    """Return the figures of the folder, those of one kind in the order of the unknowns."""
    order = {name: place for place, name in enumerate(data.unknowns)}
    paths = sorted((data.folder / "figures").glob("*.*"))
    shown = [path for path in paths if path.suffix in (".png", ".gif")]
    return sorted(shown, key=lambda path: order.get(path.stem.partition("_")[2], len(order)))


def _header(data: RunData) -> Html:
    citation = data.problem.get("citation")
    facts = [data.metric("problem"), data.metric("solver"), f"seed {data.config['seed']}" if "seed" in data.config else None]
    chosen = str(data.config.get("chosen") or "")
    if chosen.startswith("solver="):
        chosen = f"{data.metric('solver')} was chosen: {chosen.partition(': ')[2]}"
    return element(
        "header", element("h1", data.title), element("p", citation, class_="citation") if citation else None,
        element("p", " · ".join(dict.fromkeys(str(fact) for fact in [*facts, data.folder.name] if fact)), class_="facts"),
        element("p", chosen, class_="facts") if chosen and data.metrics else None,
    )  # fmt: skip


def _verdict(data: RunData) -> Html:
    state = data.status.get("state", "unknown")
    judged = data.metric("verdict") is not None and state == "running"  # the page is written before the run says that it ended
    verdict = data.metric("verdict", f"no verdict: the run is {state}")
    reasons = [str(reason) for reason in data.metric("verdict_reasons", [])]
    untold = verdict == "verified" and not is_number(data.config.get("accuracy"))
    if untold:
        reasons.append("No accuracy was asked for: the error is known, whether it is small enough is for you to say.")
    if state not in ("finished", "unknown") and not judged:
        reasons.append(f"The run is {state} (stage {data.status.get('stage', '–')}, step {count(data.status.get('step'))}).")
        reasons += [str(data.status["message"])] if data.status.get("message") else []
    large = untold and (network_error(data).value or 0.0) > LARGE
    look = "bad" if state == "diverged" else "open" if large else _LOOK.get(str(verdict), "open")
    listed = element("ul", *(element("li", reason) for reason in reasons)) if reasons else None
    key = element("p", _key_number(data), class_="key")
    return element("section", element("h2", verdict), key, listed, class_=f"verdict {look}")


def _key_number(data: RunData) -> str:
    """Return the one number to take home, with how it is known and what was wanted."""
    error, wanted = network_error(data), data.config.get("accuracy")
    several = "; the largest of all unknowns" if error.value is not None and len(data.unknowns) > 1 else ""
    return f"{error_words(data, error)}{several}" + (f"; wanted at most {number(wanted)}" if is_number(wanted) else "")


def _errors(data: RunData) -> Html | None:
    numbers = unknown_numbers(data)
    names = [
        name for name in dict.fromkeys([*data.metric("unknowns", {}), *data.unknowns, *estimates_of(data)]) if name not in numbers
    ]
    if not names:
        return None
    rows = []
    for name in names:
        bar = bar_of(data, name)
        rows.append((
            name, at_most(data, name), number(data.metric(f"unknowns.{name}.max_error")),
            "exact" if bar == 0 else number(bar), number(estimates_of(data).get(name)),
        ))  # fmt: skip
    head = ("unknown", "relative L² error", "largest error", "error of the reference", "error estimated without a reference")
    return _section("Error", table(head, rows, numbers=(1, 2, 3, 4)), element("p", *_reference(data)))


def _reference(data: RunData) -> Iterator[str]:
    kind, why = data.metric("reference.kind", "none"), data.metric("reference.why", "")
    if kind == "none":
        yield f"There is no reference{f': {why}' if why else ''}. "
    else:
        yield f"Compared with: {reference_words(data)}. "
    if kind == "file":
        yield f"{why}. "
        second = data.metric("second_unknowns", {})
        apart = ", ".join(f"{name} {number(each.get('relative_l2'))}" for name, each in second.items())
        yield f"Finite differences or an exact solution beside it are this far away: {apart}. " if apart else ""
    if kind == "finite_difference":
        order, grids = data.metric("reference.observed_order"), data.metric("reference.grids", [])
        yield f"Observed order {number(order, 3)} on grids {', '.join(map(str, grids))}. " if is_number(order) else ""
        yield "Its error comes from the differences of its grids: strong evidence, not a guarantee. "
    if data.metric("estimate.accepted") is False:
        yield f"The estimate was withheld: {data.metric('estimate.why', 'its tests did not pass')}. "


def _numbers(data: RunData) -> Html | None:
    """Return the table of the numbers that were found."""
    rows = []
    for name in unknown_numbers(data):
        found = data.metric(f"unknowns.{name}")
        low, high = found.get("interval") or (None, None)
        interval = "not known" if low is None or high is None else f"{_signed(low, 6)} to {_signed(high, 6)}"
        error = number(found["relative_l2"]) if is_number(found.get("relative_l2")) else ""
        rows.append((name, _signed(found["value"], 6), _signed(found.get("standard_error"), 2), interval, _known(found), error))
    head = ("number", "found", "standard error", "95 % interval", "exact", "relative error")
    return _section("Unknown numbers", table(head, rows, numbers=(1, 2, 3, 4, 5))) if rows else None


def _known(found: Mapping[str, Any]) -> str:
    return _signed(found["exact"], 6) if is_number(found.get("exact")) else ""


def _quantities(data: RunData) -> Html | None:
    found = {name: item for name, item in data.metric("quantities", {}).items() if isinstance(item, Mapping)}
    if not found:
        return None
    rows = [(name, _value(item), _error_of(item), number(item.get("relative_error"))) for name, item in found.items()]
    return _section("Quantities", table(("quantity", "value", "largest error", "relative error"), rows, numbers=(3,)))


def _value(item: Mapping[str, Any]) -> str:
    if not item.get("coordinates"):
        at = ", ".join(f"{name} = {_signed(value, 3)}" for name, value in (item.get("at") or {}).items())
        return _signed(item.get("value"), 6) + (f" at {at}" if at else "")
    return f"{_signed(item.get('lowest'), 4)} to {_signed(item.get('highest'), 4)}, a function of {', '.join(item['coordinates'])}"


def _signed(value: Any, digits: int) -> str:
    return number(value, digits).replace("-", "−")


def _error_of(item: Mapping[str, Any]) -> str:
    if is_number(item.get("error")):
        return number(item["error"])
    return f"not known: {item['why']}" if item.get("why") else "not known"


def _classical(data: RunData) -> Html | None:
    said = classical_sentences(data)
    return _section("Against a classical solver", element("p", " ".join(said))) if said else None


def _figures(paths: Sequence[Path]) -> Html | None:
    kinds = list(CAPTIONS)
    known = [(kind, path) for path in paths for kind in kinds if path.stem == kind or path.stem.startswith(f"{kind}_")]
    known.sort(key=lambda item: kinds.index(item[0]))
    shown = []
    for place, (kind, path) in enumerate(known):
        last = place + 1 == len(known) or known[place + 1][0] != kind
        caption = element("figcaption", CAPTIONS[kind]) if last else None
        shown.append(element("figure", picture(path, path.stem.replace("_", " ")), caption))
    return _section("Figures", *shown) if shown else None


def _terms(data: RunData) -> Html | None:
    squares = data.metric("terms", {})
    if not squares:
        return None
    formulas = {
        **data.metric("equations", {}),
        **data.metric("conditions", {}),
        **data.metric("interfaces", {}),
        **data.metric("data", {}),
    }
    weights = data.metric("weights", {})
    points = {name: len(array) for name, array in data.points()}
    rows = []
    for name in squares if is_trained(data) else dict.fromkeys([*weights, *squares]):
        text, square = formulas.get(name, formulas.get(name.partition(".")[0], "")), squares.get(name)
        size = number(square**0.5) if is_number(square) and square >= 0 else "–"
        placed = [count(points.get(name))] if is_trained(data) else []
        rows.append((name, element("code", text), *placed, _weight(weights.get(name)), size))
    last = " in the last slab of time" if data.metric("cells.slabs", 1) > 1 else ""
    head = ("term", "formula", *(["points"] if is_trained(data) else []), "weight", f"root mean square of residual{last}")
    return _section("Terms of the loss", table(head, rows, numbers=range(2, len(head))))


def _weight(value: Any) -> str:
    return f"{value:g}" if is_number(value) else "–"


def _work(data: RunData) -> Html | None:
    spent = data.metric("seconds", {})
    rows = [
        ("unknown parameters", count(data.metric("num_parameters"))), ("residuals", count(data.metric("num_rows"))),
        *_cells(data), ("set-up and solve", duration(network_seconds(data))), ("judging", duration(spent.get("judge"))),
        *([("C compiler, of both", duration(spent.get("compile")))] if is_trained(data) else []),
        ("largest memory", f"{count(data.metric('peak_memory_mb'))} MB"),
    ]  # fmt: skip
    return _section("Work", table(("", ""), rows, numbers=(1,))) if data.metrics else None


def _cells(data: RunData) -> Iterator[tuple[str, str]]:
    """Yield how many cells there are, and why there are no more."""
    found = data.metric("cells", {})
    if found:
        slabs, at_once = found.get("slabs"), found.get("at_once")
        parted = f" in {count(slabs)} slabs of time, at most {count(at_once)} in one" if is_number(slabs) and slabs > 1 else ""
        yield "cells", f"{count(found.get('in_all'))}{parted}"
    if found and not is_trained(data):
        yield "rounds", count(data.metric("steps"))
    if data.metric("reason"):
        yield "ended because", str(data.metric("reason"))


def _warnings(lines: Sequence[object]) -> Html | None:
    return _section("Warnings", element("ul", *(element("li", line) for line in lines)), class_="warnings") if lines else None


def _record(title: str, text: str) -> Html | None:
    return element("details", element("summary", title), element("pre", text)) if text.strip() else None


def _section(title: str, *content: object, class_: str | None = None) -> Html:
    return element("section", element("h2", title), *content, class_=class_)


def _yaml(data: RunData) -> str:
    try:
        return (data.folder / "config.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _lines(values: Mapping[str, Any]) -> str:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{inner}": item for inner, item in value.items()} if isinstance(value, Mapping) else {key: value}
    width = max((len(key) for key in flat), default=0)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in flat.items() if value is not None)
