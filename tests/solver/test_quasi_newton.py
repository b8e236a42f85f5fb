import math

import numpy as np
import pytest
import scipy.optimize
import torch
from objectives import Function, quadratic, rosenbrock

from pinn.solver.lbfgs import LBFGS
from pinn.solver.limited_memory import LimitedMemory
from pinn.solver.self_scaled_broyden import SelfScaledBroyden
from pinn.solver.self_scaling import Choice, SelfScaling, choose, squares

STAGES = {"lbfgs": LBFGS(steps=1000), "broyden": SelfScaledBroyden(steps=1000)}
HESSIANS = {"lbfgs": lambda theta: LimitedMemory(20, theta), "broyden": SelfScaling}


def pairs(num, params, seed=0):
    """Steps and changes of the gradient of a convex function."""
    generator = torch.Generator().manual_seed(seed)
    _, matrix, _ = quadratic(params, 1e2, seed)
    moves = torch.randn(num, params, dtype=torch.float64, generator=generator)
    return moves, moves @ matrix


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("num_params", [2, 10])
def test_rosenbrock(stage, num_params):
    function = Function(rosenbrock, num_params)
    start = torch.linspace(-1.2, 1.0, num_params, dtype=torch.float64)
    process = STAGES[stage].start(function, start)
    steps = 0
    while float((process.theta - 1).abs().max()) > 1e-8 and steps < 300:
        process.advance(function)
        steps += 1
    scipys = scipy.optimize.minimize(
        lambda x: float(rosenbrock(torch.tensor(x))),
        start.numpy(),
        jac=lambda x: function.evaluate(torch.tensor(x)).gradient.numpy(),
        method="BFGS",
        options={"gtol": 1e-8},
    )
    assert steps < 300
    assert np.allclose(process.theta.numpy(), scipys.x, atol=1e-6)
    assert steps < 2 * scipys.nit


@pytest.mark.parametrize("kind", HESSIANS)
def test_exact_line_searches_end_a_quadratic_in_as_many_steps_as_it_has_dimensions(kind):
    function, matrix, least = quadratic(10, 1e2)
    theta = torch.zeros(10, dtype=torch.float64)
    hessian = HESSIANS[kind](theta)
    gradient = function.evaluate(theta).gradient
    for _ in range(10):
        direction = -hessian.times(gradient)
        step = -float(gradient @ direction / (direction @ matrix @ direction))
        before, theta = gradient, theta + step * direction
        gradient = function.evaluate(theta).gradient
        hessian.update(step * direction, gradient - before, -step * step * float(before @ direction))
    assert float((theta - least).abs().max()) < 1e-6


def test_limited_memory_against_the_product_form():
    """Nocedal and Wright, Numerical Optimization, eq. 7.16 to 7.19, as matrices."""
    num, params, history = 9, 7, 4
    moves, changes = pairs(num, params)
    hessian = LimitedMemory(history, moves[0])
    for move, change in zip(moves, changes, strict=True):
        hessian.update(move, change, 0.0)
    dense = torch.eye(params, dtype=torch.float64) * (moves[-1] @ changes[-1]) / changes[-1].square().sum()
    for s, y in zip(moves[-history:], changes[-history:], strict=True):
        v = torch.eye(params, dtype=torch.float64) - torch.outer(y, s) / (y @ s)
        dense = v.T @ dense @ v + torch.outer(s, s) / (y @ s)
    g = torch.linspace(-1, 2, params, dtype=torch.float64)
    assert torch.allclose(hessian.times(g), dense @ g, rtol=1e-11, atol=0)


@pytest.mark.parametrize("kind", HESSIANS)
def test_the_last_pair_is_reproduced_and_h_stays_positive(kind):
    moves, changes = pairs(30, 12)
    hessian = HESSIANS[kind](moves[0])
    for s, y in zip(moves, changes, strict=True):
        hessian.update(s, y, float(s @ torch.linalg.solve(dense(hessian, 12), s)) if kind == "broyden" else 0.0)
        assert torch.allclose(hessian.times(y), s, rtol=1e-9, atol=1e-9)
    found = dense(hessian, 12)
    assert torch.allclose(found, found.T, rtol=1e-10, atol=1e-12)
    assert float(torch.linalg.eigvalsh(found).min()) > 0


def dense(hessian, num_params):
    """Return H, column by column."""
    return torch.stack([hessian.times(row) for row in torch.eye(num_params, dtype=torch.float64)], dim=1)


