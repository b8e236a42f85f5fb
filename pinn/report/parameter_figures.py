"""Figures of a family of problems: error by value, dependence on parameters, sensitivity, statistics of the solution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import Grid, RunData
from pinn.report.panels import Column, mosaic
from pinn.report.style import (
    ESTIMATE,
    REFERENCE,
    SOLUTION,
    escaped,
    field_scale,
    label,
    new_figure,
    plain_axes,
    sequence,
)
from pinn.report.views import views
from pinn.report.wording import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS, MOST_ROWS = 4, 4
"""Parameters and things that depend on them in one figure."""


def members_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: the error of every member that was judged against a single parameter, or by its number."""
    rows = data.metric("parameters.values", [])
    if not rows:
        return
    names = list(rows[0]["values"])
    one = len(names) == 1
    along = [row["values"][names[0]] for row in rows] if one else list(range(1, len(rows) + 1))
    figure = new_figure(6.4, 3.4, f"{escaped(data.title)} — error at single values of the parameters")
    axes = figure.subplots()
    plain_axes(axes, log=True)
    kinds = {"relative_l2": ("o-", SOLUTION, "error"), "reference_error": ("s:", REFERENCE, "error of the reference")}
    kinds["estimate"] = ("^:", ESTIMATE, "estimated without a reference")
    for key, (marks, colour, words) in kinds.items():
        values = np.array([row[key] if is_number(row.get(key)) and row[key] > 0 else np.nan for row in rows], float)
        if np.isfinite(values).any() and not (key == "reference_error" and data.metric("reference.kind") == "exact"):
            axes.plot(along, values, marks if one else marks[0], color=colour, label=words, linewidth=1.0, markersize=4)
    axes.set(xlabel=label(names[0], data.units) if one else "member", ylabel="relative L² error")
    if one and is_logarithmic(data, names[0]):
        axes.set_xscale("log")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    yield "members", figure


def is_logarithmic(data: RunData, parameter: str) -> bool:
    """Whether the problem gives a parameter a logarithmic scale."""
    settings = (data.problem.get("parameters") or {}).get(parameter)
    return isinstance(settings, Mapping) and settings.get("scale") == "log"


def dependence_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: a panel for every parameter and everything that depends on it."""
    found = {name.removeprefix("dependence."): array for name, array in data.family.items() if name.startswith("dependence.")}
    names = [name for name in found if "." not in name][:MOST_COLUMNS]
    every = dict.fromkeys(name.partition(".")[0] for name in found if "." in name)
    things = sorted(every, key=lambda name: name not in data.unknowns)[:MOST_ROWS]
    if not names or not things:
        return
    width = 1.2 + 2.6 * max(len(names), 2)
    figure = new_figure(width, 0.6 + 2.2 * len(things), f"{escaped(data.title)} — dependence on parameters")
    panels = figure.subplots(len(things), len(names), squeeze=False, sharex="col", sharey="row")
    for row, thing in zip(panels, things, strict=True):
        for axes, name in zip(row, names, strict=True):
            plain_axes(axes)
            if f"{thing}.{name}" not in found:
                continue
            for curve in found[f"{thing}.{name}"]:
                axes.plot(found[name], curve, color="#9A9A9A", linewidth=0.6)
            axes.plot(found[name], found[f"{thing}.{name}.mean"], color=SOLUTION, linewidth=2.2)
            axes.set_xlim(found[name][0], found[name][-1])
            if is_logarithmic(data, name):
                axes.set_xscale("log")
        row[0].set_ylabel(label(thing, data.units))
    for axes, name in zip(panels[-1], names, strict=True):
        axes.set_xlabel(label(name, data.units))
    yield "dependence", figure


def sensitivity_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure for every unknown: its derivatives by the parameters, as lines or images."""
    grid, marked = data.family_grid(), "sensitivity."
    found = {name.removeprefix(marked): array for name, array in data.family.items() if name.startswith(marked)}
    for unknown in data.unknowns:
        own = {name: array for name, array in found.items() if name.startswith(f"{unknown}_")}
        if grid is not None and own:
            figure = _fields(data, grid, dict(list(own.items())[:MOST_COLUMNS]), "sensitivity to parameters")
            yield (f"sensitivity_{unknown}" if len(data.unknowns) > 1 else "sensitivity"), figure


def statistics_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure for every unknown: its mean with standard deviation and quantiles."""
    grid = data.family_grid()
    for unknown in data.unknowns:
        marked = f"statistics.{unknown}."
        own = {name.removeprefix(marked): array for name, array in data.family.items() if name.startswith(marked)}
        if grid is None or not own:
            continue
        title = f"{escaped(data.title)} — distribution of {label(unknown)}"
        figure = _band(data, grid, unknown, own, title) if len(grid.names) == 1 else _moments(data, grid, unknown, own)
        yield (f"statistics_{unknown}" if len(data.unknowns) > 1 else "statistics"), figure


def _band(data: RunData, grid: Grid, unknown: str, own: Mapping[str, np.ndarray], title: str) -> Figure:
    figure = new_figure(6.4, 3.6, title)
    axes: Axes = figure.subplots()
    plain_axes(axes)
    name = grid.names[0]
    along, parts = grid.axes[name], [key for key in own if key not in ("mean", "std")]
    words = f"{_percent(parts[0])} to {_percent(parts[-1])}"
    axes.fill_between(along, own[parts[0]], own[parts[-1]], color=SOLUTION, alpha=0.15, linewidth=0, label=words)
    low, high = own["mean"] - own["std"], own["mean"] + own["std"]
    axes.fill_between(along, low, high, color=SOLUTION, alpha=0.3, linewidth=0, label="± standard deviation")
    axes.plot(along, own["mean"], color=SOLUTION, label="mean")
    axes.set(xlabel=label(name, data.units), ylabel=label(unknown, data.units), xlim=(along[0], along[-1]))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _percent(part: str) -> str:
    return f"{float(part):.0%}"


def _moments(data: RunData, grid: Grid, unknown: str, own: Mapping[str, np.ndarray]) -> Figure:
    shown = {f"mean of {unknown}": own["mean"], f"standard deviation of {unknown}": own["std"]}
    return _fields(data, grid, shown, "statistics")


def _fields(data: RunData, grid: Grid, shown: Mapping[str, np.ndarray], words: str) -> Figure:
    """Draw fields as lines into one panel, or as images with a scale of their own each."""
    title = f"{escaped(data.title)} — {words}"
    if len(grid.names) == 1:
        figure = new_figure(6.4, 3.4, title)
        axes = figure.subplots()
        plain_axes(axes)
        name = grid.names[0]
        colours: list[Any] = sequence(len(shown))
        for (text, values), colour in zip(shown.items(), colours, strict=True):
            axes.plot(grid.axes[name], values, color=colour, label=label(text))
        axes.set(xlabel=label(name, data.units), xlim=(grid.axes[name][0], grid.axes[name][-1]))
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return figure
    columns = [Column(label(text), values, *field_scale(values), "") for text, values in shown.items()]
    return mosaic(columns, views(grid, next(iter(shown.values()))), grid, data.units, title)
