"""What rows know of numbers and functions, against dense normal equations."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pinn.field.block import Block
from pinn.solver.blocks import BlockMatrix
from pinn.solver.covariance import FREEDOM, sensitivities, standard_errors

NOISE = {"seen": 0.2}
WEIGHTS = {"equation": 3.0, "seen": 5.0}


class TwoTerms:
    """Rows of an equation and of observations, linear in θ (7,): weighted as those of a field are."""

    names = ("equation", "seen")
    weights: dict = {}

    def __init__(self):
        random = np.random.default_rng(0)
        self.plain = {name: torch.tensor(random.standard_normal((num, 7))) for name, num in (("equation", 4), ("seen", 12))}
        self.left = {name: torch.tensor(random.standard_normal(len(each))) for name, each in self.plain.items()}
        self.terms = [SimpleNamespace(weight=WEIGHTS[name], count=len(self.plain[name])) for name in self.names]
        self.slices = {"equation": slice(0, 4), "seen": slice(4, 16)}

    def unweighted(self, theta):
        return self.left

    def linearise(self, theta):
        parts = [(WEIGHTS[name] / len(each)) ** 0.5 * each for name, each in self.plain.items()]
        whole = torch.cat(parts)
        return torch.zeros(16), BlockMatrix([Block(slice(0, 16), slice(0, 7), whole)], (16, 7))


@pytest.fixture
def information():
    """The inverse of the covariance of θ, by normal equations."""
    rows = TwoTerms()
    left = float(np.sqrt(np.mean(rows.left["equation"].numpy() ** 2)))
    deviations = {"equation": left, "seen": NOISE["seen"]}
    return sum(each.numpy().T @ each.numpy() / deviations[name] ** 2 for name, each in rows.plain.items())


def test_standard_errors_of_functions_are_those_of_the_normal_equations(information):
    jacobian = torch.tensor(np.random.default_rng(1).standard_normal((9, 7)))
    covariance = np.linalg.inv(information + np.eye(7) / FREEDOM**2)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", jacobian.numpy(), covariance, jacobian.numpy()))
    found = standard_errors(TwoTerms(), torch.zeros(7), [jacobian[:5], jacobian[5:]], NOISE)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_what_no_row_sees_has_the_deviation_of_what_is_free():
    rows = TwoTerms()
    for each in rows.plain.values():
        each[:, 3] = 0
    found = standard_errors(rows, torch.zeros(7), [torch.eye(7)[3:4].double()], NOISE)
    np.testing.assert_allclose(found, [FREEDOM], rtol=1e-9)


def test_information_on_numbers_is_what_others_cannot_make_up_for(information):
    root = sensitivities(TwoTerms(), torch.zeros(7), slice(5, 7), NOISE)
    known = information + np.diag([FREEDOM**-2] * 5 + [0, 0])
    expected = known[5:, 5:] - known[5:, :5] @ np.linalg.solve(known[:5, :5], known[:5, 5:])
    np.testing.assert_allclose(root.T @ root, expected, rtol=1e-9)
