"""What is said of a problem that is accepted all the same: data that jump at corners, too many equations, polar names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pinn.problem.checks import floating, num_equations, prescribed_value, texts
from pinn.problem.formulas.calculus import derivative
from pinn.problem.formulas.tree import Node
from pinn.problem.jumps import jumps, typical_value
from pinn.problem.problem import Problem
from pinn.problem.shapes.regions import sample_region
from pinn.problem.terms import known_values

SMALL, LARGE = 0.02, 20.0
"""Sizes of an unknown between which no scale is needed."""

UNEQUAL = 1e-6
"""Values at the two ends of a ring may differ by this part of their size, slopes by this part of size over length."""

_CURVILINEAR = {"r", "rho", "theta", "phi"}


def notes(problem: Problem, mapping: Mapping[str, Any]) -> list[str]:
    """Return one line for everything in a problem that a person should know before a run."""
    found = [*_levels(problem), *_corners(problem), *_seams(problem), *_overdetermined(problem), *_far_from_one(problem)]
    return [*found, *_one_way(problem, mapping), *_cartesian(problem, mapping), *_left_out(problem)]


def _levels(problem: Problem) -> Iterator[str]:
    """Say what observations leave undetermined."""
    if problem.data:
        for unknown in floating(problem):
            yield f"{unknown} is determined up to a constant; add for instance gauge: mean({unknown}) = 0"


def _left_out(problem: Problem) -> Iterator[str]:
    """Say what of a file and of the unknowns is not compared."""
    given = problem.given
    if given is not None and given.left_out:
        yield f"{given.file} has no {', '.join(given.left_out)}, so that nothing of it is compared with the file"
    if given is not None and given.columns_left_out:
        yield f"{given.file}: {', '.join(given.columns_left_out)} is no unknown, and not compared"


def _corners(problem: Problem) -> Iterator[str]:
    """Warn where two prescribed values of one unknown differ on the edge that their pieces share."""
    for jump in jumps(problem):
        first, second = jump.conditions
        place = ", ".join(f"{name}={value:g}" for name, value in jump.edge.items())
        yield f"'{first}' and '{second}' differ by {jump.size:.2g} at {place}; expect an error there"


def _seams(problem: Problem) -> Iterator[str]:
    """Warn where a prescribed value, or its slope, differs between the two ends of a periodic coordinate."""
    for along in problem.periodic:
        axis = problem.names.index(along)
        low, high = problem.box[axis]
        for condition in problem.conditions:
            found = prescribed_value(condition)
            if found is None or any(along in dict(piece.fixed) for piece in condition.region):
                continue
            points = sample_region(problem, condition.region, "seam", 64).points
            size = max(typical_value(problem, found[1], condition.region), 1e-300)
            trees = [found[1], derivative(found[1], along, problem.names)][: problem.order(found[0], along)]
            for tree, word, scale in zip(trees, ("value", "slope"), (size, size / (high - low)), strict=False):
                with np.errstate(all="ignore"):
                    first, last = (_values_at(problem, tree, points, axis, place) for place in (low, high))
                    gap = float(np.nanmax(np.abs(first - last), initial=0.0))
                if gap > UNEQUAL * scale:
                    yield f"the {word} of '{condition.name}' jumps by {gap:.2g} where {along} closes; expect an error there"
                    break


def _values_at(problem: Problem, tree: Node, points: np.ndarray, axis: int, place: float) -> np.ndarray:
    """Return a tree's values at points moved to a place along one axis, (points,)."""
    moved = points.copy()
    moved[:, axis] = place
    return known_values(problem, tree, moved)


def _overdetermined(problem: Problem) -> Iterator[str]:
    _, found, wanted = num_equations(problem)
    most = int(np.argmax(found - wanted))
    have, need = found[most], wanted[most]
    if have > need:
        yield (
            f"{have} equations for {need} unknown{'s' if need > 1 else ''}: they are met as well as they can be together, "
            "and no finite-difference reference can be made"
        )


def _far_from_one(problem: Problem) -> Iterator[str]:
    """Networks are of size one: say so where prescribed values are not, and nobody said how large the unknown is."""
    sizes: dict[str, float] = {}
    for condition in problem.conditions:
        if found := prescribed_value(condition):
            unknown, value = found
            sizes[unknown] = max(sizes.get(unknown, 0.0), typical_value(problem, value, condition.region))
    for sought in problem.unknowns:
        size = sizes.get(sought.name, 1.0)
        if sought.scale is None and not problem.exact and size > 1e-200 and not SMALL <= size <= LARGE:
            yield (
                f"values of {sought.name} up to {size:.2g} are prescribed; a network learns them well only when the problem says "
                f"how large they are: unknowns: {{{sought.name}: {{scale: {float(f'{size:.1g}'):g}}}}}"
            )


def _one_way(problem: Problem, mapping: Mapping[str, Any]) -> Iterator[str]:
    """Say so where a coordinate without an end, as along a pipe, could be a time: first order, and conditions at its start only."""
    if "time" in mapping or problem.time is not None:
        return
    orders = {x: max(problem.order(unknown, x) for unknown in problem.unknown_names) for x in problem.names}
    pieces = [dict(piece.fixed) for condition in problem.conditions for piece in condition.region]
    for x, (low, _) in zip(problem.names, problem.box, strict=True):
        places = {fixed[x] for fixed in pieces if x in fixed}
        if orders[x] == 1 and max(orders.values()) > 1 and places == {low} and x not in problem.periodic:
            yield f"all conditions along {x} stand at {x}={low:g}: with 'time: {x}' it is solved from there on, and faster"


def _cartesian(problem: Problem, mapping: Mapping[str, Any]) -> Iterator[str]:
    found = sorted(_CURVILINEAR & set(problem.space))
    if found and re.search(r"\b(laplacian|div|grad)\(", " ".join(texts(mapping))):
        yield f"laplacian, div and grad are Cartesian; with the coordinate {', '.join(found)} write the polar form out"
