"""Operators that are estimated, as derivatives by further coordinates along straight lines through the points."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from pinn.field.request import Request
from pinn.problem.directions import Directions
from pinn.problem.formulas.tree import Operator

NO_DIRECTIONS: Mapping[Operator, Directions] = MappingProxyType({})


def along_lines(request: Request, directions: Mapping[Operator, Directions]) -> tuple[Request, list[np.ndarray]]:
    """Return the request with further coordinates s_j, all zero at the points, and the directions (points, dim) of their lines.

    An operator that has directions becomes ∂^common Σ_j ∂^order/∂s_j^order, so that it is carried as one channel; all others stay
    as they are. Without directions for what is asked nothing changes.
    """
    used = {operator: directions[operator] for _, operator in request if operator in directions} if directions else {}
    lines: list[np.ndarray] = []
    first: dict[Operator, int] = {}
    for operator, known in used.items():
        first[operator] = len(lines)
        lines += known.lines()
    if not lines:
        return request, []

    def extended(operator: Operator) -> Operator:
        if operator not in used:
            return tuple((*index, *[0] * len(lines)) for index in operator)
        known = used[operator]
        own = range(first[operator], first[operator] + known.vectors.shape[1])
        return tuple(sorted((*known.common, *(known.order * (j == line) for j in range(len(lines)))) for line in own))

    return tuple((unknown, extended(operator)) for unknown, operator in request), lines
