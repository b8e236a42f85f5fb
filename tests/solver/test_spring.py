"""SPRING against dense algebra, on linear problems with known answers, and continued."""

import numpy as np
import pytest
import torch
from linear_rows import LinearRows
from stand_in import HEAT, check_going_on, make_field, make_rows

from pinn.problem.settings import BadInput
from pinn.solver.linear_model import LinearModel
from pinn.solver.spring import Spring
from pinn.solver.spring_process import direction
from pinn.solver.stage import NonFinite


@pytest.mark.parametrize("interior", [12, 200])
def test_the_direction_as_published(interior):
    """The step of arXiv:2401.10190 with an autograd Jacobian, for few and for many rows."""
    rows = make_rows(HEAT, make_field(width=6, depth=2), interior=interior, surface=8)
    theta, old = rows.field.initial(0), np.random.default_rng(0).standard_normal(rows.num_params)
    jacobian = torch.autograd.functional.jacobian(rows.residual, theta).numpy()
    assert (len(jacobian) < len(theta)) == (interior == 12)
    damping = 1e-3 * np.square(jacobian).sum() / len(theta)
    zeta = -rows.residual(theta).numpy() - 0.9 * jacobian @ old
    expected = 0.9 * old + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + damping * np.eye(len(jacobian)), zeta)
    found = direction(LinearModel(rows, theta), 0.9 * old, 1e-3)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_steps_are_halved_while_the_loss_falls_and_directions_remembered():
    rows = make_rows(HEAT, make_field(width=8, depth=2), interior=60, surface=20)
    settings, theta, old, halvings = Spring(rate=0.8, damping=1e-7), rows.field.initial(0), np.zeros(rows.num_params), []
    process = settings.start(rows, theta)
    for _ in range(6):
        whole = direction(LinearModel(rows, theta), settings.momentum * old, settings.damping)
        process.advance(rows)
        np.testing.assert_allclose(process.memory()["direction"], whole, rtol=1e-12)
        halvings.append(round(-np.log2(float((process.theta - theta).norm()) / np.linalg.norm(0.8 * whole))))
        np.testing.assert_allclose((process.theta - theta).numpy(), 0.8 * 0.5 ** halvings[-1] * whole, rtol=1e-7, atol=1e-12)
        losses = [float(rows.evaluate(theta + 0.8 * 0.5**k * torch.tensor(whole)).loss) for k in range(halvings[-1] + 2)]
        assert losses[-1] >= losses[-2] < float(rows.evaluate(theta).loss)
        theta, old = process.theta, whole
    assert len(set(halvings)) > 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("num_rows", [30, 200])
def test_linear_rows_to_their_least_squares(num_rows, dtype):
    rows = LinearRows(num_rows, 60, dtype)
    process = Spring(damping=1e-3).start(rows, torch.zeros(60, dtype=dtype))
    for _ in range(150):
        if process.advance(rows).finished:
            break
    assert process.theta.dtype == dtype
    np.testing.assert_allclose(process.theta.numpy(), rows.least, atol=1e-8 if dtype == torch.float64 else 1e-5)


def test_momentum_finds_what_few_rows_leave_open():
    """Rows that change and can be fulfilled together: momentum takes the component that the last rows do not see."""
    everything = LinearRows(400, 100)
    everything.right = everything.matrix @ torch.ones(100, dtype=torch.float64)

    def draw(epoch):
        part = LinearRows(30, 100)
        picked = np.random.default_rng(epoch).choice(400, 30, replace=False)
        part.matrix, part.right = everything.matrix[picked], everything.right[picked]
        return part

    errors = []
    for momentum in (0.0, 0.8):
        process = Spring(momentum=momentum, damping=1e-3).start(draw(0), torch.zeros(100, dtype=torch.float64))
        for epoch in range(100):
            process.advance(draw(epoch))
        errors.append(float((process.theta - 1).norm()))
    assert errors[1] < 0.1 * errors[0], errors


def test_the_loss_falls_by_orders():
    rows = make_rows(HEAT, make_field(width=10, depth=2), interior=300, surface=60)
    process = Spring().start(rows, rows.field.initial(0))
    losses = [process.advance(rows).loss for _ in range(60)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4 * losses[0]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("stop", [1, 5, 6])
def test_a_run_goes_on_to_the_last_bit(precision, stop):
    end = check_going_on(Spring(steps=9), precision, stop, redraw=2)
    assert end.memory()["direction"].dtype == torch.float64


def test_no_descent_forgets_before_it_ends():
    rows = LinearRows(60, 20)
    theta = torch.tensor(rows.least)
    process = Spring().start(rows, theta, {"direction": torch.ones(20, dtype=torch.float64)})
    finished = [process.advance(rows).finished for _ in range(3)]
    assert finished[0] == ""
    assert finished[-1] == "no further descent"


def test_not_a_number():
    rows = make_rows(HEAT, make_field(width=6, depth=2))
    theta = rows.field.initial(0)
    theta[0] = torch.nan
    with pytest.raises(NonFinite):
        Spring().start(rows, theta).advance(rows)


def test_impossible_settings():
    with pytest.raises(BadInput, match="^momentum must be less than 1, got 1"):
        Spring(momentum=1)
    with pytest.raises(BadInput, match="^damping must be at least 1e-10, got 0"):
        Spring(damping=0)
