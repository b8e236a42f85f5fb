"""Where the equations are not satisfied: |residual| of every equation on the evaluation grid."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pinn.report.folder import Grid, RunData
from pinn.report.panels import Column, mosaic
from pinn.report.style import decades, error_limits, escaped, label, new_figure, plain_axes, residual_scale, term_style
from pinn.report.views import views
from pinn.report.wording import number, plane_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 4


def residual_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a name and a figure: lines in one coordinate, else images with a logarithmic scale for every equation."""
    maps = data.residual_maps()
    if data.grid is None or not maps:
        return
    names = list(maps)
    if len(data.grid.names) == 1:
        yield "residual", _lines(data, data.grid, maps)
        return
    for start in range(0, len(names), MOST_COLUMNS):
        columns = [_column(name, maps[name], alone=len(names) == 1) for name in names[start : start + MOST_COLUMNS]]
        figure = mosaic(columns, views(data.grid, maps[names[start]]), data.grid, data.units, _heading(data, names))
        yield (f"residual_{start // MOST_COLUMNS + 1}" if start else "residual"), figure


def _column(name: str, values: np.ndarray, alone: bool) -> Column:
    scale, colours, beyond = residual_scale(values)
    words = f"|residual| of {escaped(name)}"
    if beyond is not None:
        words += f"\n99.5 % lie in this range, largest {number(beyond)}"
    return Column("" if alone else escaped(name), values, scale, colours, words, size=True)


def _lines(data: RunData, grid: Grid, maps: dict[str, np.ndarray]) -> Figure:
    figure = new_figure(6.4, 3.4, _heading(data, maps))
    axes = figure.subplots()
    plain_axes(axes, log=True)
    name = grid.names[0]
    looks = term_style(data.terms or list(maps))
    for equation, values in maps.items():
        colour, dashes = looks.get(equation, ("#000000", "-"))
        size = np.where(values == 0, np.nan, np.abs(values))
        axes.plot(grid.axes[name], size, dashes, color=colour, linewidth=1.2, label=equation)
    low, high = error_limits(*maps.values())
    axes.set_ylim(low / 2, high * 3)
    decades(axes)
    axes.set(xlabel=label(name, data.units), ylabel="|residual|", xlim=(grid.axes[name][0], grid.axes[name][-1]))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _heading(data: RunData, names: Collection[str]) -> str:
    return f"{escaped(data.title)} — residual of the equation{'s' * (len(names) > 1)}{plane_words(data)}"
