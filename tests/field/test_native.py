"""Compiled networks against tensor operations, which are tested against the tape."""

import ctypes

import numpy as np
import pytest
import torch
from field_problems import PLATE, RING, WAVE, box, inside, read

from pinn.field import compiler, memory
from pinn.field.native_code import NATIVE_FILES, source_file
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.problem.sites import Sites

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")

PLAIN = (((0, 0),), ((0, 1),), ((1, 0),), ((2, 0),))
REQUESTS = {
    "value": [("u", ((0, 0),))],
    "burgers": [("u", operator) for operator in PLAIN],
    "mixed": [("u", ((1, 1),))],
    "third": [("u", ((3, 0),)), ("u", ((1, 2),))],
    "biharmonic": [("u", ((0, 4), (2, 2), (2, 2), (4, 0)))],
}
NETWORKS = {
    "chain": MLP(width=6, depth=3),
    "one layer": MLP(width=16, depth=1),
    "odd": MLP(width=21, depth=2, activation="gelu"),
    "gates": ModifiedMLP(width=9, depth=3),
    "waves": FourierFeatures(width=8, depth=3),
    "blocks": PirateNet(width=5, depth=1),
    "products": Separable(width=6, depth=2, rank=3),
    "swish": MLP(width=5, depth=2, activation="swish"),
}


def both(network, problem, request, precision="float64", num=7, **settings):
    """Jets, gradient of their squares and rows, by tensors and by compiled code."""
    sites = Sites(inside(problem, np.random.default_rng(0), num))
    found = []
    for compiled in (False, True):
        field = network.field(problem, precision=precision, compiled=compiled, **settings)
        evaluation = field.at(sites, tuple(request))
        assert (evaluation.channels.native is not None) == compiled
        moved = np.random.default_rng(1).normal(size=field.num_params)  # so that all blocks of residual networks count
        theta = (field.initial(0) + 0.1 * field.tensor(moved)).requires_grad_()
        jets = evaluation.jets(theta)
        (gradient,) = torch.autograd.grad(jets.square().sum(), theta)
        with torch.no_grad():
            assert torch.equal(evaluation.jets(theta), jets.detach())
        found.append((jets.detach(), gradient, evaluation.linearise(theta).jacobian(torch.cos(jets.detach())).dense()))
    return zip(*found, strict=True)


PAIRS = [
    pytest.param(name, wanted, marks=[] if name == "chain" or wanted == "burgers" else pytest.mark.slow)
    for name in NETWORKS
    for wanted in REQUESTS
]


@pytest.mark.parametrize("name, request_name", PAIRS)
def test_a_compiled_network_is_the_network(name, request_name):
    for eager, compiled in both(NETWORKS[name], read(WAVE), REQUESTS[request_name]):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-11 * float(eager.abs().max()))


@pytest.mark.parametrize("name", ["chain", "products"])
def test_in_single_precision(name):
    for eager, compiled in both(NETWORKS[name], read(WAVE), REQUESTS["burgers"], "float32"):
        assert compiled.dtype == torch.float32
        torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-4 * float(eager.abs().max()))


@pytest.mark.parametrize("name", ["chain", "gates", "waves", "blocks", "products"])
def test_features_that_vary(name):
    for eager, compiled in both(NETWORKS[name], read(RING), REQUESTS["burgers"]):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-11 * float(eager.abs().max()))


def test_channels_of_a_coordinate_that_do_not_lie_side_by_side():
    for eager, compiled in both(NETWORKS["products"], box(2, periodic=("x", "y")), REQUESTS["third"]):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-11 * float(eager.abs().max()))


@pytest.mark.parametrize("name", ["chain", "products"])
def test_several_unknowns_and_hard_conditions(name):
    request = [("u", ((0, 0, 0),)), ("v", ((0, 2, 0), (2, 0, 0))), ("u", ((0, 0, 1),))]
    for eager, compiled in both(NETWORKS[name], read(PLATE), request, hard=("initial",)):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-11 * float(eager.abs().max()))


@pytest.mark.parametrize("num", [1, 2, 64, 65])
def test_any_number_of_points(num):
    for eager, compiled in both(NETWORKS["chain"], read(WAVE), REQUESTS["burgers"], num=num):
        torch.testing.assert_close(compiled, eager, rtol=1e-11, atol=1e-11 * float(eager.abs().max()))


def test_two_tapes_at_a_time_do_not_disturb_each_other():
    problem = read(WAVE)
    field = NETWORKS["chain"].field(problem, compiled=True)
    rng, request = np.random.default_rng(0), tuple(REQUESTS["burgers"])
    here, there = (field.at(Sites(inside(problem, rng)), request) for _ in range(2))
    theta = field.initial(0).requires_grad_()
    alone = torch.autograd.grad(here.jets(theta).square().sum(), theta)[0]
    first, second = here.jets(theta), there.jets(theta)
    together = torch.autograd.grad(first.square().sum(), theta, retain_graph=True)[0]
    assert torch.equal(together, alone)
    assert torch.equal(torch.autograd.grad(first.square().sum(), theta)[0], alone)
    assert not torch.equal(second, first)


