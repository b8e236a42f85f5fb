"""Words and places of complaints about problems."""

from __future__ import annotations

import numpy as np

from pinn.problem.problem import Problem, Residual
from pinn.problem.settings import BadInput


def about(message: str, *path: str) -> BadInput:
    """Return a complaint about what stands at a path of keys."""
    return BadInput(message).about(*path)


def home(residual: Residual) -> tuple[str, str]:
    """Return the keys under which a residual stands."""
    return ("equations" if residual.kind == "equation" else "conditions", residual.condition)


def place(problem: Problem, point: np.ndarray) -> str:
    """Return the coordinates of a point (dim,) in words."""
    values = problem.values_of(np.asarray(point)[None])[0]
    return ", ".join(f"{name}={value:.4g}" for name, value in zip(problem.names, values, strict=True))
