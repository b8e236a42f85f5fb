"""The solution, its reference and its error beside each other; one figure for every unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pinn.report.folder import Grid, RunData
from pinn.report.lines import Bundle, Line, stack
from pinn.report.panels import Column, mosaic
from pinn.report.style import SOLUTION, error_label, error_scale, escaped, field_scale, label
from pinn.report.views import views
from pinn.report.wording import error_words, known_error, reference_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def solution_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a name and a figure for every unknown.

    Lines with their error below in one coordinate; images otherwise. Solution and reference share one colour scale, the error
    has a logarithmic one. Without a reference the estimated error stands in its place, without either the solution stands alone.
    """
    if data.grid is None:
        return
    for name in data.unknowns:
        figure = _lines(data, data.grid, name) if len(data.grid.names) == 1 else _images(data, data.grid, name)
        yield (f"solution_{name}" if len(data.unknowns) > 1 else "solution"), figure


def heading(data: RunData, name: str) -> str:
    """Return the line above a figure: the problem, the unknown and its relative error with how it is known."""
    return f"{escaped(data.title)} — {escaped(error_words(data, known_error(data, name)))}"


def _lines(data: RunData, grid: Grid, name: str) -> Figure:
    line = Line("network", SOLUTION, *data.fields(name))
    bundle = Bundle(grid.names[0], grid.axes[grid.names[0]], [line])
    return stack([bundle], name, data.units, heading(data, name), dots=False, reference=reference_words(data))


def _images(data: RunData, grid: Grid, name: str) -> Figure:
    values, reference, error, estimate = data.fields(name)
    shown = label(name)
    scale, colours = field_scale(values, reference)
    bar = error_label(name, data.units, estimated=error is None)
    columns = [Column(f"{shown}, network", values, scale, colours, label(name, data.units))]
    if reference is not None:
        columns.append(Column(f"{shown}, {escaped(reference_words(data))}", reference, scale, colours, label(name, data.units)))
    if error is not None:
        columns.append(Column("|error|", error, *error_scale(error), bar, size=True))
    elif estimate is not None:
        columns.append(Column("estimated |error|", estimate, *error_scale(estimate), bar, size=True))
    return mosaic(columns, views(grid, values), grid, data.units, heading(data, name))
