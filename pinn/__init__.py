"""Solve partial differential equations with physics-informed neural networks: the problem is text, the result carries its error.

Importing this package changes nothing and does not import torch; public names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

OPTIONS: dict[str, str] = {
    "MLP": "pinn.field.network.mlp",
    "ModifiedMLP": "pinn.field.network.modified_mlp",
    "FourierFeatures": "pinn.field.network.fourier_features",
    "PirateNet": "pinn.field.network.pirate",
    "Separable": "pinn.field.network.separable",
    "RandomFeatures": "pinn.field.network.random_features",
    "LocalFeatures": "pinn.field.network.local_features",
    "ModuleNetwork": "pinn.field.network.module",
    "Whole": "pinn.field.decomposition.settings",
    "Regions": "pinn.field.decomposition.settings",
    "Adaptive": "pinn.field.decomposition.settings",
    "Windows": "pinn.field.decomposition.settings",
    "Cuts": "pinn.field.decomposition.settings",
    "Launch": "pinn.solver.launch",
    "Points": "pinn.problem.points",
    "Adam": "pinn.solver.adam",
    "Soap": "pinn.solver.soap",
    "LBFGS": "pinn.solver.lbfgs",
    "SelfScaledBroyden": "pinn.solver.self_scaled_broyden",
    "GaussNewton": "pinn.solver.gauss_newton",
    "Spring": "pinn.solver.spring",
    "LeastSquares": "pinn.solver.least_squares",
    "CellLeastSquares": "pinn.solver.cell_least_squares",
    "Staged": "pinn.solver.staged",
    "Auto": "pinn.solver.choose",
    "Until": "pinn.solver.rules",
    "AutoReference": "pinn.judge.settings",
    "ExactReference": "pinn.judge.settings",
    "FiniteDifferenceReference": "pinn.judge.settings",
    "NoReferenceWanted": "pinn.judge.settings",
    "Report": "pinn.report.settings",
}
"""Settings classes that YAML may name, ``_target_: pinn.MLP``, and the modules they live in."""

_PUBLIC: dict[str, str] = {
    **OPTIONS,
    "BadInput": "pinn.problem.settings",
    "Problem": "pinn.problem.problem",
    "Settings": "pinn.problem.settings",
    "read_problem": "pinn.problem.language",
    "solve": "pinn.run.solve",
}

_MODULES: dict[str, str] = {"derivatives": "pinn.field.derivatives"}

__all__ = ["OPTIONS", "__version__", *_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'pinn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_MODULES])
