"""Fields with networks of fewer coordinates and numbers beside the main one."""

import numpy as np
import pytest
import torch

from pinn import MLP, Points
from pinn.field.joint import JointField, whole
from pinn.problem.language import read_problem
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.solver.rows import Rows

PROBLEM = read_problem({
    "coordinates": {"x": [-1, 1], "y": [0, 2], "t": [0, 1]},
    "unknowns": {"u": {}, "a": {"of": ["x", "y"], "scale": 3}, "s": {"of": ["t"]}, "b": {"of": ["x", "y"]},
                 "C": {"of": [], "start": 0.5, "positive": True}, "D": {"of": [], "start": 2, "bounds": [0, 10]}},
    "equations": {"heat": "u_t = div(a*grad(u)) + C*u*s + D*b_xy"},
    "conditions": {"initial": {"at": "t = 0", "u": "x*y"}, "edge": {"at": "boundary", "a": "1 + x"}, "moves": "s(t=0) = D",
                   "mass": "integral(u*a) = s*C"},
    "data": {"seen": {"points": 15, "u": "x + y"}, "more": {"points": {"x": 0.5, "y": [0, 2, 5], "t": 0.5}, "a_x": 1, "b": 0.3}},
})  # fmt: skip


@pytest.fixture(params=["taylor", "autograd"])
def field(request):
    network = MLP(width=6, depth=2)
    return JointField(network.field(whole(PROBLEM), request.param), network, PROBLEM)


@pytest.fixture
def theta(field):
    return field.initial(0) + 0.3 * torch.randn(field.num_params, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def rows_of(field):
    drawn = Points(interior=30, surface=12).draw(PROBLEM, 0)
    return Rows(field, [make_term(PROBLEM, row, drawn[row.name], quadrature=4) for row in PROBLEM.residuals], chunk=17)


def test_jacobian_gradient_and_products_agree_with_differentiating_the_residual(field, theta):
    rows = rows_of(field)
    residual, jacobian = rows.linearise(theta)
    expected = torch.autograd.functional.jacobian(rows.residual, theta)
    torch.testing.assert_close(jacobian.dense(), expected, rtol=1e-9, atol=1e-11)
    value = rows.evaluate(theta)
    torch.testing.assert_close(value.gradient, 2 * expected.T @ residual, rtol=1e-9, atol=1e-10)
    _, operator = rows.products(theta)
    vector = torch.linspace(-1, 1, field.num_params, dtype=torch.float64)
    torch.testing.assert_close(operator @ vector, expected @ vector, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(operator.transpose_apply(residual), expected.T @ residual, rtol=1e-9, atol=1e-10)


def test_numbers_and_functions_of_fewer_coordinates_are_constant_along_the_others(field, theta):
    solution = field.solution(theta)
    points = np.array([[0.3, 0.7, 0.1], [0.3, 0.7, 0.9], [-0.5, 1.0, 0.9]])
    values = dict(zip(PROBLEM.unknown_names, solution(points).T, strict=True))
    assert values["a"][0] == values["a"][1] != values["a"][2]
    assert values["s"][1] == values["s"][2] != values["s"][0]
    assert values["u"][0] != values["u"][1]
    np.testing.assert_array_equal(values["C"], np.full(3, solution.numbers["C"]))
    assert 0 < solution.numbers["D"] < 10
    assert np.all(solution(points, (("a", ((0, 0, 1),)), ("C", ((1, 0, 0),)))) == 0)


def test_numbers_begin_where_the_problem_says(field):
    assert field.solution(field.initial(3)).numbers == pytest.approx({"C": 0.5, "D": 2.0}, rel=1e-14)


def test_derivatives_are_those_of_the_values(field, theta):
    solution, step = field.solution(theta), 1e-5
    points = np.array([[0.3, 0.7, 0.1]])
    mixed = solution(points, (("b", ((1, 1, 0),)),))[0, 0]
    corners = [[(step if sx else -step), (step if sy else -step), 0.0] for sx in (1, 0) for sy in (1, 0)]
    values = [solution(points + corner, (("b", ((0, 0, 0),)),))[0, 0] for corner in np.array(corners)]
    assert mixed == pytest.approx((values[0] - values[1] - values[2] + values[3]) / (4 * step**2), rel=1e-4)


def test_equal_seeds_give_equal_fields_and_single_precision_stays_single():
    network = MLP(width=6, depth=2)
    field = JointField(network.field(whole(PROBLEM), "taylor", "float32"), network, PROBLEM)
    assert field.initial(0).dtype == torch.float32
    assert torch.equal(field.initial(4), field.initial(4))
    jets = field.at(Sites(np.zeros((2, 3))), (("C", ((0, 0, 0),)),)).jets(field.initial(0))
    assert jets.dtype == torch.float32
