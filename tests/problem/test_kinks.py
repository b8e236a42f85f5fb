"""Planes on which data switch or bend."""

import numpy as np
import pytest

from pinn.problem.kinks import kinks
from pinn.problem.language import read_problem


def rod(source, start="0", **keys):
    text = {
        "coordinates": {"x": [-1, 2], "t": [0, 3]},
        "unknowns": ["u"],
        "equations": {"e": f"u_t = u_xx + {source}"},
        "conditions": {"start": {"at": "t = 0", "u": start}, "ends": {"at": "boundary", "u": 0}},
    }
    return read_problem({**text, **keys})


@pytest.mark.parametrize("source, planes", [
    ("where(t < 1, 1, 0)", [(1, 1.0)]),
    ("where(x > 0.3 and x <= 1.1, t, 2)", [(0, 0.3), (0, 1.1)]),
    ("max(x - 0.5, 0) + min(t, 1.7)", [(0, 0.5), (1, 1.7)]),
    ("abs(cos(pi*x/2) - 1/2)", [(0, -2 / 3), (0, 2 / 3)]),
    ("sign(x)", [(0, 0.0)]),
    ("integral(abs(x - 0.25)*u)", []),
    ("where(x < t, 1, 0) + where(x > 5, 1, 0) + max(x + 4, 0) + abs(u) + exp(x)", []),
    ("sign(sin(20*x))", []),
])  # fmt: skip
def test_functions_of_one_coordinate_are_found_where_they_change(source, planes):
    found = kinks(rod(source))
    assert [axis for axis, _ in found] == [axis for axis, _ in planes]
    np.testing.assert_allclose([value for _, value in found], [value for _, value in planes], atol=1e-12)


def test_conditions_are_looked_at_and_a_plane_is_named_once():
    found = kinks(rod("where(x < 0.7, 1, 2)", start="max(x - 0.7, 0)*(2 - x)"))
    assert len(found) == 1 and found[0] == pytest.approx((0, 0.7))


def test_angles_may_switch_in_a_domain_that_ends_where_they_do():
    text = {
        "coordinates": {"x": [-1, 1], "y": [-1, 1]},
        "unknowns": ["u"],
        "shapes": {"hole": {"box": {"x": [0, 1], "y": [-1, 0]}}},
        "domain": "not hole",
        "equations": {"laplace": "laplacian(u) = 0"},
        "conditions": {"walls": {"at": "boundary", "u": "where(y < 0, atan2(y, x) + 2*pi, atan2(y, x))"}},
    }
    assert kinks(read_problem(text)) == ()


def test_planes_of_interfaces_are_known_already():
    text = {
        "coordinates": {"x": [0, 1]},
        "unknowns": ["u"],
        "shapes": {"left": "x < 0.4"},
        "interfaces": ["left"],
        "equations": {"e": "diff(where(left, 1, 2)*u_x, x) = abs(x - 0.6)"},
        "conditions": {
            "ends": {"at": "boundary", "u": 0},
            "joint": {"at": "interfaces", "jump(u)": 0, "jump(where(left, 1, 2)*u_n)": 0},
        },
    }
    problem = read_problem(text)
    assert problem.planes == ((0, 0.4),)
    assert [value for _, value in kinks(problem)] == pytest.approx([0.6])
