"""A Jacobian as dense blocks: each couples some rows to the parameters they can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Block(NamedTuple):
    """Dense values of some rows and some columns.

    Attributes
    ----------
    rows : row numbers, (r,) whole numbers.
    columns : parameter numbers, (c,) whole numbers, each at most once.
    values : derivatives, (r, c).
    """

    rows: Tensor
    columns: Tensor
    values: Tensor


class BlockMatrix:
    """The sum of `Block`s as one matrix (rows, params), never made dense unless asked for.

    Parameters
    ----------
    blocks : at least one block; blocks may overlap, their values add up.
    shape : (rows, params) of the whole matrix.
    """

    def __init__(self, blocks: Sequence[Block], shape: tuple[int, int]):
        self.blocks, self.shape = tuple(blocks), shape

    def dense(self) -> Tensor:
        """Return the matrix, (rows, params)."""
        whole = self.blocks[0].values.new_zeros(self.shape)
        for block in self.blocks:
            whole.index_put_((block.rows[:, None], block.columns), block.values, accumulate=True)
        return whole

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (rows,), for v (params,)."""
        product = vector.new_zeros(self.shape[0])
        for block in self.blocks:
            product.index_add_(0, block.rows, block.values @ vector[block.columns])
        return product

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (rows,)."""
        product = vector.new_zeros(self.shape[1])
        for block in self.blocks:
            product.index_add_(0, block.columns, vector[block.rows] @ block.values)
        return product

    def columns_of(self, columns: Tensor) -> Tensor:
        """Return the dense part (rows, len(columns)) of some parameters."""
        place = torch.full((self.shape[1],), -1, device=columns.device)
        place[columns] = torch.arange(len(columns), device=columns.device)
        part = self.blocks[0].values.new_zeros(self.shape[0], len(columns))
        for block in self.blocks:
            kept = place[block.columns] >= 0
            part.index_put_((block.rows[:, None], place[block.columns[kept]]), block.values[:, kept], accumulate=True)
        return part
