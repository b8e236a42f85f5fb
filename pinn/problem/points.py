"""At which points the residuals are asked to vanish: settings, drawing, and choosing by the size of the residuals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.directions import Along, Directions, draw_directions, estimated
from pinn.problem.formulas.tree import Operator
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput, Settings, setting
from pinn.problem.shapes.regions import GRIDS, Keep, Rule, draw_region, measure, num_params
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.problem.problem import Problem, Residual
    from pinn.problem.shapes.pieces import Piece


@dataclass(frozen=True)
class Points(Settings):
    """How many points each residual gets, and how they are placed.

    Attributes
    ----------
    rule : ``sobol``, ``latin_hypercube``, ``uniform`` (random), ``grid`` or ``chebyshev`` (fixed tensor grids).
    interior : points of the equations.
    surface : points of every condition, and of the cuts of a decomposition along each axis, divided among the faces in proportion
        to their size, at least one each.
    redraw : steps between new points; null keeps the first ones.
    candidates : where points are redrawn, those of the equations are chosen, by the size of the residuals, out of so many times
        as many; 1 takes them as they come. Parameters with a distribution have points, and candidates, distributed like them.
    power, floor : of that choice, see `choose_by_score`.
    directions : number of random directions at each point along which Laplacians over more coordinates than that, and biharmonic
        operators, are estimated, new ones with every redraw; null computes them exactly. `pinn.problem.directions` says what
        the estimate costs in accuracy.
    along : random ``signs``, or random ``coordinates``.
    """

    rule: Rule = "sobol"
    interior: int = setting(2048, at_least=1)
    surface: int = setting(256, at_least=1)
    redraw: int | None = setting(None, at_least=1)
    candidates: int = setting(1, at_least=1)
    power: float = setting(1.0, at_least=0)
    floor: float = setting(1.0, at_least=0)
    directions: int | None = setting(None, at_least=1)
    along: Along = "signs"

    def draw(self, problem: Problem, seed: int, epoch: int = 0, chosen: Mapping[str, Any] | None = None) -> dict[str, Sites]:
        """Return the points of every residual by name; ``epoch`` counts redrawings.

        Residuals of one condition, and all equations, share their points where they share their region: the very same `Sites`,
        so that one evaluation of the field serves them all. The draw is a function of ``seed``, names and ``epoch`` alone, and
        of which candidates were ``chosen`` in this epoch.

        Raises
        ------
        BadInput : a condition's selector keeps no part of its region.
        """
        result: dict[str, Sites] = {}
        result |= {each.name: each.sites for each in problem.data}
        for members in _groups(problem):
            first = members[0]
            if chosen and first.name in chosen:
                pool = self._draw_sites(problem, members, self.interior * self.candidates, seed, epoch)
                sites = pool.take(np.asarray(chosen[first.name]))
            else:
                num = self.interior if first.kind == "equation" else self.surface
                sites = self._draw_sites(problem, members, num, seed, epoch)
            result |= dict.fromkeys((residual.name for residual in members), sites)
        return {residual.name: result[residual.name] for residual in problem.residuals}

    def choose(
        self, problem: Problem, seed: int, epoch: int, score: Callable[[Sequence[Residual], Sites], np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return which candidates become points of the equations: numbers, by the name of the first equation that has them.

        Parameters
        ----------
        score : the size (points,) of some equations' residuals at sites.
        """
        chosen = {}
        for members in _groups(problem):
            first = members[0]
            if first.kind == "equation":
                pool = self._draw_sites(problem, members, self.interior * self.candidates, seed, epoch)
                rng = generator(seed, f"choice/{first.name}", epoch)
                chosen[first.name] = choose_by_score(score(members, pool), self.interior, rng, self.power, self.floor)
        return chosen

    def _draw_sites(self, problem: Problem, residuals: Sequence[Residual], num: int, seed: int, epoch: int) -> Sites:
        sites = self._draw_region(problem, residuals[0], num, seed, epoch)
        return sites._replace(directions=self._draw_directions(residuals, len(sites.points), seed, epoch))

    def _draw_directions(self, residuals: Sequence[Residual], num_points: int, seed: int, epoch: int) -> dict[Operator, Directions]:
        if self.directions is None:
            return {}
        rng = generator(seed, f"directions/{residuals[0].condition or residuals[0].name}", epoch)
        wanted = estimated(residuals, self.directions)
        return {operator: draw_directions(each, self.along, self.directions, num_points, rng) for operator, each in wanted.items()}

    def _draw_region(self, problem: Problem, residual: Residual, num: int, seed: int, epoch: int) -> Sites:
        rng = generator(seed, f"points/{residual.condition or residual.name}", epoch)
        keeps = [selector(piece, problem) for piece in residual.region]
        sizes = [measure(piece, problem.coordinates, keep) for piece, keep in zip(residual.region, keeps, strict=True)]
        counts = divide(num, sizes, [not num_params(piece) for piece in residual.region])
        try:
            return draw_region(residual.region, problem.coordinates, counts, self.rule, rng)
        except BadInput as error:
            raise error.under(residual.name) from None

    def warnings(self) -> tuple[str, ...]:
        """Return remarks on these settings, one line each."""
        remarks = []
        for name in ("interior", "surface"):
            num = getattr(self, name)
            if self.rule == "sobol" and num & (num - 1):
                larger = 1 << num.bit_length()
                remarks.append(f"points.{name}={num}: Sobol points need a power of 2 to be even; the next power of 2 is {larger}")
        if self.redraw is not None and self.rule in GRIDS and self.candidates == 1:
            remarks.append(f"points.redraw={self.redraw} has no effect: the rule '{self.rule}' gives the same points every time")
        if self.redraw is None and self.candidates > 1:
            remarks.append(f"points.candidates={self.candidates} has no effect where points.redraw makes no new ones")
        return tuple(remarks)


