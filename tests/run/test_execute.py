"""Runs from start to end: the files they leave, running them again, going on with them, and what stops them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pinn.field import compiler  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.execute import summary  # noqa: E402
from pinn.run.folder import RunFolder  # noqa: E402
from pinn.run.prepare import prepare  # noqa: E402
from pinn.run.setup import set_up  # noqa: E402

FILES = {
    "config.yaml", "environment.json", "status.json", "metrics.json", "history.csv", "timing.csv", "diagnostics.npz",
    "checkpoint.pt", "checkpoint.previous.pt", "solution.npz", "solution.nc", "run.log",
}  # fmt: skip
SAME = ("history.csv", "solution.npz", "solution.nc", "diagnostics.npz")
LONG = [
    "solver.stages.adam.steps=50", "solver.stages.broyden.steps=40", "points.interior=32", "points.surface=8", "network.width=6",
    "network.depth=2", "solver.until.check=20", "threads=1", "report=none", "points.redraw=7",
]  # fmt: skip


def read(path):
    return json.loads(Path(path).read_text())


def same(first, second):
    return [name for name in SAME if (Path(first) / name).read_bytes() != (Path(second) / name).read_bytes()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run that tests only look at."""
    from tests.run.conftest import SMALL

    folder = tmp_path_factory.mktemp("runs") / "first"
    assert main(["run", "heat_1d", *SMALL, f"folder={folder}"]) == 0
    return folder


def test_a_run_leaves_the_files_of_the_contract(finished):
    assert {path.name for path in finished.iterdir()} == FILES
    status = read(finished / "status.json")
    assert (status["state"], status["exit_code"], status["step"]) == ("finished", 0, 24)
    metrics = read(finished / "metrics.json")
    assert metrics["problem"] == "heat_1d"
    assert metrics["verdict"] in ("verified", "not verified")
    assert metrics["error"]["source"] == "exact" and metrics["error"]["at_most"] >= metrics["error"]["relative_l2"]
    assert metrics["reference"]["kind"] == "exact"
    assert set(metrics["seconds"]) == {"setup", "solve", "judge", "compile"}
    assert metrics["num_rows"] == 48
    assert list(metrics["terms"]) == ["heat", "initial", "walls"]
    environment = read(finished / "environment.json")
    assert environment["packages"]["torch"] and environment["command"].startswith("pinn run heat_1d")


def test_the_history_has_a_row_for_every_step_and_no_clock(finished):
    lines = (finished / "history.csv").read_text().splitlines()
    assert lines[0] == "step,stage,loss,heat,initial,walls,error"
    assert len(lines) == 25
    checked = [int(line.split(",")[0]) for line in lines[1:] if line.split(",")[-1]]
    assert checked == [10, 12, 20, 24]
    assert (finished / "timing.csv").read_text().count("\n") == 25


def test_the_solution_says_what_it_is(finished):
    from scipy.io import netcdf_file

    with np.load(finished / "solution.npz") as stored:
        meta = json.loads(str(stored["meta"]))
        assert meta["coordinates"] == ["x", "t"] and meta["time"] == "t"
        assert stored["u"].shape == (len(stored["x"]), len(stored["t"])) == stored["u.error"].shape
        np.testing.assert_array_equal(stored["u.error"], stored["u"] - stored["u.reference"])
        norm = np.linalg.norm(stored["u.error"]) / np.linalg.norm(stored["u.reference"])
        with netcdf_file(finished / "solution.nc", mmap=False) as file:
            np.testing.assert_array_equal(file.variables["u"][:], stored["u"])
    assert norm == pytest.approx(read(finished / "metrics.json")["unknowns"]["u"]["relative_l2"], rel=0.05)


def test_a_record_runs_again_as_it_is(finished, here):
    assert main(["run", str(finished / "config.yaml"), "folder=again"]) == 0
    assert same(finished, "again") == []
    assert (here / "again" / "config.yaml").read_bytes() == (finished / "config.yaml").read_bytes()


