"""Quantities of interest: checked before the training, afterwards compared with the same of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.calculus import jets, leaves
from pinn.problem.problem import Piece, Problem, Request, Residual
from pinn.problem.quantities import SolutionLike
from pinn.problem.randomness import generator
from pinn.problem.selectors import matters
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites
from pinn.problem.terms import QUADRATURE_NODES, make_term
from pinn.problem.tree import Integral

if TYPE_CHECKING:
    from pinn.judge.reference import Reference

MOST_POINTS = 100_000
"""Points at which a solution is asked for at once."""

TRIALS = 12
"""Made-up solutions with which a quantity is tried before the training; one finite value is enough."""


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
    """

    name: str
    coordinates: tuple[str, ...]
    places: tuple[np.ndarray, ...]
    values: np.ndarray
    reference: np.ndarray | None = None
    bar: float = 0.0
    why: str = ""

    def record(self) -> dict[str, Any]:
        """Return what metrics.json holds of it: values, and the error, absolute and relative (L2), where it is known."""
        if self.coordinates:
            shown = {"coordinates": list(self.coordinates), "lowest": _least(self.values), "highest": -_least(-self.values)}
        else:
            shown = {"value": float(self.values), "reference": None if self.reference is None else float(self.reference)}
        error, relative, why = self._error()
        return {**shown, "error": error, "relative_error": relative, "why": why}

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
            return None, None, f"no further from the reference than that is uncertain itself ({self.bar:.1e})"
        return float(apart[known].max()), distance / size if size > 0 else None, ""


def _least(values: np.ndarray) -> float:
    return float(np.min(values, where=np.isfinite(values), initial=math.inf))


def quantities(problem: Problem, solution: SolutionLike, truth: Reference, axes: tuple[np.ndarray, ...]) -> list[Quantity]:
    """Return all quantities of a solution on a grid.

    Parameters
    ----------
    truth : the reference; one of finite differences has values only, so it says nothing about derivatives.
    axes : values of every coordinate, in the problem's order.
    """
    return [_quantity(problem, name, solution, truth, axes) for name in problem.quantities]


def _quantity(problem: Problem, name: str, solution: SolutionLike, truth: Reference, axes: tuple[np.ndarray, ...]) -> Quantity:
    free = matters(problem.quantities[name], problem.names)
    places = tuple(axis for x, axis in zip(problem.names, axes, strict=True) if x in free)
    values = evaluate(problem, name, solution, axes)
    compared, why = _of_reference(problem, name, truth)
    if compared is None:
        return Quantity(name, free, places, values, why=why)
    reference = evaluate(problem, name, compared, axes)
    return Quantity(name, free, places, values, reference, 0.0 if truth.kind == "exact" else truth.bar)


def _of_reference(problem: Problem, name: str, truth: Reference) -> tuple[SolutionLike | None, str]:
    """Return the reference as a solution that can be asked for what the quantity needs, or None and why it cannot."""
    if truth.kind == "exact":
        return lambda points, request: problem.exact_values(request, points), ""
    if truth.kind == "none":
        return None, "there is no reference"
    if any(sum(index) for jet in jets(problem.quantities[name]) for index in jet.operator):
        return None, "the reference has values only, no derivatives"
    columns = {unknown: number for number, unknown in enumerate(problem.unknown_names)}

    def values(points: np.ndarray, request: Request) -> np.ndarray:
        return truth(points)[:, [columns[unknown] for unknown, _ in request]]

    return values, ""


def evaluate(problem: Problem, name: str, solution: SolutionLike, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return a quantity on the tensor grid of the coordinates it depends on, with the shape of their lengths.

    Raises
    ------
    BadInput : it looks up an unknown outside the domain.
    """
    tree = problem.quantities[name]
    free = matters(tree, problem.names)
    kept = [axis if x in free else axis[:1] for x, axis in zip(problem.names, axes, strict=True)]
    points = np.stack([mesh.ravel() for mesh in np.meshgrid(*kept, indexing="ij")], axis=1)
    nodes = max((QUADRATURE_NODES ** len(leaf.over) for leaf in leaves(tree) if isinstance(leaf, Integral)), default=1)
    step = max(1, MOST_POINTS // nodes)
    residual = Residual(name, "quantity", "", tree, (Piece(),))
    parts = []
    for begin in range(0, len(points), step):
        term = make_term(problem, residual, Sites(points[begin : begin + step]))
        with np.errstate(all="ignore"):
            columns = [solution(image.sites.points, image.request) for image in term.images]
            parts.append(np.broadcast_to(np.asarray(term.evaluate(columns), float), term.num_rows))
    return np.concatenate(parts).reshape([len(axis) for x, axis in zip(problem.names, kept, strict=True) if x in free])


def dependence(problem: Problem, name: str) -> str:
    """Return ``flux(t)`` for a function, the name alone for a number."""
    free = matters(problem.quantities[name], problem.names)
    return f"{name}({', '.join(free)})" if free else name


def check_quantity(problem: Problem, name: str) -> None:
    """Raise `BadInput` when a quantity cannot be evaluated: it looks outside the domain, or is no number whatever the solution."""
    axes = tuple(np.linspace(low, high, 5) for low, high in problem.box)
    for trial in range(TRIALS):
        random = generator(trial, f"quantity {name}")
        sign, size = (-1.0) ** trial, 10.0 ** random.uniform(-3, 3)

        def solution(points: np.ndarray, request: Request, random=random, size=sign * size) -> np.ndarray:
            return size * random.uniform(0.5, 1.5, (len(points), len(request)))

        if np.isfinite(evaluate(problem, name, solution, axes)).any():
            return
    raise BadInput("is not a finite number anywhere, whatever the solution", name)


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
