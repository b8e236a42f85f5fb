"""The gallery's table, what it keeps and its sheet of pictures, from made-up runs: nothing is solved here."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pinn.problem.language import load_problem
from pinn.run.options import groups

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "experiments"))

import gallery  # noqa: E402
from contact_sheet import contact_sheet  # noqa: E402
from gallery import Run  # noqa: E402
from gallery_bars import BAR, BARS, EXPERIMENTS, SECONDS  # noqa: E402

HEAT = load_problem(ROOT / "configs" / "problem" / "heat_1d.yaml")


def metrics(error=1e-9, at_most=None, verdict="verified", solver="adam_broyden"):
    source = "exact" if error is not None else "none"
    return {
        "solver": solver, "error": {"relative_l2": error, "at_most": at_most, "source": source}, "verdict": verdict,
        "verdict_reasons": ["the judges disagree on u: because"],
    }  # fmt: skip


def test_a_line_shows_median_and_worst_of_the_seeds():
    found = [Run(metrics(error), seconds=2.5 + 1e8 * error) for error in (1e-9, 4e-9, 2e-9)]
    cells = [cell.strip() for cell in gallery.line(HEAT, found).strip("|").split("|")]
    assert cells == ["parabolic", "`heat_1d`", "adam broyden", "2.0e-09 (4.0e-09)", "exact", f"{BAR:.0e}", "2.7", "verified"]
    assert len(cells) == len(gallery.HEAD)
    failed = gallery.line(HEAT, [Run({}, reason="TimeoutError: ended after 60 s")])
    assert failed.endswith("| – | failed: TimeoutError: ended after 60 s |")
    assert gallery.line(HEAT, []).endswith("| – | not run |")


@pytest.mark.parametrize("changes, words", [
    ({}, "verified"),
    ({"error": 2e-8}, "missed: 2.0e-08 is above the bar"),
    ({"error": None}, "missed: the error is not known"),
    ({"error": None, "at_most": 5e-9, "verdict": "not verified"}, "verified"),
    ({"error": None, "at_most": 5e-8, "verdict": "not verified"}, "missed: 5.0e-08 is above the bar"),
    ({"verdict": "not verified"}, "not verified: the judges disagree on u"),
])  # fmt: skip
def test_every_seed_must_be_known_below_the_bar_and_in_time(changes, words):
    assert gallery.verdict([Run(metrics()), Run(metrics(**changes))], 1e-8) == words
    assert gallery.verdict([Run(metrics(), SECONDS + 1)], 1e-8) == f"missed: {SECONDS + 1:.0f} s"


def keep(folder, seed, reason="", **changes):
    place = folder / HEAT.name / str(seed)
    place.mkdir(parents=True)
    (place / "asked.json").write_text(json.dumps({**gallery.asked(HEAT), "seconds": 2.5, "reason": reason}))
    if not reason:
        (place / "metrics.json").write_text(json.dumps(metrics(**changes)))


def test_runs_that_are_kept_are_not_made_again(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(gallery, "limited", lambda work, words, limit: made.append(words[2]))
    keep(tmp_path, 0)
    keep(tmp_path, 2, reason="ended")
    gallery.make(HEAT, 3, 1.0, tmp_path)
    assert made == [1] and len(gallery.kept(HEAT, tmp_path)) == 3
    monkeypatch.setitem(EXPERIMENTS, HEAT.name, "heat_1d")
    assert gallery.kept(HEAT, tmp_path) == []


def test_one_seed_is_enough_without_random_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "limited", lambda *_: pytest.fail("the seed does not matter"))
    keep(tmp_path, 0, solver="least_squares")
    gallery.make(HEAT, 3, 1.0, tmp_path)


def test_a_failure_leaves_its_reason(tmp_path, monkeypatch):
    def fail(*_):
        raise TimeoutError("ended after 1 s")

    monkeypatch.setattr(gallery, "limited", fail)
    gallery.make(HEAT, 1, 1.0, tmp_path)
    assert gallery.verdict(gallery.kept(HEAT, tmp_path), 1.0) == "failed: ended after 1 s"


def test_the_digest_has_a_line_for_every_class(tmp_path):
    keep(tmp_path, 0, error=3.4e-9)
    assert gallery.digest({HEAT.name: HEAT}, tmp_path)[2:] == [
        "| parabolic: diffusion and reaction | `heat_1d` 3e-09 | 1 of 1 | 2.5 to 2.5 |"
    ]


def test_bars_and_experiments_are_of_shipped_problems():
    assert {*BARS, *EXPERIMENTS} <= {*gallery.PROBLEMS}
    assert {*EXPERIMENTS.values()} <= {*groups()["experiment"]}
    assert all(bar > BAR for bar in BARS.values())


def test_the_sheet_has_a_panel_for_every_problem(tmp_path):
    axis = np.linspace(0, 1, 9)
    line, plane = tmp_path / "line", tmp_path / "plane"
    for place, axes, values in ((line, {"x": axis}, axis), (plane, {"x": axis, "t": axis}, np.outer(axis, axis))):
        place.mkdir()
        meta = json.dumps({"coordinates": list(axes), "unknowns": ["u"], "time": "t" if "t" in axes else None, "units": {}})
        np.savez(place / "solution.npz", u=values, meta=np.array(meta), **axes)
    contact_sheet({"line": line, "plane": plane, "missing": tmp_path / "none"}, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 5000
