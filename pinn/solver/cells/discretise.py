"""A problem on a cover: points in every cell, what its residuals read there and elsewhere, and what holds neighbours together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pinn.field.cells.basis import LegendreFeatures, chebyshev_points
from pinn.field.cells.cell_field import CellField
from pinn.problem.formulas.calculus import is_linear, names
from pinn.problem.formulas.sides import NUDGE, nudged
from pinn.problem.problem import Problem, Request, Residual
from pinn.problem.randomness import generator
from pinn.problem.shapes.pieces import Piece, columns_of
from pinn.problem.shapes.regions import unit_points
from pinn.problem.shapes.surfaces import Surface
from pinn.problem.sites import Sites
from pinn.problem.terms import Image, Slope, Term, make_term
from pinn.solver.cells.edges import joined

EVEN_POINTS, MOVING_POINTS = 8192, 2048
"""Of a curved surface, and of one that moves at every time; those of cells are among them."""

DENSE, DENSE_IN_THREE = 3, 2
"""Points of a cell that the rim cuts, for each one of other cells, along each of up to two axes that decide the part, or three."""

SURFACE_POINTS = 2
"""Points of a curved surface in a cell, for each point that a face of the cell has."""

Array = np.ndarray
Index = tuple[int, ...]


class Side(NamedTuple):
    """Points as one cell sees them: in its own coordinates, (points, dim)."""

    cell: int
    local: Array


@dataclass(frozen=True)
class Trace:
    """Derivatives at points that count as unknowns of their own, so that rows of one cell can speak of another.

    Attributes
    ----------
    sides : the cells that have these points: two at a face, one elsewhere. Each must agree with the trace.
    request : which derivatives. weights : of each, (len(request),).
    modes : from values to what the trace keeps, (modes, points), or for each column (len(request), modes, points); None keeps all.
    """

    sides: tuple[Side, ...]
    request: Request
    weights: Array
    modes: Array | None = None

    @property
    def size(self) -> int:
        """How many numbers it is: (len(request), points or modes), these fastest."""
        return (len(self.sides[0].local) if self.modes is None else self.modes.shape[-2]) * len(self.request)


@dataclass(frozen=True)
class Given:
    """Values that derivatives of one cell must have: those of ``request`` at points of it.

    Attributes
    ----------
    weights : of each column. target : (points, len(request)).
    """

    side: Side
    request: Request
    weights: Array
    target: Array


class Patch(NamedTuple):
    """Points of one image that belong to one cell.

    Attributes
    ----------
    positions : which points of the image, (patch,). trace : number of the trace that stands for them; None in the row's cell.
    sums : where the trace keeps of each column what it adds to each row, the sizes of these sums, (columns, rows).
    """

    side: Side
    positions: Array
    trace: int | None
    sums: Array | None = None


class Group(NamedTuple):
    """Consecutive rows of a condition that belong to one cell, and its points at every image."""

    cell: int
    rows: slice
    patches: tuple[tuple[Patch, ...], ...]


class Condition(NamedTuple):
    """A residual at points of the cells that it touches, cell by cell."""

    term: Term
    groups: tuple[Group, ...]


def continuous(problem: Problem, axis: int) -> Request:
    """Return what is continuous across a face normal to an axis: each unknown and its derivatives below the equations' order."""
    zero, found = (0,) * problem.dim, []
    for unknown in problem.unknown_names:
        for order in range(problem.order(unknown, problem.names[axis])):
            found.append((unknown, ((*zero[:axis], order, *zero[axis + 1 :]),)))
    return tuple(found)


def faces(problem: Problem, field: CellField, per_axis: int, weight: float, is_void: Array) -> list[Trace]:
    """Return what holds the cells together: the Legendre coefficients of derivatives on faces.

    A derivative counts by the smaller cell's size to the power of its order. Two cells with no point in the domain are free.
    """
    found, modes = [], _modes(problem.dim - 1, per_axis, field.basis.features.degree)
    for face in joined(problem, field.cover):
        request = continuous(problem, face.axis)
        if not request or (is_void[face.left] and is_void[face.right]):
            continue
        points = place(face.box, per_axis)
        there = points.copy()
        there[:, face.axis] += face.shift
        half = min(field.cover.halves[cell, face.axis] for cell in (face.left, face.right))
        weights = np.array([weight * half ** operator[0][face.axis] for _, operator in request])
        sides = [Side(cell, field.local(cell, at)) for cell, at in ((face.left, points), (face.right, there))]
        found.append(Trace(tuple(sides), request, weights, modes))
    return found


