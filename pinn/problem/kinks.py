"""Where the data of a problem switch or bend on a plane: ``where(t < 1, …)``, ``max(S - K, 0)``, ``abs(x - 0.3)``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pinn.problem.formulas.calculus import names
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Call, Integral, Jet, Node, Normal
from pinn.problem.problem import Problem

SAMPLES, HALVINGS = 1025, 60
"""Places along a coordinate between which a change of sign is looked for, and steps of its search."""

MOST = 8
"""Planes of one coordinate; data that switch more often are left to those who resolve them."""

SAME = 1e-9
"""Planes this part of the range apart are one."""

_COMPARISONS, _BENDS = ("<", "<=", ">", ">="), ("min", "max")


def kinks(problem: Problem) -> tuple[tuple[int, float], ...]:
    """Return the planes inside the box on which the data of equations and conditions switch or bend: axis and value, in order.

    A solution is mostly less smooth there than elsewhere, so that cells had better end there. Only functions of one coordinate are
    looked at, and planes of interfaces are not among them. In domains other than boxes there are none: their data often switch
    where nothing bends, as angles do.
    """
    if problem.domain is not None:
        return ()
    known = problem.planes
    found: list[tuple[int, float]] = []
    for switch in dict.fromkeys(switch for row in problem.residuals for switch in _switches(row.tree)):
        used = names(switch)
        if len(used) == 1 and used <= set(problem.names):
            axis = problem.names.index(used.pop())
            low, high = problem.box[axis]
            for place in _changes(switch, problem, axis):
                if all(at != axis or abs(place - value) > SAME * (high - low) for at, value in (*known, *found)):
                    found.append((axis, place))
    many = {axis for axis, _ in found if sum(other == axis for other, _ in found) > MOST}
    return tuple(sorted((axis, value) for axis, value in found if axis not in many))


def _switches(tree: Node) -> Iterator[Node]:
    """Yield functions of the coordinates at whose zeros a tree switches or bends."""
    if not isinstance(tree, Call):
        return
    if tree.function in (*_COMPARISONS, *_BENDS) and len(tree.arguments) == 2 and not any(map(_is_sought, tree.arguments)):
        yield Call("-", tree.arguments)
    if tree.function in ("abs", "sign") and not _is_sought(tree.arguments[0]):
        yield tree.arguments[0]
    for argument in tree.arguments:
        yield from _switches(argument)


def _is_sought(tree: Node) -> bool:
    """Whether a tree holds more than numbers and coordinates."""
    if isinstance(tree, (Jet, Normal, Integral)):
        return True
    return isinstance(tree, Call) and any(map(_is_sought, tree.arguments))


def _changes(switch: Node, problem: Problem, axis: int) -> list[float]:
    """Return the places inside the range of a coordinate where a function of it changes its sign."""

    def value(places: np.ndarray) -> np.ndarray:
        points = np.tile(problem.box.mean(axis=1), (len(places), 1))
        points[:, axis] = places
        with np.errstate(all="ignore"):
            (found,) = Program([switch])(coordinate_values(points, problem.names))
        return np.broadcast_to(np.asarray(found, float), len(places))

    low, high = problem.box[axis]
    places = np.linspace(low, high, SAMPLES)
    signs = np.sign(value(places))
    change = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    before, after, first = places[change], places[change + 1], signs[change]
    for _ in range(HALVINGS):
        middle = (before + after) / 2
        is_before = np.sign(value(middle)) == first
        before, after = np.where(is_before, middle, before), np.where(is_before, after, middle)
    zeros = places[1:-1][(signs[1:-1] == 0) & (signs[:-2] * signs[2:] < 0)]
    return [float(place) for place in (*after, *zeros)]
