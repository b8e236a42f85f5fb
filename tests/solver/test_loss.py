"""Compiled residuals against chunks of points, whose derivatives are tested against the tape."""

import numpy as np
import pytest
import torch
from stand_in import HEAT, ODD

from pinn.field import compiler
from pinn.field.factorisation import Factorisation
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.terms import make_term
from pinn.solver.loss import Loss
from pinn.solver.rows import Rows

needs_compiler = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")

PLATE = {
    "coordinates": {"x": [0, 2], "y": [-1, 1]},
    "unknowns": ["u", "v"],
    "define": {"k": "1 + 0.3*sin(3*x*y)"},
    "equations": {
        "first": "div(k*grad(u)) + u**3/(1 + v**2) = exp(-x**2) - abs(v)**1.5*sign(u_x)",
        "second": "laplacian(v) + max(u, v_y)*where(u > 0.1, sqrt(abs(u) + 0.1), -2) = atan2(u, 1 + v**2) + erf(u)*x",
    },
    "conditions": {"walls": {"at": "boundary", "u": "x*y", "v": "0"}},
}
RING = {
    "coordinates": {"x": [0, 2], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"waves": "u_t + 6*u*u_x + 0.01*u_xxx = 0.1*u_xxxx*tanh(u)"},
    "conditions": {"wrap": {"periodic": "x"}, "start": {"at": "t = 0", "u": "cos(pi*x)"}},
}
TEXTS = {"heat": HEAT, "plate": PLATE, "ring": RING, "odd": ODD}
NETWORKS = {
    "chain": MLP(width=8, depth=2),
    "odd": MLP(width=21, depth=3),
    "gates": ModifiedMLP(width=9, depth=3),
    "residual": PirateNet(width=9, depth=1),
    "separable": Separable(width=5, depth=2, rank=6),
    "waves": FourierFeatures(width=8, depth=2, activation="sin"),
    "factorised": MLP(width=8, depth=2, factorisation=Factorisation(mean=0.5)),
}


def make_loss(text, network=NETWORKS["chain"], interior=45, limit=30, compiled=True, precision="float64", hard=()):
    problem = read_problem(TEXTS[text])
    field = network.field(problem, precision=precision, compiled=compiled, hard=hard)
    sites = Points(rule="uniform", interior=interior, surface=13).draw(problem, 0, 0)
    kept = [row for row in problem.residuals if row.name not in field.satisfied]
    return Loss(field, [make_term(problem, row, sites[row.name]) for row in kept], limit)


def both(*arguments, **settings):
    """The same sums by compiled code and by chunks."""
    losses = [make_loss(*arguments, **settings, compiled=compiled) for compiled in (True, False)]
    theta = losses[0].field.initial(0)
    weights = [0.5 + number for number in range(len(losses[0].terms))]
    return [(loss, loss.evaluate(theta, weights)) for loss in losses]


def close(a, b, tolerance):
    scale = b.abs().max()
    return bool(((a - b).abs() <= tolerance * scale).all())


@needs_compiler
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_residuals_are_the_residuals(text, network):
    (fused, a), (plain, b) = both(text, NETWORKS[network])
    assert not plain._fused
    compiled = sorted(fused.terms[number].name for group, _ in fused._fused for number in group)
    assert compiled == sorted(term.name for term in fused.terms if term.name not in ("flux.v", "flux", "wrap"))
    for name in ("loss", "gradient", "squares"):
        assert close(getattr(a, name), getattr(b, name), 1e-13), name


@needs_compiler
@pytest.mark.parametrize("num", [1, 2, 7, 1000])
def test_any_number_of_points(num):
    (fused, a), (_, b) = both("plate", interior=num)
    assert fused._fused[0][1]._num_points == num
    assert close(a.gradient, b.gradient, 1e-13)


@needs_compiler
def test_tiles_of_features_that_vary():
    (fused, a), (_, b) = both("ring", NETWORKS["odd"], interior=3001)
    assert fused._fused[0][1]._num_points == 3001
    assert close(a.gradient, b.gradient, 1e-13)


@needs_compiler
def test_hard_conditions():
    (fused, a), (_, b) = both("plate", hard=("walls",))
    assert len(fused._fused) == 1 and len(fused.terms) == 2
    assert close(a.gradient, b.gradient, 1e-13)


@needs_compiler
def test_single_precision():
    (_, a), (_, b) = both("plate", precision="float32", interior=400)
    assert a.gradient.dtype == a.loss.dtype == torch.float32
    assert close(a.gradient, b.gradient, 1e-4)


@needs_compiler
def test_weights_by_row_take_the_other_way():
    loss = make_loss("heat")
    theta = loss.field.initial(0)
    numbers = [2.0] * len(loss.terms)
    by_row = [torch.full((term.num_rows,), 2.0, dtype=torch.float64) for term in loss.terms]
    a, b = loss.evaluate(theta, numbers), loss.evaluate(theta, by_row)
    assert loss._fused and close(a.gradient, b.gradient, 1e-13) and close(a.squares, b.squares, 1e-12)


@needs_compiler
def test_what_cannot_be_compiled_is_not():
    assert not make_loss("heat", MLP(width=8, depth=2, activation="gelu"))._fused


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr(compiler, "is_available", lambda: False)
    assert not make_loss("heat", compiled=None)._fused


@needs_compiler
def test_a_compiler_that_fails_is_said_once_and_not_missed(monkeypatch, caplog):
    def fail(code):
        raise OSError("disk full")

    monkeypatch.setattr("pinn.field.fused.compile_library", fail)
    loss = make_loss("heat")
    assert not loss._fused and "disk full" in caplog.text
    assert loss.evaluate(loss.field.initial(0), [1.0] * 3).loss > 0


@needs_compiler
def test_not_a_number_is_passed_on():
    loss = make_loss("heat")
    theta = loss.field.initial(0)
    theta[3] = np.nan
    sums = loss.evaluate(theta, [1.0] * 3)
    assert sums.loss.isnan() and sums.gradient.isnan().any()
    assert Rows(loss.field, loss.terms).locate(theta)[0] == "heat"
