"""Integrals over bodies, domains and surfaces in formulas."""

import math

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.quantities import evaluate_quantity
from pinn.problem.settings import BadInput

SHAPES = {
    "hole": {"ball": {"center": [0.5, 0], "radius": 1}}, "right": "x > 1", "face": "x = 2", "top": "y = 2 and x > 0",
    "away": {"ball": {"center": [-1.5, 1], "radius": 0.25}},
}  # fmt: skip


def problem(**more):
    return read_problem({
        "coordinates": {"x": [-2, 2], "y": [-2, 2]}, "unknowns": ["u"], "equations": {"e": "laplacian(u) = 0"}, "shapes": SHAPES,
        "domain": "not hole", "conditions": {"w": {"at": "boundary", "u": "exact"}}, "exact": "x*y + x", **more,
    })  # fmt: skip


def value(text, **more):
    found = problem(quantities={"q": text}, **more)
    axes = tuple(np.linspace(low, high, 5) for low, high in found.box)
    return evaluate_quantity(found, "q", lambda points, request, side=None: found.exact_values(request, points, side), axes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("integral(1)", 16 - math.pi),
        ("mean(u)", -0.5 * math.pi / (16 - math.pi)),
        ("integral(1, hole)", math.pi),
        ("integral(1, away)", math.pi / 16),
        ("mean(x, away)", -1.5),
        ("integral(u, right and y > 0)", None),
        ("surface_integral(u_n, hole)", 0.0),
        ("surface_integral(u_n, boundary)", 0.0),
        ("surface_integral(u**2, face)", 4 * 28 / 3),
        ("surface_integral(x*n_x, hole)", -math.pi),
        ("surface_integral((x, y), hole and y > 0)", None),
        ("surface_integral(dot((x, y), n), boundary)", 2 * (16 - math.pi)),
        ("surface_integral(1, top)", 2.0),
        ("surface_integral(1, boundary and not hole)", 16.0),
        ("surface_integral(1, hole)*integral(1, hole)", 2 * math.pi**2),
        ("surface_integral(w, face)", 10.0),
    ],
)
def test_integrals_of_a_known_solution(text, expected):
    if expected is None and text.startswith("surface"):
        with pytest.raises(BadInput, match="vector of length 2"):
            value(text)
        return
    if expected is None:  # ∫ (x y + x) over [1, 2] × [0, 2] without the part of the disk: by slices of the disk
        height = np.polynomial.legendre.leggauss(60)
        angle = (height[0] + 1) * math.pi / 6  # x = 0.5 + cos a, a from 0 to π/3
        x, y = 0.5 + np.cos(angle), np.sin(angle)
        disk = height[1] * math.pi / 6 @ ((x * y**2 / 2 + x * y) * np.sin(angle))
        expected = 6.0 - disk
    assert value(text, define={"w": "x + 2*n_x*0.25"}) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_in_time_there_is_one_value_for_every_time():
    found = problem(
        coordinates={"x": [-2, 2], "y": [-2, 2], "t": [0, 1]}, equations={"e": "u_t = laplacian(u)"}, exact="exp(-t)*x",
        manufactured=True, quantities={"q": "surface_integral(u*n_x, hole)"},
        conditions={"i": {"at": "t = 0", "u": "exact"}, "w": {"at": "boundary", "u": "exact"}},
    )  # fmt: skip
    times = np.linspace(0, 1, 3)
    axes = (np.zeros(1), np.zeros(1), times)
    values = evaluate_quantity(found, "q", lambda points, request, side=None: found.exact_values(request, points, side), axes)
    np.testing.assert_allclose(values, -math.pi * np.exp(-times), rtol=1e-12)


def test_an_interface_is_seen_from_inside_its_body():
    found = read_problem({
        "coordinates": {"x": [0, 1], "y": [0, 1]}, "unknowns": ["u"], "equations": {"e": "div(k*grad(u)) = 0"},
        "shapes": {"left": "x < 0.4"}, "interfaces": ["left"], "define": {"k": "where(left, 1, 4)"},
        "conditions": {
            "ends": {"at": "x = 0 or x = 1", "u": "exact"}, "sides": {"at": "y = 0 or y = 1", "u_n": 0},
            "joint": {"at": "interfaces", "jump(u)": -2, "jump(k*u_n)": 0},
        },
        "exact": "where(left, 4*x, x - 0.8)", "quantities": {"q": "surface_integral(k*u_n, interfaces)", "v": "surface_integral(u, interfaces)"},
    })  # fmt: skip
    axes = (np.zeros(1), np.zeros(1))
    flux, level = (
        evaluate_quantity(found, name, lambda points, request, side=None: found.exact_values(request, points, side), axes)
        for name in "qv"
    )
    assert flux == pytest.approx(4, rel=1e-12)
    assert level == pytest.approx(1.6, rel=1e-8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("surface_integral(u, x = 2)", "a face has a name in shapes:"),
        ("surface_integral(u)", "takes 2 arguments"),
        ("surface_integral(u, outlet)", "'outlet' is not a surface"),
        ("surface_integral(u, fase)", "did you mean 'face'"),
        ("integral(u, face)", "'face' is a surface, which has no volume"),
        ("integral(u, hole)", "not in the domain"),
        ("integral(n_x)", "uses the normal"),
        ("mean(u, x)", "write integral\\(f\\)"),
        ("integral(1, x > 3)", "no part of the box"),
        ("integral(1, right and x < 0.5)", "no part of the domain"),
    ],
)
def test_what_is_no_integral_is_refused(text, message):
    with pytest.raises(BadInput, match=message):
        value(text)
