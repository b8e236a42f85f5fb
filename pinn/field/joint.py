"""A field whose unknowns do not all depend on all coordinates: networks of fewer coordinates and plain numbers beside the main one.

θ holds the parameters of the main field, then those of one network for every set of coordinates, then one for every number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.field.block import Block
from pinn.field.decomposition.decomposed_field import LevelsJacobian
from pinn.field.field import AsOne, Evaluation, Field
from pinn.field.layout import Layout
from pinn.field.lines import NO_DIRECTIONS
from pinn.field.network.module import ModuleNetwork
from pinn.field.request import Request
from pinn.field.solution import Solution
from pinn.problem.directions import Directions
from pinn.problem.formulas.tree import Operator
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput, nearest
from pinn.problem.sites import Sites
from pinn.problem.unknowns import Unknown

if TYPE_CHECKING:
    from pinn.field.network.network import Network

MOST_POINTS = 2**13
"""Evaluated together where nothing but numbers is asked for."""


class Aside(NamedTuple):
    """The network of the unknowns that depend on the same few coordinates.

    Attributes
    ----------
    field : of these unknowns as functions of these coordinates. axes : which of the problem's coordinates they are.
    """

    field: Field
    axes: tuple[int, ...]


class Numbers:
    """Unknown numbers as functions of one parameter each, `pinn.problem.unknowns.Unknown.value`."""

    def __init__(self, unknowns: Sequence[Unknown]):
        self.unknowns = tuple(unknowns)

    def __call__(self, theta: Tensor) -> Tensor:
        """Return the values (numbers,) at their parameters (numbers,), differentiable."""
        values = [unknown.value(each, torch.exp) for unknown, each in zip(self.unknowns, theta.unbind(), strict=True)]
        return torch.stack(values) if values else theta

    def slopes(self, theta: Tensor) -> Tensor:
        """Return the derivative of each value by its parameter, (numbers,)."""
        with torch.enable_grad():
            leaf = theta.detach().requires_grad_()
            return torch.autograd.grad(self(leaf).sum(), leaf)[0] if len(leaf) else theta


class JointField(AsOne):
    """The main field with networks of fewer coordinates and numbers beside it; what is not said here is said of the main field.

    Parameters
    ----------
    main : field of the unknowns of all coordinates, `pinn.field.field.Field` or one in cells.
    network : settings of the networks of fewer coordinates.
    problem : with all unknowns.

    Attributes
    ----------
    layout, num_params : of θ. unknown_names : of all unknowns, in the problem's order.

    Raises
    ------
    BadInput : a torch module as network, which has no settings.
    """

    def __init__(self, main: Field, network: Network | ModuleNetwork, problem: Problem):
        self.main, self.problem = main, problem
        self.unknown_names = list(problem.unknown_names)
        self.asides = _asides(main, network, problem)
        self.numbers = Numbers([unknown for unknown in problem.unknowns if unknown.is_number])
        self.parts: list[Field] = [main, *(aside.field for aside in self.asides)]
        ends = np.cumsum([0, *(part.num_params for part in self.parts), len(self.numbers.unknowns)]).tolist()
        self.slices = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.num_params = ends[-1]
        shapes = dict(main.layout.shapes)
        for aside in self.asides:
            own = "+".join(aside.field.unknown_names)
            shapes |= {f"{own}.{name}": shape for name, shape in aside.field.layout.shapes.items()}
        self.layout = Layout(shapes | {f"number.{each.name}": (1,) for each in self.numbers.unknowns})

    def __getattr__(self, name: str) -> Any:
        if name == "main":
            raise AttributeError(name)
        return getattr(self.main, name)

    def initial(self, seed: int) -> Tensor:
        """Return θ (params,) at the start; numbers are where the problem says."""
        parts = [part.initial(seed) for part in self.parts]
        return torch.cat([*parts, parts[0].new_zeros(len(self.numbers.unknowns))])

    def values(self, theta: Tensor) -> dict[str, float]:
        """Return the unknown numbers at θ (params,) by name."""
        found = self.numbers(theta.detach()[self.slices[-1]]).tolist()
        return {unknown.name: float(value) for unknown, value in zip(self.numbers.unknowns, found, strict=True)}

    def at(self, sites: Sites, request: Request) -> JointEvaluation:
        """Return the evaluation of ``request`` at ``sites``; all that does not depend on θ happens here.

        Raises
        ------
        BadInput : an unknown that the problem does not have.
        """
        return JointEvaluation(self, sites, request)

    def fuse(self, families: Any) -> None:
        """Return None: residuals that join several networks are not compiled as a whole."""

    def solution(self, theta: Tensor) -> Solution:
        """Return the field with parameters ``theta`` (params,) as a function of NumPy points (points, dim)."""
        return Solution(self, theta)  # type: ignore[arg-type]

    def chunk(self, request: Request, directions: Mapping[Operator, Directions] = NO_DIRECTIONS) -> int:
        """Return how many points are best evaluated together."""
        own = [self.parts[number].chunk(asked) for number, (_, asked) in self.divide(request).items() if number < len(self.parts)]
        return min(own, default=MOST_POINTS)

    def divide(self, request: Request) -> dict[int, tuple[list[int], Request]]:
        """Return, by number of the part, which columns of a request it has and what it is asked for; the last part has the numbers.

        Derivatives along coordinates on which an unknown does not depend are zero and belong to no part.
        """
        found: dict[int, tuple[list[int], list]] = {}
        for column, (unknown, operator) in enumerate(request):
            if unknown not in self.unknown_names:
                raise BadInput(f"unknown '{unknown}' is not in the problem{nearest(unknown, self.unknown_names)}")
            number, kept = self._owner(unknown, operator)
            if kept:
                columns, asked = found.setdefault(number, ([], []))
                columns.append(column)
                asked.append((unknown, kept))
        return {number: (columns, tuple(asked)) for number, (columns, asked) in found.items()}

    def _owner(self, unknown: str, operator: Operator) -> tuple[int, Operator]:
        """Return the number of the part that has an unknown, and the operator in the coordinates of that part."""
        if unknown in self.main.unknown_names:
            return 0, operator
        for number, aside in enumerate(self.asides, 1):
            if unknown in aside.field.unknown_names:
                kept = [index for index in operator if not sum(index) - sum(index[axis] for axis in aside.axes)]
                return number, tuple(sorted(tuple(index[axis] for axis in aside.axes) for index in kept))
        return len(self.parts), tuple(index for index in operator if not sum(index))


def _asides(main: Field, network: Network | ModuleNetwork, problem: Problem) -> list[Aside]:
    groups: dict[tuple[str, ...], list[Unknown]] = {}
    for unknown in problem.unknowns:
        if unknown.depends and len(unknown.depends) < problem.dim:
            groups.setdefault(unknown.depends, []).append(unknown)
    if groups and isinstance(network, ModuleNetwork):
        raise BadInput("a torch module has all coordinates; unknowns of fewer coordinates need a network with settings", "network")
    found = []
    for names, unknowns in groups.items():
        own = Problem(
            name=problem.name,
            coordinates=tuple(coordinate for coordinate in problem.coordinates if coordinate.name in names),
            unknowns=tuple(unknowns),
            equations=(),
            time=problem.time if problem.time in names else None,
            periodic=tuple(name for name in problem.periodic if name in names),
        )
        precision: Literal["float64", "float32"] = "float64" if main.dtype == torch.float64 else "float32"
        field = network.field(own, main.engine, precision, str(main.device), (), main.compiled)
        found.append(Aside(field, tuple(problem.names.index(name) for name in names)))
    return found


def whole(problem: Problem) -> Problem:
    """Return a problem with those of its unknowns that depend on all coordinates: what the main field is made for."""
    return replace(problem, unknowns=tuple(unknown for unknown in problem.unknowns if len(unknown.depends) == problem.dim))


class JointEvaluation:
    """A joint field bound to points and a request."""

    def __init__(self, field: JointField, sites: Sites, request: Request):
        self.field, self.request, self.num_points = field, tuple(request), len(sites.points)
        self.columns: dict[int, list[int]] = {}
        self.evaluations: dict[int, Evaluation] = {}
        for number, (columns, asked) in field.divide(request).items():
            self.columns[number] = columns
            if number == 0:
                self.evaluations[number] = field.main.at(sites, asked)
            elif number < len(field.parts):
                aside = field.asides[number - 1]
                self.evaluations[number] = aside.field.at(Sites(sites.points[:, list(aside.axes)]), asked)
        self.asked = [name for column in self.columns.get(len(field.parts), []) for name in (self.request[column][0],)]
        names = [unknown.name for unknown in field.numbers.unknowns]
        self.which = [names.index(name) for name in self.asked]

    def jets(self, theta: Tensor) -> Tensor:
        """Return the requested derivatives (points, len(request)) at θ (params,), differentiable in θ if the tape is on."""
        parts = {number: each.jets(theta[self.field.slices[number]]) for number, each in self.evaluations.items()}
        return self._joined(theta, parts)

    def _joined(self, theta: Tensor, parts: Mapping[int, Tensor]) -> Tensor:
        found: list[Tensor] = [theta.new_zeros(self.num_points)] * len(self.request)
        for number, values in parts.items():
            for column, each in zip(self.columns[number], values.unbind(1), strict=True):
                found[column] = each
        if self.which:
            numbers = self.field.numbers(theta[self.field.slices[-1]])
            for column, place in zip(self.columns[len(self.field.parts)], self.which, strict=True):
                found[column] = numbers[place].expand(self.num_points)
        return torch.stack(found, 1)

    def linearise(self, theta: Tensor) -> JointLinearised:
        """Return the same together with what is needed to differentiate them by θ, without torch's tape."""
        return JointLinearised(self, theta.detach())


