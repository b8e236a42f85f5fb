"""Linear least squares for the last layers of many networks, each of which counts at some of the rows only.

Features of a network are first made orthonormal over its rows, which drops what rounding makes of nearly dependent ones; then the
networks are eliminated along a tree of halves of the domain (`pinn.solver.cells.elimination`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import svd
from torch import Tensor

from pinn.field.block import Block
from pinn.solver.blocks import BlockMatrix
from pinn.solver.cells.elimination import Rows, bisection, eliminate, substitute

Array = np.ndarray


DEPENDENT = 1e-12
"""Combinations over several networks that the rows determine this little get no part of the solution."""


class Columns(NamedTuple):
    """What one network has in a matrix.

    Attributes
    ----------
    places : of its columns among all. rows : in which they are not zero, in order. values : (rows, columns).
    """

    places: Array
    rows: Array
    values: Array


class Features(NamedTuple):
    """Orthonormal combinations of a network's columns, columns = values · inverse combinations, at some rows."""

    places: Array
    rows: Array
    values: Array
    combinations: Array


def by_network(matrix: BlockMatrix, networks: Sequence[tuple[slice, Array]], columns: Tensor) -> list[Columns] | None:
    """Return what each network has in some columns of a Jacobian; None for a single one, and where a block holds several.

    Parameters
    ----------
    networks : where the parameters of each lie, in order, and its middle. columns : numbers of parameters.
    """
    if len(networks) < 2:
        return None
    wanted = columns.cpu().numpy()
    begins = np.array([place.start for place, _ in networks])
    blocks: list[list[Block]] = [[] for _ in networks]
    for block in matrix.blocks:
        own = np.arange(matrix.shape[1])[_index(block.columns)]
        if not len(own):
            continue
        owner = int(np.searchsorted(begins, own[0], side="right")) - 1
        if own[-1] >= networks[owner][0].stop:
            return None
        blocks[owner].append(block)
    return [_columns(own, place, wanted, matrix.shape) for own, (place, _) in zip(blocks, networks, strict=True)]


def _columns(blocks: Sequence[Block], network: slice, wanted: Array, shape: tuple[int, int]) -> Columns:
    places = np.flatnonzero((network.start <= wanted) & (wanted < network.stop))
    numbers = [np.arange(shape[0])[_index(block.rows)] for block in blocks]
    rows = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, int)
    values = np.zeros((len(rows), len(places)))
    for block, number in zip(blocks, numbers, strict=True):
        own = np.arange(shape[1])[_index(block.columns)]
        kept = np.isin(own, wanted[places])
        into = np.searchsorted(wanted[places], own[kept])
        values[np.ix_(np.searchsorted(rows, number), into)] += block.values.cpu().double().numpy()[:, kept]
    return Columns(places, rows, values)


def _index(which: Tensor | slice) -> Array | slice:
    return which if isinstance(which, slice) else which.cpu().numpy()


def solve(columns: Sequence[Columns], right: Array, centers: Array, rank: float) -> Array:
    """Return x that makes |A x − right| least, A having the given columns; zero where columns are dependent.

    Parameters
    ----------
    columns : of every network. right : (rows,).
    centers : where the networks are, (networks, dim); those that share rows should be near each other.
    rank : smallest singular value of a network's own columns that counts, relative to the largest, each column having length 1.
    """
    networks = [_orthonormal(each, rank) for each in columns]
    sizes = {number: each.values.shape[1] for number, each in enumerate(networks)}
    groups = _groups(networks, right)
    middles = np.array([centers[list(group.blocks)].mean(axis=0) for group in groups])
    known = substitute(eliminate(groups, sizes, bisection(middles), max(rank, DEPENDENT)), sizes)
    found = np.zeros(sum(len(each.places) for each in columns))
    for number, each in enumerate(networks):
        found[each.places] = each.combinations @ known.get(number, np.zeros(sizes[number]))
    return found


def _orthonormal(columns: Columns, rank: float) -> Features:
    lengths = np.linalg.norm(columns.values, axis=0)
    lengths[lengths == 0] = 1.0
    left, sizes, right = svd(columns.values / lengths, full_matrices=False, check_finite=False)
    kept = sizes > rank * (sizes[0] if len(sizes) else 1.0)
    return Features(columns.places, columns.rows, left[:, kept], (right[kept].T / sizes[kept]) / lengths[:, None])


def _groups(networks: Sequence[Features], right: Array) -> list[Rows]:
    """Return the rows by the set of networks that count in them."""
    seen = np.zeros((len(right), len(networks)), bool)
    for number, each in enumerate(networks):
        seen[each.rows, number] = True
    keys, which = np.unique(np.packbits(seen, axis=1), axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=len(keys)))
    found = []
    for rows in np.split(order, ends[:-1]):
        blocks = tuple(np.flatnonzero(seen[rows[0]]).tolist())
        if blocks:
            parts = [networks[block].values[np.searchsorted(networks[block].rows, rows)] for block in blocks]
            found.append(Rows(blocks, np.hstack(parts), right[rows]))
    return found
