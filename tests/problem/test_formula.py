"""The parser reads what the language allows, prints it back and refuses everything else in one line."""

import keyword

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.problem.formulas.parser import ELEMENTARY, OPERATORS, FormulaError, parse, parse_equation, parse_selector
from pinn.problem.formulas.tree import At, Call, Imaginary, Name, Number, Vector

NAMES = st.sampled_from(["x", "t", "u", "u_xx", "nu", "k_f", "theta", "d", "e", "i"])


def trees():
    numbers = st.floats(0, 1e12, allow_nan=False).map(Number) | st.floats(0, 9, allow_nan=False).map(Imaginary)
    leaves = numbers | NAMES.map(Name)

    def extend(inner):
        small = st.integers(0, 64).map(lambda v: Number(float(v)))
        arithmetic = st.tuples(st.sampled_from("+-*/"), inner, inner).map(lambda p: Call(p[0], (p[1], p[2])))
        power = st.tuples(inner, small | NAMES.map(Name)).map(lambda p: Call("**", p))
        negative = inner.map(lambda a: Call("neg", (a,)))
        function = st.tuples(st.sampled_from(["sin", "exp", "laplacian", "grad"]), inner).map(lambda p: Call(p[0], (p[1],)))
        comparison = st.tuples(st.sampled_from(["<", "<=", ">", ">="]), inner, inner).map(lambda p: Call(p[0], (p[1], p[2])))
        condition = (
            st.tuples(st.sampled_from(["and", "or"]), comparison, comparison).map(lambda p: Call(p[0], (p[1], p[2]))) | comparison
        )
        where = st.tuples(condition, inner, inner).map(lambda p: Call("where", p))
        place = st.tuples(NAMES, inner).map(lambda p: At(Name("u"), (p,)))
        vector = st.lists(inner, min_size=1, max_size=3).map(lambda items: Vector(tuple(items)))
        return arithmetic | power | negative | function | where | place | vector

    return st.recursive(leaves, extend, max_leaves=12)


@given(trees())
@settings(max_examples=300, deadline=None)
def test_printing_and_reading_gives_the_same_tree(tree):
    text = str(tree)
    if len(text) < 2000:
        assert parse(text) == tree


@given(st.text(max_size=60) | st.text(alphabet="xut_()+-*/=<>., 0123456789einwhrab^|&'\"[]{}#\\", max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_gives_a_tree_or_the_parsers_own_error(text):
    for read in (parse, parse_equation, parse_selector):
        try:
            read(text)
        except FormulaError as error:
            assert "\n" not in error.message


@pytest.mark.parametrize(
    "text, same",
    [
        ("-x**2", "-(x**2)"),
        ("2**3**2", "2**(3**2)"),
        ("x - y - z", "(x - y) - z"),
        ("-x*y", "(-x)*y"),
        ("x/y/z", "(x/y)/z"),
        ("2*-x", "2*(-x)"),
    ],
)
def test_precedence_is_pythons(text, same):
    assert parse(text) == parse(same)


def test_an_equation_has_two_sides():
    assert parse_equation("u_t = a*u_xx") == (parse("u_t"), parse("a*u_xx"))
    assert parse_equation("u_xx") == (parse("u_xx"), Number(0.0))
    assert parse_equation("u(x=0) = 1")[0] == At(Name("u"), (("x", Number(0.0)),))


def test_selectors_read_equalities_names_and_words():
    tree = parse_selector("(x = 0 or x = 1) and not y > 0.5")
    assert tree.function == "and"
    assert parse_selector(str(tree)) == tree
    assert parse_selector("0 < y <= 1") == Call("and", (Call("<", (Number(0.0), Name("y"))), Call("<=", (Name("y"), Number(1.0)))))


@pytest.mark.parametrize(
    "text, message, column",
    [
        ("x^2", "'^' is not allowed: write **", 1),
        ("1 + 2x", "'2x' is not allowed: write * between", 4),
        ("x == 1", "'==' is not allowed: write =", 2),
        ("a & b", "'&' is not allowed: write 'and'", 2),
        ("x//2", "'//' is not allowed: write /", 1),
        ("x\u22121", "only ASCII signs are allowed, got '\u2212'; write -", 1),
        ("lambda*x", "'lambda' is a word of Python's and cannot stand in a formula; write 'lam'", 0),
        ("u_t - (u_xx", "'(' was never closed", 6),
        ("u_t)", "')' was never opened", 3),
        ("sinn(x)", "unknown function 'sinn'; did you mean 'sin'?", 0),
        ("sin(x, t)", "'sin' takes 1 argument, got 2", 0),
        ("u(0)", "unknown function 'u'; a quantity elsewhere is written u(x=...)", 0),
        ("x**1000", "the exponent is larger than 64", 3),
        ("1e400", "the number is too large", 0),
        ("010", "'010' is not allowed: write a plain decimal number", 0),
        ("1_000", "'1_000' is not allowed: write a plain decimal number", 0),
        ("0x1F", "'0x1F' is not allowed: write a plain decimal number", 0),
        ("u_t = a = b", "an equation has one '='", 8),
        ("x < 1", "'<' is not an equation; an inequality a >= b is written min(a - b, 0) = 0", 2),
        ("(x < 1)*u", "a comparison stands only inside where(...)", 1),
        ("where(x = 0, 1, 2)", "compare with < <= > >= in where(...)", 8),
        ("x.real", "'x.r' is not allowed: dotted names", 0),
        ("__import__('os')", "'__' is not allowed", 0),
        ("x[0]", "'[' is not allowed: only round brackets", 1),
        ("u(x=0, 1)", "this is not a formula", None),
        ("u(1, x=0)", "write every place as coordinate=value", 0),
        ("sin", "'sin' needs its arguments in brackets", 0),
        ("a b", "this is not a formula", None),
    ],
)
def test_refusals_say_what_to_write_and_where(text, message, column):
    with pytest.raises(FormulaError) as caught:
        parse_equation(text)
    assert caught.value.message.startswith(message)
    assert caught.value.detail.splitlines()[1].endswith("^")
    if column is not None:  # otherwise it is where Python stopped reading, which differs between its versions
        assert caught.value.column == column
        assert caught.value.detail.splitlines()[1] == " " * (column + 2) + "^"


@pytest.mark.parametrize("text", ["x" + "+x" * 1500, "(" * 500 + "x" + ")" * 500, "-" * 400 + "x", "+".join(["x"] * 300)])
def test_too_long_and_too_deep_is_refused_in_one_line(text):
    with pytest.raises(FormulaError, match="characters|deep"):
        parse(text)


@pytest.mark.parametrize("word", [word for word in keyword.kwlist if word not in ("and", "or", "not")])
def test_words_of_python_are_refused(word):
    with pytest.raises(FormulaError):
        parse(f"x + {word}")


def test_the_value_may_be_a_number_but_not_a_truth_value():
    assert parse(3) == Number(3.0)
    assert parse(-1.5) == Call("neg", (Number(1.5),))
    for value in (True, None, float("nan"), 10**400, [1]):
        with pytest.raises(FormulaError):
            parse(value)


def test_every_function_has_an_arity():
    assert all(isinstance(arity, int) for arity in ELEMENTARY.values())
    assert all(low <= high for low, high in OPERATORS.values())
