"""Runs that train the networks of a decomposition in turns: what they leave behind, how they go on, and on how many processes."""

import csv
import json
import os
import signal

import pytest

torch = pytest.importorskip("torch")

from pinn.run.check import size  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.prepare import prepare  # noqa: E402
from pinn.run.setup import set_up  # noqa: E402
from pinn.run.training import Keeper  # noqa: E402

WORDS = [
    "solver=time_marching", "decomposition.cells={t: 3}", "solver.stages.adam.steps=7", "solver.stages.broyden.steps=6",
    "solver.stages.adam.warm_up=3", "points.interior=90", "points.surface=32", "network.width=5", "network.depth=2",
    "solver.until.check=10", "threads=1", "report=none",
]  # fmt: skip
CHOSEN = ["points.redraw=5", "points.candidates=3"]
WINDOWS = ["decomposition=windows", "decomposition.cells={t: 4}", *CHOSEN]
TURNS = ["t 1/3", "t 2/3", "t 3/3"]


def history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_a_run_leaves_behind(here):
    assert main(["run", "heat_1d", *WORDS, "folder=run"]) == 0
    rows = history(here / "run")
    assert [row["stage"] for row in rows] == [f"{stage} {turn}" for turn in TURNS for stage in ["adam"] * 7 + ["broyden"] * 6]
    present = {
        turn: {name for row in rows if turn in row["stage"] for name in ("initial", "interfaces.u") if row[name]} for turn in TURNS
    }
    assert present == {"t 1/3": {"initial"}, "t 2/3": {"interfaces.u"}, "t 3/3": {"interfaces.u"}}
    metrics = json.loads((here / "run" / "metrics.json").read_text())
    assert list(metrics["terms"]) == ["heat", "initial", "walls", "interfaces.u"] and metrics["steps"] == 39
    assert metrics["num_rows"] == 90 + 3 * 32 and metrics["num_parameters"] == 3 * (15 + 30 + 6)
    setup = set_up(prepare("heat_1d", WORDS))
    whole = setup.draw(0)
    *_, state = setup.states(setup.first_state(), None)
    assert metrics["loss"] == pytest.approx(float(whole.evaluate(state.theta).loss), rel=1e-12)
    assert metrics["terms"] == pytest.approx(whole.losses(state.theta), rel=1e-12)


@pytest.mark.parametrize(("words", "stop"), [([], 13), (CHOSEN, 9), (CHOSEN, 14), (WINDOWS, 31)])
def test_a_run_goes_on_in_the_middle_of_a_sweep_to_the_last_bit(words, stop, here, monkeypatch, capsys):
    assert main(["run", "heat_1d", *WORDS, *words, "folder=whole"]) == 0
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        if state.total == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert main(["run", "heat_1d", *WORDS, *words, "folder=cut"]) == 130
    label = history(here / "cut")[-1]["stage"]
    assert json.loads((here / "cut" / "status.json").read_text())["stage"] == label
    monkeypatch.setattr(Keeper, "write", write)
    assert main(["resume", "cut"]) == 0
    assert f"resume at {label} step" in capsys.readouterr().err
    for name in ("history.csv", "solution.npz", "diagnostics.npz"):
        assert (here / "whole" / name).read_bytes() == (here / "cut" / name).read_bytes(), name


def test_two_processes_find_what_one_does(here):
    assert main(["run", "heat_1d", *WORDS, *WINDOWS, "folder=one"]) == 0
    assert main(["run", "heat_1d", *WORDS, *WINDOWS, "launch.processes=2", "folder=two"]) == 0
    one, two = history(here / "one"), history(here / "two")
    assert [float(row["loss"]) for row in two] == pytest.approx([float(row["loss"]) for row in one], rel=1e-9)
    assert [[name for name in row if row[name]] for row in two] == [[name for name in row if row[name]] for row in one]


@pytest.mark.parametrize("turn", TURNS)
def test_a_part_has_as_many_points_as_without_choice_and_they_are_chosen_by_their_size(turn, here):
    """Candidates in networks that know nothing yet draw no points away."""
    setup = set_up(prepare("heat_1d", [*WORDS, *CHOSEN, "points.interior=600", "points.power=1.5"]))
    theta = 3 * setup.theta
    chosen = setup.draw.choose(1, theta, turn)
    rows = [setup.draw(epoch, points, turn) for epoch, points in ((1, chosen), (2, None))]
    assert rows[0].terms[0].num_rows == pytest.approx(rows[1].terms[0].num_rows, rel=0.15)
    sizes = [float(each.unweighted(theta)["heat"].square().mean()) for each in rows]
    assert sizes[0] > 1.15 * sizes[1]


def test_a_record_says_how_networks_are_trained(here):
    assert main(["run", "heat_1d", *WORDS, "decomposition=cuts", "solver.sweep={along: t, together: true}", "folder=run"]) == 0
    assert "sweep: {along: t, together: true}" in (here / "run" / "config.yaml").read_text()
    assert main(["run", "run/config.yaml", "folder=again"]) == 0
    assert (here / "run" / "history.csv").read_bytes() == (here / "again" / "history.csv").read_bytes()
    assert history(here / "run")[-1]["stage"] == "broyden together"


def test_a_check_tells_turns_and_what_is_trained_at_a_time(capsys):
    words = ["solver=time_marching", "decomposition.cells={t: 16}", "network.depth=4"]
    assert main(["check", "heat_1d", *words]) == 0
    said = capsys.readouterr().out
    assert "adam 100 steps, broyden 2000 steps, in each of 16 turns" in said and "memory      about 0." in said
    together = prepare("heat_1d", [*words, "solver.sweep=null"])
    assert size(together).gigabytes > 10 and size(together).steps == 2100
    in_turns = size(prepare("heat_1d", words))
    assert in_turns.steps == 16 * 2100 and in_turns.seconds_per_step < size(together).seconds_per_step / 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver.sweep=t"], "solver.sweep needs a network in every cell: take a decomposition, such as cuts"),
        (["solver.sweep=y", "decomposition=cuts"], "solver.sweep unknown coordinate 'y'; coordinates: x, t"),
        (["solver.sweep=levels", "decomposition=windows"], "solver.sweep has one turn only: take decomposition=multilevel"),
        (["solver.sweep={alon: t}", "decomposition=cuts"], "solver.sweep.alon is not a setting; known are along, together"),
        (["solver.sweep=2", "decomposition=cuts"], "solver.sweep must be settings of Sweep, got 2"),
        (["solver=least_squares", "solver.sweep=t"], "unknown setting 'solver.sweep'"),
    ],
)
def test_impossible_sweeps(words, message, here, capsys):
    assert main(["run", "heat_1d", *words, "folder=run"]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("\n") == 1
    assert not (here / "run").exists()
