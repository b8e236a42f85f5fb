"""Weighted squares of residuals and their gradient: compiled code where a field has it, chunks of points otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from pinn.field.fused import Family, Formula
from pinn.problem.terms import Column, Term
from pinn.solver.chunks import Chunk, families, pack

if TYPE_CHECKING:
    from pinn.field.field import Field

Weights = Sequence[float | Tensor]
"""Factor of the squares of each term: a number, or one for each of its rows (rows,)."""


class Sums(NamedTuple):
    """Σ weight · r² with its gradient (params,), and Σ r² of each term (terms,)."""

    loss: Tensor
    gradient: Tensor
    squares: Tensor


class Loss:
    """The squares of all residuals of a problem at fixed points.

    Parameters
    ----------
    limit : points that are evaluated together in chunks.
    """

    def __init__(self, field: Field, terms: Sequence[Term], limit: int):
        self.field, self.terms, self.limit = field, terms, limit
        groups = [[number for number in group if _is_local(terms[number])] for group in families(terms)]
        groups = [group for group in groups if group]
        fused = field.fuse([_family([terms[number] for number in group]) for group in groups])
        self._fused = list(zip(groups, fused, strict=True)) if fused else []

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All terms, cut into chunks."""
        return self._cut(range(len(self.terms)))

    @cached_property
    def _others(self) -> list[Chunk]:
        """The terms that are not compiled."""
        compiled = {number for group, _ in self._fused for number in group}
        return self._cut([number for number in range(len(self.terms)) if number not in compiled])

    def _cut(self, numbers: Sequence[int]) -> list[Chunk]:
        if not numbers:
            return []
        packs = pack([self.terms[number] for number in numbers], self.limit)
        return [Chunk(self.field, [piece._replace(term=numbers[piece.term]) for piece in pieces]) for pieces in packs]

    def evaluate(self, theta: Tensor, weights: Weights) -> Sums:
        """Return the sums at ``theta`` (params,)."""
        loss, gradient, squares = theta.new_zeros(()), torch.zeros_like(theta), theta.new_zeros(len(self.terms))
        by_row = any(isinstance(weight, Tensor) for weight in weights)
        for group, fused in [] if by_row else self._fused:
            numbers = torch.tensor([weights[number] for number in group], dtype=torch.float64)
            sums, part = fused.evaluate(theta, numbers)
            loss, gradient = loss + numbers.dot(sums), gradient.add_(part)
            squares[group] = sums.to(squares.dtype)
        for chunk in self.chunks if by_row else self._others:
            linear = chunk.linearise(theta)
            pairs = [(weights[piece.term], piece.rows) for piece in chunk.pieces]
            factors = [weight[rows] if isinstance(weight, Tensor) else weight for weight, rows in pairs]
            weighted = [factor * residual for factor, residual in zip(factors, linear.residuals, strict=True)]
            gradient += linear.pull([2 * values for values in weighted])
            for piece, residual, values in zip(chunk.pieces, linear.residuals, weighted, strict=True):
                loss = loss + torch.dot(residual, values)
                squares[piece.term] += torch.dot(residual, residual)
        return Sums(loss.to(theta.dtype), gradient, squares)


def _is_local(term: Term) -> bool:
    """Whether every row reads the unknowns at its own point, and at no other."""
    local = all(leaf.nodes is None for leaf in term.columns)
    return len(term.images) == 1 and local and term.images[0].sites.points is term.sites.points


def _family(terms: Sequence[Term]) -> Family:
    """Return terms at the same points with all that they ask for there."""
    request = tuple(dict.fromkeys(column for term in terms for column in term.images[0].request))
    formulas = []
    for term in terms:
        wanted = [request.index(column) for column in term.images[0].request]
        inputs = tuple(wanted[leaf.column] for leaf in term.slopes.inputs if isinstance(leaf, Column))
        formulas.append(Formula(term.slopes, inputs, tuple(wanted[leaf.column] for leaf in term.columns)))
    return Family(terms[0].images[0].sites, request, tuple(formulas))
