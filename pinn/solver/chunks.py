"""Terms cut into chunks of points that are evaluated together, as few evaluations of the field as possible in each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
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
    from pinn.field.jacobian import Jacobian, Linearised


class Piece(NamedTuple):
    """Consecutive rows of one term.

    Attributes
    ----------
    term : number of the term. rows : which of its rows.
    content : the term cut down to them; each row owns equally many consecutive points of every image.
    origins : for each image, what tells its points from others: equal origins mean the very same points, seen from the same cells.
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
    origins = tuple((id(image.sites.points), id(image.sites.side), rows.start, rows.stop) for image in term.images)
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
    images = {(id(image.sites.points), id(image.sites.side)): len(image.sites.points) for term in terms for image in term.images}
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


class Span(NamedTuple):
    """Points of an evaluation that a piece reads: as many consecutive ones for each of its rows."""

    piece: int
    start: int
    stop: int


class Part(NamedTuple):
    """A part of the Jacobian of a chunk.

    Attributes
    ----------
    jacobian : of a scalar per point of one evaluation. num_points : of these. spans : which rows the scalars are summed to.
    """

    jacobian: Jacobian
    num_points: int
    spans: list[Span]


def _unused(shared: list[tuple[Tensor, list[Span]]], spans: list[Span], like: Tensor) -> Tensor:
    """Return the first cotangent that nobody uses at the points of some spans yet, and note that it is used there now."""
    for cotangent, used in shared:
        if all(span.stop <= other.start or other.stop <= span.start for span in spans for other in used):
            used += spans
            return cotangent
    shared.append((torch.zeros_like(like), spans))
    return shared[-1][0]


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

    def residuals(self, theta: Tensor) -> list[Tensor]:
        """Return the residual of each piece, (rows,), without weights; differentiable in θ if the tape is on."""
        jets = [evaluation.jets(theta) for evaluation in self._evaluations]
        found = []
        for piece, sources in zip(self.pieces, self._sources, strict=True):
            values = piece.content.evaluate([read(jets, source) for source in sources], TORCH)
            found.append(_column(values, piece, theta))
        return found

    def linearise(self, theta: Tensor) -> LinearChunk:
        """Return the residuals at θ (params,) with their derivatives."""
        return LinearChunk(self, theta, [evaluation.linearise(theta) for evaluation in self._evaluations])

    def pairs(self) -> Iterator[tuple[Piece, list[Source]]]:
        """Yield each piece with the places of its images."""
        return zip(self.pieces, self._sources, strict=True)


class LinearChunk:
    """The residuals of a chunk at one θ.

    Attributes
    ----------
    residuals : of each piece, (rows,), without weights and tape.
    """

    def __init__(self, chunk: Chunk, theta: Tensor, evaluations: Sequence[Linearised]):
        self._chunk, self._theta, self._evaluations = chunk, theta, evaluations
        self.residuals: list[Tensor] = []
        self._slopes: list[list[tuple[Source, int, Any]]] = []
        jets = [evaluation.jets for evaluation in evaluations]
        for piece, sources in chunk.pairs():
            values, slopes = piece.content.linearise([read(jets, source) for source in sources], TORCH)
            self.residuals.append(_column(values, piece, theta))
            self._slopes.append([(sources[slope.image], slope.column, slope.values) for slope in slopes])

    def pull(self, factors: Sequence[Tensor | float]) -> Tensor:
        """Return the sum over pieces and rows of factor · d residual / dθ, (params,); factors are (rows,) or numbers."""
        cotangents = {k: torch.zeros_like(evaluation.jets) for k, evaluation in enumerate(self._evaluations)}
        for number, factor in enumerate(factors):
            self._add(cotangents, number, factor)
        total = torch.zeros_like(self._theta)
        for k, evaluation in enumerate(self._evaluations):
            total += evaluation.pull(cotangents[k])
        return total

    def parts(self, roots: Sequence[Tensor | float]) -> list[Part]:
        """Return the parts that the derivative of all residuals by θ is the sum of.

        Pieces that read one evaluation at different points share a part, so that there are as many as pieces at the same points.

        Parameters
        ----------
        roots : what the rows of each piece are multiplied by, a number or (rows,).
        """
        shared: list[list[tuple[Tensor, list[Span]]]] = [[] for _ in self._evaluations]
        for number, root in enumerate(roots):
            read_here = [source for source, _, _ in self._slopes[number]]
            cotangents = {}
            for k in sorted({source.evaluation for source in read_here}):
                ends = {(source.points.start, source.points.stop) for source in read_here if source.evaluation == k}
                cotangents[k] = _unused(shared[k], [Span(number, *pair) for pair in sorted(ends)], self._evaluations[k].jets)
            self._add(cotangents, number, root)
        return [
            Part(evaluation.jacobian(cotangent), len(cotangent), spans)
            for evaluation, pairs in zip(self._evaluations, shared, strict=True)
            for cotangent, spans in pairs
        ]

    def slopes_are_finite(self, number: int) -> Tensor:
        """Return which rows of a piece have finite derivatives by all jets, (rows,)."""
        finite = torch.ones_like(self.residuals[number], dtype=torch.bool)
        for _, _, values in self._slopes[number]:
            known = torch.as_tensor(values).isfinite()
            finite &= known if known.dim() < 2 else known.all(1)
        return finite

    def _add(self, cotangents: Mapping[int, Tensor], number: int, factor: Tensor | float) -> None:
        """Add factor · d residual / d jets of one piece to the cotangents by evaluation."""
        for source, column, slope in self._slopes[number]:
            inside = isinstance(slope, Tensor) and slope.dim() == 2
            values = slope * (factor[:, None] if inside and isinstance(factor, Tensor) else factor)
            cotangents[source.evaluation][source.points, source.columns[column]] += values.reshape(-1) if inside else values


def _column(values: Any, piece: Piece, like: Tensor) -> Tensor:
    """Return the residual as a tensor (rows,), also where it is one number for all."""
    if isinstance(values, Tensor) and values.dim() == 1:
        return values.to(like.dtype)
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).expand(piece.num_rows)
