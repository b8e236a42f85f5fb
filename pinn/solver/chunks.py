"""Terms cut into chunks of points that are evaluated together, as few evaluations of the field as possible in each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.problem.problem import Request
from pinn.problem.sites import Sites, join
from pinn.problem.terms import Image, Term
from pinn.solver.functions import TORCH

if TYPE_CHECKING:
    from pinn.field.field import Field


class Piece(NamedTuple):
    """Consecutive rows of one term.

    Attributes
    ----------
    term : number of the term. rows : which of its rows.
    content : the term cut down to them; each row owns equally many consecutive points of every image.
    origins : for each image, what tells its points from others: equal origins mean the very same points.
    """

    term: int
    rows: slice
    content: Term
    origins: tuple[Any, ...]

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.rows.stop - self.rows.start


def cut(number: int, term: Term, rows: slice) -> Piece:
    """Return some rows of a term."""
    total = term.num_rows
    origins = tuple((id(image.sites.points), rows.start, rows.stop) for image in term.images)
    if rows == slice(0, total):
        return Piece(number, rows, term, origins)

    def owned(values: Any) -> Any:
        if values is None:
            return None
        each = len(values) // total
        return values[rows.start * each : rows.stop * each]

    def part(sites: Sites) -> Sites:
        directions = {operator: each._replace(vectors=owned(each.vectors)) for operator, each in sites.directions.items()}
        return Sites(owned(sites.points), None, owned(sites.side), directions=directions)

    def sliced(values: Any) -> Any:
        return values[rows] if np.ndim(values) and len(values) == total else values

    images = tuple(Image(part(sites), request) for sites, request in term.images)
    content = replace(term.convert(sliced), images=images, sites=Sites(term.sites.points[rows]))
    return Piece(number, rows, content, origins)


def families(terms: Sequence[Term]) -> list[list[int]]:
    """Return the numbers of the terms whose rows stand at the same points, in order of first appearance."""
    found: dict[int, list[int]] = {}
    for number, term in enumerate(terms):
        found.setdefault(id(term.sites.points), []).append(number)
    return list(found.values())


def num_points(terms: Sequence[Term]) -> int:
    """Return how many different points the images of some terms have, at least one for each row."""
    images = {id(image.sites.points): len(image.sites.points) for term in terms for image in term.images}
    return max([sum(images.values()), *(term.num_rows for term in terms)])


def pack(terms: Sequence[Term], limit: int) -> Iterator[list[Piece]]:
    """Cut terms into pieces with at most about ``limit`` points and fill chunks with them.

    Terms with the same points are cut alike and stay together; pieces of a family are equally large up to one row.
    """
    waiting: list[Piece] = []
    points = 0
    for numbers in families(terms):
        members = [terms[number] for number in numbers]
        rows, total = members[0].num_rows, num_points(members)
        count = max(1, min(rows, math.ceil(total / limit)))
        ends = [rows * k // count for k in range(count + 1)]
        for start, stop in itertools.pairwise(ends):
            size = total * (stop - start) // max(rows, 1)
            if waiting and points + size > limit:
                yield waiting
                waiting, points = [], 0
            waiting += [cut(number, terms[number], slice(start, stop)) for number in numbers]
            points += size
    yield waiting


Place = tuple[int, slice, Request]
"""Number of an evaluation, points in it, and all that is asked there."""


class Source(NamedTuple):
    """Where the jets of one image are found: number of the evaluation, its points, and the columns in the request's order."""

    evaluation: int
    points: slice
    columns: tuple[int, ...]


def merge(pieces: Sequence[Piece]) -> tuple[list[tuple[Sites, Request]], list[list[Source]]]:
    """Return what to evaluate, and for each piece where its images are found there.

    Images of the same points are evaluated once, for all that is asked there; different points with the same request together.
    """
    wanted: dict[Any, dict[tuple, None]] = {}
    sites: dict[Any, Sites] = {}
    for piece in pieces:
        for image, origin in zip(piece.content.images, piece.origins, strict=True):
            sites.setdefault(origin, image.sites)
            wanted.setdefault(origin, {}).update(dict.fromkeys(image.request))
    groups: dict[Any, list[Any]] = {}
    for origin, columns in wanted.items():
        key = frozenset(columns), sites[origin].side is None, frozenset(sites[origin].directions)
        groups.setdefault(key, []).append(origin)
    places: dict[Any, Place] = {}
    evaluations = []
    for number, origins in enumerate(groups.values()):
        request = tuple(wanted[origins[0]])
        ends = itertools.accumulate((len(sites[origin].points) for origin in origins), initial=0)
        for origin, (start, stop) in zip(origins, itertools.pairwise(ends), strict=True):
            places[origin] = number, slice(start, stop), request
        evaluations.append((join([sites[origin] for origin in origins]), request))
    pairs = [zip(piece.origins, piece.content.images, strict=True) for piece in pieces]
    return evaluations, [[_source(places[origin], image) for origin, image in images] for images in pairs]


