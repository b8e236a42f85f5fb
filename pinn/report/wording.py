"""Numbers, times and the sentences that the page, the figures and the table share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from pinn.report.folder import RunData

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eps": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lam": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
NAME_PARTS = re.compile(r"([A-Za-z]+?)(?:_(\w+)|(\d+))?")
"""A name as letters and what is printed below the line: ``u_xx``, ``S_max``, ``y1``."""

_LETTER = "|".join([*sorted(GREEK, key=len, reverse=True), "[xyzrstn]"])

MOST_VALUES = 4
"""Values of parameters in a heading."""

SMALL_BAR = 0.3
"""Largest bar of a reference, relative to the distance from it, with which that distance counts as the error."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def letters(text: str) -> list[str]:
    """Return the letters of coordinates and constants in what stands below the line, ``rtheta`` as r and θ; none of other words."""
    return [GREEK.get(each, each) for each in re.findall(_LETTER, text)] if re.fullmatch(f"({_LETTER})+", text) else []


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether ``value`` is a finite real number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 2) -> str:
    """Return ``3.4×10⁻⁵`` for 3.4e-5, plain decimals between 0.01 and 10,000, and a dash for what is no finite number."""
    if not is_number(value):
        return "–"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -2 <= int(exponent) < 4:
        return f"{float(f'{value:.{max(digits, int(exponent) + 1) - 1}e}'):,.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}×10{str(int(exponent)).translate(_RAISED)}"


def count(value: Any) -> str:
    """Return a whole number with thousands separated, and a dash for what is no number."""
    return f"{round(value):,}" if is_number(value) else "–"


def duration(seconds: Any) -> str:
    """Return ``0.014 s``, ``25 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if not is_number(seconds):
        return "–"
    if seconds < 100:
        return f"{number(seconds)} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def times(ratio: float) -> str:
    """Return a ratio with two digits: ``1.6 times``, ``1,900 times``."""
    return f"{number(float(f'{ratio:.1e}')) if ratio < 9950 else count(float(f'{ratio:.1e}'))} times"


def order_name(order: Any) -> str:
    """Return the name of a finite-difference solver, given as 4, ``order 4`` or ``chebyshev``: ``order 4``, ``Chebyshev``."""
    if is_number(order):
        return f"order {order}"
    return str(order) if str(order).startswith("order") else str(order).capitalize()


def is_trained(data: RunData) -> bool:
    """Tell whether a network was trained; else least squares found a field in cells."""
    solver = data.config.get("solver")
    return not (isinstance(solver, Mapping) and solver.get("_target_") == "pinn.CellLeastSquares")


def method(data: RunData) -> str:
    """Return what the solution is called beside others: ``network`` or ``least squares``."""
    return "network" if is_trained(data) else "least squares"


def network_seconds(data: RunData) -> float | None:
    """Return the seconds of setup and solve together; None when not known."""
    parts = [data.metric(f"seconds.{part}") for part in ("setup", "solve")]
    known = [part for part in parts if is_number(part)]
    return float(sum(known)) if is_number(parts[1]) else None


class KnownError(NamedTuple):
    """A relative L2 error and how it is known.

    ``how`` is ``true`` (against an exact solution, or a reference whose bar is small against it), ``estimated``, ``unsure``
    (the distance from a reference whose own ``bar`` is not small), ``apart`` (the distance from a file whose error nobody said) or
    ``unknown``.
    """

    value: float | None
    how: str
    bar: float | None = None

    @property
    def most(self) -> float | None:
        """What the error is at most: where the reference is not known well its own error is added to the distance."""
        return self.value + (self.bar or 0.0) if self.how == "unsure" and self.value is not None else self.value


def known_error(data: RunData, unknown: str) -> KnownError:
    """Return how wrong an unknown is, by the best that is known."""
    distance, estimated = data.metric(f"unknowns.{unknown}.relative_l2"), estimates_of(data).get(unknown)
    bar = bar_of(data, unknown)
    if is_number(distance) and bar is None and data.metric("reference.kind") == "file":
        return KnownError(estimated, "estimated") if is_number(estimated) else KnownError(distance, "apart")
    if is_number(distance) and (bar is None or bar <= SMALL_BAR * distance):
        return KnownError(distance, "true", bar)
    if is_number(estimated):
        return KnownError(estimated, "estimated")
    return KnownError(distance, "unsure", bar) if is_number(distance) else KnownError(None, "unknown")


def network_error(data: RunData) -> KnownError:
    """Return the largest error over the unknowns; not known if that of one is not."""
    if data.metric("error.source") == "estimate" and is_number(data.metric("error.relative_l2")):
        return KnownError(data.metric("error.relative_l2"), "estimated")
    if data.metric("reference.kind") == "file" and is_number(data.metric("error.relative_l2")):
        return KnownError(data.metric("error.relative_l2"), "true")
    unjudged = [name for name in unknown_numbers(data) if not is_number(data.metric(f"unknowns.{name}.relative_l2"))]
    names = [name for name in dict.fromkeys([*data.metric("unknowns", {}), *data.unknowns]) if name not in unjudged]
    errors = [known_error(data, name) for name in names]
    for error in errors:
        if error.value is None:
            return error
    return max(errors, key=lambda error: error.value or 0.0, default=KnownError(None, "unknown"))


def unknown_numbers(data: RunData) -> list[str]:
    """Return the names of the unknowns that are numbers."""
    return [name for name, found in data.metric("unknowns", {}).items() if isinstance(found, Mapping) and "value" in found]


def at_most(data: RunData, unknown: str) -> str:
    """Return the error of an unknown against the reference as a cell of a table: with ≤ where only a bound is known."""
    error = known_error(data, unknown)
    if error.how == "unsure":
        return f"≤ {number(error.most)}"
    return number(data.metric(f"unknowns.{unknown}.relative_l2"))


def error_words(data: RunData, error: KnownError) -> str:
    """Return an error as words: its size and how it is known."""
    if error.how == "true":
        return f"relative L² error {number(error.value)} ({reference_words(data)})"
    if error.how == "apart":
        return f"relative L² distance {number(error.value)} from the {reference_words(data)}"
    if error.how == "estimated":
        return f"estimated relative L² error {number(error.value)}"
    if error.how == "unsure":
        return f"relative L² error at most {number(error.most)} ({reference_words(data)}, themselves known to {number(error.bar)})"
    return "error not known"


def estimates_of(data: RunData) -> dict[str, Any]:
    """Return the estimated relative L2 error by unknown, empty when the estimate was withheld."""
    estimate = data.metric("estimate", {})
    if not isinstance(estimate, Mapping) or estimate.get("accepted") is False:
        return {}
    value = estimate.get("unknowns") or estimate.get("relative_l2")
    if isinstance(value, Mapping):
        return {name: item.get("relative_l2") if isinstance(item, Mapping) else item for name, item in value.items()}
    names = list(data.metric("unknowns", {})) or list(data.unknowns)
    return {name: value for name in names} if is_number(value) else {}


def plane_words(data: RunData) -> str:
    """Return what is to be said of a picture that shows a part of the domain only; nothing when it shows all of it."""
    parameters = data.meta.get("parameters") or ()
    others = [name for name in data.held if name not in parameters]
    values = [f"{name} = {number(value, 3)}" for name, value in data.held.items() if name in parameters]
    more = ", …" if len(values) > MOST_VALUES else ""
    at = f", at {', '.join(values[:MOST_VALUES])}{more}" if values else ""
    return (f", on the plane through the middle of {len(others)} more coordinates" if others else "") + at


def reference_words(data: RunData) -> str:
    """Return what the solution was compared with: ``exact solution``, ``finite differences``, ``file`` or ``none``."""
    kind = data.metric("reference.kind", "none")
    return {"exact": "exact solution", "finite_difference": "finite differences", "file": "reference file"}.get(kind, str(kind))


def bar_of(data: RunData, unknown: str) -> float | None:
    """Return the reference's own relative error for ``unknown``; 0 for an exact solution, None when not known."""
    if data.metric("reference.kind") == "exact":
        return 0.0
    bar = data.metric(f"reference.unknowns.{unknown}.relative_error", data.metric("reference.relative_error"))
    if isinstance(bar, Mapping):
        bar = bar.get(unknown)
    return float(bar) if is_number(bar) else None


