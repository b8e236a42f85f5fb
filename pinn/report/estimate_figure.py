"""The estimated error beside the true one, where both are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pinn.report.folder import RunData
from pinn.report.panels import Column, mosaic
from pinn.report.style import error_label, error_scale, escaped
from pinn.report.views import views
from pinn.report.wording import estimates_of, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def estimate_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield a name and a figure for every unknown with a true and an estimated error, on one logarithmic scale.

    In one coordinate both stand in the figure of the solution, so there is none here.
    """
    if data.grid is None or len(data.grid.names) == 1:
        return
    for name in data.unknowns:
        error, estimate = data.field(f"{name}.error"), data.field(f"{name}.estimate")
        if error is None or estimate is None:
            continue
        scale, colours = error_scale(error, estimate)
        bar = error_label(name, data.units)
        columns = [
            Column("true |error|", error, scale, colours, bar, size=True),
            Column("estimated |error|", estimate, scale, colours, bar, size=True),
        ]
        yield (
            f"estimate_{name}" if len(data.unknowns) > 1 else "estimate",
            mosaic(columns, views(data.grid, error), data.grid, data.units, _heading(data, name)),
        )


def _heading(data: RunData, name: str) -> str:
    true, estimated = data.metric(f"unknowns.{name}.relative_l2"), estimates_of(data).get(name)
    return f"{escaped(data.title)} — relative L² error {number(true)}, estimated without a reference {number(estimated)}"
