"""Where the nodes and the points of a problem in space lie: in the domain, around it, on its rim, on which side of interfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pinn.judge.refusal import NoReference
from pinn.problem.formulas import calculus
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import measure, num_params, place, unit_points
from pinn.problem.sites import Sites, join, tensor_points

Array = np.ndarray

LAYER = 1.0
"""Thickness of the layer of nodes around the domain, in spacings."""

FINE = 2.0
"""Places that may become nodes, along a spacing, at least."""

APART = 0.84
"""Smallest distance of two nodes, in spacings; as many fit in then as on a square lattice."""

RIM = {1: 100, 2: 40_000, 3: 20_000}
"""The size of the domain in cells as wide as the points on its rim are apart when details are looked for."""

SAMPLES = 8192
"""Places from which the sides of interfaces are told, and the size of the domain."""

NEAREST = 12
"""Of these places, so many are looked at for one that no interface hides."""


Spacing = Callable[[Array], Array]
"""From points (points, axes) to the distance between nodes there, (points,)."""


def thinned(points: Array, apart: Array) -> Array:
    """Return points no closer to each other than ``apart`` (points,), as many as fit in when taken as they come."""
    tree, open_, chosen = cKDTree(points), np.ones(len(points), bool), []
    for number, (point, radius) in enumerate(zip(points, apart, strict=True)):
        if open_[number]:
            chosen.append(number)
            open_[tree.query_ball_point(point, radius)] = False
    return points[chosen]


class Space:
    """The space domain of a problem, at any time.

    Raises
    ------
    NoReference : it changes with time, or is one of a family; an interface is curved.
    """

    def __init__(self, problem: Problem):
        self.problem, self.dim = problem, len(problem.space)
        self.columns = [problem.names.index(name) for name in problem.space]
        self.low, self.high = problem.box[self.columns].T
        time = problem.time
        pieces = [*problem.edges, *problem.interfaces, *(piece for row in problem.laws for piece in row.region)]
        trees = [problem.domain, *(tree for piece in pieces for tree in (piece.cut, piece.body))]
        others = [name for name in problem.names if name != time and name not in problem.space]
        if others:
            raise NoReference(f"families of solutions are not covered ({', '.join(others)})")
        moves = any(piece.surface is not None and piece.surface.moves for piece in pieces)
        if moves or (time is not None and any(tree is not None and time in calculus.names(tree) for tree in trees)):
            raise NoReference("the domain or a part of its rim changes with time")
        if any(piece.surface is not None for piece in problem.interfaces):
            raise NoReference("curved interfaces are not covered")

    def full(self, points: Array) -> Array:
        """Return points of space (points, axes) as points of the problem, (points, dim), at the middle of the time range."""
        found = np.tile(self.problem.box.mean(axis=1), (len(points), 1))
        found[:, self.columns] = points
        return found

    def inside(self, points: Array) -> Array:
        """Return which points of space (points, axes) belong to the domain."""
        return self.problem.inside(self.full(points)) & ((points >= self.low) & (points <= self.high)).all(axis=1)

    @cached_property
    def volume(self) -> float:
        """Length, area or volume of the domain, to a percent."""
        return float(np.prod(self.high - self.low) * len(self.samples) / SAMPLES)

    @cached_property
    def samples(self) -> Array:
        """Evenly distributed points of the domain, (at most `SAMPLES`, axes)."""
        return self.evenly(SAMPLES, "samples")

    def evenly(self, num: int, name: str) -> Array:
        """Return evenly distributed points of the domain, others for every name: those of ``num`` in the box that belong to it."""
        unit = unit_points("sobol", num, self.dim, generator(0, f"scattered {name}"))
        points = self.low + (self.high - self.low) * unit
        return points[self.inside(points)]

    def on(self, piece: Piece, spacing: Spacing) -> Sites:
        """Return points of a piece of space about ``spacing(points)`` apart, with normals on surfaces; one where it is a point."""
        piece = replace(piece, free=tuple(name for name in piece.free if name != self.problem.time))
        coordinates, params = self.problem.coordinates, num_params(piece)
        size = measure(replace(piece, cut=None, body=None), coordinates) if params else 0.0
        unit, width = np.full((1, params), 0.5), np.ones(1)
        while params:
            points = place(piece, coordinates, unit)
            long = size ** (1 / params) * width > spacing(points[:, self.columns])
            if not long.any():
                break
            halves = tensor_points([np.array([-0.25, 0.25])] * params)
            parts = (unit[long, None] + width[long, None, None] * halves).reshape(-1, params)
            unit = np.concatenate([unit[~long], parts])
            width = np.concatenate([width[~long], np.repeat(width[long] / 2, len(halves))])
        points = place(piece, coordinates, unit)
        points = points[piece.keeps(points, self.problem.names)]
        return Sites(points, piece.normals(points, self.problem.names) if piece.has_normals else None)

    @cached_property
    def rim(self) -> tuple[Array, Array]:
        """Points of the boundary and their normals, (points, axes) each."""
        conditions = [piece for row in self.problem.conditions for piece in row.region]
        pieces = dict.fromkeys((*self.problem.edges, *(piece for piece in conditions if piece.is_wall)))
        fine = (self.volume / RIM[self.dim]) ** (1 / self.dim)
        sites = [self.on(piece, lambda points: np.full(len(points), fine)) for piece in pieces]
        if not sites:
            return np.zeros((0, self.dim)), np.zeros((0, self.dim))
        found = join(sites)
        assert found.normals is not None
        return found.points[:, self.columns], found.normals[:, self.columns]

    def nodes(self, spacing: Spacing, side: int) -> Array:
        """Return nodes (nodes, axes) in and around one side of the domain, ``spacing(points)`` apart."""
        places = self._candidates(spacing)
        own = self.inside(places)
        if self.num_sides > 1:
            own[own] = self.sides(places[own]) == side
        if not own.any():
            return places[own]
        distance, _ = cKDTree(places[own]).query(places)
        apart = spacing(places)
        near = distance <= LAYER * apart
        return thinned(places[near], APART * apart[near])

    def _candidates(self, spacing: Spacing) -> Array:
        """Places in the box and a layer around it, several times as many as nodes: one in each of cells halved until small."""
        rng = generator(0, "scattered nodes")
        margin = 2 * LAYER * float(spacing(self.samples).max())
        size = float((self.high - self.low).max() + 2 * margin)
        centres = ((self.low + self.high) / 2)[None] + size * rng.uniform(-0.01, 0.01, self.dim)
        size *= 1.03
        halves, done = tensor_points([np.array([-0.25, 0.25])] * self.dim), []
        while len(centres):
            near = ((centres > self.low - margin - size / 2) & (centres < self.high + margin + size / 2)).all(axis=1)
            centres = centres[near]
            small = size <= spacing(centres) / FINE
            done.append(centres[small] + size * rng.uniform(-0.5, 0.5, (small.sum(), self.dim)))
            centres, size = (centres[~small, None] + size * halves).reshape(-1, self.dim), size / 2
        return np.concatenate(done)

    # interfaces ------------------------------------------------------------------------------------------------------

    @cached_property
    def _labels(self) -> Array:
        """The side of every sample: what can be reached without crossing an interface."""
        if not self.problem.interfaces:
            return np.zeros(len(self.samples), int)
        spacing = (self.volume / len(self.samples)) ** (1 / self.dim)
        pairs = cKDTree(self.samples).query_pairs(3 * spacing, output_type="ndarray")
        free = pairs[~self.crosses(self.samples[pairs[:, 0]], self.samples[pairs[:, 1]])]
        graph = sparse.coo_matrix((np.ones(len(free)), free.T), (len(self.samples),) * 2)
        return connected_components(graph, directed=False)[1]

    @property
    def num_sides(self) -> int:
        """Into how many parts interfaces divide the domain."""
        return int(self._labels.max()) + 1

    def sides(self, points: Array) -> Array:
        """Return the number of the side each point (points, axes) lies on; those outside the domain get that of the nearest."""
        if not self.problem.interfaces:
            return np.zeros(len(points), int)
        _, near = cKDTree(self.samples).query(points, NEAREST)
        found = np.full(len(points), -1)
        for number in near.T:
            open_ = np.flatnonzero(found < 0)
            seen = open_[~self.crosses(points[open_], self.samples[number[open_]])]
            found[seen] = self._labels[number[seen]]
        return np.where(found < 0, self._labels[near[:, 0]], found)

    def crosses(self, start: Array, end: Array) -> Array:
        """Return which straight lines between points (points, axes) cross an interface."""
        found = np.zeros(len(start), bool)
        for piece in self.problem.interfaces:
            ((name, value),) = piece.fixed
            axis = self.problem.space.index(name)
            before, after = start[:, axis] - value, end[:, axis] - value
            across = np.flatnonzero(before * after < 0)
            share = before[across] / (before[across] - after[across])
            meets = start[across] + share[:, None] * (end[across] - start[across])
            meets[:, axis] = value
            found[across] |= piece.keeps(self.full(meets), self.problem.names)
        return found
