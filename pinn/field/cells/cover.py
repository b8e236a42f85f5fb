"""A box cut into boxes: which cell owns a point, which cells are neighbours, and cutting further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.formulas.sides import nudged

Array = np.ndarray


class Face(NamedTuple):
    """What two cells share.

    Attributes
    ----------
    left, right : numbers of the cells; the left one lies below along ``axis``, or at the far end where the face joins the two
        ends of a periodic axis.
    box : the shared part as the left cell has it, (dim, 2), of no thickness along ``axis``.
    shift : what to add along ``axis`` to come to the place that the right cell has it at; 0 but for periodic axes.
    """

    left: int
    right: int
    axis: int
    box: Array
    shift: float


@dataclass(frozen=True)
class Cover:
    """Boxes that fill a box without overlap.

    Parameters
    ----------
    boxes : lowest and highest coordinates of the cells, (cells, dim, 2).
    periodic : axes whose two ends are joined.
    planes : (axis, value), on which there are always faces.
    """

    boxes: Array
    periodic: tuple[int, ...] = ()
    planes: tuple[tuple[int, float], ...] = ()

    @property
    def num_cells(self) -> int:
        """Number of cells."""
        return len(self.boxes)

    @cached_property
    def domain(self) -> Array:
        """The whole, (dim, 2)."""
        return np.stack([self.boxes[:, :, 0].min(axis=0), self.boxes[:, :, 1].max(axis=0)], axis=1)

    @cached_property
    def centers(self) -> Array:
        """Middle of each cell, (cells, dim)."""
        return self.boxes.mean(axis=2)

    @cached_property
    def halves(self) -> Array:
        """Half the widths of each cell, (cells, dim)."""
        return (self.boxes[:, :, 1] - self.boxes[:, :, 0]) / 2

    def local(self, cell: int, points: Array) -> Array:
        """Return points (points, dim) in a cell's own coordinates, −1 to 1 along every axis."""
        return np.clip((points - self.centers[cell]) / self.halves[cell], -1.0, 1.0)

    def owner(self, points: Array, side: Array | None = None) -> Array:
        """Return the number of the cell that owns each point (points, dim): cells own their lower faces.

        Parameters
        ----------
        side : towards where to look from points on faces, (points, dim).
        """
        points = points if side is None else nudged(points, side, self.domain)
        places = []
        for axis, edges in enumerate(self._edges):
            place = np.searchsorted(edges, points[:, axis], side="right") - 1
            places.append(np.clip(place, 0, len(edges) - 2))
        return self._raster[tuple(places)]

    @cached_property
    def _edges(self) -> list[Array]:
        return [np.unique(self.boxes[:, axis]) for axis in range(self.boxes.shape[1])]

    @cached_property
    def _raster(self) -> Array:
        raster = np.empty([len(edges) - 1 for edges in self._edges], int)
        for cell, box in enumerate(self.boxes):
            raster[tuple(slice(*np.searchsorted(edges, ends)) for edges, ends in zip(self._edges, box, strict=True))] = cell
        return raster

    def faces(self) -> list[Face]:
        """Return what any two neighbours share."""
        return [face for axis in range(self.boxes.shape[1]) for face in self._faces(axis)]

    def _faces(self, axis: int) -> list[Face]:
        low, high = self.boxes[:, axis, 0], self.boxes[:, axis, 1]
        start, end = self.domain[axis]
        found = []
        for cell in range(self.num_cells):
            found += [self._face(cell, other, axis, 0.0) for other in np.flatnonzero(low == high[cell])]
            if axis in self.periodic and high[cell] == end:
                found += [self._face(cell, other, axis, start - end) for other in np.flatnonzero(low == start)]
        return [face for face in found if face is not None]

    def _face(self, left: int, right: Any, axis: int, shift: float) -> Face | None:
        a, b = self.boxes[left], self.boxes[right]
        box = np.stack([np.maximum(a[:, 0], b[:, 0]), np.minimum(a[:, 1], b[:, 1])], axis=1)
        box[axis] = a[axis, 1]
        others = np.delete(box, axis, axis=0)
        return Face(left, int(right), axis, box, shift) if (others[:, 1] > others[:, 0]).all() else None

    def split(self, axes: Mapping[int, Sequence[int]]) -> tuple[Cover, Array]:
        """Cut cells in the middle along some axes.

        Returns
        -------
        The new cover, and the cell out of which each new one was made, (cells,).
        """
        boxes, parents = [], []
        for cell, box in enumerate(self.boxes):
            parts = [box]
            for axis in axes.get(cell, ()):
                parts = [half for part in parts for half in _halved(part, axis)]
            boxes += parts
            parents += [cell] * len(parts)
        return replace(self, boxes=np.array(boxes)), np.array(parents)

    def siblings(self, axis: int) -> list[int | None]:
        """Return for each cell the one that was its upper half before `split` cut it along an axis; None where there is none."""
        low, high = self.boxes[:, axis].T
        others = np.delete(np.arange(self.boxes.shape[1]), axis)
        found: list[int | None] = []
        for cell, box in enumerate(self.boxes):
            width = high[cell] - low[cell]
            place = (low[cell] - self.domain[axis, 0]) / (2 * width)
            alike = (low == high[cell]) & np.isclose(high - low, width) & (self.boxes[:, others] == box[others]).all(axis=(1, 2))
            is_lower = abs(place - round(place)) < 1e-6 and (axis, high[cell]) not in self.planes
            found.append(int(np.argmax(alike)) if is_lower and alike.any() else None)
        return found

    def with_range(self, axis: int, low: float, high: float) -> Cover:
        """Return the same cells stretched to another range along an axis that none of them is cut along."""
        boxes = self.boxes.copy()
        boxes[:, axis] = low, high
        return replace(self, boxes=boxes)


def whole(
    box: Array, periodic: Sequence[int] = (), cells: Sequence[int] | None = None, planes: Sequence[tuple[int, float]] = ()
) -> Cover:
    """Return a box (dim, 2) cut into so many equal cells along each axis, one cell without ``cells``, and further at ``planes``.

    Parameters
    ----------
    planes : (axis, value); what lies between two of them is cut evenly into its share of the cells, at least one.
    """
    counts = [1] * len(box) if cells is None else list(cells)
    inner = [sorted({value for axis, value in planes if axis == number}) for number in range(len(box))]
    axes = [_cut([low, *between, high], count) for (low, high), between, count in zip(box, inner, counts, strict=True)]
    places = np.stack(np.meshgrid(*[np.arange(len(edges) - 1) for edges in axes], indexing="ij"), axis=-1).reshape(-1, len(box))
    boxes = [[(edges[place], edges[place + 1]) for edges, place in zip(axes, row, strict=True)] for row in places]
    return Cover(np.array(boxes, float).reshape(-1, len(box), 2), tuple(periodic), tuple(planes))


def _cut(ends: Sequence[float], count: int) -> Array:
    """Return the ends of about ``count`` cells on a line, equal in each part of it."""
    length = ends[-1] - ends[0]
    parts = [
        np.linspace(low, high, max(1, round(count * (high - low) / length)) + 1)
        for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]
    return np.concatenate([parts[0][:1], *(part[1:] for part in parts)])


def _halved(box: Array, axis: int) -> tuple[Array, Array]:
    lower, upper = box.copy(), box.copy()
    lower[axis, 1] = upper[axis, 0] = box[axis].mean()
    return lower, upper
