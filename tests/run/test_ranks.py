"""Runs on several processes: the same numbers as on one, going on with another number of them, and one that dies."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")

from pinn.problem.settings import BadInput  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.ranks import Place, meeting, place  # noqa: E402

MINE = """\
coordinates: {x: [0, 1], t: [0, 1]}
unknowns: [u, v]
constants: {k: 0.3}
equations:
  first: u_t + v*u_x = 0.1*u_xx + x*t
  second: v_t = k*v_xx - u + integral(u, x, 0, x)
conditions:
  start: {at: t = 0, u: exp(x), v: x**2}
  left: {at: x = 0, u: 1, v: 0}
  right: {at: x = 1, u: e - t, v_n: 2}
"""
SMALL = [
    "solver.stages.adam.steps=20", "solver.stages.broyden.steps=30", "solver.stages.adam.warm_up=3", "points.interior=101",
    "points.surface=30", "points.redraw=16", "points.candidates=3", "network.width=5", "network.depth=2", "solver.until.check=25",
    "threads=1", "report=none", "reference=none", "solver=adam_broyden",
]  # fmt: skip


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace("e - t", "2.718281828459045 - t"))
    return str(path)


def losses(folder):
    with (folder / "history.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("words", [[], ["decomposition=cuts", "decomposition.cells={x: 2}"]], ids=["whole", "cuts"])
def test_several_processes_find_what_one_does(mine, tmp_path, words):
    assert main(["run", mine, *SMALL, *words, f"folder={tmp_path / 'one'}"]) == 0
    assert main(["run", mine, *SMALL, *words, "launch.processes=3", f"folder={tmp_path / 'three'}"]) == 0
    one, three = losses(tmp_path / "one"), losses(tmp_path / "three")
    assert len(one) == len(three) == 50
    assert three == pytest.approx(one, rel=1e-10)
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "three")]
    assert metrics[0]["num_rows"] == metrics[1]["num_rows"] and metrics[0]["terms"].keys() == metrics[1]["terms"].keys()


def start(words, folder):
    command = [sys.executable, "-m", "pinn", "run", *words, f"folder={folder}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def others(pid):
    """Numbers of the processes that a process has started."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(name))
    return found


def wait_for(folder, rows, process):
    for _ in range(1200):
        if (folder / "history.csv").exists() and (folder / "history.csv").read_text().count("\n") > rows:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("too slow")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
def test_a_process_that_dies_ends_the_run_and_nothing_is_lost(mine, tmp_path):
    words = [*SMALL, "solver.stages.adam.steps=100000"]
    process = start([mine, *words, "launch.processes=3"], tmp_path / "run")
    wait_for(tmp_path / "run", 100, process)
    workers = others(process.pid)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begin < 30
    assert process.returncode == 130 and "another process of this run has ended" in said and "Traceback" not in said
    assert not any(os.path.exists(f"/proc/{worker}") for worker in workers)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "interrupted"
    config = tmp_path / "run" / "config.yaml"
    text = config.read_text()
    assert "processes: 3" in text
    config.write_text(text.replace("processes: 3", "processes: 2"))
    done = status["step"]
    process = subprocess.Popen([sys.executable, "-m", "pinn", "resume", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "run", done + 50, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume at adam step" in said
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] > done >= 100


def test_processes_that_somebody_else_has_started_meet(mine, tmp_path):
    """As torchrun starts them: the same command everywhere, told apart by the environment."""
    shared = meeting(2)
    command = [sys.executable, "-m", "pinn", "run", mine, *SMALL, f"folder={tmp_path / 'run'}"]
    both = [
        subprocess.Popen(
            command, env={**os.environ, **shared, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[1][0] == "" and len(losses(tmp_path / "run")) == 50


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Place(2, 4)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}, Place(3, 8)),
        ({"RANK": "1"}, None),
    ],
)
def test_where_a_process_stands(environment, expected):
    assert place(environment) == expected


@pytest.mark.parametrize(("rank", "size"), [("4", "4"), ("-1", "2"), ("x", "2")])
def test_impossible_places(rank, size):
    with pytest.raises(BadInput, match="^RANK "):
        place({"RANK": rank, "WORLD_SIZE": size})


def test_another_number_than_was_started(mine, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert main(["run", mine, *SMALL, "launch.processes=3", f"folder={tmp_path / 'run'}"]) == 2
    assert capsys.readouterr().err == "pinn: launch.processes is 3, but 4 processes were started; leave it out\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver=least_squares"], "launch.processes must be 1 with solver=least_squares"),
        (["launch.processes=0"], "launch.processes must be at least 1, got 0"),
    ],
)
def test_impossible_settings(words, message, tmp_path, capsys):
    assert main(["run", "heat_1d", "launch.processes=2", *words, f"folder={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err
