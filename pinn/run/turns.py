"""The rows of the turns of a sweep: which points residuals have in each, and which candidates become points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pinn.problem.terms import make_term
from pinn.solver.part import Part

if TYPE_CHECKING:
    from pinn.field.field import Field
    from pinn.problem.problem import Residual
    from pinn.problem.sites import Sites
    from pinn.solver.sweep import Turn


def parts(turns: Sequence[Turn], field: Field) -> list[Part]:
    """Return the parts of θ in the order of a sweep; one with all of it where there are no turns."""
    if not turns:
        return [Part()]
    from pinn.solver.part_of_rows import part_of

    return [part_of(turn, field) for turn in turns]


def numbers_in(turn: Turn, field: Field, residual: Residual, sites: Sites) -> np.ndarray:
    """Return the numbers of the points at which a residual takes part."""
    from pinn.solver.part_of_rows import rows_in

    return rows_in(turn, field, make_term(field.problem, residual, sites))


def sites_in(turn: Turn, field: Field, residuals: Sequence[Residual], sites: Mapping[str, Sites]) -> dict[str, Sites]:
    """Return the points at which residuals take part, by name; those that had their points in common still have."""
    taken: dict[tuple[int, bytes], Sites] = {}
    found = {}
    for residual in residuals:
        every = sites[residual.name]
        numbers = numbers_in(turn, field, residual, every)
        if len(numbers):
            found[residual.name] = taken.setdefault((id(every), numbers.tobytes()), every.take(numbers))
    return found


def evened(scores: np.ndarray, inside: np.ndarray, power: float) -> np.ndarray:
    """Return scores of candidates (points,) with the mean of their power at all that are not ``inside``, given by number.

    Those are then as likely as the others on average, so that a turn has as many points as without choice.
    """
    mean = np.mean(scores[inside] ** power) ** (1 / power) if power and len(inside) else 1.0
    found = np.full_like(scores, mean)
    found[inside] = scores[inside]
    return found
