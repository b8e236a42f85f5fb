"""Complex unknowns and functions, which become pairs of real ones."""

import numpy as np
import pytest

from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.parser import parse
from pinn.problem.language import read_problem


def test_complex_unknowns_become_two_real_ones():
    text = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": {"h": {"complex": True}},
        "constants": {"k": 2},
        "equations": {"schroedinger": "1j*h_t + h_xx/2 + abs(h)**2*h = 0"},
        "conditions": {"initial": {"at": "t = 0", "h": "exact"}, "walls": {"at": "boundary", "h": "exact"}},
        "exact": "exp(1j*(k*x + (1 - k**2/2)*t))",
    }
    problem = read_problem(text)
    assert problem.unknown_names == ("h_real", "h_imag")
    names = ["schroedinger.real", "schroedinger.imag", "initial.real", "initial.imag", "walls.real", "walls.imag"]
    assert [residual.name for residual in problem.residuals] == names
    assert [residual.determines for residual in problem.conditions] == ["h_real", "h_imag"] * 2
    values = problem.exact_values(problem.values, np.array([[0.3, 0.7]]))
    assert values[0, 0] + 1j * values[0, 1] == pytest.approx(np.exp(1j * (0.6 - 0.7)), rel=1e-15)


@pytest.mark.parametrize(
    "text", ["exp(z)/z**3", "sin(z)*cosh(z) - tanh(z)", "sqrt(z) + log(z)", "z**2.5*conj(z)", "tan(1/z) + abs(z)**3"]
)
def test_complex_functions_equal_numpys(text):
    z = 0.7 - 0.4j
    names = {"z": "(0.7 - 0.4j)"}
    formula = text
    for name, value in names.items():
        formula = formula.replace(name, value)
    value = Expander(Namespace()).complex_scalar(parse(formula))
    expected = eval(
        text,
        {"z": z, "abs": abs, "conj": np.conj, **{f: getattr(np, f) for f in ["exp", "sin", "cosh", "tanh", "sqrt", "log", "tan"]}},
    )
    assert value.real.value + 1j * value.imag.value == pytest.approx(expected, rel=1e-13)
