"""The cells that a solution is made of; of trained networks with the residual in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import escaped, label, new_figure
from pinn.report.views import short
from pinn.report.wording import count, is_trained

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
    size = _residual_of(boxes, data) if is_trained(data) else None
    shown, where = boxes, []
    for axis in range(2, boxes.shape[1]):
        low, high = boxes[:, axis].min(), boxes[:, axis].max()
        place = high if names[axis] == time else (low + high) / 2
        here = (shown[:, axis, 0] < place) & (shown[:, axis, 1] >= place)
        shown, size = shown[here], None if size is None else size[here]
        where.append(f"{label(names[axis])} = {short(place)}")
    some = f", {count(len(shown))} at {', '.join(where)}" if len(shown) < len(boxes) else ""
    title = f"{escaped(data.title)} — {count(len(boxes))} cell{'s' * (len(boxes) > 1)}{some}"
    yield "cover", _plane(data, names, shown, title, size)


def _residual_of(boxes: np.ndarray, data: RunData) -> np.ndarray | None:
    """Return the root mean square of the equations' residuals in every cell, (cells,); None where some cell has no grid point."""
    maps, grid = data.residual_maps(), data.grid
    if not maps or grid is None:
        return None
    square = np.sum([np.square(values) for values in maps.values()], axis=0)
    found = []
    for box in boxes:
        inside = [(axis >= low) & (axis <= high) for axis, (low, high) in zip(grid.axes.values(), box, strict=True)]
        found.append(square[np.ix_(*inside)])
    if any(part.size == 0 for part in found):
        return None
    size = np.sqrt([part.mean() for part in found])
    return size if np.isfinite(size).all() and (size > 0).all() else None


def _plane(data: RunData, names: list[str], boxes: np.ndarray, title: str, size: np.ndarray | None) -> Figure:
    """Draw cells in a plane, shaded by ``size`` (cells,) where it is known, else by how small they are."""
    across, up = (1, 0) if len(names) > 1 and data.grid is not None and data.grid.time == names[1] else (0, 1)
    if len(names) == 1:
        boxes = np.concatenate([boxes, np.broadcast_to([[0.0, 1.0]], (len(boxes), 1, 2))], axis=1)
    low, high = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
    spans = high - low
    in_space = len(names) > 1 and (data.grid is None or data.grid.time not in names[:2])
    to_scale = in_space and 1 / MOST_UNEQUAL <= spans[up] / spans[across] <= MOST_UNEQUAL
    ratio = float(np.clip(spans[up] / spans[across], 0.25, 1.2)) if to_scale else 0.75 if len(names) > 1 else 0.15
    layout: Any = "compressed" if to_scale else "constrained"
    figure = new_figure(6.4, 5.2 * ratio + (0.9 if size is None or len(names) > 1 else 1.7), title, layout)
    axes = figure.subplots()
    axes.set(xlabel=label(names[across], data.units), xlim=(low[across], high[across]), ylim=(low[up], high[up]))
    if len(names) > 1:
        axes.set_ylabel(label(names[up], data.units))
    else:
        axes.set_yticks([])
    if size is None:
        _rectangles(axes, boxes, across, up)
    else:
        _shaded(figure, axes, boxes, across, up, size)
    if to_scale:
        axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return figure


def _corners(boxes: np.ndarray, across: int, up: int) -> list[np.ndarray]:
    """Return the corners (4, 2) of every cell in a plane."""
    x, y = boxes[:, across], boxes[:, up]
    return list(np.stack([np.stack([x[:, i], y[:, j]], axis=1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))], axis=1))


def _shaded(figure: Figure, axes: Any, boxes: np.ndarray, across: int, up: int, size: np.ndarray) -> None:
    """Draw cells, the darker the larger the residual in them."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LogNorm

    low, high = size.min(), max(size.max(), 1.01 * size.min())
    cells = PolyCollection(_corners(boxes, across, up), edgecolors="#333333", linewidths=0.5, clip_on=False)
    cells.set(array=size, cmap=SHADES, norm=LogNorm(low / (high / low) ** 0.2, high * (high / low) ** 0.4))
    axes.add_collection(cells)
    is_strip = not axes.get_ylabel()
    place = {"location": "bottom", "aspect": 45} if is_strip else {"location": "right"}
    bar = figure.colorbar(cells, ax=axes, label="root mean square of the residual in a cell", **place)
    (bar.ax.set_xlim if is_strip else bar.ax.set_ylim)(low, high)


def _rectangles(axes: Any, boxes: np.ndarray, across: int, up: int) -> None:
    """Draw cells; the smaller they are, the darker."""
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    area = np.log(np.prod(boxes[:, :, 1] - boxes[:, :, 0], axis=1))
    depth = (area.max() - area) / max(float(np.ptp(area)), np.log(FINE))
    colours = colormaps[SHADES](0.05 + 0.55 * depth)
    axes.add_collection(
        PolyCollection(_corners(boxes, across, up), facecolors=colours, edgecolors="#333333", linewidths=0.5, clip_on=False)
    )
