"""Does a grid see the data of a problem: sources, coefficients, starting values and wall values?

A source between the nodes and a wave whose period is a cell look like nothing at the nodes, on all nested grids at once. So
every residual, with its unknowns held constant, is compared at many places off the nodes with what the nodes know of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pinn.judge.grid import Array, interpolate
from pinn.judge.rows import with_normals
from pinn.judge.system import System
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Integral, Jet, Name, Node
from pinn.problem.problem import Residual
from pinn.problem.randomness import generator
from pinn.problem.shapes.pieces import Piece
from pinn.problem.sites import tensor_points

DENSE = {0: 1, 1: 16_384, 2: 512, 3: 64}
BLOCKS = 4
RELEVANT = 1e-2
UNRESOLVED, MASS = 0.5, 0.5


class Data(NamedTuple):
    """What a grid sees of the data of one residual.

    ``weight`` is the root mean square of the data over the size of all terms; ``unresolved`` the part of it that the nodes
    do not know (pointwise; jumps have such a part on every grid); ``mass`` the mean square as the nodes know it over the true
    one; ``missing`` what the nodes miss in the mean over large blocks, over the size of all terms.
    """

    name: str
    weight: float
    unresolved: float
    mass: float
    missing: float

    @property
    def seen(self) -> bool:
        """Whether the grid sees the data, or they are too small to matter as a whole."""
        return self.weight < RELEVANT or (self.unresolved <= UNRESOLVED and MASS <= self.mass <= 1 / MASS)


def data_seen(system: System, times: Array, sizes: Mapping[Jet, float]) -> list[Data]:
    """Return what a grid and its ``times`` see of the data of every residual.

    Parameters
    ----------
    sizes : root mean square of every jet of the solution (`pinn.judge.resolution.jet_sizes`).

    Each residual is looked at twice, with all unknowns zero (sources, values) and at their sizes (coefficients).
    """
    found = []
    for residual in system.problem.residuals:
        for piece in residual.region:
            tree = with_normals(residual.tree, piece)
            if any(isinstance(leaf, Name) for leaf in calculus.leaves(tree)):
                found += _looks(system, times, residual, tree, piece, sizes)
    return found


def unseen_data(system: System, times: Array, sizes: Mapping[Jet, float]) -> tuple[str, float]:
    """Return which data a grid does not see (nothing where it sees all), and the largest share missing in the mean."""
    found = data_seen(system, times, sizes)
    words = [
        f"the data of '{data.name}' change between the nodes of the finest grid ({len(system.grid[0].edges) - 1} cells per axis)"
        if system.grid
        else f"the data of '{data.name}' change between the steps ({len(times) - 1} of them)"
        for data in found
        if not data.seen
    ]
    return (words[0] if words else ""), max((data.missing for data in found), default=0.0)


def term_size(system: System, times: Array, tree: Node, sizes: Mapping[Jet, float]) -> float:
    """Return the root mean square of the largest term of a formula over the box, unknowns at their sizes."""
    axes = (times, *[axis.edges for axis in system.grid])
    with np.errstate(all="ignore"):
        source = _root_mean_square(_frozen(system, tree, Piece(), axes, {}))
        terms = _slopes(system, tree, axes, sizes)
    return max([source, *terms])


def jets_of(system: System) -> set[Jet]:
    """Return all jets of the problem's residuals."""
    return {leaf for residual in system.problem.residuals for leaf in calculus.leaves(residual.tree) if isinstance(leaf, Jet)}


