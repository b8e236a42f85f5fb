"""From text to residuals: names, vectors, derivatives, regions, exact and manufactured solutions."""

import numpy as np
import pytest

from pinn.problem.formulas.calculus import jets
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Jet, Name, Number
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.selectors import select

HEAT = {
    "coordinates": {"x": [0, "L"], "t": [0, 1]},
    "unknowns": ["u"],
    "constants": {"L": 1, "a": "0.4*L"},
    "equations": {"heat": "u_t = a*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-pi**2*a*t)*sin(pi*x)",
}


def with_changes(**changes):
    return {**HEAT, **changes}


def plane(**changes):
    base = {
        "coordinates": {"x": [0, 1], "y": [0, 2]},
        "unknowns": ["u"],
        "equations": {"poisson": "-laplacian(u) = 1"},
        "conditions": {"walls": {"at": "boundary", "u": 0}},
    }
    return {**base, **changes}


def test_heat_has_the_terms_a_person_expects():
    problem = read_problem(HEAT, "heat")
    assert [residual.name for residual in problem.residuals] == ["heat", "initial", "walls"]
    assert problem.time == "t" and problem.space == ("x",)
    u_t, u_xx = Jet("u", ((0, 1),)), Jet("u", ((2, 0),))
    assert set(jets(problem.equations[0].tree)) == {u_t, u_xx}
    initial, walls = problem.conditions
    assert initial.region == (Piece((("t", 0.0),), None, None, ("x",)),)
    assert [(piece.fixed, piece.outward) for piece in walls.region] == [((("x", 0.0),), ("x", -1)), ((("x", 1.0),), ("x", 1))]
    assert walls.determines == "u"
    assert problem.order("u", "x") == 2 and problem.order("u", "t") == 1
    assert problem.is_linear and not problem.warnings


def test_exact_values_are_derivatives_of_the_formula():
    problem = read_problem(HEAT)
    points = np.random.default_rng(0).uniform(0, 1, (20, 2))
    x, t = points.T
    u = np.exp(-0.4 * np.pi**2 * t) * np.sin(np.pi * x)
    values = problem.exact_values((("u", ((0, 0),)), ("u", ((0, 1),)), ("u", ((0, 2), (2, 0)))), points)
    expected = np.stack([u, -0.4 * np.pi**2 * u, ((0.4 * np.pi**2) ** 2 - np.pi**2) * u], axis=1)
    np.testing.assert_allclose(values, expected, rtol=1e-13)


def test_laplacian_of_an_unknown_stays_one_operator():
    (equation,) = read_problem(plane()).equations
    assert jets(equation.tree) == (Jet("u", ((0, 2), (2, 0))),)
    (plate,) = read_problem(
        plane(
            equations={"plate": "laplacian(laplacian(u)) = 1"},
            conditions={"walls": {"at": "boundary", "u": 0, "u_n": 0}},
        )
    ).equations
    assert jets(plate.tree) == (Jet("u", ((0, 4), (2, 2), (2, 2), (4, 0))),)


def test_vectors_act_by_component():
    problem = read_problem(
        {
            "coordinates": {"x": {"range": [0, 1], "dimension": 3}},
            "unknowns": ["u"],
            "constants": {"k": [1, 2, "3"]},
            "equations": {"poisson": "-laplacian(u) = sum(k**2*pi**2*sin(k*pi*x))"},
            "conditions": {"walls": {"at": "boundary", "u": "exact"}},
            "exact": "sum(sin(k*pi*x))",
        }
    )
    assert problem.names == ("x1", "x2", "x3")
    assert len(problem.conditions[0].region) == 6


def test_systems_use_dot_grad_and_div():
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1], "y": [0, 1]},
            "unknowns": ["u", "v", "p"],
            "define": {"w": "(u, v)"},
            "equations": {
                "x_momentum": "dot(w, grad(u)) + p_x = laplacian(u)",
                "y_momentum": "dot(w, grad(v)) + p_y = laplacian(v)",
                "continuity": "div(w) = 0",
            },
            "conditions": {"walls": {"at": "boundary", "u": 0, "v": 0}, "gauge": "mean(p) = 0"},
        }
    )
    names = [residual.name for residual in problem.residuals]
    assert names == ["x_momentum", "y_momentum", "continuity", "walls.u", "walls.v", "gauge"]
    assert set(jets(problem.equations[2].tree)) == {Jet("u", ((1, 0),)), Jet("v", ((0, 1),))}
    gauge = problem.conditions[-1]
    assert gauge.region[0].free == ()


