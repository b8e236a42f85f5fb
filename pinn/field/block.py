"""Dense blocks of a sparse Jacobian. Importing this module does not import torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Block(NamedTuple):
    """Dense values of some rows and some columns.

    Attributes
    ----------
    rows : row numbers, (r,) whole numbers each at most once, or a slice of them.
    columns : parameter numbers, (c,) whole numbers each at most once, or a slice of them.
    values : derivatives, (r, c).
    """

    rows: Tensor | slice
    columns: Tensor | slice
    values: Tensor


def member_blocks(values: Tensor, starts: Sequence[int]) -> tuple[Block, ...]:
    """Return the blocks of rows that stand member by member, each with the columns of its own member.

    Parameters
    ----------
    values : (rows, columns of a member). starts : first row of every member, and the number of rows; (members + 1).
    """
    size = values.shape[1]
    spans = [(member, slice(a, b)) for member, (a, b) in enumerate(itertools.pairwise(starts)) if b > a]
    return tuple(Block(rows, slice(member * size, (member + 1) * size), values[rows]) for member, rows in spans)
