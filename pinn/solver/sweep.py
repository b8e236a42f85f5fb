"""Sweeps: the networks of a field are trained in turns, one layer of cells after the other, or one level after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pinn.problem.settings import BadInput, Settings, nearest

if TYPE_CHECKING:
    from pinn.field.cells.cover import Cover

Array = np.ndarray

LEVELS = "levels"
"""In place of a coordinate: one level of a multilevel field after the other, the coarsest first."""

ROUNDING = 1e-9
"""Faces of cells are told apart from here on, in lengths of the domain."""


class Turn(NamedTuple):
    """Which networks are trained at a time; those that are neither unknown nor waiting are known.

    Attributes
    ----------
    name : as results call it.
    unknown : the networks that are trained, (networks,) of truth, level by level.
    waiting : those whose turn is still to come and that nothing is known of: a row that reads one is left out, or what has not been
        trained would be fitted.
    guess : number of the network whose parameters each one takes over when the turn begins, its own where it keeps them.
    silent : those that are set to zero when the turn begins.
    """

    name: str
    unknown: Array
    waiting: Array
    guess: Array
    silent: Array


@dataclass(frozen=True)
class Sweep(Settings):
    """All stages are run for one part of the networks after the other.

    Along a coordinate the cells form layers by their lower faces. A layer is *finished* in the turn in which every row that it sees
    takes part: layers k … m are unknown together, where m is the last one whose windows overlap those of layer k, and rows that
    read a layer beyond m wait. Under cuts m = k, so that slabs along the time are marched through: each is fitted to the
    conditions in it and to the end of the one before. Under windows m > k; else the last part of a network's window, where
    another one shares the sum, would be frozen before any row was asked for there, and the next network could not make up for it
    where its own window begins.

    Over ``levels`` every row takes part in each turn, and finer levels, silent before it is their turn, correct coarser ones.

    A network takes over the parameters of the one before it along the coordinate when its turn begins. For the convection of a sine
    through eight slabs, 400 steps each, that gave errors of 1.0 to 2.0e-4 in place of 2.6 to 3.2e-4 with random ones.

    Parameters
    ----------
    along : a coordinate, from its low to its high end, or ``levels``.
    together : whether all networks are trained together at the end.
    """

    along: str
    together: bool = False

    def turns(self, levels: Sequence[tuple[Cover, Array]], names: Sequence[str]) -> list[Turn]:
        """Return the turns.

        Parameters
        ----------
        levels : every cover, the finest first, with the boxes that its networks see, (cells, dim, 2).
        names : of the coordinates.

        Raises
        ------
        BadInput : a coordinate that does not exist, around which windows go, or along which all networks see one another; a
            single level.
        """
        if self.along in names:
            found = self._along(names.index(self.along), levels)
        elif self.along == LEVELS:
            found = _by_level(levels)
        else:
            known = f"{nearest(self.along, names)}; coordinates: {', '.join(names)}"
            raise BadInput(f"unknown coordinate '{self.along}'{known}", "solver.sweep")
        if self.together:
            number = len(found[0].unknown)
            every = np.ones(number, bool)
            found.append(Turn("together", every, ~every, np.arange(number), ~every))
        return found

    def _along(self, axis: int, levels: Sequence[tuple[Cover, Array]]) -> list[Turn]:
        if any(axis in cover.periodic and len(np.unique(cover.boxes[:, axis])) > 2 for cover, _ in levels):
            raise BadInput(f"cannot go along '{self.along}': windows go around it", "solver.sweep")
        layers = _layers(axis, levels)
        lasts = _lasts(axis, levels, layers)
        firsts = [int(np.argmax(lasts == last)) for last in np.unique(lasts)]
        if len(firsts) == 1:
            raise BadInput(f"has one turn only: take more cells along '{self.along}'", "solver.sweep")
        before = _before(axis, levels)
        found, seen = [], layers <= lasts[0]
        for number, first in enumerate(firsts):
            now, waiting = layers <= lasts[first], layers > lasts[first]
            guess = _followed(before, now & ~seen)
            name = f"{self.along} {number + 1}/{len(firsts)}"
            found.append(Turn(name, now & (layers >= first), waiting, guess, np.zeros(len(layers), bool)))
            seen = now
        return found


def _by_level(levels: Sequence[tuple[Cover, Array]]) -> list[Turn]:
    """Return a turn for every level, the coarsest first."""
    if len(levels) == 1:
        raise BadInput("has one turn only: take decomposition=multilevel", "solver.sweep")
    level = np.repeat(np.arange(len(levels)), [cover.num_cells for cover, _ in levels])
    own, nobody = np.arange(len(level)), np.zeros(len(level), bool)
    coarsest = len(levels) - 1
    return [
        Turn(f"level {turn + 1}/{len(levels)}", level == coarsest - turn, nobody, own, nobody if turn else level < coarsest)
        for turn in range(len(levels))
    ]


def _layers(axis: int, levels: Sequence[tuple[Cover, Array]]) -> Array:
    """Return the number of the layer that each network is in, (networks,)."""
    low, high = levels[0][0].domain[axis]
    faces = np.concatenate([cover.boxes[:, axis, 0] for cover, _ in levels])
    return np.unique(np.round((faces - low) / (high - low) / ROUNDING), return_inverse=True)[1].ravel()


def _lasts(axis: int, levels: Sequence[tuple[Cover, Array]], layers: Array) -> Array:
    """Return the last layer that has to be unknown for each layer to be finished, (layers,); it never falls."""
    supports = np.concatenate([supports[:, axis] for _, supports in levels])
    rounding = ROUNDING * np.ptp(levels[0][0].domain[axis])
    numbers = np.arange(layers.max() + 1)
    begins = np.array([supports[layers == number, 0].min() for number in numbers])
    ends = np.array([supports[layers == number, 1].max() for number in numbers])
    return np.maximum.accumulate([int(numbers[begins < end - rounding].max()) for end in ends])


def _before(axis: int, levels: Sequence[tuple[Cover, Array]]) -> Array:
    """Return the network of the same level below each one along an axis, its own number where there is none, (networks,)."""
    found, start = [], 0
    for cover, _ in levels:
        points = cover.centers.copy()
        points[:, axis] = cover.boxes[:, axis, 0] - ROUNDING * np.ptp(cover.domain[axis])
        found.append(start + np.where(points[:, axis] > cover.domain[axis, 0], cover.owner(points), np.arange(cover.num_cells)))
        start += cover.num_cells
    return np.concatenate(found)


def _followed(before: Array, new: Array) -> Array:
    """Return what each network takes over: what the one before it has, or itself takes over where it is new as well."""
    guess = np.where(new, before, np.arange(len(before)))
    while (follows := new & new[guess] & (before[guess] != guess)).any():
        guess = np.where(follows, before[guess], guess)
    return guess