def selector(piece: Piece, problem: Problem) -> Keep | None:
    """Return the test whether points belong to a piece, or None when nothing is cut off."""
    return partial(piece.keeps, coordinates=problem.names) if piece.is_cut else None


def divide(num: int, sizes: Sequence[float], single: Sequence[bool]) -> list[int]:
    """Divide ``num`` in proportion to ``sizes`` (largest remainder), at least one each and exactly one where ``single``."""
    counts = np.ones(len(sizes), int)
    several = np.flatnonzero(~np.asarray(single, bool))
    if len(several):
        weights = np.minimum(np.asarray(sizes, float)[several], sys.float_info.max / len(several))
        total = weights.sum()
        exact = num * (weights / total if total > 0 else np.full(len(several), 1 / len(several)))
        counts[several] = np.floor(exact)
        rest = num - counts[several].sum()
        counts[several[np.argsort(counts[several] - exact, kind="stable")[:rest]]] += 1
    return [int(count) for count in np.maximum(counts, 1)]


def choose_by_score(score: np.ndarray, num: int, rng: np.random.Generator, power: float = 1.0, floor: float = 1.0) -> np.ndarray:
    """Return the numbers of ``num`` different candidates, in order, drawn where the score is large.

    Probability q = |s|^power / mean(|s|^power) + floor, normalised (residual-based adaptive distribution: Wu, Zhu, Tan, Kartha,
    Lu (2023), Comput. Methods Appl. Mech. Eng. 403, 115671, eq. 2).

    Parameters
    ----------
    score : of every candidate; only its size counts, and what is not finite counts as the largest that is.
    power, floor : 0 and anything, or a large floor, give the distribution of the candidates.

    Raises
    ------
    ValueError : fewer candidates than wanted points.
    """
    if len(score) < num:
        raise ValueError(f"at least {num} candidates are needed, got {len(score)}")
    size = np.abs(np.asarray(score, float))
    finite = np.isfinite(size)
    size = np.where(finite, size, size[finite].max(initial=0.0))
    size = (size / (size.max() or 1.0)) ** power
    mean = size.mean()
    density = (size / mean if mean > 0 else np.zeros_like(size)) + floor
    if np.count_nonzero(density) < num:
        density = density + np.finfo(float).tiny
    return np.sort(rng.choice(len(density), num, replace=False, p=density / density.sum()))


def _groups(problem: Problem) -> list[list[Residual]]:
    """Return residuals that share their points: those of a condition, and all equations, where they share their region."""
    groups: dict[tuple, list[Residual]] = {}
    for residual in problem.laws:
        owner = "" if residual.kind == "equation" else residual.condition or residual.name
        groups.setdefault((owner, residual.region), []).append(residual)
    return list(groups.values())
