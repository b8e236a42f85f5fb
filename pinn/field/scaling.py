"""Scales of coordinates and unknowns, so that a network works with numbers of size one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Scaling(NamedTuple):
    """Map of the box of the coordinates to [−1, 1] in every direction: (x − center) · factor; arrays (dim,)."""

    center: np.ndarray
    factor: np.ndarray


def coordinate_scaling(problem: Any) -> Scaling:
    """Return the scaling of a problem's coordinates."""
    low = np.array([coordinate.low for coordinate in problem.coordinates], dtype=float)
    high = np.array([coordinate.high for coordinate in problem.coordinates], dtype=float)
    return Scaling(low + (high - low) / 2, 2.0 / (high - low))


def output_scales(problem: Any) -> np.ndarray:
    """Return the typical size of every unknown (unknowns,), 1 where the problem does not say; the network is multiplied by it."""
    return np.array([1.0 if unknown.scale is None else float(unknown.scale) for unknown in problem.unknowns])
