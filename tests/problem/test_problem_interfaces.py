"""Bodies and interfaces in the text of a problem: rims, selectors, jumps, formulas on both sides, equations on parts."""

import numpy as np
import pytest

from pinn.problem.formulas.sides import INSIDE, OUTSIDE
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import sample_region
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term

TEXT = {
    "coordinates": {"x": [-1, 1], "y": [0, 2]},
    "unknowns": ["u"],
    "shapes": {"left": "x < 0.25"},
    "interfaces": ["left"],
    "define": {"k": "where(left, 2 + y, 7)"},
    "equations": {"conduction": "div(k*grad(u)) = 0"},
    "conditions": {"walls": {"at": "boundary", "u": 0}, "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": "y"}},
}
BLOCK = "x > -0.5 and x < 0.25 and y > 0.5 and not y > 1.5"


def problem(**changes):
    return read_problem({**TEXT, **changes})


def block(**changes):
    return problem(shapes={"left": BLOCK}, **changes)


def test_the_rim_of_a_half_is_a_line_with_its_normal_out_of_it():
    (piece,) = problem().interfaces
    assert piece.fixed == (("x", 0.25),) and piece.outward == ("x", 1) and piece.cut is None and piece.free == ("y",)
    assert piece.is_inner and not piece.is_wall
    (other,) = problem(shapes={"left": "0.25 < x"}).interfaces
    assert other.outward == ("x", -1)
    assert problem().planes == ((0, 0.25),)


def test_the_rim_of_a_block_has_four_sides_and_normals_point_out():
    rim = block().interfaces
    assert {(piece.fixed, piece.outward) for piece in rim} == {
        ((("x", -0.5),), ("x", -1)), ((("x", 0.25),), ("x", 1)), ((("y", 0.5),), ("y", -1)), ((("y", 1.5),), ("y", 1)),
    }  # fmt: skip
    sites = sample_region(block(), rim, "rim", 100)
    inside = (np.abs(sites.points[:, 0] + 0.125) <= 0.375) & (np.abs(sites.points[:, 1] - 1) <= 0.5)
    assert inside.all() and len(sites.points) > 100
    outwards = np.einsum("ij,ij->i", sites.normals, sites.points - [-0.125, 1.0])
    assert (outwards > 0).all()


def test_checkers_have_normals_that_change_sides():
    rim = problem(shapes={"left": "x < 0 and y < 1 or x > 0 and y > 1"}).interfaces
    assert len(rim) == 4
    at_the_line = [piece for piece in rim if piece.fixed == (("x", 0.0),)]
    points = np.array([[0.0, 0.5], [0.0, 1.5]])
    kept = {piece.outward: piece.keeps(points, ("x", "y")).tolist() for piece in at_the_line}
    assert kept == {("x", 1): [True, False], ("x", -1): [False, True]}


def test_a_body_that_reaches_the_walls_has_no_rim_there():
    assert [piece.fixed for piece in problem(shapes={"left": "x < 0.25 and y > -3"}).interfaces] == [(("x", 0.25),)]


