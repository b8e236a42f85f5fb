"""Solve a discretised problem: Newton when it is steady, Radau IIA from the starting values when it has a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pinn.judge.grid import Array, interpolate
from pinn.judge.newton import newton
from pinn.judge.radau import STAGES, Radau
from pinn.judge.refusal import NoReference
from pinn.judge.rows import Places
from pinn.judge.stencils import difference_matrix
from pinn.judge.system import Discretised, Solution, System, field_jets
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Integral, Jet, Name, Node
from pinn.problem.problem import Problem, Residual
from pinn.problem.shapes.pieces import Piece
from pinn.problem.sites import tensor_points


@dataclass(frozen=True)
class Discrete:
    """Values of y at times (times, size); a steady problem has the one time 0."""

    system: System
    times: Array
    values: Array

    def field(self, unknown: str) -> Array:
        """Return one unknown at its nodes, (times, *shape)."""
        return self.system.layout.field(self.values, unknown)

    def axes(self, unknown: str) -> tuple[Array, ...]:
        """Return the times and the nodes along every space axis."""
        return (self.times, *self.system.layout.nodes[unknown])

    @property
    def periods(self) -> tuple[float | None, ...]:
        """Period of the time axis (none) and of every space axis."""
        return (None, *(axis.period for axis in self.system.grid))

    def on_grid(self, unknown: str, axes: tuple[Array, ...], width: int) -> Array:
        """Return one unknown on the tensor grid ``axes`` (times first), interpolated by ``width``-point polynomials."""
        return interpolate(self.field(unknown), self.axes(unknown), axes, width, self.periods)


class Evolution:
    """F along given steps, around a given field if there is one: what Newton and Radau see.

    Everything that does not depend on y is computed here: the jets of the field at all stages and, for affine systems, the
    matrices and the loads.
    """

    def __init__(self, system: Discretised, times: Array | None, solution: Solution | None = None):
        self.system = system
        flat = np.zeros(1) if times is None else (times[:-1, None] + STAGES * np.diff(times)[:, None]).ravel()
        self._base = system.base(solution, flat) if solution is not None else None
        self.linear = system.affine
        if self.linear:
            self._slope, self._mass = system.affine_matrices
            self._load = system.evaluate(flat, None, None, self._base)
            if not np.isfinite(self._load).all():
                raise NoReference("a formula is not finite at a node of the grid")

    def _columns(self, start: int, count: int) -> list[Array] | None:
        return None if self._base is None else [jets[:, start : start + count] for jets in self._base]

    def residual(self, step: int, times: Array, values: Array, rates: Array) -> Array:
        """Return F at the stages of a step, (size, stages)."""
        count = len(times)
        if self.linear:
            return self._slope @ values + self._mass @ rates + self._load[:, step * count : (step + 1) * count]
        return self.system.evaluate(times, values, rates, self._columns(step * count, count))

    def jacobian(self, step: int, times: Array, values: Array, rates: Array):
        """Return ∂F/∂y and ∂F/∂y' at the last stage of a step."""
        if self.linear:
            return self._slope, self._mass
        last = self._columns((step + 1) * len(times) - 1, 1)
        return self.system.jacobian(times[-1:], values[:, -1:], rates[:, -1:], last)


def solve_steady(
    system: System, solution: Solution | None = None, *, start: Array | None = None, tolerance: float = 1e-12, floor: float = 0.0
) -> Discrete:
    """Return y with F(y) = 0 from ``start`` (size,), default zero.

    Raises
    ------
    NoConvergence, NoReference
    """
    evolution = Evolution(system, None, solution)
    zero, moment = np.zeros((system.size, 1)), np.zeros(1)

    def residual(y: Array) -> Array:
        return evolution.residual(0, moment, y[:, None], zero)[:, 0]

    def jacobian(y: Array):
        return evolution.jacobian(0, moment, y[:, None], zero)[0]

    start = np.zeros(system.size) if start is None else start
    y = newton(residual, jacobian, start, linear=evolution.linear, tolerance=tolerance, floor=floor)
    return Discrete(system, moment, y[None])


def march(
    system: System, times: Array, solution: Solution | None = None, *, tolerance: float = 1e-11, floor: float = 1e-300
) -> Discrete:
    """Return y at ``times`` (steps + 1,) from the starting values.

    Raises
    ------
    NoConvergence, NoReference
    """
    evolution = Evolution(system, times, solution)
    start = starting_values(system, solution)
    values = Radau(evolution, tolerance=tolerance, floor=floor).march(times, start)
    return Discrete(system, times, completed_start(system, times, values))


def step_times(system: System, steps: int) -> Array:
    """Return ``steps`` even steps over the time range."""
    low, high = next((c.low, c.high) for c in system.problem.coordinates if c.name == system.problem.time)
    return np.linspace(low, high, steps + 1)


