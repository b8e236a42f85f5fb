"""Quantities of interest: compared with the same of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.families import shown_axes
from pinn.problem.formulas.calculus import jets
from pinn.problem.problem import Problem, Request
from pinn.problem.quantities import SolutionLike, evaluate_quantity
from pinn.problem.shapes.selectors import matters

if TYPE_CHECKING:
    from pinn.judge.reference import Reference


@dataclass(frozen=True)
class Quantity:
    """A quantity of one solution, and the same of its reference.

    Parameters
    ----------
    name : as the problem has it.
    coordinates : those it still depends on, in the problem's order; none for a number.
    places : values of each of them.
    values : array with the shape of these lengths.
    reference : likewise, None when the reference cannot tell.
    bar : relative error of the reference itself.
    why : one line: why the error is not known; empty when it is.
    at : values of parameters for which it is. compared_with : what its reference is, where it is not that of the solution.
    """

    name: str
    coordinates: tuple[str, ...]
    places: tuple[np.ndarray, ...]
    values: np.ndarray
    reference: np.ndarray | None = None
    bar: float = 0.0
    why: str = ""
    at: Mapping[str, float] = field(default_factory=dict)
    compared_with: str = ""

    def record(self) -> dict[str, Any]:
        """Return what metrics.json holds of it: values, and the error, absolute and relative (L2), where it is known."""
        if self.coordinates:
            shown = {"coordinates": list(self.coordinates), "lowest": _least(self.values), "highest": -_least(-self.values)}
        else:
            shown = {
                "value": float(self.values),
                "reference": None if self.reference is None else float(self.reference),
            }
        error, relative, why = self._error()
        extra: dict[str, Any] = {"at": dict(self.at)} if self.at else {}
        extra |= {"compared_with": self.compared_with} if self.compared_with else {}
        return {**shown, "error": error, "relative_error": relative, "why": why, **extra}

    def _error(self) -> tuple[float | None, float | None, str]:
        """Return the largest and the relative error; a distance that is not large against the bar of the reference is none."""
        from pinn.judge.verdict import KNOWN

        if self.reference is None:
            return None, None, self.why
        apart = np.abs(self.values - self.reference)
        known = np.isfinite(apart)
        if not known.any():
            return None, None, "it is nowhere a finite number"
        size = float(np.linalg.norm(self.reference[known]))
        distance = float(np.linalg.norm(apart[known]))
        if self.bar * size > KNOWN * distance:
            return None, None, f"not far enough from the reference, which is itself known to {self.bar:.1e} only"
        return float(apart[known].max()), distance / size if size > 0 else None, ""


def _least(values: np.ndarray) -> float:
    return float(np.min(values, where=np.isfinite(values), initial=math.inf))


def quantities(
    problem: Problem, solution: SolutionLike, truth: Reference, axes: tuple[np.ndarray, ...], other: SolutionLike | None = None
) -> list[Quantity]:
    """Return all quantities of a solution on a grid.

    Parameters
    ----------
    truth : the reference; one of finite differences has values only, so it says nothing about derivatives.
    axes : values of every coordinate, in the problem's order.
    other : a more accurate solution to compare with instead of the reference, not a number where it is not known.
    """
    return [_quantity(problem, name, solution, truth, axes, other) for name in problem.quantities]


def _quantity(
    problem: Problem, name: str, solution: SolutionLike, truth: Reference, axes: tuple[np.ndarray, ...], other: SolutionLike | None
) -> Quantity:
    free, seen = matters(problem.quantities[name], problem.names), shown_axes(problem, axes)
    shown = {x: axis for x, axis in zip(problem.names, seen, strict=True) if x in free and len(axis) > 1}
    held = zip(problem.names[problem.num_plain :], seen[problem.num_plain :], strict=True)
    at = {x: float(axis[0]) for x, axis in held if x in free and len(axis) == 1}
    free, places = tuple(shown), tuple(shown.values())
    values = evaluate_quantity(problem, name, solution, axes)
    compared, why = _of_reference(problem, name, truth) if other is None else (other, "")
    if compared is None:
        return Quantity(name, free, places, values, why=why, at=at)
    reference = evaluate_quantity(problem, name, compared, axes)
    if np.isfinite(values).any() and not np.isfinite(reference).any():
        return Quantity(name, free, places, values, why="the reference does not have it", at=at)
    bar = 0.0 if truth.kind == "exact" or other is not None else truth.bar
    return Quantity(name, free, places, values, reference, bar, "", at, "" if other is None else "solutions at single values")


def _of_reference(problem: Problem, name: str, truth: Reference) -> tuple[SolutionLike | None, str]:
    """Return the reference as a solution that can be asked for what the quantity needs, or None and why it cannot."""
    if truth.kind == "exact":
        return lambda points, request, side=None: problem.exact_values(request, points, side), ""
    if truth.kind == "none":
        return None, "there is no reference"
    if truth.kind == "file":
        return None, "the reference is known at the places of its file only"
    if any(sum(index) for jet in jets(problem.quantities[name]) for index in jet.operator):
        return None, "the reference has values only, no derivatives"
    columns = {unknown: number for number, unknown in enumerate(problem.unknown_names)}

    def values(points: np.ndarray, request: Request, _: np.ndarray | None = None) -> np.ndarray:
        return truth(points)[:, [columns[unknown] for unknown, _ in request]]

    return values, ""


def arrays(found: list[Quantity]) -> Mapping[str, np.ndarray]:
    """Return what quantities.npz holds: of every function ``flux`` its values, its places ``flux.t``, and ``flux.reference``."""
    stored: dict[str, np.ndarray] = {}
    for quantity in found:
        if quantity.coordinates:
            places = zip(quantity.coordinates, quantity.places, strict=True)
            stored |= {quantity.name: quantity.values, **{f"{quantity.name}.{x}": place for x, place in places}}
            if quantity.reference is not None:
                stored[f"{quantity.name}.reference"] = quantity.reference
    return stored
