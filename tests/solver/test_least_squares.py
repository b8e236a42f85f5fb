"""Least squares for the last layer, against dense algebra and exact solutions."""

import numpy as np
import pytest
import torch
from stand_in import HEAT, POISSON, make_rows

from pinn.field.network.mlp import MLP
from pinn.field.network.module import ModuleNetwork
from pinn.field.network.random_features import RandomFeatures
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.solver.least_squares import LeastSquares

LOGISTIC = {
    "coordinates": {"t": [0, 3]},
    "unknowns": ["u"],
    "equations": {"logistic": "u_t = u*(1 - u)"},
    "conditions": {"start": {"at": "t = 0", "u": 0.1}},
}


def start(text, settings=None, network=None, interior=200, surface=40, **options):
    network = network or RandomFeatures(width=120, frequency=2.0)
    rows = make_rows(text, network.field(read_problem(text)), interior, surface, **options)
    theta = rows.field.initial(0)
    return rows, theta, (settings or LeastSquares()).start(rows, theta)


def finish(process, rows, most=30):
    steps = []
    while len(steps) < most and not (steps and steps[-1].finished):
        steps.append(process.advance(rows))
    return steps


def test_one_solve_finds_the_least_squares_of_a_linear_problem():
    network = MLP(width=12, depth=2)
    rows, theta, process = start(POISSON, network=network, weights={"walls": 100.0})
    process.advance(rows)
    linear = rows.field.layout.parts["linear"]
    residual = rows.residual(theta).numpy()
    jacobian = torch.autograd.functional.jacobian(rows.residual, theta).numpy()[:, linear]
    expected = theta.numpy().copy()
    expected[linear] -= np.linalg.lstsq(jacobian, residual, rcond=None)[0]
    np.testing.assert_allclose(process.theta.numpy(), expected, rtol=1e-8, atol=1e-10)


def test_hidden_parameters_stay():
    rows, theta, process = start(HEAT)
    finish(process, rows)
    hidden = rows.field.layout.parts["hidden"]
    assert torch.equal(process.theta[hidden], theta[hidden])


@pytest.mark.parametrize("text, exact", [(HEAT, "exp(-0.4*pi**2*t)*sin(pi*x)"), (POISSON, "sin(pi*x)*sin(pi*y)")])
def test_smooth_solutions_to_nine_digits(text, exact):
    problem = read_problem({**text, "exact": exact})
    rows, _, process = start(text, network=RandomFeatures(width=250, frequency=4.0), interior=600, surface=60)
    steps = finish(process, rows)
    assert steps[-1].finished == "the squares are least" and len(steps) <= 4
    points = np.random.default_rng(1).uniform(0, 1, (500, 2))
    found = rows.field.solution(process.theta)(points)
    truth = problem.exact_values(problem.values, points)
    assert np.abs(found - truth).max() < 1e-9 * np.abs(truth).max()


def test_gauss_newton_where_the_problem_is_not_linear():
    rows, _, process = start(LOGISTIC, network=RandomFeatures(width=40, frequency=2.0), interior=100)
    steps = finish(process, rows)
    losses = [step.loss for step in steps]
    assert losses == sorted(losses, reverse=True) and 3 <= len(steps) <= 12
    t = np.linspace(0, 3, 50)[:, None]
    assert np.abs(rows.field.solution(process.theta)(t) - 1 / (1 + 9 * np.exp(-t))).max() < 1e-9


def test_the_factor_with_the_least_residual_is_taken():
    waves = {**POISSON, "equations": {"poisson": "-laplacian(u) = 200*pi**2*sin(10*pi*x)*sin(10*pi*y)"}}
    network = RandomFeatures(width=400, frequency=1.0)
    settings = LeastSquares(factors=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0))
    rows, theta, process = start(waves, settings, network, interior=900, surface=100)
    finish(process, rows)
    hidden = rows.field.layout.parts["hidden"]
    factor = float(process.theta[hidden[0]] / theta[hidden[0]])
    losses = {}
    for other in (1.0, 4.0, 16.0, 32.0):
        alone = LeastSquares(factors=(other,)).start(rows, theta)
        losses[other] = finish(alone, rows)[-1].loss
    assert factor in (16.0, 32.0)
    assert losses[16.0] < 1e-3 * losses[4.0] < 1e-3 * losses[1.0]


def test_a_run_goes_on_to_the_last_bit():
    settings = LeastSquares(factors=(1.0, 2.0))
    rows, _, whole = start(LOGISTIC, settings)
    whole.advance(rows)
    again = settings.start(rows, whole.theta, whole.memory())
    assert [whole.advance(rows).loss for _ in range(3)] == [again.advance(rows).loss for _ in range(3)]
    assert torch.equal(whole.theta, again.theta)


def test_single_precision_and_rank_deficiency():
    network = RandomFeatures(width=300, frequency=1.0)
    field = network.field(read_problem(POISSON), precision="float32")
    rows = make_rows(POISSON, field, 150, 30)
    process = LeastSquares().start(rows, field.initial(0))
    steps = finish(process, rows)
    assert process.theta.dtype == torch.float32 and process.theta.isfinite().all()
    assert steps[-1].loss < 1e-2 * float(rows.evaluate(field.initial(0)).loss)


def test_bad_input():
    module = ModuleNetwork(torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double())
    rows = make_rows(HEAT, module.field(read_problem(HEAT)))
    with pytest.raises(BadInput, match="solver needs a field with a linear last layer"):
        LeastSquares().start(rows, rows.field.initial(0))
    with pytest.raises(BadInput, match="factors must be numbers that rise"):
        LeastSquares(factors=(2.0, 1.0))


def test_random_features_at_the_start():
    network = RandomFeatures(width=2000, frequency=3.0)
    field = network.field(read_problem(HEAT))
    parts = field.layout.unpack(field.initial(0))
    assert not parts["output.weight"].any() and not parts["output.bias"].any()
    for name in ("first.weight", "first.bias"):
        assert 2.9 < parts[name].max() < 3 and -3 < parts[name].min() < -2.9
        assert abs(float(parts[name].mean())) < 0.15
