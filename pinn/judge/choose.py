"""Which reference a problem is compared with: a file, the exact solution, finite differences, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pinn.judge.cache import kept
from pinn.judge.exact import exact_reference
from pinn.judge.reference import Reference, from_file, no_reference
from pinn.judge.settings import AutoReference, ExactReference, NoReferenceWanted
from pinn.judge.windows import finite_differences
from pinn.problem.problem import Problem


def second_reference(problem: Problem, settings: Any = None) -> Reference | None:
    """Return what to compare with besides a file, whose values may be wrong themselves; None where there is nothing."""
    if problem.given is None or not isinstance(settings, AutoReference):
        return None
    found = reference(replace(problem, given=None), settings)
    return None if found.kind == "none" else found


def reference(problem: Problem, settings: Any = None) -> Reference:
    """Return what a solution of ``problem`` is compared with.

    Parameters
    ----------
    settings : `AutoReference` (default: a file where one is given, exact where known, else finite differences), `ExactReference`,
        `FiniteDifferenceReference` or `NoReferenceWanted`.

    Never raises for a problem that is not covered: the result then is of kind "none" and says why.
    """
    settings = AutoReference() if settings is None else settings
    if isinstance(settings, NoReferenceWanted):
        return no_reference("no reference wanted")
    if isinstance(settings, AutoReference) and problem.given is not None:
        return from_file(problem.given)
    if isinstance(settings, ExactReference) or (isinstance(settings, AutoReference) and problem.exact):
        return exact_reference(problem)
    return kept(problem, settings, lambda: finite_differences(problem, settings))
