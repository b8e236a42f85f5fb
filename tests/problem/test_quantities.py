"""Quantities of interest of exact solutions."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.quantities import check_quantity, dependence, evaluate_quantity
from pinn.problem.settings import BadInput

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-pi**2*t)*sin(pi*x)",
    "quantities": {"centre": "u(x=0.5, t=0.1)", "flux": "u_x(x=0)", "heat_left": "mean(u)", "field": "u**2"},
}


def test_numbers_and_functions():
    problem = read_problem(HEAT)
    x, t = axes = np.linspace(0, 1, 5), np.linspace(0, 1, 7)

    def of_exact(name):
        return evaluate_quantity(problem, name, lambda points, request: problem.exact_values(request, points), axes)

    assert of_exact("centre").shape == ()
    assert of_exact("centre") == pytest.approx(np.exp(-0.1 * np.pi**2), rel=1e-14)
    np.testing.assert_allclose(of_exact("flux"), np.pi * np.exp(-(np.pi**2) * t), rtol=1e-13)
    np.testing.assert_allclose(of_exact("heat_left"), 2 / np.pi * np.exp(-(np.pi**2) * t), rtol=1e-13)
    np.testing.assert_allclose(of_exact("field"), (np.sin(np.pi * x[:, None]) * np.exp(-(np.pi**2) * t)) ** 2, atol=1e-15)


def test_how_a_quantity_is_written():
    problem = read_problem(HEAT)
    assert [dependence(problem, name) for name in HEAT["quantities"]] == ["centre", "flux(t)", "heat_left(t)", "field(x, t)"]


def test_a_quantity_that_is_never_a_number_is_refused():
    problem = read_problem({**HEAT, "quantities": {"odd": "sqrt(-1 - u(x=0.5, t=0.1)**2)"}})
    with pytest.raises(BadInput, match="odd is not a finite number anywhere"):
        check_quantity(problem, "odd")
