"""Residuals on the faces between cells: which ones there are, where their points lie, and that they see both sides."""

import numpy as np
import pytest
import torch

from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.terms import LEFT, RIGHT, make_term

BURGERS = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"burgers": "u_t + u*u_x = 0.1*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "-sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
}
VALUE, SLOPE, SECOND, RATE = (("u", (index,)) for index in ((0, 0), (1, 0), (2, 0), (0, 1)))


def make(match="slopes", text=BURGERS, **settings):
    problem = read_problem(text)
    return DecomposedField(MLP(width=5, depth=2), problem, Cuts(**{"cells": {"x": 3, "t": 2}, "match": match, **settings}))


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ("slopes", {"u at x": 0, "u_x at x": 0, "u at t": 1}),
        ("flux", {"u at x": 0, "flux of burgers at x": 0, "u at t": 1}),
        ("residual", {"u at x": 0, "burgers at x": 0, "u at t": 1}),
    ],
)
def test_what_is_continuous(match, names):
    found = {row.name.removeprefix("interfaces."): axis for row, axis in make(match).interfaces.items()}
    assert found == names


def test_names_tell_of_the_axis_where_there_are_several():
    assert [row.name for row in make(cells={"x": 2}).interfaces] == ["interfaces.u", "interfaces.u_x"]
    assert make(cells=1).interfaces == {}


@pytest.mark.parametrize("match", ["slopes", "flux", "residual"])
def test_residuals_are_jumps_between_the_networks_of_both_sides(match):
    field = make(match)
    theta = field.initial(0)
    sites = field.draw_interfaces(Points(surface=40), 0, 0)
    boxes = field.levels[0].cover.boxes
    for row, axis in field.interfaces.items():
        here = sites[row.name]
        left, right = here.columns[LEFT], here.columns[RIGHT]
        np.testing.assert_array_equal(here.points[:, axis], boxes[left, axis, 1])
        np.testing.assert_array_equal(here.points[:, axis], boxes[right, axis, 0])
        for cells in (left, right):
            assert ((boxes[cells][:, :, 0] <= here.points) & (here.points <= boxes[cells][:, :, 1])).all()
        term = make_term(field.problem, row, here)
        found = term.evaluate([field.at(*image).jets(theta).numpy() for image in term.images])
        below, above = (sides(field, theta, here.points, cells) for cells in (left, right))
        np.testing.assert_allclose(found, expected(row.name, below) - expected(row.name, above), rtol=1e-12, atol=1e-13)
        assert np.abs(found).min() > 0


def sides(field, theta, points, cells):
    """Values and derivatives of the networks of given cells."""
    request = (VALUE, SLOPE, SECOND, RATE)
    evaluation = field.levels[0].stack.at(points, cells, request)
    with torch.no_grad():
        return evaluation.jets(theta).numpy().T


def expected(name, jets):
    u, u_x, u_xx, u_t = jets
    kinds = {"u ": u, "u_x": u_x, "flux": u**2 / 2 - 0.1 * u_x, "burgers": u_t + u * u_x - 0.1 * u_xx}
    return next(value for kind, value in kinds.items() if name.removeprefix("interfaces.").startswith(kind))


def test_faces_get_points_in_proportion_to_their_area_and_anew():
    field = make(boxes=({"x": [-1, 0]}, {"x": [0, 1], "t": [0, 0.25]}, {"x": [0, 1], "t": [0.25, 1]}))
    row = next(row for row in field.interfaces if row.name == "interfaces.u at x")
    first, second = (field.draw_interfaces(Points(surface=64), 0, epoch)[row.name] for epoch in (0, 1))
    assert np.bincount(first.columns[RIGHT]).tolist() == [0, 16, 48]
    assert not np.array_equal(first.points, second.points)
    again = field.draw_interfaces(Points(surface=64), 0, 0)[row.name]
    np.testing.assert_array_equal(first.points, again.points)


def test_points_on_a_line_are_single():
    text = {
        "coordinates": {"t": [0, 1]}, "unknowns": ["u"], "equations": {"decay": "u_t = -u"},
        "conditions": {"start": {"at": "t = 0", "u": 1}},
    }  # fmt: skip
    field = make(text=text, cells=4)
    sites = field.draw_interfaces(Points(surface=64), 0, 0)["interfaces.u"]
    np.testing.assert_allclose(sites.points[:, 0], [0.25, 0.5, 0.75])


def test_a_field_with_cuts_says_where_they_are():
    field = make()
    assert field.solution(field.initial(0)).cuts.shape == (6, 2, 2)


def test_an_equation_without_a_flux_is_refused():
    text = BURGERS | {"equations": {"odd": "u_t = u_xx + u_x**2"}}
    with pytest.raises(BadInput) as caught:
        make("flux", text)
    assert caught.value.setting == "decomposition.match" and caught.value.message.startswith("'odd' has no flux along x")
