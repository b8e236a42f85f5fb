"""The rows of a problem on scattered nodes: every formula at points of its own, more of them than unknowns.

Nothing decides which equation determines which unknown, as on a tensor grid: all rows are made small together, each divided by its
size (`pinn.judge.scattered.least_squares`). With more points than nodes, pressures need no grid of their own and nothing has to be
done at Neumann conditions, where square systems of scattered nodes were measured to have growing modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from pinn.judge.layout import Index, Numbering, refuse_partial
from pinn.judge.refusal import NoConvergence, NoReference
from pinn.judge.rows import Rows, constant_place
from pinn.judge.scattered.cloud import Array, Cloud
from pinn.judge.scattered.density import Density
from pinn.judge.scattered.space import Space
from pinn.judge.solve import starts
from pinn.judge.system import Discretised
from pinn.problem.formulas import calculus
from pinn.problem.formulas.sides import SIGNS, Beside, is_side, nudged, off_the_point
from pinn.problem.formulas.tree import Integral, Jet, Name, Node, Normal
from pinn.problem.problem import Problem, Residual
from pinn.problem.randomness import generator
from pinn.problem.shapes.regions import unit_points
from pinn.problem.sites import Sites, join

PER_NODE = 4
"""Points of the equations for a node of the domain."""

PER_SPACING = 2
"""Points of conditions on a rim along a spacing."""


class Scatter(Numbering):
    """The numbers of a problem on scattered nodes, the same for all unknowns; one `Cloud` for every side of the interfaces.

    Parameters
    ----------
    density : of the nodes. finer : by which its spacings are divided. degree : of the patches.
    """

    def __init__(self, density: Density, finer: float, degree: int):
        self.space, self.density, self.finer, self.degree = density.space, density, finer, degree
        space = self.space
        refuse_partial(space.problem)
        nodes = [space.nodes(self.spacing, side) for side in range(space.num_sides)]
        self.clouds = tuple(Cloud(each, degree) for each in nodes)
        self.starts = np.cumsum([0, *map(len, nodes)])
        self.num_nodes = int(self.starts[-1])
        super().__init__(space.problem, dict.fromkeys(space.problem.unknown_names, (self.num_nodes,)))

    def spacing(self, points: Array) -> Array:
        """Return the distance between nodes at points (points, axes)."""
        return self.density(points) / self.finer

    @property
    def nodes(self) -> Array:
        """All nodes, (nodes, axes)."""
        return np.concatenate([cloud.nodes for cloud in self.clouds])

    def matrix(self, index: Index, points: Array, sides: Array | None = None) -> sparse.csr_matrix:
        """Return the matrix (points, nodes) from nodal values to a space derivative at points (points, axes) on given sides."""
        if len(self.clouds) == 1:
            return self.clouds[0].matrix(index, points)
        sides = self.space.sides(points) if sides is None else sides
        order, parts = [], []
        for side, cloud in enumerate(self.clouds):
            own = np.flatnonzero(sides == side)
            empty = [sparse.csr_matrix((len(own), count)) for count in np.diff(self.starts)]
            parts.append(sparse.hstack([*empty[:side], cloud.matrix(index, points[own]), *empty[side + 1 :]], format="csr"))
            order.append(own)
        return sparse.vstack(parts, format="csr")[np.argsort(np.concatenate(order), kind="stable")]


@dataclass(frozen=True)
class Places:
    """Points of space with their normals where they lie on surfaces."""

    space: Space
    sites: Sites
    trees: tuple[Node, ...]

    @cached_property
    def points(self) -> Array:
        """The points in space, (points, axes)."""
        return self.sites.points[:, self.space.columns]

    def known(self, problem: Problem) -> dict[Node, Array]:
        """Return coordinates, coordinates beside the points, and normals, (points, 1) each."""
        columns: dict[Node, Array] = {Name(name): self.points[:, i] for i, name in enumerate(problem.space)}
        columns |= off_the_point(self.trees, self.sites, problem.names, problem.box)
        if self.sites.normals is not None:
            columns |= {Normal(name): self.sites.normals[:, axis] for axis, name in enumerate(problem.names)}
        return {leaf: column[:, None] for leaf, column in columns.items()}

    def matrix(self, layout: Scatter, jet: Jet, index: Index) -> sparse.csr_matrix:
        """Return the matrix (points, nodes) from nodal values to a space derivative of a jet, at its image."""
        if is_side(jet.image):
            return layout.matrix(index, self.points, self._sides(jet.image[0][0]))
        points = self.points.copy()
        for name, place in jet.image:
            points[:, self.space.problem.space.index(name)] = constant_place(place, name)
        return layout.matrix(index, points)

    def _sides(self, side: str) -> Array:
        assert self.sites.normals is not None
        beside = nudged(self.sites.points, SIGNS[side] * self.sites.normals, self.space.problem.box)
        return self.space.sides(beside[:, self.space.columns])


@dataclass(frozen=True)
class Block:
    """One formula at its points; see `pinn.judge.rows.Block`. ``leading``: the unknowns with the highest derivatives in it."""

    name: str
    tree: Node
    places: Places
    rows: Array
    leading: tuple[str, ...]
    kind: str
    weights: Array | None = None

    @property
    def unknown(self) -> str:
        """The first of the leading unknowns."""
        return self.leading[0]

    def points(self) -> Array:
        """Return the points in space, (points, axes)."""
        return self.places.points


def discretised(layout: Scatter) -> Discretised:
    """Return the system of all equations and of the conditions that hold at all times.

    Raises
    ------
    NoReference : a formula of a kind that is not covered; a second derivative in time, for which least squares at every step was
        measured to grow without bound. NoConvergence : nodes too far apart for a part of the domain.
    """
    if any(order > 1 for order in layout.time_order.values()):
        raise NoReference("waves are covered on boxes only: steps of least squares make them grow")
    return Discretised(layout, _stacked(layout, [*_equations(layout), *_conditions(layout)]))


def starting(layout: Scatter) -> Discretised | None:
    """Return the system of the starting values alone, None where the problem has none."""
    problem, parts = layout.problem, []
    for residual, piece in starts(problem):
        sites = _interior(layout)
        parts.append((residual, sites.take(piece.keeps(sites.points, problem.names))))
    return Discretised(layout, _stacked(layout, parts)) if parts else None


def _equations(layout: Scatter) -> list[tuple[Residual, Sites]]:
    """Every equation at those of the interior points where it holds."""
    problem, sites = layout.problem, _interior(layout)
    found, number = [], np.zeros(len(sites.points), int)
    for residual in problem.equations:
        if any(piece.fixed or piece.has_normals for piece in residual.region):
            raise NoReference(f"equation '{residual.name}' stands on a surface")
        holds = np.any([piece.keeps(sites.points, problem.names) for piece in residual.region], axis=0)
        number += holds
        found.append((residual, sites.take(holds)))
    if (number < len(problem.unknowns)).any():
        raise NoReference(f"{number.min()} equations for {len(problem.unknowns)} unknowns in a part of the domain")
    return found


def _interior(layout: Scatter) -> Sites:
    """Points of the domain around every node, the same for all equations."""
    space, nodes = layout.space, layout.nodes
    unit = unit_points("sobol", PER_NODE * len(nodes), space.dim, generator(0, "scattered rows")).reshape(len(nodes), PER_NODE, -1)
    points = (nodes[:, None] + layout.spacing(nodes)[:, None, None] * (unit - 0.5)).reshape(-1, space.dim)
    points = points[space.inside(points)]
    if not len(points):
        raise NoConvergence("no points in the domain")
    return Sites(space.full(points))


def _conditions(layout: Scatter) -> list[tuple[Residual, Sites]]:
    """Every condition that does not stand at a time, at points of its place."""
    found = []
    for residual in layout.problem.conditions:
        pieces = [piece for piece in residual.region if layout.problem.time not in dict(piece.fixed)]
        if pieces:
            sites = join([layout.space.on(piece, lambda points: layout.spacing(points) / PER_SPACING) for piece in pieces])
            found.append((residual, sites))
    return found


def _stacked(layout: Scatter, parts: Sequence[tuple[Residual, Sites]]) -> Rows:
    """Blocks one below the other."""
    blocks, row = [], 0
    for residual, sites in parts:
        leaves = calculus.leaves(residual.tree)
        if any(isinstance(leaf, Integral) for leaf in leaves):
            raise NoReference(f"'{residual.name}' holds an integral; on such domains they are not covered")
        if any(isinstance(leaf, Beside) and leaf.coordinate == layout.problem.time for leaf in leaves):
            raise NoReference(f"the place of a coefficient of '{residual.name}' changes with time")
        rows = row + np.arange(len(sites.points))
        places = Places(layout.space, sites, (residual.tree,))
        blocks.append(Block(residual.name, residual.tree, places, rows, leading(residual.tree, layout), residual.kind))
        row += len(rows)
    return Rows(tuple(blocks), layout.size, row)


def leading(tree: Node, layout: Scatter) -> tuple[str, ...]:
    """Return the unknowns with the highest space derivative in a formula."""
    orders: dict[str, int] = {}
    for jet in calculus.jets(tree):
        order = max(sum(layout.space_index(index)[0]) for index in jet.operator)
        orders[jet.unknown] = max(order, orders.get(jet.unknown, 0))
    highest = max(orders.values(), default=0)
    return tuple(name for name in layout.unknowns if orders.get(name) == highest)
