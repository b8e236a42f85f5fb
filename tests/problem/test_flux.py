"""Fluxes of conservation laws, written down by hand, and equations that have none."""

import pytest

from pinn.problem.flux import flux
from pinn.problem.formulas import calculus
from pinn.problem.formulas.tree import Jet
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput


def equation(text, unknowns=("u",)):
    walls = {"at": "boundary", **dict.fromkeys(unknowns, 0)}
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]},
            "unknowns": list(unknowns),
            "equations": {"only": text} | {f"other_{name}": f"{name}_t = laplacian({name})" for name in unknowns[1:]},
            "conditions": {"start": {"at": "t = 0", **dict.fromkeys(unknowns, 0)}, "walls": walls},
        }
    )
    return problem.equations[0].tree, problem.names


def u(*index, name="u"):
    return Jet(name, (index,))


@pytest.mark.parametrize(
    ("text", "coordinate", "expected"),
    [
        ("u_t + u*u_x = 0.1*u_xx + u_yy", "x", {u(0, 0, 0): 2.0, u(1, 0, 0): -0.1}),
        ("u_t + u*u_x = 0.1*u_xx + u_yy", "t", {u(0, 0, 0): 1.0}),
        ("u_t = laplacian(u)", "y", {u(0, 1, 0): -1.0}),
        ("u_t = (1 + x**2)*u_xx + 2*x*u_x + u_yy", "x", {u(1, 0, 0): -1.25}),
        ("u_t = u**2*u_xx + 2*u*u_x**2 + u_yy", "x", {u(1, 0, 0): -4.0, u(0, 0, 0): -4.0 * 3.0}),
        ("u_t + v*u_x + u*v_x = u_yy", "x", {u(0, 0, 0): 5.0, u(0, 0, 0, name="v"): 2.0}),
    ],
)
def test_the_flux_of_a_conservation_law(text, coordinate, expected):
    """The derivatives of the flux by its jets, at u = 2, u_x = 3, v = 5 and x = 0.5."""
    tree, names = equation(text, ("u", "v") if "v" in text else ("u",))
    found = flux(tree, coordinate, names)
    known = {"x": 0.5, u(0, 0, 0): 2.0, u(1, 0, 0): 3.0, u(0, 0, 0, name="v"): 5.0}
    assert set(calculus.jets(found)) == set(expected)
    for jet, value in expected.items():
        assert evaluated(calculus.partial(found, jet), known) == pytest.approx(value)


def evaluated(tree, known):
    from pinn.problem.formulas.program import Program
    from pinn.problem.formulas.tree import Name

    (value,) = Program([tree])({Name(key) if isinstance(key, str) else key: value for key, value in known.items()})
    return float(value)


def test_its_derivative_is_what_the_equation_holds_along_the_coordinate():
    tree, names = equation("u_t + sin(x)*u**3*u_x + cos(x)*u**4/4 = u_xx + u_yy")
    rest = calculus.subtract(tree, calculus.derivative(flux(tree, "x", names), "x", names))
    known = {"x": 0.3, **{jet: 0.7 + 0.1 * k for k, jet in enumerate(calculus.jets(rest))}}
    for jet in calculus.jets(rest):
        if jet.operator[0][0] > 0:
            assert evaluated(calculus.partial(rest, jet), known) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("text", ["u_t = u_xx + u_yy + u_x**2", "u_t + v*u_x = u_yy", "u_t + exp(u)*u_x = u_yy"])
def test_what_has_no_flux(text):
    tree, names = equation(text, ("u", "v") if "v" in text else ("u",))
    with pytest.raises(BadInput, match="^has no flux along x that could be found; "):
        flux(tree, "x", names)
