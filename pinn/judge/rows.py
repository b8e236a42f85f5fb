"""Which formula stands in which row: equations everywhere, conditions in place of the equation rows of what they determine.

Rules, in this order:
- an equation stands at all nodes of the unknown it belongs to, walls included;
- a condition on a wall replaces the row of the unknown it determines there; a second one for the same unknown on the same wall
  takes the next node inwards; of several that want one row (corners) the one of lowest derivative wins;
- periodicity, where the axis is not wrapped, is one row per derivative, alternately at the low and at the high wall;
- a condition without a free space coordinate (a gauge) is a row of its own, with a constant added to one equation as its
  unknown (the imbalance of the data, judged in `pinn.judge.balance`); on a line it stands at a wall that lacks a condition;
- an integral over the domain is a number of its own with the quadrature sum as its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse

from pinn.judge.grid import Array
from pinn.judge.layout import Index, Layout, space_order
from pinn.judge.refusal import NoReference
from pinn.judge.stencils import gauss_rule
from pinn.problem.formulas import calculus
from pinn.problem.formulas.tree import Integral, Jet, Name, Node, Normal, Number
from pinn.problem.problem import Problem, Residual
from pinn.problem.shapes.pieces import Piece
from pinn.problem.sites import tensor_points

if TYPE_CHECKING:
    from pinn.judge.system import AnyBlock

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Places:
    """Some points of a tensor grid: points along every space axis, and (tensor points,) which of them count."""

    axes: tuple[Array, ...]
    keep: Array

    def points(self) -> Array:
        """Return the kept points in space, (points, axes)."""
        return tensor_points(self.axes)[self.keep]

    def known(self, problem: Problem) -> dict[Node, Array]:
        """Return the coordinates there, (points, 1) each."""
        points = self.points()
        return {Name(name): points[:, [i]] for i, name in enumerate(problem.space)}

    def matrix(self, layout: Layout, jet: Jet, index: Index) -> sparse.csr_matrix:
        """Return the matrix (points, nodes) from nodal values of the jet's unknown to a space derivative, at its image."""
        fixed = {name: constant_place(place, name) for name, place in jet.image}
        axes = tuple(
            np.full(len(points), fixed[axis.name]) if axis.name in fixed else points
            for axis, points in zip(layout.grid, self.axes, strict=True)
        )
        return layout.matrix(jet.unknown, index, axes)[self.keep]


@dataclass(frozen=True)
class Block:
    """One formula at the points of a tensor grid.

    Attributes
    ----------
    name : of the residual.
    tree : scalar tree without normals.
    axes : points along every space axis.
    keep : (tensor points,) which of them count.
    rows : (kept points,) the row of the system that each stands in.
    weights : (kept points,) for the quadrature sum of an integral, which stands in a single row; else None.
    unknown : the unknown whose row it takes.
    kind : "equation", "condition", "gauge" or "integral".
    """

    name: str
    tree: Node
    axes: tuple[Array, ...]
    keep: Array
    rows: Array
    unknown: str
    kind: str
    weights: Array | None = None

    @property
    def places(self) -> Places:
        """Where it stands."""
        return Places(self.axes, self.keep)

    def points(self) -> Array:
        """Return the kept points in space, (points, axes)."""
        return self.places.points()


@dataclass(frozen=True)
class Rows:
    """All blocks of a system.

    Attributes
    ----------
    size, num_rows : numbers of unknowns and of rows.
    integrals : the column, and row, of each.
    slacks : places (rows, column) where a gauge adds its constant.
    """

    blocks: tuple[AnyBlock, ...]
    size: int
    num_rows: int
    integrals: dict[Integral, int] = field(default_factory=dict)
    slacks: tuple[tuple[Array, int], ...] = ()


@dataclass(frozen=True)
class _Wish:
    """A condition on its way to its rows: wall axis and side (0 low, 1 high), the unknown it determines."""

    name: str
    tree: Node
    unknown: str
    axis: int
    side: int
    piece: Piece


