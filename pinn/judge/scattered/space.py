"""Where the nodes and the points of a problem in space lie: in the domain, around it, on its rim, on which side of interfaces."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pinn.judge.refusal import NoReference
from pinn.problem import calculus
from pinn.problem.problem import Piece, Problem
from pinn.problem.randomness import generator
from pinn.problem.regions import Rule, draw, measure, num_params, unit_points
from pinn.problem.sites import Sites, tensor_points

Array = np.ndarray

JITTER = 0.2
"""How far nodes are moved off a lattice along each axis at most, in spacings; on a lattice some polynomials are not determined."""

LAYER = 1.0
"""Thickness of the layer of nodes around the domain, in spacings."""

FINE = 4
"""Places per spacing and axis where it is looked whether there is domain."""

SAMPLES = 8192
"""Places from which the sides of interfaces are told, and the size of the domain."""

NEAREST = 12
"""Of these places, so many are looked at for one that no interface hides."""


class Space:
    """The space domain of a problem, at any time.

    Raises
    ------
    NoReference : it changes with time; an interface is curved.
    """

    def __init__(self, problem: Problem):
        self.problem, self.dim = problem, len(problem.space)
        self.columns = [problem.names.index(name) for name in problem.space]
        self.low, self.high = problem.box[self.columns].T
        time = problem.time
        pieces = [*problem.edges, *problem.interfaces, *(piece for row in problem.residuals for piece in row.region)]
        trees = [problem.domain, *(tree for piece in pieces for tree in (piece.cut, piece.body))]
        if time is not None and any(tree is not None and time in calculus.names(tree) for tree in trees):
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

    def on(self, piece: Piece, spacing: float) -> Sites:
        """Return points of a piece of space about ``spacing`` apart, one where it is a point, with normals on surfaces."""
        piece = replace(piece, free=tuple(name for name in piece.free if name != self.problem.time))
        keep = (lambda points: piece.keeps(points, self.problem.names)) if piece.is_cut else None
        size, params = measure(piece, self.problem.coordinates, keep), num_params(piece)
        num = max(2, math.ceil(size / spacing**params)) if params else 1
        rule: Rule = "grid" if params < 2 else "sobol"
        return draw(piece, self.problem.coordinates, num, rule, generator(0, "scattered rim"), keep)

    def nodes(self, spacing: float, side: int) -> Array:
        """Return nodes (nodes, axes) in and around one side of the domain, ``spacing`` apart on average."""
        lattice = self._lattice(spacing)
        between = (tensor_points([(np.arange(FINE) + 0.5) / FINE - 0.5] * self.dim)) * spacing
        near = []
        for part in np.array_split(lattice, max(1, len(lattice) // 20_000)):
            points = (part[:, None] + between).reshape(-1, self.dim)
            near.append(points[self.inside(points)])
        points = np.concatenate(near)
        if self.num_sides > 1:
            points = points[self.sides(points) == side]
        if not len(points):
            return points
        distance, _ = cKDTree(points).query(lattice, distance_upper_bound=(LAYER + 0.1) * spacing)
        return lattice[distance <= LAYER * spacing]

    def _lattice(self, spacing: float) -> Array:
        """A square lattice that covers the box and a layer around it, each node moved a little."""
        rng = generator(0, "scattered nodes", int(1e6 * spacing / (self.high - self.low).max()))
        margin = (LAYER + 1) * spacing
        axes = [
            np.arange(low - margin + shift * spacing, high + margin, spacing)
            for low, high, shift in zip(self.low, self.high, rng.random(self.dim), strict=True)
        ]
        points = tensor_points(axes)
        return points + JITTER * spacing * rng.uniform(-1, 1, points.shape)

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
