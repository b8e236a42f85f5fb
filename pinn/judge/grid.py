"""Tensor grids over the space box: smoothly mapped, jittered, adapted or Chebyshev nodes, one axis at a time.

A map takes [0, 1] smoothly and increasing onto itself. Because the same map serves every number of cells, a grid with
twice the cells contains all nodes of the first: nested grids, which is what an observed order needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pinn.judge.stencils import chebyshev_nodes, difference_matrix
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

Array = np.ndarray
Map = Callable[[Array], Array]

JITTER = 0.6


@dataclass(frozen=True)
class Axis:
    """Nodes along one space coordinate.

    Attributes
    ----------
    nodes : rising (points,), both ends included; on a wrapped axis without the last end.
    wrapped : the axis closes on itself and stencils run across the seam.
    """

    name: str
    nodes: Array
    low: float
    high: float
    wrapped: bool = False

    @property
    def period(self) -> float | None:
        """Length of a wrapped axis, else None."""
        return self.high - self.low if self.wrapped else None

    @property
    def edges(self) -> Array:
        """Nodes with both ends."""
        return np.append(self.nodes, self.high) if self.wrapped else self.nodes


Grid = tuple[Axis, ...]


def straight(s: Array) -> Array:
    """Return s itself: the map of evenly spaced nodes."""
    return s


def jittered(seed: int, cells: int, name: str) -> Map:
    """Return s + 0.6 sin(2 pi s + phase)/(2 pi), scaled to [0, 1], with a random phase for every number of cells.

    No two such grids share nodes with each other or with training points.
    """
    phase = 2 * np.pi * generator(seed, f"jitter {name}", cells).random()

    def warp(s: Array) -> Array:
        return s + JITTER * (np.sin(2 * np.pi * s + phase) - np.sin(phase)) / (2 * np.pi)

    return warp


def make_grid(
    problem: Problem, cells: int, maps: Mapping[str, Map] | None = None, *, wrap: bool = True, chebyshev: bool = False
) -> Grid:
    """Return a grid with ``cells`` cells along every space coordinate.

    Parameters
    ----------
    maps : map by coordinate, default evenly spaced.
    wrap : close periodic axes on themselves; otherwise their periodicity is imposed by conditions.
    chebyshev : Chebyshev nodes on all axes that are not wrapped.
    """
    axes = []
    for coordinate in problem.coordinates:
        if coordinate.name not in problem.space:
            continue
        low, high = coordinate.low, coordinate.high
        wrapped = wrap and coordinate.name in problem.periodic
        if chebyshev and not wrapped:
            nodes = chebyshev_nodes(cells, low, high)
        else:
            warp = (maps or {}).get(coordinate.name, straight)
            nodes = low + (high - low) * warp(np.arange(cells + 1) / cells)
            nodes[0], nodes[-1] = low, high
        axes.append(Axis(coordinate.name, nodes[:-1] if wrapped else nodes, low, high, wrapped))
    return tuple(axes)


def trapezoid_weights(nodes: Array, period: float | None = None) -> Array:
    """Return weights (nodes,) of the trapezoidal rule on rising nodes (nodes,), sum 1; one node weighs 1."""
    if len(nodes) == 1:
        return np.ones(1)
    gaps = np.diff(nodes if period is None else np.append(nodes, nodes[0] + period))
    weights = np.append(gaps, 0) + np.append(0, gaps) if period is None else gaps + np.roll(gaps, 1)
    return weights / weights.sum()


def equidistributing(nodes: Array, slope: Array, bend: Array) -> Map:
    """Return a smooth map that puts small cells where a solution is steep or bent.

    Parameters
    ----------
    nodes : positions in [0, 1], rising, both ends included.
    slope, bend : size of first and second derivative there (largest over everything else), by the unit of [0, 1].

    Four fifths of the nodes follow slope + sqrt(bend); monitor and logarithm of the spacing are smoothed, and the map is
    a spline in s, so that grids of any number of cells nest.
    """
    from scipy.interpolate import CubicSpline, PchipInterpolator

    fine = np.linspace(0, 1, 2001)
    monitor = np.interp(fine, nodes, slope / max(slope.max(), 1e-300) + np.sqrt(bend / max(bend.max(), 1e-300)))
    monitor = _smoothed(monitor, 60)
    density = 0.2 + 0.8 * monitor / np.trapezoid(monitor, fine)
    share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(fine))])
    place = PchipInterpolator(share / share[-1], fine)(fine)
    spacing = np.exp(_smoothed(np.log(np.maximum(np.gradient(place, fine), 1e-6)), 60))
    place = np.concatenate([[0.0], np.cumsum((spacing[1:] + spacing[:-1]) / 2)])
    spline = CubicSpline(fine, place / place[-1])
    return lambda s: np.asarray(spline(s))


def _smoothed(values: Array, width: int) -> Array:
    """Three passes of a moving mean, ends reflected."""
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    for _ in range(3):
        values = np.convolve(np.pad(values, width, mode="reflect"), kernel, mode="valid")
    return values


def interpolate(
    values: Array, from_axes: tuple[Array, ...], to_axes: tuple[Array, ...], width: int, periods: tuple[float | None, ...] = ()
) -> Array:
    """Return values on the tensor grid ``to_axes`` from those on ``from_axes``, ``width``-point polynomials along each axis."""
    periods = periods or (None,) * len(from_axes)
    for axis, (have, want, period) in enumerate(zip(from_axes, to_axes, periods, strict=True)):
        if len(have) == len(want) and np.array_equal(have, want):
            continue
        if len(have) == 1:
            values = np.repeat(values, len(want), axis=axis)
            continue
        matrix = difference_matrix(have, 0, min(width, len(have)), at=want, period=period)
        moved = np.moveaxis(values, axis, 0)
        flat = matrix @ moved.reshape(len(have), -1)
        values = np.moveaxis(flat.reshape(len(want), *moved.shape[1:]), 0, axis)
    return values
