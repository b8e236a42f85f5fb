"""Sites: the places at which a field is wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pinn.problem.directions import Directions
    from pinn.problem.formulas.tree import Operator


class Sites(NamedTuple):
    """Points and what belongs to them.

    Attributes
    ----------
    points : (points, dim), coordinates in the problem's order.
    normals : (points, dim) outward unit normals, zero along time; None off surfaces.
    side : (points, dim) towards where to look from each point where a field may jump; None leaves it to the field.
    directions : by operator, the lines through the points along which it is estimated; all others are exact.
    columns : numbers that belong to the points, such as measured values, by name, (points,) each.
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    side: np.ndarray | None = None
    directions: Mapping[Operator, Directions] = {}
    columns: Mapping[str, np.ndarray] = {}

    def take(self, chosen: np.ndarray) -> Sites:
        """Return some of the points with what belongs to them."""
        return Sites(
            self.points[chosen],
            None if self.normals is None else self.normals[chosen],
            None if self.side is None else self.side[chosen],
            {operator: directions.take(chosen) for operator, directions in self.directions.items()},
            {name: values[chosen] for name, values in self.columns.items()},
        )


def tensor_points(axes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the points (product of lengths, axes) of a tensor grid, last axis fastest; one empty point without axes."""
    points = np.empty((math.prod(map(len, axes)), len(axes)))
    several = [number for number, axis in enumerate(axes) if len(axis) != 1]  # NumPy's arrays have at most 64 axes
    for number, mesh in zip(several, np.meshgrid(*[axes[number] for number in several], indexing="ij"), strict=True):
        points[:, number] = mesh.ravel()
    for number in set(range(len(axes))) - set(several):
        points[:, number] = axes[number][0]
    return points


def grid_shape(axes: Sequence[np.ndarray]) -> tuple[int, ...]:
    """Return the shape of values on a tensor grid: the lengths of the axes, those with a single place left out."""
    return tuple(len(axis) for axis in axes if len(axis) > 1)


def join(parts: Sequence[Sites]) -> Sites:
    """Return the points of several sites as one.

    Where only some have normals the others get zeros; either all or none have sides, and directions for the same operators.
    """
    points = np.concatenate([part.points for part in parts])
    normals = [np.zeros_like(part.points) if part.normals is None else part.normals for part in parts]
    sides = [part.side for part in parts if part.side is not None]
    return Sites(
        points,
        None if all(part.normals is None for part in parts) else np.concatenate(normals),
        np.concatenate(sides) if sides else None,
        directions={
            operator: first._replace(vectors=np.concatenate([part.directions[operator].vectors for part in parts]))
            for operator, first in parts[0].directions.items()
        },
    )