def _source(place: Place, image: Image) -> Source:
    number, points, request = place
    return Source(number, points, tuple(request.index(column) for column in image.request))


def read(jets: Sequence[Tensor], source: Source) -> Tensor:
    """Return the jets of one image, (points, len(request))."""
    values = jets[source.evaluation][source.points]
    return values if source.columns == tuple(range(values.shape[1])) else values[:, list(source.columns)]


class Chunk:
    """Pieces that are evaluated together.

    Parameters
    ----------
    field : what is evaluated.
    pieces : with NumPy constants; they are turned into tensors here.
    """

    def __init__(self, field: Field, pieces: Sequence[Piece]):
        def tensor(values: Any) -> Tensor:
            made = torch.as_tensor(np.ascontiguousarray(values), device=field.device)
            return made.to(field.dtype) if made.is_floating_point() else made

        evaluations, self._sources = merge(pieces)
        self._evaluations = [field.at(sites, request) for sites, request in evaluations]
        self.pieces = [piece._replace(content=piece.content.convert(tensor)) for piece in pieces]

    def jets(self, theta: Tensor) -> list[Tensor]:
        """Return the jets of each evaluation, (points, len(request))."""
        return [evaluation.jets(theta) for evaluation in self._evaluations]

    def residuals(self, theta: Tensor, jets: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Return the residual of each piece, (rows,), without weights."""
        jets = self.jets(theta) if jets is None else jets
        return [self._residual(piece, sources, jets, theta) for piece, sources in zip(self.pieces, self._sources, strict=True)]

    def _residual(self, piece: Piece, sources: Sequence[Source], jets: Sequence[Tensor], like: Tensor) -> Tensor:
        values = piece.content.evaluate([read(jets, source) for source in sources], TORCH)
        if isinstance(values, Tensor) and values.dim() == 1:
            return values.to(like.dtype)
        return torch.as_tensor(values, dtype=like.dtype, device=like.device).expand(piece.num_rows)

    def jacobians(self, theta: Tensor) -> Iterator[tuple[Piece, Tensor, Tensor]]:
        """Yield each piece with its residual (rows,) and the derivative of that by θ, (rows, params)."""
        with torch.enable_grad():
            jets = [values.detach().requires_grad_() for values in self.jets(theta.detach())]
            residuals = self.residuals(theta.detach(), jets)
        for piece, sources, residual in zip(self.pieces, self._sources, residuals, strict=True):
            values = theta.new_zeros(piece.num_rows, len(theta))
            if residual.requires_grad:
                slopes = torch.autograd.grad(residual.sum(), jets, retain_graph=True, allow_unused=True)
                for number in sorted({source.evaluation for source in sources}):
                    self._add_rows(values, theta, number, slopes[number], sources)
            yield piece, residual.detach(), values

    def _add_rows(self, values: Tensor, theta: Tensor, number: int, slope: Tensor | None, sources: Sequence[Source]) -> None:
        """Add the part of one evaluation: the derivative by its jets times theirs by θ, summed over the points of each row."""
        if slope is None:
            return
        by_point = self._evaluations[number].rows(theta.detach(), slope)
        for points in {(source.points.start, source.points.stop) for source in sources if source.evaluation == number}:
            values += by_point[slice(*points)].reshape(len(values), -1, len(theta)).sum(1)

    def not_finite(self, theta: Tensor) -> tuple[Piece, int | None] | None:
        """Return the first piece with a residual or a gradient that is not finite, and the row in it if it is one row's fault."""
        with torch.enable_grad():
            leaf = theta.detach().requires_grad_()
            jets = self.jets(leaf)
            ends = [values.detach().requires_grad_() for values in jets]
            residuals = self.residuals(leaf, ends)
        for piece, residual in zip(self.pieces, residuals, strict=True):
            if not bool(residual.isfinite().all()):
                return piece, int((~residual.isfinite()).nonzero()[0])
        for piece, sources, residual in zip(self.pieces, self._sources, residuals, strict=True):
            if not residual.requires_grad:
                continue
            slopes = torch.autograd.grad(residual.square().sum(), ends, retain_graph=True, allow_unused=True)
            for number, points, _ in sources:
                bad = (~slopes[number][points].isfinite()).any(1).nonzero()
                if len(bad):
                    return piece, int(bad[0]) * piece.num_rows // (points.stop - points.start)
                (gradient,) = torch.autograd.grad(jets[number], leaf, slopes[number], retain_graph=True)
                if not bool(gradient.isfinite().all()):
                    return piece, None
        return None
