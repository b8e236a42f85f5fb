"""Bodies bounded by many flat facets: outlines of segments in a plane, meshes of triangles in space.

A point is inside when the ray from it along the last coordinate meets an odd number of facets. Facets are sorted into bins by what
they cover of the other coordinates, so that a point asks those of its bin only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pinn.problem.shapes.surfaces import ON, Segment, Surface

Array = np.ndarray

MOST_BINS = 256
"""Along each coordinate."""

ASIDE = (0.61803e-10, 0.41421e-10)
"""How far rays are moved aside, in parts of the body, so that they do not meet edges of facets."""


@dataclass(frozen=True, eq=False)
class Facets:
    """A closed surface of segments (dim 2), the body to their left, or triangles (dim 3), anticlockwise as seen from outside.

    Attributes
    ----------
    corners : (facets, dim, dim), of each facet its corners.
    """

    corners: Array

    @cached_property
    def size(self) -> float:
        """The longest side of the bounding box."""
        return float(np.ptp(self.corners.reshape(-1, self.dim), axis=0).max())

    @property
    def dim(self) -> int:
        """Coordinates of a corner."""
        return int(self.corners.shape[2])

    @cached_property
    def tangents(self) -> Array:
        """From the first corner of each facet to the others, (facets, dim − 1, dim)."""
        return self.corners[:, 1:] - self.corners[:, :1]

    @cached_property
    def crosses(self) -> Array:
        """Normals as long as the facet is long, or twice as long as it is large, (facets, dim)."""
        if self.dim == 2:
            return np.stack([self.tangents[:, 0, 1], -self.tangents[:, 0, 0]], axis=1)
        return np.cross(self.tangents[:, 0], self.tangents[:, 1])

    @cached_property
    def measures(self) -> Array:
        """Length or area of each, (facets,)."""
        return np.linalg.norm(self.crosses, axis=1) / (self.dim - 1)

    @cached_property
    def until(self) -> Array:
        """Length or area up to each and of all, (facets + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.measures)])

    @cached_property
    def _lookup(self) -> tuple[Array, Array, Array, Array]:
        """The lower ends of the bins and their widths, (dim − 1,), where each bin begins, and the facets bin by bin."""
        across = self.corners[..., :-1]
        count = min(MOST_BINS, max(1, math.ceil(len(across) ** (1 / (self.dim - 1)))))
        slack = ON * self.size
        low, high = across.min(axis=(0, 1)) - slack, across.max(axis=(0, 1)) + slack
        width = (high - low) / count
        first = np.clip((across.min(axis=1) - slack - low) // width, 0, count - 1).astype(int)
        last = np.clip((across.max(axis=1) + slack - low) // width, 0, count - 1).astype(int)
        spans = last - first + 1
        sizes = spans.prod(axis=1)
        facets = np.repeat(np.arange(len(across)), sizes)
        number = np.arange(len(facets)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        bins = np.zeros(len(facets), int)
        for axis in range(self.dim - 1):
            bins = bins * count + first[facets, axis] + number % spans[facets, axis]
            number //= spans[facets, axis]
        order = np.argsort(bins, kind="stable")
        begins = np.searchsorted(bins[order], np.arange(count ** (self.dim - 1) + 1))
        return low, width, begins, facets[order]

    def _near(self, points: Array) -> tuple[Array, Array]:
        """Return pairs of points and the facets of their bins, (pairs,) each, by point."""
        low, width, begins, facets = self._lookup
        count = round((len(begins) - 1) ** (1 / (self.dim - 1)))
        place = (points[:, :-1] - low) // width
        is_in = ((place >= 0) & (place < count)).all(axis=1)
        bins = np.zeros(len(points), int)
        for axis in range(self.dim - 1):
            bins = bins * count + np.where(is_in, place[:, axis], 0).astype(int)
        sizes = np.where(is_in, begins[bins + 1] - begins[bins], 0)
        owners = np.repeat(np.arange(len(points)), sizes)
        number = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return owners, facets[begins[bins[owners]] + number]

    @cached_property
    def _flat(self) -> tuple[Array, Array]:
        """Inverses of the tangents without their last coordinate, (facets, dim − 1, dim − 1), and which have none."""
        across = self.tangents[..., :-1]
        is_upright = np.abs(np.linalg.det(across)) <= 1e-14 * self.size ** (self.dim - 1)
        return np.linalg.inv(np.where(is_upright[:, None, None], np.eye(self.dim - 1), across)), is_upright

    def contains(self, points: Array) -> Array:
        """Return which points (points, dim) are inside, (points,)."""
        moved = points.copy()
        moved[:, :-1] += self.size * np.array(ASIDE[: self.dim - 1])
        owners, facets = self._near(moved)
        inverses, is_upright = self._flat
        away = moved[owners] - self.corners[facets, 0]
        share = np.einsum("ni,nij->nj", away[:, :-1], inverses[facets])
        is_over = (share >= 0).all(axis=1) & (share.sum(axis=1) <= 1) & ~is_upright[facets]
        height = np.einsum("ni,ni->n", share, self.tangents[facets, :, -1])
        hits = np.bincount(owners[is_over & (height > away[:, -1])], minlength=len(points))
        return np.asarray(hits % 2 == 1)

    @cached_property
    def _inverse_tangents(self) -> Array:
        return np.linalg.pinv(self.tangents)

    def nearest(self, points: Array) -> tuple[Array, Array]:
        """Return for points (points, dim) near a facet its number and the distance, infinite where none is near, (points,) each."""
        owners, facets = self._near(points)
        away = points[owners] - self.corners[facets, 0]
        share = np.einsum("ni,nij->nj", away, self._inverse_tangents[facets])
        beside = np.maximum(0, np.maximum(-share.min(axis=1, initial=0.0), share.sum(axis=1) - 1)) * self.size
        unit = self.crosses[facets] / np.linalg.norm(self.crosses[facets], axis=1, keepdims=True)
        distance = np.abs(np.einsum("ni,ni->n", away, unit)) + beside
        order = np.lexsort((distance, owners))
        found, at = np.unique(owners[order], return_index=True)
        which, least = np.zeros(len(points), int), np.full(len(points), np.inf)
        which[found], least[found] = facets[order][at], distance[order][at]
        return which, least


@dataclass(frozen=True)
class Solid:
    """The rim of a body bounded by facets.

    Attributes
    ----------
    key : of the facets; rims with the same key are equal.
    """

    names: tuple[str, ...]
    key: str
    facets: Any
    moves: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Solid) and (self.names, self.key) == (other.names, other.key)

    def __hash__(self) -> int:
        return hash((self.names, self.key))

    @property
    def num_params(self) -> int:
        """One less than coordinates."""
        return len(self.names) - 1

    @property
    def measure(self) -> float:
        """Length or area."""
        return float(self.facets.until[-1])

    @property
    def edges(self) -> tuple[Segment, ...]:
        """The facets of a body in a plane as edges; none in space."""
        if len(self.names) != 2:
            return ()
        return tuple(Segment(self.names, tuple(start), tuple(end)) for start, end in self.facets.corners.tolist())

    def place(self, unit: Array, at: Array | None = None) -> Array:
        """Return points, uniform in area, never on corners."""
        until, wanted = self.facets.until, self.measure * unit[:, 0]
        which = np.clip(np.searchsorted(until, wanted, side="right") - 1, 0, len(until) - 2)
        rest = np.clip((wanted - until[which]) / self.facets.measures[which], 1e-9, 1 - 1e-9)[:, None]
        share = rest if unit.shape[1] == 1 else np.sqrt(rest) * np.stack([1 - unit[:, 1], unit[:, 1]], axis=1)
        return np.asarray(self.facets.corners[which, 0] + np.einsum("ni,nij->nj", share, self.facets.tangents[which]))

    def has(self, points: Array, at: Array | None = None) -> Array:
        """Return which points lie on a facet, to rounding."""
        return np.asarray(self.facets.nearest(points)[1] <= ON * self.facets.size)

    def normals(self, points: Array, at: Array | None = None) -> Array:
        """Return the normals of the nearest facets."""
        crosses = self.facets.crosses[self.facets.nearest(points)[0]]
        return np.asarray(crosses / np.linalg.norm(crosses, axis=1, keepdims=True))


def straightened(surface: Surface) -> tuple[Surface, ...]:
    """Return the edges of a polygon, and any other surface as it is."""
    return (isinstance(surface, Solid) and surface.edges) or (surface,)


def edged(piece: Any) -> tuple[Any, ...]:
    """Return a piece of a polygon's rim as pieces of its edges, and any other piece as it is."""
    if not isinstance(piece.surface, Solid) or not piece.surface.edges:
        return (piece,)
    return tuple(replace(piece, surface=edge) for edge in piece.surface.edges)
