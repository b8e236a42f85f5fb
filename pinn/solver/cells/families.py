"""A family of problems, solved at one value of its parameters after the other until polynomials through them are good enough.

Residuals of a family hold no derivative along a parameter. With polynomials in the parameters as features, and as many values as
features, least squares therefore falls apart into one plain problem for each value (collocation: Xiu, Hesthaven 2005, SIAM J. Sci.
Comput. 27, 1118). By how much the next solution differs from the polynomials through those before says where values are missing
(Gerstner, Griebel 2003, Computing 71, 65).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pinn.field.cells.family import Family
from pinn.field.cells.slabs import Slabs
from pinn.field.nodes import MOST, Index, Nodes
from pinn.problem.families import member, values_at
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.solver.cells import rounds
from pinn.solver.cells.march import March
from pinn.solver.staged import Diverged
from pinn.solver.state import State, duplicate

Array = np.ndarray

NUM_SAMPLES = 1000
"""Places at which solutions at different values are compared."""

FALL = 0.01
"""What one more value along a parameter may leave of the largest difference: smaller ones may be chance."""

SMALL = 1e-3
"""Least part of the largest solution that the others count as, and least size of a polynomial."""


@dataclass
class Known:
    """The values at which a family is solved, and by how much each solution was unexpected.

    Attributes
    ----------
    indices : of the nodes in order. surprises : of each, relative to the largest solution. cut : indices that have larger ones.
    """

    num_parameters: int
    indices: list[Index] = field(default_factory=list)
    surprises: list[float] = field(default_factory=list)
    cut: list[Index] = field(default_factory=list)

    def next(self, tolerance: float) -> Index | None:
        """Return where to solve next, None when nothing unexpected is to be found."""
        if not self.indices:
            return (0,) * self.num_parameters
        while True:
            for index in self.cut:
                for larger in self._larger(index):
                    if larger not in self.indices:
                        return larger
            open_ends = {index: size for index, size in zip(self.indices, self.surprises, strict=True) if index not in self.cut}
            largest = max(open_ends, key=lambda index: open_ends[index])
            if self.rest <= tolerance or max(largest) + 1 >= MOST:
                return None
            self.cut.append(largest)

    @property
    def rest(self) -> float:
        """What may be missing: the surprises at the ends, added up as if independent."""
        sizes = [size for index, size in zip(self.indices, self.surprises, strict=True) if index not in self.cut]
        return float(np.linalg.norm(sizes)) if sizes else 0.0

    def add(self, index: Index, difference: float) -> None:
        """Take note of a solution and of its difference from what was expected."""
        before = [self.surprises[self.indices.index(smaller)] for smaller in _smaller(index)]
        self.indices.append(index)
        self.surprises.append(max(difference, FALL * min(before, default=0.0)))

    def _larger(self, index: Index) -> Iterator[Index]:
        for axis in range(self.num_parameters):
            larger = (*index[:axis], index[axis] + 1, *index[axis + 1 :])
            if all(smaller in self.cut for smaller in _smaller(larger)):
                yield larger


def _smaller(index: Index) -> list[Index]:
    """Return the indices with one number less by one."""
    return [(*index[:axis], number - 1, *index[axis + 1 :]) for axis, number in enumerate(index) if number]


class Collocation:
    """A family that is solved member by member.

    Parameters
    ----------
    march : makes the march of a plain problem.
    tolerance : relative L2 difference between solutions and what is expected of them, below which no more are made.
    most : values at most.
    """

    def __init__(self, problem: Problem, march: Callable[[Problem], March], tolerance: float, most: int):
        self.problem, self.tolerance, self.most = problem, tolerance, most
        self._march = march
        low, high = problem.box[: problem.num_plain].T
        points = low + (high - low) * generator(0, "families").random((NUM_SAMPLES, problem.num_plain))
        inside = problem.inside(np.hstack([points, np.zeros((NUM_SAMPLES, len(problem.parameters)))]))
        self._points = points[inside]
        self._marches: dict[Index, March] = {}
        self._members: dict[Index, Slabs] = {}
        self._values: dict[Index, Array] = {}

    def values(self, index: Index) -> dict[str, float]:
        """Return the values of the parameters at a node."""
        return values_at(self.problem, Nodes(self.problem.parameters, [index]).columns[0])

    def march(self, index: Index) -> March:
        """Return the march of the plain problem at a node."""
        if index not in self._marches:
            self._marches[index] = self._march(member(self.problem, self.values(index)))
        return self._marches[index]

    def member(self, state: State, number: int) -> Slabs:
        """Return the solution at one of the nodes that are done."""
        index = tuple(state.field["indices"][number])
        if index not in self._members:
            start = sum(state.field["sizes"][:number])
            theta = state.theta[start : start + state.field["sizes"][number]]
            march = self.march(index)
            self._members[index] = rounds.solution(march, State(rounds.STAGE, theta, field=state.field["members"][number]))
        return self._members[index]

    def sampled(self, state: State, number: int) -> Array:
        """Return what one of the solutions is at the sample points, (points · unknowns,)."""
        index = tuple(state.field["indices"][number])
        if index not in self._values:
            self._values[index] = self.member(state, number)(self._points).ravel()
        return self._values[index]

    def difference(self, state: State, number: int) -> float:
        """Return how far a solution is from the polynomials through those before, relative L2, times the size of its own one.

        Solutions that are much smaller than others count as a thousandth of the largest.
        """
        own = self.sampled(state, number)
        if number == 0:
            return 1.0
        before = np.stack([self.sampled(state, other) for other in range(number)])
        indices = [tuple(each) for each in state.field["indices"]]
        nodes, here = Nodes(self.problem.parameters, indices[:number]), Nodes(self.problem.parameters, [indices[number]])
        size = max(SMALL * float(np.linalg.norm(before, axis=1).max()), float(np.linalg.norm(own))) or 1.0
        expected = nodes.weights(here.columns)[0] @ before
        return float(np.linalg.norm(own - expected)) / size * max(nodes.size(indices[number]), SMALL)


def first_state() -> State:
    """Return where the solve begins."""
    state = State(rounds.STAGE, torch.zeros(0, dtype=torch.float64))
    state.field = {"indices": [], "sizes": [], "members": [], "surprises": [], "cut": [], "index": []}
    return state


def known(family: Collocation, state: State) -> Known:
    """Return what a state says of the nodes."""
    kept = state.field
    indices, cut = ([tuple(index) for index in kept[name]] for name in ("indices", "cut"))
    return Known(len(family.problem.parameters), indices, list(kept["surprises"]), cut)


def solve(family: Collocation, state: State, seconds: float | None = None) -> Iterator[State]:
    """Go on from ``state`` and yield it after each round of the solve at each value; it is the same object each time.

    Parameters
    ----------
    seconds : time after which no other value is begun.

    Raises
    ------
    Diverged : the problem cannot be solved at one of the values, with the state before.
    """
    while not state.is_final:
        if not state.field["index"]:
            state.field["index"] = list(_next(family, state) or ())
            state.memory = {}
        yield from _solved(family, state, seconds)


def _next(family: Collocation, state: State) -> Index | None:
    """Return the node to solve at next, and note in the state which others it follows."""
    seen = known(family, state)
    index = seen.next(family.tolerance)
    state.field["cut"] = [list(each) for each in seen.cut]
    return index


def _solved(family: Collocation, state: State, seconds: float | None) -> Iterator[State]:
    """Solve at the value whose turn it is."""
    index = tuple(state.field["index"])
    march = family.march(index)
    begin = State.from_dict(duplicate(state.memory)) if state.memory else rounds.first_state(march)
    steps, evaluations, spent = state.step - begin.step, state.evaluations - begin.evaluations, state.seconds - begin.seconds
    is_first = not state.field["indices"]
    try:
        for inner in rounds.solve(march, begin, seconds if is_first else None):
            state.step = state.total = steps + inner.step
            state.evaluations, state.seconds = evaluations + inner.evaluations, spent + inner.seconds
            state.loss, state.losses = inner.loss, dict(inner.losses)
            state.memory = inner.to_dict()
            if inner.is_final:
                _keep(family, state, inner, is_late=seconds is not None and state.seconds >= seconds)
            yield state
    except Diverged as problem:
        values = ", ".join(f"{name} = {value:.6g}" for name, value in family.values(index).items())
        problem.args = (f"{problem} at {values}",)
        problem.state = state.copy() if state.field["indices"] else None
        raise


def _keep(family: Collocation, state: State, inner: State, is_late: bool) -> None:
    """Put the solution at one more value into the state, and say whether it is the last."""
    kept = state.field
    kept["indices"].append(kept["index"])
    kept["sizes"].append(len(inner.theta))
    kept["members"].append(inner.field)
    state.theta = torch.cat([state.theta, inner.theta])
    number = len(kept["indices"]) - 1
    seen = Known(len(family.problem.parameters), [tuple(each) for each in kept["indices"][:-1]], list(kept["surprises"]), [])
    seen.add(tuple(kept["index"]), family.difference(state, number))
    kept["surprises"] = seen.surprises
    rest = known(family, state).rest
    kept["index"], state.memory = list(_next(family, state) or ()), {}
    if not kept["index"] and rest <= family.tolerance:
        state.reason = f"solutions at {number + 1} values determine all others to about {rest:.1e}"
    elif not kept["index"]:
        state.reason = f"at most {MOST} values of a parameter: solutions determine all others to about {rest:.1e} only"
    elif number + 1 >= family.most or is_late:
        what = "the seconds are over" if is_late else f"at most {family.most} values"
        state.reason = f"{what}: solutions at {number + 1} determine all others to about {rest:.1e} only"
    state.is_final = bool(state.reason)


def solution(family: Collocation, state: State) -> Family:
    """Return the solution that a state holds."""
    indices = [tuple(index) for index in state.field["indices"]]
    members = [family.member(state, number) for number in range(len(indices))]
    return Family(family.problem, Nodes(family.problem.parameters, indices), members)


def description(family: Collocation, state: State) -> dict[str, Any]:
    """Return what metrics say about the solutions at single values."""
    boxes = [sum(map(len, kept["slabs"][: kept["num_done"]])) for kept in state.field["members"]]
    indices = [tuple(index) for index in state.field["indices"]]
    remarks = [remark for kept in state.field["members"] for remark in kept["remarks"]]
    named: list[Mapping[str, float]] = [family.values(index) for index in indices]
    return {
        "num_parameters": len(state.theta), "num_rows": sum(kept["num_rows"] for kept in state.field["members"]),
        "nodes": {
            "values": named, "surprises": list(state.field["surprises"]), "rest": known(family, state).rest, "cells": boxes,
        },
        "remarks": list(dict.fromkeys(remarks)),
    }  # fmt: skip
