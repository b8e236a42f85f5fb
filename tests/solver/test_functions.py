import numpy as np
import pytest
import torch

from pinn.problem.formulas.program import NUMPY
from pinn.solver.functions import TORCH

OF_PLACES = ("lookup", "encloses")
"""Functions of coordinates alone, which are evaluated before a field is asked."""

UNARY = [
    name
    for name in NUMPY
    if name not in OF_PLACES
    and name not in ("+", "-", "*", "/", "**", "atan2", "min", "max", "where", "and", "or", "not", "integrate")
    and name not in ("<", "<=", ">", ">=")
]
BINARY = ["+", "-", "*", "/", "**", "atan2", "min", "max"]
a = np.array([0.1, 0.35, 0.6, 0.9])
b = np.array([0.7, 0.3, 0.2, 0.95])


def test_the_same_keys():
    assert {*TORCH, *OF_PLACES} == {*NUMPY}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_argument(name):
    for values in (a, -a) if name not in ("sqrt", "log") else (a,):
        expected = NUMPY[name](values)
        assert np.allclose(TORCH[name](torch.tensor(values)).numpy(), expected, rtol=1e-14)
    assert np.isclose(TORCH[name](0.3), NUMPY[name](0.3))


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arguments(name):
    x, y, expected = torch.tensor(a), torch.tensor(b), NUMPY[name](a, b)
    assert np.allclose(TORCH[name](x, y).numpy(), expected, rtol=1e-14)
    assert np.allclose(TORCH[name](x, 0.4).numpy(), NUMPY[name](a, 0.4), rtol=1e-14)
    assert np.allclose(TORCH[name](0.4, y).numpy(), NUMPY[name](0.4, b), rtol=1e-14)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_gradients_against_differences(name):
    if name in ("sign", "real", "imag", "conj"):
        return
    arguments = [torch.tensor(values, requires_grad=True) for values in ((a, b) if name in BINARY else (a,))]
    assert torch.autograd.gradcheck(TORCH[name], arguments, eps=1e-7, atol=1e-6, check_undefined_grad=False)


@pytest.mark.parametrize("name", ["<", "<=", ">", ">="])
def test_comparisons(name):
    assert np.array_equal(TORCH[name](torch.tensor(a), torch.tensor(b)).numpy(), NUMPY[name](a, b))
    assert np.array_equal(TORCH[name](torch.tensor(a), 0.35).numpy(), NUMPY[name](a, 0.35))


def test_logic():
    p, q = torch.tensor(a) > 0.3, torch.tensor(b) > 0.5
    for name in ("and", "or"):
        assert np.array_equal(TORCH[name](p, q).numpy(), NUMPY[name](p.numpy(), q.numpy()))
        assert np.array_equal(TORCH[name](p, True).numpy(), NUMPY[name](p.numpy(), True))
    assert np.array_equal(TORCH["not"](p).numpy(), ~p.numpy())


def test_integrate_sums_over_the_nodes():
    values, weights = torch.tensor(np.outer(a, b)), torch.tensor(np.outer(b, a))
    assert np.allclose(TORCH["integrate"](values, weights).numpy(), NUMPY["integrate"](values.numpy(), weights.numpy()))


def test_complex_values():
    z = np.array([1 + 2j, -0.5 + 0.1j])
    for name in ("real", "imag", "conj", "abs", "exp"):
        assert np.allclose(TORCH[name](torch.tensor(z)).numpy(), NUMPY[name](z))


def test_numbers_in_both_branches_keep_double_precision():
    u = torch.tensor([0.1, 0.9], dtype=torch.float64)
    assert TORCH["where"](u > 0.5, 0.1, 0.3).tolist() == [0.3, 0.1]
    assert TORCH["where"](np.bool_(True), u, 0.0) is u
