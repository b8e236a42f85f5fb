"""What residuals come to when nothing in them is related."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import iti0k0
from scipy.stats import norm

from pinn.problem.language import read_problem
from pinn.problem.sizes import typical_size

MEDIAN_OF_A_PRODUCT = brentq(lambda x: 2 / math.pi * iti0k0(x)[1] - 0.5, 1e-3, 1) / norm.ppf(0.75)
"""Median of |x y| of independent normal numbers, whose density is K₀(|z|)/π, over that of one of them."""


def size_of(equation, **changes):
    problem = read_problem(
        {
            "coordinates": {"x": [0, 4], "t": [0, 1]}, "unknowns": {"u": {"scale": 30}, "v": {}, "C": {"of": [], "start": 5}},
            "equations": {"first": equation, "second": "v_t = u + C"},
            "conditions": {"start": {"at": "t = 0", "u": 0, "v": 0}, "ends": {"at": "boundary", "u": 0, "v": 0}},
            "data": {"seen": {"points": {"x": 1, "t": 0.5}, "u": 1}}, **changes,
        }
    )  # fmt: skip
    return typical_size(problem, problem.equations[0])


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("u_x = 0", 30 / 2),
        ("u_xx = 0", 30 / 4),
        ("u_t = 0", 30 * 2),
        ("2*v_t = u_x", math.hypot(2 * 2, 15)),
        ("C*u = 0", 5 * 30),
        ("u_xx + u_tt = 0", math.hypot(30 / 4, 30 * 4)),
        ("u*v = 0", 30 * MEDIAN_OF_A_PRODUCT),
    ],
)
def test_sizes_are_those_of_unrelated_derivatives(equation, expected):
    assert size_of(equation) == pytest.approx(expected, rel=0.15)


def test_a_laplacian_has_the_size_of_the_sum_of_its_parts():
    plane = {"x": [0, 4], "y": [0, 1]}
    changes = {
        "coordinates": plane, "conditions": {"edge": {"at": "boundary", "u": 0, "v": 0}},
        "data": {"seen": {"points": {"x": 1, "y": 0.5}, "u": 1}}, "time": None,
        "equations": {"first": "laplacian(u) = 0", "second": "laplacian(v) = u + C"},
    }  # fmt: skip
    assert size_of("", **changes) == pytest.approx(math.hypot(30 / 4, 30 * 4), rel=0.1)


def test_quotients_and_what_is_not_finite_do_no_harm():
    assert size_of("1/v = 0") < 10
    assert np.isfinite(size_of("log(v) = 0"))
    assert size_of("sqrt(-1 - v**2) = 0") == 1.0
