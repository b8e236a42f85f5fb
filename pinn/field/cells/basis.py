"""Functions on the cube [−1, 1]^dim that the unknowns of every cell are sums of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.polynomial import legendre, polynomial

from pinn.problem.sites import tensor_points

Array = np.ndarray
Index = tuple[int, ...]

TOGETHER = 2**17
"""Numbers that are held together while a sum of functions is taken at many points."""

BESIDE = 1e-12
"""Places in a cell that are this near to a point of its grid or to its rim are there: they differ by rounding only."""

NEGLIGIBLE = 1e-12
"""A random feature whose part independent of the others is smaller than this, relative to the largest, is left out."""


def chebyshev(num: int) -> Array:
    """Return ``num`` Chebyshev points strictly inside [−1, 1], ascending."""
    return -np.cos(np.pi * (np.arange(num) + 0.5) / num)


def chebyshev_points(counts: Sequence[int]) -> Array:
    """Return the tensor grid of Chebyshev points (points, axes), last axis fastest."""
    return tensor_points([chebyshev(count) for count in counts])


class Features(Protocol):
    """Functions on the cube: ``size`` of them, as good as the polynomials up to a ``degree``."""

    size: int
    degree: int

    def at(self, points: Array, index: Index) -> Array:
        """Return a derivative of all functions at points (points, dim) of the cube, (points, size)."""

    def combined(self, coefficients: Array, points: Array, index: Index) -> Array:
        """Return a derivative of a sum of functions with coefficients (size,), (points,)."""


class LegendreFeatures:
    """Products of Legendre polynomials, √(2n+1) P_n along each axis, orthonormal in the mean over the cube.

    Their degrees n along the axes have a root of the sum of squares of at most ``degree``: in a cube that resolves functions alike
    in all directions (Trefethen 2017, Proc. Amer. Math. Soc. 145, 4837). As a network this is a functional-link network (Pao &
    Takefuji 1992, Computer 25, 76): one layer of features that are fixed and need no random numbers.
    """

    def __init__(self, dim: int, degree: int):
        degrees = [each for each in itertools.product(range(degree + 1), repeat=dim) if _length(each) <= degree]
        self.degrees = np.array(sorted(degrees, key=lambda each: (_length(each), each))).reshape(len(degrees), dim)
        self.size, self.degree = len(degrees), degree
        self._factors = np.sqrt(2 * np.arange(degree + 1) + 1)

    def at(self, points: Array, index: Index) -> Array:
        """Return a derivative of all functions at points (points, dim) of the cube, (points, size)."""
        result = np.ones((len(points), self.size))
        for axis, order in enumerate(index):
            result *= self._along(points[:, axis], order)[:, self.degrees[:, axis]]
        return result

    def combined(self, coefficients: Array, points: Array, index: Index) -> Array:
        """Return a derivative of a sum of functions with coefficients (size,), (points,), summed along one axis after the other."""
        count, dim = len(self._factors), self.degrees.shape[1]
        every = np.zeros((count,) * dim)
        every[tuple(self.degrees.T)] = coefficients
        result, at_once = np.empty(len(points)), max(1, TOGETHER // count ** (dim - 1))
        for start in range(0, len(points), at_once):
            part = points[start : start + at_once]
            sums = self._along(part[:, 0], index[0]) @ every.reshape(count, -1)
            for axis in range(1, dim):
                sums = np.einsum("pk,pkr->pr", self._along(part[:, axis], index[axis]), sums.reshape(len(part), count, -1))
            result[start : start + at_once] = sums[:, 0]
        return result

    def _along(self, places: Array, order: int) -> Array:
        """Return the derivatives of all polynomials of one variable, (points, degree + 1)."""
        count = len(self._factors)
        coefficients = legendre.legder(np.eye(count), order) if order < count else np.zeros((1, count))
        return legendre.legvander(places, len(coefficients) - 1) @ coefficients * self._factors


def _length(degrees: Sequence[int]) -> float:
    return math.sqrt(sum(degree**2 for degree in degrees))


class RandomFeatures:
    """Functions ψ_j(ξ) = Σ_k T_kj σ(W_k·ξ + b_k), W and b uniform in ±radius, orthonormal in the mean over given points.

    Random features depend on each other almost to rounding; T = P R⁻¹ from the QR decomposition with pivoting of their values
    makes them orthonormal and drops those that add nothing.
    """

    def __init__(self, points: Array, width: int, activation: str, radius: float, rng: np.random.Generator):
        from scipy.linalg import qr, solve_triangular

        dim = points.shape[1]
        self._activation = activation
        self._weights, self._biases = rng.uniform(-radius, radius, (dim, width)), rng.uniform(-radius, radius, width)
        values = self._raw(points, (0,) * dim) / np.sqrt(len(points))
        triangle, order = qr(values, mode="r", pivoting=True, check_finite=False)
        diagonal = np.abs(np.diag(triangle))
        self.size = int(np.count_nonzero(diagonal > NEGLIGIBLE * diagonal[0]))
        kept = order[: self.size]
        self._weights, self._biases = self._weights[:, kept], self._biases[kept]
        degrees = range(1, round(len(points) ** (1 / dim)))
        self.degree = max((each for each in degrees if LegendreFeatures(dim, each).size <= self.size), default=1)
        self._combine = solve_triangular(triangle[: self.size, : self.size], np.eye(self.size))

    def at(self, points: Array, index: Index) -> Array:
        """Return a derivative of all functions at points (points, dim) of the cube, (points, size)."""
        return self._raw(points, index) @ self._combine

    def combined(self, coefficients: Array, points: Array, index: Index) -> Array:
        """Return a derivative of a sum of functions with coefficients (size,), (points,)."""
        return self._raw(points, index) @ (self._combine @ coefficients)

    def _raw(self, points: Array, index: Index) -> Array:
        outer = activation_derivative(self._activation, sum(index), points @ self._weights + self._biases)
        for axis, order in enumerate(index):
            if order:
                outer = outer * self._weights[axis] ** order
        return outer


def activation_derivative(name: str, order: int, z: Array) -> Array:
    """Return the derivative of ``sin`` or ``tanh`` of any order; the latter is a polynomial in tanh."""
    if name == "sin":
        return np.sin(z + order * np.pi / 2)
    coefficients = np.array([0.0, 1.0])
    for _ in range(order):
        coefficients = polynomial.polymul(polynomial.polyder(coefficients), [1.0, 0.0, -1.0])
    return polynomial.polyval(np.tanh(z), coefficients)


class Basis:
    """Features with their derivatives at a tensor grid of Chebyshev points, computed once: all cells share them.

    Attributes
    ----------
    features : the functions. per_axis : points of the grid along each axis. points : the grid, (points, dim).
    """

    def __init__(self, features: Features, dim: int, per_axis: int):
        self.features, self.dim, self.per_axis = features, dim, per_axis
        self.points = chebyshev_points([per_axis] * dim)
        self._nodes = np.concatenate([[-1.0], chebyshev(per_axis), [1.0]])
        self._tables: dict[Index, Array] = {}
        self._on_nodes: dict[tuple[bytes, Index], Array] = {}

    @property
    def size(self) -> int:
        """Number of functions."""
        return self.features.size

    def at(self, points: Array, index: Index) -> Array:
        """Return a derivative of all functions at points (points, dim) of the cube, (points, size).

        Those at lines and faces of the grid are kept: all cells share them.
        """
        if points is self.points:
            return self.table(index)
        if len(points) > len(self.points) // self.per_axis or not (self.snapped(points) == points).all():
            return self.features.at(points, index)
        key = points.tobytes(), index
        if key not in self._on_nodes:
            self._on_nodes[key] = self.features.at(points, index)
        return self._on_nodes[key]

    def snapped(self, points: Array) -> Array:
        """Return points of the cube (points, dim) with places beside those of the grid moved there."""
        after = np.clip(np.searchsorted(self._nodes, points), 1, len(self._nodes) - 1)
        nearest = np.where(
            points - self._nodes[after - 1] < self._nodes[after] - points, self._nodes[after - 1], self._nodes[after]
        )
        return np.where(np.abs(points - nearest) < BESIDE, nearest, points)

    def table(self, index: Index) -> Array:
        """Return a derivative of all functions at the grid, (points, size)."""
        if index not in self._tables:
            self._tables[index] = np.asfortranarray(self.features.at(self.points, index))
        return self._tables[index]

    def fit(self, values: Array) -> Array:
        """Return the coefficients (…, size) of least squares for values (…, points) on the grid."""
        return values @ self._inverse.T

    @cached_property
    def _inverse(self) -> Array:
        return np.linalg.pinv(self.table((0,) * self.dim), rcond=1e-14)

    def tails(self, values: Array) -> Array:
        """Return how much of functions the features leave out, along each axis, (…, dim), from values (…, points) on the grid.

        The Chebyshev coefficients of each third of the degrees have a sum of squares; where these fall geometrically from the
        second third to the last, the rest is what they would be in one more third. Modes count for each axis by the share that
        their degree along it has.
        """
        first = values.ndim - 1
        modes = values.reshape(*values.shape[:-1], *[self.per_axis] * self.dim)
        for axis in range(first, modes.ndim):
            modes = np.moveaxis(np.tensordot(modes, self._spectrum, axes=(axis, 1)), -1, axis)
        squares = modes.reshape(values.shape) ** 2
        middle, last, shares = self._bands
        high = squares @ last
        ratio = np.sqrt(high / np.maximum(squares @ middle, np.maximum(high, np.finfo(float).tiny)))
        return np.sqrt(squares @ (last[:, None] * shares)) * ratio[..., None]

    @cached_property
    def _bands(self) -> tuple[Array, Array, Array]:
        """Which modes (points,) are in the second third of the degrees and in the last, and their shares (points, dim)."""
        degrees = np.stack(np.meshgrid(*[np.arange(self.per_axis)] * self.dim, indexing="ij"), axis=-1).reshape(-1, self.dim)
        total = np.sqrt((degrees**2).sum(axis=1))
        third = self.features.degree / 3
        shares = (degrees / np.maximum(total, 1)[:, None]) ** 2
        return ((total > third) & (total <= 2 * third)).astype(float), (total > 2 * third).astype(float), shares

    @cached_property
    def _spectrum(self) -> Array:
        return np.linalg.inv(np.polynomial.chebyshev.chebvander(chebyshev(self.per_axis), self.per_axis - 1))
