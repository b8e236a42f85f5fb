"""A Jacobian as dense blocks: each couples some rows to the parameters they can see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pinn.field.block import Block


class BlockMatrix:
    """The sum of `Block`s as one matrix (rows, params), never made dense unless asked for.

    Parameters
    ----------
    blocks : at least one block; blocks may overlap, their values add up.
    shape : (rows, params) of the whole matrix.
    """

    def __init__(self, blocks: Sequence[Block], shape: tuple[int, int]):
        self.blocks, self.shape = tuple(blocks), shape

    @property
    def num_bytes(self) -> int:
        """Memory of all values; the dense matrix takes the product of ``shape`` instead."""
        return sum(block.values.numel() * block.values.element_size() for block in self.blocks)

    def dense(self) -> Tensor:
        """Return the matrix, (rows, params)."""
        whole = self.blocks[0].values.new_zeros(self.shape)
        for block in self.blocks:
            _add(whole, block.rows, block.columns, block.values)
        return whole

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (rows,), for v (params,)."""
        product = vector.new_zeros(self.shape[0])
        for block in self.blocks:
            product[block.rows] += block.values @ vector[block.columns]
        return product

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (rows,)."""
        product = vector.new_zeros(self.shape[1])
        for block in self.blocks:
            product[block.columns] += vector[block.rows] @ block.values
        return product

    def columns_of(self, columns: Tensor) -> Tensor:
        """Return the dense part (rows, len(columns)) of some parameters."""
        place = torch.full((self.shape[1],), -1, device=columns.device)
        place[columns] = torch.arange(len(columns), device=columns.device)
        part = self.blocks[0].values.new_zeros(self.shape[0], len(columns))
        for block in self.blocks:
            to = place[block.columns]
            _add(part, block.rows, to[to >= 0], block.values[:, to >= 0])
        return part


def _add(whole: Tensor, rows: Tensor | slice, columns: Tensor | slice, values: Tensor) -> None:
    if isinstance(rows, Tensor) and isinstance(columns, Tensor):
        rows = rows[:, None]
    whole[rows, columns] += values
