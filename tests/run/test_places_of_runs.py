"""An unknown on a part of the domain in a run: not a number elsewhere, in tables, files and answers."""

import numpy as np
import pytest

import pinn

ROD = {
    "coordinates": {"x": [0, 1]}, "unknowns": {"T": {}, "phi": {"at": "left"}}, "shapes": {"left": "x < 0.4"},
    "interfaces": ["left"], "define": {"k": "where(left, 1, 4)"},
    "equations": {
        "charge": {"at": "left", "equation": "phi_xx = 0"}, "warm": {"at": "left", "equation": "T_xx = -phi_x**2"},
        "cold": {"at": "not left", "equation": "4*T_xx = 0"},
    },
    "conditions": {
        "foot": {"at": "x = 0", "T": 0, "phi": 0}, "head": {"at": "x = 1", "T": 0},
        "joint": {"at": "interfaces", "jump(T)": 0, "jump(k*T_x)": 0, "phi": 1},
    },
    "exact": {"T": "where(left, 35/22*x - 3.125*x**2, 5/22*(1 - x))", "phi": "2.5*x"},
    "quantities": {"heating": "integral(phi_x**2, left)"},
}  # fmt: skip
TRAINED = [
    "solver=adam_broyden", "network.width=8", "network.depth=2", "points.interior=128", "solver.stages.adam.steps=50",
    "solver.stages.broyden.steps=300",
]  # fmt: skip


@pytest.mark.parametrize(("options", "bound"), [(["solver=least_squares"], 1e-11), (TRAINED, 1e-3)])
def test_a_rod_heated_by_a_current_in_one_of_its_layers(tmp_path, options, bound):
    result = pinn.solve(ROD, *options, "report=none", f"folder={tmp_path / 'run'}")
    assert result.error < bound
    assert result.metrics["quantities"]["heating"]["value"] == pytest.approx(2.5, rel=100 * bound)
    phi = result.field("phi", x=[0.1, 0.4, 0.7])
    assert np.isfinite(phi).tolist() == [True, True, False] and np.isfinite(result.field("T", x=0.7))
    stored = np.load(tmp_path / "run" / "solution.npz")
    assert np.isnan(stored["phi"]).tolist() == (stored["x"] >= 0.4).tolist()
    assert np.isfinite(stored["T"]).all()
