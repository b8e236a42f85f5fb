"""What a run says of an inverse problem: which problem its solution is judged by, and the numbers that were found."""

from __future__ import annotations

from typing import Any

import numpy as np

from pinn.problem.problem import Problem


def judged_problem(problem: Problem, solution: Any) -> Problem:
    """Return the problem that a solution is judged by: with the numbers that were found in place of those that were sought.

    Where the exact ones are known, or functions are sought that no equation determines, it is the problem itself.
    """
    functions = [unknown for unknown in problem.unknowns if not unknown.is_number]
    forward = all(len(unknown.depends) == problem.dim for unknown in functions) and len(problem.equations) >= len(functions)
    if problem.exact or not problem.is_inverse or not forward:
        return problem
    return problem.given({name: solution.numbers[name] for name in problem.numbers})


def numbers(problem: Problem, solution: Any) -> dict[str, dict[str, Any]]:
    """Return what metrics.json holds of the unknown numbers: values, and the distance from the exact ones where they are known."""
    found = {}
    for name in problem.numbers:
        value = float(solution.numbers[name])
        exact = _exact(problem, name)
        error = None if exact is None else abs(value - exact)
        found[name] = {
            "value": value,
            "exact": exact,
            "relative_l2": None if error is None else error / abs(exact) if exact else error,
            "max_error": error,
        }
    return found


def _exact(problem: Problem, name: str) -> float | None:
    if name not in problem.exact:
        return None
    request = ((name, ((0,) * problem.dim,)),)
    return float(np.asarray(problem.exact_values(request, problem.box.mean(axis=1)[None]))[0, 0])
