"""The discretised problem: residual rows r(θ) of a field at the points of its terms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.problem.settings import BadInput, nearest
from pinn.problem.sites import Sites
from pinn.problem.terms import Term
from pinn.solver.blocks import Block, BlockMatrix
from pinn.solver.functions import TORCH
from pinn.solver.stage import Value

if TYPE_CHECKING:
    from pinn.field.field import Field

CHUNK = 2048
"""Points that are evaluated together; their jets at every layer should fit the cache."""

JACOBIAN_NUMBERS = 2**24
"""Numbers of a dense piece of the Jacobian that is made at once."""


class Rows:
    """Immutable residual rows; row i of a term is sqrt(weight / count) times its residual at point i.

    The loss |r|² is the sum over terms of weight times mean square. Points of all terms that ask for the same jets are evaluated
    together; many points are evaluated in chunks, so memory does not grow with their number.

    Parameters
    ----------
    field : what maps θ to jets; needs ``at(sites, request)``, ``num_params``, ``dtype``, ``device``.
    terms : residuals with their points, in the order of the rows.
    weights : factors on the weights that the terms have, by name, a number or one for each row (rows,); those not named keep 1.
    chunk : points that are evaluated together; it changes results by rounding.

    Attributes
    ----------
    names : of the terms. slices : of the rows of each term. num_rows, num_params : size of the Jacobian.

    Raises
    ------
    BadInput : a weight for an unknown term, a negative weight, no terms.
    """

    def __init__(self, field: Field, terms: Sequence[Term], weights: Mapping[str, Any] | None = None, chunk: int = CHUNK):
        if not terms:
            raise BadInput("there is nothing to solve: no terms")
        self.field, self.terms, self.chunk = field, tuple(terms), chunk
        self.names = tuple(term.name for term in terms)
        ends = list(itertools.accumulate((term.num_rows for term in terms), initial=0))
        self.slices = {name: slice(a, b) for name, a, b in zip(self.names, ends[:-1], ends[1:], strict=True)}
        self.num_rows, self.num_params = ends[-1], field.num_params
        self.weights = dict(weights or {})
        self._weights = [self._weight(term) for term in self.terms]
        self._check_weights()
        self._chunks = [Chunk(field, pieces) for pieces in pack(terms, chunk)]
        self._weigh()

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

    def _weigh(self) -> None:
        """Prepare for each chunk the factors of the squared residuals, one for each piece."""
        self._factors, self._per_row = [], []
        for chunk in self._chunks:
            weights = [self._weights[piece.term] for piece in chunk.pieces]
            per_row = [isinstance(weight, Tensor) for weight in weights]
            plain = [1.0 if rowwise else weight for rowwise, weight in zip(per_row, weights, strict=True)]
            self._factors.append(torch.tensor(plain, dtype=self.field.dtype, device=self.field.device))
            self._per_row.append([weight[piece.rows] if rowwise else None for rowwise, weight, piece in zip(per_row, weights, chunk.pieces, strict=True)])
        counts = [self.terms[piece.term].count for chunk in self._chunks for piece in chunk.pieces]
        self._counts = torch.tensor(counts, dtype=self.field.dtype, device=self.field.device)
        owners = [piece.term for chunk in self._chunks for piece in chunk.pieces]
        self._owners = torch.tensor(owners, device=self.field.device)

    def weighted(self, weights: Mapping[str, Any]) -> Rows:
        """Return rows at the same points with other factors ``weights``; nothing is evaluated again."""
        other = object.__new__(Rows)
        other.__dict__.update(self.__dict__)
        other.weights = dict(weights)
        other._weights = [other._weight(term) for term in other.terms]
        other._check_weights()
        other._weigh()
        return other

    def evaluate(self, theta: Tensor) -> Value:
        """Return the loss |r|², its gradient, and the mean square of each term without its weight, at ``theta`` (params,)."""
        leaf = theta.detach().requires_grad_()
        loss, gradient, squares = theta.new_zeros(()), None, []
        for chunk, factors, per_row in zip(self._chunks, self._factors, self._per_row, strict=True):
            with torch.enable_grad():
                residuals = chunk.residuals(leaf)
                plain = torch.stack([torch.dot(r, r) for r in residuals])
                weighed = [plain[k] if w is None else torch.dot(w, r * r) for k, (w, r) in enumerate(zip(per_row, residuals, strict=True))]
                part = torch.dot(factors, plain if not any(w is not None for w in per_row) else torch.stack(weighed))
            loss = loss + part.detach()
            squares.append(plain.detach())
            if part.requires_grad:
                (piece,) = torch.autograd.grad(part, leaf)
                gradient = piece if gradient is None else gradient.add_(piece)
        sums = theta.new_zeros(len(self.terms)).index_add_(0, self._owners, torch.cat(squares) / self._counts)
        return Value(loss, torch.zeros_like(theta) if gradient is None else gradient, sums)

    def loss_and_gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return |r|² (), and its gradient (params,)."""
        value = self.evaluate(theta)
        return value.loss, value.gradient

    def losses(self, theta: Tensor) -> dict[str, float]:
        """Return the mean square of each term without its weight."""
        with torch.no_grad():
            by_term = self._by_term(theta)
        return {term.name: float(torch.cat(parts).square().sum()) / term.count for term, parts in zip(self.terms, by_term, strict=True)}

    def residual(self, theta: Tensor) -> Tensor:
        """Return r (rows,), differentiable in ``theta`` (params,) if the tape is on."""
        scaled = [self._root(k) * torch.cat(parts) for k, parts in enumerate(self._by_term(theta))]
        return torch.cat(scaled)

    def unweighted(self, theta: Tensor) -> dict[str, Tensor]:
        """Return the residual of each term as the formula has it, (rows of the term,), without gradient."""
        with torch.no_grad():
            return {name: torch.cat(parts) for name, parts in zip(self.names, self._by_term(theta), strict=True)}

    def _root(self, term: int) -> float | Tensor:
        weight = self._weights[term]
        return weight.sqrt() if isinstance(weight, Tensor) else math.sqrt(weight)

    def _by_term(self, theta: Tensor) -> list[list[Tensor]]:
        by_term: list[list[Tensor]] = [[] for _ in self.terms]
        for chunk in self._chunks:
            for piece, values in zip(chunk.pieces, chunk.residuals(theta), strict=True):
                by_term[piece.term].append(values)
        return by_term

    def linearise(self, theta: Tensor) -> tuple[Tensor, BlockMatrix]:
        """Return r (rows,) and J = dr/dθ (rows, params), such that |r + J d| predicts |r(θ + d)|.

        One dense block for each piece of a term, by a batched reverse pass.
        """
        residual, blocks = theta.new_zeros(self.num_rows), []
        for chunk in self._chunks:
            leaf = theta.detach().requires_grad_()
            with torch.enable_grad():
                parts = chunk.residuals(leaf)
            for piece, part in zip(chunk.pieces, parts, strict=True):
                weight = self._weights[piece.term]
                root = weight[piece.rows].sqrt() if isinstance(weight, Tensor) else math.sqrt(weight)
                numbers = torch.arange(piece.rows.start, piece.rows.stop, device=theta.device) + self.slices[self.names[piece.term]].start
                residual[numbers] = (root * part).detach()
                values = jacobian(part, leaf) * (root[:, None] if isinstance(root, Tensor) else root)
                blocks.append(Block(numbers, torch.arange(self.num_params, device=theta.device), values))
        return residual, BlockMatrix(blocks, (self.num_rows, self.num_params))

    def locate(self, theta: Tensor) -> tuple[str, np.ndarray | None]:
        """Return the first term and the point (dim,) at which its residual, or else its gradient, is not finite.

        The point is None when no single one is at fault, the name ``""`` when all is finite.
        """
        for chunk in self._chunks:
            found = chunk.not_finite(theta)
            if found is not None:
                piece, row = found
                term = self.terms[piece.term]
                return term.name, None if row is None else term.sites.points[piece.rows.start + row]
        return "", None


