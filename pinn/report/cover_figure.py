"""The cells that a solution is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import escaped, label, new_figure
from pinn.report.views import short
from pinn.report.wording import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHADES = "Blues"
"""Of cells, darker the smaller they are."""

FINE = 64.0
"""Cells that are smaller than the largest by this factor, at least, have the darkest shade."""

MOST_UNEQUAL = 4.0
"""Ratio of the sides beyond which coordinates in space are not drawn to scale."""


def cover_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: the cells in two coordinates, of more the ones in the middle of the others, and at the end of time."""
    boxes = data.diagnostics.get("cells")
    grid = data.grid
    if boxes is None or grid is None or boxes.ndim != 3 or len(grid.names) != boxes.shape[1]:
        return
    names, time = list(grid.names), grid.time
    shown, where = boxes, []
    for axis in range(2, boxes.shape[1]):
        low, high = boxes[:, axis].min(), boxes[:, axis].max()
        place = high if names[axis] == time else (low + high) / 2
        shown = shown[(shown[:, axis, 0] < place) & (shown[:, axis, 1] >= place)]
        where.append(f"{label(names[axis])} = {short(place)}")
    some = f", {count(len(shown))} at {', '.join(where)}" if len(shown) < len(boxes) else ""
    title = f"{escaped(data.title)} — {count(len(boxes))} cell{'s' * (len(boxes) > 1)}{some}"
    yield "cover", _plane(data, names, shown, title)


def _plane(data: RunData, names: list[str], boxes: np.ndarray, title: str) -> Figure:
    across, up = (1, 0) if len(names) > 1 and data.grid is not None and data.grid.time == names[1] else (0, 1)
    if len(names) == 1:
        boxes = np.concatenate([boxes, np.broadcast_to([[0.0, 1.0]], (len(boxes), 1, 2))], axis=1)
    low, high = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
    spans = high - low
    in_space = len(names) > 1 and (data.grid is None or data.grid.time not in names[:2])
    to_scale = in_space and 1 / MOST_UNEQUAL <= spans[up] / spans[across] <= MOST_UNEQUAL
    ratio = float(np.clip(spans[up] / spans[across], 0.25, 1.2)) if to_scale else 0.75 if len(names) > 1 else 0.15
    layout: Any = "compressed" if to_scale else "constrained"
    figure = new_figure(6.4, 5.2 * ratio + 0.9, title, layout)
    axes = figure.subplots()
    _rectangles(axes, boxes, across, up)
    axes.set(xlabel=label(names[across], data.units), xlim=(low[across], high[across]), ylim=(low[up], high[up]))
    if len(names) > 1:
        axes.set_ylabel(label(names[up], data.units))
    else:
        axes.set_yticks([])
    if to_scale:
        axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return figure


def _rectangles(axes: Any, boxes: np.ndarray, across: int, up: int) -> None:
    """Draw cells; the smaller they are, the darker."""
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    x, y = boxes[:, across], boxes[:, up]
    corners = np.stack([np.stack([x[:, i], y[:, j]], axis=1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))], axis=1)
    area = np.log(np.prod(boxes[:, :, 1] - boxes[:, :, 0], axis=1))
    depth = (area.max() - area) / max(float(np.ptp(area)), np.log(FINE))
    colours = colormaps[SHADES](0.05 + 0.55 * depth)
    axes.add_collection(PolyCollection(list(corners), facecolors=colours, edgecolors="#333333", linewidths=0.5, clip_on=False))
