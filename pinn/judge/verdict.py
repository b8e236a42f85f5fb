"""Is the error known, small enough, and do the judges agree: "verified", "not verified" or "failed", and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pinn.judge.estimate import Estimate
from pinn.judge.evaluation import norm_weights
from pinn.judge.metrics import Metrics
from pinn.judge.reference import Reference

LARGEST = 0.05
"""Without a wanted accuracy, the largest relative L2 error with which a solution is still called verified."""

KNOWN = 0.3
"""Largest error bar of a reference, and largest disagreement of the judges, relative to the error."""


@dataclass(frozen=True)
class Verdict:
    """What a result is worth.

    Attributes
    ----------
    verdict : "verified", "not verified" or "failed".
    reasons : one line each; for "verified" how the error is known.
    error : the largest relative L2 error of an unknown, as well as it is known; NaN when it is not.
    source : where the error comes from: "exact", "finite_difference", "file", "estimate" or "none".
    missed : the error is known and above the target.
    bound : what the error is at most: the distance from the reference and its error bar; NaN without a reference.
    """

    verdict: str
    reasons: tuple[str, ...] = ()
    error: float = math.nan
    source: str = "none"
    missed: bool = field(default=False)
    bound: float = math.nan


def failed(reason: str) -> Verdict:
    """Return the verdict on a run that diverged."""
    return Verdict("failed", (reason,))


Judged = tuple[Metrics, Reference]
"""A reference, and the distance of a solution from it."""


def verdict(
    metrics: Metrics,
    reference: Reference,
    estimate: Estimate | None = None,
    target: float | None = None,
    second: Judged | None = None,
) -> Verdict:
    """Return the verdict on a solution.

    The error is known from an exact solution, from a reference whose bar is at most 0.3 of the error, or from an accepted
    estimate. When both judges answer they must agree for every unknown: | |e| - |u_h - u_ref| | ≤ 0.3 |e| + bar for the
    estimated error field e, and the two error fields must not be further apart than |e| + bar.

    Parameters
    ----------
    target : largest relative L2 error wanted; None asks that the error be known and at most 5 %.
    second : another reference beside a file. Of the two the one with the smaller error bar counts, and the other one may not be
        further away than the error and its own bar, 5 % where a file states none.
    """
    if not metrics.is_finite:
        return failed("the solution holds values that are not finite")
    both = sorted([(metrics, reference), *([second] if second else [])], key=lambda judged: judged[1].bar)
    (metrics, reference), beside = both[0], both[1:]
    accepted = estimate if estimate is not None and estimate.accepted else None
    error, source, reasons = _known(metrics, reference, accepted, target)
    if accepted is not None and reference.kind != "none":
        reasons += _disagreements(metrics, reference, accepted)
    if source != "none":
        beside += [(metrics, reference)] if source == "estimate" and reference.kind == "file" else []
        reasons += [reason for judged in beside for reason in _apart(*judged, error)]
    missed = source != "none" and target is not None and not error <= target
    if missed:
        reasons.append(f"the error {error:.1e} is above the target {target:.1e}")
    if source != "none" and target is None and not error <= LARGEST:
        advice = f"without a wanted accuracy at most {LARGEST:.0%} is called verified"
        reasons.append(f"the error {error:.1e} is known, and large; {advice}")
    bound = _bound(metrics, reference)
    if reasons:
        return Verdict("not verified", tuple(reasons), error, source, missed, bound)
    known = "is at most" if source in ("finite_difference", "file") and error == bound else "is"
    return Verdict("verified", (f"the error {known} {error:.1e}, known from {_WORDS[source]}",), error, source, bound=bound)


_WORDS = {
    "exact": "the exact solution",
    "finite_difference": "a finite-difference reference",
    "file": "the file",
    "estimate": "the error estimate",
}


def _known(metrics: Metrics, reference: Reference, estimate: Estimate | None, target: float | None) -> tuple[float, str, list[str]]:
    """The error, where it is known from, and why it is not known."""
    if reference.kind != "none":
        error = max(metrics.relative_l2.values())
        bars = all(reference.relative_error[name] <= KNOWN * size for name, size in metrics.relative_l2.items())
        if reference.given is not None and reference.given.left_out:
            untold = [f"{', '.join(reference.given.left_out)} cannot be judged: {reference.why}"]
            return (error, "none", untold) if estimate is None else (estimate.worst, "estimate", [])
        if reference.kind == "exact" or bars:
            return error, reference.kind, []
        if estimate is not None:
            return estimate.worst, "estimate", []
        bound = _bound(metrics, reference)
        if target is not None and bound <= target:
            return bound, reference.kind, []
        if reference.given is not None and reference.given.error is None:
            file, advice = reference.given.file, "how exact that is, is not said (error: 1e-4 beside file:)"
            return error, "none", [f"the distance from {file} is {error:.1e}, and {advice}"]
        more = "" if reference.given else " (reference.size=8 allows larger grids)"
        known = f"the reference itself is known to {reference.bar:.1e} only{more}"
        words = f"the distance from the reference is {error:.1e}, and {known}"
        met = f"; accuracy={_rounded_up(bound):.0e} is met" if target is None and bound <= LARGEST else ""
        return error, "none", [f"the error is at most {bound:.1e}: {words}{met}"]
    if estimate is not None:
        return estimate.worst, "estimate", []
    return math.nan, "none", [f"the error is not known: {reference.why or 'no reference'}; no accepted estimate"]


def _rounded_up(number: float) -> float:
    """Return the next power of ten."""
    return 10.0 ** math.ceil(math.log10(number))


def _apart(metrics: Metrics, reference: Reference, error: float) -> Iterator[str]:
    """Yield where another reference is further away than a known error and its own bar, 5 % where nobody said how exact it is."""
    for name, distance in metrics.relative_l2.items():
        bar = reference.relative_error[name]
        if distance > error + (LARGEST if bar == math.inf else 1.5 * bar + KNOWN * error):
            who = reference.given.file if reference.given else _WORDS[reference.kind]
            said = "" if bar == math.inf else f" (known to {bar:.1e})"
            yield f"the judges disagree on {name}: the error is {error:.1e}, but the distance from {who}{said} is {distance:.1e}"


def _bound(metrics: Metrics, reference: Reference) -> float:
    """What the error of the worst unknown is at most; NaN without a reference."""
    return max((size + reference.relative_error[name] for name, size in metrics.relative_l2.items()), default=math.nan)


def _disagreements(metrics: Metrics, reference: Reference, estimate: Estimate) -> list[str]:
    weights, estimated, reasons = norm_weights(metrics.axes), estimate.on_grid(metrics.axes), []
    for name, error in metrics.error.items():
        known = np.isfinite(error)

        def norm(values: np.ndarray, known: np.ndarray = known) -> float:
            return math.sqrt(float(np.sum(np.where(known, weights * np.square(values), 0.0))))

        size = norm(metrics.reference[name]) or 1.0
        apart, share, found = (norm(each) / size for each in (estimated[name] - error, estimated[name], error))
        slack = reference.relative_error[name] + 1e-12
        if not (abs(share - found) <= KNOWN * share + slack and apart <= share + slack):
            reasons.append(
                f"the judges disagree on {name}: estimated error {share:.1e}, distance from the reference {found:.1e} "
                "(a wrong text, a wrong exact solution, or another solution of the same problem)"
            )
    return reasons
