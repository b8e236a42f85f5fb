"""Runs that solve in cells: what they leave behind, going on after a kill, and settings that do not go with cells."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pinn  # noqa: E402
from pinn.run.cli import main  # noqa: E402

CELLS = ["solver=least_squares", "threads=1", "report=none"]
WORDS = ["solver.tolerance=1e-5", "network.degree=4"]
SAME = ("history.csv", "solution.npz", "solution.nc", "diagnostics.npz")


def read(path):
    return json.loads(Path(path).read_text())


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "heat"
    return pinn.solve("heat_1d", *CELLS, folder=folder, quiet=True)


def test_the_result_is_a_function_with_a_small_error(result):
    x, t = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 11))
    exact = np.exp(-0.4 * np.pi**2 * t) * np.sin(np.pi * x)
    assert np.linalg.norm(result.field(x=x, t=t) - exact) < 1e-10 * np.linalg.norm(exact)
    assert result.error < 1e-11 and result.verdict == "verified"
    slope = result.derivative("u_t", x=x, t=t)
    np.testing.assert_allclose(slope, -0.4 * np.pi**2 * exact, atol=1e-8)


def test_metrics_tell_of_cells(result):
    metrics = result.metrics
    assert metrics["cells"] == {"slabs": 1, "in_all": 1, "at_once": 1} and metrics["remarks"] == []
    assert metrics["weights"] == {"heat": 1.0, "initial": 100.0, "walls": 100.0}
    assert metrics["num_parameters"] > 100 and metrics["num_rows"] > metrics["num_parameters"]
    assert metrics["solver"] == "least_squares"
    assert list(metrics["terms"]) == ["heat", "initial", "walls"]
    lines = (result.folder / "history.csv").read_text().splitlines()
    assert lines[0] == "step,stage,loss,heat,initial,walls,error" and lines[1].startswith("1,cells,")


def test_a_weight_is_taken(result, tmp_path):
    other = pinn.solve("heat_1d", *CELLS, "weights.walls=7", folder=tmp_path / "other", quiet=True)
    assert other.metrics["weights"]["walls"] == 7
    assert not np.array_equal(other.field(x=0.3, t=0.2), result.field(x=0.3, t=0.2))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["run", "heat_1d", *CELLS, *WORDS, f"folder={folder}"]) == 0
    return folder


def kill(folder, rows):
    """Start a run in a process of its own and kill it when its saved history has so many rows."""
    command = [sys.executable, "-m", "pinn", "run", "heat_1d", *CELLS, *WORDS, f"folder={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(6000):
        with contextlib.suppress(OSError):
            if (folder / "history.csv").read_text().count("\n") >= rows and (folder / "checkpoint.pt").exists():
                break
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("rows", [4, pytest.param(2, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.slow)])
def test_killed_runs_go_on_to_the_last_bit(rows, uninterrupted, here, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "often"), prepend=":")
    folder = here / "killed"
    assert kill(folder, rows) == -signal.SIGKILL
    assert read(folder / "status.json")["state"] == "running"
    assert main(["resume", str(folder)]) == 0
    assert "resume at cells step" in capsys.readouterr().err
    assert [name for name in SAME if (uninterrupted / name).read_bytes() != (folder / name).read_bytes()] == []


def test_a_record_runs_again_as_it_is(uninterrupted, here):
    assert main(["run", str(uninterrupted / "config.yaml"), "folder=again"]) == 0
    assert [name for name in SAME if (uninterrupted / name).read_bytes() != (here / "again" / name).read_bytes()] == []


def test_time_that_is_over_is_said(here, capsys):
    assert main(["run", "heat_1d", *CELLS, *WORDS, "solver.seconds=1e-6", "folder=run"]) == 0
    assert read("run/metrics.json")["remarks"] == ["1e-06 seconds are over: the rest is solved on the cells that there are"]
    assert "seconds are over" in Path("run/run.log").read_text()


def test_a_wanted_accuracy_is_met(here):
    assert main(["run", "heat_1d", *CELLS, "accuracy=1e-5", "folder=run"]) == 0
    assert read("run/metrics.json")["error"]["relative_l2"] < 1e-5


def test_check_tells_of_cells(capsys):
    assert main(["check", "heat_1d", *CELLS]) == 0
    said = capsys.readouterr().out
    assert "linear, one solve for each cover" in said and "tolerance   1e-11 in each cell" in said


BAD = [
    (["solver=least_squares", "network=mlp"], "network must be local_features"),
    (["solver=adam_lbfgs", "network=local_features"], "network must be another network, such as mlp"),
    (["solver=least_squares", "precision=float32"], "precision must be float64 with solver=least_squares, got float32"),
    (["solver=least_squares", "device=cuda"], "device must be cpu with solver=least_squares, got cuda"),
    (["solver=least_squares", "hard=[walls]"], "hard must be empty with solver=least_squares, got walls"),
    (["solver=least_squares", "accuracy=1e-20"], "accuracy must be at least 1e-12, which is what float64 allows, got 1e-20"),
    (["solver=least_squares", "solver.tolerance=1e-17"], "solver.tolerance must be at least 1e-14"),
    (["solver=least_squares", "solver.tolerance=1"], "solver.tolerance must be less than 1"),
    (["solver=least_squares", "solver.cells={x: 0}"], "solver.cells.x must be a whole number of at least 1, got 0"),
    (["solver=least_squares", "solver.cells={x: 1.5}"], "solver.cells.x must be a whole number of at least 1, got 1.5"),
    (["solver=least_squares", "solver.cells={q: 3}"], "solver.cells unknown coordinate 'q'; coordinates: x, t"),
    (["solver=least_squares", "solver.most_cells=0"], "solver.most_cells must be at least 1"),
    (["solver=least_squares", "solver.seconds=0"], "solver.seconds must be greater than 0"),
    (["solver=least_squares", "network.degree=1"], "network.degree must be at least 2"),
    (["solver=least_squares", "network.features=cos"], "network.features must be one of legendre, tanh, sin"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_settings_that_do_not_go_with_cells(words, message, here, capsys):
    refused(["run", "heat_1d", *words], message, here, capsys)


def test_check_refuses_them_as_well_and_says_nothing_else(here, capsys):
    refused(["check", "heat_1d", "solver=least_squares", "accuracy=1e-20"], "accuracy must be at least 1e-12", here, capsys)


@pytest.mark.parametrize("word", ["solver.cells.x=3", "+solver.cells.x=3", "solver.cells={x: 3}"])
def test_cells_to_begin_with_are_given_by_words(word):
    from pinn.run.prepare import prepare

    assert prepare("heat_1d", ["solver=least_squares", word]).configuration.solver.cells == {"x": 3}


@pytest.mark.parametrize("verb", ["run", "check"])
def test_more_coordinates_than_cells_are_made_for(verb, here, capsys):
    refused([verb, "poisson_100d", "solver=least_squares"], "cells have at most 5 coordinates, here are 100", here, capsys)


def refused(arguments, message, here, capsys):
    """One line, exit code 2, and nothing written."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.startswith("pinn: ") and captured.err.count("\n") == 1, captured.err
    assert captured.out == "" and list(here.iterdir()) == []


def test_outside_the_domain_nothing_is_said_and_inside_the_estimate_is_believed(tmp_path):
    result = pinn.solve("four_holes", *CELLS, "accuracy=1e-3", folder=tmp_path / "run", quiet=True)
    assert result.verdict == "verified" and result.metrics["estimate"]["accepted"] and result.error < 1e-4
    stored = np.load(tmp_path / "run" / "solution.npz")
    x, y = np.meshgrid(stored["x"], stored["y"], indexing="ij")
    in_hole = np.hypot(np.abs(x) - 0.3, np.abs(y) - 0.3) < 0.1
    for name in ("u", "u.estimate"):
        np.testing.assert_array_equal(np.isnan(stored[name]), in_hole)
    assert np.isnan(result.field(x=[0.3, 0.0, 0.4], y=[0.3, 0.0, 0.3])).tolist() == [True, False, False]
    grid = np.load(tmp_path / "run" / "diagnostics.npz")["residual.grid.laplace"]
    np.testing.assert_array_equal(np.isnan(grid), in_hole)
    assert 0.2 < np.nanmin(stored["u"][50, 50]) < 0.3 and stored["u"][in_hole == 0].max() < 1 + 1e-4
