"""The solution, its reference and its error beside each other; one figure for every unknown, and for every quantity that varies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pinn.report.folder import Fields, Grid, RunData
from pinn.report.lines import Bundle, Line, stack
from pinn.report.panels import Column, mosaic
from pinn.report.style import SOLUTION, error_label, error_scale, escaped, field_scale, label
from pinn.report.views import views
from pinn.report.wording import error_words, known_error, method, plane_words, reference_words

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
        figure = _figure(data, data.grid, name, data.fields(name), heading(data, name))
        yield (f"solution_{name}" if len(data.unknowns) > 1 else "solution"), figure


def quantity_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a name and a figure for every quantity that is a function, drawn as solutions are."""
    formulas = data.problem.get("quantities") or {}
    for name, (grid, fields) in data.functions().items():
        formula = f"{name} = {formulas[name]}" if name in formulas else name
        other = data.metric(f"quantities.{name}.compared_with", reference_words(data))
        yield f"quantities_{name}", _figure(data, grid, name, fields, escaped(f"{data.title} — {formula}"), other)


def heading(data: RunData, name: str) -> str:
    """Return the line above a figure: the problem, the unknown and its relative error with how it is known."""
    return f"{escaped(data.title)} — {escaped(error_words(data, known_error(data, name)))}{plane_words(data)}"


def _figure(data: RunData, grid: Grid, name: str, fields: Fields, title: str, reference: str | None = None) -> Figure:
    """Draw lines or images; ``reference`` says what the reference is, where it is not that of the run."""
    reference = reference_words(data) if reference is None else reference
    if len(grid.names) > 1:
        return _images(data, grid, name, fields, title, reference)
    bundle = Bundle(grid.names[0], grid.axes[grid.names[0]], [Line(method(data), SOLUTION, *fields)])
    return stack([bundle], name, data.units, title, dots=False, reference=reference)


def _images(data: RunData, grid: Grid, name: str, fields: Fields, title: str, compared_with: str) -> Figure:
    values, reference, error, estimate, spread = fields
    shown = label(name)
    scale, colours = field_scale(values, reference)
    bar = error_label(name, data.units, estimated=error is None)
    columns = [Column(f"{shown}, {method(data)}", values, scale, colours, label(name, data.units))]
    if reference is not None:
        columns.append(Column(f"{shown}, {escaped(compared_with)}", reference, scale, colours, label(name, data.units)))
    if error is not None:
        columns.append(Column("|error|", error, *error_scale(error), bar, size=True))
    elif estimate is not None:
        columns.append(Column("estimated |error|", estimate, *error_scale(estimate), bar, size=True))
    if spread is not None:
        columns.append(Column("standard error", spread, *error_scale(spread), label(name, data.units), size=True))
    return mosaic(columns, views(grid, values), grid, data.units, title)
