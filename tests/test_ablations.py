"""The tables of the ablations, from made-up runs, and that what is compared exists: nothing is solved here."""

import itertools
import sys
from pathlib import Path

import pytest

from pinn.problem.settings import BadInput
from pinn.run.prepare import prepare

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "experiments"))

import ablations  # noqa: E402
from ablations import ABLATIONS, Ablation  # noqa: E402
from scoreboard import Run  # noqa: E402

SOLVER = "solver=least_squares"
CASE = Ablation("degree", "heat_1d burgers", SOLVER, ["network.degree=8", "network.degree=14"], "network.degree=14")


def metrics(error, solve=9.0):
    return {
        "num_parameters": 1234, "error": {"relative_l2": error, "at_most": None}, "quantities": {},
        "seconds": {"setup": 1.0, "compile": 0.5, "solve": solve, "judge": 7.0},
    }  # fmt: skip


def cells(text):
    return [cell.strip() for cell in text.strip("|").split("|")]


def test_a_line_shows_median_and_worst_and_the_default_in_bold():
    found = [Run("burgers", CASE.default, seed, metrics(error, 9.0 + seed)) for seed, error in enumerate((1e-3, 4e-3, 2e-3))]
    expected = ["`burgers`", "**`network.degree=14`**", "2.0e-03 (4.0e-03)", "10", "1,234"]
    assert cells(ablations.line(CASE, found)) == expected
    assert len(expected) == len(ablations.HEAD)
    assert cells(ablations.line(CASE, [Run("burgers", CASE.settings[0], 0, metrics(1e-3))]))[1] == "`network.degree=8`"


def test_a_line_without_runs_that_finished_has_no_numbers():
    assert cells(ablations.line(CASE, [Run("burgers", CASE.default, 0, reason="ended after 45 s")]))[2:] == ["failed", "–", "–"]


def test_a_table_runs_every_setting_and_says_what_failed(monkeypatch):
    asked = []

    def attempt(problem, setting, words, seed, limit):
        asked.append((problem, tuple(words), seed, limit))
        failed = problem == "burgers" and seed == 1
        return Run(problem, setting, seed, {} if failed else metrics(1e-4), "ended after 45 s" if failed else "")

    monkeypatch.setattr(ablations, "attempt", attempt)
    head, rule, *lines = ablations.table(CASE, 2, 45.0)
    assert cells(head) == ablations.HEAD and cells(rule) == ["---"] * len(ablations.HEAD)
    words = [("report=none", SOLVER, setting) for setting in CASE.settings]
    assert asked == list(itertools.product(["heat_1d", "burgers"], words, [0, 1], [45.0]))
    assert [cells(line)[2] for line in lines[:4]] == ["1.0e-04 (1.0e-04)"] * 2 + ["1.0e-04, 1 of 2 failed"] * 2
    assert lines[4].startswith("\n2 seeds, ")
    assert lines[5:] == ["", *(f"- burgers, {setting}, seed 1: ended after 45 s" for setting in CASE.settings)]


def test_only_what_is_asked_for_is_run_and_written(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- hard -->\nold\n<!-- end results -->\nbetween\n<!-- ladder -->\nkept\n<!-- end results -->\n")
    monkeypatch.setattr(ablations, "PAGE", page)
    monkeypatch.setattr(ablations, "attempt", lambda problem, setting, *_: Run(problem, setting, 0, metrics(1e-5)))
    monkeypatch.setattr(sys, "argv", ["ablations.py", "--only", "hard", "--write"])
    ablations.main()
    text, said = page.read_text(), capsys.readouterr().out
    assert text.startswith("above\n<!-- hard -->\n| problem |") and "old" not in text
    assert text.endswith("<!-- end results -->\nbetween\n<!-- ladder -->\nkept\n<!-- end results -->\n")
    assert said.count("1.0e-05") == text.count("1.0e-05") == 4


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
def test_settings_exist_and_the_default_is_the_default(ablation):
    problem = ablation.problems.split()[0]
    found = {setting: prepare(problem, ablation.words(setting)).configuration for setting in ablation.settings}
    assert len(found) == len(ablation.settings)
    assert not any(one == other for one, other in itertools.combinations(found.values(), 2))
    if "solver=" in ablation.common:
        assert found[ablation.default] == prepare(problem, ablation.words("")).configuration
    else:
        assert ablation.default in found


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(BadInput):
        prepare("heat_1d", CASE.words("network.degre=8"))


def test_every_ablation_has_a_place_on_the_page():
    assert len({each.name for each in ABLATIONS}) == len(ABLATIONS)
    page = (ROOT / "experiments" / "ABLATIONS.md").read_text()
    for each in ABLATIONS:
        assert page.count(f"<!-- {each.name} -->\n") == 1
        assert all(problem in page for problem in each.problems.split())
    assert page.count("<!-- end results -->") == len(ABLATIONS)