def classical_sentences(data: RunData) -> list[str]:
    """Return the comparison with the classical solver in one to three sentences; empty when none was made."""
    classical = data.metric("classical", {})
    error, seconds = network_error(data), network_seconds(data)
    if not isinstance(classical, Mapping) or error.value is None:
        return []
    if not classical.get("lines") and classical.get("why"):
        return [f"No comparison: {classical['why']}."]
    words = {"true": "relative error is", "estimated": "estimated relative error is"}.get(error.how, "relative error is at most")
    who = "network" if is_trained(data) else "least-squares solver"
    said = [f"The {who}'s {words} {number(error.most)} after {duration(seconds)}."]
    if error.how != "unsure":
        said += _at_equal_error(classical, seconds, who)
    said += _at_equal_time(classical, who)
    return said if len(said) > 1 else []


def _at_equal_error(classical: Mapping[str, Any], seconds: float | None, who: str) -> list[str]:
    """Who reaches the same error, and when; nothing is claimed that the error of the reference hides."""
    needed, hidden = classical.get("seconds_at_equal_error"), classical.get("limited_at_equal_error") is True
    if is_number(needed):
        most = "at most " if hidden else ""
        return [f"{_solver(classical.get('order'))} reaches this error in {most}{duration(needed)}{_lead(needed, seconds, who)}."]
    if not classical.get("lines"):
        return []
    if hidden:
        return [
            "Whether a finite-difference run reaches this error cannot be told: what it is compared with is itself known to "
            f"{number(classical.get('floor'))} only."
        ]
    return [f"No finite-difference run within its budget reached this error{_nearest(classical['lines'])}."]


def _at_equal_time(classical: Mapping[str, Any], who: str) -> list[str]:
    """The best error within the same time."""
    reached = classical.get("error_at_equal_time")
    if not is_number(reached):
        return []
    solver = _solver(classical.get("order_at_equal_time", classical.get("order")), lower=True)
    limited = classical.get("limited_at_equal_time") is True
    known = f"at most {number(reached)} (the reference is not known better)" if limited else number(reached)
    return [f"In the {who}'s time {solver} reaches an error of {known}."]


def _solver(order: Any, lower: bool = False) -> str:
    the, name = ("the" if lower else "The"), order_name(order)
    if order is None:
        return f"{the} finite-difference solver"
    return f"{the} finite-difference solver of {name}" if name.startswith("order") else f"{the} {name} solver"


def _lead(classical_seconds: float, seconds: float | None, who: str) -> str:
    if not seconds or classical_seconds <= 0:
        return ""
    ratio = seconds / classical_seconds
    if 0.8 < ratio < 1.25:
        return f", about as fast as the {who}"
    return f": {times(ratio)} faster than the {who}" if ratio > 1 else f": here the {who} is {times(1 / ratio)} faster"


def _nearest(lines: list) -> str:
    known = [line for line in lines if isinstance(line, Mapping)]
    reached = [line for line in known if is_number(line.get("error")) and is_number(line.get("seconds"))]
    if not reached:
        return ""
    best = min(reached, key=lambda line: line["error"])
    return f"; the best reached {number(best['error'])} in {duration(best['seconds'])}"
