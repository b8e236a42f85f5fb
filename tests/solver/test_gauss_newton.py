"""Gauss-Newton against dense algebra, and on problems with known answers."""

import numpy as np
import pytest
import torch
from stand_in import HEAT, make_field, make_rows

from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.linear_model import LinearModel
from pinn.solver.normal_equation import NormalEquation
from pinn.solver.stage import NonFinite


def trial(rows, theta, damping):
    """Return θ after the step with a damping, and the fall of the loss over the foretold one."""
    model = LinearModel(rows, theta)
    move = NormalEquation(model.jacobian).solve(-model.residual, damping)
    theta, value = model.moved(move)
    return theta, (model.loss - float(value.loss)) / model.foretold(move)


@pytest.mark.parametrize("interior", [12, 200])
def test_a_step_is_the_damped_normal_equation(interior):
    rows = make_rows(HEAT, make_field(width=6, depth=2), interior=interior, surface=8)
    theta = rows.field.initial(0)
    jacobian = torch.autograd.functional.jacobian(rows.residual, theta).numpy()
    assert (len(jacobian) < len(theta)) == (interior == 12)
    residual, normal = rows.residual(theta).numpy(), jacobian.T @ jacobian
    unit = np.trace(normal) / len(theta)
    for damping in (1e-4, 1.0):
        expected = np.linalg.solve(normal + damping * unit * np.eye(len(theta)), -jacobian.T @ residual)
        found, ratio = trial(rows, theta, damping)
        np.testing.assert_allclose((found - theta).numpy(), expected, rtol=1e-6, atol=1e-9)
        left, after = residual + jacobian @ expected, rows.residual(found).numpy()
        before = residual @ residual
        assert np.isclose(ratio, (before - after @ after) / (before - left @ left), rtol=1e-6)


def test_the_least_damping_that_is_believed_is_taken():
    rows = make_rows(HEAT, make_field(width=6, depth=2), interior=200, surface=20)
    settings = GaussNewton(damping=1e-3, ladder=4.0)
    theta = rows.field.initial(0)
    process = settings.start(rows, theta)
    process.advance(rows)
    chosen = process.memory()["damping"]
    (found, ratio), (_, less) = trial(rows, theta, chosen), trial(rows, theta, chosen / 4)
    assert torch.equal(process.theta, found)
    assert ratio >= settings.accept > less


def test_the_loss_falls_by_orders():
    rows = make_rows(HEAT, make_field(width=10, depth=2), interior=300, surface=60)
    process = GaussNewton().start(rows, rows.field.initial(0))
    losses = [process.advance(rows).loss for _ in range(40)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4 * losses[0]


def test_a_run_goes_on_to_the_last_bit():
    rows = make_rows(HEAT, make_field(width=6, depth=2), interior=100, surface=20)
    settings = GaussNewton()
    whole = settings.start(rows, rows.field.initial(0))
    for _ in range(3):
        whole.advance(rows)
    again = settings.start(rows, whole.theta, whole.memory())
    assert [whole.advance(rows).loss for _ in range(3)] == [again.advance(rows).loss for _ in range(3)]
    assert torch.equal(whole.theta, again.theta)


def test_not_a_number():
    rows = make_rows(HEAT, make_field(width=6, depth=2))
    theta = rows.field.initial(0)
    theta[0] = torch.nan
    with pytest.raises(NonFinite):
        GaussNewton().start(rows, theta).advance(rows)
