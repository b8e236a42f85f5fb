"""Surfaces that are not faces of the coordinate box: uniform points on them and their normals.

Every surface lies in some of the coordinates and extends along all others. Points come from the unit cube, so that a sequence that
is even there is even, in area, on the surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Node

Array = np.ndarray
Ends = tuple[tuple[float, float], ...]
"""Lowest and highest values of some coordinates."""

ANGLES = np.linspace(0, 2 * np.pi, 129)
"""Between which arcs of ellipses are measured."""

MOST_TRIALS = 1025
"""Times at which it is looked how large a surface is."""

ON = 1e-7
"""Points this close to a surface, in parts of its size, lie on it."""


class Surface(Protocol):
    """A surface in some coordinates.

    Attributes
    ----------
    names : of the coordinates it lies in. num_params : dimension of the unit cube that points come from. measure : length or area.
    moves : the other coordinates, such as time, that it depends on; methods get their values at every point, (points, len(moves)).
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The coordinates it lies in."""

    @property
    def moves(self) -> tuple[str, ...]:
        """The other coordinates that it depends on."""

    @property
    def num_params(self) -> int:
        """Numbers that a point is made from."""

    @property
    def measure(self) -> float:
        """Length in a plane, area in space."""

    def place(self, unit: Array, at: Array) -> Array:
        """Return points (points, len(names)) for points of the unit cube (points, num_params), uniform in area."""

    def normals(self, points: Array, at: Array) -> Array:
        """Return unit normals out of the body (points, len(names)) at points of the surface."""

    def has(self, points: Array, at: Array) -> Array:
        """Return which points (points, len(names)) lie on the surface, to rounding."""


STILL: Array = np.empty((0, 0))
"""What moves a surface that does not move."""


@dataclass(frozen=True)
class Sphere:
    """All points of a plane or of space at a distance from a center; in more coordinates likewise.

    Attributes
    ----------
    center, radius : numbers, or one for every point that is asked about, (points, dim) and (points, 1).
    """

    names: tuple[str, ...]
    center: tuple[float, ...] | Array
    radius: float | Array
    moves: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: tuple[str, ...], numbers: Array) -> Sphere:
        """Return spheres for rows of centers and radii, (points, dim + 1)."""
        return cls(names, numbers[:, :-1], numbers[:, -1:])

    @property
    def num_params(self) -> int:
        """One less than coordinates in a plane and in space; beyond, as many."""
        dim = len(self.names)
        return dim - 1 if dim <= 3 else dim

    @property
    def measure(self) -> float:
        """2 π^(d/2) r^(d−1) / Γ(d/2)."""
        dim = len(self.names)
        return float(np.mean(2 * math.pi ** (dim / 2) * self.radius ** (dim - 1) / math.gamma(dim / 2)))

    def place(self, unit: Array, at: Array | None = None) -> Array:
        """Return points; in space the height is uniform (Archimedes), beyond directions of normal deviates are."""
        return np.array(self.center) + self.radius * self._directions(unit)

    def _directions(self, unit: Array) -> Array:
        dim = len(self.names)
        if dim == 2:
            angle = 2 * np.pi * unit[:, 0]
            return np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if dim == 3:
            angle, height = 2 * np.pi * unit[:, 0], 2 * unit[:, 1] - 1
            across = np.sqrt(np.maximum(1 - height**2, 0))
            return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=1)
        from scipy.special import ndtri

        deviates = ndtri(np.clip(unit, 1e-12, 1 - 1e-12))
        return deviates / np.linalg.norm(deviates, axis=1, keepdims=True)

    def has(self, points: Array, at: Array | None = None) -> Array:
        """Return which points are at the radius."""
        away = np.linalg.norm(points - np.array(self.center), axis=1, keepdims=True)
        return (np.abs(away - self.radius) <= ON * np.abs(self.radius))[:, 0]

    def normals(self, points: Array, at: Array | None = None) -> Array:
        """Return the directions from the center."""
        away = points - np.array(self.center)
        return away / np.linalg.norm(away, axis=1, keepdims=True)


@dataclass(frozen=True)
class Segment:
    """A straight edge in a plane, from ``start`` to ``end``, the body to its left.

    Attributes
    ----------
    start, end : points, or one for every point that is asked about, (points, 2).
    """

    names: tuple[str, ...]
    start: tuple[float, float] | Array
    end: tuple[float, float] | Array
    moves: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: tuple[str, ...], numbers: Array) -> Segment:
        """Return edges for rows of starts and ends, (points, 4)."""
        return cls(names, numbers[:, :2], numbers[:, 2:])

    @property
    def num_params(self) -> int:
        """One."""
        return 1

    @property
    def measure(self) -> float:
        """The length."""
        return float(np.mean(self._length))

    @property
    def _length(self) -> Array:
        return np.linalg.norm(np.array(self.end) - self.start, axis=-1, keepdims=True)

    def place(self, unit: Array, at: Array | None = None) -> Array:
        """Return points between the ends, never at them."""
        start, end = np.array(self.start), np.array(self.end)
        return start + np.clip(unit, 1e-9, 1 - 1e-9) * (end - start)

    def has(self, points: Array, at: Array | None = None) -> Array:
        """Return which points are no further from both ends together than these from each other, but for rounding."""
        ways = sum(np.linalg.norm(points - np.array(end), axis=1, keepdims=True) for end in (self.start, self.end))
        return np.asarray(ways <= self._length * (1 + ON**2))[:, 0]

    def normals(self, points: Array, at: Array | None = None) -> Array:
        """Return the direction to the right of the edge."""
        along = (np.array(self.end) - self.start) / self._length
        return np.broadcast_to(np.stack([along[..., 1], -along[..., 0]], axis=-1), points.shape)


@dataclass(frozen=True)
class Ellipse:
    """All points of a plane with ((x − a)/p)² + ((y − b)/q)² = 1."""

    names: tuple[str, ...]
    center: tuple[float, float]
    radii: tuple[float, float]
    moves: tuple[str, ...] = ()

    @property
    def num_params(self) -> int:
        """One."""
        return 1

    @property
    def measure(self) -> float:
        """The circumference."""
        return float(max(self.radii) * self._arcs[-1])

    def _speed(self, angle: Array) -> Array:
        """Return the length of arc for an angle, in units of the longer radius, (angles,)."""
        return np.sqrt(1 - (1 - (min(self.radii) / max(self.radii)) ** 2) * np.square(np.sin(angle)))

    def _between(self, low: Array, high: Array) -> Array:
        """Return the length of arc between angles, in such units, by Gauss-Legendre quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(16)
        half = (high - low) / 2
        return half * (self._speed(low[:, None] + half[:, None] * (1 + nodes)) @ weights)

    @cached_property
    def _arcs(self) -> Array:
        """The length of arc from an end of the short axis to each of `ANGLES`."""
        return np.concatenate([[0.0], np.cumsum(self._between(ANGLES[:-1], ANGLES[1:]))])

    def place(self, unit: Array, at: Array | None = None) -> Array:
        """Return points uniform in arc length, from an end of the short axis on; angles by Newton's method."""
        long, short = max(self.radii), min(self.radii)
        wanted = self._arcs[-1] * unit[:, 0]
        before = np.clip(np.searchsorted(self._arcs, wanted, side="right") - 1, 0, len(ANGLES) - 2)
        angle = start = ANGLES[before]
        for _ in range(8):
            angle = angle - (self._arcs[before] + self._between(start, angle) - wanted) / self._speed(angle)
        local = np.stack([long * np.sin(angle), short * np.cos(angle)], axis=1)
        return np.array(self.center) + (local if self.radii[0] >= self.radii[1] else local[:, ::-1])

    def has(self, points: Array, at: Array | None = None) -> Array:
        """Return which points satisfy the formula."""
        return np.abs(np.square((points - np.array(self.center)) / np.array(self.radii)).sum(axis=1) - 1) <= ON

    def normals(self, points: Array, at: Array | None = None) -> Array:
        """Return the direction of the gradient of the formula."""
        gradient = (points - np.array(self.center)) / np.square(self.radii)
        return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


