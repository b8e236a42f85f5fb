"""Random projections against their dense matrices, and Gauss-Newton in random subspaces."""

import numpy as np
import pytest
import torch
from linear_rows import LinearRows
from stand_in import HEAT, make_field, make_rows

from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.sketch import CosineSketch, SketchedEquation, count_sketch


def test_a_count_sketch_keeps_squares_on_the_average():
    vector = np.random.default_rng(0).standard_normal(300)
    found = [count_sketch(300, 40, generator(0, "test", k)) @ vector for k in range(2000)]
    ratios = np.sum(np.square(found), axis=1) / (vector @ vector)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / 2000**0.5 < 0.025


def test_entries_of_a_count_sketch():
    sketch = count_sketch(300, 41, generator(0, "test")).toarray()
    assert sketch.shape == (44, 300)
    assert set(np.unique(sketch)) == {-0.5, 0.0, 0.5}
    for quarter in range(4):
        assert (np.count_nonzero(sketch[11 * quarter : 11 * quarter + 11], axis=0) == 1).all()


@pytest.mark.parametrize("num_params", [60, 67])
def test_the_cosine_sketch_against_its_matrix(num_params):
    sketch = CosineSketch(num_params, 20, generator(0, "test"))
    dense = np.stack([sketch.expand(column) for column in np.eye(20)], axis=1)
    length = {60: 60, 67: 72}[num_params]
    place = np.arange(num_params)[:, None] + 0.5
    waves = np.sqrt(2 / length) * np.cos(np.pi * place * np.arange(length) / length) * np.where(np.arange(length), 1, 0.5**0.5)
    matrix = np.random.default_rng(1).standard_normal((30, num_params))
    before = matrix.copy()
    np.testing.assert_allclose(sketch.project(matrix), matrix @ dense, atol=1e-13)
    assert np.array_equal(matrix, before)
    signs = np.sign(np.sum(dense * waves[:, sketch._kept], axis=1, keepdims=True))
    np.testing.assert_allclose(dense, signs * waves[:, sketch._kept], atol=1e-13)
    if length == num_params:
        np.testing.assert_allclose(dense.T @ dense, np.eye(20), atol=1e-13)


@pytest.mark.parametrize("num_rows", [50, 400])
def test_the_step_of_a_subspace_is_its_damped_least_squares(num_rows):
    rows = LinearRows(num_rows, 90)
    jacobian, right = rows.matrix.numpy(), rows.right.numpy()
    equation = SketchedEquation(jacobian, 24, generator(0, "sketch", 3))
    random = generator(0, "sketch", 3)
    columns = CosineSketch(90, 24, random)
    dense = np.stack([columns.expand(column) for column in np.eye(24)], axis=1)
    kept = count_sketch(num_rows, 72, random).toarray() if num_rows > 72 else np.eye(num_rows)
    small = kept @ jacobian @ dense
    unit = np.square(small).sum() / 24
    for damping in (1e-6, 1.0):
        stacked = np.concatenate([small, np.sqrt(damping * unit) * np.eye(24)])
        expected = dense @ np.linalg.lstsq(stacked, np.concatenate([kept @ right, np.zeros(24)]), rcond=None)[0]
        np.testing.assert_allclose(equation.solve(right, damping), expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("num_rows", "dtype", "digits"), [(300, torch.float64, 1e-8), (40, torch.float64, 1e-8), (300, torch.float32, 1e-4)]
)
def test_linear_rows_to_their_least_squares(num_rows, dtype, digits):
    rows = LinearRows(num_rows, 60, dtype)
    process = GaussNewton(sketch=30).start(rows, torch.zeros(60, dtype=dtype))
    for _ in range(200):
        step = process.advance(rows)
        if step.finished:
            break
    assert process.theta.dtype == dtype
    residual = rows.matrix.double().numpy() @ process.theta.double().numpy() - rows.right.double().numpy()
    least = rows.matrix.double().numpy() @ rows.least - rows.right.double().numpy()
    assert np.linalg.norm(residual - least) < digits * np.linalg.norm(rows.right)


def heat(**options):
    return make_rows(HEAT, make_field(width=10, depth=3, **options), interior=300, surface=60)


def test_the_loss_falls_by_orders_in_subspaces():
    rows = heat()
    process = GaussNewton(sketch=100).start(rows, rows.field.initial(0))
    losses = [process.advance(rows).loss for _ in range(40)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4 * losses[0]


def test_few_parameters_are_not_sketched():
    rows = heat()
    ends = []
    for sketch in (None, rows.num_params // 2 + 1, rows.num_params // 2):
        process = GaussNewton(sketch=sketch).start(rows, rows.field.initial(0))
        process.advance(rows)
        ends.append(process.theta)
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_run_goes_on_to_the_last_bit(precision):
    rows, settings = heat(precision=precision), GaussNewton(sketch=50)
    whole = settings.start(rows, rows.field.initial(0))
    for _ in range(3):
        whole.advance(rows)
    again = settings.start(rows, whole.theta, dict(whole.memory()))
    assert [whole.advance(rows).loss for _ in range(3)] == [again.advance(rows).loss for _ in range(3)]
    assert torch.equal(whole.theta, again.theta)
    elsewhere = settings.start(rows, rows.field.initial(0), {**settings.start(rows, whole.theta).memory(), "step": 1})
    first = settings.start(rows, rows.field.initial(0))
    assert elsewhere.advance(rows).loss != first.advance(rows).loss, "every step has a subspace of its own"


def test_impossible_settings():
    with pytest.raises(BadInput, match="^sketch must be at least 1, got 0$"):
        GaussNewton(sketch=0)
    with pytest.raises(BadInput, match="^sketch must be a whole number, got 0.5$"):
        GaussNewton(sketch=0.5)
