"""Solves in cells where an unknown lives on one side of an interface, against closed forms."""

import numpy as np
from cell_problems import make_march, read, solve

from pinn.solver.cells import rounds

LEFT = {"shapes": {"left": "x < 0.4"}, "interfaces": ["left"], "define": {"k": "where(left, 1, 4)"}}
JOINED = {"jump(T)": 0, "jump(k*T_x)": 0}


def test_a_rod_that_is_heated_by_a_current_in_one_of_its_layers():
    """φ = 2.5 x on the left; T = −3.125 x² + 35/22 x there and 5/22 (1 − x) on the right."""
    equations = {
        "charge": {"at": "left", "equation": "phi_xx = 0"}, "warm": {"at": "left", "equation": "T_xx = -phi_x**2"},
        "cold": {"at": "not left", "equation": "4*T_xx = 0"},
    }  # fmt: skip
    conditions = {
        "foot": {"at": "x = 0", "T": 0, "phi": 0}, "head": {"at": "x = 1", "T": 0}, "joint": {"at": "interfaces", **JOINED, "phi": 1},
    }  # fmt: skip
    march = make_march(read({"x": [0, 1]}, equations, conditions, {"T": {}, "phi": {"at": "left"}}, **LEFT))
    found = rounds.solution(march, solve(march))(np.linspace(0, 1, 101)[:, None])
    x = np.linspace(0, 1, 101)
    np.testing.assert_allclose(found[:, 0], np.where(x < 0.4, -3.125 * x**2 + 35 / 22 * x, 5 / 22 * (1 - x)), atol=1e-11)
    np.testing.assert_allclose(found[x < 0.4, 1], 2.5 * x[x < 0.4], atol=1e-11)
    np.testing.assert_array_equal(found[x > 0.4, 1], 0)


def test_a_flow_beside_a_wall_that_conducts():
    """A parabola in the channel; without flow of heat along it the temperature is linear in each layer."""
    equations = {
        "flow": {"at": "fluid", "equation": "laplacian(u) = -8"},
        "fluid_heat": {"at": "fluid", "equation": "u*T_x = 0.1*laplacian(T)"},
        "solid_heat": {"at": "not fluid", "equation": "laplacian(T) = 0"},
    }
    conditions = {
        "top": {"at": "y = 1", "u": 0, "T": 1}, "bottom": {"at": "y = 0", "T": 0}, "ends": {"at": "x = 0 or x = 2", "T_n": 0},
        "fluid_ends": {"at": "(x = 0 or x = 2) and fluid", "u_n": 0},
        "wall": {"at": "interfaces", "jump(T)": 0, "jump(where(fluid, 0.1, 1)*T_n)": 0, "u": 0},
    }  # fmt: skip
    text = {"shapes": {"fluid": "y > 0.5"}, "interfaces": ["fluid"]}
    march = make_march(
        read({"x": [0, 2], "y": [0, 1]}, equations, conditions, {"T": {}, "u": {"at": "fluid"}}, **text), cells={"x": 2}
    )
    y = np.linspace(0, 1, 41)
    temperature, speed = rounds.solution(march, solve(march))(np.stack([0.3 + 0 * y, y], axis=1)).T
    np.testing.assert_allclose(temperature, np.where(y < 0.5, 2 * y / 11, 1 - 20 * (1 - y) / 11), atol=1e-11)
    np.testing.assert_allclose(speed[y > 0.5], 4 * (y - 0.5)[y > 0.5] * (1 - y)[y > 0.5], atol=1e-11)
