"""Points on pieces of the coordinate box.

A piece pins some coordinates, extends along its free ones and may be cut by a selector. Points have exactly the pinned values
and lie strictly inside along the free coordinates: faces are open, edges and corners are never sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites, join

if TYPE_CHECKING:
    from pinn.problem.problem import Coordinate, Problem
    from pinn.problem.shapes.pieces import Piece

Rule = Literal["sobol", "latin_hypercube", "uniform", "grid", "chebyshev"]
"""How points are placed: a scrambled Sobol sequence, one point per row and column of a fine raster, independently at random,
at the centres of a regular tensor grid, at a tensor grid of Chebyshev nodes (dense towards the faces)."""

GRIDS = ("grid", "chebyshev")
LARGEST_GRID = 16
"""Coordinates of a tensor grid at most; beyond, most of them would have one value whatever the number of points."""

SOBOL_DIMENSIONS = 21201
"""Coordinates for which direction numbers are known (Joe & Kuo 2008, SIAM J. Sci. Comput. 30, 2635)."""

Keep = Callable[[np.ndarray], np.ndarray]
"""Points (points, dim) to booleans (points,): which belong to the region."""

MOST_SAMPLES = 4096
"""Points in all pieces of a region together that a check looks at, or one in each where there are more pieces."""

NUM_TRIALS = 10_000
"""Points on which the share kept by a selector is measured."""


def draw(
    piece: Piece,
    coordinates: Sequence[Coordinate],
    num: int,
    rule: Rule,
    rng: np.random.Generator,
    keep: Keep | None = None,
) -> Sites:
    """Return points on a piece.

    Parameters
    ----------
    piece : what is pinned and what is free; a coordinate that is neither does not matter and gets its middle.
    coordinates : all coordinates of the problem in order, with their ranges.
    num : number of points; the rules ``grid`` and ``chebyshev`` give at most as many, a piece without free coordinates gives one.
    keep : selector that cuts the piece.

    Returns
    -------
    Sites with points (points, dim) and, on a wall, its outward unit normals (points, dim), zero along time.

    Raises
    ------
    BadInput : the selector keeps none of 10000 trial points.
    """
    dim = num_params(piece)
    if dim == 0:
        points = place(piece, coordinates, np.empty((1, 0)))
        if keep is not None and not keep(points).any():
            raise BadInput("the selector keeps nothing: its only point does not belong to it")
    elif keep is None:
        points = place(piece, coordinates, unit_points(rule, num, dim, rng))
    else:
        points = _kept(piece, coordinates, num, rule, rng, keep)
    return Sites(points, _normals(piece, coordinates, points))


def num_params(piece: Piece) -> int:
    """Return how many numbers make a point of a piece."""
    return len(piece.free) + (0 if piece.surface is None else piece.surface.num_params)


def draw_region(
    pieces: Sequence[Piece], coordinates: Sequence[Coordinate], counts: Sequence[int], rule: Rule, rng: np.random.Generator
) -> Sites:
    """Return ``counts`` points on the pieces of a region, see `draw`; those that get one point only share one sequence.

    A box in many dimensions has many faces with one point each, and single points of many sequences would not be even.
    """
    names = [coordinate.name for coordinate in coordinates]
    lone = [count == 1 and bool(piece.free) and not piece.is_cut for piece, count in zip(pieces, counts, strict=True)]
    shared = rule not in GRIDS and sum(lone) > 1
    unit = iter(unit_points(rule, sum(lone), max(len(piece.free) for piece in pieces), rng)) if shared else iter(())
    parts = []
    for piece, count, is_lone in zip(pieces, counts, lone, strict=True):
        if shared and is_lone:
            points = place(piece, coordinates, next(unit)[None, : len(piece.free)])
            parts.append(Sites(points, _normals(piece, coordinates, points)))
        else:
            keep = partial(piece.keeps, coordinates=names) if piece.is_cut else None
            parts.append(draw(piece, coordinates, count, rule, rng, keep))
    return join(parts)


def sample(problem: Problem, piece: Piece, name: str, num: int) -> np.ndarray:
    """Return random points of a piece, (points, dim), a little off its edges; fewer than ``num`` where its cut drops some.

    The draw is a function of ``name`` and ``num`` alone. Coordinates that are neither pinned nor free are drawn, too.
    """
    low, high = problem.box.T
    points = low + (high - low) * generator(0, f"sample/{name}").uniform(0.001, 0.999, (num, problem.dim))
    for coordinate, value in piece.fixed:
        points[:, problem.names.index(coordinate)] = value
    if piece.surface is not None:
        unit = generator(0, f"sample surface/{name}").random((num, piece.surface.num_params))
        piece.put(points, unit, problem.names)
    return points[piece.keeps(points, problem.names)]


def sample_region(problem: Problem, pieces: Sequence[Piece], name: str, num: int) -> Sites:
    """Return such points of several pieces with their normals: ``num`` in each, fewer where the pieces are many."""
    each = max(1, min(num, MOST_SAMPLES // len(pieces)))
    parts = [sample(problem, piece, name, each) for piece in pieces]
    normals = [piece.normals(part, problem.names) for piece, part in zip(pieces, parts, strict=True)]
    return Sites(np.concatenate(parts), np.concatenate(normals))


def measure(piece: Piece, coordinates: Sequence[Coordinate], keep: Keep | None = None) -> float:
    """Return the length, area or volume of a piece along its free coordinates; 1 for a single point, infinity when too large."""
    free = frozenset(piece.free)
    lengths = [coordinate.high - coordinate.low for coordinate in coordinates if coordinate.name in free]
    surface = 1.0 if piece.surface is None else piece.surface.measure
    return math.prod(lengths) * surface * (1.0 if keep is None else share(piece, coordinates, keep))


def share(piece: Piece, coordinates: Sequence[Coordinate], keep: Keep) -> float:
    """Return the part of a piece that a selector keeps, measured on the same 10000 trial points every time."""
    unit = unit_points("latin_hypercube", NUM_TRIALS, num_params(piece), generator(0, "trial points"))
    return float(np.mean(keep(place(piece, coordinates, unit))))


def unit_points(rule: Rule, num: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return points of the closed unit cube, (points, dim); exactly ``num`` unless the rule is a tensor grid.

    In more than 21201 dimensions a Latin hypercube takes the place of the Sobol sequence.

    Raises
    ------
    BadInput : a tensor grid in more than 16 dimensions.
    """
    if rule in GRIDS and dim > LARGEST_GRID:
        raise BadInput(f"the rule '{rule}' is for at most {LARGEST_GRID} coordinates, here are {dim}; take points=sobol")
    if rule == "uniform":
        return rng.random((num, dim))
    if rule == "latin_hypercube" or dim > SOBOL_DIMENSIONS:
        cells = np.stack([rng.permutation(num) for _ in range(dim)], axis=1)
        return (cells + rng.random((num, dim))) / num
    if rule == "sobol":
        from scipy.stats import qmc  # takes a second to import

        return qmc.Sobol(dim, scramble=True, rng=rng).random_base2(max(num - 1, 0).bit_length())[:num]
    axes = [(np.arange(count) + 0.5) / count for count in _counts(num, dim)]
    if rule == "chebyshev":
        axes = [(1 - np.cos(np.pi * axis)) / 2 for axis in axes]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)