def test_other_values_change_the_result(finished, here):
    assert main(["run", str(finished / "config.yaml"), "seed=1", "folder=other"]) == 0
    assert "history.csv" in same(finished, "other")


def test_a_finished_run_is_not_resumed(finished, capsys):
    assert main(["resume", str(finished)]) == 0
    assert "is finished; nothing to resume" in capsys.readouterr().out


def test_a_folder_of_a_run_is_no_file_to_run(finished, capsys):
    assert main(["run", str(finished)]) == 2
    assert "pinn resume" in capsys.readouterr().err


def test_plot_compare_and_export_read_the_folder(finished, here, capsys):
    assert main(["compare", str(finished), f"{finished}/../first", "--to", "errors.png"]) == 0
    assert capsys.readouterr().out.count("heat_1d") == 2
    assert (here / "errors.png").exists()
    assert main(["export", str(finished), "--to", "u.vti"]) == 0
    assert main(["export", str(finished), "--to", "u.xyz"]) == 2


def test_a_run_that_was_killed_before_it_began(here, small, capsys):
    (here / "run").mkdir()
    (here / "run" / "lock").write_text('{"pid": 99999999, "host": "' + socket.gethostname() + '"}')
    (here / "run" / ".config.yaml.99999999").write_text("na")
    assert main(["resume", "run"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "was stopped before it began; start it again, with folder=run" in said
    assert main(["run", "heat_1d", *small, "folder=run"]) == 0


def test_a_missed_accuracy_is_exit_code_4(here, small, capsys):
    assert main(["run", "heat_1d", *small, "accuracy=1e-9", "folder=run"]) == 4
    assert "wanted 1.0e-09" in capsys.readouterr().out
    assert read("run/metrics.json")["verdict"] == "not verified"
    assert read("run/status.json")["exit_code"] == 4
    assert main(["resume", "run"]) == 4
    assert "nothing to resume; it missed the wanted accuracy" in capsys.readouterr().out


def test_a_diverging_run_says_where_and_keeps_the_last_good_state(here, small, capsys):
    words = [*small, "solver.stages.adam.rate=1e200", "~solver.stages.broyden", "solver.stages.adam.warm_up=0", "folder=run"]
    assert main(["run", "heat_1d", *words]) == 3
    message = capsys.readouterr().err
    assert "diverged at step" in message and "not finite" in message
    assert read("run/status.json")["state"] == "diverged"
    assert main(["resume", "run"]) == 2
    assert "change a setting and start again" in capsys.readouterr().err


def test_a_figure_that_fails_costs_no_result(here, small, capsys, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("no ink")

    monkeypatch.setattr("pinn.report.figures.make_figures", fails)
    words = [word for word in small if word != "report=none"]
    assert main(["run", "heat_1d", *words, "folder=run", "report.classical=null"]) == 0
    assert "RuntimeError: no ink" in capsys.readouterr().err
    found = read("run/metrics.json")
    assert found["error"]["source"] == "exact" and "figures: RuntimeError: no ink" in found["warnings"][-1]
    assert "RuntimeError: no ink" in (here / "run" / "report.html").read_text()
    assert "Traceback" in (here / "run" / "run.log").read_text()


def test_a_bug_is_said_in_one_line_and_kept_in_the_log(here, small, capsys, monkeypatch):
    def fails(*arguments):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("pinn.run.judging.Judge.conclude", fails)
    assert main(["run", "heat_1d", *small, "folder=run"]) == 1
    message = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in message and "Traceback" not in message and "run/run.log" in message
    assert "Traceback" in (here / "run" / "run.log").read_text()
    assert read("run/status.json")["state"] == "failed"
    monkeypatch.undo()
    os.chdir(here)
    assert main(["resume", "run"]) == 0


def test_a_full_disk_stops_with_the_last_checkpoint_intact(here, small, capsys, monkeypatch):
    import errno

    from pinn.run import atomic, checkpoint

    real, count = checkpoint.save, []

    def full(path, content):
        count.append(path)
        if len(count) > 1:
            raise atomic.cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))
        real(path, content)

    monkeypatch.setattr(checkpoint, "save", full)
    assert main(["run", "heat_1d", *small, "folder=run"]) == 2
    assert "the disk is full" in capsys.readouterr().err
    monkeypatch.undo()
    os.chdir(here)
    assert main(["resume", "run"]) == 0


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["run", "heat_1d", *LONG, f"folder={folder}"]) == 0
    return folder


