"""Runs on several processes: the same numbers as on one, going on with another number of them, and one that dies."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from several import Together, write_value  # noqa: E402

from pinn.problem.settings import BadInput  # noqa: E402
from pinn.run.checkpoint import load  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.ranks import Place, meeting, place  # noqa: E402

# No symmetry; an integral and a look elsewhere make rows that read several cells, which belong to several processes.
MINE = """\
coordinates: {x: [0, 1], t: [0, 1]}
unknowns: [u]
constants: {k: 0.3}
equations:
  mixed: u_t + u*u_x = 0.1*u_xx + k*x*t - integral(u, x, 0, x) + u(x=0)
conditions:
  start: {at: t = 0, u: x**2 + 0.2}
  left: {at: x = 0, u: 0.2 - k*t}
  right: {at: x = 1, u_n: 2 - t}
"""
SMALL = [
    "solver=adam_broyden", "solver.stages.adam.steps=50", "solver.stages.broyden.steps=50", "solver.stages.adam.warm_up=3",
    "points.interior=101", "points.surface=30", "points.redraw=16", "network.width=4", "network.depth=1", "solver.until.check=25",
    "weights.conditions=1", "threads=1", "report=none", "reference=none",
]  # fmt: skip
WAYS = {
    "whole": ["points.candidates=3"],
    "windows": [
        "decomposition=windows",
        "decomposition.boxes=[{x: [0, 0.3]}, {x: [0.3, 1], t: [0, 0.6]}, {x: [0.3, 1], t: [0.6, 1]}]",
    ],
    "levels": ["decomposition=windows", "decomposition.cells={x: 3, t: 2}", "decomposition.levels=2", "points.candidates=3"],
    "cuts": ["decomposition=cuts", "decomposition.cells={x: 3}"],
    "residual": ["decomposition=xpinn", "decomposition.cells={x: 2, t: 2}"],
}


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return str(path)


def history(folder):
    """Losses of all steps, in total and by term, (steps, terms + 1)."""
    with (folder / "history.csv").open() as file:
        rows = [
            [float(value) for name, value in row.items() if name not in ("stage", "error", "step")] for row in csv.DictReader(file)
        ]
    return np.array(rows)


def theta(folder):
    return load(folder / "checkpoint.pt")[0]["state"]["theta"]


def run(size, words, folder, **others):
    together = Together(size, ["run", *words, f"folder={folder}"], folder.parent, **others)
    codes = together.join()
    assert codes == [0] * size, [together.words(rank) for rank in range(size)]
    return folder


@pytest.mark.parametrize(
    ("way", "sizes"),
    [
        ("whole", (2,)), ("windows", (2, 4)), ("cuts", (4,)),
        *(pytest.param(way, (2, 3, 4, 9), marks=pytest.mark.slow) for way in WAYS),
    ],
)  # fmt: skip
def test_gradients_are_those_of_one_process(mine, tmp_path, way, sizes):
    found = {}
    for size in (1, *sizes):
        path = str(tmp_path / f"{size}.pt")
        together = Together(size, [mine, *SMALL, *WAYS[way], path], tmp_path, write_value)
        assert together.join() == [0] * size, together.words()
        found[size] = torch.load(path, weights_only=True)
    one = found[1]
    for size in sizes:
        several = found[size]
        assert float((several["gradient"] - one["gradient"]).norm() / one["gradient"].norm()) < 1e-13
        torch.testing.assert_close(several["loss"], one["loss"], rtol=1e-13, atol=0)
        torch.testing.assert_close(several["losses"], one["losses"], rtol=1e-12, atol=0)
        points = [owned["points"] for owned in several["owned"]]
        assert len(points) == size and sum(points) == one["num_points"] and min(points) > 0


@pytest.mark.parametrize(
    ("way", "redraw", "size"),
    [
        ("windows", 16, 2),
        ("cuts", "null", 4),
        *(
            pytest.param(way, redraw, size, marks=pytest.mark.slow)
            for way, redraw, size in [
                ("whole", 16, 3),
                ("windows", "null", 4),
                ("levels", 16, 3),
                ("cuts", 16, 2),
                ("residual", 16, 4),
            ]
        ),
    ],
)
def test_trajectories_are_those_of_one_process(mine, tmp_path, way, redraw, size):
    """Self-scaled Broyden multiplies a difference by rounding about a millionfold in fifty steps, Adam hardly at all."""
    words = [mine, *SMALL, *(word for word in WAYS[way] if redraw != "null" or "candidates" not in word), f"points.redraw={redraw}"]
    one, several = run(1, words, tmp_path / "one"), run(size, words, tmp_path / "several")
    assert history(one).shape == history(several).shape and len(history(one)) == 100
    found = np.abs(history(several) / history(one) - 1)[:, 0]
    assert found[:50].max() < 1e-13 and found[:70].max() < 1e-10 and found.max() < 1e-8, found
    assert float((theta(several) - theta(one)).norm() / theta(one).norm()) < 1e-9
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, several)]
    assert "processes" not in metrics[0] and metrics[0]["num_rows"] == metrics[1]["num_rows"]
    processes = metrics[1]["processes"]
    assert processes["number"] == len(processes["each"]) == size and processes["evaluations"] >= metrics[1]["evaluations"]
    assert all(0 < each["seconds"] <= processes["seconds"] for each in processes["each"])


def test_more_processes_than_points_and_cells(mine, tmp_path):
    words = [mine, *SMALL, "solver.stages.adam.steps=3", "solver.stages.broyden.steps=2", "points.interior=2", "points.surface=3",
             "points.redraw=2", "decomposition=cuts", "decomposition.cells={x: 2}"]  # fmt: skip
    together = Together(17, ["run", *words, f"folder={tmp_path / 'run'}"], tmp_path)
    assert together.join() == [0] * 17, together.words()
    each = json.loads((tmp_path / "run" / "metrics.json").read_text())["processes"]["each"]
    assert sum(owned["points"] for owned in each) < 17 and min(owned["points"] for owned in each) == 0
    assert together.words().count("note: 17 processes have parts of 2 cells") == 1
    assert run(1, words, tmp_path / "one") and np.abs(history(tmp_path / "run") / history(tmp_path / "one") - 1).max() < 1e-11


LONG = ["solver.stages.adam.steps=100000", "decomposition=windows", "decomposition.cells={x: 3, t: 2}"]


def interrupted(mine, folder, size, stop):
    """Run on so many processes until ``stop(together)`` after 60 steps; return the exit codes, and how long it then took."""
    together = Together(size, ["run", mine, *SMALL, *LONG, f"folder={folder}"], folder.parent)
    wait_for(folder, 60, together.processes[0])
    stop(together)
    begin = time.monotonic()
    return together.join(), time.monotonic() - begin, together


def status(folder):
    return json.loads((folder / "status.json").read_text())


def test_one_of_four_is_killed_and_one_or_three_go_on(mine, tmp_path):
    codes, seconds, together = interrupted(mine, tmp_path / "run", 4, lambda together: together.processes[2].kill())
    assert codes == [130, 1, -signal.SIGKILL, 1] and seconds < 15
    assert "another process of this run has ended; go on with pinn resume" in together.words()
    assert all("Traceback" not in together.words(rank) for rank in range(4))
    assert status(tmp_path / "run")["state"] == "interrupted" and status(tmp_path / "run")["step"] >= 60
    for size in (1, 3):
        done, begun = status(tmp_path / "run")["step"], together
        together = Together(size, ["resume", str(tmp_path / "run")], tmp_path)
        wait_for(tmp_path / "run", done + 30, together.processes[0])
        os.kill(together.processes[0].pid, signal.SIGTERM)
        assert together.join() == [130] + [0] * (size - 1), (together.words(), begun.words())
        assert f"resume at adam step {done}" in together.words() and status(tmp_path / "run")["step"] > done + 20


def test_a_run_saved_on_four_goes_on_as_if_on_one(mine, tmp_path):
    """Interrupted and resumed, the losses are those of a run on one process that was never interrupted."""
    codes, _, _ = interrupted(mine, tmp_path / "run", 4, lambda together: os.kill(together.processes[0].pid, signal.SIGTERM))
    assert codes == [130, 0, 0, 0]
    steps = status(tmp_path / "run")["step"] + 40
    for size, words in ((3, ["resume", str(tmp_path / "run")]), (1, ["run", mine, *SMALL, *LONG, f"folder={tmp_path / 'whole'}"])):
        folder = tmp_path / ("run" if size == 3 else "whole")
        together = Together(size, words, tmp_path)
        wait_for(folder, steps, together.processes[0])
        os.kill(together.processes[0].pid, signal.SIGTERM)
        assert together.join() == [130] + [0] * (size - 1), together.words()
    assert np.abs(history(tmp_path / "run")[:steps, 0] / history(tmp_path / "whole")[:steps, 0] - 1).max() < 1e-10


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no SIGUSR1")
def test_a_warning_to_all_processes_saves_and_ends_the_run(mine, tmp_path):
    """As Slurm sends it to a whole step, here twice; what was saved goes on."""

    def warn(together):
        for process in [*together.processes, *together.processes[1:]]:
            os.kill(process.pid, signal.SIGUSR1)

    codes, seconds, together = interrupted(mine, tmp_path / "run", 3, warn)
    assert codes == [130, 0, 0] and seconds < 15
    done = status(tmp_path / "run")["step"]
    assert f"interrupted at adam step {done}, saved; go on with pinn resume" in together.words()
    together = Together(2, ["resume", str(tmp_path / "run")], tmp_path)
    wait_for(tmp_path / "run", done + 20, together.processes[0])
    warn(together)
    assert together.join() == [130, 0] and f"resume at adam step {done}" in together.words()


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


def is_alive(process):
    return process.poll() is None if isinstance(process, subprocess.Popen) else process.is_alive()


def wait_for(folder, rows, process):
    for _ in range(1200):
        if (folder / "history.csv").exists() and (folder / "history.csv").read_text().count("\n") > rows:
            return
        assert is_alive(process), "it has ended"
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
    assert status(tmp_path / "run")["state"] == "interrupted" and status(tmp_path / "run")["step"] >= 100


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
    assert said[1][0] == "" and len(history(tmp_path / "run")) == 100


IN_CELLS = """\
coordinates: {x: [0, 1], y: [0, 1]}
unknowns: [u]
equations:
  poisson: u_xx + u_yy = 5*u**2 - 5*(sin(x)*exp(y))**2 + u(x=1) - sin(1)*exp(y)