def _counts(num: int, dim: int) -> list[int]:
    """Return nearly equal numbers of points per axis whose product is as large as possible, but at most ``num``."""
    base = max(round(num ** (1 / dim)), 1)
    counts = [base if base**dim <= num else base - 1] * dim
    for axis in range(dim):
        if np.prod(counts) // counts[axis] * (counts[axis] + 1) <= num:
            counts[axis] += 1
    return counts


def place(piece: Piece, coordinates: Sequence[Coordinate], unit: np.ndarray) -> np.ndarray:
    """Return the points of the box (points, dim) that belong to points of the unit cube (points, `num_params`)."""
    axes = {coordinate.name: axis for axis, coordinate in enumerate(coordinates)}
    low = np.array([coordinate.low for coordinate in coordinates], float)
    high = np.array([coordinate.high for coordinate in coordinates], float)
    points = np.tile(low + (high - low) / 2, (len(unit), 1))
    free = [axes[name] for name in piece.free]
    low, high = low[free], high[free]
    along = unit[:, : len(free)]
    placed = low + (high - low) * along
    for column, axis in enumerate(free):
        parameter = coordinates[axis].parameter
        if parameter is not None and parameter.distribution:
            placed[:, column] = parameter.place(along[:, column])
    points[:, free] = np.clip(placed, np.nextafter(low, high), np.nextafter(high, low))
    for name, value in piece.fixed:
        points[:, axes[name]] = value
    if piece.surface is not None:
        piece.put(points, unit[:, len(free) :], list(axes))
    return points


def _kept(
    piece: Piece, coordinates: Sequence[Coordinate], num: int, rule: Rule, rng: np.random.Generator, keep: Keep
) -> np.ndarray:
    """Return about ``num`` points (exactly for random rules) by drawing more and dropping those that are cut off."""
    part = share(piece, coordinates, keep)
    if part == 0:
        raise BadInput(f"the selector keeps nothing: 0 of {NUM_TRIALS} trial points belong to it")
    wanted = round(num / part)
    while True:
        points = place(piece, coordinates, unit_points(rule, wanted, num_params(piece), rng))
        points = points[keep(points)]
        if len(points) >= num or (rule in GRIDS and len(points) > 0):
            return points[:num] if rule not in GRIDS else points
        wanted += wanted // 4 + 1


def _normals(piece: Piece, coordinates: Sequence[Coordinate], points: np.ndarray) -> np.ndarray | None:
    return piece.normals(points, [coordinate.name for coordinate in coordinates]) if piece.has_normals else None
