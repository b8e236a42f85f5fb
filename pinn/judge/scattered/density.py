"""How far apart nodes are: closer at small holes, in narrow gaps and at corners that point inwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from pinn.judge.scattered.space import Space

Array = np.ndarray

GROWTH = 0.35
"""Spacing by the size of the nearest detail and the distance from it."""

SMALLEST = 1e-6
"""Spacing at corners, in parts of the largest."""

TURNED, OPPOSITE = 0.5, -0.5
"""Products of normals below which two places of a rim belong to a detail: with no domain between them, and with."""

CORNER = 2.0
"""Places on both sides of a corner are no further apart than so many times those along its sides."""

NEAREST = 8
"""Details looked at for the spacing at a point."""

LARGEST_RIM = 3000
"""Places of the rim that are compared with each other."""


class Density:
    """The spacing of nodes as a function of place.

    Parameters
    ----------
    largest : spacing far from details.
    """

    def __init__(self, space: Space, largest: float):
        self.space, self.largest = space, largest
        points, normals = space.rim if space.dim > 1 else (np.zeros((0, 1)),) * 2
        some = np.linspace(0, len(points) - 1, min(len(points), LARGEST_RIM)).astype(int)
        places, sizes = points, np.zeros(0)
        if len(some):
            places, sizes = details(points[some], normals[some], space.inside)
        small = GROWTH * sizes < largest
        self.places, self.sizes = places[small], sizes[small]
        self._tree = cKDTree(self.places) if len(self.places) else None

    def __call__(self, points: Array) -> Array:
        """Return the spacing at points (points, axes)."""
        if self._tree is None:
            return np.full(len(points), self.largest)
        near, number = self._tree.query(points, min(NEAREST, len(self.places)))
        near, number = near.reshape(len(points), -1), number.reshape(len(points), -1)
        detail = (self.sizes[number] + near).min(axis=1)
        return np.clip(GROWTH * detail, SMALLEST * self.largest, self.largest)


def details(points: Array, normals: Array, inside: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return places (details, axes) and sizes (details,) of the details that the places of a rim belong to, infinite for none.

    A size is the distance to the nearest place with a normal about opposite (a gap, a thin hole), or turned by 60° and more with no
    domain between the two (a round hole). Where that is as small as places are apart there is a corner that points inwards, with
    the size zero, where the two tangents meet.
    """
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    product = normals @ normals.T
    facing = np.where(product < OPPOSITE, apart, np.inf).min(axis=1)
    turned = np.where(product < TURNED, apart, np.inf)
    partner = turned.argmin(axis=1)
    across = turned[np.arange(len(points)), partner]
    across[inside((points + points[partner]) / 2)] = np.inf
    np.fill_diagonal(apart, np.inf)
    sharp = np.flatnonzero(across < CORNER * np.minimum(apart.min(axis=1), apart.min(axis=1)[partner]))
    sizes, places = np.minimum(facing, across), points.copy()
    sizes[sharp] = 0.0
    for number in sharp:
        pair = [number, partner[number]]
        middle = points[pair].mean(axis=0)
        off = np.einsum("ij,ij->i", normals[pair], points[pair] - middle)
        places[number] = middle + np.linalg.lstsq(normals[pair], off, rcond=None)[0]
    return places, sizes
