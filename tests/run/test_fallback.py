"""Runs whose solver was chosen for them, and what happens when it fails."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip("torch")

from pinn.run import checkpoint, decide  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.training import Keeper  # noqa: E402
from pinn.solver.cells.march import March  # noqa: E402

TEXT = """\
coordinates: {x: [0, 1], t: [0, 1]}
unknowns: [u]
equations: {decay: u_t = u_xx - u**2}
conditions:
  initial: {at: t = 0, u: sin(pi*x)}
  walls: {at: boundary, u: 0}
"""
TRAINED = "solver=adam_broyden: stopped in round {}: the rows are not finite"


def read(path):
    return json.loads(Path(path).read_text())


def config(path):
    return yaml.safe_load((Path(path) / "config.yaml").read_text())


def stages(path):
    with (Path(path) / "history.csv").open() as file:
        return [(int(row["step"]), row["stage"]) for row in csv.DictReader(file)]


@pytest.fixture
def mine(here):
    (here / "mine.yaml").write_text(TEXT)
    return "mine.yaml"


@pytest.fixture
def fails(monkeypatch):
    """Make the march fail in a round, and the training that may take its place short."""
    real, compose = March.advance, decide.compose

    def composed(source, words=()):
        settings = compose(source, words)
        for stage in settings["solver"].get("stages", {}).values():
            stage["steps"] = 6
        return settings

    def in_round(number):
        begun = []

        def advance(self, *words):
            begun.append(self)
            if len(begun) >= number:
                raise FloatingPointError("the rows are not finite")
            return real(self, *words)

        monkeypatch.setattr(March, "advance", advance)
        monkeypatch.setattr(decide, "compose", composed)

    return in_round


QUIET = ["report=none", "reference=none"]


def test_what_is_chosen_is_recorded_and_runs_again_as_it_is(mine, here, capsys):
    words = [*QUIET, "accuracy=1e-6"]
    assert main(["run", mine, *words, "folder=run"]) == 0
    why = "solver=least_squares: 2 coordinates, order 2, nonlinear, so Gauss-Newton in cells"
    assert why in capsys.readouterr().err
    kept = config("run")
    assert (kept["solver"]["_target_"], kept["network"]["_target_"]) == ("pinn.CellLeastSquares", "pinn.LocalFeatures")
    assert kept["chosen"] == why and why in (here / "run/run.log").read_text()
    assert main(["run", "run/config.yaml", "folder=again"]) == 0
    for name in ("config.yaml", "history.csv", "solution.npz"):
        assert (here / "run" / name).read_bytes() == (here / "again" / name).read_bytes(), name


def test_a_solver_that_was_chosen_and_fails_is_replaced_once(mine, here, fails, capsys):
    fails(in_first := 1)
    assert main(["run", mine, *QUIET, "seed=2", "folder=run"]) == 0
    why = TRAINED.format(in_first)
    assert why in capsys.readouterr().err
    kept = config("run")
    assert (kept["solver"]["_target_"], kept["network"]["_target_"], kept["seed"]) == ("pinn.Staged", "pinn.MLP", 2)
    assert kept["chosen"] == why
    assert read("run/status.json")["state"] == "finished" and read("run/metrics.json")["solver"] == "adam+broyden"
    assert stages("run") == [(step, "adam" if step <= 6 else "broyden") for step in range(1, 13)]
    assert main(["run", "run/config.yaml", "folder=again"]) == 0
    for name in ("config.yaml", "history.csv", "solution.npz"):
        assert (here / "run" / name).read_bytes() == (here / "again" / name).read_bytes(), name


def test_nothing_of_the_first_try_is_left(mine, here, fails):
    """The first try saves a checkpoint of its first round; were it kept, a run killed early in its second could not go on."""
    fails(2)
    seen = []
    write = Keeper.write

    def written(self, state):
        seen.append((state.stage, sorted(path.name for path in here.glob("run/checkpoint*"))))
        write(self, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "write", written)
        assert main(["run", mine, *QUIET, "folder=run"]) == 0
    assert [stage for stage, _ in seen] == ["cells", *["adam"] * 6, *["broyden"] * 6]
    assert seen[1] == ("adam", [])
    assert {stage for _, stage in stages("run")} == {"adam", "broyden"}
    content, _ = checkpoint.load(here / "run/checkpoint.previous.pt")
    assert content["state"]["stage"] != "cells"


def test_a_second_try_that_was_stopped_goes_on(mine, here, fails, monkeypatch, capsys):
    fails(2)
    assert main(["run", mine, *QUIET, "folder=whole"]) == 0
    fails(2)
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        if (state.stage, state.step) == ("broyden", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert main(["run", mine, *QUIET, "folder=cut"]) == 130
    monkeypatch.setattr(Keeper, "write", write)
    assert main(["resume", "cut"]) == 0
    for name in ("config.yaml", "history.csv", "solution.npz"):
        assert (here / "whole" / name).read_bytes() == (here / "cut" / name).read_bytes(), name


def test_a_first_try_that_was_stopped_and_fails_later_is_replaced_too(mine, here, fails, monkeypatch, capsys):
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert main(["run", mine, *QUIET, "folder=run"]) == 130
    monkeypatch.setattr(Keeper, "write", write)
    fails(1)
    assert main(["resume", "run"]) == 0
    assert config("run")["chosen"] == TRAINED.format(2)
    assert read("run/metrics.json")["solver"] == "adam+broyden" and read("run/status.json")["exit_code"] == 0


@pytest.mark.parametrize("rounds", [2, 5])
def test_a_stopped_solve_in_cells_goes_on_to_the_last_bit(mine, here, monkeypatch, rounds):
    words = [*QUIET, "accuracy=1e-6"]
    assert main(["run", mine, *words, "folder=whole"]) == 0
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        if state.total == rounds:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert main(["run", mine, *words, "folder=cut"]) == 130
    assert len(stages("cut")) == rounds
    monkeypatch.setattr(Keeper, "write", write)
    assert main(["resume", "cut"]) == 0
    assert len(stages("cut")) > rounds
    for name in ("config.yaml", "history.csv", "solution.npz", "diagnostics.npz"):
        assert (here / "whole" / name).read_bytes() == (here / "cut" / name).read_bytes(), name


@pytest.mark.parametrize("number", [1, 2])
def test_a_solver_that_a_person_chose_is_not_replaced(mine, here, fails, capsys, number):
    fails(number)
    assert main(["run", mine, *QUIET, "solver=least_squares", "folder=run"]) == 3
    said = [line for line in capsys.readouterr().err.splitlines() if "cells" not in line]
    kept = "; last good step 1 saved" if number == 2 else ""
    assert said == [
        f"stopped in round {number}: the rows are not finite{kept}; try a lower accuracy, or solver=adam_broyden, which trains a network instead"
    ]
    assert read("run/status.json")["state"] == "diverged" and config("run")["solver"]["_target_"] == "pinn.CellLeastSquares"
    assert main(["resume", "run"]) == 2


def test_every_job_of_a_sweep_is_decided_for_itself(mine, here):
    assert main(["run", mine, "-m", *QUIET, "accuracy=1e-3", "seed=0,1", "folder=sweep"]) == 0
    assert [config(f"sweep/{job}")["solver"]["_target_"] for job in "01"] == ["pinn.CellLeastSquares"] * 2
    assert [config(f"sweep/{job}")["seed"] for job in "01"] == [0, 1]


@pytest.mark.slow
def test_jobs_in_processes_of_joblib_are_decided_too(mine, here, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.setenv("JOBLIB_MULTIPROCESSING", "1")
    words = ["accuracy=1e-3", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "folder=sweep"]
    assert main(["run", mine, "-m", *QUIET, *words]) == 0
    assert [config(f"sweep/{job}")["chosen"].partition(":")[0] for job in "01"] == ["solver=least_squares"] * 2
    assert [read(f"sweep/{job}/status.json")["state"] for job in "01"] == ["finished"] * 2


def test_data_that_contradict_each_other_are_told_and_nothing_is_trained(here, capsys):
    conditions = "{start: {at: t = 0, u: 0}, walls: {at: boundary, u_n: 0}, mean: integral(u) = 0}"
    text = f"coordinates: {{x: [0, 1], t: [0, 1]}}\nunknowns: [u]\nequations: {{heat: u_t = u_xx + 1}}\nconditions: {conditions}\n"
    (here / "sealed.yaml").write_text(text)
    assert main(["run", "sealed.yaml", "accuracy=1e-2", "report=none", "folder=run"]) == 3
    told = read("run/status.json")["message"]
    assert "'heat' keeps a residual of" in told and "'heat' can only hold with a constant added (here 1)" in told
    assert "try conditions that agree with the equations" in told and "adam" not in told
    assert {stage for _, stage in stages("run")} == {"cells"}