def _looks(system: System, times: Array, residual: Residual, tree: Node, piece: Piece, sizes: Mapping[Jet, float]) -> list[Data]:
    fixed, time = dict(piece.fixed), system.problem.time
    axes = [np.array([fixed[axis.name]]) if axis.name in fixed else axis.edges for axis in system.grid]
    nodes = (np.array([fixed[time]]) if time in fixed else times, *axes)
    count = DENSE.get(sum(len(axis) > 1 for axis in nodes), 16)
    rng = generator(0, f"data {residual.name}", count)
    dense = tuple(_between(axis, count, rng) for axis in nodes)
    found = []
    with np.errstate(all="ignore"):
        terms = sum(_slopes(system, tree, nodes, sizes))
        for values in ({}, sizes):
            here, truth = _frozen(system, tree, piece, nodes, values), _frozen(system, tree, piece, dense, values)
            if np.isfinite(here).all() and np.isfinite(truth).all():
                found.append(_compared(residual.name, here, truth, nodes, dense, terms))
    return found


def _compared(name: str, here: Array, truth: Array, nodes: tuple[Array, ...], dense: tuple[Array, ...], terms: float) -> Data:
    size = max(_root_mean_square(truth), _root_mean_square(here))
    if size == 0:
        return Data(name, 0.0, 0.0, 1.0, 0.0)
    missing = _block_means(truth - interpolate(here, nodes, dense, 8))
    return Data(
        name,
        size / max(terms, size),
        _root_mean_square(truth - interpolate(here, nodes, dense, 4)) / size,
        float(np.mean(np.square(interpolate(here, nodes, dense, 2))) / max(float(np.mean(np.square(truth))), 1e-300)),
        _root_mean_square(missing) / max(terms, size),
    )


def _between(axis: Array, count: int, rng: np.random.Generator) -> Array:
    """``count`` places along an axis, one at random in each of as many equal parts: no gap is wider than two of them."""
    if len(axis) == 1:
        return axis
    return axis[0] + (axis[-1] - axis[0]) * (np.arange(count) + rng.random(count)) / count


def _block_means(values: Array) -> Array:
    """Means over a few equal blocks along every axis."""
    for axis, length in enumerate(values.shape):
        blocks = BLOCKS if length % BLOCKS == 0 else 1
        shape = (*values.shape[:axis], blocks, length // blocks, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis=axis + 1)
    return values


def _frozen(system: System, tree: Node, piece: Piece, axes: tuple[Array, ...], sizes: Mapping[Jet, float]) -> Array:
    """A formula with constant unknowns on a tensor grid, (times, *space); zero where the piece does not reach."""
    points = tensor_points(axes[1:])
    (value,) = Program([tree])(_known(system, tree, points, axes[0], sizes))
    value = np.broadcast_to(value, (len(points), len(axes[0])))
    if piece.cut is not None:
        value = np.where(piece.keeps(points, system.problem.space)[:, None], value, 0.0)
    return value.T.reshape(tuple(map(len, axes)))


def _slopes(system: System, tree: Node, axes: tuple[Array, ...], sizes: Mapping[Jet, float]) -> list[float]:
    """The size of every jet's term: root mean square of the formula's slope by the jet, times the size of the jet."""
    jets = [leaf for leaf in calculus.leaves(tree) if isinstance(leaf, Jet)]
    points = tensor_points(axes[1:])
    slopes = Program([calculus.partial(tree, jet) for jet in jets])(_known(system, tree, points, axes[0], sizes))
    found = [_root_mean_square(np.asarray(slope)) * sizes.get(jet, 0.0) for slope, jet in zip(slopes, jets, strict=True)]
    return [size for size in found if math.isfinite(size)]


def _known(system: System, tree: Node, points: Array, times: Array, sizes: Mapping[Jet, float]) -> dict[Node, Array]:
    known: dict[Node, Array] = {Name(axis.name): points[:, [i]] for i, axis in enumerate(system.grid)}
    if system.problem.time:
        known[Name(system.problem.time)] = times
    for leaf in calculus.leaves(tree):
        if isinstance(leaf, (Jet, Integral)):
            known[leaf] = np.full((1, 1), sizes.get(leaf, 0.0) if isinstance(leaf, Jet) else 0.0)
    return known


def _root_mean_square(values: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0
