"""The discretised problem: residual rows r(θ) of a field at the points of its terms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pinn.problem.settings import BadInput, nearest
from pinn.problem.terms import Term
from pinn.solver.blocks import BlockMatrix
from pinn.solver.chunks import Piece
from pinn.solver.loss import Loss
from pinn.solver.products import Owned, RowOperator, Share, merged_blocks, nothing
from pinn.solver.stage import Value

if TYPE_CHECKING:
    from pinn.field.field import Field


class Rows:
    """Immutable residual rows; row i of a term is sqrt(weight / count) times its residual at point i.

    The loss |r|² is the sum over terms of weight times mean square. Points of all terms that ask for the same jets are evaluated
    together; many points are evaluated in chunks, so memory does not grow with their number.

    Parameters
    ----------
    field : what maps θ to jets; needs ``at``, ``chunk``, ``fuse``, ``num_params``, ``dtype`` and ``device`` of
        `pinn.field.field.Field`.
    terms : residuals with their points, in the order of the rows.
    weights : factors on the weights that the terms have, by name, a number or one for each row (rows,); those not named keep 1.
    chunk : points that are evaluated together, by default what the field finds best; it changes results by rounding.

    Attributes
    ----------
    names : of the terms. slices : of the rows of each term. num_rows, num_params : size of the Jacobian.

    Raises
    ------
    BadInput : a weight for an unknown term, a negative weight, no terms.
    """

    def __init__(self, field: Field, terms: Sequence[Term], weights: Mapping[str, Any] | None = None, chunk: int | None = None):
        if not terms:
            raise BadInput("there is nothing to solve: no terms")
        self.field, self.terms = field, tuple(terms)
        self.chunk = chunk or min(
            (field.chunk(image.request, image.sites.directions) for term in terms for image in term.images), default=1
        )
        self.names = tuple(term.name for term in terms)
        ends = list(itertools.accumulate((term.num_rows for term in terms), initial=0))
        self.slices = {name: slice(a, b) for name, a, b in zip(self.names, ends[:-1], ends[1:], strict=True)}
        self.num_rows, self.num_params = ends[-1], field.num_params
        self._counts = torch.tensor([term.count for term in self.terms], dtype=field.dtype, device=field.device)
        self.weights = dict(weights or {})
        self._weights = [self._weight(term) for term in self.terms]
        self._check_weights()
        self._loss = Loss(field, self.terms, self.chunk)

    @property
    def parts(self) -> Mapping[str, np.ndarray]:
        """Positions in θ of the ``hidden`` parameters and of the ``linear`` ones, those of the last layer."""
        return self.field.layout.parts

    @property
    def networks(self) -> list[tuple[slice, np.ndarray]]:
        """Where the parameters of each network lie in θ, and its middle (dim,)."""
        return list(zip(self.field.places, self.field.middles, strict=True))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameters that θ consists of, in its order."""
        return tuple(self.field.layout.shapes.values())

    def _weight(self, term: Term) -> float | Tensor:
        factor = self.weights.get(term.name, 1.0)
        if isinstance(factor, (int, float)):
            return term.weight * factor / term.count
        return torch.as_tensor(factor, dtype=self.field.dtype, device=self.field.device) * (term.weight / term.count)

    def _check_weights(self) -> None:
        for name in self.weights:
            if name not in self.names:
                raise BadInput(f"unknown term {name!r}; terms: {', '.join(self.names)}{nearest(name, self.names)}", "weights")
        for term, weight in zip(self.terms, self._weights, strict=True):
            if not bool(torch.as_tensor(weight >= 0).all()):
                raise BadInput("must be at least 0", f"weights.{term.name}")

    def weighted(self, weights: Mapping[str, Any]) -> Rows:
        """Return rows at the same points with other factors ``weights``; nothing is evaluated again."""
        other = object.__new__(Rows)
        other.__dict__.update(self.__dict__)
        other.weights = dict(weights)
        other._weights = [other._weight(term) for term in other.terms]
        other._check_weights()
        return other

    def evaluate(self, theta: Tensor) -> Value:
        """Return the loss |r|², its gradient, and the mean square of each term without its weight, at ``theta`` (params,)."""
        loss, gradient, squares = self._loss.evaluate(theta.detach(), self._weights)
        return Value(loss, gradient, squares / self._counts)

    def losses(self, theta: Tensor) -> dict[str, float]:
        """Return the mean square of each term at ``theta`` (params,), without its weight."""
        by_name = self.unweighted(theta)
        return {term.name: float(by_name[term.name].square().sum()) / term.count for term in self.terms}

    def residual(self, theta: Tensor) -> Tensor:
        """Return r (rows,), differentiable in ``theta`` (params,) if the tape is on."""
        scaled = [self._root(k, slice(None)) * torch.cat(parts) for k, parts in enumerate(self._by_term(theta))]
        return torch.cat(scaled)

    def unweighted(self, theta: Tensor) -> dict[str, Tensor]:
        """Return the residual of each term as the formula has it, (rows of the term,), without gradient."""
        with torch.no_grad():
            return {name: torch.cat(parts) for name, parts in zip(self.names, self._by_term(theta), strict=True)}

    def _root(self, term: int, rows: slice) -> float | Tensor:
        weight = self._weights[term]
        return weight[rows].sqrt() if isinstance(weight, Tensor) else math.sqrt(weight)

    def _by_term(self, theta: Tensor) -> list[list[Tensor]]:
        by_term: list[list[Tensor]] = [[] for _ in self.terms]
        for chunk in self._loss.chunks:
            for piece, values in zip(chunk.pieces, chunk.residuals(theta), strict=True):
                by_term[piece.term].append(values)
        return by_term

    def linearise(self, theta: Tensor) -> tuple[Tensor, BlockMatrix]:
        """Return r (rows,) and J = dr/dθ (rows, params), such that |r + J d| predicts |r(θ + d)|."""
        residual = theta.new_zeros(self.num_rows)
        blocks = [block for shares in self._linearise(theta, residual) for block in merged_blocks(shares)]
        return residual, BlockMatrix(blocks or [nothing(theta)], (self.num_rows, self.num_params))

    def products(self, theta: Tensor, keep: bool = True) -> tuple[Tensor, RowOperator]:
        """Return r (rows,) and the same J as an operator that never forms it; `RowOperator` says when that pays.

        Parameters
        ----------
        theta : (params,). keep : whether what products need of every chunk is kept, or made again for each product.
        """
        residual = theta.new_zeros(self.num_rows)
        kept = [share for shares in self._linearise(theta, residual) for share in shares if keep]
        remade = residual.clone()  # written by every product, so it is not the one that is returned

        def make() -> Iterator[Share]:
            for shares in self._linearise(theta, remade):
                yield from shares

        return residual, RowOperator((lambda: iter(kept)) if keep else make, (self.num_rows, self.num_params))

    def _linearise(self, theta: Tensor, residual: Tensor) -> Iterator[list[Share]]:
        """Yield the shares of every chunk in the Jacobian, and write its rows of the residual."""
        for chunk in self._loss.chunks:
            linear = chunk.linearise(theta)
            rows = [self._rows_of(piece) for piece in chunk.pieces]
            roots = [self._root(piece.term, piece.rows) for piece in chunk.pieces]
            for place, root, values in zip(rows, roots, linear.residuals, strict=True):
                residual[place] = root * values
            parts = linear.parts(roots)
            yield [Share(part.jacobian, part.num_points, [Owned(rows[k], slice(a, b)) for k, a, b in part.spans]) for part in parts]

    def _rows_of(self, piece: Piece) -> slice:
        first = self.slices[self.names[piece.term]].start
        return slice(first + piece.rows.start, first + piece.rows.stop)

    def locate(self, theta: Tensor) -> tuple[str, np.ndarray | None]:
        """Return the first term and the point (dim,) at which its residual, or else its gradient, is not finite.

        The point is None when no single one is at fault, the name ``""`` when all is finite.
        """
        for chunk in self._loss.chunks:
            linear = chunk.linearise(theta)
            for number, (piece, residual) in enumerate(zip(chunk.pieces, linear.residuals, strict=True)):
                term, rows = self.terms[piece.term], residual.isfinite() & linear.slopes_are_finite(number)
                if not bool(rows.all()):
                    return term.name, term.sites.points[piece.rows.start + int((~rows).nonzero()[0])]
                if not bool(linear.pull([2 * r * (k == number) for k, r in enumerate(linear.residuals)]).isfinite().all()):
                    return term.name, None
        return "", None