def test_periodic_rows_compare_both_faces():
    problem = read_problem(
        with_changes(conditions={"initial": HEAT["conditions"]["initial"], "wrap": {"periodic": "x"}}, exact=None)
    )
    value, slope = problem.conditions[1:]
    assert [value.name, slope.name] == ["wrap.u", "wrap.u_x"] and value.kind == "periodic"
    assert {jet.image for jet in jets(slope.tree)} == {(("x", Number(0.0)),), (("x", Number(1.0)),)}
    assert problem.periodic == ("x",)


def test_conditions_without_a_region_hold_along_the_coordinates_left_free():
    conditions = {"walls": {"at": "boundary", "u": 0}, "line": "u(x=0.5) = y*(2 - y)", "point": "u_x(x=0.5, y=1) = 0"}
    problem = read_problem(plane(conditions=conditions))
    assert [residual.region[0].free for residual in problem.conditions[1:]] == [("y",), ()]


def test_selectors_choose_faces_and_parts_of_faces():
    conditions = {
        "lid": {"at": "y = 2", "u": 1},
        "rest": {"at": "boundary and not y = 2 and not (x = 1 and y > 1)", "u": 0},
        "open": {"at": "x = 1 and y > 1", "u_n": 0},
    }
    problem = read_problem(plane(conditions=conditions))
    lid, rest, part = (residual.region for residual in problem.conditions)
    assert [piece.fixed for piece in lid] == [(("y", 2.0),)]
    assert [piece.fixed for piece in rest] == [(("x", 0.0),), (("x", 1.0),), (("y", 0.0),)]
    points = np.array([[1.0, 0.5], [1.0, 1.5]])
    assert rest[1].keeps(points, problem.names).tolist() == [True, False]
    assert part[0].keeps(points, problem.names).tolist() == [False, True]


def test_normals_of_formulas_and_definitions():
    problem = read_problem(plane(define={"flux": "-2*u_n"}, conditions={"walls": {"at": "boundary", "flux + n_x*u": "3", "u": 0}}))
    assert problem.conditions[0].name == "walls.flux+n_x*u"


def test_manufactured_forcing_makes_the_exact_solution_solve():
    problem = read_problem(
        plane(exact="sin(pi*x)*y*(2 - y)", manufactured=True, equations={"nonlinear": "-laplacian(u) + u**3 = 0"})
    )
    points = np.random.default_rng(1).uniform(0, 1, (30, 2))
    (tree,) = [problem.equations[0].tree]
    values = {Name(name): points[:, axis] for axis, name in enumerate(problem.names)}
    for jet in jets(tree):
        values[jet] = problem.exact_values(((jet.unknown, jet.operator),), points)[:, 0]
    assert np.abs(Program([tree])(values)[0]).max() < 1e-13


def test_exact_formulas_may_use_other_exact_unknowns():
    problem = read_problem(
        {
            "coordinates": {"x": [0, 1]},
            "unknowns": ["q", "u"],
            "equations": {"flux": "q = 2*u_x", "balance": "-q_x = 2*pi**2*sin(pi*x)"},
            "conditions": {"ends": {"at": "boundary", "u": 0}},
            "exact": {"q": "2*u_x", "u": "sin(pi*x)"},
        }
    )
    assert not jets(problem.exact["q"])


