"""Multirun: all combinations, validated first, by Hydra's basic, joblib and submitit launchers."""

import json
import os

import pytest

torch = pytest.importorskip("torch")

from pinn.run.cli import main  # noqa: E402
from pinn.run.compose import Source, compose  # noqa: E402
from pinn.run.sweep import Work, _workers  # noqa: E402


def jobs(folder):
    return {path.name: json.loads((path / "status.json").read_text()) for path in folder.iterdir() if path.name.isdigit()}


def test_every_combination_runs_and_they_are_compared(here, small, capsys):
    assert main(["run", "heat_1d", "-m", *small, "seed=0,1", "network=mlp,modified_mlp", "folder=sweep"]) == 0
    assert {name: status["state"] for name, status in jobs(here / "sweep").items()} == dict.fromkeys("0123", "finished")
    assert capsys.readouterr().out.count("heat_1d") >= 4
    configs = [(here / "sweep" / name / "config.yaml").read_text() for name in "0123"]
    assert [("seed: 1" in text, "pinn.ModifiedMLP" in text) for text in configs] == [
        (False, False), (False, True), (True, False), (True, True),
    ]  # fmt: skip


def test_a_diverging_job_does_not_stop_the_others(here, small):
    words = [*small, "~solver.stages.broyden", "solver.stages.adam.warm_up=0", "solver.stages.adam.rate=1e200,1e-3", "folder=sweep"]
    assert main(["run", "heat_1d", "-m", *words]) == 3
    assert {name: status["state"] for name, status in jobs(here / "sweep").items()} == {"0": "diverged", "1": "finished"}


def test_a_job_gives_what_a_single_run_gives(here, small):
    assert main(["run", "heat_1d", "-m", *small, "seed=3,4", "folder=sweep"]) == 0
    assert main(["run", "heat_1d", *small, "seed=4", "folder=single"]) == 0
    for name in ("history.csv", "solution.npz", "config.yaml"):
        assert (here / "sweep" / "1" / name).read_bytes() == (here / "single" / name).read_bytes()


def test_jobs_of_a_file_run_in_processes_of_joblib(here, small, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.setenv("JOBLIB_MULTIPROCESSING", "1")
    (here / "mine.yaml").write_text(
        "coordinates: {x: [0, 1]}\nunknowns: [u]\nequations: {poisson: u_xx = max(x, 0)}\nconditions: {walls: {at: boundary, u: 0}}\n"
        .replace("u_xx = max(x, 0)", '"u_xx = max(x, 0)"')
    )  # fmt: skip
    words = ["seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "folder=sweep"]
    assert main(["run", "mine.yaml", "-m", *small, *words]) == 0
    assert {name: status["state"] for name, status in jobs(here / "sweep").items()} == {"0": "finished", "1": "finished"}
    assert "name: mine" in (here / "sweep" / "1" / "config.yaml").read_text()


@pytest.mark.slow
def test_jobs_of_a_file_run_by_submitit_on_this_machine(here, small):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    (here / "mine.yaml").write_text(
        'coordinates: {x: [0, 1]}\nunknowns: [u]\nequations:\n  poisson: "u_xx = max(x, 0)"\nconditions: {walls: {at: boundary, u: 0}}\n'
    )
    words = ["seed=0,1", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "folder=sweep"]
    assert main(["run", "mine.yaml", "-m", *small, *words]) == 0
    assert {name: status["state"] for name, status in jobs(here / "sweep").items()} == {"0": "finished", "1": "finished"}
    assert main(["run", "mine.yaml", *small, "seed=1", "folder=single"]) == 0
    assert (here / "sweep" / "1" / "history.csv").read_bytes() == (here / "single" / "history.csv").read_bytes()


def test_a_job_may_have_several_processes(here, small, monkeypatch):
    """As submitit starts them on Slurm with several tasks in a node: the others evaluate their share and write nothing."""
    helped = []
    monkeypatch.setattr("pinn.run.sweep.work", lambda prepared: helped.append(prepared.configuration.seed))
    monkeypatch.setenv("SLURM_PROCID", "2")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    settings = compose(Source("heat_1d"), ["solver=adam_lbfgs", "seed=5"])
    assert Work("pinn run", None)(settings, here / "0") == float("inf")
    assert helped == [5] and list(here.iterdir()) == []


def test_a_sweep_on_several_processes_is_refused(here, small, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["run", "heat_1d", "-m", *small, "seed=0,1"]) == 2
    assert "a sweep is started by one process" in capsys.readouterr().err and list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "threads"),
    [
        ([], 1), (["hydra/launcher=submitit_slurm"], 1), (["hydra/launcher=joblib", "hydra.launcher.n_jobs=3"], 3),
        (["hydra/launcher=submitit_local"], os.cpu_count()),
    ],
)  # fmt: skip
def test_how_many_jobs_share_the_machine(words, threads):
    assert _workers(words) == threads


def test_an_experiment_file_can_be_swept(here, small):
    (here / "study.yaml").write_text("problem: poisson_1d\nnetwork: {width: 5}\nseed: 7\n")
    assert (
        main(["run", "study.yaml", "-m", *[word for word in small if "width" not in word], "network.depth=1,2", "folder=sweep"])
        == 0
    )
    text = (here / "sweep" / "1" / "config.yaml").read_text()
    assert "name: poisson_1d" in text and "seed: 7" in text and "width: 5" in text and "depth: 2" in text