conditions:
  walls: {at: boundary, u: exact}
exact: sin(x)*exp(y)
"""
CELLS = ["solver=least_squares", "solver.cells={x: 3, y: 2}", "network.degree=7", "accuracy=1e-5", "threads=1", "report=none",
         "reference=none"]  # fmt: skip


@pytest.mark.parametrize("size", [2, 5, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_least_squares_in_cells_are_those_of_one_process(tmp_path, size):
    (tmp_path / "mine.yaml").write_text(IN_CELLS)
    words = [str(tmp_path / "mine.yaml"), *CELLS]
    one, several = run(1, words, tmp_path / "one"), run(size, words, tmp_path / "several")
    assert float((theta(several) - theta(one)).norm() / theta(one).norm()) < 1e-12
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, several)]
    assert metrics[0]["cells"] == metrics[1]["cells"] and metrics[0]["evaluations"] == metrics[1]["evaluations"] > 3
    each = metrics[1]["processes"]["each"]
    assert len(each) == size and sum(owned["cells"] for owned in each) >= 6 and all(owned["seconds"] > 0 for owned in each)


def test_what_fails_in_one_of_the_processes_ends_the_run_as_it_does_on_one(tmp_path):
    """Where the solve begins, at u = 0, the root is not finite in cells at the right end, which the last process owns."""
    text = IN_CELLS.replace("u(x=1)", "sqrt(0.9 - x + u)").replace("exact: sin(x)*exp(y)\n", "").replace("exact", "sin(x)*exp(y)")
    (tmp_path / "mine.yaml").write_text(text)
    for size in (1, 3):
        together = Together(size, ["run", str(tmp_path / "mine.yaml"), *CELLS, f"folder={tmp_path / str(size)}"], tmp_path)
        assert together.join() == [3] + [0] * (size - 1) and "is not finite where the solve begins" in together.words()


@pytest.mark.slow
def test_least_squares_go_on_after_a_process_was_killed(tmp_path):
    folder, words = tmp_path / "run", ["run", "burgers", "solver=least_squares", "threads=1", "report=none", "reference=none"]
    together = Together(3, [*words, f"folder={folder}"], tmp_path)
    wait_for(folder, 2, together.processes[0])
    together.processes[1].kill()
    assert together.join() == [130, -signal.SIGKILL, 1] and "another process of this run has ended" in together.words()
    again = Together(2, ["resume", str(folder)], tmp_path)
    assert again.join() == [0, 0] and "resume at cells step" in again.words()
    whole = run(1, words[1:], tmp_path / "whole")
    assert float((theta(folder) - theta(whole)).norm() / theta(whole).norm()) < 1e-10


def test_processes_that_srun_has_started_meet(mine, tmp_path):
    """Their number and their place are Slurm's variables; the port follows from the number of the job."""
    environment = {key: value for key, value in meeting(2).items() if key == "GLOO_SOCKET_IFNAME"}
    environment |= {"SLURM_NTASKS": "2", "SLURM_JOB_ID": str(os.getpid()), "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1"}
    short = ["solver.stages.adam.steps=5", "solver.stages.broyden.steps=2"]
    run(2, [mine, *SMALL, *short], tmp_path / "run", environment=environment)
    assert len(history(tmp_path / "run")) == 7


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
        (["launch.processes=0"], "launch.processes must be at least 1, got 0"),
    ],
)
def test_impossible_settings(words, message, tmp_path, capsys):
    assert main(["run", "heat_1d", "launch.processes=2", *words, f"folder={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err