def test_the_solution_may_be_written_in_python_numbers():
    a = read_problem(HEAT)
    b = read_problem({**HEAT, "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0.0}}})
    assert a.residuals == b.residuals


NAMES = Namespace(coordinates=("x", "t"), time="t", box={"x": (0.0, 1.0), "t": (0.0, 1.0)}, unknowns={"u": ("x", "t")})

REFUSED = [
    (with_changes(equations={"heat": "u_t = k*u_xx"}), "problem: equations.heat: unknown name 'k'; known: L, a, t, u, x"),
    (with_changes(equations={"heat": "u_t = a*uxx"}), "problem: equations.heat: unknown name 'uxx'; did you mean 'u_xx'?"),
    (with_changes(equations={"heat": "u_t = a*u_xz"}), "problem: equations.heat: 'u_xz': no coordinate 'xz'; did you mean 'u_x'?"),
    (
        with_changes(equations={"heat": "u_t = u_xxxxxxx"}),
        "problem: equations.heat: 'u_xxxxxxx' is a derivative of order 7; the limit is 4",
    ),
    (with_changes(equations={"heat": "u_t = a_x*u_xx"}), "problem: equations.heat: 'a_x': a constant has no derivative"),
    (
        with_changes(equations={"heat": "u_n = a"}),
        "problem: equations.heat: 'u_n' uses the normal n, which exists only in conditions",
    ),
    (with_changes(equations={"heat": "a = x"}), "problem: equations.heat: the equation does not contain an unknown"),
    (with_changes(unknowns=["u", "v"], exact=None), "problem: equations: 2 unknowns (u, v) need 2 equations, got 1"),
    (with_changes(equation={}), "problem: unknown key 'equation'; did you mean 'equations'?"),
    (with_changes(data={"d": 1}), "problem: data.d: observations are written {file: ...}, or {points: ..., u: values}"),
    (
        with_changes(coordinates={"x": [1, 0], "t": [0, 1]}),
        "problem: coordinates.x: the lower bound must be below the upper bound, got [1, 0]",
    ),
    (with_changes(coordinates={"x": [0, "1/0"], "t": [0, 1]}), "problem: coordinates.x: '1/0' is not a finite number"),
    (with_changes(constants={"L": 1, "a": "b", "b": "a"}), "problem: constants.a: constant 'a' is defined by itself: a -> b -> a"),
    (with_changes(constants={"L": 1, "a": 0.4, "nuu": 1}), "problem: constants.nuu: constant 'nuu' is never used"),
    (with_changes(unknowns=["n"]), "problem: the name 'n' is reserved for the outward normal; call it m or ne"),
    (
        with_changes(constants={"L": 1, "a": 0.4, "u_x": 1}),
        "problem: constants: the name 'u_x' reads as the derivative of 'u' along x",
    ),
    (with_changes(constants={"L": 1, "a": 0.4, "x": 1}), "problem: constants: the name 'x' is already declared in coordinates"),
    (with_changes(exact="sin(pi*x)"), "problem: exact: does not satisfy 'heat': left minus right is "),
    (
        with_changes(conditions={"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "left": {"at": "x = 0", "u": 0}}),
        "problem: conditions: no condition for u on x = 1; add one, or say free: u",
    ),
    (
        with_changes(conditions={"walls": {"at": "boundary", "u": 0}}),
        "problem: conditions: the equations are of first order in t: a start value of u",
    ),
    (
        with_changes(equations={"wave": "u_tt = u_xx"}, exact=None),
        "problem: conditions: the equations are of second order in t: a start value of u_t is needed",
    ),
    (
        with_changes(conditions={**HEAT["conditions"], "left": {"at": "x = 0", "u": 0}}),
        "problem: conditions.left: u has two value conditions on x = 0: 'walls' and 'left'",
    ),
    (
        plane(conditions={"walls": {"at": "boundary", "u_n": 0}}),
        "problem: conditions: u is determined up to a constant; add for instance gauge: mean(u) = 0",
    ),
    (
        plane(conditions={"walls": {"at": "x = 0.5", "u": 0}}),
        "problem: conditions.walls.at: 'x = 0.5' is not a face, x runs from 0 to 1",
    ),
    (
        plane(conditions={"walls": {"at": "x = 0 and y = 0", "u": 0}}),
        "problem: conditions.walls.at: the selector 'x = 0 and y = 0' chooses no face",
    ),
    (plane(conditions={"walls": {"at": "top", "u": 0}}), "problem: conditions.walls.at: 'top' is not a surface"),
    (plane(conditions={"walls": {"u": 0}}), "problem: conditions.walls: no region: add at:"),
    (
        plane(conditions={"walls": {"at": "boundary", "u": 0}, "p": "u(x=3) = 0"}),
        "problem: conditions.p: x=3 lies outside the domain",
    ),
    (plane(conditions={"wrap": {"periodic": "z"}}), "problem: conditions.wrap: 'z' is not a space coordinate"),
    (plane(equations={"poisson": "u_xx + sqrt(x - 0.5) = 0"}), "problem: equations.poisson: not a finite number at x="),
    (
        plane(equations={"poisson": "diff(where(x > 0.5, u, 2*u), x) = 0"}),
        "problem: equations.poisson: the derivative along x of where(...)",
    ),
    (
        plane(equations={"poisson": "dot((1, 2), (1, 2, 3))*u_xx = 0"}),
        "problem: equations.poisson: dot needs two vectors of equal length",
    ),
    (plane(equations={"poisson": "(1, 2)*u_xx = 0"}), "problem: equations.poisson: a number is needed here"),
    (plane(define={"a": "b", "b": "a"}, equations={"p": "u_xx = a"}), "problem: define.a: definition 'a' refers to itself"),
    (plane(manufactured=True), "problem: equations.poisson: manufactured: true needs an exact formula for u"),
    (with_changes(constants={"L": 1, "a": "b", "b": "1/0"}), "problem: constants.b: '1/0' is not a finite number"),
    (with_changes(constants={"L": 1, "a": ["b", 1], "b": "c + 1"}), "problem: constants.b: unknown name 'c'"),
    (
        plane(unknowns=[{"u": {"scale": 1}}]),
        "problem: unknowns: must be a list of names, or a mapping of names to settings, got [{'u'",
    ),
    (plane(unknowns={"u": {"of": 1}}), "problem: unknowns.u: of must be a list of coordinates, [] for a number, got 1"),
    (
        plane(coordinates={"x": [0, 1], "y": {"dimension": 2}}),
        "problem: coordinates.y: a range is a list of two numbers, [low, high], got nothing",
    ),
    (
        plane(conditions={"walls": {"at": ["x = 0"], "u": 0}}),
        "problem: conditions.walls.at: a selector is text such as boundary or x = 0, got ['x = 0']",
    ),
    (
        plane(conditions={"wrap": {"periodic": {"x": 1}}}),
        "problem: conditions.wrap: must be a name or a list of names, got {'x': 1}",
    ),
    (
        plane(conditions={"open": {"at": "boundary", "free": {"u": 1}}}),
        "problem: conditions.open: must be a name or a list of names, got {'u': 1}",
    ),
    (plane(quantities=0), "problem: quantities: must be a mapping of names to formulas, got 0"),
    (plane(manufactured=""), "problem: manufactured: must be true or false, got ''"),
    (plane(coordinates={"x": (0, np.nan), "y": [0, 2]}), "problem.coordinates.x.1 must be a finite number, got nan"),
    (plane(time="s"), "problem: time: 's' is not a coordinate"),
    (plane(unknowns={"u": {"of": []}}), "problem: unknowns: at least one unknown must be a function of coordinates"),
    (
        plane(equations={"poisson": "u_xx + max(1j*u, 0) = 0"}),
        "problem: equations.poisson: 'max' is not defined for complex values",
    ),
]


@pytest.mark.parametrize("text, message", REFUSED)
def test_refusals_name_the_place_and_the_remedy(text, message):
    with pytest.raises(BadInput) as caught:
        read_problem(text)
    assert str(caught.value).startswith(message)


ODD = [
    None,
    True,
    0,
    1.5,
    "",
    "x",
    "u",
    "n",
    "1/0",
    "1j",
    "t = 0",
    [],
    {},
    [[]],
    [{}],
    {"a": {}},
    ["u", "u"],
    [1, 0],
    {1: 2},
    b"x",
    {"dimension": 2},
]
RICH = with_changes(
    constants={"L": 1, "a": "0.4*L", "v": [1, 2]},
    define={"f": "sum(v)*x"},
    unknowns={"u": {"scale": 1, "of": ["x", "t"]}},
    conditions={**HEAT["conditions"], "walls": {"at": "x = 0", "u": "exact"}, "open": {"at": "x = L", "free": ["u"]}},
    manufactured=True,
    quantities={"m": "mean(f*u)"},
    units={"x": "m"},
)


def places(value, above=()):
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*above, key))


def replaced(value, place, odd):
    if not place:
        return odd
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], odd)
    return copy


