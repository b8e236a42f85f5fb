"""Which process evaluates which rows: points that lie together, so that each process touches few cells, and equal work for all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pinn.field.request import channels
from pinn.problem.sites import Sites
from pinn.problem.terms import Term
from pinn.solver.cells.elimination import bisection, leaves
from pinn.solver.chunks import families

if TYPE_CHECKING:
    from pinn.field.field import Field

Array = np.ndarray


class Division:
    """Divides the rows of all terms among processes.

    With one network for all points every process has an equal part of each term. Otherwise points are sorted by the cell of the
    finest cover that owns them, cells along a tree of halves, and cut into parts of equal cost over all terms: a part may be empty,
    and two processes may have parts of one cell.

    Parameters
    ----------
    field : what the rows evaluate. size : number of processes.
    """

    def __init__(self, field: Field, size: int):
        self.field, self.size = field, size

    def __call__(self, terms: Sequence[Term]) -> dict[str, list[Array]]:
        """Return which rows of each term every process evaluates, by process, in the order in which it evaluates them."""
        groups = by_points(terms)
        if self.field.boxes is None:
            owners = [np.arange(group[0].num_rows) * self.size // max(group[0].num_rows, 1) for group in groups]
            orders = [np.arange(len(each)) for each in owners]
        else:
            keys = [self.places[self._cover.owner(group[0].sites.points)] for group in groups]
            owners = equal_parts(keys, [work(self.field, group).cost for group in groups], self.size)
            orders = [np.argsort(key, kind="stable") for key in keys]
        found = {}
        for group, owner, order in zip(groups, owners, orders, strict=True):
            shares = [order[owner[order] == process] for process in range(self.size)]
            found.update(dict.fromkeys((term.name for term in group), shares))
        return found

    @property
    def _cover(self) -> Any:
        return _levels(self.field)[0].cover

    @cached_property
    def places(self) -> Array:
        """Where each cell of the finest cover stands in the order along the tree, (cells,)."""
        places = np.empty(self._cover.num_cells, int)
        places[leaves(bisection(self._cover.centers))] = np.arange(self._cover.num_cells)
        return places


def equal_parts(keys: Sequence[Array], costs: Sequence[Array], size: int) -> list[Array]:
    """Return to which of ``size`` parts of about equal cost each row of several sets belongs; parts follow each other by key."""
    cost = np.concatenate(costs)
    order = np.argsort(np.concatenate(keys), kind="stable")
    ends = np.cumsum(cost[order])
    parts = np.empty(len(cost), int)
    parts[order] = ((ends - cost[order] / 2) * size / max(cost.sum(), 1)).astype(int)
    return np.split(parts, np.cumsum([len(each) for each in keys])[:-1])


class Work(NamedTuple):
    """What rows at the same points cost.

    Attributes
    ----------
    pairs : of a place at which jets are read and a network that sees it, (rows,).
    cost : pairs times the channels that are carried there, and one for the formula itself, (rows,).
    networks : numbers of the networks that take part, without repeats.
    """

    pairs: Array
    cost: Array
    networks: Array


def work(field: Field, terms: Sequence[Term]) -> Work:
    """Return what the rows of terms at the same points cost; what several of them read at one place is evaluated once."""
    wanted: dict[Any, tuple[Sites, dict]] = {}
    for image in (image for term in terms for image in term.images):
        key = id(image.sites.points), id(image.sites.side)
        wanted.setdefault(key, (image.sites, {}))[1].update(dict.fromkeys(image.request))
    rows = terms[0].num_rows
    pairs, cost, networks = np.zeros(rows, int), np.ones(rows, int), [np.zeros(0, int)]
    for sites, request in wanted.values():
        places, seen_by = seen(field, sites)
        each = max(1, len(sites.points) // max(rows, 1))
        count = np.bincount(places // each, minlength=rows)
        pairs += count
        cost += len(channels(tuple(operator for _, operator in request), field.problem.dim)) * count
        networks.append(seen_by)
    return Work(pairs, cost, np.unique(np.concatenate(networks)))


def seen(field: Field, sites: Sites) -> tuple[Array, Array]:
    """Return all pairs of a place and a network that sees it: their numbers, (pairs,) each, networks counted over all levels."""
    if field.boxes is None:
        return np.arange(len(sites.points)), np.zeros(len(sites.points), int)
    levels = _levels(field)
    starts = itertools.accumulate((level.stack.count for level in levels), initial=0)
    pairs = [(level.pairs(sites.points, sites.side), start) for level, start in zip(levels, starts, strict=False)]
    return np.concatenate([each.points for each, _ in pairs]), np.concatenate([each.cells + start for each, start in pairs])


class Load(NamedTuple):
    """What a process owns: points of its rows, networks that see one of them, pairs of the two."""

    points: int = 0
    cells: int = 0
    pairs: int = 0


def load(field: Field, terms: Sequence[Term]) -> Load:
    """Return what the owner of all rows of some terms owns."""
    groups = by_points(terms)
    found = [work(field, group) for group in groups]
    networks = np.unique(np.concatenate([each.networks for each in found]))
    return Load(sum(group[0].num_rows for group in groups), len(networks), sum(int(each.pairs.sum()) for each in found))


def by_points(terms: Sequence[Term]) -> list[list[Term]]:
    """Return the terms in groups at the same points."""
    return [[terms[number] for number in numbers] for numbers in families(terms)]


def _levels(field: Any) -> Any:
    """Return the covers and networks of a field that has several."""
    return field.levels