@dataclass(frozen=True)
class Moving:
    """A sphere or an edge whose numbers are formulas of time, or of other coordinates that are not in space.

    Attributes
    ----------
    kind : of which it is one at any time. numbers : formulas of what `kind.of` takes. ranges : of ``moves``.
    """

    kind: type[Sphere] | type[Segment]
    names: tuple[str, ...]
    numbers: tuple[Node, ...]
    moves: tuple[str, ...]
    ranges: Ends

    @cached_property
    def _program(self) -> Program:
        return Program(self.numbers)

    def values(self, at: Array) -> Array:
        """Return the numbers at values of what moves it, (points, numbers)."""
        found = self._program(coordinate_values(at, self.moves))
        return np.stack([np.broadcast_to(each, len(at)) for each in found], axis=1)

    def _at(self, at: Array) -> Sphere | Segment:
        return self.kind.of(self.names, self.values(at))

    @property
    def trials(self) -> Array:
        """Values of what moves it, their ends among them, (trials, moves)."""
        axes = [np.linspace(low, high, max(2, round(MOST_TRIALS ** (1 / len(self.moves))))) for low, high in self.ranges]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))

    @property
    def num_params(self) -> int:
        """As many as at rest."""
        return self._at(self.trials[:1]).num_params

    @cached_property
    def measure(self) -> float:
        """The mean length or area."""
        return self._at(self.trials).measure

    def place(self, unit: Array, at: Array) -> Array:
        """Return points, uniform at any time."""
        return self._at(at).place(unit)

    def has(self, points: Array, at: Array) -> Array:
        """Return which points lie on the surface, to rounding."""
        return self._at(at).has(points)

    def normals(self, points: Array, at: Array) -> Array:
        """Return unit normals in space."""
        return self._at(at).normals(points)
