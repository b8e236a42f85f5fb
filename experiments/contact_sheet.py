"""One small picture of every problem's solution on one sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pinn.report.folder import RunData
from pinn.report.panels import Column, image
from pinn.report.style import SOLUTION, field_scale, new_figure, styled
from pinn.report.views import views

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 9
"""Pictures in a row."""

WIDTH, HEIGHT, DOTS = 1.45, 1.35, 90
"""Of one picture with its name, inches, and dots per inch."""


def contact_sheet(runs: Mapping[str, Path], target: Path) -> None:
    """Draw the first unknown of every run, by name; a run that has no solution leaves an empty frame.

    Lines in one coordinate; otherwise an image, the last time of a solution in two or more space coordinates.
    """
    down = math.ceil(len(runs) / ACROSS)
    with styled():
        figure = new_figure(ACROSS * WIDTH, down * HEIGHT, "")
        panels = figure.subplots(down, ACROSS, squeeze=False).ravel().tolist()
        for axes, (name, folder) in zip(panels, runs.items(), strict=False):
            axes.set_title(name, fontsize=7, pad=2)
            draw(axes, folder)
        for axes in panels[len(runs) :]:
            axes.set_axis_off()
        figure.savefig(target, dpi=DOTS)


def draw(axes: Axes, folder: Path) -> None:
    """Draw the first unknown of a run without numbers at the axes."""
    axes.set(xticks=[], yticks=[])
    data = RunData(folder) if (folder / "solution.npz").exists() else None
    if data is None or data.grid is None:
        return
    values = data.fields(data.unknowns[0]).values
    if len(data.grid.names) == 1:
        axes.plot(data.grid.axes[data.grid.names[0]], values, color=SOLUTION, linewidth=1.0)
        return
    view = views(data.grid, values, snapshots=2)[-1]
    scale, colours = field_scale(view.of(values, data.grid))
    image(axes, Column("", values, scale, colours, ""), view, data.grid)
