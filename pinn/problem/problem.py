"""The problem as a value: what `pinn.problem.language` makes of the text, or what is built directly in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.sides import HERE, NUDGE, beside, conditions_beside, nudged
from pinn.problem.formulas.tree import Integral, Jet, Node, Number, Operator
from pinn.problem.parameters import Parameter
from pinn.problem.shapes.facets import Solid
from pinn.problem.shapes.pieces import Piece, holds_at
from pinn.problem.unknowns import Unknown

if TYPE_CHECKING:
    from pinn.problem.observations import Observation

if TYPE_CHECKING:
    from pinn.problem.data.given import Given

Request = tuple[tuple[str, Operator], ...]
"""What is wanted of a field at some points: pairs (unknown, operator), one column of values each."""


@dataclass(frozen=True)
class Coordinate:
    """A coordinate and its range; of a parameter the range of its column."""

    name: str
    low: float
    high: float
    parameter: Parameter | None = None


@dataclass(frozen=True)
class Residual:
    """A formula that vanishes for the solution on its region.

    Attributes
    ----------
    name : name of the term in weights, logs and plots: ``heat``, ``walls``, ``initial.u_t``.
    kind : ``equation``, ``condition``, ``periodic`` or ``data``.
    text : the formula for people.
    tree : expanded scalar tree, left side minus right side.
    region : pieces of the box on which it holds.
    condition : name of the equation or condition it belongs to.
    determines : unknown on the left side when that is plainly one (``u``, ``u_n``, ``u_t``), else None.
    """

    name: str
    kind: str
    text: str
    tree: Node
    region: tuple[Piece, ...]
    condition: str = ""
    determines: str | None = None


@dataclass(frozen=True)
class Problem:
    """A partial differential equation with its domain and conditions. Every residual vanishes for the solution.

    Attributes
    ----------
    class_ : what kind of problem its author calls it, one of `pinn.problem.classes.CLASSES`; empty where it is not said.
    periodic : space coordinates along which the solution is periodic.
    free : (unknown, wall) pairs on which nothing is imposed on purpose.
    interfaces : pieces of inner planes across which unknowns may kink or jump.
    domain : boolean tree over coordinates, true inside; None is the whole box. edges : pieces of its boundary inside the box.
    data : what was measured.
    exact : expanded trees over coordinates by unknown; empty when no exact solution is known.
    given : values of the solution from a file, None without.
    quantities : expanded trees reported with the result.
    files : digests of the files that functions came from, by path.
    source : the problem as text, from which `pinn.problem.language.read_problem` makes it again.
    warnings : remarks of the reader, one line each.
    """

    name: str
    coordinates: tuple[Coordinate, ...]
    unknowns: tuple[Unknown, ...]
    equations: tuple[Residual, ...]
    conditions: tuple[Residual, ...] = ()
    time: str | None = None
    title: str = ""
    citation: str = ""
    class_: str = ""
    periodic: tuple[str, ...] = ()
    free: tuple[tuple[str, Piece], ...] = ()
    interfaces: tuple[Piece, ...] = ()
    domain: Node | None = None
    edges: tuple[Piece, ...] = ()
    data: tuple[Observation, ...] = ()
    exact: Mapping[str, Node] = field(default_factory=dict)
    given: Given | None = None
    quantities: Mapping[str, Node] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    source: Mapping = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates, in the order of columns of points and of indices."""
        return tuple(coordinate.name for coordinate in self.coordinates)

    @cached_property
    def space(self) -> tuple[str, ...]:
        """Names of the coordinates without time and parameters."""
        return tuple(each.name for each in self.coordinates if each.name != self.time and each.parameter is None)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, whose columns come after those of all other coordinates."""
        return tuple(each.parameter for each in self.coordinates if each.parameter is not None)

    @property
    def num_plain(self) -> int:
        """Number of coordinates that are no parameters."""
        return self.dim - len(self.parameters)

    def values_of(self, points: np.ndarray) -> np.ndarray:
        """Return points (points, dim) with the values of parameters in place of their columns."""
        found = np.array(points, float)
        for axis, parameter in enumerate(self.parameters, self.num_plain):
            found[:, axis] = parameter.value(found[:, axis])
        return found

    def columns_of(self, points: np.ndarray) -> np.ndarray:
        """Return points (points, dim) with the columns of parameters in place of their values."""
        found = np.array(points, float)
        for axis, parameter in enumerate(self.parameters, self.num_plain):
            found[:, axis] = parameter.column(found[:, axis])
        return found

    @property
    def dim(self) -> int:
        """Number of coordinates, time and parameters included."""
        return len(self.coordinates)

    @cached_property
    def box(self) -> np.ndarray:
        """Lowest and highest value of each coordinate, (dim, 2)."""
        box = np.array([(coordinate.low, coordinate.high) for coordinate in self.coordinates])
        box.flags.writeable = False
        return box

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Return which points (points, dim) belong to the domain, (points,) booleans; of a face of the box what lies beside it."""
        return holds_at(self.domain, self._off_faces(points), self.names)

    def _off_faces(self, points: np.ndarray) -> np.ndarray:
        """Return points (points, dim) moved a little into the box where they lie on a face of it: there a body may end, too."""
        low, high = self.box.T
        step = NUDGE * (high - low)
        return np.where(points <= low, points + step, np.where(points >= high, points - step, points))

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return which points (points, dim) belong to the domain or, but for rounding, to its edge, (points,) booleans."""
        found = self.inside(points)
        if self.domain is not None:
            for step in NUDGE * np.ptp(self.box, axis=1) * np.concatenate([np.eye(self.dim), -np.eye(self.dim)]):
                found = found | self.inside(points + step)
        return found

    @property
    def domain_varies(self) -> bool:
        """Whether its domain differs between values of its parameters."""
        return self.domain is not None and bool({parameter.name for parameter in self.parameters} & calculus.names(self.domain))

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the unknowns that depend on all coordinates."""
        return tuple(unknown.name for unknown in self.unknowns if len(unknown.depends) == self.dim)

    @property
    def has_places(self) -> bool:
        """Whether some unknown does not live everywhere."""
        return any(unknown.place is not None for unknown in self.unknowns)

    def lives(self, unknown: str, points: np.ndarray) -> np.ndarray:
        """Return at which points (points, dim) an unknown lives, (points,) booleans."""
        (place,) = (each.place for each in self.unknowns if each.name == unknown)
        return self.inside(points) & holds_at(place, self._off_faces(points), self.names)

    def lives_at(self, unknown: str, points: np.ndarray) -> np.ndarray:
        """Return at which points (points, dim) an unknown lives or, but for rounding, at the edge of where it does."""
        found = self.lives(unknown, points)
        if self.domain is not None or self.has_places:
            for step in NUDGE * np.ptp(self.box, axis=1) * np.concatenate([np.eye(self.dim), -np.eye(self.dim)]):
                found = found | self.lives(unknown, points + step)
        return found

    @cached_property
    def planes(self) -> tuple[tuple[int, float], ...]:
        """The planes on which interfaces lie: axis and value, in order."""
        return tuple(sorted({(self.names.index(name), value) for piece in self.interfaces for name, value in piece.fixed}))

    @cached_property
    def straight_edges(self) -> tuple[tuple[int, float], ...]:
        """The planes on which edges of the domain lie inside the box: axis and value, in order."""
        return tuple(sorted({(self.names.index(name), value) for piece in self.edges for name, value in piece.fixed}))

    @cached_property
    def is_moving(self) -> bool:
        """Whether the domain depends on time."""
        return self.domain is not None and self.time in calculus.names(self.domain)

    @property
    def has_corners(self) -> bool:
        """Whether the domain ends on straight edges inside the box, which may meet in corners that point inwards."""
        return any(piece.surface is None or isinstance(piece.surface, Solid) for piece in self.edges)

    def on_interface(self, points: np.ndarray, axis: int) -> np.ndarray:
        """Return which points (points, dim) of planes normal to an axis lie on an interface, (points,) booleans."""
        found = np.zeros(len(points), bool)
        for piece in self.interfaces:
            ((name, value),) = piece.fixed
            if name == self.names[axis]:
                found |= (points[:, axis] == value) & piece.keeps(points, self.names)
        return found

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """Names of the unknowns, in the order of a field's outputs."""
        return tuple(unknown.name for unknown in self.unknowns)

    @property
    def residuals(self) -> tuple[Residual, ...]:
        """Equations, conditions and observations; each is one term of the loss."""
        return self.laws + self.data

    @property
    def laws(self) -> tuple[Residual, ...]:
        """Equations and conditions: what holds, whatever was measured."""
        return self.equations + self.conditions

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Names of the unknown numbers."""
        return tuple(unknown.name for unknown in self.unknowns if unknown.is_number)

    @property
    def is_inverse(self) -> bool:
        """Whether something else than functions of all coordinates is sought, or anything was measured."""
        return bool(self.data) or any(len(unknown.depends) < self.dim for unknown in self.unknowns)

    def with_numbers(self, values: Mapping[str, float]) -> Problem:
        """Return the problem in which the unknown numbers have these values, and nothing is measured."""

        def leaf(node: Node) -> Node:
            if isinstance(node, Integral):
                return replace(node, integrand=put(node.integrand))
            return Number(float(values[node.unknown])) if isinstance(node, Jet) and node.unknown in values else node

        def put(tree: Node) -> Node:
            return calculus.replace(tree, leaf)

        def all_of(residuals: tuple[Residual, ...]) -> tuple[Residual, ...]:
            return tuple(replace(residual, tree=put(residual.tree)) for residual in residuals)

        return replace(
            self,
            unknowns=tuple(unknown for unknown in self.unknowns if unknown.name not in values),
            equations=all_of(self.equations),
            conditions=all_of(self.conditions),
            data=(),
            exact={name: tree for name, tree in self.exact.items() if name not in values},
            quantities={name: put(tree) for name, tree in self.quantities.items()},
            source={**self.source, "numbers": dict(values)} if self.source else {},
        )

    @property
    def values(self) -> Request:
        """The request for the plain values of all unknowns."""
        return tuple((name, ((0,) * self.dim,)) for name in self.unknown_names)

    @cached_property
    def is_linear(self) -> bool:
        """Whether every residual is linear in the unknowns."""
        return all(calculus.is_linear(residual.tree) for residual in self.residuals)

    @cached_property
    def highest_order(self) -> int:
        """The highest derivative in the equations."""
        return max((self.order(unknown) for unknown in self.unknown_names), default=0)

    def order(self, unknown: str, coordinate: str | None = None) -> int:
        """Return the highest derivative of an unknown in the equations, along one coordinate or in total."""
        axis = None if coordinate is None else self.names.index(coordinate)
        orders = [0]
        for equation in self.equations:
            for jet in calculus.jets(equation.tree):
                if jet.unknown == unknown:
                    orders += [sum(index) if axis is None else index[axis] for index in jet.operator]
        return max(orders)

    def exact_values(self, request: Request, points: np.ndarray, side: np.ndarray | None = None) -> np.ndarray:
        """Return derivatives of the exact solution, (points, len(request)).

        Parameters
        ----------
        side : towards where to look from each point, (points, dim); it matters on interfaces.

        Raises
        ------
        KeyError : no exact formula is given for an unknown of the request.
        """
        out = np.empty((len(points), len(request)))
        places = coordinate_values(points, self.names)
        if self.interfaces:
            places |= beside(self.names, points if side is None else nudged(points, side, self.box), HERE)
        for column, value in enumerate(self._exact_program(request)(places)):
            out[:, column] = value
        return out

    def _exact_program(self, request: Request) -> Program:
        cache = self.__dict__.setdefault("_exact_programs", {})
        if request not in cache:
            trees = [
                calculus.total(calculus.derivative_by_index(self.exact[unknown], index, self.names) for index in operator)
                for unknown, operator in request
            ]
            cache[request] = Program([conditions_beside(tree, HERE) for tree in trees] if self.interfaces else trees)
        return cache[request]


def jet_column(jet: Jet) -> tuple[str, Operator]:
    """Return the entry of a request that a jet asks for."""
    return jet.unknown, jet.operator
