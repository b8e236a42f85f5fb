import json
import re

import pytest
from report_runs import build_run

from pinn.report.folder import RunData
from pinn.report.typeset import equation, formula, selector
from pinn.report.wording import (
    classical_sentences,
    count,
    duration,
    error_words,
    estimates_of,
    known_error,
    network_error,
    number,
    times,
)


@pytest.mark.parametrize(
    "value, text",
    [(3.4e-5, "3.4×10⁻⁵"), (0.014, "0.014"), (0.5, "0.50"), (1, "1.0"), (25.3, "25"), (1864, "1,864"), (9999.9, "1.0×10⁴"), (-2e-9, "-2.0×10⁻⁹"),
     (0, "0"), (None, "–"), (float("nan"), "–"), (True, "–"), (3e12, "3.0×10¹²")],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_durations_counts_and_ratios():
    assert [duration(value) for value in (0.0141, 9.96, 25.3, 200, 7500, None)] == [
        "0.014 s",
        "10 s",
        "25 s",
        "3 min 20 s",
        "2 h 5 min",
        "–",
    ]
    assert (count(12345.4), count(None), times(1864.0), times(1.63), times(123456.0)) == (
        "12,345",
        "–",
        "1,900 times",
        "1.6 times",
        "120,000 times",
    )


def test_classical_line_is_honest_both_ways(tmp_path):
    lost = RunData(build_run(tmp_path / "lost", "ode", size=5))
    assert "1,900 times faster than the network" in " ".join(classical_sentences(lost))
    won = RunData(
        build_run(
            tmp_path / "won", "ode", size=5, classical={"order": 4, "seconds_at_equal_error": 200.0, "error_at_equal_time": 3e-3}
        )
    )
    assert "in 3 min 20 s: here the network is 7.7 times faster" in " ".join(classical_sentences(won))
    lines = [{"order": 2, "seconds": 3.0, "error": 1e-3}]
    never = RunData(
        build_run(tmp_path / "never", "ode", size=5, classical={"order": 2, "seconds_at_equal_error": None, "lines": lines})
    )
    assert "No finite-difference run within its budget reached this error; the best reached 1.0×10⁻³ in 3.0 s" in " ".join(
        classical_sentences(never)
    )
    assert classical_sentences(RunData(build_run(tmp_path / "none", "ode", size=5, classical=None))) == []


def test_error_is_the_largest_over_the_unknowns_and_says_how_it_is_known(tmp_path):
    unknowns = {"p": {"relative_l2": 1e-3}, "v": {"relative_l2": 2e-3}}
    folder = build_run(tmp_path / "run", "system", size=5, unknowns=unknowns)
    assert network_error(RunData(folder))[:2] == (2e-3, "true")
    metrics = json.loads((folder / "metrics.json").read_text()) | {
        "unknowns": {},
        "estimate": {"relative_l2": 3e-3, "accepted": True},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert estimates_of(RunData(folder)) == {"p": 3e-3, "v": 3e-3} and network_error(RunData(folder))[:2] == (3e-3, "estimated")
    (folder / "metrics.json").write_text(json.dumps(metrics | {"estimate": {"relative_l2": 3e-3, "accepted": False}}))
    assert network_error(RunData(folder))[:2] == (None, "unknown")


def test_distance_from_a_poor_reference_is_not_called_the_error(tmp_path):
    reference = {"kind": "finite_difference", "relative_error": {"u": 2e-4}}
    data = RunData(build_run(tmp_path / "run", "ode", size=5, error=3e-4, estimate=False, reference=reference["kind"]))
    data.metrics["reference"].update(reference)
    error = known_error(data, "u")
    assert (
        error.how == "unsure"
        and error_words(data, error) == "relative L² error at most 5.0×10⁻⁴ (finite differences, themselves known to 2.0×10⁻⁴)"
    )
    data.metrics["estimate"].update(accepted=True, relative_l2={"u": 2.5e-4})
    assert known_error(data, "u") == (2.5e-4, "estimated", None)
    data.metrics["estimate"]["unknowns"] = {"u": {"relative_l2": 2.6e-4}}
    assert known_error(data, "u").value == 2.6e-4
    data.metrics["reference"]["unknowns"] = {"u": {"relative_error": 1e-5}}
    assert known_error(data, "u") == (pytest.approx(3e-4), "true", 1e-5)


def test_classical_solvers_go_by_their_names(tmp_path):
    line = {"order": "chebyshev", "seconds": 0.1, "error": 1e-9}
    classical = {
        "order": "order 8",
        "seconds_at_equal_error": 0.02,
        "order_at_equal_time": "chebyshev",
        "error_at_equal_time": 1e-9,
        "lines": [line],
    }
    said = " ".join(classical_sentences(RunData(build_run(tmp_path / "a", "ode", size=5, classical=classical))))
    assert (
        "The finite-difference solver of order 8 reaches this error" in said
        and "the Chebyshev solver reaches an error of 1.0×10⁻⁹" in said
    )
    why = RunData(build_run(tmp_path / "b", "ode", size=5, classical={"lines": [], "why": "not a box"}))
    assert classical_sentences(why) == ["No comparison: not a box."]


def bare(markup):
    markup = re.sub(r' stretchy="(true|false)"', "", markup)
    for tag in ("mi", "mo", "mn", "mrow", "mtext"):
        markup = markup.replace(f"</{tag}>", "").replace(f"<{tag}>", "").replace(f'<{tag} mathvariant="normal">', "")
    return markup.replace("\u2062", "").partition(">")[2].replace("</math>", "").replace('<mspace width="0.12em"></mspace>', " ")


@pytest.mark.parametrize(
    "text, markup",
    [
        ("u_t + u*u_x = nu*u_xx", "<msub>ut</msub>+u<msub>ux</msub>=ν<msub>uxx</msub>"),
        ("u_t", "<msub>ut</msub>=0"),
        ("laplacian(u) = f", "Δu=f"),
        ("a - (b - c) = -(x + 1)", "a−(b−c)=−(x+1)"),
        ("(a + b)/c**2 = sqrt(x)", "<mfrac>a+b<msup>c2</msup></mfrac>=<msqrt>x</msqrt>"),
        ("(-a)**2 = exp(-k**2*t)", "<msup>(−a)2</msup>=<msup>e−<msup>k2</msup> t</msup>"),
        ("2*3*x = 1e-7", "2·3 x=<msup>10−7</msup>"),
        ("p(x=0, y=0) = 0", "p(x=0,y=0)=0"),
        ("a*(-x/2) - (-b) = 0", "a (−<mfrac>x2</mfrac>)−(−b)=0"),
        ("-x/2 = 2j*k", "−<mfrac>x2</mfrac>=2ik"),
        ("T_thetatheta = T_rtheta", "<msub>Tθθ</msub>=<msub>Trθ</msub>"),
        ("S_max = omega_0", "<msub>Smax</msub>=<msub>ω0</msub>"),
    ],
)
def test_equations_are_typeset(text, markup):
    assert bare(equation(text)) == markup


def test_what_is_no_formula_stays_as_typed():
    assert equation("u_t == <b>") == "<code>u_t == &lt;b&gt;</code>"
    assert formula({"a": 1}) == "<code>{&#x27;a&#x27;: 1}</code>"
    assert (
        "≤" in selector("x <= 1 and not hole") and "mtable" in formula("where(x < 1, 0, 1)") and formula([1, 2]).count("<math") == 2
    )


def test_brackets_grow_only_around_what_is_tall():
    assert 'stretchy="false">(' in equation("u = sin(pi*x)") and 'stretchy="true">(' in equation("u = (x/2)**2")