def completed_start(system: System, times: Array, values: Array) -> Array:
    """Return ``values`` (steps + 1, size) with unknowns that have no starting value continued backwards from the first steps."""
    count = min(5, len(times) - 1)
    for unknown, order in system.layout.time_order.items():
        if order == 0:
            weights = difference_matrix(times[1 : count + 1], 0, count, at=times[:1])
            field = system.layout.field(values, unknown)
            field[0] = (weights @ field[1 : count + 1].reshape(count, -1)).reshape(field.shape[1:])
    return values


def starts(problem: Problem) -> Iterator[tuple[Residual, Piece]]:
    """Yield the conditions at the start with the pieces on which they stand.

    Raises
    ------
    NoReference : a condition at another time.
    """
    low, high = next((c.low, c.high) for c in problem.coordinates if c.name == problem.time)
    for residual in problem.conditions:
        for piece in residual.region:
            place = dict(piece.fixed).get(str(problem.time))
            if place is None:
                continue
            if abs(place - low) > 1e-9 * (high - low):
                raise NoReference(
                    f"'{residual.name}' stands at {problem.time} = {place:g}; only starting values "
                    f"at {problem.time} = {low:g} are covered"
                )
            yield residual, piece


def starting_values(system: System, solution: Solution | None = None) -> Array:
    """Return y (size,) at the first time: starting values, less those of a given field.

    Raises
    ------
    NoReference : a starting value is missing, given twice, or not of the form (time derivative of one unknown) = formula.
    """
    problem, layout = system.problem, system.layout
    low = next(c.low for c in problem.coordinates if c.name == problem.time)
    y = np.zeros(system.size)
    given: dict[tuple[int, str], list[tuple[Residual, Jet, Piece]]] = {}
    for residual, piece in starts(problem):
        leaf, order = _started(system, residual)
        given.setdefault((order, leaf.unknown), []).append((residual, leaf, piece))
    for u, order in layout.time_order.items():
        for k in range(order):
            if (k, u) not in given:
                raise NoReference(f"no starting value for {u}" + ("_" + str(problem.time) * k if k else ""))
    for order, unknown in sorted(given):
        if order >= layout.time_order[unknown]:
            raise NoReference(
                f"a starting value for {unknown} too many: the equations hold {layout.time_order[unknown]} time derivatives of it"
            )
        covered = np.zeros(layout.count[unknown], bool)
        for residual, leaf, piece in given[order, unknown]:
            points = tensor_points(layout.nodes[unknown])
            keep = piece.keeps(points, problem.space) & ~covered
            start = layout.offset[unknown, order]
            y[start + np.flatnonzero(keep)] = _initial(system, y, residual.tree, leaf, keep, low, solution)
            covered |= keep
        if not covered.all():
            raise NoReference(f"the starting value of {unknown} covers a part of the domain only")
    return y


def _started(system: System, residual: Residual) -> tuple[Jet, int]:
    """The jet that a starting condition gives, and its time order."""
    found = []
    for jet in calculus.jets(residual.tree):
        if len(jet.operator) == 1 and not jet.image:
            space, order = system.layout.space_index(jet.operator[0])
            if not any(space):
                found.append((order, jet))
    if not found:
        raise NoReference(f"'{residual.name}' gives no starting value of an unknown")
    order, jet = max(found, key=lambda item: (item[0], item[1].unknown == residual.determines))
    if calculus.has_unknowns(calculus.partial(residual.tree, jet)):
        raise NoReference(f"'{residual.name}' is not linear in the starting value of {jet.unknown}")
    return jet, order


def _initial(system: System, y: Array, tree: Node, own: Jet, keep: Array, low: float, solution: Solution | None) -> Array:
    """Solve a starting condition for its own jet: the values (kept points,), less those of the given field."""
    leaves = tuple(leaf for leaf in calculus.leaves(tree) if isinstance(leaf, Jet))
    if any(isinstance(leaf, Integral) for leaf in calculus.leaves(tree)):
        raise NoReference("a starting value that holds an integral of an unknown is not covered")
    nodes = system.layout.nodes[own.unknown]
    points = tensor_points(nodes)[keep]
    times = np.array([low])
    known: dict[Node, Array] = {Name(axis.name): points[:, [i]] for i, axis in enumerate(system.grid)}
    known[Name(str(system.problem.time))] = times
    base = field_jets(system.problem, solution, leaves, points, times) if solution is not None else {}
    for leaf in leaves:
        value = base.get(leaf, np.zeros((len(points), 1)))
        if leaf != own:
            matrix, rate = system.jet_matrices(leaf, Places(nodes, keep))
            if rate is not None:
                raise NoReference(f"the starting value of {own.unknown} holds a time derivative of {leaf.unknown}")
            value = value + matrix @ y[:, None]
        known[leaf] = value
    value, slope = Program([tree, calculus.partial(tree, own)])(known)
    with np.errstate(all="ignore"):
        start = np.broadcast_to(-np.asarray(value) / slope, (len(points), 1))[:, 0]
    if not np.isfinite(start).all():
        raise NoReference(f"the starting value of {own.unknown} is not finite")
    return start
