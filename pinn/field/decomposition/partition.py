"""Smooth windows over the cells of a cover: a partition of unity with all its derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from functools import cached_property
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial

from pinn.field.cells.cover import Cover
from pinn.field.request import below, closure, minus
from pinn.problem.formulas.tree import Index

Array = np.ndarray


class Pairs(NamedTuple):
    """Points, each with every cell whose window does not vanish there; a point and a cell meet at most once.

    Attributes
    ----------
    points, cells : numbers, (pairs,), by point and then by cell.
    places : where the cell has the point, (pairs, dim): other than the point itself only across the ends of a periodic axis.
    """

    points: Array
    cells: Array
    places: Array


class Partition:
    """q_j(x) = w_j(x) / Σ_k w_k(x) for the cells j of a cover; Σ_j q_j = 1 everywhere in it.

    Along every axis w_j steps up about the lower face of the cell and down about its upper one, between ``reach`` times the cell's
    width before the face and as much behind it. There is no step at the ends of the domain, except along a periodic axis, where
    windows go on at the other end. Steps are polynomials of degree 2 · smoothness + 1.

    Parameters
    ----------
    cover : cells that fill a box without overlap.
    reach : how far windows go beyond their cells, in widths of the cell; at most 0.5 with two cells along a periodic axis.
    smoothness : how often windows are continuously differentiable.
    """

    def __init__(self, cover: Cover, reach: float, smoothness: int):
        self.cover, self.smoothness = cover, smoothness
        widths = cover.boxes[:, :, 1] - cover.boxes[:, :, 0]
        low, high = cover.domain.T
        self.wrapped = tuple(axis for axis in cover.periodic if (widths[:, axis] < (high - low)[axis]).all())
        inner = np.ones((cover.num_cells, len(low), 2), bool)
        for axis in set(range(len(low))) - set(self.wrapped):
            inner[:, axis, 0] = cover.boxes[:, axis, 0] != low[axis]
            inner[:, axis, 1] = cover.boxes[:, axis, 1] != high[axis]
        self.steps, self.reaches = inner, reach * widths
        self.supports = cover.boxes + np.where(inner, self.reaches[..., None] * [-1, 1], 0.0)

    @cached_property
    def _images(self) -> tuple[Array, Array]:
        """Every copy of a cell that reaches the domain: numbers (images,), and what is added to coordinates (images, dim)."""
        domain = self.cover.domain
        length = domain[:, 1] - domain[:, 0]
        choices = [(0, -1, 1) if axis in self.wrapped else (0,) for axis in range(len(domain))]
        shifts = np.array(list(itertools.product(*choices))) * length
        seen = [
            ((self.supports[:, :, 0] + shift < domain[:, 1]) & (self.supports[:, :, 1] + shift > domain[:, 0])).all(axis=1)
            for shift in shifts
        ]
        cells = [np.flatnonzero(each) for each in seen]
        return np.concatenate(cells), np.repeat(shifts, [len(each) for each in cells], axis=0)

    @cached_property
    def _raster(self) -> tuple[list[Array], Array, Array]:
        """The edges of all supports along each axis; where the images of each brick between them begin and end; the images."""
        cells, shifts = self._images
        supports = self.supports[cells] + shifts[:, :, None]
        edges = [np.unique(supports[:, axis]) for axis in range(supports.shape[1])]
        shape = [len(each) - 1 for each in edges]
        bricks, images = [], []
        for image, support in enumerate(supports):
            ranges = [np.arange(*np.searchsorted(each, ends)) for each, ends in zip(edges, support, strict=True)]
            bricks.append(np.ravel_multi_index(np.meshgrid(*ranges, indexing="ij"), shape).ravel())
            images.append(np.full(len(bricks[-1]), image))
        brick, owners = np.concatenate(bricks), np.concatenate(images)
        order = np.argsort(brick, kind="stable")
        return edges, np.searchsorted(brick[order], np.arange(int(np.prod(shape)) + 1)), owners[order]

    def pairs(self, points: Array) -> Pairs:
        """Return which cells see which points (points, dim)."""
        edges, starts, images = self._raster
        places = [
            np.clip(np.searchsorted(each, column, side="right") - 1, 0, len(each) - 2)
            for each, column in zip(edges, points.T, strict=True)
        ]
        brick = np.ravel_multi_index(places, [len(each) - 1 for each in edges])
        counts = starts[brick + 1] - starts[brick]
        numbers = np.repeat(np.arange(len(points)), counts)
        offset = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = images[starts[brick][numbers] + offset]
        cells, shifts = self._images
        return Pairs(numbers, cells[found], points[numbers] - shifts[found])

    def jets(self, pairs: Pairs, indices: Iterable[Index]) -> dict[Index, Array]:
        """Return derivatives of each pair's window at its point, (pairs,), for ``indices`` and all below them."""
        indices = closure(indices)
        raw = self._raw(pairs, indices)
        totals = {index: np.bincount(pairs.points, values)[pairs.points] for index, values in raw.items()}
        zero = (0,) * self.cover.domain.shape[0]
        jets: dict[Index, Array] = {}
        for index in indices:
            rest = raw[index].copy()
            for lower, count in below(index):
                if lower != index:
                    rest -= count * jets[lower] * totals[minus(index, lower)]
            jets[index] = rest / totals[zero]
        return jets

    def _raw(self, pairs: Pairs, indices: tuple[Index, ...]) -> dict[Index, Array]:
        """Return the same for the windows before they are divided by their sum."""
        most = max((max(index) for index in indices), default=0)
        along = [self._along(axis, pairs, most) for axis in range(pairs.places.shape[1])]
        return {index: np.prod([along[axis][order] for axis, order in enumerate(index)], axis=0) for index in indices}

    def _along(self, axis: int, pairs: Pairs, most: int) -> list[Array]:
        """Return a window's factor along an axis and its derivatives up to order ``most``."""
        place, cells = pairs.places[:, axis], pairs.cells
        faces, reach = self.cover.boxes[cells, axis], self.reaches[cells, axis]
        steps = self.steps[cells, axis]
        up = step((place - faces[:, 0]) / reach, self.smoothness, most)
        down = step((faces[:, 1] - place) / reach, self.smoothness, most)
        up = [np.where(steps[:, 0], each / reach**k, float(k == 0)) for k, each in enumerate(up)]
        down = [np.where(steps[:, 1], each / (-reach) ** k, float(k == 0)) for k, each in enumerate(down)]
        return [sum((comb(n, k) * up[k] * down[n - k] for k in range(n + 1)), start=np.zeros(len(place))) for n in range(most + 1)]


def step(place: Array, smoothness: int, most: int) -> list[Array]:
    """Return the step from 0 at −1 to 1 at 1 with so many continuous derivatives, and its derivatives up to order ``most``."""
    slope = Polynomial([1, 0, -1]) ** smoothness
    whole = slope.integ(lbnd=-1)
    whole = whole / whole(1)
    inside = np.abs(place) < 1
    return [np.where(inside, whole.deriv(k)(place) if k else whole(place), float(k == 0) * (place >= 1)) for k in range(most + 1)]


def of_channels(jets: Mapping[Index, Array], carried: Iterable[tuple[tuple[Index, float], ...]]) -> Array:
    """Return the derivatives that channels stand for, (channels, pairs)."""
    return np.stack([sum(weight * jets[index] for index, weight in channel) for channel in carried])