class Piece(NamedTuple):
    """Consecutive rows of one term: its number, the rows, the term cut down to them."""

    term: int
    rows: slice
    content: Term

    @property
    def num_points(self) -> int:
        """Number of sites over all images."""
        return sum(len(image.sites.points) for image in self.content.images)


class Chunk:
    """Pieces that are evaluated together, with one evaluation of the field for each distinct request.

    Parameters
    ----------
    field : what is evaluated.
    pieces : NumPy terms; their constants are turned into tensors here.
    """

    def __init__(self, field: Field, pieces: Sequence[Piece]):
        def tensor(values: np.ndarray) -> Tensor:
            values = torch.as_tensor(np.ascontiguousarray(values), device=field.device)
            return values.to(field.dtype) if values.is_floating_point() else values

        self.pieces = [piece._replace(content=piece.content.convert(tensor)) for piece in pieces]
        groups: dict[Any, list[Sites]] = {}
        self._sources: list[list[tuple[Any, slice]]] = []
        ends: dict[Any, int] = {}
        for piece in pieces:
            sources = []
            for sites, request in piece.content.images:
                key = request, sites.side is None
                start = ends.get(key, 0)
                ends[key] = start + len(sites.points)
                groups.setdefault(key, []).append(sites)
                sources.append((key, slice(start, ends[key])))
            self._sources.append(sources)
        self._evaluations = {key: field.at(join(members), key[0]) for key, members in groups.items()}

    def jets(self, theta: Tensor) -> dict[Any, Tensor]:
        """Return the jets of each group, (points, len(request))."""
        return {key: evaluation.jets(theta) for key, evaluation in self._evaluations.items()}

    def residuals(self, theta: Tensor, jets: Mapping[Any, Tensor] | None = None) -> list[Tensor]:
        """Return the residual of each piece, (rows,), without weights."""
        jets = self.jets(theta) if jets is None else jets
        return [
            expand(piece.content.evaluate([jets[key][where] for key, where in sources], TORCH), piece, theta)
            for piece, sources in zip(self.pieces, self._sources, strict=True)
        ]

    def not_finite(self, theta: Tensor) -> tuple[Piece, int | None] | None:
        """Return the first piece with a residual or gradient that is not finite, and the row in it."""
        with torch.enable_grad():
            leaf = theta.detach().requires_grad_()
            jets = self.jets(leaf)
            cut = {key: values.detach().requires_grad_() for key, values in jets.items()}
            residuals = self.residuals(leaf, cut)
        for piece, residual in zip(self.pieces, residuals, strict=True):
            if not bool(residual.isfinite().all()):
                return piece, int((~residual.isfinite()).nonzero()[0])
        for piece, sources, residual in zip(self.pieces, self._sources, residuals, strict=True):
            slopes = torch.autograd.grad(residual.square().sum(), list(cut.values()), retain_graph=True, allow_unused=True)
            slope = dict(zip(cut, slopes, strict=True))
            for key, where in sources:
                if slope[key] is None:
                    continue
                bad = (~slope[key][where].isfinite()).any(1).nonzero()
                if len(bad):
                    return piece, int(bad[0]) // max(1, (where.stop - where.start) // len(residual))
                (gradient,) = torch.autograd.grad(jets[key], leaf, slope[key], retain_graph=True, allow_unused=True)
                if gradient is not None and not bool(gradient.isfinite().all()):
                    return piece, None
        return None