@pytest.mark.parametrize(
    ("at", "fixed"),
    [
        ("interfaces", [("x", 0.25)]),
        ("x = 0.25", [("x", 0.25)]),
        ("left", [("x", -1.0), ("y", 0.0), ("y", 2.0), ("x", 0.25)]),
        ("left and boundary", [("x", -1.0), ("y", 0.0), ("y", 2.0)]),
        ("y = 0 and left", [("y", 0.0)]),
        ("y = 0 and not left", [("y", 0.0)]),
        ("boundary and not left", [("x", 1.0), ("y", 0.0), ("y", 2.0)]),
    ],
)
def test_selectors_know_bodies(at, fixed):
    joint = {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": 0}
    found = problem(conditions={"walls": {"at": "boundary", "u": 0}, "joint": joint, "more": {"at": at, "u_x": 0}})
    region = [row for row in found.conditions if row.condition == "more"]
    pieces = list(dict.fromkeys(piece for row in region for piece in row.region))
    assert sorted(piece.fixed[0] for piece in pieces) == sorted(fixed)
    for piece in pieces:
        if piece.cut is not None:
            points = np.array([[-0.3, 0.0], [0.6, 0.0]])
            assert piece.keeps(points, ("x", "y")).tolist() == ([False, True] if "not" in at else [True, False])


def two_sided(term, inner, outer):
    """The jets of a function that is one thing below the interface and another above."""
    columns = []
    for sites, request in term.images:
        below = sites.side[:, 0] < 0
        assert below.all() or not below.any()
        functions = inner if below.all() else outer
        columns.append(np.stack([functions[operator](*sites.points.T) for _, operator in request], axis=1))
    return columns


JETS_BELOW = {((0, 0),): lambda x, y: x + y, ((1, 0),): lambda x, y: 1 + y, ((0, 1),): lambda x, y: 100 + x}
JETS_ABOVE = {((0, 0),): lambda x, y: 5 * y, ((1, 0),): lambda x, y: 3 + x, ((0, 1),): lambda x, y: 200 + x}


@pytest.mark.parametrize(("shape", "sign"), [("x < 0.25", 1), ("x >= 0.25", -1)])
def test_jumps_are_outside_minus_inside_with_the_coefficients_of_each_side(shape, sign):
    found = problem(shapes={"left": shape}, define={"k": "where(left, 2 + y, 7)"})
    value, flux = found.conditions[1:]
    assert (value.name, flux.name) == ("joint.jump(u)", "joint.jump(k*u_n)")
    sites = Points(surface=16).draw(found, 0)[value.name]
    x, y = sites.points.T
    np.testing.assert_array_equal(x, 0.25)
    term = make_term(found, value, sites)
    np.testing.assert_allclose(term.evaluate(two_sided(term, JETS_BELOW, JETS_ABOVE)), sign * (5 * y - (x + y)))
    k_below, k_above = (2 + y, 7) if sign > 0 else (7, 2 + y)
    term = make_term(found, flux, sites)
    expected = sign * (k_above * sign * (3 + x) - k_below * sign * (1 + y)) - y
    np.testing.assert_allclose(term.evaluate(two_sided(term, JETS_BELOW, JETS_ABOVE)), expected)


def test_a_condition_that_names_no_side_holds_on_both():
    conditions = {**TEXT["conditions"], "cooled": {"at": "interfaces", "k*u_n": "3*u"}}
    rows = {row.name: row for row in problem(conditions=conditions).conditions}
    assert {f"cooled.{INSIDE}", f"cooled.{OUTSIDE}"} < set(rows)
    sites = Points(surface=8).draw(problem(conditions=conditions), 0)[f"cooled.{INSIDE}"]
    y = sites.points[:, 1]
    for side, k, functions in ((INSIDE, 2 + y, JETS_BELOW), (OUTSIDE, 7, JETS_ABOVE)):
        term = make_term(problem(conditions=conditions), rows[f"cooled.{side}"], sites)
        u, u_x = (functions[index](*sites.points.T) for index in (((0, 0),), ((1, 0),)))
        np.testing.assert_allclose(term.evaluate(two_sided(term, JETS_BELOW, JETS_ABOVE)), k * u_x - 3 * u)


def test_points_that_say_where_they_are_seen_from_have_the_coefficient_of_that_side():
    found = problem()
    points = np.array([[0.25, 1.0], [0.25, 1.0], [0.0, 1.0]])
    side = np.array([[-1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    term = make_term(found, found.equations[0], Sites(points, side=side))
    ((_, request),) = term.images
    laplacian = np.array([[float(sum(index) == 2) for _, (index, *_) in request]] * 3)
    np.testing.assert_allclose(term.evaluate([laplacian]) / laplacian.sum(axis=1), [3.0, 7.0, 3.0])


def test_exact_formulas_are_seen_from_both_sides():
    found = problem(
        define={"k": "where(left, 1, 10)"}, exact="where(left, x - 0.25, (x - 0.25)/10)",
        conditions={"walls": {"at": "boundary", "u": "exact"}, "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": 0}},
    )  # fmt: skip
    at, slope = np.array([[0.25, 1.0]] * 2), (("u", ((1, 0),)),)
    np.testing.assert_allclose(found.exact_values(slope, at, np.array([[-1.0, 0], [1.0, 0]]))[:, 0], [1.0, 0.1])


def test_a_wrong_jump_is_noticed_in_the_exact_solution():
    with pytest.raises(BadInput, match="exact: does not satisfy 'joint.jump\\(k\\*u_n\\)'"):
        problem(
            define={"k": "where(left, 1, 9)"}, exact="where(left, x - 0.25, (x - 0.25)/10)",
            conditions={"walls": {"at": "boundary", "u": "exact"}, "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": 0}},
        )  # fmt: skip


def test_equations_may_hold_on_parts():
    parts = {"cold": {"at": "left", "equation": "laplacian(u) = 0"}, "hot": {"at": "not left", "equation": "laplacian(u) = u"}}
    found = problem(equations=parts)
    drawn = Points(interior=64).draw(found, 0)
    assert (drawn["cold"].points[:, 0] < 0.25).all() and (drawn["hot"].points[:, 0] >= 0.25).all()
    assert len(drawn["cold"].points) == len(drawn["hot"].points) == 64
    assert not found.warnings


REFUSED = [
    ({"shapes": {"left": "x < 0.25", "hole": {"ball": 3}}}, "shapes.hole: needs its measures, for instance {ball: {center: [0, 0], radius: 1}}"),
    ({"shapes": {"left": "right", "right": "not left"}}, "shape 'left' is defined by itself: left -> right -> left"),
    ({"shapes": {"left": "boundary"}}, "interfaces: 'left' is not a shape"),
    ({"shapes": {"left": "x + 1"}}, "'x + 1' is no body; compare with < or >"),
    ({"shapes": {"left": "x < y"}}, "interfaces: an interface along 'x < y' is not supported yet; planes such as x < 0 are"),
    ({"shapes": {"left": "x < 5"}}, "interfaces: 'left' has no rim inside the domain"),
    ({"interfaces": ["lefft"]}, "interfaces: 'lefft' is not a shape; did you mean 'left'?"),
    ({"interfaces": [3]}, "interfaces: '3' is not a shape"),
    ({"interfaces": []}, "the derivative along x of where(...) drops the jump"),
    ({"define": {"k": "left + 1"}}, "define.k: 'left' is a body; it stands in where(left, a, b) and in at:"),
    ({"define": {"k": "where(x < 0, 1, 2)"}}, "the derivative along x of where(...) drops the jump"),
    ({"equations": {"a": {"at": "left", "equation": "laplacian(u) = 0"}}}, "equations: 1 unknowns (u) need 1 equations, got 0 at"),
    ({"equations": {"a": {"at": "x = 0", "equation": "laplacian(u) = 0"}}}, "an equation holds in a part of the volume"),
    ({"equations": {"a": {"at": "x > 3", "equation": "laplacian(u) = 0"}}}, "chooses no part of the domain"),
    ({"equations": {"a": {"where": "left", "equation": "laplacian(u) = 0"}}}, "written {at: selector, equation: left = right}"),
    ({"conditions": {"walls": {"at": "boundary", "u": 0}}}, "needs 2 conditions for u on the interface x = 0.25, got 0; for"),
    ({"conditions": {"walls": {"at": "boundary", "jump(u)": 0}}}, "jump(...) stands only in conditions at interfaces"),
    ({"equations": {"a": "jump(u) = 0"}}, "jump(...) stands only in conditions at interfaces"),
    ({"shapes": {"left": "x < 0.25", "u": "x < 0"}}, "the name 'u' is already declared in unknowns"),
    ({"coordinates": {"x": [-1, 1], "t": [0, 2]}, "shapes": {"left": "t < 1"}, "define": None,
      "equations": {"a": "u_t = u_xx"}}, "an interface lies in space, not at a time"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refusals(changes, message):
    with pytest.raises(BadInput) as error:
        problem(**changes)
    assert message in str(error.value)
