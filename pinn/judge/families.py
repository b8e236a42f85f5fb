"""How wrong the solution of a family is: members at several values of the parameters are judged one by one, then taken together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.judge.choose import reference
from pinn.judge.estimate import Estimate
from pinn.judge.metrics import Metrics, metrics, relative_l2
from pinn.judge.reference import Reference, no_reference
from pinn.judge.verdict import Verdict, verdict
from pinn.problem.families import Member, member, values_at
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator

Array = np.ndarray

PLACES = (0.0, 0.19, 0.44, 0.71, 1.0)
"""Of the values of one parameter at which a family is judged, in its range: both ends, and uneven places between them."""

WITHIN = (0.02, 0.2, 0.45, 0.72, 0.97)
"""Likewise of a distribution: the part of it that lies below."""

NUM_SCATTERED = 5
"""Values of several parameters at which a family is judged."""


def judged_columns(problem: Problem) -> Array:
    """Return the columns of the parameters at which a family is judged, (values, parameters); nobody solved there on purpose.

    Of one parameter they increase; those of several are drawn from the distributions.
    """
    parameters = problem.parameters
    if len(parameters) == 1:
        places = WITHIN if parameters[0].distribution else PLACES
        return parameters[0].place(np.array(places))[:, None]
    unit = generator(0, "judged values").random((NUM_SCATTERED, len(parameters)))
    return np.stack([parameter.place(unit[:, axis]) for axis, parameter in enumerate(parameters)], axis=1)


@dataclass(frozen=True)
class Judged:
    """One member of a family, judged.

    Attributes
    ----------
    columns : of the parameters. values : of the parameters by name. problem : the plain one.
    """

    columns: Array
    values: Mapping[str, float]
    problem: Problem
    found: Metrics
    truth: Reference
    estimate: Estimate
    verdict: Verdict

    @property
    def at(self) -> str:
        """Where it is, in words."""
        return ", ".join(f"{name} = {value:.4g}" for name, value in self.values.items())

    def record(self) -> dict[str, Any]:
        """Return its row of the table in metrics.json."""
        known = self.verdict.source != "none"
        return {
            "values": dict(self.values),
            "relative_l2": self.verdict.error if known else None,
            "source": self.verdict.source,
            "at_most": self.verdict.bound if math.isfinite(self.verdict.bound) else None,
            "reference": self.truth.kind,
            "reference_error": self.truth.bar if self.truth.kind != "none" else None,
            "estimate": self.estimate.worst if self.estimate.accepted else None,
            "verdict": self.verdict.verdict,
        }


def judged(
    problem: Problem,
    solution: Callable[..., Array],
    settings: Any,
    estimate: Callable[[Problem, Member], Estimate],
    accuracy: float | None,
) -> list[Judged]:
    """Return the members of a family at several values, judged.

    Parameters
    ----------
    settings : of the reference. estimate : estimates the error of a member's solution.
    """
    rows = []
    for columns in judged_columns(problem):
        values = values_at(problem, columns)
        plain, own = member(problem, values), Member(problem, solution, columns)
        truth = reference(plain, settings)
        found, guess = metrics(plain, own, truth), estimate(plain, own)
        rows.append(Judged(columns, values, plain, found, truth, guess, verdict(found, truth, guess, accuracy)))
    return rows


@dataclass(frozen=True)
class Together:
    """A family judged as a whole: what a plain problem has one of, and the member with the largest error, None if none is known."""

    found: Metrics
    truth: Reference
    estimate: Estimate
    verdict: Verdict
    worst: Judged | None


def together(problem: Problem, rows: Sequence[Judged]) -> Together:
    """Return the judgement on a family from those on its members.

    The error is the relative L2 one over all of them; what is wrong with a member is wrong with the family.
    """
    known = [row for row in rows if row.verdict.source != "none"]
    worst = max(known, key=lambda row: row.verdict.error, default=None)
    return Together(_metrics(problem, rows), _truth(problem, rows), _estimate(rows), _verdict(rows, worst), worst)


def _sizes(rows: Sequence[Judged]) -> Array:
    """Return how large the solution of each member is."""
    return np.array([max(np.sqrt(np.nanmean(np.square(values))) for values in row.found.solution.values()) for row in rows])


def _over_all(errors: Sequence[float], rows: Sequence[Judged]) -> float:
    """Return the relative L2 error over members from that of each."""
    sizes = _sizes(rows) if np.any(_sizes(rows)) else np.ones(len(rows))
    return float(np.linalg.norm(np.asarray(errors) * sizes) / np.linalg.norm(sizes))


def _verdict(rows: Sequence[Judged], worst: Judged | None) -> Verdict:
    bad = [row for row in rows if row.verdict.verdict != "verified"]
    failed = any(row.verdict.verdict == "failed" for row in rows)
    reasons = tuple(dict.fromkeys(f"at {row.at}: {reason}" for row in bad for reason in row.verdict.reasons))
    bound = _over_all([row.verdict.bound for row in rows], rows)
    if worst is None or any(row.verdict.source == "none" for row in rows):
        return Verdict("failed" if failed else "not verified", reasons, bound=bound)
    error = _over_all([row.verdict.error for row in rows], rows)
    sources = {row.verdict.source for row in rows}
    source = next(kind for kind in ("estimate", "finite_difference", "exact") if kind in sources)
    missed = any(row.verdict.missed for row in rows)
    told = f"the error over {len(rows)} values is {error:.1e}, the largest is {worst.verdict.error:.1e} at {worst.at}"
    if bad:
        return Verdict("failed" if failed else "not verified", (*reasons, told), error, source, missed, bound)
    return Verdict("verified", (told,), error, source, bound=bound)


def _metrics(problem: Problem, rows: Sequence[Judged]) -> Metrics:
    """Return metrics over all members; their grid has the values of one parameter as an axis, of several only the first."""
    names, one = problem.unknown_names, len(problem.parameters) == 1
    shown = rows if one else rows[:1]
    last = (np.array([row.columns[0] for row in rows]),) if one else tuple(np.array([column]) for column in rows[0].columns)

    def stacked(kind: str) -> dict[str, Array]:
        if any(not getattr(row.found, kind) for row in shown):
            return {}
        arrays = {name: [getattr(row.found, kind)[name] for row in shown] for name in names}
        return {name: np.stack(each, axis=-1) if one else each[0] for name, each in arrays.items()}

    measured = all(row.found.relative_l2 for row in rows)
    truths = {name: np.stack([row.found.reference[name] for row in rows]) for name in names} if measured else {}
    values = {name: np.stack([row.found.solution[name] for row in rows]) for name in names}
    return Metrics(
        (*rows[0].found.axes, *last), stacked("solution"), stacked("reference"), stacked("error"),
        {name: relative_l2(values[name], truth) for name, truth in truths.items()},
        {name: max(row.found.max_error[name] for row in rows) for name in truths},
        all(row.found.is_finite for row in rows),
    )  # fmt: skip


def _truth(problem: Problem, rows: Sequence[Judged]) -> Reference:
    """Return the reference of a family: not a number between the values that are judged, unless it is exact."""
    without = next((row for row in rows if row.truth.kind == "none"), None)
    seconds = sum(row.truth.seconds for row in rows)
    if without is not None:
        return no_reference(f"at {without.at}: {without.truth.why}", seconds)
    first = max((row.truth for row in rows), key=lambda truth: truth.bar)
    bars = {name: max(row.truth.relative_error[name] for row in rows) for name in problem.unknown_names}

    def at_points(points: Array) -> Array:
        cut, found = problem.num_plain, np.full((len(points), len(problem.unknowns)), np.nan)
        for row in rows:
            here = np.all(np.isclose(points[:, cut:], row.columns, rtol=1e-12, atol=1e-12), axis=1)
            if here.any():
                found[here] = row.truth(points[here][:, :cut])
        return found

    return Reference(
        first.kind, first.state, problem.unknown_names, f"at {len(rows)} values of the parameters", bars, first.observed_order,
        first.order, first.grids, first.adapted, seconds, first.scattered, at_points=at_points,
    )  # fmt: skip


def _estimate(rows: Sequence[Judged]) -> Estimate:
    refused = next((row for row in rows if not row.estimate.accepted), None)
    seconds = sum(row.estimate.seconds for row in rows)
    if refused is not None:
        return Estimate(False, f"at {refused.at}: {refused.estimate.why}", seconds=seconds)
    names = rows[0].estimate.relative_l2
    each = {name: _over_all([row.estimate.relative_l2[name] for row in rows], rows) for name in names}
    return Estimate(True, "", each, max(row.estimate.cells for row in rows), seconds)


def estimates_on_grid(problem: Problem, rows: Sequence[Judged]) -> dict[str, Array]:
    """Return the estimated errors on the grid of `together`, by unknown; empty where one was withheld."""
    shown = rows if len(problem.parameters) == 1 else rows[:1]
    if any(not row.estimate.accepted for row in shown):
        return {}
    parts = [row.estimate.on_grid(row.found.axes) for row in shown]
    masked = [
        {name: np.where(np.isfinite(row.found.solution[name]), values, np.nan) for name, values in part.items()}
        for row, part in zip(shown, parts, strict=True)
    ]
    if len(problem.parameters) > 1:
        return masked[0]
    return {name: np.stack([part[name] for part in masked], axis=-1) for name in masked[0]}
