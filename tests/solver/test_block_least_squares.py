"""Least squares network by network, against dense algebra."""

import numpy as np
import pytest
import torch

from pinn.field.block import Block
from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts, Windows
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.terms import make_term
from pinn.solver.block_least_squares import Columns, by_network, solve
from pinn.solver.blocks import BlockMatrix
from pinn.solver.least_squares import LeastSquares
from pinn.solver.rows import Rows

RANK = 1e-12


def banded(rng, networks=6, width=4, rows=20):
    """Networks along a line, each of which shares rows with its neighbours; columns in a shuffled order."""
    order = rng.permutation(networks * width)
    found = []
    for k in range(networks):
        places = np.sort(order[k * width : (k + 1) * width])
        seen = np.arange(k * rows, min((k + 2) * rows, networks * rows))
        found.append(Columns(places, seen, rng.standard_normal((len(seen), width))))
    return found, networks * rows


def dense(columns, rows):
    whole = np.zeros((rows, sum(len(each.places) for each in columns)))
    for each in columns:
        whole[np.ix_(each.rows, each.places)] = each.values
    return whole


def test_the_solution_is_that_of_the_dense_problem():
    rng = np.random.default_rng(0)
    columns, rows = banded(rng)
    right = rng.standard_normal(rows)
    found = solve(columns, right, np.arange(6.0)[:, None], RANK)
    expected = np.linalg.lstsq(dense(columns, rows), right, rcond=None)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_dependent_columns_get_a_finite_part_and_the_residual_is_as_small():
    rng = np.random.default_rng(1)
    columns, rows = banded(rng)
    spoiled = columns[2].values.copy()
    spoiled[:, 1], spoiled[:, 3] = spoiled[:, 0] * (1 + 1e-15), 0.0
    columns[2] = columns[2]._replace(values=spoiled)
    right, whole = rng.standard_normal(rows), dense(columns, rows)
    found = solve(columns, right, np.arange(6.0)[:, None], RANK)
    least = np.linalg.lstsq(whole, right, rcond=1e-13)[0]
    assert np.linalg.norm(whole @ found - right) == pytest.approx(np.linalg.norm(whole @ least - right), rel=1e-12)
    assert np.abs(found).max() < 10 * np.abs(least).max()


def test_a_network_without_rows_gets_nothing():
    rng = np.random.default_rng(2)
    columns, rows = banded(rng, networks=3)
    columns.append(Columns(np.arange(12, 14), np.zeros(0, int), np.zeros((0, 2))))
    found = solve(columns, rng.standard_normal(rows), np.arange(4.0)[:, None], RANK)
    assert (found[12:] == 0).all() and (found[:12] != 0).all()


def test_columns_of_networks_are_collected_from_blocks():
    first = Block(torch.tensor([0, 2]), slice(0, 3), torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    again = Block(slice(2, 4), torch.tensor([0, 2]), torch.tensor([[10.0, 20], [30, 40]]))
    other = Block(torch.tensor([1]), slice(3, 5), torch.tensor([[7.0, 8]]))
    matrix, networks = BlockMatrix([first, again, other], (4, 5)), [(slice(0, 3), np.zeros(1)), (slice(3, 5), np.ones(1))]
    wanted = torch.tensor([0, 2, 4])
    np.testing.assert_array_equal(dense(by_network(matrix, networks, wanted), 4), matrix.dense()[:, wanted])
    assert by_network(matrix, networks[:1], wanted) is None
    crossing = BlockMatrix([Block(slice(0, 1), slice(2, 4), torch.ones(1, 2))], (4, 5))
    assert by_network(crossing, networks, wanted) is None


TEXT = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "unknowns": ["u"], "equations": {"poisson": "-laplacian(u) = 1"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
}  # fmt: skip


@pytest.mark.parametrize("decomposition", [Windows(cells=3), Windows(cells=4, levels=2), Cuts(cells=2)])
def test_a_solve_for_last_layers_is_that_of_all_columns_together(decomposition):
    problem = read_problem(TEXT)
    field = DecomposedField(MLP(width=5, depth=2), problem, decomposition)
    points = Points(interior=600, surface=128)
    drawn = points.draw(problem, 0) | field.draw_interfaces(points, 0, 0)
    kept = [*problem.residuals, *field.interfaces]
    rows = Rows(field, [make_term(problem, row, drawn[row.name], 10.0 if row.kind != "equation" else 1.0) for row in kept])
    theta, linear = field.initial(0), torch.as_tensor(field.layout.parts["linear"])
    process = LeastSquares(factors=(1,)).start(rows, theta)
    process.advance(rows)
    residual, jacobian = rows.residual(theta).numpy(), torch.autograd.functional.jacobian(rows.residual, theta).numpy()
    expected = np.linalg.lstsq(jacobian[:, linear], -residual, rcond=None)[0]
    least = np.linalg.norm(jacobian[:, linear] @ expected + residual)
    assert np.linalg.norm(rows.residual(process.theta).numpy()) == pytest.approx(least, rel=1e-9)
