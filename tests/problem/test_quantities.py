"""Quantities of interest of exact solutions."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.quantities import evaluate_quantity
from pinn.problem.settings import BadInput

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-pi**2*t)*sin(pi*x)",
    "quantities": {"centre": "u(x=0.5, t=0.1)", "flux": "u_x(x=0)", "heat_left": "mean(u)", "field": "u**2"},
}


def test_numbers_and_functions_of_one_coordinate():
    problem = read_problem(HEAT)
    exact = lambda points, request: problem.exact_values(request, points)  # noqa: E731
    centre = evaluate_quantity(problem, "centre", exact)
    assert centre.coordinate is None and centre.values == pytest.approx([np.exp(-0.1 * np.pi**2)], rel=1e-14)
    flux = evaluate_quantity(problem, "flux", exact)
    assert flux.coordinate == "t"
    np.testing.assert_allclose(flux.values, np.pi * np.exp(-np.pi**2 * flux.places), rtol=1e-13)
    mean = evaluate_quantity(problem, "heat_left", exact, num_places=3)
    np.testing.assert_allclose(mean.values, 2 / np.pi * np.exp(-np.pi**2 * mean.places), rtol=1e-13)
    with pytest.raises(BadInput, match="quantities.field depends on x, t"):
        evaluate_quantity(problem, "field", exact)
