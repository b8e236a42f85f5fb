"""Bad problems: every mistake gets one line that says where it stands, what is wrong and what to write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.problem.language import load_problem, read_problem
from pinn.problem.settings import BadInput
from pinn.problem.text import read_string

PARTS = {
    "coordinates": "{x: [0, 1], t: [0, 1]}",
    "unknowns": "[u]",
    "constants": "{a: 0.4}",
    "equations": "{heat: u_t = a*u_xx}",
    "conditions": "\n  initial: {at: t = 0, u: sin(pi*x)}\n  walls: {at: boundary, u: 0}",
}
SQUARE = {"coordinates": "{x: [0, 1], y: [0, 1]}", "constants": None}
START = "\n  initial: {at: t = 0, u: 0}"


def heat(**changes):
    """The heat equation as text, with some keys changed, added or (None) left out; the equation stands on line 5."""
    parts = {**PARTS, **changes}
    return "".join(f"{key}: {value}\n" for key, value in parts.items() if value is not None)


def equation(formula, **changes):
    return heat(equations=f"\n  heat: {formula}", **changes)


def conditions(text, **changes):
    return heat(conditions=text, **changes)


def read(text):
    document = read_string(text, "my.yaml")
    return read_problem(document.mapping, "my", document.position)


def test_the_problem_that_is_spoiled_below_is_good():
    problem = read(heat())
    assert problem.warnings == () and [residual.name for residual in problem.residuals] == ["heat", "initial", "walls"]


FORMULAS = [  # the right side of an equation on line 5, and what is said about it
    ("u_t = k*u_xx + a", "unknown name 'k'; known: a, t, u, x"),
    ("u_t = a*uxx", "unknown name 'uxx'; did you mean 'u_xx'?"),
    ("u_t = a*u_xx + sinn(x)", "unknown function 'sinn'; did you mean 'sin'?"),
    ("u_t = a*u_xx + sin(x, t)", "'sin' takes 1 argument, got 2"),
    ("u_t = (a*u_xx", "'(' was never closed"),
    ("u_t = a*u_xx)", "')' was never opened"),
    ("u_t = a*u_xx + __import__('os').system('id')", "'__' is not allowed"),
    ("u_t = a*u_xx + np.sin(x)", "'np.' is not allowed: write the function alone, as in sin(x)"),
    ("u_t = a*u_xx + ln(x)", "unknown function 'ln'; write log(...)"),
    (
        "u_t = a*u_xx + integral(u, x)",
        "write integral(f) for the whole space domain, and integral(f, x, a, b) along one coordinate",
    ),
    ("du/dt = a*u_xx", "unknown name 'du'; a derivative is written u_t or diff(u, t)"),
    ("u_t = a*u_xx + x.real", "'x.r' is not allowed: dotted names are not allowed"),
    ("u_t = a*u_xx + sin(x)(t)", "only plain function calls are allowed"),
    ("u_t = a*u_xx + x[0]", "'[' is not allowed: only round brackets"),
    ("u_t = a*u_xx + x**1000", "the exponent is larger than 64"),
    ("u_t = a*u_xx" + " + x" * 1000, "the formula has 4012 characters; at most 2000 are allowed"),
    ("u_t = a*u_xx + " + "(" * 500 + "x" + ")" * 500, "brackets are nested deeper than 60"),
    ("u_t = a*u_xx + " + "-" * 1500 + "x", "the formula is nested too deep"),
    ("u_t = a*u_z", "'u_z': no coordinate 'z'; did you mean 'u_x'?"),
    ("u_t = a*u_xxxxxxx", "'u_xxxxxxx' is a derivative of order 7; the limit is 4"),
    ("u_t = a*laplacian(laplacian(u_xx))", "a derivative of u of order 6 arises; the limit is 4"),
    ("a = 1", "the equation does not contain an unknown"),
    ("u_t = a*u_xx + x^2", "'^' is not allowed: write ** for a power"),
    ("u_t = a*u_xx + 2x", "'2x' is not allowed: write * between a number and a name"),
    ("u_t = a*u_xx + x − 1", "only ASCII signs are allowed, got '−'; write -"),
    ("u_t = a*lambda*u_xx", "'lambda' is a word of Python's and cannot stand in a formula; write 'lam'"),
    ("u_t = a*u_xx + 010", "'010' is not allowed: write a plain decimal number"),
    ("u_t = a*u_xx + 1_000", "'1_000' is not allowed: write a plain decimal number"),
    ("u_t = a*u_xx + 1e400", "the number is too large for floating point"),
    ("u_t = a*u_n + u_xx", "'u_n' uses the normal n, which exists only in conditions on a surface"),
    ("u_t = a*u_xx + n_x", "'n_x' uses the normal n, which exists only in conditions on a surface"),
    ("u_t = a*u_xx + u(0)", "unknown function 'u'; a quantity elsewhere is written u(x=...)"),
    ("u_t = a*u_xx = 0", "an equation has one '='"),
    ("u_t == a*u_xx", "'==' is not allowed: write = for an equation"),
    ("u_t <= a*u_xx", "'<=' is not an equation; an inequality a >= b is written min(a - b, 0) = 0"),
    ("u_t = a*where(x = 0, 1, 2)*u_xx", "compare with < <= > >= in where(...)"),
    ("u_t = a*diff(where(x < 0.5, 1, 2)*u_x, x)", "the derivative along x of where(...) drops the jump"),
    ("u_t = a*sum((x, t) + (1, 2, 3)) + u_xx", "vectors of lengths 2 and 3 cannot be combined"),
    ("(u_t, u_x) = a*u_xx", "a number is needed here"),
    ("u_t = a*u_xx + a_x", "'a_x': a constant has no derivative"),
    ("'u_t = '", "nothing stands on the right of '='"),
    ("true", "a formula is text or a number, got true"),
    ("", "a formula is text or a number, got null"),
]


@pytest.mark.parametrize(("formula", "complaint"), FORMULAS, ids=[formula[:40] for formula, _ in FORMULAS])
def test_bad_formulas(formula, complaint):
    with pytest.raises(BadInput) as caught:
        read(equation(formula))
    assert caught.value.message.startswith(f"my.yaml line 5: equations.heat: {complaint}")
    assert "\n" not in caught.value.message
    shown, mark = caught.value.detail.splitlines()
    assert mark.strip() == "^" and len(mark) <= len(shown) + 1


def test_the_caret_stands_under_the_mistake_also_in_quotes_and_folded_lines():
    for text in [equation("u_t = a*u_xx + sinn(x)"), equation("'u_t = a*u_xx + sinn(x)'"), equation("u_t = a*u_xx\n    + sinn(x)")]:
        with pytest.raises(BadInput) as caught:
            read(text)
        shown, mark = caught.value.detail.splitlines()
        assert shown[len(mark) - 1 :].startswith("sinn")


PROBLEMS = [  # text, the start of the message
    (
        heat(coordinates="{x: [1, 0], t: [0, 1]}"),
        "my.yaml line 1: coordinates.x: the lower bound must be below the upper bound, got [1, 0]",
    ),
    (
        heat(coordinates="{x: [0, 0], t: [0, 1]}"),
        "my.yaml line 1: coordinates.x: the lower bound must be below the upper bound, got [0, 0]",
    ),
    (
        heat(coordinates="{x: [0, 1], t: [1, 0]}"),
        "my.yaml line 1: coordinates.t: the lower bound must be below the upper bound, got [1, 0]",
    ),
    (heat(coordinates="{x: [0, 1/0], t: [0, 1]}"), "my.yaml line 1: coordinates.x: '1/0' is not a finite number"),
    (heat(coordinates="{x: [0, .inf], t: [0, 1]}"), "my.yaml line 1: YAML reads .inf as inf"),
    (heat(coordinates="{x: [0, 1, 2], t: [0, 1]}"), "my.yaml line 1: coordinates.x: a range is a list of two numbers, [low, high]"),
    (heat(coordinates="{x: [0, 010], t: [0, 1]}"), "my.yaml line 1: YAML reads 010 as 8; write a plain number"),
    (heat(coordinates="{n: [0, 1], t: [0, 1]}"), "my.yaml line 1: coordinates: the name 'n' is reserved for the outward normal"),
    (heat(time="tau"), "my.yaml line 8: time: 'tau' is not a coordinate"),
    (heat(unknowns="[u, v]"), "my.yaml line 4: equations: 2 unknowns (u, v) need 2 equations, got 1"),
    (heat(unknowns="[u, no]"), "my.yaml line 2: YAML reads 'no' as false; choose another name"),
    (heat(unknowns="[u, null]"), "my.yaml line 2: YAML reads 'null' as nothing; choose another name"),
    (heat(unknowns="[u, u]"), "my.yaml line 2: unknowns: a name is listed twice: u, u"),
    (heat(unknowns="{u: {scle: 2}}"), "my.yaml line 2: unknowns.u: unknown key 'scle'; did you mean 'scale'?"),
    (heat(unknowns="{u: {scale: -1}}"), "my.yaml line 2: unknowns.u: scale must be a number greater than 0, got -1"),
    (heat(constants="{a: 0.4, aa: 2}"), "my.yaml line 3: constants.aa: constant 'aa' is never used; did you mean 'a'?"),
    (heat(constants="{a: b, b: a}"), "my.yaml line 3: constants.a: constant 'a' is defined by itself: a -> b -> a"),
    (heat(constants="{a: 0.4, x: 1}"), "my.yaml line 3: constants: the name 'x' is already declared in coordinates"),
    (heat(constants="{a: 0.4, sin: 1}"), "my.yaml line 3: constants: the name 'sin' is reserved"),
    (heat(constants="{a: 0.4, n: 1}"), "my.yaml line 3: constants: the name 'n' is reserved for the outward normal"),
    (heat(constants="{a: 0.4, u_x: 3}"), "my.yaml line 3: constants: the name 'u_x' reads as the derivative of 'u' along x"),
    (heat(constants="{a: 1e400}"), "my.yaml line 3: 1e400 is too large for a number"),
    (heat(define="{g: x + t}"), "my.yaml line 8: define.g: definition 'g' is never used"),
    (equation("u_t = a*u_xx + g + h", define="{g: h, h: g}"), "my.yaml line 9: define.g: definition 'g' refers to itself"),
    (
        heat(coordinates="{x: [0, 1], t: [0, 1], b: [0, 1], tb: [0, 1]}", equations="{heat: u_tb = a*u_xx}"),
        "my.yaml line 4: equations.heat: 'u_tb' can be read in 2 ways; write diff(u, t, b) or diff(u, tb)",
    ),
    (equation("u_t = a*u_xx + sqrt(x - 0.5)"), "my.yaml line 5: equations.heat: not a finite number at x="),
    (heat(equatons="{}"), "my.yaml line 8: unknown key 'equatons'; did you mean 'equations'?"),
    (
        heat(**{"class": "eliptic"}),
        "my.yaml line 8: class: must be one of elliptic, parabolic, hyperbolic, dispersive, flow, mechanics, ",
    ),
    (
        heat(network="{width: 64}"),
        "my.yaml line 8: unknown key 'network': a problem says what is asked; 'network' is a setting of the run",
    ),
    (
        conditions("\n  initial: {at: t = 0, u: 0, u_t: 0}\n  walls: {at: boundary, u: 0}"),
        "my.yaml line 6: conditions.initial: the equations are of order 1 in t for u, so u_t is not given at the start",
    ),
    (heat(equations=None), "my: 'equations' is missing"),
    (heat(equations="[u_t = a*u_xx]"), "my.yaml line 4: equations: must be a mapping of names to equations"),
    (
        conditions(START + "\n  left: {at: x = 0, u: 0}"),
        "my.yaml line 6: conditions: no condition for u on x = 1; add one, or say free: u",
    ),
    (
        conditions(START + "\n  walls: {at: boundary, u: 0}\n  left: {at: x = 0, u: 0}"),
        "my.yaml line 8: conditions.left: u has two value conditions on x = 0",
    ),
    (
        conditions(START + "\n  walls: {at: boundry, u: 0}"),
        "my.yaml line 7: conditions.walls.at: 'boundry' is not a surface; did you mean 'boundary'?",
    ),
    (conditions(START + "\n  walls: {at: lft, u: 0}"), "my.yaml line 7: conditions.walls.at: 'lft' is not a surface"),
    (conditions(START + "\n  walls: {on: boundary, u: 0}"), "my.yaml line 7: YAML reads 'on' as true; the key for a place is 'at'"),
    (conditions(START + "\n  walls: {boundary: 0}"), "my.yaml line 7: conditions.walls: no region: add at:"),
    (
        conditions(START + "\n  walls: {at: boundary, u: max(x, 0)}"),
        'my.yaml line 7: cut at the comma; quote it or write it on its own line: "max(x, 0)"',
    ),
    (conditions(START + "\n  walls: {at: boundary, u:0}"), "my.yaml line 7: a space after ':' is missing"),
    (
        conditions(START + "\n  walls: {at: boundary and x > 2, u: 0}"),
        "my.yaml line 7: conditions.walls.at: the selector 'boundary and x > 2' chooses no part of the boundary",
    ),
    (
        conditions("\n  initial: {at: t = 5, u: 0}"),
        "my.yaml line 6: conditions.initial.at: t = 5 lies outside the range of t, 0 to 1",
    ),
    (conditions("\n  initial: {at: t = 0, u_n: 0}"), "my.yaml line 6: conditions.initial.u_n: 'u_n' uses the normal n"),
    (
        conditions("\n  walls: {at: boundary, u: 0}"),
        "my.yaml line 6: conditions: the equations are of first order in t: a start value of u is needed",
    ),
    (
        equation("u_tt = a*u_xx"),
        "my.yaml line 7: conditions: the equations are of second order in t: a start value of u_t is needed",
    ),
    (conditions(START + "\n  wrap: {periodic: left}"), "my.yaml line 7: conditions.wrap: 'left' is not a space coordinate"),
    (
        conditions(START + "\n  wrap: {at: x = 0, periodic: x}"),
        "my.yaml line 7: conditions.wrap: a periodic condition has no other key",
    ),
    (conditions(START + "\n  walls: {at: boundary, free: w}"), "my.yaml line 7: conditions.walls: 'w' is not an unknown"),
    (
        conditions(START + "\n  walls: {at: boundary, x: 0}"),
        "my.yaml line 7: conditions.walls.x: the condition does not contain an unknown",
    ),
    (
        conditions(START + "\n  walls: {at: boundary, u: 0}\n  far: u(x=3) = 0"),
        "my.yaml line 8: conditions.far: x=3 lies outside the domain",
    ),
    (
        conditions(START + "\n  heat: {at: boundary, u: 0}"),
        "my.yaml line 7: conditions.heat: the name 'heat' is already used in equations",
    ),
    (
        heat(**SQUARE, equations="{p: laplacian(u) = 0}", conditions="\n  walls: {at: boundary, u_n: 0}"),
        "my.yaml line 5: conditions: u is determined up to a constant; add for instance gauge: mean(u) = 0",
    ),
    (
        heat(coordinates="{x: [0, 1]}", equations="{b: u_xxxx = a}", conditions="{ends: {at: boundary, u: 0}}"),
        "my.yaml line 5: conditions: order 4 along x needs 2 conditions for u on x = 0, got 1",
    ),
    (heat(exact="exp(-t)*sin(pi*x)"), "my.yaml line 8: exact: does not satisfy 'heat': left minus right is "),
    (
        conditions(START + "\n  walls: {at: boundary, u: exact}", exact="exp(-a*pi**2*t)*sin(pi*x)"),
        "my.yaml line 8: exact: does not satisfy 'initial'",
    ),
    (heat(exact="integral(exp(-s*t)*x, s, 0, 1)"), "my.yaml line 8: exact: cannot hold an integral; "),
    (heat(exact="{v: x}"), "my.yaml line 8: exact.v: 'v' is not an unknown"),
    (
        conditions(START + "\n  walls: {at: boundary, u: exact}"),
        "my.yaml line 7: conditions.walls.u: 'exact' is used, but no exact formula is given for u",
    ),
    (heat(manufactured="true"), "my.yaml line 4: equations.heat: manufactured: true needs an exact formula for u"),
    (heat(constants="{a: '${oc.env:HOME}'}"), "my.yaml line 3: environment lookups are not allowed"),
    (heat(constants="{a: '${b}'}"), "my.yaml line 3: references ${...} are not allowed in a problem"),
    (heat(constants="{a: ???}"), "my.yaml line 3: a setting has no value"),
]


@pytest.mark.parametrize(("text", "complaint"), PROBLEMS, ids=[complaint[:60] for _, complaint in PROBLEMS])
def test_bad_problems(text, complaint):
    with pytest.raises(BadInput) as caught:
        read(text)
    assert caught.value.message.startswith(complaint)
    assert "\n" not in caught.value.message


BETTER = [  # text, what the message should contain besides
    (equation("u_t = a*u_xx/0"), "my.yaml line 5: equations.heat: not a finite number"),
    (equation("u_t = a*u_xx + e**x"), "my.yaml line 5: equations.heat: unknown name 'e'; write exp(1)"),
    (equation("u_t = a*u_xx + i"), "my.yaml line 5: equations.heat: unknown name 'i'; write 1j"),
    (equation("u_t <= a*u_xx"), "my.yaml line 5: equations.heat: '<=' is not an equation; an inequality a >= b is written min("),
    (
        heat(coordinates="{x: [0, inf], t: [0, 1]}"),
        "my.yaml line 1: coordinates.x: unknown name 'inf'; every number must be finite",
    ),
    (heat(equatons="{}"), "my.yaml line 8: unknown key 'equatons'"),
    (conditions(START + "\n  walls: {at: boundary, u: 0}\n  middle: {at: x = 0.5, u: 1}"), "u(x=0.5)"),
    (
        heat(
            **SQUARE,
            equations="{p: laplacian(u) = 0}",
            conditions="\n  walls: {at: boundary, u: 0}\n  c: {at: x = 0 and y = 0, u: 1}",
        ),
        "my.yaml line 6: conditions.c.at: the selector 'x = 0 and y = 0' chooses no face; at a corner write a condition without at:, u(x=0, y=0)",
    ),
]


@pytest.mark.parametrize(("text", "advice"), BETTER, ids=[advice for _, advice in BETTER])
def test_messages_that_give_advice(text, advice):
    with pytest.raises(BadInput) as caught:
        read(text)
    assert advice in caught.value.message


WARNINGS = [
    (
        conditions("\n  initial: {at: t = 0, u: x + 0.3}\n  walls: {at: boundary, u: x}"),
        "'initial' and 'walls' differ by 0.3 at t=0, x=0; expect an error there",
    ),
    (
        heat(
            coordinates="{r: [1, 2], t: [0, 1]}",
            equations="{heat: u_t = a*laplacian(u)}",
            conditions=START + "\n  w: {at: boundary, u: 0}",
        ),
        "laplacian, div and grad are Cartesian; with the coordinate r write the polar form out",
    ),
    (
        conditions("\n  initial: {at: t = 0, u: 300}\n  walls: {at: boundary, u: 300 + 50*sin(t)}"),
        "values of u up to 3.4e+02 are prescribed; a network learns them well only when the problem says how large they are: "
        "unknowns: {u: {scale: 300}}",
    ),
    (
        heat(equations="{heat: u_t = a*u_xx, still: u_t = 0}", conditions=START + "\n  w: {at: boundary, u: 0}"),
        "2 equations for 1 unknown: they are met as well as they can be together, and no finite-difference reference can be made",
    ),
]


@pytest.mark.parametrize(("text", "remark"), WARNINGS)
def test_warnings(text, remark):
    assert remark in read(text).warnings


def test_a_mapping_from_python_names_the_path_instead_of_the_line():
    document = read_string(equation("u_t = a*u_xx + sinn(x)"))
    with pytest.raises(BadInput) as caught:
        read_problem(document.mapping)
    assert caught.value.message == "problem: equations.heat: unknown function 'sinn'; did you mean 'sin'?"
    assert caught.value.detail.splitlines()[1].index("^") == caught.value.detail.splitlines()[0].index("sinn")


def test_a_file_of_its_own(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(equation("u_t = a*u_xx + sinn(x)"), encoding="utf-8")
    with pytest.raises(BadInput, match="line 5: equations.heat: unknown function 'sinn'"):
        load_problem(path)
    path.write_text(heat(), encoding="utf-8")
    assert load_problem(path).name == "my"


@pytest.mark.parametrize(
    "line", ["constants: {a: 0.4, u_x: 3}", "constants: {a: 0.4, sin: 1}", "coordinates: {n: [0, 1], t: [0, 1]}"]
)
def test_the_caret_stands_under_a_bad_name(line):
    key, value = line.split(": ", 1)
    with pytest.raises(BadInput) as caught:
        read(heat(**{key: value}))
    shown, mark = caught.value.detail.splitlines()
    assert caught.value.message.split("'")[1] == shown[len(mark) - 1 :].split(":")[0]


SPOILED = st.sampled_from(
    [
        "",
        "null",
        "[u]",
        "{}",
        "{u: {}}",
        "true",
        "1",
        "-1",
        "x",
        "u",
        "{x: [0, 1]}",
        "{heat: u}",
        "{a: {at: t = 0, u: 0}}",
        "{a: {periodic: x}}",
        "{a: {at: boundary, free: u}}",
        "{a: mean(u) = 0}",
        "'u(x=0, t=0)'",
        "[1, 2]",
        "{a: }",
        "'${x}'",
    ]
)
KEYS = [*PARTS, "exact", "define", "time", "manufactured", "quantities", "title", "units", "data", "shapes"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(KEYS), SPOILED, min_size=1, max_size=3))
def test_any_spoiled_part_is_read_or_refused(changes):
    try:
        read(heat(**changes))
    except BadInput as error:
        assert "\n" not in error.message


SIGNS = st.text(alphabet="utxaeijn_ 0123456789.+-*/()=,<>^sincoexpgradlw", max_size=30)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SIGNS)
def test_any_formula_is_read_or_refused(formula):
    document = read_string(heat())
    document.mapping["equations"] = {"heat": "u_t = a*u_xx + " + formula}
    try:
        read_problem(document.mapping)
    except BadInput as error:
        assert "\n" not in error.message
