"""The comparisons of decompositions: settings exist, tables are right, and the loop that is timed computes the same."""

import json
import re
import sys
from pathlib import Path

import pytest

from pinn.run.check import validate
from pinn.run.prepare import prepare

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "experiments"))

import benchmark_cells  # noqa: E402
import decomposition  # noqa: E402
from decomposition import Outcome  # noqa: E402
from decomposition_cases import CASES, Case, Way  # noqa: E402

WAYS = [Way("one", "network.width=6", 2), Way("many", "decomposition=windows", 1), Way("cells", "solver=least_squares", 1)]
CASE = Case("heat_1d", "Heat", 3.0, "points.interior=64", WAYS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.problem)
def test_all_ways_can_be_run_and_differ(case):
    found = [prepare(case.problem, case.words(way)) for way in case.ways]
    for prepared in found:
        validate(prepared)
    configurations = [prepared.configuration for prepared in found]
    assert all(one != other for k, one in enumerate(configurations) for other in configurations[:k])
    assert len({way.name for way in case.ways}) == len(case.ways)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.problem)
def test_networks_that_are_compared_have_about_as_many_parameters(case):
    """At most 1.55 times as many, where the way does not say that there are more."""
    alike = [way for way in case.ways if not way.name.endswith("features each")]
    sizes = {way.name: validate(prepare(case.problem, case.words(way))).num_parameters for way in alike}
    trained = [size for name, size in sizes.items() if "solved" not in name and "least_squares" not in name]
    solved = [size for name, size in sizes.items() if "solved" in name]
    for group in (trained, solved):
        assert not group or max(group) <= 1.55 * min(group), sizes


def test_training_has_the_same_seconds_and_cells_have_none():
    one, many, cells = (CASE.words(way) for way in CASE.ways)
    assert one[:2] == ["points.interior=64", "network.width=6"] and "solver.until.seconds=3" in one
    assert [word for word in many if "until" in word] == [word for word in one if "until" in word]
    assert cells == ["solver=least_squares"]


def outcome(way, seed, error, words=None):
    settings = tuple(CASE.words(WAYS[way])) if words is None else words
    return Outcome(CASE.problem, WAYS[way].name, settings, seed, error, 2.0 + seed, 100 * seed, 50, ((1.0, 0.5), (2.0, 0.25)))


def test_a_line_shows_medians_and_the_worst_and_counts_failures():
    bad = Outcome(CASE.problem, "one", (), 3, reason="diverged")
    assert decomposition.line([outcome(0, 1, 1e-3), outcome(0, 3, 4e-3), outcome(0, 2, 2e-3)]) == (
        "| one | 2.0e-03 (4.0e-03) | 4 | 200 | 50 | 3 |"
    )
    assert decomposition.line([outcome(0, 1, 1e-3), bad]).split("|")[2] == " 1.0e-03, 1 of 2 failed "
    assert decomposition.line([bad]) == "| one | failed | – | – | – | 1 |"


def test_runs_alternate_and_those_that_are_known_are_not_made_again(monkeypatch):
    asked = []

    def attempt(problem, way, words, seed, limit):
        asked.append((way, seed))
        return Outcome(problem, way, words, seed)

    monkeypatch.setattr(decomposition, "attempt", attempt)
    known = [outcome(0, 1, 1e-3), outcome(1, 1, 1e-3, words=("network.width=7",))]
    assert len(list(decomposition.runs(CASE, 5, 60.0, known))) == 3
    assert asked == [("many", 1), ("cells", 1), ("one", 2)]


def test_tables_and_figures_are_made_of_what_the_file_holds(tmp_path, monkeypatch, capsys):
    page, rows = tmp_path / "page.md", tmp_path / "rows.json"
    page.write_text("above\n<!-- heat_1d -->\nold\n<!-- end results -->\nbelow\n")
    monkeypatch.setattr(decomposition, "PAGE", page)
    monkeypatch.setattr(decomposition, "CASES", [CASE])
    monkeypatch.setattr(decomposition, "attempt", lambda problem, way, words, seed, limit: pytest.fail("nothing is to be run"))
    kept = [outcome(0, 1, 1e-3), outcome(1, 1, 1e-4)]
    rows.write_text(json.dumps([decomposition.asdict(each) for each in kept]))
    assert decomposition.read(rows) == kept
    words = ["--json", str(rows), "--known", "--write", "--figures", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["decomposition.py", *words])
    decomposition.main()
    text = page.read_text()
    assert "old" not in text and "| many | 1.0e-04 | 3 | 100 | 50 | 1 |\n<!-- end" in text
    assert "| one | 1.0e-03 |" in capsys.readouterr().out
    assert (tmp_path / "decomposition_heat_1d.png").stat().st_size > 10_000


def test_a_run_is_measured_by_the_clock_of_the_processor():
    words = ("network.width=4", "network.depth=1", "solver=adam_broyden", "solver.stages.broyden.steps=60", "solver.until.check=50")
    found = decomposition.attempt("poisson_1d", "one", words, 1, 120.0)
    assert not found.reason and 0 < found.error < 10
    assert found.num_parameters == 13 and found.evaluations > 100
    assert found.curve[-1] == (found.seconds, found.error) and len(found.curve) >= 3
    assert decomposition.attempt("poisson_1d", "one", ("network.widht=4",), 1, 60.0).reason


@pytest.mark.parametrize("joined", ["cuts", "windows"])
def test_the_loop_over_modules_computes_the_same(joined, monkeypatch):
    monkeypatch.setattr(benchmark_cells, "NUM_POINTS", 200)
    found = benchmark_cells.steps(joined, 3)
    assert benchmark_cells.difference(found) < 1e-12
    monkeypatch.setattr(benchmark_cells, "REACH", 0.4)
    other = benchmark_cells.steps("windows", 3)
    assert benchmark_cells.difference({"loop": found["loop"], "tensors": other["tensors"]}) > 1e-3
    line = benchmark_cells.line(joined, 1024, {"loop": 400.0, "tensors": 10.0, "compiled": 4.0}, 1e-15)
    assert line == f"| {joined} | 1,024 | 400 | 10.0 | 4.0 | 100 | 1e-15 |"


def test_every_table_has_a_place_on_the_page():
    page = (ROOT / "experiments" / "DECOMPOSITION.md").read_text()
    names = [*(case.problem for case in CASES), "cells"]
    assert re.findall(r"<!-- (\w+) -->", page) == names
    assert page.count("<!-- end results -->") == len(names)
    for figure in re.findall(r"\((figures/\S+)\)", page):
        assert (ROOT / "experiments" / figure).exists()
