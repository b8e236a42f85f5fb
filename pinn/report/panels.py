"""Panels that several figures are made of: images of a field beside each other, and lines above their errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import Grid
from pinn.report.style import OUTSIDE, label, new_figure
from pinn.report.views import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

PANEL = 3.0
SMALL_PANEL = 2.1
"""Widths of an image panel, inches: in a row of fields, and in a table of fields and views."""

FINE = 160
"""Intervals an image is refined to, so that its pixels are not seen."""

MOST_UNEQUAL = 4.0
"""Space axes keep their true proportions up to this ratio of lengths."""


@dataclass(frozen=True)
class Column:
    """One field in a mosaic: its title, values on the grid, colour scale and map, and the text at the colour bar.

    With ``size`` its absolute value is shown. Columns next to each other with the same ``scale`` object share one colour bar.
    """

    title: str
    values: np.ndarray
    scale: Normalize
    colours: str
    bar: str
    size: bool = False

    @property
    def extend(self) -> str:
        """At which ends of the scale the bar has a tip, since values lie beyond: those below a size are not of interest."""
        values = np.abs(self.values) if self.size else self.values
        with np.errstate(invalid="ignore"):
            is_above, is_below = (np.any(values > self.scale.vmax), not self.size and np.any(values < self.scale.vmin))
        return {(True, True): "both", (True, False): "max", (False, True): "min"}.get((bool(is_above), bool(is_below)), "neither")


def mosaic(columns: Sequence[Column], views: Sequence[View], grid: Grid, units: Mapping[str, str], title: str = "") -> Figure:
    """Draw every field in every view.

    One view: the fields beside each other. Several (times, planes): one row per field, the views running to the right.
    """
    several = len(views) > 1
    shape = (len(columns), len(views)) if several else (1, len(columns))
    widths = [1 / proportion(view, grid) for view in views] if several else [1 / proportion(views[0], grid)] * len(columns)
    height = (SMALL_PANEL if several else PANEL) * len(widths) / sum(widths)
    across = height * sum(widths) + 0.15 * len(widths) + 0.8 * (1 if several else len(_groups(columns))) + 0.4
    title = ", ".join(filter(None, (title, views[0].common)))
    figure = new_figure(across, shape[0] * (height + 0.25) + 0.6, title, layout="compressed")
    panels = figure.subplots(*shape, squeeze=False, width_ratios=widths)
    panels = panels if several else panels.T
    same = len({(view.across, view.up) for view in views}) == 1
    drawn = []
    for row, column in enumerate(columns):
        for k, view in enumerate(views):
            axes = panels[row, k]
            drawn.append(image(axes, column, view, grid))
            left, below = (k == 0 or not same, row == len(columns) - 1) if several else (row == 0, True)
            label_panel(axes, view, units, left, below)
            axes.set_title(", ".join(filter(None, (column.title, view.text))), fontsize=9 if several else 10)
    for group in _groups(columns):
        place = panels[group].ravel().tolist()
        column, aspect = columns[group[0]], 20 * (len(group) if several else 1)
        bar = figure.colorbar(drawn[group[0] * len(views)], ax=place, aspect=aspect, pad=0.02, extend=column.extend)
        bar.set_label(column.bar)
        bar.outline.set_linewidth(0.6)
    return figure


def image(axes: Axes, column: Column, view: View, grid: Grid) -> Any:
    """Draw one view of a field as an image on its own, perhaps uneven, grid; points outside the domain stay grey."""
    shown, across, up = pixels(column, view, grid)
    drawn = axes.pcolormesh(across, up, shown, norm=column.scale, cmap=column.colours, shading="nearest")
    axes.set_facecolor(OUTSIDE)
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(up[0], up[-1])
    if true_proportions(view, grid):
        axes.set_aspect("equal")
    return drawn


def pixels(column: Column, view: View, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values drawn (up, across), refined and masked outside the domain, and their horizontal and vertical places."""
    values, across, up = smooth(view.of(column.values, grid), grid.axes[view.across], grid.axes[view.up or view.across])
    return np.ma.masked_invalid(np.abs(values) if column.size else values), across, up


def smooth(values: np.ndarray, across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a coarse image (up, across) and its axes with points between the grid's, linear in between.

    The grid's own values stay what they are. Fields with missing values stay as they are, too.
    """
    if not np.isfinite(values).all():
        return values, across, up
    factors = [math.ceil(FINE / max(len(axis) - 1, 1)) for axis in (up, across)]
    rows = _between(_between(values, factors[0]).T, factors[1]).T
    return rows, _between(across, factors[1]), _between(up, factors[0])


def _between(values: np.ndarray, factor: int) -> np.ndarray:
    """Return values (points, ...) with ``factor`` - 1 linear ones put between each two."""
    if factor == 1 or len(values) < 2:
        return values
    part = (np.arange(factor) / factor).reshape(1, factor, *[1] * (values.ndim - 1))
    filled = values[:-1, None] + part * np.diff(values, axis=0)[:, None]
    return np.concatenate([filled.reshape(-1, *values.shape[1:]), values[-1:]])


def true_proportions(view: View, grid: Grid) -> bool:
    """Tell whether both axes of a view are lengths similar enough to be drawn to scale."""
    if grid.time in (view.across, view.up) or view.up is None:
        return False
    ratio = _length(grid, view.up) / _length(grid, view.across)
    return 1 / MOST_UNEQUAL <= ratio <= MOST_UNEQUAL


def proportion(view: View, grid: Grid) -> float:
    """Return height over width of a panel."""
    if not true_proportions(view, grid) or view.up is None:
        return 0.8
    return float(np.clip(_length(grid, view.up) / _length(grid, view.across), 0.25, 1.6))


def _length(grid: Grid, name: str) -> float:
    axis = grid.axes[name]
    return float(axis[-1] - axis[0]) or 1.0


def _groups(columns: Sequence[Column]) -> list[list[int]]:
    groups: list[list[int]] = []
    for k, column in enumerate(columns):
        if groups and columns[groups[-1][0]].scale is column.scale:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def label_panel(axes: Axes, view: View, units: Mapping[str, str], left: bool, below: bool) -> None:
    """Name the axes; inner panels that repeat their neighbour's axes carry no numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if below:
        axes.set_xlabel(label(view.across, units))
    else:
        axes.tick_params(labelbottom=False)
    if left:
        axes.set_ylabel(label(view.up or "", units))
    else:
        axes.tick_params(labelleft=False)
