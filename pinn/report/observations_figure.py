"""What was measured against what was found, and how sharply the measurements tell each unknown number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import MARK, REFERENCE, SOLUTION, TERM_COLOURS, escaped, label, new_figure, plain_axes
from pinn.report.wording import is_number, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DRAWN = 3000
"""Points of one set of observations."""


def observation_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure of all observations: found values against measured ones, and misfits along a coordinate."""
    sets = {name: item for name, item in data.metric("observations", {}).items() if f"measured.{name}" in data.diagnostics}
    if not sets:
        return
    figure = new_figure(9.2, 1.0 + 2.9 * len(sets), f"{escaped(data.title)} — observations")
    panels = figure.subplots(len(sets), 2, squeeze=False, width_ratios=(1, 1.6))
    for (name, item), colour, (left, right) in zip(sets.items(), _colours(len(sets)), panels, strict=True):
        measured, found = data.diagnostics[f"measured.{name}"], data.diagnostics[f"found.{name}"]
        drawn = np.unique(np.linspace(0, len(measured) - 1, min(MOST_DRAWN, len(measured))).round().astype(int))
        _against(left, name, measured[drawn], found[drawn], colour)
        _along(right, data, name, item, drawn, colour)
    yield "observations", figure


def _colours(count: int) -> list[str]:
    return [TERM_COLOURS[k % len(TERM_COLOURS)] for k in range(count)]


def _against(axes: Axes, name: str, measured: np.ndarray, found: np.ndarray, colour: str) -> None:
    plain_axes(axes)
    ends = [min(measured.min(), found.min()), max(measured.max(), found.max())]
    axes.plot(ends, ends, color=REFERENCE, linewidth=0.7)
    axes.plot(measured, found, "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set(title=escaped(name.removeprefix("data.")), xlabel="measured", ylabel="found")


def _along(axes: Axes, data: RunData, name: str, item: Mapping[str, Any], drawn: np.ndarray, colour: str) -> None:
    """Draw misfits, and a band of two deviations of the noise where it is stated."""
    points, misfit = data.diagnostics[f"points.{name}"], data.diagnostics[f"found.{name}"] - data.diagnostics[f"measured.{name}"]
    names = list(data.meta.get("coordinates", []))
    axis = int(np.argmax([len(np.unique(column)) > 1 for column in points.T]))
    plain_axes(axes)
    noise = item.get("noise")
    if is_number(noise):
        axes.axhspan(-2 * noise, 2 * noise, color=colour, alpha=0.12, linewidth=0, label="± 2 standard deviations of the noise")
        axes.legend(loc="upper right")
    axes.axhline(0.0, color=REFERENCE, linewidth=0.7)
    axes.plot(points[drawn, axis], misfit[drawn], "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0)
    along = label(names[axis], data.units) if len(names) == points.shape[1] else "place"
    axes.set(xlabel=along, ylabel="found − measured", title=f"{item['num']} values, root mean square {number(item['misfit'])}")


def profile_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure with a panel for each unknown number: by how much the misfit grows when it is moved and the others follow."""
    profiles = {name: item for name, item in data.metric("profiles", {}).items() if item.get("values")}
    if not profiles:
        return
    figure = new_figure(0.8 + 3.6 * len(profiles), 3.2, f"{escaped(data.title)} — what the observations tell")
    for axes, (name, item) in zip(figure.subplots(1, len(profiles), squeeze=False)[0], profiles.items(), strict=True):
        _profile(axes, data, name, item)
    yield "profile", figure


def _profile(axes: Axes, data: RunData, name: str, item: Mapping[str, Any]) -> None:
    plain_axes(axes)
    found, values = data.metric(f"unknowns.{name}", {}), np.array(item["values"], float)
    axes.plot(values, np.array(item["increase"], float), "o-", color=SOLUTION, markersize=4, label="misfit, the others following")
    if is_number(found.get("standard_error")) and found["standard_error"] > 0:
        fine = np.linspace(values.min(), values.max(), 101)
        axes.plot(
            fine, ((fine - found["value"]) / found["standard_error"]) ** 2, "--", color=TERM_COLOURS[4], label="normal distribution"
        )
    low, high = (found.get("interval") or [None, None])[:2]
    if is_number(low) and is_number(high):
        axes.axvspan(low, high, color=SOLUTION, alpha=0.12, linewidth=0, label="95 % interval")
    if is_number(found.get("exact")):
        axes.axvline(found["exact"], color=MARK, linewidth=1.0, label="exact")
    axes.set(xlabel=label(name, data.units), ylabel="increase of χ²", ylim=(0.0, None))
    axes.legend()
