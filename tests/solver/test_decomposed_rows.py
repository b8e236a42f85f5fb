"""Rows of fields with a network in every cell: gradients, Jacobians, stages, chunks, and going on after a break."""

import pytest
import torch
from stand_in import HEAT, ODD, check_going_on, make_rows

from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts, Windows
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.solver.adam import Adam
from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.lbfgs import LBFGS
from pinn.solver.self_scaled_broyden import SelfScaledBroyden

WAYS = {
    "windows": Windows(cells=3),
    "levels": Windows(cells=4, levels=2),
    "slopes": Cuts(cells=2),
    "residual": Cuts(cells=2, match="residual"),
}


def field(way, text=HEAT, **options):
    return DecomposedField(MLP(width=4, depth=2), read_problem(text), WAYS[way], **options)


@pytest.mark.parametrize("text", [HEAT, ODD], ids=["heat", "odd"])
@pytest.mark.parametrize("way", WAYS)
def test_gradient_and_jacobian_are_those_of_reverse_passes(way, text):
    """The problems have integrals, periodic rows and looks elsewhere, so that rows read several cells."""
    rows = make_rows(text, field(way, text), interior=25, surface=12)
    theta = rows.field.initial(2)
    leaf = theta.clone().requires_grad_(True)
    residual = rows.residual(leaf)
    expected = torch.stack([torch.autograd.grad(row, leaf, retain_graph=True)[0] for row in residual])
    value = rows.evaluate(theta)
    torch.testing.assert_close(value.loss, residual.detach().square().sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(value.gradient, 2 * expected.T @ residual.detach(), rtol=1e-9, atol=1e-9)
    found, jacobian = rows.linearise(theta)
    torch.testing.assert_close(found, residual.detach(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(jacobian.dense(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("chunk", [4096, 5])
def test_rows_on_faces_are_jumps_between_networks(chunk):
    rows = make_rows(HEAT, field("slopes"), interior=25, surface=12, chunk=chunk)
    theta, stack = rows.field.initial(2), rows.field.levels[0].stack
    residuals = rows.unweighted(theta)
    for term in rows.terms:
        if term.name in ("interfaces.u at x", "interfaces.u at t"):
            points, normals, cover = term.sites.points, term.sites.normals, rows.field.levels[0].cover
            cells = [cover.owner(points, sign * normals) for sign in (-1, 1)]
            sides = [stack.at(points, side, (("u", ((0, 0),)),)).jets(theta)[:, 0] for side in cells]
            torch.testing.assert_close(residuals[term.name], sides[0] - sides[1], rtol=1e-11, atol=1e-13)
            assert residuals[term.name].abs().min() > 0


@pytest.mark.parametrize("way", WAYS)
def test_chunks_change_nothing_but_rounding(way):
    whole, parts = (make_rows(HEAT, field(way), interior=60, surface=20, chunk=chunk) for chunk in (4096, 7))
    theta = whole.field.initial(0)
    first, second = whole.evaluate(theta), parts.evaluate(theta)
    torch.testing.assert_close(first.gradient, second.gradient, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("way", ["levels", "slopes"])
@pytest.mark.parametrize(
    "stage",
    [Adam(steps=9, warm_up=3), LBFGS(steps=9), SelfScaledBroyden(steps=9), GaussNewton(steps=9)],
    ids=lambda stage: type(stage).__name__,
)
def test_every_kind_of_stage_goes_on_to_the_last_bit(way, stage):
    end = check_going_on(stage, "float64", 5, 3 if stage.resampling == "any step" else None, field(way))
    assert end.loss < 1e3