def assemble(layout: Layout) -> Rows:
    """Return every row of the discretised problem.

    Raises
    ------
    NoReference : a condition of a kind that is not covered, too many conditions, an equation on a part of the box only.
    """
    problem = layout.problem
    wishes, loose = _wall_conditions(layout)
    wishes, gauges = _place_loose(layout, wishes, loose)
    _refuse_too_many(layout, wishes)
    blocks = _compete(layout, list(_wall_blocks(layout, wishes)))
    blocks += [_equation_block(layout, u, blocks) for u in layout.unknowns]
    integrals: dict[Integral, int] = {}
    for tree in [block.tree for block in blocks] + [tree for _, tree, _ in gauges]:
        for leaf in sorted((leaf for leaf in calculus.leaves(tree) if isinstance(leaf, Integral)), key=repr):
            integrals.setdefault(leaf, layout.size + len(integrals))
    size = layout.size + len(integrals)
    integral_blocks = [block for leaf, row in integrals.items() for block in _integral_blocks(layout, leaf, row)]
    slacks = []
    own = {block.unknown: block.rows for block in blocks if block.kind == "equation"}
    for name, tree, unknown in gauges:
        axes = tuple(np.array([axis.low]) for axis in layout.grid)
        blocks.append(Block(name, tree, axes, np.ones(1, bool), np.array([size]), unknown, "gauge"))
        slacks.append((own[unknown], size))
        size += 1
    if not problem.equations:
        raise NoReference("there is no equation")
    return Rows((*integral_blocks, *blocks), size, size, integrals, tuple(slacks))


def with_normals(tree: Node, piece: Piece) -> Node:
    """Return the tree with the normal of a wall put in as numbers."""

    def leaf(node: Node) -> Node:
        if isinstance(node, Normal):
            axis, sign = piece.outward or ("", 0)
            return Number(float(sign)) if node.coordinate == axis else Number(0.0)
        return node

    return calculus.replace(tree, leaf)


def _wall_conditions(layout: Layout) -> tuple[list[_Wish], list[tuple[str, Node, Residual, list[int]]]]:
    """Conditions on walls, and those that name no wall (with the space axes along which they do not extend)."""
    problem, axes = layout.problem, [axis.name for axis in layout.grid]
    wishes: list[_Wish] = []
    loose: list[tuple[str, Node, Residual, list[int]]] = []
    seams: dict[tuple[int, str], int] = {}
    for residual in problem.conditions:
        for piece in residual.region:
            fixed = dict(piece.fixed)
            if problem.time in fixed:
                continue
            tree = with_normals(residual.tree, piece)
            if residual.kind == "periodic":
                axis = next(i for i, name in enumerate(axes) if name in fixed)
                if not layout.grid[axis].wrapped:
                    unknown = _determined(residual, tree)
                    turn = seams[axis, unknown] = seams.get((axis, unknown), -1) + 1
                    wishes.append(_Wish(residual.name, tree, unknown, axis, turn % 2, piece))
            elif piece.outward is not None:
                axis = axes.index(piece.outward[0])
                if layout.grid[axis].wrapped:
                    raise NoReference(f"'{residual.name}' stands on a wall of the periodic coordinate {axes[axis]}")
                wishes.append(_Wish(residual.name, tree, _determined(residual, tree), axis, int(piece.outward[1] > 0), piece))
            else:
                missing = [i for i, name in enumerate(axes) if name not in piece.free]
                loose.append((residual.name, tree, residual, missing))
    return wishes, loose


def _determined(residual: Residual, tree: Node) -> str:
    """The unknown a condition determines: the one on its left side, else the one with the highest derivative."""
    found = calculus.jets(tree)
    if not found:
        raise NoReference(f"'{residual.name}' holds no unknown on a wall where it stands")
    if residual.determines in {jet.unknown for jet in found}:
        return residual.determines
    return max(found, key=lambda jet: max(map(sum, jet.operator))).unknown


def _place_loose(layout: Layout, wishes: list[_Wish], loose) -> tuple[list[_Wish], list[tuple[str, Node, str]]]:
    """Give conditions that name no wall a wall that lacks one, where they extend along all other axes; the rest are gauges."""
    gauges = []
    for name, tree, residual, missing in loose:
        unknown = _determined(residual, tree)
        if len(layout.grid) == 0:
            raise NoReference(f"'{name}' is no starting value")
        if len(missing) == 1 and not layout.grid[missing[0]].wrapped and _wanted(layout, wishes, missing[0]) > 0:
            axis = missing[0]
            side = _bare_side(layout, wishes, axis, unknown, tree)
            wishes = [*wishes, _Wish(name, tree, unknown, axis, side, Piece(free=residual.region[0].free))]
        elif len(missing) == len(layout.grid):
            gauges.append((name, tree, unknown))
        else:
            raise NoReference(f"'{name}' holds on a part of the domain that is neither a wall nor a point")
    return wishes, gauges


