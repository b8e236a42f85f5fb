"""SOAP against its algorithm written out with numpy, and what it keeps."""

import numpy as np
import pytest
import torch
from objectives import Function
from stand_in import HEAT, check_going_on, make_field, make_rows

from pinn.problem.settings import BadInput
from pinn.solver.adam import Adam
from pinn.solver.rules import Until
from pinn.solver.soap import Soap
from pinn.solver.soap_optimizer import places, renewed
from pinn.solver.staged import Staged, solve

SHAPES = ((3, 4), (4,), (4, 4), (2, 3, 4))
SIZE = 12 + 4 + 16 + 24
PLAIN = {"warm_up": 0, "decay": "none"}


def bowl(dtype=torch.float64, shapes=SHAPES):
    """Return a quadratic that couples all parameters, with the shapes of matrices and vectors."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator).to(dtype) / SIZE**0.5
    least = torch.randn(SIZE, dtype=torch.float64, generator=generator).to(dtype)
    function = Function(lambda theta: (root @ (theta - least)).square().sum(), SIZE)
    function.shapes = shapes
    return function


def pieces():
    """Return place in θ, size and whether it is a matrix, of every piece of `SHAPES`."""
    first = 0
    for shape in SHAPES:
        rows, columns = shape[-2:] if len(shape) > 1 else (1, shape[0])
        for _ in range(int(np.prod(shape)) // (rows * columns)):
            yield slice(first, first + rows * columns), (rows, columns), len(shape) > 1
            first += rows * columns


def written_out(function, steps, stage):
    """Return θ after some steps of algorithms 3 and 4 of arXiv:2409.11321, matrix by matrix in numpy, and how often vectors changed places."""
    theta, kept, changes = np.zeros(SIZE), {}, 0
    b1, b2 = stage.momentum
    for t in range(steps):
        whole = function.evaluate(torch.tensor(theta)).gradient.numpy()
        for place, size, is_matrix in pieces():
            g = whole[place].reshape(size)
            if t == 0:
                sides = [np.linalg.eigh(p)[1][:, ::-1] if is_matrix else np.eye(len(p)) for p in (g @ g.T, g.T @ g)]
                kept[place.start] = [np.zeros(size), np.zeros(size), (1 - b2) * g @ g.T, (1 - b2) * g.T @ g, *sides]
                continue
            m, v, left, right, ql, qr = kept[place.start]
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * (ql.T @ g @ qr) ** 2
            turned = (ql.T @ m @ qr / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
            theta[place] -= stage.rate * (ql @ turned @ qr.T).ravel()
            left, right = b2 * left + (1 - b2) * g @ g.T, b2 * right + (1 - b2) * g.T @ g
            if t % stage.refresh == 0 and is_matrix:
                order = np.argsort(-np.diag(ql.T @ left @ ql), kind="stable")
                changes += not np.array_equal(order, np.arange(len(order)))
                ql, v = np.linalg.qr(left @ ql[:, order])[0], v[order]
                order = np.argsort(-np.diag(qr.T @ right @ qr), kind="stable")
                qr, v = np.linalg.qr(right @ qr[:, order])[0], v[:, order]
            kept[place.start] = [m, v, left, right, ql, qr]
    return theta, changes


@pytest.mark.parametrize("refresh", [1, 3])
def test_soap_as_published(refresh):
    stage = Soap(rate=0.3, refresh=refresh, momentum=(0.9, 0.8), **PLAIN)
    function = bowl()
    process = stage.start(function, torch.zeros(SIZE, dtype=torch.float64))
    for steps in range(1, 17):
        process.advance(function)
        if steps in (2, 7, 16):
            np.testing.assert_allclose(process.theta.numpy(), written_out(function, steps, stage)[0], rtol=1e-6, atol=1e-6)
    assert written_out(function, 16, stage)[1] > 0


def test_vectors_are_those_of_adam():
    stage, adam = Soap(rate=0.05, momentum=(0.9, 0.999), **PLAIN), Adam(rate=0.05, **PLAIN)
    found = []
    for each, shapes in ((stage, ((SIZE,),)), (adam, ((SIZE,),)), (stage, SHAPES)):
        function = bowl(shapes=shapes)
        process = each.start(function, torch.zeros(SIZE, dtype=torch.float64))
        for _ in range(20 if each is adam else 21):  # the first gradient makes bases, and no step
            process.advance(function)
        found.append(process.theta)
    assert torch.allclose(found[0], found[1], rtol=1e-9, atol=1e-12)
    assert not torch.allclose(found[2], found[1], rtol=1e-2)


def test_power_iteration_finds_the_eigenvectors():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.standard_normal((5, 5)))[0]
    product = torch.tensor(basis @ np.diag([1.0, 3.0, 9.0, 27.0, 81.0]) @ basis.T)[None]
    found = torch.eye(5, dtype=torch.float64)[None]
    for _ in range(40):
        found, _ = renewed(product, found)
    np.testing.assert_allclose(np.abs(found[0].numpy().T @ basis), np.eye(5)[::-1], atol=1e-10)


def test_matrices_of_one_size_are_found_together():
    found = places(SHAPES)
    assert {size: place.tolist() for size, place in found.items()} == {
        (3, 4): [list(range(12)), list(range(32, 44)), list(range(44, 56))],
        (4, 4): [list(range(16, 32))],
    }


def test_rows_tell_the_shapes():
    rows = make_rows(HEAT, make_field(width=6, depth=2))
    assert rows.shapes == ((2, 6), (6,), (6, 6), (6,), (6, 1), (1,))


def test_soap_beats_adam_on_a_small_heat_problem():
    rows = make_rows(HEAT, make_field(width=12, depth=2), interior=128, surface=32)
    losses = []
    for stage in (Soap(steps=400), Adam(steps=400)):
        *_, state = solve(Staged({"only": stage}, Until(plateau=None)), lambda epoch: rows, rows.field.initial(0))
        losses.append(state.loss)
    assert losses[0] < 0.5 * losses[1]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("stop", [1, 6, 7])
def test_a_run_goes_on_to_the_last_bit(precision, stop):
    end = check_going_on(Soap(steps=12, refresh=3, warm_up=2), precision, stop, redraw=5)
    assert {found["left basis"].dtype for found in end.memory()["optimizer"]["bases"]} == {torch.float64}


def test_impossible_settings():
    with pytest.raises(BadInput, match="^refresh must be at least 1, got 0$"):
        Soap(refresh=0)
    with pytest.raises(BadInput, match="^rate must be greater than 0"):
        Soap(rate=0)
    with pytest.raises(BadInput, match="^momentum must be less than 1"):
        Soap(momentum=(0.9, 1.0))
