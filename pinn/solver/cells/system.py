"""The rows of a problem on a cover, and the Gauss-Newton step for the coefficients of all cells at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pinn.field.cells.cell_field import CellField
from pinn.problem.formulas.calculus import jets, leaves
from pinn.problem.formulas.tree import Integral, Operator
from pinn.problem.jumps import Jump
from pinn.problem.problem import Problem, Residual
from pinn.problem.shapes.pieces import holds_at
from pinn.solver.cells.discretise import Condition, Conditions, Given, Group, Interior, Patch, Side, Trace, faces
from pinn.solver.cells.edges import JUMPING, empty, touches
from pinn.solver.cells.elimination import Eliminated, Rows, bisection, eliminate, joined, split, stacked, substitute
from pinn.solver.cells.factor import Factor, Factors
from pinn.solver.cells.normal import least

Array = np.ndarray

WEIGHT = 10.0
"""Of what holds cells together, against equations whose coefficients in a cell's own coordinates add up to one."""

IN_SPACE = 3
"""Coordinates from which on normal equations of what is left of the cells are tried: fronts are large, and cost most."""

Slopes = dict[tuple[int, tuple[int, ...]], Array]
"""Of an equation by an unknown's derivative, (cells, points)."""


class Step(NamedTuple):
    """A Gauss-Newton step: the change of the coefficients (cells, unknowns, features), and the norm of the rows before it."""

    move: Array
    norm: float


OWN = -1
"""Number of the block of a cell's own coefficients; traces are the others."""


class Condensed(NamedTuple):
    """Cells whose own coefficients have been eliminated.

    Attributes
    ----------
    cells : the coefficients of each in terms of traces. left : what each says about these. total : sum of its squares before.
    touched : by how many cells each trace is touched, of all that there are.
    """

    cells: list[Eliminated]
    left: list[Rows]
    total: float
    touched: Mapping[int, int]

    def move(self, known: Mapping[int, Array]) -> Array:
        """Return the coefficients of the cells, (cells, unknowns · features), for known traces."""
        return np.stack([each.solve(known) for each in self.cells])


