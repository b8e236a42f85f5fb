"""Edges that two pieces of the boundary share, and on which prescribed values of an unknown differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pinn.problem.checks import prescribed_value
from pinn.problem.formulas.sides import nudged
from pinn.problem.formulas.tree import Node
from pinn.problem.problem import Problem, Residual
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import sample, sample_region
from pinn.problem.terms import known_values

NOTICED = 1e-9
"""Smallest jump, in parts of the values' size."""


class Jump(NamedTuple):
    """Two conditions that prescribe different values where they meet.

    Attributes
    ----------
    conditions : their names. edge : which coordinates are fixed there, and to what.
    size : the largest difference. share : the same in parts of the values' size.
    """

    conditions: tuple[str, str]
    edge: dict[str, float]
    size: float
    share: float


def jumps(problem: Problem) -> Iterator[Jump]:
    """Yield every edge of the box on which prescribed values of an unknown differ."""
    given = [
        (condition, piece, found)
        for condition in problem.conditions
        if (found := prescribed_value(condition))
        for piece in condition.region
    ]
    for (first, piece, (unknown, value)), (second, other, (name, opposite)) in itertools.combinations(given, 2):
        if name != unknown or opposite == value:  # equal formulas do not differ; boxes have many edges
            continue
        fixed = dict(piece.fixed) | dict(other.fixed)
        if len(fixed) == len(piece.fixed) + len(other.fixed):
            yield from _between(problem, (first, second), fixed, (value, opposite), (piece, other))


def _between(
    problem: Problem,
    conditions: tuple[Residual, Residual],
    fixed: dict[str, float],
    values: Sequence[Node],
    pieces: Sequence[Piece],
) -> Iterator[Jump]:
    first, second = (condition.name for condition in conditions)
    points = sample(problem, Piece(tuple(fixed.items())), f"{first}/{second}", 64)
    outwards = np.sum([piece.normals(points, problem.names) for piece in pieces], axis=0)
    inwards = nudged(points, -outwards, problem.box)
    points = points[pieces[0].keeps(inwards, problem.names) & pieces[1].keeps(inwards, problem.names)]
    a, b = (known_values(problem, value, points) for value in values)
    with np.errstate(all="ignore"):
        gap = np.abs(a - b)
    size = max(typical_value(problem, value, (piece,)) for value, piece in zip(values, pieces, strict=True))
    if len(points) and np.nanmax(gap) > NOTICED * size:
        yield Jump((first, second), fixed, float(np.nanmax(gap)), float(np.nanmax(gap)) / size)


def typical_value(problem: Problem, tree: Node, pieces: Sequence[Piece]) -> float:
    """Return the largest value of a tree at some points of pieces."""
    sites = sample_region(problem, pieces, "typical", 64)
    return float(np.nanmax(np.abs(known_values(problem, tree, sites.points)), initial=1e-300))
