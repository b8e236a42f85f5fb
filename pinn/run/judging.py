"""How wrong a solution is: the judge's answers, as a progress line during the solve and as metrics.json at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.run.environment import peak_memory_megabytes
from pinn.run.folder import RunFolder
from pinn.run.results import axes_of, grid_points, write_diagnostics, write_solution

if TYPE_CHECKING:
    from pinn.run.training import Setup
    from pinn.solver.state import State


class Judge:
    def __init__(self, setup: Setup):
        self.setup, self.problem = setup, setup.prepared.problem
        self.axes = axes_of(self.problem)
        self.points = grid_points(self.axes)
        self.label = "error"
        self.request = tuple((name, ((0,) * self.problem.dim,)) for name in self.problem.unknown_names)

    def of_theta(self, theta: Any) -> float | None:
        if not self.problem.exact:
            return None
        values = self.setup.field.solution(theta)(self.points)
        exact = self.problem.exact_values(self.request, self.points)
        return float(max(np.linalg.norm(values - exact, axis=0) / np.linalg.norm(exact, axis=0)))

    def conclude(self, folder: RunFolder, solution: Any, state: State, seconds: dict) -> dict[str, Any]:
        begin = time.perf_counter()
        values = solution(self.points)
        exact = self.problem.exact_values(self.request, self.points) if self.problem.exact else None
        write_solution(folder, self.problem, self.axes, values, exact, None)
        write_diagnostics(folder, self.setup, state, self.axes)
        errors = None if exact is None else np.linalg.norm(values - exact, axis=0) / np.linalg.norm(exact, axis=0)
        unknowns = {name: {"relative_l2": None if errors is None else errors[k]} for k, name in enumerate(self.problem.unknown_names)}
        seconds["judge"] = time.perf_counter() - begin
        return {
            "problem": self.problem.name, "name": self.problem.title, "solver": "", "num_parameters": self.setup.field.num_params,
            "num_rows": self.setup.draw(state.points["epoch"]).num_rows, "seconds": seconds,
            "peak_memory_mb": peak_memory_megabytes(), "unknowns": unknowns,
            "reference": {"kind": "exact" if exact is not None else "none"}, "estimate": {"accepted": False},
            "terms": state.losses, "verdict": "not verified",
        }