def expand(values: Any, piece: Piece, like: Tensor) -> Tensor:
    """Make one value per row of what a formula returned; a residual without unknowns is a number or a constant array."""
    if isinstance(values, Tensor) and values.dim() == 1:
        return values
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).expand(piece.rows.stop - piece.rows.start)


def join(members: Iterable[Sites]) -> Sites:
    """Return the points of several sites as one; all of them have sides or none has."""
    members = list(members)
    sides = None if members[0].side is None else np.concatenate([sites.side for sites in members])
    return Sites(np.concatenate([sites.points for sites in members]), None, sides)


def cut(number: int, term: Term, rows: slice) -> Piece:
    """Return some rows of a term; each row owns equally many consecutive points of every image."""
    total = term.num_rows

    def some(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        each = len(values) // total
        return values[rows.start * each : rows.stop * each]

    if rows == slice(0, total):
        return Piece(number, rows, term)
    images = tuple(image._replace(sites=image.sites._replace(points=some(image.sites.points), normals=None, side=some(image.sites.side))) for image in term.images)
    constants = term.convert(lambda values: values[rows] if np.ndim(values) and len(values) == total else values)
    sites = Sites(term.sites.points[rows])
    return Piece(number, rows, replace(constants, images=images, sites=sites))


def pack(terms: Sequence[Term], limit: int) -> Iterator[list[Piece]]:
    """Cut terms into pieces of nearly equal size with at most ``limit`` points and fill chunks with them, in order."""
    waiting, points = [], 0
    for number, term in enumerate(terms):
        total = max(term.num_rows, sum(len(image.sites.points) for image in term.images))
        count = min(term.num_rows, math.ceil(total / limit))
        ends = [term.num_rows * k // count for k in range(count + 1)] if count else [0, 0]
        for start, stop in itertools.pairwise(ends):
            piece = cut(number, term, slice(start, stop))
            if waiting and points + piece.num_points > limit:
                yield waiting
                waiting, points = [], 0
            waiting.append(piece)
            points += piece.num_points
    yield waiting


def jacobian(values: Tensor, leaf: Tensor) -> Tensor:
    """Return d values / d leaf, (values, params), by batched reverse passes of bounded size."""
    if not values.requires_grad:
        return leaf.new_zeros(len(values), len(leaf))
    rows = max(1, JACOBIAN_NUMBERS // len(leaf))
    unit = torch.eye(len(values), dtype=values.dtype, device=values.device)
    parts = [
        torch.autograd.grad(values, leaf, unit[a : a + rows], is_grads_batched=True, retain_graph=True, allow_unused=True)[0]
        for a in range(0, len(values), rows)
    ]
    return torch.cat([leaf.new_zeros(len(some), len(leaf)) if part is None else part for part, some in zip(parts, unit.split(rows), strict=True)])
