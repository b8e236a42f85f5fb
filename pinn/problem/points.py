"""At which points the residuals are asked to vanish: settings, drawing, and drawing by a score."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pinn.problem.directions import Along, Directions, draw_directions, estimated
from pinn.problem.randomness import generator
from pinn.problem.regions import GRIDS, Keep, Rule, draw_region, measure
from pinn.problem.settings import BadInput, Settings, setting
from pinn.problem.sites import Sites
from pinn.problem.tree import Operator

if TYPE_CHECKING:
    from pinn.problem.problem import Piece, Problem, Residual


@dataclass(frozen=True)
class Points(Settings):
    """How many points each residual gets, and how they are placed.

    Attributes
    ----------
    rule : ``sobol``, ``latin_hypercube``, ``uniform`` (random), ``grid`` or ``chebyshev`` (fixed tensor grids).
    interior : points of the equations.
    surface : points of every condition, divided among the faces it holds on in proportion to their size, at least one each.
    redraw : steps between new points; null keeps the first ones.
    directions : number of random directions at each point along which Laplacians over more coordinates than that, and biharmonic
        operators, are estimated, new ones with every redraw; null computes them exactly. `pinn.problem.directions` says what
        the estimate costs in accuracy.
    along : random ``signs``, or random ``coordinates``.
    """

    rule: Rule = "sobol"
    interior: int = setting(2048, at_least=1)
    surface: int = setting(256, at_least=1)
    redraw: int | None = setting(None, at_least=1)
    directions: int | None = setting(None, at_least=1)
    along: Along = "signs"

    def draw(self, problem: Problem, seed: int, epoch: int = 0) -> dict[str, Sites]:
        """Return the points of every residual by name; ``epoch`` counts redrawings.

        Residuals of one condition, and all equations, share their points where they share their region: the very same `Sites`,
        so that one evaluation of the field serves them all. The draw is a function of ``seed``, names and ``epoch`` alone.

        Raises
        ------
        BadInput : a condition's selector keeps no part of its region.
        """
        groups: dict[tuple, list[Residual]] = {}
        for residual in problem.residuals:
            owner = "" if residual.kind == "equation" else residual.condition or residual.name
            groups.setdefault((owner, residual.region), []).append(residual)
        result: dict[str, Sites] = {}
        for members in groups.values():
            num = self.interior if members[0].kind == "equation" else self.surface
            sites = self._draw_region(problem, members[0], num, seed, epoch)
            sites = sites._replace(directions=self._draw_directions(members, len(sites.points), seed, epoch))
            result |= dict.fromkeys((residual.name for residual in members), sites)
        return {residual.name: result[residual.name] for residual in problem.residuals}

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
        counts = divide(num, sizes, [not piece.free for piece in residual.region])
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
        if self.redraw is not None and self.rule in GRIDS:
            remarks.append(f"points.redraw={self.redraw} has no effect: the rule '{self.rule}' gives the same points every time")
        return tuple(remarks)


def selector(piece: Piece, problem: Problem) -> Keep | None:
    """Return the test whether points belong to a piece, or None when nothing is cut off."""
    return None if piece.cut is None else partial(piece.keeps, coordinates=problem.names)


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


def redraw_by_score(
    candidates: Sites,
    score: Callable[[Sites], np.ndarray],
    num: int,
    rng: np.random.Generator,
    power: float = 1.0,
    floor: float = 1.0,
) -> Sites:
    """Return ``num`` different candidates, drawn where the score is large (residual-based adaptive distribution).

    Probability q = |s|^power / mean(|s|^power) + floor, normalised (Wu, Zhu, Tan, Kartha, Lu (2023), Comput. Methods Appl. Mech.
    Eng. 403, 115671, eq. 2).

    Parameters
    ----------
    candidates : sites of one region, at least ``num`` of them.
    score : residual (points,) at given sites; only its size counts.
    power, floor : 0 and anything, or a large floor, give the distribution of the candidates.

    Raises
    ------
    ValueError : fewer candidates than wanted points, or a score that is not finite.
    """
    if len(candidates.points) < num:
        raise ValueError(f"redraw_by_score needs at least {num} candidates, got {len(candidates.points)}.")
    size = np.abs(np.asarray(score(candidates), float)) ** power
    if not np.isfinite(size).all():
        raise ValueError("The score is not finite at every candidate.")
    mean = size.mean()
    density = (size / mean if mean > 0 else np.zeros_like(size)) + floor
    if np.count_nonzero(density) < num:
        density = density + np.finfo(float).tiny
    chosen = np.sort(rng.choice(len(density), num, replace=False, p=density / density.sum()))
    return Sites(
        candidates.points[chosen],
        None if candidates.normals is None else candidates.normals[chosen],
        None if candidates.side is None else candidates.side[chosen],
        {name: column[chosen] for name, column in candidates.columns.items()},
        {operator: directions.take(chosen) for operator, directions in candidates.directions.items()},
    )
