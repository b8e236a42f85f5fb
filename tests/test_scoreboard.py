"""The scoreboard's table, rows and limits, from made-up runs: nothing is trained here."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from pinn.problem.language import load_problem

ROOT = Path(__file__).parents[1]
KEYS = [
    "problem", "method", "seed", "relative_l2", "seconds", "num_parameters", "published", "classical_seconds_at_equal_error",
    "settings", "reason", "metrics",
]  # fmt: skip
sys.path.insert(0, str(ROOT / "experiments"))

import results  # noqa: E402
import scoreboard  # noqa: E402
from published import BEST, QUANTITIES, Published  # noqa: E402
from scoreboard import Run  # noqa: E402

LINES = [{"order": "order 4", "grid": n, "seconds": n / 100, "error": 1 / n**4, "limited": False} for n in (8, 16, 32)]


def metrics(error, at_most=None, solve=9.0, quantities=None):
    return {
        "name": "A problem", "num_parameters": 1234, "error": {"relative_l2": error, "at_most": at_most},
        "seconds": {"setup": 1.0, "compile": 0.5, "solve": solve, "judge": 7.0}, "quantities": quantities or {},
        "classical": {"seconds_at_equal_error": 0.25, "order": "order 8", "lines": LINES, "floor": 0.0},
    }  # fmt: skip


def cells(*found):
    return [cell.strip() for cell in scoreboard.line(found).strip("|").split("|")]


def test_a_line_shows_median_and_worst_of_the_seeds():
    found = [Run("burgers", "network", seed, metrics(error, solve=9.0 + seed)) for seed, error in enumerate((1e-3, 4e-3, 2e-3))]
    assert cells(*found) == [
        "`burgers`", "trained network", "2.0e-03 (4.0e-03)", "11 (1, 0.5, 10)", "1,234", str(BEST["burgers"]), "0.25 s (order 8)", "3",
    ]  # fmt: skip
    assert len(cells(*found)) == len(scoreboard.HEAD)


def test_failures_are_counted_and_alone_give_no_numbers():
    good, bad = Run("kdv", "least_squares", 0, metrics(1e-3)), Run("kdv", "least_squares", 1, reason="diverged")
    assert cells(good, bad)[2] == "1.0e-03, 1 of 2 failed"
    assert cells(bad)[2:5] == ["failed", "–", "–"]
    assert scoreboard.reasons([good, bad]) == ["    seed 1: diverged"]


def test_what_is_not_known_is_bounded_or_told_by_quantities():
    assert cells(Run("kdv", "network", 0, metrics(None, at_most=4e-8)))[2] == "at most 4.0e-08"
    found = {"back": {"value": -0.38}, "up": {"value": 0.37}, "down": {"value": -0.5}}
    run = Run("cavity_1000", "network", 0, metrics(None, quantities=found))
    assert run.deviation == pytest.approx(0.0270771)
    assert cells(run)[2] == "2.7e-02 (quantities)"
    assert cells(Run("kdv", "network", 0, metrics(None)))[2] == "unknown"


def test_unknowns_that_the_reference_knows_badly_are_left_out():
    bars = {"u": 1e-5, "v": 3e-5, "p": 1e-2}

    def run(error):
        found = {name: {"relative_l2": error} for name in ("u", "v")} | {"p": {"relative_l2": 0.5}}
        known = {"unknowns": {name: {"relative_error": bar} for name, bar in bars.items()}}
        return Run("cavity_100", "network", 0, metrics(0.5) | {"unknowns": found, "reference": known})

    assert run(1e-3).row()["relative_l2"] == 1e-3 and cells(run(1e-3))[2] == "1.0e-03 (u, v)"
    assert run(9e-5).relative_l2 is None and cells(run(9e-5))[2] == "at most 1.2e-04 (u, v)"
    assert Run("cavity_100", "network", 0).relative_l2 is None


def test_rows_have_these_keys_and_nothing_is_made_up_for_a_failure():
    row = Run("burgers", "network", 3, metrics(1e-3)).row()
    assert list(row) == KEYS
    assert list(row.values())[:8] == ["burgers", "trained network", 3, 1e-3, 10.0, 1234, BEST["burgers"].relative_l2, 0.25]
    failed = Run("heat_1d", "least_squares", 0, reason="diverged").row()
    assert list(failed) == KEYS and set(list(failed.values())[3:8]) == {None}


def test_a_run_comes_back_from_its_row():
    for run in (
        Run("burgers", "network", 3, metrics(1e-3), "verified", ("solver=adam",)),
        Run("kdv", "least_squares", 0, {}, "failed"),
    ):
        assert Run.of_row(json.loads(json.dumps(run.row()))) == run


def test_published_numbers_belong_to_shipped_problems_and_their_quantities():
    for name in BEST:
        problem = load_problem(ROOT / "configs" / "problem" / f"{name}.yaml")
        assert {*QUANTITIES.get(name, {})} <= {*(problem.source.get("quantities") or {})}
    assert str(Published(1e-3, 3540, "Somebody (2020)")) == "1.0e-03 in 3,540 s (Somebody (2020))"
    assert {*QUANTITIES, *scoreboard.REFERENCES} <= {*BEST}


def test_experiments_are_used_where_there_are_some():
    assert scoreboard.words("burgers", "network") == ["experiment=burgers"]
    assert scoreboard.words("poisson_3d", "network") == ["solver=adam_broyden"]
    assert scoreboard.words("poisson_3d", "least_squares") == ["solver=least_squares"]
    assert scoreboard.words("cavity_100", "network")[-2:] == scoreboard.REFERENCES["cavity_100"]


def test_work_that_takes_too_long_fails_or_dies_is_told_apart():
    assert scoreboard.limited(divmod, (7, 2), 60) == (3, 1)
    begin = time.perf_counter()
    with pytest.raises(TimeoutError, match="ended after 0.1 s"):
        scoreboard.limited(time.sleep, (60,), 0.1)
    assert time.perf_counter() - begin < 30
    with pytest.raises(RuntimeError, match="ZeroDivisionError: "):
        scoreboard.limited(divmod, (1, 0), 60)
    with pytest.raises(RuntimeError, match="ended with code 3"):
        scoreboard.limited(os._exit, (3,), 60)


def test_one_failure_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def work(function, arguments, seconds):
        assert seconds == 5 or function is scoreboard.make_reference
        name, _, seed = (*arguments, None)[:3]
        if name == "kdv" and seed == 0:
            raise TimeoutError("ended after 5 s")
        return ({}, "diverged at step 3") if name == "kdv" else (metrics(1e-4), "verified")

    monkeypatch.setattr(scoreboard, "limited", work)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("above\n<!-- scoreboard -->\nold\n<!-- end results -->\nbelow\n")
    file, figures = tmp_path / "rows.json", tmp_path / "figures"
    words = ["--only", "kdv", "heat_1d", "--methods", "network", "--seeds", "2", "--limit", "5", "--write"]
    monkeypatch.setattr(sys, "argv", ["scoreboard.py", *words, "--json", str(file), "--figures", str(figures)])
    scoreboard.main()
    said = capsys.readouterr().out
    assert "seed 0: ended after 5 s" in said and "seed 1: diverged at step 3" in said
    assert [(row["problem"], row["seed"], row["relative_l2"]) for row in json.loads(file.read_text())] == [
        ("kdv", 0, None), ("kdv", 1, None), ("heat_1d", 0, 1e-4), ("heat_1d", 1, 1e-4),
    ]  # fmt: skip
    assert [path.name for path in figures.iterdir()] == ["heat_1d.png"]
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("above\n<!-- scoreboard -->\n| problem |") and text.endswith("|\n<!-- end results -->\nbelow\n")
    assert "old" not in text and "| failed |" in text
    monkeypatch.setattr(scoreboard, "limited", lambda *arguments: pytest.fail("runs that are known are not made again"))
    rows = file.read_text()
    scoreboard.main()
    assert capsys.readouterr().out == said and file.read_text() == rows
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--known", "--seeds", "5"])
    scoreboard.main()
    assert capsys.readouterr().out == said and file.read_text() == rows