@pytest.mark.parametrize("place", list(places(RICH)))
def test_odd_values_are_refused_or_understood(place):
    read_problem(RICH)
    for odd in ODD:
        try:
            read_problem(replaced(RICH, place, odd))
        except BadInput as error:
            assert str(error)


def test_tuples_and_arrays_count_as_lists():
    text = with_changes(
        coordinates={"x": (0, "L"), "t": np.array([0.0, 1.0])},
        unknowns=("u",),
        constants={"L": np.int64(1), "a": np.float64(0.4), "v": ((1, 2), (3, 4))},
        equations={"heat": "u_t = a*u_xx + 0*sum(sum(v))"},
        conditions={"initial": HEAT["conditions"]["initial"], "open": {"at": "boundary", "free": ("u",)}},
    )
    problem = read_problem(text)
    assert [(x.low, x.high) for x in problem.coordinates] == [(0.0, 1.0), (0.0, 1.0)]
    assert problem.source["coordinates"] == {"x": [0, "L"], "t": [0.0, 1.0]}
    assert problem.source["constants"] == {"L": 1, "a": 0.4, "v": [[1, 2], [3, 4]]}
    assert read_problem(problem.source) == problem
    assert read_problem(plane(conditions={"wrap": {"periodic": ("x", "y")}, "level": "mean(u) = 0"})).periodic == ("x", "y")


