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
from pinn.problem.terms import make_term

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
        left, right = (field.levels[0].cover.owner(here.points, sign * here.normals) for sign in (-1, 1))
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
    assert np.bincount(field.levels[0].cover.owner(first.points, first.normals)).tolist() == [0, 16, 48]
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


RIMMED = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "unknowns": ["u"], "shapes": {"left": "x < 0.3"}, "interfaces": ["left"],
    "define": {"k": "where(left, 2, 5)"}, "equations": {"heat": "div(k*grad(u)) = 1"},
    "conditions": {"walls": {"at": "boundary", "u": 0}, "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": "y"}},
}  # fmt: skip


@pytest.mark.parametrize(("cells", "edges"), [(1, [0.3]), ({"x": 4}, [0.3, 0.3 + 0.7 / 3, 0.3 + 1.4 / 3]), ({"y": 2}, [0.3])])
def test_cells_end_at_the_interfaces_of_the_problem(cells, edges):
    boxes = make(text=RIMMED, cells=cells).levels[0].cover.boxes
    np.testing.assert_allclose(np.unique(boxes[:, 0]), [0, *edges, 1])


def test_on_its_interfaces_the_problem_itself_says_what_holds():
    assert make(text=RIMMED, cells=1).interfaces == {}
    field = make(text=RIMMED, cells={"x": 4}, match="flux")
    assert [row.name for row in field.interfaces] == ["interfaces.u", "interfaces.flux of heat"]
    sites = field.draw_interfaces(Points(surface=64), 0, 0)["interfaces.u"]
    assert not (sites.points[:, 0] == 0.3).any() and len(np.unique(sites.points[:, 0])) == 2


def test_jumps_at_an_interface_are_between_the_networks_of_both_regions():
    field = make(text=RIMMED, cells=1)
    theta, problem = field.initial(3), field.problem
    sites = Points(surface=16).draw(problem, 0)["joint.jump(k*u_n)"]
    below, above = (sides(field, theta, sites.points, np.full(len(sites.points), cell)) for cell in (0, 1))
    for row, expected in (
        (problem.conditions[1], above[0] - below[0]),
        (problem.conditions[2], 5 * above[1] - 2 * below[1] - sites.points[:, 1]),
    ):
        term = make_term(problem, row, sites)
        found = term.evaluate([field.at(*image).jets(theta).numpy() for image in term.images])
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert np.abs(found).min() > 1e-3


def test_boxes_end_at_interfaces():
    with pytest.raises(BadInput, match="a box crosses the interface x = 0.3; end it there"):
        make(text=RIMMED, boxes=({"x": [0, 0.5]}, {"x": [0.5, 1]}))
