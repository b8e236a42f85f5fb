"""Sites: the places at which a field is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def join(parts: Sequence[Sites]) -> Sites:
    """Return the points of several sites as one, without further columns.

    Where only some have normals the others get zeros; either all or none have sides.
    """
    points = np.concatenate([part.points for part in parts])
    normals = [np.zeros_like(part.points) if part.normals is None else part.normals for part in parts]
    sides = [part.side for part in parts if part.side is not None]
    return Sites(
        points,
        None if all(part.normals is None for part in parts) else np.concatenate(normals),
        np.concatenate(sides) if sides else None,
    )