def test_a_problem_does_not_change_with_the_mapping_it_was_made_of():
    text = with_changes(units={"x": "m"})
    problem = read_problem(text)
    text["units"]["x"] = "km"
    assert problem.source["units"] == {"x": "m"}


def test_a_selector_may_choose_walls_and_times():
    def fixed(selector):
        text = with_changes(conditions={"given": {"at": selector, "u": "exact"}, "rest": {"at": "boundary or t = 0", "u": "exact"}})
        with pytest.raises(BadInput, match="two value conditions"):  # both hold somewhere; `given` is read first
            read_problem(text)
        return {piece.fixed for piece in select(selector, NAMES)}

    assert fixed("x = 0 or t = 0") == {(("x", 0.0),), (("t", 0.0),)}
    assert fixed("boundary or t = 0") == {(("x", 0.0),), (("x", 1.0),), (("t", 0.0),)}
    assert fixed("t = 0 or 1 = t or t = 0") == {(("t", 0.0),), (("t", 1.0),)}
    (part,) = select("t = 0 and x < 0.5", NAMES)
    assert part.fixed == (("t", 0.0),) and str(part.cut) == "x < 0.5"


def test_two_readings_of_a_derivative_are_refused():
    text = {
        "coordinates": {"t": [0, 1], "a": [0, 1], "ta": [0, 1]},
        "time": None,
        "unknowns": ["u"],
        "equations": {"one": "u_ta = 0"},
    }
    with pytest.raises(BadInput, match=r"'u_ta' can be read in 2 ways; write diff\(u, t, a\) or diff\(u, ta\)"):
        read_problem(text)


def test_differing_corner_values_are_a_warning():
    problem = read_problem(
        with_changes(exact=None, conditions={"initial": {"at": "t = 0", "u": 1}, "walls": {"at": "boundary", "u": 0}})
    )
    assert problem.warnings[0] == "'initial' and 'walls' differ by 1 at t=0, x=0; expect an error there"


def test_polar_coordinates_are_warned_of():
    text = plane(coordinates={"r": [1, 2], "theta": [0, 1]}, equations={"laplace": "laplacian(u) = 1"})
    assert "Cartesian" in read_problem(text).warnings[0]
