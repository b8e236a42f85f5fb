"""Symbolic derivatives against differences, total derivatives along images and integrals, programs against plain NumPy."""

import numpy as np
import pytest

from pinn.problem.formulas import calculus
from pinn.problem.formulas.parser import parse
from pinn.problem.formulas.program import NUMPY, Program
from pinn.problem.formulas.tree import Call, Integral, Jet, Name, Number

FORMULAS = [
    "exp(-x**2)*sin(3*x + t)/(1 + x)**2",
    "sqrt(1 + x*t)*log(2 + x) - tan(x)",
    "asin(x/3) + acos(t/3) + atan(x*t) + atan2(x, t)",
    "sinh(x) - cosh(t)*tanh(x*t) + erf(x)",
    "x**t + (1 + t)**(x*2)",
    "min(x, t)*max(x, 2*t) + abs(x - t) + where(x > t, x**2, t*x)",
]


def values(x, t):
    return {Name("x"): x, Name("t"): t}


@pytest.mark.parametrize("text", FORMULAS)
def test_total_derivatives_equal_central_differences(text):
    rng = np.random.default_rng(0)
    x, t = rng.uniform(0.2, 1.0, (2, 50))
    tree = parse(text)
    for name, step in (("x", (1e-6, 0.0)), ("t", (0.0, 1e-6))):
        slope = Program([calculus.derivative(tree, name, ("x", "t"))])(values(x, t))[0]
        program = Program([tree])
        difference = (program(values(x + step[0], t + step[1]))[0] - program(values(x - step[0], t - step[1]))[0]) / 2e-6
        np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-7)


def test_derivatives_of_jets_raise_their_order_and_follow_images():
    u = Jet("u", ((0, 0),))
    assert calculus.derivative(u, "x", ("x", "t")) == Jet("u", ((1, 0),))
    there = Jet("u", ((0, 1),), (("x", Call("*", (Number(2.0), Name("t")))),))
    slope = calculus.derivative(there, "t", ("x", "t"))
    assert slope == calculus.add(calculus.multiply(Number(2.0), Jet("u", ((1, 1),), there.image)), Jet("u", ((0, 2),), there.image))
    assert calculus.derivative(there, "x", ("x", "t")) == Number(0.0)
    assert calculus.derivative(u, "t", ("x", "t"), {"u": ("x",)}) == Number(0.0)


def test_whole_operators_are_differentiated_as_a_whole():
    laplacian = Jet("u", ((0, 2), (2, 0)))
    assert calculus.derivative(laplacian, "x", ("x", "y")) == Jet("u", ((1, 2), (3, 0)))


def test_derivative_of_an_integral_with_moving_end_is_leibniz_rule():
    inside = Call("*", (Name("t"), Name("s")))
    integral = Integral(inside, (("s", Number(0.0), Name("t")),))
    slope = calculus.derivative(integral, "t", ("t",))
    # d/dt of t*t**2/2 is 3/2 t**2: the end contributes t*t, the inside t**2/2
    (inner,) = [leaf for leaf in calculus.leaves(slope) if isinstance(leaf, Integral)]
    t = 1.7
    value = Program([slope])({Name("t"): t, inner: t**2 / 2})[0]
    assert value == pytest.approx(1.5 * t**2, rel=1e-15)


def test_substitutions_happen_at_once_and_reach_images():
    assert calculus.substitute(parse("x - 2*t"), {"x": Name("t"), "t": Name("x")}) == parse("t - 2*x")
    jet = calculus.substitute(Jet("u", ((1,),)), {"x": Number(1.0)})
    assert jet == Jet("u", ((1,),), (("x", Number(1.0)),))
    assert calculus.substitute(jet, {"x": Number(0.0)}) == jet


def test_linearity_is_decided_from_partials():
    u, v = Jet("u", ((0,),)), Jet("u", ((2,),))
    linear = calculus.add(calculus.multiply(parse("sin(x)"), u), v)
    assert calculus.is_linear(linear)
    assert not calculus.is_linear(calculus.multiply(u, v))
    assert not calculus.is_linear(Integral(calculus.multiply(u, u), (("x", Number(0.0), Number(1.0)),)))


def test_programs_compute_common_parts_once_and_known_parts_ahead():
    tree = parse("sin(x)*t + sin(x)/t")
    program = Program([tree, parse("sin(x)")])
    calls = []
    functions = {**NUMPY, "sin": lambda a: calls.append(a) or np.sin(a)}
    x, t = np.linspace(0, 1, 5), 2.0
    result = program(values(x, t), functions)
    assert len(calls) == 1
    np.testing.assert_array_equal(result[0], np.sin(x) * t + np.sin(x) / t)
    bound = program.bind({Name("x"): x}, functions)
    assert bound.inputs == (Name("t"),)
    np.testing.assert_array_equal(bound({Name("t"): t}, functions)[0], result[0])
    assert len(calls) == 2


def test_simplification_keeps_values():
    for text in FORMULAS:
        tree = parse(text)
        rebuilt = calculus.replace(tree, lambda leaf: leaf)
        np.testing.assert_allclose(Program([rebuilt])(values(0.7, 0.4))[0], Program([tree])(values(0.7, 0.4))[0], rtol=1e-14)