def begin(folder, *words):
    command = [sys.executable, "-m", "pinn", "run", "heat_1d", *LONG, f"folder={folder}", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_rows(folder, process, rows):
    """Wait until the saved history has so many rows; rows reach the disk with a checkpoint."""
    for _ in range(6000):
        with contextlib.suppress(OSError):
            if (folder / "history.csv").read_text().count("\n") >= rows and (folder / "checkpoint.pt").exists():
                return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the run did not get anywhere")


def stop(folder, number, rows):
    process = begin(folder)
    wait_for_rows(folder, process, rows)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.fixture
def often(monkeypatch):
    """Save at every step, here and in processes that are started."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "often"), prepend=os.pathsep)


@pytest.mark.parametrize(
    "rows", [20, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (3, 30, 45, 50, 52, 60, 70, 80, 87))]
)
def test_killed_runs_go_on_to_the_last_bit(rows, uninterrupted, here, often, capsys):
    folder = here / "killed"
    code, _ = stop(folder, signal.SIGKILL, rows)
    assert code == -signal.SIGKILL
    assert read(folder / "status.json")["state"] == "running"
    assert main(["resume", str(folder)]) == 0
    assert "resume at" in capsys.readouterr().err
    assert same(uninterrupted, folder) == []
    assert read(folder / "status.json")["state"] == "finished"


def test_a_terminated_run_saves_and_goes_on(uninterrupted, here, often):
    folder = here / "stopped"
    code, said = stop(folder, signal.SIGTERM, 60)
    assert code == 130
    assert f"saved; go on with pinn resume {folder}" in said
    assert read(folder / "status.json")["state"] == "interrupted"
    assert main(["resume", str(folder)]) == 0
    assert same(uninterrupted, folder) == []


def test_a_changed_record_is_not_resumed(here, often, capsys):
    folder = here / "stopped"
    assert stop(folder, signal.SIGTERM, 20)[0] == 130
    config = folder / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("a: 0.4", "a: 0.5"))
    assert main(["resume", str(folder)]) == 2
    assert "problem.constants.a was 0.4, now 0.5" in capsys.readouterr().err
    config.write_text(text.replace("version: ", "version: 9"))
    assert main(["resume", str(folder)]) == 2
    assert "made by pinn 9" in capsys.readouterr().err
    config.write_text(text.replace("accuracy: null", "accuracy: 0.9").replace("animation: false", "animation: true"))
    (folder / "checkpoint.pt").write_bytes(b"damaged")
    assert main(["resume", str(folder)]) == 0
    assert "checkpoint.pt is damaged, using checkpoint.previous.pt" in capsys.readouterr().err


def test_a_run_in_use_is_left_alone(here, often, capsys):
    folder = here / "busy"
    process = begin(folder)
    try:
        wait_for_rows(folder, process, 2)
        assert main(["resume", str(folder)]) == 2
        assert f"in use by process {process.pid}" in capsys.readouterr().err
    finally:
        process.kill()
        process.communicate()


RACE = """
import sys
import pinn.judge.estimate, pinn.run.execute, pinn.run.judging, pinn.run.training, pinn.solver.staged
from pinn.run.cli import main
print("ready", flush=True)
sys.stdin.readline()
sys.exit(main(["run", "heat_1d", *sys.argv[1:]]))
"""
TINY = ["report=none", "network.width=4", "network.depth=1", "solver.stages.adam.steps=20", "solver.stages.broyden.steps=20"]


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("left", [False, True])
def test_of_two_that_take_one_folder_one_runs_and_the_other_is_told(here, left, times):
    """Both start at the same moment, in a new folder or in one with the lock of a process that was killed."""
    for trial in range(times):
        folder = here / f"run{trial}"
        if left:
            folder.mkdir()
            (folder / "lock").write_text(json.dumps({"pid": 1, "host": socket.gethostname(), "started": "0"}))
        command = [sys.executable, "-c", RACE, *TINY, f"folder={folder.name}"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        pair = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
        for process in pair:
            assert process.stdout.readline() == "ready\n"
        for process in pair:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = {process.returncode: said for process in pair for said in [process.communicate(timeout=120)[1]]}
        assert sorted(told) == [0, 2], told
        assert told[2].count("\n") == 1 and told[2].startswith(f"pinn: {folder.name} "), told
        assert read(folder / "status.json")["state"] == "finished"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_table_on_a_full_disk_says_so_also_when_it_is_closed():
    from pinn.problem.settings import BadInput
    from pinn.run.history import Table

    table = Table(Path("/dev/full"), ["step"])
    with pytest.raises(BadInput, match="the disk is full"):
        table.close()


def test_terminating_while_the_solution_is_judged_leaves_a_run_to_resume(here, small, capsys, monkeypatch):
    def terminated(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr("pinn.run.judging.Judge.conclude", terminated)
    assert main(["run", "heat_1d", *small, "folder=run"]) == 130
    assert read("run/status.json")["state"] == "interrupted"
    assert not Path("run/lock").exists()
    monkeypatch.undo()
    os.chdir(here)
    assert main(["resume", "run"]) == 0


def test_a_signal_at_the_last_step_is_not_lost(here, small, monkeypatch):
    from pinn.run import training

    real = training.Keeper.save

    def save(self, state):
        if state.is_final:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, state)

    monkeypatch.setattr(training.Keeper, "save", save)
    assert main(["run", "heat_1d", *small, "folder=run"]) == 130
    monkeypatch.undo()
    os.chdir(here)
    assert main(["resume", "run"]) == 0


def test_names_that_no_file_can_have_and_places_nobody_can_write_are_no_bugs(finished, here, capsys):
    assert main(["check", "x" * 3000]) == 2
    (here / "file").write_text("")
    assert main(["export", str(finished), "--to", "file/u.vti"]) == 2
    assert main(["compare", str(finished), "--to", "file/u.png"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_is_gone_is_told(here, capsys):
    (here / "gone").mkdir()
    os.chdir(here / "gone")
    (here / "gone").rmdir()
    assert main(["check", "heat_1d"]) == 2
    assert "working folder does not exist" in capsys.readouterr().err
    os.chdir(here)


def test_the_last_line_of_a_run_gives_the_bound_of_an_error_that_is_not_known(here):
    metrics = {
        "verdict": "not verified", "verdict_reasons": [], "seconds": {"solve": 3.0},
        "error": {"relative_l2": None, "source": "none", "at_most": 3e-4},
    }  # fmt: skip
    assert "error at most 3.0e-04 (finite differences) in 3 s" in summary(metrics, RunFolder(here))


def test_a_run_that_is_over_before_the_compiler_does_without():
    made = [set_up(prepare("heat_1d", [f"solver.stages.broyden.steps={steps}"])) for steps in (1, 20_000)]
    assert made[0].decisions["compiled"] is False
    assert made[1].decisions["compiled"] is compiler.is_available()
    again = set_up(prepare("heat_1d", ["solver=adam_broyden"]), {"compiled": False, "chunk": 100})
    assert again.decisions == {"compiled": False, "chunk": 100}
