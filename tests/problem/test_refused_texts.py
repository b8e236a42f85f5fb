"""What a text may not say: the complaint names the place and the remedy, whatever stands there."""

import numpy as np
import pytest
from language_texts import HEAT, plane, with_changes

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

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
    (plane(shapes={"left": "x < mean(y)"}), "problem: shapes.left: a shape or a selector cannot hold an integral; write its value"),
    (
        plane(shapes={"hole": {"ball": {"center": [0.5, 1], "radius": "mean(x)/2"}}}),
        "problem: shapes.hole: a shape or a selector cannot hold an integral",
    ),
    (
        plane(conditions={"walls": {"at": "boundary and y < mean(y)", "u": 0}}),
        "problem: conditions.walls.at: a shape or a selector cannot hold an integral",
    ),
    (plane(conditions={"walls": {"at": "x = 2*mean(x)", "u": 0}}), "problem: conditions.walls.at: a shape or a selector cannot"),
    (plane(constants={"k": "mean(1)"}), "problem: constants.k: 'mean(1)' is not a finite number made of constants"),
    (
        plane(equations={"poisson": "laplacian(u) = integral(u*integral(u))"}),
        "problem: equations.poisson: an integral inside an integral is not supported yet",
    ),
    (
        plane(
            shapes={"hole": {"ball": {"center": [0.5, 1], "radius": 0.2}}},
            domain="not hole",
            conditions={"walls": {"at": "boundary", "u": 0}, "rim": {"at": "hole", "u": 1}},
        ),
        "problem: conditions.rim: u has two value conditions on one surface: 'walls' and 'rim'",
    ),
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


def test_two_readings_of_a_derivative_are_refused():
    text = {
        "coordinates": {"t": [0, 1], "a": [0, 1], "ta": [0, 1]},
        "time": None,
        "unknowns": ["u"],
        "equations": {"one": "u_ta = 0"},
    }
    with pytest.raises(BadInput, match=r"'u_ta' can be read in 2 ways; write diff\(u, t, a\) or diff\(u, ta\)"):
        read_problem(text)