def test_the_dense_matrix_is_that_of_the_formula_and_symmetric():
    """H as the docstring has it, update by update, over several times as many as wait to be added."""
    moves, changes = pairs(60, 67)
    hessian = SelfScaling(moves[0])
    known = torch.eye(67, dtype=torch.float64) * (moves[0] @ changes[0]) / changes[0].square().sum()
    for k, (s, y) in enumerate(zip(moves, changes, strict=True)):
        curvature = float(s @ torch.linalg.solve(known, s))
        scale = 1.0 if k else float(known[0, 0])
        hessian.update(s, y, curvature * scale)
        image, rho = known @ y, 1 / float(s @ y)
        tau, phi = choose(1 / rho, float(y @ image), curvature, 67)
        v = rho * s - image / (y @ image)
        known = (known - torch.outer(image, image) / (y @ image) + phi * (y @ image) * torch.outer(v, v)) / tau
        known += rho * torch.outer(s, s)
        torch.testing.assert_close(dense(hessian, 67), known, rtol=1e-9, atol=1e-10 * float(known.abs().max()))
    found = dense(hessian, 67)
    torch.testing.assert_close(found, found.T, rtol=1e-12, atol=1e-13)


def test_without_scaling_the_update_is_bfgs():
    moves, changes = pairs(2, 8)
    start = torch.diag(torch.linspace(1, 2, 8, dtype=torch.float64))
    s, y = moves[0], changes[0]
    image, inner = start @ y, float(s @ y)
    vectors, signs = squares(Choice(1.0, 1.0), image, s, inner, float(y @ image))
    v = torch.eye(8, dtype=torch.float64) - torch.outer(y, s) / inner
    assert torch.allclose(
        start + (vectors.T * signs) @ vectors, v.T @ start @ v + torch.outer(s, s) / inner, rtol=1e-12, atol=1e-14
    )
    vectors, signs = squares(Choice(1.0, 0.0), image, s, inner, float(y @ image))
    dfp = start + torch.outer(s, s) / inner - torch.outer(image, image) / float(y @ image)
    assert torch.allclose(start + (vectors.T * signs) @ vectors, dfp, rtol=1e-12, atol=1e-14)


def test_the_choice_of_scaling_as_published():
    """The formulas of Al-Baali (1998), written as in the paper, over random admissible numbers."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        inner, n = float(np.exp(rng.normal())), int(rng.integers(2, 1000))
        b = float(np.exp(2 * rng.normal()))
        h = (1 + float(np.exp(3 * rng.normal()))) / b
        a = b * h - 1
        low = min(1, h * (1 - abs(a / (1 + a)) ** 0.5))
        theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
        sigma = 1 + a * theta
        rho, sigma_n = min(1, 1 / b), abs(sigma) ** (1 / (1 - n))
        tau = min(rho * sigma_n, sigma) if theta <= 0 else rho * min(sigma_n, 1 / theta)
        choice = choose(inner, h * inner, b * inner, n)
        assert math.isclose(choice.tau, tau, rel_tol=1e-9)
        assert math.isclose(choice.phi, (1 - theta) / (1 + a * theta), rel_tol=1e-9, abs_tol=1e-12)
        assert choice.tau > 0


@pytest.mark.parametrize(
    "numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, math.inf, 1), (-1, 1, 1), (1, 1e-320, 1), (1, math.nan, 1)]
)
def test_unsafe_updates_are_left_out(numbers):
    choice = choose(*map(float, numbers), 10)
    assert choice is None or (math.isfinite(choice.tau) and choice.tau > 0 and math.isfinite(choice.phi))


@pytest.mark.parametrize("stage", STAGES)
def test_at_the_minimum_it_stops_with_a_reason(stage):
    function, _, least = quadratic(6)
    process = STAGES[stage].start(function, least)
    step = process.advance(function)
    assert step.finished == "no further descent in float64"
    assert torch.equal(process.theta, least)


@pytest.mark.parametrize("stage", STAGES)
def test_steps_never_climb_and_count_their_evaluations(stage):
    function = Function(rosenbrock, 4)
    process = STAGES[stage].start(function, torch.tensor([-1.2, 1.0, 0.3, -0.5], dtype=torch.float64))
    last, spent = math.inf, 0
    for _ in range(60):
        step = process.advance(function)
        assert step.loss <= last * (1 + 1e-10)
        last, spent = step.loss, spent + step.evaluations
    assert spent == function.evaluations
    assert torch.equal(process.theta.new_tensor(last), function.evaluate(process.theta).loss)


@pytest.mark.parametrize("stage", STAGES)
def test_where_the_loss_is_not_a_number_counts_as_too_far(stage):
    function = Function(lambda theta: (theta - torch.log(theta)).sum() + (theta[0] * theta[1] - 1) ** 2, 2)
    process = STAGES[stage].start(function, torch.tensor([0.01, 5.0], dtype=torch.float64))
    for _ in range(40):
        process.advance(function)
    assert torch.allclose(process.theta, torch.ones(2, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("stage", STAGES)
def test_the_start_is_not_changed(stage):
    function, start = Function(rosenbrock, 3), torch.zeros(3, dtype=torch.float64)
    process = STAGES[stage].start(function, start)
    process.advance(function)
    assert not start.any()
    assert process.theta.any()
