import numpy as np
import pytest
import scipy.sparse as sparse

from pinn.judge.linear import condition, factorise, refuse_singular
from pinn.judge.newton import newton
from pinn.judge.refusal import NoConvergence, NoReference


def diagonal(values):
    return sparse.diags(np.asarray(values, float)).tocsc()


def test_newton_finds_the_root_that_plain_newton_overshoots():
    root = newton(np.arctan, lambda y: diagonal(1 / (1 + y**2)), np.array([3.0, -20.0]), tolerance=0, floor=1e-12)
    assert abs(root).max() < 1e-10


def test_newton_says_when_there_is_no_root():
    with pytest.raises(NoConvergence):
        newton(lambda y: y**2 + 1, lambda y: diagonal(2 * y), np.array([3.0, 2.0]))


def test_linear_needs_one_solve():
    matrix = diagonal([2.0, 4.0])
    y = newton(lambda y: matrix @ y - 1, lambda y: matrix, np.zeros(2), linear=True)
    np.testing.assert_allclose(y, [0.5, 0.25])


def test_condition_number_of_a_known_matrix_and_of_row_scaling():
    matrix = sparse.csc_matrix(np.vander(np.linspace(0.1, 1, 8)))
    scaled = matrix.toarray() / abs(matrix.toarray()).max(axis=1, keepdims=True)
    assert condition(matrix, factorise(matrix)) == pytest.approx(np.linalg.cond(scaled, 1), rel=0.5)
    rows = diagonal(10.0 ** np.arange(8)) @ matrix
    assert condition(rows.tocsc(), factorise(rows.tocsc())) == pytest.approx(np.linalg.cond(scaled, 1), rel=0.5)


@pytest.mark.parametrize("level", [0.0, 1e-17])
def test_singular_matrices_are_refused(level):
    laplacian = sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], (30, 30)).tolil()
    laplacian[0, 0] = laplacian[-1, -1] = -1 + level
    with pytest.raises(NoReference, match="singular"):
        refuse_singular(laplacian.tocsc(), factorise(laplacian.tocsc()))