def _modes(dim: int, per_axis: int, degree: int) -> Array:
    """Return the matrix from values at Chebyshev points (points,) to Legendre coefficients, with the same sum of squares."""
    points = chebyshev_points([per_axis] * dim)
    values = LegendreFeatures(dim, min(degree, per_axis - 1)).at(points, (0,) * dim)
    return np.linalg.pinv(values) * np.sqrt(len(points))


def given(problem: Problem, field: CellField, axis: int, values: Any, weight: float) -> list[Given]:
    """Return the values that derivatives have at the lower end of an axis, which ``values(points, request)`` tells.

    Where the domain moves they are those inside it: what is outside now may be inside next, and continues nothing.
    """
    request, found = continuous(problem, axis), []
    for cell, box in enumerate(field.cover.boxes):
        if not request or box[axis, 0] > field.cover.domain[axis, 0]:
            continue
        part = box.copy()
        part[axis] = box[axis, 0]
        points = place(part, field.basis.per_axis)
        if problem.is_moving:
            points = points[problem.inside(points)]
        weights = np.array([weight * field.cover.halves[cell, axis] ** operator[0][axis] for _, operator in request])
        found.append(Given(Side(cell, field.local(cell, points)), request, weights, values(points, request)))
    return found


def place(box: Array, per_axis: int | Sequence[int]) -> Array:
    """Return Chebyshev points of a box (dim, 2), which may have no thickness along some axes, so many along each axis."""
    extends = box[:, 1] > box[:, 0]
    counts = np.broadcast_to(per_axis, len(box))[extends].tolist()
    local = np.zeros((math.prod(counts), len(box)))
    local[:, extends] = chebyshev_points(counts)
    center, half = box.mean(axis=1), (box[:, 1] - box[:, 0]) / 2
    return np.clip(center + half * local, box[:, 0], box[:, 1])


