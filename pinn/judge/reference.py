"""What a solution is compared with: the exact formula, or finite differences of three nested grids with their own error bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pinn.judge.refusal import NoReference
from pinn.problem.data.given import Given

Array = np.ndarray
EXACT = 1e-15


@dataclass(frozen=True)
class Reference:
    """A function to compare with, and how well it is known.

    Attributes
    ----------
    kind : "exact", "finite_difference", "file" or "none".
    state : "exact", "observed" (the order of the method was seen on three grids), "roundoff", "not asymptotic", "stated" (the error
        of a file), "not stated", "contradictory" (the data allow no solution) or "none".
    why : one line: why there is none, or what is to be said about it.
    relative_error : error bar of each unknown, relative L2; 1e-15 for exact formulas, infinite where a file does not state it.
    observed_order : of each unknown, finite differences only.
    order : formal order of the differences.
    grids : cells per axis of the three grids; numbers of nodes where they are scattered.
    scattered : the nodes are no grid: the domain is not a box, or has interfaces.
    adapted : the nodes are concentrated where the solution is steep.
    tables : the values at the nodes, by unknown; finite differences only.
    given : values from a file, which are known at its places only.
    """

    kind: str
    state: str
    unknowns: tuple[str, ...] = ()
    why: str = ""
    relative_error: Mapping[str, float] = field(default_factory=dict)
    observed_order: Mapping[str, float] = field(default_factory=dict)
    order: int | None = None
    grids: tuple[int, ...] = ()
    adapted: bool = False
    seconds: float = 0.0
    scattered: bool = False
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    given: Given | None = field(default=None, repr=False, compare=False)
    at_points: Callable[[Array], Array] | None = field(default=None, repr=False, compare=False)
    on_axes: Callable[[tuple[Array, ...]], dict[str, Array]] | None = field(default=None, repr=False, compare=False)

    def __call__(self, points: Array) -> Array:
        """Return the values of all unknowns, (points, unknowns), at ``points`` (points, dim).

        Raises
        ------
        NoReference : kind is "none".
        """
        if self.at_points is None:
            raise NoReference(self.why or "no reference")
        return self.at_points(np.asarray(points, dtype=float))

    def on_grid(self, axes: tuple[Array, ...]) -> dict[str, Array]:
        """Return every unknown on the tensor grid of ``axes`` (one per coordinate, in the problem's order)."""
        if self.on_axes is None:
            raise NoReference(self.why or "no reference")
        return self.on_axes(axes)

    @property
    def bar(self) -> float:
        """The largest error bar of an unknown, infinite when there is no reference."""
        return max(self.relative_error.values(), default=math.inf)

    def record(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds under ``reference``."""
        known = self.kind != "none"
        return {
            "kind": self.kind,
            "state": self.state,
            "why": self.why,
            "seconds": self.seconds,
            "relative_error": _finite(self.bar) if known else None,
            "observed_order": _finite(
                min(self.observed_order.values(), default=math.nan, key=lambda q: abs(q - (self.order or 0)))
            ),
            "order": self.order,
            "grids": list(self.grids),
            "scattered": self.scattered,
            "adapted": self.adapted,
            "unknowns": {
                name: {
                    "relative_error": _finite(self.relative_error.get(name, math.nan)),
                    "observed_order": _finite(self.observed_order.get(name, math.nan)),
                }
                for name in self.unknowns
            }
            if known
            else {},
        }


def no_reference(why: str, seconds: float = 0.0, state: str = "none") -> Reference:
    """Return the reference that says why there is none."""
    return Reference("none", state, why=why, seconds=seconds)


def from_file(given: Given) -> Reference:
    """Return values from a file as a reference."""
    state, error = ("not stated", math.inf) if given.error is None else ("stated", given.error)
    bars = dict.fromkeys(given.values, error)
    why = f"{len(given.points):,} places of {given.file}"
    if given.left_out:
        why += f"; it has no {', '.join(given.left_out)}"
    return Reference("file", state, tuple(given.values), why, bars, given=given)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
