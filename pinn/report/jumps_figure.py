"""How cells are joined: by what the solution jumps across the faces between them, and the windows where there are some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import TERM_COLOURS, escaped, label, new_figure, plain_axes
from pinn.report.views import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_UNKNOWNS = 4


def jumps_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure of the jumps across faces, of more than two coordinates on a plane in the middle or at the end."""
    faces, grid = data.diagnostics.get("faces"), data.grid
    if faces is None or grid is None or faces.ndim != 3 or faces.shape[1] != len(grid.names):
        return
    by_unknown = {name.removeprefix("jump."): size for name, size in data.diagnostics.items() if name.startswith("jump.")}
    shown, where = np.ones(len(faces), bool), []
    for axis in range(2, faces.shape[1]):
        low, high = faces[:, axis].min(), faces[:, axis].max()
        place = high if grid.names[axis] == grid.time else (low + high) / 2
        shown &= (faces[:, axis, 0] < place) & (faces[:, axis, 1] >= place)
        where.append(f"{label(grid.names[axis])} = {short(place)}")
    names = list(by_unknown)[:MOST_UNKNOWNS]
    if not shown.any():
        return
    some = f" at {', '.join(where)}" if where else ""
    title = f"{escaped(data.title)} — jumps between cells{some}"
    if len(grid.names) == 1:
        figure = new_figure(6.4, 3.0, title)
        _stems(figure.subplots(), data, faces, by_unknown)
    else:
        figure = new_figure(1.2 + 4.6 * len(names), 4.2, title)
        for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
            _segments(figure, axes, data, faces[shown], name, by_unknown[name][shown])
    yield "jumps", figure


def _stems(axes: Axes, data: RunData, faces: np.ndarray, by_unknown: dict[str, np.ndarray]) -> None:
    assert data.grid is not None
    plain_axes(axes, log=True)
    for (name, size), colour in zip(by_unknown.items(), TERM_COLOURS, strict=False):
        axes.plot(faces[:, 0, 0], np.where(size > 0, size, np.nan), "o", color=colour, markersize=4, label=escaped(name))
    axes.set(xlabel=label(data.grid.names[0], data.units), ylabel="jump / size")
    if len(by_unknown) > 1:
        axes.legend()


def _segments(figure: Figure, axes: Axes, data: RunData, faces: np.ndarray, name: str, size: np.ndarray) -> None:
    """Draw the faces of a plane as lines, the colour being the jump across each."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LogNorm

    assert data.grid is not None
    names = data.grid.names
    across, up = (1, 0) if data.grid.time == names[1] else (0, 1)
    lines = np.stack([faces[:, [across, up], 0], faces[:, [across, up], 1]], axis=1)
    high = max(float(size.max()), 1e-16)
    low = float(np.clip(size[size > 0].min(initial=high), 1e-6 * high, 0.1 * high))
    drawn = LineCollection(list(lines), linewidths=2.0, cmap="plasma_r", norm=LogNorm(low, high))
    drawn.set_array(np.clip(size, low, high))
    axes.add_collection(drawn)
    ends = np.stack([data.grid.axes[names[axis]][[0, -1]] for axis in (across, up)])
    axes.set(xlim=ends[0], ylim=ends[1], xlabel=label(names[across], data.units), ylabel=label(names[up], data.units))
    figure.colorbar(drawn, ax=axes, label=f"jump of {label(name)} / size of {label(name)}")


def windows_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a figure of the windows along every coordinate, through the middle cell."""
    lines = {name.removeprefix("windows."): rows for name, rows in data.diagnostics.items() if name.startswith("windows.")}
    if not lines:
        return
    figure = new_figure(1.0 + 3.6 * len(lines), 2.8, f"{escaped(data.title)} — windows")
    for axes, (name, (places, *values)) in zip(np.atleast_1d(figure.subplots(1, len(lines))), lines.items(), strict=True):
        plain_axes(axes)
        for number, window in enumerate(values):
            axes.plot(places, window, color=TERM_COLOURS[number % len(TERM_COLOURS)], linewidth=1.2)
        axes.plot(places, np.sum(values, axis=0), "--", color="#000000", linewidth=0.8, label="sum")
        axes.set(xlabel=label(name, data.units), xlim=(places[0], places[-1]), ylim=(0, 1.08))
    axes.legend(loc="lower right")
    yield "windows", figure
