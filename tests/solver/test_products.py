"""Products with the Jacobian of rows, and its sparse blocks, against torch's tape."""

import numpy as np
import pytest
import torch
from stand_in import HEAT, ODD, make_field, make_rows
from torch.autograd.functional import jacobian

from pinn.field import compiler, native
from pinn.field.jacobian import Linearised
from pinn.field.network.mlp import MLP
from pinn.field.readout import Readout
from pinn.field.request import channels
from pinn.field.stack import Stack
from pinn.field.windowed import WindowedSum
from pinn.problem.language import read_problem

TEXTS = {"heat": HEAT, "odd": ODD}


class Halves:
    """A field on the unit square of three networks, u = (1 − x) N_0 + x N_1 + 0 · N_2, and at x > 0.8 of N_1 alone."""

    interfaces = ()

    def __init__(self, text):
        self.problem = read_problem(text)
        boxes = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.2, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.5, 1.0]]])
        names = tuple(unknown.name for unknown in self.problem.unknowns)
        self.stack = Stack(MLP(width=4, depth=1), boxes, names)
        self.num_params, self.dtype, self.device = self.stack.num_params, self.stack.dtype, self.stack.device

    def initial(self, seed):
        return self.stack.initial(seed)

    def chunk(self, request, directions=None):
        return self.stack.chunk(request)

    def fuse(self, families):
        return None

    def at(self, sites, request):
        return HalvesEvaluation(self.stack, sites.points, tuple(request))


class HalvesEvaluation:
    def __init__(self, stack, points, request):
        self.request = request
        carried = channels(tuple(operator for _, operator in request), 2)
        first = np.flatnonzero(points[:, 0] <= 0.8)
        owners = np.concatenate([first, np.arange(len(points))])
        numbers = np.repeat([0, 1], [len(first), len(points)])
        x, single = points[owners, 0], points[owners, 0] > 0.8
        by_index = {
            (0, 0): np.where(single, 1.0, np.where(numbers == 0, 1 - x, x)),
            (1, 0): np.where(single, 0.0, 2.0 * numbers - 1),
        }
        windows = np.stack([by_index.get(channel[0][0], 0 * x) if len(channel) == 1 else 0 * x for channel in carried])
        at = stack.channels(points[owners], numbers, carried)
        self.sum = WindowedSum(at, carried, stack.tensor(windows), torch.as_tensor(owners), len(points))
        self.readout = Readout(stack, request, carried)

    def jets(self, theta):
        return self.readout(self.sum(theta))

    def linearise(self, theta):
        return Linearised(self.readout, self.sum.linearise(theta))


FIELDS = {
    "jets": lambda text: make_field(text, periodic="none"),
    "nested": lambda text: MLP(width=6, depth=2, periodic="none").field(read_problem(text), "autograd"),
    "halves": Halves,
}


def close(a, b, precision=1e-12):
    assert a.shape == b.shape
    assert (a - b).abs().max() < precision * b.abs().max()


def check(rows, keep):
    theta, rng = rows.field.initial(0), np.random.default_rng(0)
    v, w = (torch.as_tensor(rng.normal(size=size)) for size in (rows.num_params, rows.num_rows))
    expected = jacobian(rows.residual, theta)
    residual, operator = rows.products(theta, keep)
    before = residual.clone()
    assert operator.shape == (rows.num_rows, rows.num_params)
    for _ in range(2):
        close(operator @ v, expected @ v)
        close(operator.transpose_apply(w), expected.T @ w)
    assert torch.equal(residual, before)
    close(residual, rows.residual(theta))
    matrix = rows.linearise(theta)[1]
    close(matrix.dense(), expected)
    close(matrix @ v, expected @ v)
    close(matrix.transpose_apply(w), expected.T @ w)
    some = torch.tensor([5, 0, 7])
    close(matrix.columns_of(some), expected[:, some])
    return matrix


@pytest.mark.parametrize(("keep", "chunk"), [(True, 1000), (False, 20)])
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", FIELDS)
def test_products_against_the_tape(kind, name, keep, chunk):
    weights = {"walls": 4.0, "flux": 9.0}
    check(make_rows(TEXTS[name], FIELDS[kind](TEXTS[name]), weights=weights, interior=12, surface=6, chunk=chunk), keep)


@pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")
def test_products_by_compiled_code(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    field = MLP(width=5, depth=2, periodic="none").field(read_problem(ODD), compiled=True)
    check(make_rows(ODD, field, interior=12, surface=6), True)
    native.native_network.cache_clear()


def test_weights_of_rows():
    rows = make_rows()
    check(rows.weighted({"heat": torch.linspace(0, 2, 40, dtype=torch.float64)}), True)


def test_a_jacobian_of_networks_side_by_side_is_sparse():
    rows = make_rows(HEAT, Halves(HEAT), interior=40)
    matrix = check(rows, True)
    dense = rows.num_rows * rows.num_params * 8
    assert matrix.num_bytes < 2 / 3 * dense
    assert not matrix.dense()[:, rows.field.stack.part(2)].any(), "nobody sees it"


def test_terms_at_other_points_share_a_part():
    rows = make_rows(HEAT)
    (chunk,) = rows._loss.chunks
    parts = chunk.linearise(rows.field.initial(0)).parts([1.0] * 3)
    assert [len(part.spans) for part in parts] == [1, 2], "the equation; the start and the walls"
    odd = make_rows(ODD, make_field(ODD, periodic="none"))
    (chunk,) = odd._loss.chunks
    parts = chunk.linearise(odd.field.initial(0)).parts([1.0] * len(chunk.pieces))
    assert len(parts) < sum(len({source.evaluation for source in sources}) for sources in chunk._sources)
