import pytest
import torch

from pinn.field import nested
from pinn.field.activation import ACTIVATIONS, LARGEST_ORDER, check_activation
from pinn.problem.settings import BadInput

Z = torch.linspace(-4.0, 4.0, 41, dtype=torch.float64)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_those_of_the_tape(name):
    z = Z.clone().requires_grad_()
    value = nested.ACTIVATIONS[name](z)
    for order, (factor, derivative) in enumerate(ACTIVATIONS[name](Z, LARGEST_ORDER)):
        torch.testing.assert_close(factor * derivative, value.detach(), rtol=1e-12, atol=1e-12, msg=f"order {order}")
        if order < LARGEST_ORDER:
            (value,) = torch.autograd.grad(value.sum(), z, create_graph=True)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_those_of_finite_differences(name):
    step = 1e-3
    derivatives = ACTIVATIONS[name](Z, LARGEST_ORDER)
    for order in range(1, LARGEST_ORDER + 1):
        factor, lower = ACTIVATIONS[name](Z + step, order - 1)[-1]
        _, upper = ACTIVATIONS[name](Z - step, order - 1)[-1]
        expected = factor * (lower - upper) / (2 * step)
        torch.testing.assert_close(derivatives[order][0] * derivatives[order][1], expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", range(LARGEST_ORDER + 1))
def test_lower_orders_are_the_same_numbers(name, order):
    every = ACTIVATIONS[name](Z, LARGEST_ORDER)
    some = ACTIVATIONS[name](Z, order)
    assert len(some) == order + 1
    assert all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in zip(some, every, strict=False))
    assert every[0][0] == every[1][0] == 1.0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_far_from_zero_all_is_finite(name):
    z = torch.tensor([-800.0, -50.0, 50.0, 800.0], dtype=torch.float64)
    assert all(derivative.isfinite().all() for _, derivative in ACTIVATIONS[name](z, LARGEST_ORDER))


def test_names():
    assert check_activation("silu") == "swish"
    with pytest.raises(BadInput, match="did you mean 'tanh'"):
        check_activation("tahn")
    with pytest.raises(BadInput, match="relu has no continuous second derivative"):
        check_activation("relu")