class Conditions:
    """Residuals at points of each piece of their regions in each cell.

    Attributes
    ----------
    found : those that have points. traces : what they read in other cells, numbered from ``first``.
    """

    def __init__(self, problem: Problem, residuals: Sequence[Residual], field: CellField, per_axis: int, first: int, weight: float):
        self._problem, self._field, self._per_axis, self._weight = problem, field, per_axis, weight
        self._first = first
        self.traces: list[Trace] = []
        self.found = [each for each in map(self._condition, residuals) if each.groups]

    def cut(self, equation: Residual, cells: Array) -> Condition:
        """Return an equation at points of cells of which a part belongs to its region; they are dense, since many are dropped."""
        crossed = names(equation.region[0].cut) if equation.region[0].cut else set()
        dense = DENSE if len(crossed) < 3 else DENSE_IN_THREE
        counts = [self._per_axis * (dense if name in crossed else 1) for name in self._problem.names]
        return self._condition(equation, set(cells.tolist()), counts)

    def _condition(self, residual: Residual, cells: set[int] | None = None, counts: Sequence[int] = ()) -> Condition:
        points, normals, owned, count = [], [], [], 0
        for piece in residual.region:
            for cell, part in self._in_cells(piece, cells, counts or [self._per_axis] * self._problem.dim):
                points.append(part)
                normals.append(piece.normals(part, self._problem.names))
                owned.append((cell, slice(count, count + len(part))))
                count += len(part)
        if not points:
            points, normals = [np.empty((0, self._problem.dim))], [np.empty((0, self._problem.dim))]
        term = make_term(self._problem, residual, Sites(np.concatenate(points), np.concatenate(normals)))
        sums = integral_slopes(term) if is_linear(residual.tree) else {}
        return Condition(term, tuple(self._group(term, cell, rows, sums) for cell, rows in owned))

    def _group(self, term: Term, cell: int, rows: slice, sums: Mapping[int, Array]) -> Group:
        images = [self._patches(term, image, cell, rows, sums.get(number)) for number, image in enumerate(term.images)]
        return Group(cell, rows, tuple(map(tuple, images)))

    def _patches(self, term: Term, image: Image, cell: int, rows: slice, slopes: Array | None) -> list[Patch]:
        """Return where the rows' points of an image lie; points of other cells become traces.

        Parameters
        ----------
        slopes : of a linear residual by the points of an integral, (columns, rows, nodes), so that traces keep sums of them.
        """
        cover, points, side = self._field.cover, image.sites.points, image.sites.side
        if points is term.sites.points and side is None:
            return [Patch(Side(cell, self._field.local(cell, points[rows])), np.arange(rows.start, rows.stop), None)]
        each = len(points) // term.num_rows
        positions = np.arange(rows.start * each, rows.stop * each)
        seen = points[positions] if side is None else nudged(points[positions], side[positions], cover.domain)
        inside = np.all((seen >= cover.boxes[cell, :, 0]) & (seen <= cover.boxes[cell, :, 1]), axis=1)
        owners = np.where(inside, cell, cover.owner(seen))
        found = []
        for owner in np.unique(owners):
            own = positions[owners == owner]
            there = Side(int(owner), self._field.local(int(owner), points[own]))
            if owner == cell:
                found.append(Patch(there, own, None))
            elif slopes is None:
                found.append(Patch(there, own, self._trace(there, image.request)))
            else:
                modes, sums = _summing(slopes.reshape(len(slopes), -1)[:, own], own // each - rows.start, rows.stop - rows.start)
                found.append(Patch(there, own, self._trace(there, image.request, modes), sums))
        return found

    def _trace(self, side: Side, request: Request, modes: Array | None = None) -> int:
        scales = [max(self._field.scale(index)[side.cell] for index in operator) for _, operator in request]
        self.traces.append(Trace((side,), request, self._weight / np.array(scales), modes))
        return self._first + len(self.traces) - 1

    def _in_cells(self, piece: Piece, cells: set[int] | None, counts: Sequence[int]) -> list[tuple[int, Array]]:
        """Return the points of a piece in every cell that it touches; what lies between two cells belongs to the upper one."""
        if piece.surface is not None:
            return self._on_surface(piece, piece.surface)
        problem, cover, fixed = self._problem, self._field.cover, dict(piece.fixed)
        found = []
        for cell, box in enumerate(cover.boxes):
            part, touches = box.copy(), cells is None or cell in cells
            for axis, name in enumerate(problem.names):
                if name in fixed or name not in piece.free:
                    value = fixed.get(name, problem.box[axis].mean())
                    low, high = box[axis]
                    is_below = piece.is_wall and piece.outward == (name, 1)
                    inside = low < value <= high if is_below else low <= value < high
                    touches &= bool(inside or value == high == cover.domain[axis, 1])
                    part[axis] = value
            if touches:
                points = place(part, counts)
                points = points[piece.keeps(points, problem.names)]
                found += [(cell, points)] if len(points) else []
        return found

    def _on_surface(self, piece: Piece, surface: Surface) -> list[tuple[int, Array]]:
        """Return the same of a piece of a curved surface: some of many even points of it in every cell that it crosses."""
        problem, cover, columns = self._problem, self._field.cover, columns_of(surface.names, self._problem.names)
        others = [axis for axis in range(problem.dim) if axis not in columns]
        most, found = SURFACE_POINTS * self._per_axis ** max(1, len(columns) - 1), []
        rims: dict[bytes, tuple[Array, Array]] = {}
        for cell, box in enumerate(cover.boxes):
            part = box.copy()
            part[columns] = box[columns].mean(axis=1)[:, None]
            free = place(part, self._per_axis) if others else np.zeros((1, problem.dim))
            parts = []
            for at, members in _alike(free, columns_of(surface.moves, problem.names)):
                if at.tobytes() not in rims:
                    rims[at.tobytes()] = _even(surface, piece.sign, at)
                even, within = rims[at.tobytes()]
                here = even[((box[columns, 0] <= within) & (within < box[columns, 1])).all(axis=1)]
                if len(here):
                    here = here[np.unique(np.linspace(0, len(here) - 1, most).round().astype(int))]
                    points = np.repeat(members, len(here), axis=0)
                    points[:, columns] = np.tile(here, (len(members), 1))
                    parts.append(points[piece.keeps(points, problem.names)])
            points = np.concatenate(parts) if parts else np.empty((0, problem.dim))
            found += [(cell, points)] if len(points) else []
        return found


def _alike(points: Array, columns: Sequence[int]) -> Iterator[tuple[Array, Array]]:
    """Yield what some columns of points have in common, (columns,), and the points that do; all of them where there are none."""
    if not columns:
        yield np.empty(0), points
        return
    states, numbers = np.unique(points[:, columns], axis=0, return_inverse=True)
    for number, state in enumerate(states):
        yield state, points[numbers.reshape(-1) == number]


def _even(surface: Surface, sign: int, at: Array) -> tuple[Array, Array]:
    """Return even points of a surface, for one value of what moves it, and the same a little within the body."""
    count = MOVING_POINTS if surface.moves else EVEN_POINTS
    unit = (np.arange(count)[:, None] + 0.5) / count
    if surface.num_params > 1:
        unit = unit_points("sobol", count, surface.num_params, generator(0, "surface"))
    at = np.broadcast_to(at, (len(unit), len(at)))
    even = surface.place(unit, at)
    return even, even - NUDGE * surface.measure * sign * surface.normals(even, at)


def integral_slopes(term: Term) -> dict[int, Array]:
    """Return the slopes of a linear residual by the jets inside its integrals, by image, (columns, rows, nodes)."""
    _, slopes = term.linearise([np.zeros((len(image.sites.points), len(image.request))) for image in term.images])
    found: dict[int, Array] = {}
    for slope in slopes:
        image = term.images[slope.image]
        each = len(image.sites.points) // max(term.num_rows, 1)
        if each > 1:
            table = found.setdefault(slope.image, np.zeros((len(image.request), term.num_rows, each)))
            table[slope.column] = slope.values
    return found


def _summing(slopes: Array, rows: Array, num: int) -> tuple[Array, Array]:
    """Return modes (columns, rows, points) that sum points (points,) of each row, and the sizes of these sums (columns, rows)."""
    modes = slopes[:, None] * (rows == np.arange(num)[:, None])
    sizes = np.abs(modes).sum(axis=2)
    return modes / np.where(sizes > 0, sizes, 1.0)[:, :, None], sizes


class Interior:
    """Equations that read unknowns at their own points only, at the basis' grid in every cell.

    Attributes
    ----------
    terms : one for each equation, rows cell by cell. holds : by equation in which cells it holds everywhere, (cells, 1), 1 or 0;
        1 for all of them. cut : by equation the cells of which a part belongs to its region, which have points of their own.
    inside : which points of every cell belong to the region of some equation, (cells, points); None where all do.
    shares : how many of them, (cells,).
    """

    def __init__(self, problem: Problem, equations: Sequence[Residual], field: CellField):
        self.field = field
        points = field.grid_points()
        inwards = (field.cover.centers[:, None] - points).reshape(-1, problem.dim)
        sites = Sites(points.reshape(-1, problem.dim), side=inwards if problem.interfaces else None)
        self.terms = [make_term(problem, equation, sites) for equation in equations]
        inside: list[Any] = [self._inside(problem, equation, sites) for equation in equations]
        self.inside = None if not inside or any(each is None for each in inside) else np.any(inside, axis=0)
        self.shares = np.ones(field.cover.num_cells) if self.inside is None else self.inside.mean(axis=1)
        self.holds: list[Any] = [1.0 if each is None else each.all(axis=1)[:, None].astype(float) for each in inside]
        self.cut = [np.zeros(0, int) if each is None else np.flatnonzero(each.any(axis=1) & ~each.all(axis=1)) for each in inside]

    def _inside(self, problem: Problem, equation: Residual, sites: Sites) -> Array | None:
        """Return which points of every cell belong to the region of an equation, (cells, points); None where all do."""
        if any(piece.cut is None for piece in equation.region):
            return None
        seen = sites.points if sites.side is None else nudged(sites.points, sites.side, problem.box)
        kept: Array = np.array([piece.keeps(seen, problem.names) for piece in equation.region])
        return self._by_cell(kept.any(axis=0))

    def linearise(self, coefficients: Array) -> list[tuple[Array, dict[tuple[int, Index], Array]]]:
        """Return for each equation the residual (cells, points) and its slopes by (unknown, index in own coordinates), the same."""
        found = []
        for term, holds in zip(self.terms, self.holds, strict=True):
            residual, slopes = term.linearise([self._jets(coefficients, term)])
            by_index = {key: holds * values for key, values in self._by_index(term, slopes).items()}
            found.append((holds * self._by_cell(residual), by_index))
        return found

    def residuals(self, coefficients: Array) -> list[Array]:
        """Return the residual of each equation, (cells, points)."""
        pairs = zip(self.terms, self.holds, strict=True)
        return [holds * self._by_cell(term.evaluate([self._jets(coefficients, term)])) for term, holds in pairs]

    def _jets(self, coefficients: Array, term: Term) -> Array:
        request = term.images[0].request if term.images else ()
        columns = [self.field.on_grid(coefficients, unknown, operator).reshape(-1) for unknown, operator in request]
        return np.stack(columns, axis=1) if columns else np.empty((term.num_rows, 0))

    def _by_cell(self, values: Any) -> Array:
        cells = self.field.cover.num_cells
        return np.broadcast_to(values, (cells * len(self.field.basis.points),)).reshape(cells, -1)

    def _by_index(self, term: Term, slopes: Sequence[Slope]) -> dict[tuple[int, Index], Array]:
        found: dict[tuple[int, Index], Array] = {}
        for slope in slopes:
            unknown, operator = term.images[slope.image].request[slope.column]
            values = self._by_cell(slope.values)
            for index in operator:
                key = self.field.unknowns.index(unknown), index
                found[key] = found.get(key, 0.0) + self.field.scale(index)[:, None] * values
        return found