def _wanted(layout: Layout, wishes: list[_Wish], axis: int) -> int:
    """How many conditions an axis still needs: the orders of all unknowns along it less the conditions there."""
    name = layout.grid[axis].name
    orders = sum(layout.problem.order(unknown, name) for unknown in layout.unknowns)
    return orders - len({(wish.name, wish.side, wish.unknown) for wish in wishes if wish.axis == axis})


def _bare_side(layout: Layout, wishes: list[_Wish], axis: int, unknown: str, tree: Node) -> int:
    """The side a looked-up value lies on, or the one with fewer conditions on the unknown."""
    coordinate = layout.grid[axis]
    places = {
        place.value
        for jet in calculus.jets(tree)
        for name, place in jet.image
        if name == coordinate.name and isinstance(place, Number)
    }
    if len(places) == 1:
        (place,) = places
        if min(abs(place - coordinate.low), abs(place - coordinate.high)) < TOLERANCE * (coordinate.high - coordinate.low):
            return int(abs(place - coordinate.high) < abs(place - coordinate.low))
    sides = [sum(wish.axis == axis and wish.side == side and wish.unknown == unknown for wish in wishes) for side in (0, 1)]
    return int(sides[1] < sides[0])


def _refuse_too_many(layout: Layout, wishes: list[_Wish]) -> None:
    """An extra condition would silently eat an equation row and answer another problem."""
    problem = layout.problem
    for axis, coordinate in enumerate(layout.grid):
        given = {(wish.name, wish.side, wish.unknown) for wish in wishes if wish.axis == axis and wish.piece.cut is None}
        orders = sum(problem.order(unknown, coordinate.name) for unknown in layout.unknowns)
        if len(given) > orders:
            raise NoReference(
                f"{len(given)} conditions on the walls across {coordinate.name}, but the equations have only {orders} "
                "derivatives along it"
            )


def _wall_blocks(layout: Layout, wishes: list[_Wish]) -> Iterator[Block]:
    """Conditions with their rows, highest derivative first."""
    depths: dict[tuple[int, int, str], Array] = {}
    blocks = []
    for wish in sorted(wishes, key=lambda wish: space_order(wish.tree, layout.problem)):
        own, shape = layout.nodes[wish.unknown], layout.shape[wish.unknown]
        axis = layout.grid[wish.axis]
        wall = np.array([axis.high if wish.side else axis.low])
        axes = tuple(wall if i == wish.axis else nodes for i, nodes in enumerate(own))
        keep = _kept(layout.problem, wish.piece, axes, wish.name)
        depth = depths.setdefault((wish.axis, wish.side, wish.unknown), np.zeros(len(keep), int))
        if depth.max(initial=0) >= shape[wish.axis]:
            raise NoReference(f"more conditions on {wish.unknown} than nodes along {axis.name}")
        numbers = np.moveaxis(np.arange(layout.count[wish.unknown]).reshape(shape), wish.axis, 0)
        numbers = numbers.reshape(shape[wish.axis], -1)
        chosen = numbers[-1 - depth if wish.side else depth, np.arange(numbers.shape[1])]
        depth += keep
        blocks.append(
            Block(wish.name, wish.tree, axes, keep, layout.own_row(wish.unknown) + chosen[keep], wish.unknown, "condition")
        )
    return reversed(blocks)


def _compete(layout: Layout, blocks: list[Block]) -> list[Block]:
    """Where several conditions want one row the last one keeps it."""
    owner = np.full(layout.size, -1)
    for number, block in enumerate(blocks):
        owner[block.rows] = number
    kept = []
    for number, block in enumerate(blocks):
        mine = owner[block.rows] == number
        keep = block.keep.copy()
        keep[np.flatnonzero(keep)[~mine]] = False
        if mine.any():
            kept.append(replace(block, keep=keep, rows=block.rows[mine]))
    return kept


