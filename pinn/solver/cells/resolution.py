"""How well a cover resolves a solution, and what to do about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import Cover

Array = np.ndarray

NEGLIGIBLE = 1e-8
"""An unknown that is smaller than this part of the largest counts as if it were as large."""

WORST = 0.1
"""Cells are cut along the axes along which this part of what is missing along the worst one is missing."""

MOSTLY = 0.5
"""Cells of which a smaller part is in the domain are judged by their residuals: what they are outside it, nobody asked for."""

LITTLE, WIDEST_CUT = 0.2, 0.2
"""Cells of which less than the first part is in the domain are at most this wide, in parts of the box: polynomials are badly
determined by values in a corner of their cell."""

UNEVEN = 0.3
"""Cells whose rows leave more than this part of what those of the worst cell leave are cut."""

AMPLE = 1e-2
"""Two cells become one where one is enough for this part of the tolerance."""


def left_out(field: CellField, coefficients: Array, scales: Array, share: float = 1.0) -> Array:
    """Return what the features of each cell leave out of the solution along each axis, (cells, dim).

    It is the largest over the unknowns, relative to their sizes ``scales`` (unknowns,), and counts by the root of the cell's share
    of the domain, of which the cover is a ``share``, so that the root of the sum of squares over all cells is relative in L2.
    """
    values = coefficients @ field.basis.table((0,) * field.basis.dim).T
    tails = field.basis.tails(values) / scales[:, None]
    volumes = np.prod(field.cover.halves, axis=1)
    return tails.max(axis=1) * np.sqrt(share * volumes / volumes.sum())[:, None]


def left_out_in_part(cover: Cover, shares: Array, residuals: Array, space: tuple[int, ...]) -> Array:
    """Return the same for cells of which a part is in the domain, judged by their ``residuals`` (cells,), (cells, dim).

    Parameters
    ----------
    shares : of each cell that are in the domain, (cells,). space : the axes along which cells may be cut.
    """
    found = np.repeat(residuals[:, None], cover.boxes.shape[1], axis=1)
    is_wide = np.zeros(found.shape, bool)
    is_wide[:, list(space)] = (2 * cover.halves > WIDEST_CUT * np.ptp(cover.domain, axis=1))[:, list(space)]
    found[is_wide & ((shares > 0) & (shares < LITTLE))[:, None]] = 1.0
    return found


def sizes(field: CellField, coefficients: Array, inside: Array | None = None) -> Array:
    """Return the root mean square of each unknown in the domain, (unknowns,).

    Parameters
    ----------
    inside : which points of each cell are in the domain, (cells, points); None where all are. Outside, polynomials may be large.
    """
    values = coefficients @ field.basis.table((0,) * field.basis.dim).T
    volumes = np.prod(field.cover.halves, axis=1)
    if inside is None:
        return np.sqrt(np.mean(values**2, axis=2).T @ volumes / volumes.sum())
    squares = np.sum(values**2 * inside[:, None], axis=2).T @ volumes
    return np.sqrt(squares / max(float(inside.sum(axis=1) @ volumes), np.finfo(float).tiny))


def positive(scales: Array) -> Array:
    """Return sizes of unknowns (unknowns,) by which can be divided: none is much smaller than the largest."""
    return np.maximum(scales, max(float(scales.max()) * NEGLIGIBLE, float(np.finfo(float).tiny)))


def too_coarse(missing: Array, tolerance: float, axes: tuple[int, ...], room: int) -> dict[int, tuple[int, ...]]:
    """Return the cells to cut and along which of ``axes``: where more than ``tolerance`` is missing, and along the worst axes.

    Where that would make more than ``room`` new cells only those that miss most are cut.
    """
    found: dict[int, tuple[int, ...]] = {}
    worst = missing[:, list(axes)].max(axis=1, initial=0.0)
    for cell in np.argsort(-worst, kind="stable"):
        cut = tuple(axis for axis in axes if missing[cell, axis] > max(WORST * worst[cell], tolerance / 2))
        room -= 2 ** len(cut) - 1
        if worst[cell] <= tolerance or room < 0:
            break
        found[int(cell)] = cut
    return found


def unsatisfied(shares: Array, axes: tuple[int, ...], room: int) -> dict[int, tuple[int, ...]]:
    """Return the cells to cut, along all of ``axes``, where they leave most of what the equations leave over all cells.

    At a corner that points inwards, or where a condition gives way to another, derivatives are infinite. Solutions by least squares
    are smooth there on coarse cells, and wrong elsewhere; only what is left of the rows tells. It falls as cells are graded.

    Parameters
    ----------
    shares : the norm of the rows of each cell, (cells,). room : for so many new cells.
    """
    most = min(max(room, 0) // (2 ** len(axes) - 1), max(2 ** len(axes), len(shares) // 4))
    worst = np.argsort(-shares, kind="stable")[:most]
    return {int(cell): axes for cell in worst if shares[cell] > UNEVEN * shares[worst[0]]}


def merged(field: CellField, coefficients: Array, scales: Array, tolerance: float, axes: tuple[int, ...]) -> Cover:
    """Return the cover with halves put together wherever their whole resolves the solution amply."""
    cover = field.cover
    for axis in axes:
        cover = _merged(cover, axis, field, coefficients, scales, AMPLE * tolerance)
    return cover


def _merged(cover: Cover, axis: int, field: CellField, coefficients: Array, scales: Array, tolerance: float) -> Cover:
    boxes, gone = [], set()
    for cell, partner in enumerate(cover.siblings(axis)):
        if partner is None or cell in gone:
            boxes += [] if cell in gone else [cover.boxes[cell]]
            continue
        whole = cover.boxes[cell].copy()
        whole[axis, 1] = cover.boxes[partner][axis, 1]
        if _missing(whole, field, coefficients, scales) < tolerance:
            gone.add(partner)
            boxes.append(whole)
        else:
            boxes.append(cover.boxes[cell])
    return replace(cover, boxes=np.array(boxes))


def _missing(box: Array, field: CellField, coefficients: Array, scales: Array) -> float:
    """Return what the features leave out of the solution on a box."""
    points = box.mean(axis=1) + (box[:, 1] - box[:, 0]) / 2 * field.basis.points
    zero = ((0,) * field.basis.dim,)
    values = field.jets(coefficients, points, tuple((unknown, zero) for unknown in field.unknowns))
    return float((field.basis.tails(values.T) / scales[:, None]).max())