class JointLinearised:
    """The requested derivatives (points, len(request)) of a joint field at one θ, ``jets``, with their derivatives."""

    def __init__(self, evaluation: JointEvaluation, theta: Tensor):
        self._evaluation, self._theta = evaluation, theta
        slices = evaluation.field.slices
        self._parts = {number: each.linearise(theta[slices[number]]) for number, each in evaluation.evaluations.items()}
        self.jets = evaluation._joined(theta, {number: part.jets for number, part in self._parts.items()})
        self._slopes = evaluation.field.numbers.slopes(theta[slices[-1]])

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d jets / dθ, (params,), for a cotangent (points, len(request))."""
        evaluation, total = self._evaluation, torch.zeros_like(self._theta)
        for number, part in self._parts.items():
            total[evaluation.field.slices[number]] += part.pull(cotangent[:, evaluation.columns[number]].contiguous())
        if evaluation.which:
            total[evaluation.field.slices[-1]] += self._by_number(cotangent).sum(0)
        return total

    def jacobian(self, cotangent: Tensor) -> LevelsJacobian:
        """Return the same for every point on its own: the Jacobian (points, params) of a scalar per point, as an operator."""
        evaluation = self._evaluation
        places, parts = [], []
        for number, own in enumerate(evaluation.field.slices):
            if number in self._parts:
                part = self._parts[number].jacobian(cotangent[:, evaluation.columns[number]].contiguous())
            elif number == len(evaluation.field.parts) and evaluation.which:
                part = DenseJacobian(self._by_number(cotangent))
            else:
                part = DenseJacobian(cotangent.new_zeros(len(cotangent), own.stop - own.start))
            places.append(own)
            parts.append(part)
        return LevelsJacobian(places, parts)

    def _by_number(self, cotangent: Tensor) -> Tensor:
        """Return the derivative of the scalar of every point by the parameters of the numbers, (points, numbers)."""
        evaluation = self._evaluation
        found = cotangent.new_zeros(len(cotangent), len(evaluation.field.numbers.unknowns))
        for column, place in zip(evaluation.columns[len(evaluation.field.parts)], evaluation.which, strict=True):
            found[:, place] += cotangent[:, column] * self._slopes[place]
        return found


class DenseJacobian:
    """A Jacobian (points, params) with few columns, kept as it is."""

    def __init__(self, values: Tensor):
        self.values = values

    def blocks(self) -> tuple[Block, ...]:
        """Return J as one block, none without columns."""
        rows, columns = self.values.shape
        return (Block(slice(0, rows), slice(0, columns), self.values.clone()),) if columns and self.values.any() else ()

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        return self.values @ vector

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        return self.values.T @ vector