def _equation_block(layout: Layout, unknown: str, conditions: list[Block]) -> Block:
    equation = layout.problem.equations[layout.pair[unknown]]
    axes, count = layout.nodes[unknown], layout.count[unknown]
    holds = np.zeros(count, bool)
    for piece in equation.region:
        if piece.fixed:
            raise NoReference(f"equation '{equation.name}' stands on a wall")
        holds |= _kept(layout.problem, piece, axes, equation.name)
    taken = np.zeros(count, bool)
    for block in conditions:
        if block.unknown == unknown:
            taken[block.rows - layout.own_row(unknown)] = True
    if not (holds | taken).all():
        raise NoReference(f"equation '{equation.name}' holds on a part of the box only; domains other than boxes are not covered")
    rows = layout.own_row(unknown) + np.flatnonzero(~taken)
    return Block(equation.name, equation.tree, axes, ~taken, rows, unknown, "equation")


def _kept(problem: Problem, piece: Piece, axes: tuple[Array, ...], name: str) -> Array:
    """Which tensor points the cut of a piece keeps."""
    space = tensor_points(axes)
    if piece.cut is None:
        return np.ones(len(space), bool)
    if problem.time in calculus.names(piece.cut):
        raise NoReference(f"the place of '{name}' changes with time")
    return piece.keeps(space, [name for name in problem.names if name != problem.time])


def _integral_blocks(layout: Layout, leaf: Integral, row: int) -> Iterator[Block]:
    """The quadrature sums of an integral over the whole space box, or over whole faces of it."""
    integrand = _in_own_coordinates(layout.problem, leaf)
    faces = [Piece()] if leaf.part is None else leaf.part.pieces
    rules = [_rule(layout, axis) for axis in layout.grid]
    first = next(iter(sorted(jet.unknown for jet in calculus.jets(integrand))), layout.unknowns[0])
    for face in faces:
        fixed, weights = dict(face.fixed), np.ones(1)
        for axis, (_, weight) in zip(layout.grid, rules, strict=True):
            if axis.name not in fixed:
                weights = np.kron(weights, weight / (axis.high - axis.low) if leaf.mean else weight)
        pairs = zip(layout.grid, rules, strict=True)
        axes = tuple(np.array([fixed[axis.name]]) if axis.name in fixed else places for axis, (places, _) in pairs)
        count, tree = len(weights), with_normals(integrand, face)
        yield Block("integral", tree, axes, np.ones(count, bool), np.full(count, row), first, "integral", weights)


def _in_own_coordinates(problem: Problem, leaf: Integral) -> Node:
    """The integrand in the problem's own coordinates, if the integral runs over the whole space box or whole faces of it."""
    bound = {name: (low, high) for name, low, high in leaf.over}
    meaning = {name: name.partition("'")[0] for name in bound}
    for jet in calculus.jets(leaf.integrand):
        meaning.update({place.name: name for name, place in jet.image if isinstance(place, Name) and place.name in bound})
    ranges = {meaning[name]: limits for name, limits in bound.items()}
    whole = {c.name: (Number(c.low), Number(c.high)) for c in problem.coordinates if c.name in problem.space}
    if ranges != whole or any(isinstance(inner, Integral) for inner in calculus.leaves(leaf.integrand)):
        raise NoReference("an integral over less than the whole space domain is not covered")
    if leaf.part is not None and not (leaf.part.pieces and all(piece.outward and not piece.is_cut for piece in leaf.part.pieces)):
        raise NoReference(f"an integral over '{leaf.part.text}', which is neither the whole domain nor whole faces, is not covered")

    def own(node: Node) -> Node:
        if isinstance(node, Name):
            return Name(meaning.get(node.name, node.name))
        if isinstance(node, Jet):
            image = tuple(
                (name, place) for name, place in node.image if not (isinstance(place, Name) and meaning.get(place.name) == name)
            )
            return Jet(node.unknown, node.operator, image)
        return node

    return calculus.replace(leaf.integrand, own)


def _rule(layout: Layout, axis) -> tuple[Array, Array]:
    if layout.accuracy is None and not axis.wrapped:
        return gauss_rule(np.array([axis.low, axis.high]), len(axis.nodes))
    return gauss_rule(axis.edges, max(2, (layout.accuracy or 8) // 2))


def constant_place(place: Node, coordinate: str) -> float:
    """Return the constant position of a looked-up value along a coordinate, or raise `NoReference`."""
    if isinstance(place, Number):
        return place.value
    raise NoReference(f"a value is looked up at {coordinate} = {place}, a place that moves; only constant places are covered")
