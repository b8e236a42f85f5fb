"""The Jacobian of rows as an operator: products with it, without its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from pinn.field.block import Block

if TYPE_CHECKING:
    from pinn.field.linearised import Linearised


class Owned(NamedTuple):
    """Rows, and the points whose scalars they sum: as many consecutive ones for each row."""

    rows: slice
    points: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of points of each."""
        num_rows = self.rows.stop - self.rows.start
        return num_rows, (self.points.stop - self.points.start) // max(num_rows, 1)


class Share(NamedTuple):
    """A part of a Jacobian: of a scalar at each of ``num_points`` points of an evaluation, and the rows that own these points."""

    jacobian: Linearised
    num_points: int
    owned: list[Owned]


class RowOperator:
    """J (rows, params) at one θ, never formed.

    Parameters
    ----------
    shares : gives the parts that J is the sum of; called for every product.
    shape : (rows, params).
    """

    def __init__(self, shares: Callable[[], Iterator[Share]], shape: tuple[int, int]):
        self._shares, self.shape = shares, shape

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (rows,), for v (params,)."""
        product = vector.new_zeros(self.shape[0])
        for share in self._shares():
            values = share.jacobian @ vector
            for own in share.owned:
                product[own.rows] += values[own.points].view(own.shape).sum(1)
        return product

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (rows,)."""
        product = vector.new_zeros(self.shape[1])
        for share in self._shares():
            weights = vector.new_zeros(share.num_points)
            for own in share.owned:
                weights[own.points] = vector[own.rows].repeat_interleave(own.shape[1])
            product += share.jacobian.transpose_apply(weights)
        return product


def merged_blocks(shares: Iterable[Share]) -> list[Block]:
    """Return the Jacobian of some shares as blocks of rows; those that have the same slices of rows and columns are added up."""
    blocks: list[Block] = []
    found: dict[tuple, Block] = {}
    for block in (block for share in shares for block in _blocks(share)):
        if not isinstance(block.rows, slice) or not isinstance(block.columns, slice):
            blocks.append(block)
            continue
        first = found.setdefault((block.rows.start, block.rows.stop, block.columns.start, block.columns.stop), block)
        if first is not block:
            first.values.add_(block.values)
    return [*found.values(), *blocks]


def _blocks(share: Share) -> Iterator[Block]:
    for points, columns, values in share.jacobian.blocks():
        for own in share.owned:
            if isinstance(points, slice):  # all of them, as a single network has them
                mine = values[own.points]
                yield Block(own.rows, columns, mine if own.shape[1] == 1 else mine.unflatten(0, own.shape).sum(1))
            elif len(inside := ((points >= own.points.start) & (points < own.points.stop)).nonzero()[:, 0]):
                yield _summed(own, points[inside], columns, values[inside])


def _summed(own: Owned, points: Tensor, columns: Tensor | slice, values: Tensor) -> Block:
    """Return the block of the rows that own some points, (points,) with values (points, c), summed over those of each row."""
    owners = own.rows.start + (points - own.points.start) // own.shape[1]
    rows, place = owners.unique(return_inverse=True)
    return Block(rows, columns, values.new_zeros(len(rows), values.shape[1]).index_add_(0, place, values))


def nothing(like: Tensor) -> Block:
    """Return a block without rows of the type of ``like``."""
    return Block(slice(0, 0), slice(0, 0), like.new_zeros(0, 0))
