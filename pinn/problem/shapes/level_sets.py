"""Rims of bodies given by formulas, such as ``x**4 + y**4 < 1``, and of bodies that move."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pinn.problem.formulas.calculus import names, partial, subtract
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Call, Name, Node
from pinn.problem.shapes.curves import NEWTON_STEPS, OFFSETS, Level, crossing, lines, trace
from pinn.problem.shapes.sheets import trace_sheet
from pinn.problem.shapes.surfaces import ON, Ends

Array = np.ndarray

ROOTS = 4096
"""Intervals on which a formula of one coordinate is looked at."""

SQUARES, CUBES = (256, 512, 1024), (32, 64)
"""Squares and cubes of the grid along an axis: the next where the last one overlooks parts."""

MOVING_SQUARES, MOVING_CUBES, ROUGHLY = (64, 256, 1024), (16, 64), 1e-6
"""The same where a rim is traced many times, and how well its length is measured then."""

STATES = {1: (129, 17), 2: (65, 13), 3: (17, 5)}
"""Values of one coordinate along which a body moves, and of each of two, at which its rim is traced, by dimension."""


def level_set(comparison: Call, namespace: Namespace) -> LevelSet | None:
    """Return what separates the points at which a comparison holds from the others.

    None where it says nothing about space, or where it depends on more than three coordinates of space, or on more than two others.
    """
    left, right = comparison.arguments
    formula = subtract(left, right) if comparison.function in ("<", "<=") else subtract(right, left)
    found = names(formula)
    own = tuple(name for name in namespace.space if name in found)
    moves = tuple(name for name in namespace.coordinates if name in found and name not in namespace.space)
    if not 1 <= len(own) <= 3 or len(moves) > 2:
        return None
    box, ranges = (tuple(namespace.box[name] for name in each) for each in (own, moves))
    return LevelSet(own, formula, box, moves, ranges)


class Traced(Protocol):
    """A level set at rest."""

    @property
    def measure(self) -> float:
        """Number of points, length or area."""

    def place(self, unit: Array) -> Array:
        """Return points (points, dim) for points of the unit cube."""


@dataclass(frozen=True)
class Roots:
    """Where a formula of one coordinate vanishes, (roots,)."""

    values: Array

    @property
    def measure(self) -> float:
        """Their number."""
        return float(len(self.values))

    def place(self, unit: Array) -> Array:
        """Return one of them for each number of the unit interval."""
        if not len(self.values):
            return np.full((len(unit), 1), np.nan)
        return self.values[np.minimum((unit[:, :1] * len(self.values)).astype(int), len(self.values) - 1)]


def trace_roots(level: Level, box: Array) -> Roots:
    """Return where a formula of one coordinate changes sign inside an interval (1, 2)."""
    points = lines(float(box[0, 0]), float(box[0, 1]), ROOTS, OFFSETS[0])[:, None]
    inside = level(points)[0] < 0
    change = np.flatnonzero(inside[1:] != inside[:-1])
    within, without = (points[change + shift] for shift in (0, 1))
    swap = ~inside[change][:, None]
    return Roots(crossing(level, np.where(swap, without, within), np.where(swap, within, without))[:, 0])


@dataclass(frozen=True)
class LevelSet:
    """All points in a box at which a formula vanishes; it is less inside the body.

    A body that moves is traced at some values of what moves it; at others its points are those of the nearest trace, taken along
    the gradient to where the formula vanishes, so that they are on the rim exactly and only nearly uniform.

    Attributes
    ----------
    names : one to three space coordinates. box : their ranges.
    moves : other coordinates, such as time, on which it depends, at most two. ranges : of these.
    """

    names: tuple[str, ...]
    formula: Node
    box: Ends
    moves: tuple[str, ...] = ()
    ranges: Ends = ()

    @property
    def num_params(self) -> int:
        """One less than coordinates; one for points on a line."""
        return max(1, len(self.names) - 1)

    @cached_property
    def _size(self) -> float:
        return max(high - low for low, high in self.box)

    @cached_property
    def _programs(self) -> tuple[Program, Program]:
        gradient = [partial(self.formula, Name(name)) for name in self.names]
        return Program([self.formula]), Program([self.formula, *gradient])

    def _level(self, at: Array) -> Level:
        """Return the formula and its gradient in space as a function of points, for values (moves,) or (points, moves)."""

        def level(points: Array) -> tuple[Array, Array]:
            values = coordinate_values(points, self.names)
            values |= coordinate_values(np.broadcast_to(at, (len(points), len(self.moves))), self.moves)
            with np.errstate(all="ignore"):
                found = [np.broadcast_to(each, len(points)) for each in self._programs[1](values)]
            return found[0], np.stack(found[1:], axis=1)

        return level

    @property
    def at_rest(self) -> Traced:
        """What it is where nothing moves it."""
        return self._traced(())

    def _traced(self, state: tuple[int, ...]) -> Traced:
        """Return the level set at a state."""
        traces = self.__dict__.setdefault("_traces", {})
        if state not in traces:
            level = self._level(np.array([each[number] for each, number in zip(self._states, state, strict=True)]))
            box, is_moving = np.array(self.box), bool(self.moves)
            if len(self.names) == 1:
                traces[state] = trace_roots(level, box)
            elif len(self.names) == 2:
                traces[state] = trace(level, box, MOVING_SQUARES, ROUGHLY) if is_moving else trace(level, box, SQUARES)
            else:
                traces[state] = trace_sheet(level, box, MOVING_CUBES, 2) if is_moving else trace_sheet(level, box, CUBES)
        return traces[state]

    @cached_property
    def _states(self) -> list[Array]:
        """The values at which it is traced, along each of ``moves``."""
        count = STATES[len(self.names)][len(self.moves) - 1]
        return [np.linspace(low, high, count) for low, high in self.ranges]

    @cached_property
    def measure(self) -> float:
        """Number of points, length or area; the mean where the body moves."""
        states = list(itertools.product(*[range(len(each)) for each in self._states]))
        return math.fsum(self._traced(state).measure for state in states) / len(states)

    def place(self, unit: Array, at: Array | None = None) -> Array:
        """Return points; nowhere (not a number) where the body has no rim at the time."""
        if not self.moves:
            return self._traced(()).place(unit)
        assert at is not None
        nearest = [np.abs(at[:, [axis]] - each).argmin(axis=1) for axis, each in enumerate(self._states)]
        states, numbers = np.unique(np.stack(nearest, axis=1), axis=0, return_inverse=True)
        points = np.empty((len(unit), len(self.names)))
        for number, state in enumerate(states):
            own = numbers.reshape(-1) == number
            points[own] = self._traced(tuple(state.tolist())).place(unit[own])
        return self._onto(points, at)

    def _onto(self, points: Array, at: Array) -> Array:
        """Return points taken along the gradient to where the formula vanishes."""
        level = self._level(at)
        for _ in range(NEWTON_STEPS):
            values, gradients = level(points)
            with np.errstate(all="ignore"):
                points = points - (values / np.square(gradients).sum(axis=1))[:, None] * gradients
        return points

    def has(self, points: Array, at: Array | None = None) -> Array:
        """Return where the formula vanishes, to rounding."""
        values, gradients = self._level(np.empty(0) if at is None else at)(points)
        return np.abs(values) <= ON * self._size * np.linalg.norm(gradients, axis=1)

    def normals(self, points: Array, at: Array | None = None) -> Array:
        """Return the direction of the formula's gradient in space."""
        _, gradients = self._level(np.empty(0) if at is None else at)(points)
        with np.errstate(all="ignore"):
            return gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
