"""Sites: the places at which a field is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Sites(NamedTuple):
    """Points and what belongs to them.

    Attributes
    ----------
    points : (points, dim), coordinates in the problem's order.
    normals : (points, dim) outward unit normals, zero along time; None off surfaces.
    side : (points,) number of the cell to look from where a field may jump; None means the cell that owns the point.
    columns : further data read by a formula, (points,) each.
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    side: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = {}
