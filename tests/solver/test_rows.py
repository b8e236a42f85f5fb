from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import HEAT, ODD, make_field, make_rows, make_terms

from pinn.problem.formulas.tree import Call, Name
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.solver.chunks import pack
from pinn.solver.functions import TORCH
from pinn.solver.rows import Rows

TEXTS = {"heat": HEAT, "odd": ODD}


def odd_field(**options):
    return make_field(ODD, periodic="none", **options)


def fields(name):
    return odd_field() if name == "odd" else make_field(HEAT)


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", TEXTS)
def test_every_row_is_the_formula_times_its_root_weight(name):
    field = fields(name)
    weights = {"first": 3.0, "flux": 7.0, "walls": 5.0}
    terms = make_terms(TEXTS[name], weights=weights)
    rows, theta = Rows(field, terms), field.initial(0)
    residual = rows.residual(theta)
    for term in terms:
        columns = [field.at(sites, request).jets(theta) for sites, request in term.images]
        alone = term.convert(torch.as_tensor).evaluate(columns, TORCH)
        expected = np.sqrt(weights.get(term.name, 1.0) / term.num_rows) * alone
        assert relative(residual[rows.slices[term.name]], expected) < 1e-13, term.name
    assert residual.shape == (rows.num_rows,)


@pytest.mark.parametrize("name", TEXTS)
def test_loss_is_the_weighted_sum_of_mean_squares(name):
    rows = make_rows(TEXTS[name], fields(name), weights={"walls": 5.0, "first": 0.5})
    theta = rows.field.initial(0)
    value = rows.evaluate(theta)
    means = rows.losses(theta)
    assert torch.allclose(value.losses, torch.tensor(list(means.values()), dtype=torch.float64), rtol=1e-13, atol=0)
    total = sum(term.weight * means[term.name] for term in rows.terms)
    assert np.isclose(float(value.loss), total, rtol=1e-13)
    assert np.isclose(float(rows.residual(theta).square().sum()), total, rtol=1e-13)


@pytest.mark.parametrize("name", TEXTS)
def test_gradient_against_differences(name):
    rows = make_rows(TEXTS[name], fields(name))
    theta = rows.field.initial(1)
    gradient = rows.evaluate(theta).gradient
    for k in range(0, len(theta), 17):
        step = torch.zeros_like(theta)
        step[k] = 1e-5
        difference = float(rows.evaluate(theta + step).loss - rows.evaluate(theta - step).loss) / 2e-5
        assert abs(difference - float(gradient[k])) < 1e-7 * max(1.0, float(gradient.abs().max())), k


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("chunk", [3, 16, 50])
def test_chunks_change_nothing_but_rounding(name, chunk):
    field = fields(name)
    whole, parts = (make_rows(TEXTS[name], field, chunk=size) for size in (10**6, chunk))
    theta = field.initial(0)
    a, b = whole.evaluate(theta), parts.evaluate(theta)
    assert len(parts._loss.chunks) > len(whole._loss.chunks) == 1
    assert relative(b.loss, a.loss) < 1e-14
    assert relative(b.gradient, a.gradient) < 1e-13
    assert relative(b.losses, a.losses) < 1e-13
    assert relative(parts.residual(theta), whole.residual(theta)) < 1e-13
    assert relative(parts.linearise(theta)[1].dense(), whole.linearise(theta)[1].dense()) < 1e-12


def test_chunks_stay_small_and_cover_every_row_once():
    terms = make_terms(ODD, interior=40, surface=10)
    for limit in (5, 64, 300):
        chunks = list(pack(terms, limit))
        for number, term in enumerate(terms):
            covered = [row for pieces in chunks for p in pieces if p.term == number for row in range(p.rows.start, p.rows.stop)]
            assert covered == list(range(term.num_rows))
        for pieces in chunks:
            points = {
                origin: len(image.sites.points) for p in pieces for image, origin in zip(p.content.images, p.origins, strict=True)
            }
            assert sum(points.values()) <= max(limit, 27) or all(piece.num_rows == 1 for piece in pieces)


@pytest.mark.parametrize("name", TEXTS)
def test_jacobian_against_autograd(name):
    rows = make_rows(TEXTS[name], fields(name), weights={"walls": 4.0, "flux": 9.0}, interior=12, surface=6, chunk=20)
    theta = rows.field.initial(0)
    residual, matrix = rows.linearise(theta)
    expected = torch.autograd.functional.jacobian(rows.residual, theta)
    assert relative(residual, rows.residual(theta)) < 1e-14
    assert matrix.shape == tuple(expected.shape) == (rows.num_rows, rows.num_params)
    assert relative(matrix.dense(), expected) < 1e-13
    generator = torch.Generator().manual_seed(0)
    v, w = (torch.randn(size, dtype=torch.float64, generator=generator) for size in (rows.num_params, rows.num_rows))
    assert relative(matrix @ v, expected @ v) < 1e-13
    assert relative(matrix.transpose_apply(w), expected.T @ w) < 1e-13
    some = torch.tensor([3, 0, 7])
    assert relative(matrix.columns_of(some), expected[:, some]) < 1e-13
    assert relative(2 * matrix.transpose_apply(residual), rows.evaluate(theta).gradient) < 1e-12


