"""Compiled loops against tensor operations, which are tested against the tape."""

import numpy as np
import pytest
import torch
from field_problems import WAVE, inside, read

from pinn.field import kernel
from pinn.field.jet import composition
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.request import channels
from pinn.field.step import EagerStep
from pinn.problem.sites import Sites

pytestmark = pytest.mark.skipif(kernel.compiler() is None, reason="no C compiler")

BURGERS = (((0, 0),), ((0, 1),), ((1, 0),), ((2, 0),))
BIHARMONIC = (((0, 4), (2, 2), (2, 2), (4, 0)),)
THIRD = (((3, 0),), ((1, 2),))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        kernel.compiled_step.cache_clear()
        yield kernel.cache_folder()
    kernel.compiled_step.cache_clear()


@pytest.mark.parametrize(
    "operators, activation, dtype",
    [
        (BURGERS, "tanh", torch.float64),
        (BURGERS, "sigmoid", torch.float32),
        (BIHARMONIC, "gelu", torch.float64),
        (BIHARMONIC, "softplus", torch.float64),
        (THIRD, "swish", torch.float64),
        (THIRD, "sin", torch.float64),
    ],
)
@pytest.mark.parametrize("kind", ["all channels", "coordinates"])
@pytest.mark.parametrize("points", [1, 7])
def test_a_compiled_step_is_the_eager_step(cache, operators, activation, dtype, kind, points):
    carried = channels(operators, 2)
    present = [n for n in range(len(carried) - 1) if kind == "all channels" or sum(carried[n + 1][0][0]) == 1]
    plan = composition(carried, tuple(present))
    rng = np.random.default_rng(0)

    def random(*shape):
        return torch.as_tensor(rng.normal(size=shape)).to(dtype)

    z, rest = random(points, 5), random(len(present), points if kind == "all channels" else 1, 5)
    cotangents = random(points, 5), random(plan.num_outputs, points, 5)
    results = []
    for step in (EagerStep(plan, activation), kernel.compiled_step(plan, activation, dtype)):
        value, out, known = step.forward(z, rest, tape=True)
        plain = step.forward(z, rest, tape=False)[:2]
        assert torch.equal(plain[0], value)
        assert torch.equal(plain[1], out)
        results.append([value, out, *step.backward(known, *cotangents, False), *step.backward(known, *cotangents, True)])
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, **tolerance)


@pytest.mark.parametrize("network", [MLP(width=6, depth=3), ModifiedMLP(width=6, depth=2)])
def test_a_compiled_field_has_the_same_jets_gradients_and_rows(cache, network):
    problem = read(WAVE)
    sites, cotangent = Sites(inside(problem, np.random.default_rng(0))), torch.ones(7, 4, dtype=torch.float64)
    found = []
    for compiled in (False, True):
        field = network.field(problem, hard=("initial",), compiled=compiled)
        assert field.compiled is compiled
        evaluation = field.at(sites, tuple(("u", operator) for operator in BURGERS))
        theta = field.initial(0).requires_grad_()
        jets = evaluation.jets(theta)
        gradient = torch.autograd.grad(jets.square().sum(), theta)[0]
        with torch.no_grad():
            assert torch.equal(evaluation.jets(theta), jets.detach())
        found.append([jets.detach(), gradient, evaluation.rows(theta, cotangent)])
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-12)


def test_code_is_compiled_once(cache, monkeypatch):
    code = "int one(void) { return 1; }"
    assert kernel.compile_library(code)["one"]() == 1
    monkeypatch.setattr(kernel.subprocess, "run", lambda *a, **k: pytest.fail("compiled again"))
    assert kernel.compile_library(code)["one"]() == 1


@pytest.mark.parametrize("what", ["no compiler", "compiler fails"])
def test_without_compiled_code_a_field_works_as_well(what, monkeypatch, tmp_path):
    monkeypatch.undo()
    if what == "no compiler":
        monkeypatch.setattr(kernel, "compiler", lambda: None)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(kernel, "compiler", lambda: "false")
    kernel.is_available.cache_clear()
    try:
        assert not MLP(width=4).field(read(WAVE)).compiled
    finally:
        kernel.is_available.cache_clear()


@pytest.mark.parametrize("home", ["a file", "nobody's"])
def test_without_a_place_to_keep_it_code_is_compiled_for_the_process(home, monkeypatch, tmp_path):
    def nobody():
        raise RuntimeError("no home folder")

    if home == "a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(kernel.Path, "home", nobody)
    assert kernel.compile_library("int two(void) { return 2; }")["two"]() == 2


def test_a_damaged_library_is_made_again(monkeypatch, tmp_path):
    code = "int three(void) { return 3; }"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    kernel.compile_library(code)
    (sound,) = kernel.cache_folder().iterdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    damaged = kernel.cache_folder() / sound.name
    damaged.write_bytes(b"damaged")
    assert kernel.compile_library(code)["three"]() == 3
    assert damaged.stat().st_size == sound.stat().st_size


def test_a_compiler_that_stops_working_costs_speed_only(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel, "compiler", lambda: "false")
    kernel.compiled_step.cache_clear()
    carried = channels(BURGERS, 2)
    step = kernel.compiled_step(composition(carried, (0, 1)), "tanh", torch.float64)
    kernel.compiled_step.cache_clear()
    assert isinstance(step, EagerStep)
    assert "without compiled loops" in caplog.text


def test_where_there_is_a_compiler_it_is_used(cache, monkeypatch):
    monkeypatch.undo()
    assert kernel.is_available()
    assert MLP(width=4).field(read(WAVE)).compiled
    assert not MLP(width=4).field(read(WAVE), "autograd").compiled
