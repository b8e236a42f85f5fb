"""Operators estimated along lines through the points: jets against nested differentiation and against the matrix itself."""

import numpy as np
import pytest
import torch

from pinn.field import compiler
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.request import channels
from pinn.problem.directions import as_sum, draw_directions
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

DIM = 5
LAPLACIAN = tuple(sorted((*(2 * (k == axis) for k in range(DIM)), 0) for axis in range(DIM)))
RATE = ((*[0] * DIM, 1),)
SINGLE = ((2, *[0] * DIM),)
UNITS = np.eye(DIM + 1, dtype=int)[:DIM]
BIHARMONIC = tuple(sorted(tuple((2 * a + 2 * b).tolist()) for a in UNITS for b in UNITS))
RATE_OF_LAPLACIAN = tuple(sorted((*index[:-1], 1) for index in LAPLACIAN))
REQUESTS = {
    "heat": (RATE, LAPLACIAN, SINGLE, ((0,) * (DIM + 1),)),
    "rate of the Laplacian": (RATE_OF_LAPLACIAN, RATE),
    "both": (LAPLACIAN, BIHARMONIC),
}


def problem(periodic=()):
    conditions = {"ring": {"periodic": list(periodic)}} if periodic else {}
    walls = {"at": " or ".join(f"x{k} = 0 or x{k} = 2" for k in range(1, DIM + 1) if f"x{k}" not in periodic), "u": "0"}
    return read_problem({
        "coordinates": {"x": {"range": [0, 2], "dimension": DIM}, "t": [0, 0.5]},
        "unknowns": {"u": {"scale": 3}},
        "equations": {"heat": "u_t = laplacian(u)"},
        "conditions": {"initial": {"at": "t = 0", "u": 0}, "walls": walls, **conditions},
    })  # fmt: skip


def sites(num, operators, along="signs", each=3, same=False):
    rng = np.random.default_rng(7)
    points = rng.uniform(0.1, 0.4, (1 if same else num, DIM + 1)).repeat(num if same else 1, axis=0)
    wide = [operator for operator in operators if len(operator) > 1]
    return Sites(points, directions={op: draw_directions(as_sum(op), along, each, num, rng) for op in wide})


def request(operators):
    return tuple(("u", operator) for operator in operators)


def rows_and_gradient(field, places, wanted):
    theta = field.initial(3).requires_grad_()
    jets = field.at(places, wanted).jets(theta)
    factor = torch.linspace(0.5, 1.5, jets.numel(), dtype=jets.dtype).view_as(jets)
    return jets.detach(), torch.autograd.grad((factor * jets.square()).sum(), theta)[0]


NETWORKS = [MLP(width=7, depth=3), ModifiedMLP(width=6, depth=2, activation="sin"), FourierFeatures(width=6, depth=2)]


@pytest.mark.parametrize("periodic", [(), ("x2", "x4")], ids=["plain", "periodic"])
@pytest.mark.parametrize("operators", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_jets_and_gradient_are_those_of_nested_differentiation(network, operators, periodic):
    places = sites(4, operators)
    ours, nested = (
        rows_and_gradient(network.field(problem(periodic), e), places, request(operators)) for e in ("taylor", "autograd")
    )
    for got, expected in zip(ours, nested, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("along", ["signs", "coordinates"])
def test_an_estimate_is_the_sum_over_directions_of_the_matrix_of_second_derivatives(along):
    field = NETWORKS[0].field(problem(("x2",)))
    places, theta = sites(6, REQUESTS["heat"], along), NETWORKS[0].field(problem(("x2",))).initial(3)
    pairs = [(a, b) for a in range(DIM) for b in range(DIM)]
    unit = np.eye(DIM + 1, dtype=int)
    second = tuple((tuple((unit[a] + unit[b]).tolist()),) for a, b in pairs)
    hessian = field.at(Sites(places.points), request(second)).jets(theta).numpy().reshape(-1, DIM, DIM)
    lines = [line[:, :DIM] for line in places.directions[LAPLACIAN].lines()]
    expected = sum(np.einsum("pi,pij,pj->p", line, hessian, line) for line in lines)
    estimate, exact = (field.at(s, request(REQUESTS["heat"])).jets(theta).numpy() for s in (places, Sites(places.points)))
    np.testing.assert_allclose(estimate[:, 1], expected, rtol=1e-11)
    np.testing.assert_allclose(estimate[:, [0, 2, 3]], exact[:, [0, 2, 3]], rtol=1e-12)
    assert np.abs(estimate[:, 1] - exact[:, 1]).max() > 1e-3 * np.abs(exact[:, 1]).max()


@pytest.mark.parametrize("operator, along", [(LAPLACIAN, "signs"), (LAPLACIAN, "coordinates"), (BIHARMONIC, "signs")])
def test_estimates_at_one_point_average_to_the_exact_operator(operator, along):
    field = MLP(width=7, depth=2, frequency=3.0).field(problem(("x3",)))
    theta, num = field.initial(3), 8000
    places = sites(num, (operator,), along, each=2, same=True)
    values = field.at(places, request((operator,))).jets(theta)[:, 0]
    exact = float(field.at(Sites(places.points[:1]), request((operator,))).jets(theta))
    assert abs(float(values.mean()) - exact) < 4 * float(values.std()) / num**0.5, (float(values.mean()), exact)
    assert float(values.std()) > 0.05 * abs(exact)


def test_all_coordinates_are_exact():
    field = NETWORKS[0].field(problem())
    places, theta = sites(6, (LAPLACIAN,), "coordinates", each=DIM), field.initial(3)
    got, exact = (field.at(s, request((LAPLACIAN,))).jets(theta) for s in (places, Sites(places.points)))
    torch.testing.assert_close(got, exact, rtol=1e-12, atol=0)


def test_rows_are_the_gradients_of_every_point():
    field, operators = NETWORKS[0].field(problem()), REQUESTS["heat"]
    evaluation, theta = field.at(sites(5, operators), request(operators)), field.initial(3)
    cotangent = torch.linspace(-1, 1, 5 * len(operators), dtype=torch.float64).view(5, -1)
    rows = evaluation.linearise(theta).jacobian(cotangent).dense()
    leaf = theta.clone().requires_grad_()
    (expected,) = torch.autograd.grad((evaluation.jets(leaf) * cotangent).sum(), leaf)
    torch.testing.assert_close(rows.sum(0), expected, rtol=1e-11, atol=1e-12)


def test_compiled_code_gives_the_same(monkeypatch):
    monkeypatch.undo()
    if not compiler.is_available():
        pytest.skip("no C compiler")
    places, wanted = sites(9, REQUESTS["heat"]), request(REQUESTS["heat"])
    eager, native = (rows_and_gradient(NETWORKS[0].field(problem(), compiled=c), places, wanted) for c in (False, True))
    for got, expected in zip(native, eager, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11 * float(expected.abs().max()))


def test_the_directions_are_carried_as_one_channel():
    """1 value, 1 rate, k slopes along lines and 1 sum."""
    evaluation = NETWORKS[0].field(problem()).at(sites(4, (LAPLACIAN,)), request((RATE, LAPLACIAN)))
    assert len(evaluation.channels.algebra.carried) == 1 + 1 + 3 + 1
    assert len(channels((RATE, LAPLACIAN), DIM + 1)) == 1 + 1 + DIM + 1


def test_hard_conditions_have_no_derivatives_along_lines():
    field = NETWORKS[0].field(problem(), hard=("initial",))
    with pytest.raises(BadInput, match=r"points.directions must be null where conditions are hard"):
        field.at(sites(4, (LAPLACIAN,)), request((LAPLACIAN,)))