def test_terms_at_the_same_points_share_one_evaluation():
    rows = make_rows(ODD, odd_field())
    (chunk,) = rows._loss.chunks
    requests = [evaluation.request for evaluation in chunk._evaluations]
    interior = [request for request in requests if ("u", ((2, 0),)) in request]
    assert len(interior) == 1
    assert {unknown for unknown, _ in interior[0]} == {"u", "v"}
    heat = make_rows(HEAT)
    assert len(heat._loss.chunks[0]._evaluations) == 2, "walls and start ask for the same jets"


def test_order_of_points_does_not_matter():
    field, order = make_field(), np.random.default_rng(0).permutation(40)
    terms = make_terms()
    turned = [make_term_again(term, order) if term.num_rows == 40 else term for term in terms]
    theta = field.initial(0)
    a, b = Rows(field, terms).evaluate(theta), Rows(field, turned).evaluate(theta)
    assert relative(b.loss, a.loss) < 1e-14
    assert relative(b.gradient, a.gradient) < 1e-13


def make_term_again(term, order):
    problem = read_problem(HEAT)
    (residual,) = [row for row in problem.residuals if row.name == term.name]
    return make_term(problem, residual, Sites(term.sites.points[order]), term.weight)


def test_weights_by_term_and_by_row():
    rows = make_rows()
    theta = rows.field.initial(0)
    heat = rows.unweighted(theta)["heat"]
    by_row = torch.linspace(0, 2, 40, dtype=torch.float64)
    for factors, expected in (({"heat": 3.0}, 3 * heat.square().mean()), ({"heat": by_row}, (by_row * heat.square()).mean())):
        other = rows.weighted(factors)
        change = other.evaluate(theta).loss - rows.evaluate(theta).loss
        assert torch.isclose(change, expected - heat.square().mean(), rtol=1e-12)
        assert torch.isclose(other.residual(theta).square().sum(), other.evaluate(theta).loss, rtol=1e-13)
        assert torch.allclose(other.evaluate(theta).losses, rows.evaluate(theta).losses, rtol=1e-14)
        matrix = torch.autograd.functional.jacobian(other.residual, theta)
        assert relative(other.linearise(theta)[1].dense(), matrix) < 1e-12
    assert float(rows.weighted({}).evaluate(theta).loss) == float(rows.evaluate(theta).loss)


def test_bad_weights():
    with pytest.raises(BadInput, match="weights unknown term 'wals'; terms: heat, initial, walls; did you mean 'walls'"):
        make_rows().weighted({"wals": 2.0})
    with pytest.raises(BadInput, match="weights.heat must be at least 0"):
        make_rows().weighted({"heat": -1.0})
    with pytest.raises(BadInput, match="no terms"):
        Rows(make_field(), [])


def test_a_residual_that_does_not_depend_on_the_field():
    problem = read_problem(HEAT)
    constant = replace(problem.equations[0], tree=Call("-", (Name("x"), Name("t"))))
    points = np.random.default_rng(0).uniform(size=(9, 2))
    rows = Rows(make_field(), [make_term(problem, constant, Sites(points))])
    value = rows.evaluate(rows.field.initial(0))
    assert np.isclose(float(value.loss), np.mean((points[:, 0] - points[:, 1]) ** 2))
    assert not value.gradient.any()
    assert not rows.linearise(rows.field.initial(0))[1].dense().any()


def test_single_precision():
    rows = make_rows(ODD, odd_field(precision="float32"))
    theta = rows.field.initial(0)
    value = rows.evaluate(theta)
    assert {theta.dtype, value.loss.dtype, value.gradient.dtype, value.losses.dtype} == {torch.float32}
    double = make_rows(ODD, odd_field()).evaluate(theta.double())
    assert abs(float(value.loss) / float(double.loss) - 1) < 1e-4


def test_where_it_is_not_finite():
    text = {**HEAT, "equations": {"heat": "u_t = 0.4*u_xx + log(u + x - 0.5)"}}
    rows = make_rows(text)
    points = rows.terms[0].sites.points
    name, point = rows.locate(torch.zeros(rows.num_params, dtype=torch.float64))
    assert name == "heat"
    assert np.array_equal(point, points[points[:, 0] < 0.5][0])


def test_where_the_gradient_is_not_finite():
    text = {**HEAT, "equations": {"heat": "u_t = sqrt(max(x - 0.5, 0)*u**2) + x"}}
    rows = make_rows(text)
    theta = rows.field.initial(0)
    value = rows.evaluate(theta)
    assert torch.isfinite(value.loss)
    assert not torch.isfinite(value.gradient).all()
    points = rows.terms[0].sites.points
    name, point = rows.locate(theta)
    assert name == "heat"
    assert np.array_equal(point, points[points[:, 0] < 0.5][0])
    assert make_rows().locate(theta) == ("", None)