class System:
    """The rows r(c) of a problem on a cover.

    Every equation and condition is divided by the largest sum of its coefficients' sizes in a cell, in the cell's own coordinates,
    so that rows of small and large cells count alike.

    Parameters
    ----------
    field : cover and features. residuals : equations and conditions that hold here, without periodic ones, which the cover knows.
    known : further values to take. weights : of squares, by residual; without it conditions have `WEIGHT`².
    jumps : edges at which conditions differ, of which cells there take little notice.
    factors : of rows that were met before, for problems that are linear; others' rows do not come again.

    Attributes
    ----------
    sizes : number of unknowns of a cell, under `OWN`, and of every trace under its number.
    """

    def __init__(
        self,
        problem: Problem,
        field: CellField,
        residuals: Sequence[Residual],
        known: Sequence[Given] = (),
        weights: Mapping[str, float] | None = None,
        jumps: Sequence[Jump] = (),
        *,
        factors: Factors | None = None,
    ):
        self.problem, self.field, count = problem, field, field.basis.per_axis
        self.factors = factors if problem.is_linear else None
        usual = {row.name: 1.0 if row.kind == "equation" else WEIGHT**2 for row in residuals}
        self._jumps = jumps
        self._given_weights = {name: math.sqrt(weight) for name, weight in (usual | dict(weights or {})).items()}
        inside = [row for row in residuals if row.kind == "equation" and is_local(row)]
        self.interior = Interior(problem, inside, field)
        joints = faces(problem, field, count, WEIGHT, self.interior.shares == 0)
        others = Conditions(problem, [row for row in residuals if row not in inside], field, count, len(joints), WEIGHT)
        cut = [others.cut(row, cells) for row, cells in zip(inside, self.interior.cut, strict=True) if len(cells)]
        self.conditions, self.traces = [*others.found, *cut], [*joints, *others.traces]
        self._num_cut = len(cut)
        self._tables: dict[tuple[int, Operator], Array] = {}
        self._given = [(each.side.cell, self._matrix(each.side, each), (each.target * each.weights).T.ravel()) for each in known]
        self._sides: list[list[tuple[int, Array]]] = [[] for _ in range(field.cover.num_cells)]
        for number, trace in enumerate(self.traces):
            for side in trace.sides:
                self._sides[side.cell].append((number, self._matrix(side, trace, trace.modes)))
        self._absent = absent(problem, field)
        self.sizes = {OWN: field.shape[1] * field.shape[2], **{number: trace.size for number, trace in enumerate(self.traces)}}
        self._weights: list[Array] = []
        self._factors: list[Array] = []

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        inside = sum(term.num_rows for term in self.interior.terms) + sum(each.term.num_rows for each in self.conditions)
        joining = sum(trace.size for trace in self.traces if len(trace.sides) > 1)
        return inside + joining + sum(len(right) for _, _, right in self._given)

    def step(self, coefficients: Array) -> Step:
        """Return the step that makes the linearised rows least."""
        found = self.condensed(coefficients, np.arange(self.field.cover.num_cells))
        return Step(found.move(self._traces_of(found.left)).reshape(coefficients.shape), math.sqrt(found.total))

    def _traces_of(self, left: Sequence[Rows]) -> Mapping[int, Array]:
        """Return the traces that make least what cells' rows say of them, in space by normal equations where these can be had.

        Where rows come again in the next slab their reflections are known, and faster.
        """
        tree, comes_again = bisection(self.field.cover.centers), self.factors is not None and self.problem.time is not None
        by_squares = None if self.problem.dim < IN_SPACE or comes_again else least(left, self.sizes, tree)
        return by_squares or substitute(eliminate(left, self.sizes, tree, factors=self.factors), self.sizes)

    def condensed(self, coefficients: Array, cells: Array) -> Condensed:
        """Return some cells' own coefficients in terms of the traces, and what their linearised rows say about these."""
        with np.errstate(all="ignore"):
            equations, traces = self._equations(coefficients), self._values(coefficients)
        lines = self._lines(coefficients, traces, cells)
        eliminated, left, total = [], [], 0.0
        for cell in cells:
            rights = [residual[cell] for residual, _ in equations]
            touched = tuple(dict.fromkeys(block for each in lines[cell] for block in each.blocks if block != OWN))
            alone = [each for each in lines[cell] if each.blocks == (OWN,)]
            mixed = [each for each in lines[cell] if each.blocks != (OWN,)]
            right, other = np.concatenate([*rights, joined(alone)]), joined(mixed)
            total += float(right @ right) + float(other @ other)
            factor = self._factor(cell, [slopes for _, slopes in equations], alone, mixed, touched)
            found, rest = split((OWN,), touched, factor, right, other)
            eliminated.append(found)
            left.append(rest)
        touched_by = Counter(block for cell, rows in enumerate(lines) for block in self._touched(cell, rows))
        return Condensed(eliminated, left, total, touched_by)

    def _factor(
        self, cell: int, equations: Sequence[Slopes], alone: Sequence[Rows], mixed: Sequence[Rows], touched: tuple[int, ...]
    ) -> Factor:
        """Return the factor of a cell's rows: those of its equations, others in its own unknowns, and those that touch traces."""
        points, own = len(self.field.basis.points), self.sizes[OWN]

        def made() -> Factor:
            height = len(equations) * points
            matrix = np.zeros((height + sum(len(each.right) for each in alone), own), order="F")
            for number, slopes in enumerate(equations):
                self._write(matrix[number * points : (number + 1) * points], slopes, cell)
            matrix[height:] = stacked(alone, (OWN,), self.sizes)
            return Factor(matrix, stacked(mixed, (OWN, *touched), self.sizes), own)

        if self.factors is None:
            return made()
        blocks = {block: number for number, block in enumerate((OWN, *touched))}
        kind = (
            tuple(tuple(slopes) for slopes in equations),
            tuple((len(each.right), *(blocks[block] for block in each.blocks)) for each in (*alone, *mixed)),
            tuple(self.sizes[block] for block in touched),
        )
        parts = [values[cell] for slopes in equations for values in slopes.values()]
        return self.factors.of_cell(kind, [*parts, *(each.matrix for each in (*alone, *mixed))], made)

    def _write(self, rows: Array, slopes: Slopes, cell: int) -> None:
        """Add the rows of an equation at the points of a cell (points, unknowns · features)."""
        size = self.field.basis.size
        for (unknown, index), values in slopes.items():
            rows[:, unknown * size : (unknown + 1) * size] += values[cell, :, None] * self.field.basis.table(index)

    def _touched(self, cell: int, rows: Sequence[Rows]) -> set[int]:
        """Return the traces that rows of a cell touch."""
        return {number for number, _ in self._sides[cell]} | {block for each in rows for block in each.blocks if block != OWN}

    def misfit(self, coefficients: Array) -> float:
        """Return the norm of the equations' rows, infinite where they are not finite."""
        with np.errstate(all="ignore"):
            try:
                return math.sqrt(sum(float(np.sum(residual**2)) for residual, _ in self._equations(coefficients)))
            except FloatingPointError:
                return math.inf

    def norm(self, coefficients: Array) -> float:
        """Return |r| with the weights of the last step."""
        traces = self._values(coefficients)
        parts = [weight[:, None] * each for weight, each in zip(self._weights, self.interior.residuals(coefficients), strict=True)]
        for condition, factors in zip(self.conditions, self._factors, strict=True):
            parts.append(factors * condition.term.evaluate(self._jets(condition, coefficients)))
        for cell, sides in enumerate(self._sides):
            parts += [traces[number] - matrix @ coefficients[cell].ravel() for number, matrix in sides]
        parts += [right - matrix @ coefficients[cell].ravel() for cell, matrix, right in self._given]
        parts += [coefficients[cell, unknown] for cell, unknown in self._absent]
        return math.sqrt(sum(float(np.sum(part**2)) for part in parts))

    def doubted(self, coefficients: Array) -> float:
        """Return what conditions contribute to |r|² in cells at whose edge they jump."""
        total = 0.0
        for condition, factors in zip(self.conditions, self._factors, strict=True):
            groups = [group for group in condition.groups if self._doubt(condition, group) < 1.0]
            values = factors * condition.term.evaluate(self._jets(condition, coefficients)) if groups else factors
            total += sum(float(np.sum(values[group.rows] ** 2)) for group in groups)
        return total

    def unsatisfied(self, coefficients: Array) -> Array:
        """Return the root mean square of the equations' rows in each cell of which a part is in the domain, else 0, (cells,)."""
        squares, counts = np.zeros(self.field.cover.num_cells), np.zeros(self.field.cover.num_cells)
        number = len(self.conditions) - self._num_cut
        for condition, factors in zip(self.conditions[number:], self._factors[number:], strict=True):
            values = factors * condition.term.evaluate(self._jets(condition, coefficients))
            for group in condition.groups:
                squares[group.cell] += float(np.sum(values[group.rows] ** 2))
                counts[group.cell] += group.rows.stop - group.rows.start
        return np.sqrt(squares / np.maximum(counts, 1))

    def shares(self, coefficients: Array) -> Array:
        """Return the norm of the rows of each cell, (cells,), with the weights of the last step."""
        squares, traces = np.zeros(self.field.cover.num_cells), self._values(coefficients)
        for weight, each in zip(self._weights, self.interior.residuals(coefficients), strict=True):
            squares += np.sum((weight[:, None] * each) ** 2, axis=1)
        for condition, factors in zip(self.conditions, self._factors, strict=True):
            values = factors * condition.term.evaluate(self._jets(condition, coefficients))
            for group in condition.groups:
                squares[group.cell] += float(np.sum(values[group.rows] ** 2))
        for cell, sides in enumerate(self._sides):
            for number, matrix in sides:
                squares[cell] += float(np.sum((traces[number] - matrix @ coefficients[cell].ravel()) ** 2))
        return np.sqrt(squares)

    def losses(self, coefficients: Array) -> dict[str, float]:
        """Return the mean square of every residual, without weights."""
        found = zip(self.interior.terms, self.interior.residuals(coefficients), self.interior.holds, strict=True)
        losses = {term.name: float(np.mean(values**2) / (np.mean(holds) or 1.0)) for term, values, holds in found}
        for condition in self.conditions:
            values = condition.term.evaluate(self._jets(condition, coefficients))
            losses[condition.term.name] = float(np.mean(np.broadcast_to(values, (condition.term.num_rows,)) ** 2))
        return losses

    def _matrix(self, side: Side, wanted: Given | Trace, modes: Array | None = None) -> Array:
        """Return weighted derivatives of a cell's features, (columns of the request · points or modes, unknowns · features)."""
        _, unknowns, size = self.field.shape
        count = len(side.local) if modes is None else modes.shape[-2]
        matrix = np.zeros((len(wanted.request) * count, unknowns * size))
        for number, ((unknown, operator), weight) in enumerate(zip(wanted.request, wanted.weights, strict=True)):
            block = weight * self.field.features(side.cell, side.local, operator)
            kept = modes[number] if modes is not None and modes.ndim == 3 else modes
            matrix[number * count : (number + 1) * count, self._columns(unknown)] = block if kept is None else kept @ block
        return matrix

    def _columns(self, unknown: str) -> slice:
        size, number = self.field.basis.size, self.field.unknowns.index(unknown)
        return slice(number * size, (number + 1) * size)

    def _values(self, coefficients: Array) -> list[Array]:
        """Return the traces, weighted: the mean of what their cells say."""
        found = [np.zeros(trace.size) for trace in self.traces]
        for cell, sides in enumerate(self._sides):
            for number, matrix in sides:
                found[number] += matrix @ coefficients[cell].ravel() / len(self.traces[number].sides)
        return found

    def _equations(self, coefficients: Array) -> list[tuple[Array, Slopes]]:
        """Return the right sides of the equations' rows (cells, points) and their slopes, weighted.

        Raises
        ------
        FloatingPointError : one of them is not finite.
        """
        found, self._weights = [], []
        for term, (residual, slopes) in zip(self.interior.terms, self.interior.linearise(coefficients), strict=True):
            weight = self._given_weights[term.name] * _inverse(sum(np.abs(values) for values in slopes.values()).max(axis=1))
            self._weights.append(weight)
            found.append((-weight[:, None] * residual, {key: weight[:, None] * values for key, values in slopes.items()}))
            if not all(np.isfinite(each).all() for each in (found[-1][0], *found[-1][1].values())):
                raise FloatingPointError("an equation or its slope is not finite where the solve begins or has come to")
        return found

    def _lines(self, coefficients: Array, traces: Sequence[Array], cells: Array) -> list[list[Rows]]:
        """Return all other rows by cell, those that hold a cell to its traces for some cells only."""
        found: list[list[Rows]] = [[] for _ in range(self.field.cover.num_cells)]
        self._factors = []
        for condition in self.conditions:
            residual, slopes = condition.term.linearise(self._jets(condition, coefficients))
            residual = np.broadcast_to(residual, (condition.term.num_rows,))
            factors = np.empty(condition.term.num_rows)
            for group in condition.groups:
                rows, sizes = self._line(condition, group, residual, slopes)
                weight = self._given_weights[condition.term.name] * self._doubt(condition, group)
                factors[group.rows] = factor = weight * _inverse(sizes.max(keepdims=True))[0]
                found[group.cell].append(Rows(rows.blocks, factor * rows.matrix, factor * rows.right))
            self._factors.append(factors)
        for cell, matrix, right in self._given:
            found[cell].append(Rows((OWN,), matrix, right - matrix @ coefficients[cell].ravel()))
        for cell, unknown in self._absent:
            matrix = np.eye(self.sizes[OWN])[self._columns(self.field.unknowns[unknown])]
            found[cell].append(Rows((OWN,), matrix, -coefficients[cell, unknown]))
        for cell in cells:
            for number, matrix in self._sides[cell]:
                right = traces[number] - matrix @ coefficients[cell].ravel()
                found[cell].append(Rows((OWN, number), np.hstack([matrix, -np.eye(len(right))]), right))
        return found

    def _doubt(self, condition: Condition, group: Group) -> float:
        """Return what a condition weighs in a cell: little where another one that differs from it begins."""
        name, box = condition.term.name, self.field.cover.boxes[group.cell]
        jumps = any(name in jump.conditions and touches(self.problem, box, jump) for jump in self._jumps)
        return JUMPING if jumps else 1.0

    def _line(self, condition: Condition, group: Group, residual: Array, slopes: Sequence) -> tuple[Rows, Array]:
        """Return the rows of one group, and the sum of their coefficients' sizes (rows,)."""
        (_, unknowns, size), num = self.field.shape, group.rows.stop - group.rows.start
        matrix, sizes = np.zeros((num, unknowns * size)), np.zeros(num)
        couplings: dict[int, Array] = {}
        for slope in slopes:
            request = condition.term.images[slope.image].request
            unknown, operator = request[slope.column]
            each = len(condition.term.images[slope.image].sites.points) // condition.term.num_rows
            values = np.broadcast_to(np.asarray(slope.values).reshape(-1, 1 if np.ndim(slope.values) < 2 else each),
                                     (condition.term.num_rows, each)).reshape(-1)  # fmt: skip
            for patch in group.patches[slope.image]:
                rows, factors = patch.positions // each - group.rows.start, values[patch.positions]
                np.add.at(sizes, rows, np.abs(factors) * sum(self.field.scale(index)[patch.side.cell] for index in operator))
                if patch.trace is None:
                    own = matrix[:, self._columns(unknown)]
                    values_here = factors[:, None] * self._features(patch, operator)
                    if each == 1:
                        own[rows] += values_here
                    else:
                        np.add.at(own, rows, values_here)
                else:
                    trace = self.traces[patch.trace]
                    coupling = couplings.setdefault(patch.trace, np.zeros((num, trace.size)))
                    if patch.sums is not None:
                        rows, factors = np.arange(num), patch.sums[slope.column]
                    columns = slope.column * len(rows) + np.arange(len(rows))
                    np.add.at(coupling, (rows, columns), factors / trace.weights[slope.column])
        return Rows((OWN, *couplings), np.hstack([matrix, *couplings.values()]), -residual[group.rows]), sizes

    def _features(self, patch: Patch, operator: Operator) -> Array:
        key = id(patch), operator
        if key not in self._tables:
            self._tables[key] = self.field.features(patch.side.cell, patch.side.local, operator)
        return self._tables[key]

    def _jets(self, condition: Condition, coefficients: Array) -> list[Array]:
        """Return the jets at every image of a condition."""
        found = [np.empty((len(image.sites.points), len(image.request))) for image in condition.term.images]
        for group in condition.groups:
            for image, patches, values in zip(condition.term.images, group.patches, found, strict=True):
                for patch in patches:
                    own = coefficients[patch.side.cell]
                    for column, (unknown, operator) in enumerate(image.request):
                        features = self._features(patch, operator)
                        values[patch.positions, column] = features @ own[self.field.unknowns.index(unknown)]
        return found


def absent(problem: Problem, field: CellField) -> list[tuple[int, int]]:
    """Return cells and numbers of unknowns that do not live there: their coefficients are zero."""
    found = [(int(cell), number) for cell in np.flatnonzero(empty(problem, field.cover)) for number in range(len(problem.unknowns))]
    for number, unknown in enumerate(problem.unknowns):
        if unknown.place is not None:
            beyond = ~holds_at(unknown.place, field.cover.centers, problem.names)
            found += [(int(cell), number) for cell in np.flatnonzero(beyond)]
    return found


def is_local(residual: Residual) -> bool:
    """Whether a residual reads the unknowns at its own point only."""
    has_integral = any(isinstance(leaf, Integral) for leaf in leaves(residual.tree))
    return not has_integral and not any(jet.image for jet in jets(residual.tree))


def _inverse(values: Array) -> Array:
    """Return 1/values, 1 where they vanish."""
    return 1 / np.where(values > 0, values, 1.0)
