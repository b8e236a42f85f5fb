"""Rows over a part of θ while the rest is known: what the stages of a sweep see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pinn.field.block import Block
from pinn.solver.blocks import BlockMatrix
from pinn.solver.part import Part
from pinn.solver.products import nothing
from pinn.solver.stage import Value

if TYPE_CHECKING:
    from pinn.field.field import Field
    from pinn.problem.terms import Term
    from pinn.solver.products import RowOperator
    from pinn.solver.sweep import Turn


def part_of(turn: Turn, field: Field) -> Part:
    """Return the part of θ that the networks of a turn have."""

    def positions(networks: np.ndarray) -> np.ndarray:
        return np.concatenate([np.arange(0), *(np.arange(field.places[k].start, field.places[k].stop) for k in networks)])

    moved = np.flatnonzero((turn.guess != np.arange(len(turn.guess))) & (field.kinds == field.kinds[turn.guess]))
    silent = np.intersect1d(positions(np.flatnonzero(turn.silent)), field.layout.parts["linear"])
    places = positions(np.flatnonzero(turn.unknown)), positions(moved), positions(turn.guess[moved]), silent
    return Part(turn.name, *(torch.as_tensor(each, device=field.device) for each in places))


def rows_in(turn: Turn, field: Field, term: Term) -> np.ndarray:
    """Return the numbers of the rows of a term that read an unknown network and none that waits."""
    reads, waits = np.zeros((2, term.num_rows), bool)
    for image in term.images:
        points, networks = field.seen(image.sites.points, image.sites.side)
        rows = points // (len(image.sites.points) // term.num_rows)
        reads[rows[turn.unknown[networks]]] = True
        waits[rows[turn.waiting[networks]]] = True
    return np.flatnonzero(reads & ~waits)


class PartOfRows:
    """Rows as a function of a part of θ, with what stages ask of `pinn.solver.rows.Rows`.

    Parameters
    ----------
    rows : as a function of all of θ.
    places : positions of the part in θ, rising.
    known : θ (params,), of which the part's values do not matter.

    Attributes
    ----------
    names : of the terms. num_params : length of the part.
    """

    def __init__(self, rows: Any, places: Tensor, known: Tensor):
        self._rows, self._known, self._places = rows, known, places
        self._number = torch.full((len(known),), -1, device=known.device)
        self._number[places] = torch.arange(len(places), device=known.device)
        self.names, self.num_params = rows.names, len(places)

    def _whole(self, theta: Tensor) -> Tensor:
        return self._known.index_copy(0, self._places, theta)

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Positions in the part of the ``hidden`` parameters and of the ``linear`` ones."""
        number = self._number.cpu().numpy()
        return {name: number[places][number[places] >= 0] for name, places in self._rows.parts.items()}

    @property
    def networks(self) -> list[tuple[slice, np.ndarray]]:
        """Where the parameters of each of its networks lie in the part, and the network's middle (dim,)."""
        first = [(int(self._number[place.start]), place, middle) for place, middle in self._rows.networks]
        return [(slice(k, k + place.stop - place.start), middle) for k, place, middle in first if k >= 0]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameters that the part consists of."""
        shapes = self._rows.shapes
        starts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        return tuple(shape for shape, start in zip(shapes, starts, strict=False) if self._number[start] >= 0)

    def evaluate(self, theta: Tensor) -> Value:
        """Return the loss, its gradient and the mean square of each term at the part's values ``theta``."""
        value = self._rows.evaluate(self._whole(theta.detach()))
        return value._replace(gradient=value.gradient[self._places])

    def residual(self, theta: Tensor) -> Tensor:
        """Return r (rows,), differentiable in ``theta`` if the tape is on."""
        return self._rows.residual(self._whole(theta))

    def locate(self, theta: Tensor) -> tuple[str, np.ndarray | None]:
        """Return the first term and the point at which it is not finite."""
        return self._rows.locate(self._whole(theta))

    def linearise(self, theta: Tensor) -> tuple[Tensor, BlockMatrix]:
        """Return r (rows,) and its derivative by the part, (rows, params)."""
        residual, matrix = self._rows.linearise(self._whole(theta))
        blocks = [self._cut(block) for block in matrix.blocks]
        return residual, BlockMatrix([block for block in blocks if block] or [nothing(theta)], (len(residual), self.num_params))

    def _cut(self, block: Block) -> Block | None:
        columns = self._number[block.columns]
        mine = columns >= 0
        return Block(block.rows, columns[mine], block.values[:, mine]) if bool(mine.any()) else None

    def products(self, theta: Tensor, keep: bool = True) -> tuple[Tensor, PartOperator]:
        """Return r (rows,) and the same derivative as an operator."""
        residual, operator = self._rows.products(self._whole(theta), keep)
        return residual, PartOperator(operator, self._places)


class PartOperator:
    """The columns of an operator (rows, params) at some places."""

    def __init__(self, operator: RowOperator, places: Tensor):
        self._operator, self._places, self.shape = operator, places, (operator.shape[0], len(places))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (rows,), for v (places,)."""
        return self._operator @ vector.new_zeros(self._operator.shape[1]).index_copy(0, self._places, vector)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (places,), for w (rows,)."""
        return self._operator.transpose_apply(vector)[self._places]
