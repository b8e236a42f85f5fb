"""The Jacobian of rows as an operator: products with it, without its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from pinn.field.block import Block

if TYPE_CHECKING:
    from pinn.field.jacobian import Jacobian


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

    jacobian: Jacobian
    num_points: int
    owned: list[Owned]


class RowOperator:
    """J (rows, params) at one θ, never formed.

    A product goes over the factors of the layers, see `pinn.field.factors`: one product of matrices per layer and channel. Measured
    on one core in milliseconds, float64, u_t + u u_x = ν u_xx, networks 4×20 and 4×50; making means all of `Rows.linearise` or
    `Rows.products`, then one J v (Jᵀ w takes as long):

        rows × params     engine      making J   making factors   J v   by factors   by factors made again
        1,000 × 1,341     compiled        1.8              1.1   0.41         0.38                     1.5
                          tensors         7.8              4.2   0.41         0.77                     4.8
        1,000 × 7,851     compiled         12              3.6    2.2          1.5                     5.1
                          tensors          27               12    2.2          2.4                      15
        10,000 × 7,851    compiled        138               47     33           24                      44
                          tensors         350              131     33           32                     142

    So where only products are wanted, compiled factors always win; by tensors they win above about 8,000 parameters, and below
    that for fewer than about ten products at one θ. Factors made again for each product need no memory that grows with the rows,
    and win for one or two products. Where J is to be factorised, `Rows.linearise` makes its entries.

    The other ways to J v, on torch's tape of the same jets, take for the three sizes 5.1, 13 and 114 ms (forward mode) and 4.9, 16
    and 156 ms (differentiating the reverse pass, which is what remains for a torch module).

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