def test_memory_is_used_again():
    problem = read(WAVE)
    evaluation = NETWORKS["chain"].field(problem, compiled=True).at(Sites(problem.box.T), tuple(REQUESTS["burgers"]))
    theta = evaluation.field.initial(0).requires_grad_()
    places = set()
    for _ in range(5):
        torch.autograd.grad(evaluation.jets(theta).sum(), theta)
        places.add(evaluation.channels.native.tapes.free[-1].data_ptr())
    assert len(places) == 1
    tapes = [evaluation.jets(theta) for _ in range(20)]
    del tapes
    assert len(evaluation.channels.native.tapes.free) == memory.MOST_KEPT


def test_not_a_number_is_passed_on():
    problem = read(WAVE)
    evaluation = NETWORKS["chain"].field(problem, compiled=True).at(Sites(problem.box.T), tuple(REQUESTS["burgers"]))
    theta = evaluation.field.initial(0)
    theta[0] = torch.nan
    assert evaluation.jets(theta).isnan().any()


def test_a_compiler_that_stops_working_costs_speed_only(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "compiler", lambda: "false")
    field = MLP(width=7, depth=2).field(read(WAVE), compiled=True)
    evaluation = field.at(Sites(np.zeros((2, 2))), tuple(REQUESTS["burgers"]))
    assert evaluation.channels.native is None
    assert "without compiled code" in caplog.text
    assert evaluation.jets(field.initial(0)).isfinite().all()


def library(number, code):
    return compiler.compile_library("\n".join([f"typedef {number} T;", *map(source_file, NATIVE_FILES), code]))


@pytest.mark.parametrize("number, kind, largest", [("double", np.float64, 3), ("float", np.float32, 1)])
def test_tanh_in_units_in_the_last_place(number, kind, largest):
    rng = np.random.default_rng(0)
    wide = 10.0 ** rng.uniform(-30, 2, 20000) * rng.choice([-1, 1], 20000)
    z = np.concatenate([rng.normal(size=20000), wide, [0.0, -0.0, 20, 19.06, np.inf, -np.inf]]).astype(kind)
    found = np.empty_like(z)
    go = library(number, "void go(long n, const T *z, T *y) { tanh_array(n, z, y); }")["go"]
    go(ctypes.c_long(len(z)), ctypes.c_void_p(z.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    exact = np.tanh(z.astype(np.longdouble))
    assert np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(kind))) < largest
    assert np.array_equal(np.signbit(found), np.signbit(z))


@pytest.mark.parametrize("number, kind", [("double", np.float64), ("float", np.float32)])
def test_sine_and_cosine(number, kind):
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.pi / 2, np.pi, 99_999.5, -1e5, 1e5, 1e9, -1e300 if kind is np.float64 else -1e30]
    z = np.concatenate([rng.normal(size=20000), rng.uniform(-9e4, 9e4, 20000), np.arange(-400, 400) * np.pi / 4, special]).astype(
        kind
    )
    found = np.empty((2, len(z)), kind)
    go = library(number, "void go(long n, const T *z, T *y) { sin_array(n, z, y); }")["go"]
    go(ctypes.c_long(len(z)), ctypes.c_void_p(z.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    exact = np.stack([np.sin(z.astype(np.longdouble)), np.cos(z.astype(np.longdouble))])
    assert np.abs(found - exact).max() < np.finfo(kind).eps
    z[:3] = [np.nan, np.inf, -np.inf]
    go(ctypes.c_long(len(z)), ctypes.c_void_p(z.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    assert np.isnan(found[:, :3]).all() and np.isfinite(found[:, 3:]).all()


@pytest.mark.parametrize("number, kind", [("double", np.float64), ("float", np.float32)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (6, 32, 64), (13, 70, 9), (25, 8, 40), (9, 37, 300)])
def test_products_of_matrices(number, kind, shape):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=size).astype(kind) for size in ((m, k), (k, n), (m, n)))
    code = "void go(long m, long n, long k, const T *a, long ar, long ac, const T *b, long br, long bc, T *c, int add)"
    code += "{ product(m, n, k, (Matrix){a, ar, ac}, (Matrix){b, br, bc}, c, add); }"
    go = library(number, code)["go"]

    def product(a, b, c, add):
        c, longs = c.copy(), ctypes.c_long
        steps = [[longs(step // x.itemsize) for step in x.strides] for x in (a, b)]
        pointers = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, c)]
        go(*map(longs, (m, n, k)), pointers[0], *steps[0], pointers[1], *steps[1], pointers[2], int(add))
        return c

    tolerance = {"rtol": 1e-12, "atol": 1e-12} if kind is np.float64 else {"rtol": 1e-5, "atol": 1e-5}
    for first in (a, np.asfortranarray(a)):
        for second in (b, np.asfortranarray(b)):
            np.testing.assert_allclose(product(first, second, c, False), a @ b, **tolerance)
            np.testing.assert_allclose(product(first, second, c, True), c + a @ b, **tolerance)
