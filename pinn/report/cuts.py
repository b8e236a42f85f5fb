"""Cuts: the solution along lines, at several times, with the reference as dots and the error below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pinn.report.folder import Fields, Grid, RunData
from pinn.report.lines import Bundle, Line, stack
from pinn.report.solution_figure import heading
from pinn.report.style import SOLUTION, sequence
from pinn.report.views import anchor, place, time_indices
from pinn.report.wording import method, reference_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_TIMES = 5
MOST_CUTS = 3


def cut_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a name and a figure for every unknown; nothing in one coordinate, where the solution is a line already."""
    grid = data.grid
    if grid is None or len(grid.names) < 2 or not grid.space:
        return
    for name in data.unknowns:
        bundles = _bundles(data, grid, name)
        figure = stack(bundles, name, data.units, heading(data, name), dots=True, reference=reference_words(data))
        yield (f"cuts_{name}" if len(data.unknowns) > 1 else "cuts"), figure


def _bundles(data: RunData, grid: Grid, name: str) -> list[Bundle]:
    """Return one bundle of lines along each space coordinate, through the middle of the others."""
    fields = data.fields(name)
    held = anchor(grid, fields.values)
    moments: list[dict[str, int]] = [{}]
    if grid.time is not None:
        moments = [{grid.time: k} for k in time_indices(grid, NUM_TIMES)]
    elif grid.parameters:
        moments = [{grid.parameters[0]: k} for k in range(len(grid.axes[grid.parameters[0]]))]
    colours = sequence(len(moments)) if len(moments) > 1 else [SOLUTION]
    bundles = []
    for along in grid.space[:MOST_CUTS]:
        across = {other: held[other] for other in grid.names if other not in (along, *moments[0], grid.time)}
        lines = []
        for moment, colour in zip(moments, colours, strict=True):
            lines.append(Line(place(grid, moment) or method(data), colour, *_along(fields, grid, {**across, **moment})))
        bundles.append(Bundle(along, grid.axes[along], lines, place(grid, across)))
    return bundles


def _along(fields: Fields, grid: Grid, fixed: dict[str, int]) -> Fields:
    where = tuple(fixed.get(name, slice(None)) for name in grid.names)
    return Fields(fields.values[where], *(None if field is None else field[where] for field in fields[1:]))
