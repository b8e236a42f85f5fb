"""Functions through numbers at scattered points: triangles, simplices, the closest value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.problem.data.interpolation import Array, Evaluate, Interpolant, too_high
from pinn.problem.formulas.tree import Index
from pinn.problem.settings import BadInput

ONTO = 1e-9
"""How far outside a triangle, in parts of it, a point counts as inside."""


def through_points(name: str, file: str, kind: str, coordinates: Mapping[str, Array], values: Array) -> Interpolant:
    """Return the function through values at scattered points, two coordinates or more.

    ``cubic`` is Clough and Tocher's on Delaunay's triangles (two coordinates, first derivatives), ``linear`` is linear on
    simplices, ``nearest`` the value of the closest point; distances are measured in parts of the ranges.

    Parameters
    ----------
    coordinates : values of each, (rows,).
    """
    points = np.stack(list(coordinates.values()), axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).all():
        flat = tuple(coordinates)[int(np.argmin(high - low))]
        raise BadInput(f"{file} has a single value of {flat}; a function of {flat} needs two")
    if kind == "cubic" and len(coordinates) > 2:
        raise BadInput(f"{file} has scattered points in {len(coordinates)} coordinates; say interpolate: linear or nearest")
    unit, scale, around = (points - low) / (high - low), high - low, 0.0
    if kind == "nearest":
        around = scale / len(points) ** (1 / len(coordinates))
        inner: Evaluate = _closest(unit, values)
    else:
        inner = (_triangles if kind == "cubic" else _simplices)(file, unit, values)
    highest = (0, 0) if kind == "nearest" else (1, 1)
    why = (
        too_high("nearest")
        if kind == "nearest"
        else "a function through scattered points has first derivatives only; a grid has more"
    )
    evaluate = _Scaled(inner, low, scale)
    names = tuple(coordinates)
    return Interpolant(name, file, names, low - around, high + around, highest, why, evaluate, kind == "nearest", True)


@dataclass(frozen=True)
class _Scaled:
    """A function of coordinates that go from 0 to 1."""

    inner: Evaluate
    low: Array
    scale: Array

    def __call__(self, points: Array, orders: Index) -> Array:
        return self.inner((points - self.low) / self.scale, orders) / np.prod(self.scale ** np.array(orders))


@dataclass(frozen=True)
class _Closest:
    """The value of the closest point; ``tree`` is SciPy's `KDTree` of the points."""

    tree: Any
    values: Array

    def __call__(self, points: Array, orders: Index) -> Array:
        return self.values[self.tree.query(points)[1]]


def _closest(unit: Array, values: Array) -> Evaluate:
    from scipy.spatial import KDTree

    return _Closest(KDTree(unit), values)


def _triangulated(file: str, unit: Array) -> Any:
    from scipy.spatial import Delaunay, QhullError

    try:
        return Delaunay(unit)
    except QhullError:
        raise BadInput(f"{file} has too few points, or points on a line, to interpolate between") from None


@dataclass(frozen=True)
class _Simplices:
    """Linear between the corners of each simplex of SciPy's `Delaunay`; not a number outside."""

    mesh: Any
    values: Array

    def __call__(self, points: Array, orders: Index) -> Array:
        simplex, dim = self.mesh.find_simplex(points, tol=ONTO), points.shape[1]
        transform, corners = self.mesh.transform[simplex], self.values[self.mesh.simplices[simplex]]
        slopes = corners[:, :dim] - corners[:, dim:]
        if any(orders):
            result = np.sum(slopes * transform[:, :dim, orders.index(1)], axis=1)
        else:
            weights = np.einsum("pij,pj->pi", transform[:, :dim], points - transform[:, dim])
            result = corners[:, dim] + np.sum(slopes * weights, axis=1)
        return np.where(simplex < 0, np.nan, result)


def _simplices(file: str, unit: Array, values: Array) -> Evaluate:
    return _Simplices(_triangulated(file, unit), values)


@dataclass(frozen=True)
class _Triangles:
    """A cubic on each third of a triangle, ``surface``, SciPy's `CloughTocher2DInterpolator`; not a number outside."""

    mesh: Any
    surface: Any

    def __call__(self, points: Array, orders: Index) -> Array:
        triangle = self.mesh.find_simplex(points, tol=ONTO)
        corners = self.mesh.points[self.mesh.simplices[triangle]]
        lost = np.isnan(self.surface(points))[:, None]  # rounding may put points of an edge outside
        points = np.where(lost, points + 10 * ONTO * (corners.mean(axis=1) - points), points)
        if not any(orders):
            return self.surface(points)
        return np.where(triangle < 0, np.nan, _gradient(self.surface, points, corners)[:, orders.index(1)])


def _triangles(file: str, unit: Array, values: Array) -> Evaluate:
    from scipy.interpolate import CloughTocher2DInterpolator

    mesh = _triangulated(file, unit)
    return _Triangles(mesh, CloughTocher2DInterpolator(mesh, values))


def _gradient(surface: Callable, points: Array, corners: Array) -> Array:
    """Return the gradient of a function that is a cubic on each third of a triangle, (points, 2), exact but for rounding.

    On the way from a point to a corner of its third the function is a cubic of the way, whose slope four of its values give.

    Parameters
    ----------
    corners : of each point's triangle, (points, 3, 2).
    """
    centre = corners.mean(axis=1)
    edges = np.stack([corners[:, [1, 2]], corners[:, [2, 0]], corners[:, [0, 1]]], axis=1)
    areas = np.abs(_cross(edges[:, :, 0] - points[:, None], edges[:, :, 1] - points[:, None]))
    near = edges[np.arange(len(points)), np.argmin(areas, axis=1)]
    ways = np.concatenate([near, centre[:, None]], axis=1) - points[:, None]
    start = surface(points)[:, None]
    third, two_thirds, end = (surface(points[:, None] + part * ways) for part in (1 / 3, 2 / 3, 1 - 1e-12))
    slopes = -5.5 * start + 9 * third - 4.5 * two_thirds + end
    pairs = np.array([(0, 1), (1, 2), (2, 0)])
    best = pairs[np.argmax(np.abs(_cross(ways[:, pairs[:, 0]], ways[:, pairs[:, 1]])), axis=1)]
    rows = np.arange(len(points))[:, None]
    return np.linalg.solve(ways[rows, best], slopes[rows, best][..., None])[..., 0]


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
