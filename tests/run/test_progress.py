"""The live line, the plain lines, the table of steps and the interruption."""

import io
import os
import signal

import pytest

from pinn.run.history import Table
from pinn.run.progress import Progress, duration, line, shorten
from pinn.run.signals import Interruption, terminable


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def steps(progress, clock, count, seconds):
    for step in range(1, count + 1):
        clock.now += seconds
        progress.step("adam", step, count, 1.0 / step, {"heat": 0.5}, ("estimate", 3e-4))


def test_a_pipe_gets_a_plain_line_every_ten_seconds():
    stream, clock = io.StringIO(), Clock()
    steps(Progress(stream, clock=clock), clock, 350, 0.1)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("adam 101/350  estimate 3.0e-04  loss 9.90e-03  10 steps/s, 25 s left")
    assert "heat 5.0e-01" in lines[0]
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_within_its_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, "[0] ", clock)
    steps(progress, clock, 30, 0.5)
    shown = stream.getvalue().split("\r")[1:]
    assert len(shown) == 30
    assert all(len(text) == 59 for text in shown)
    progress.say("done")
    assert stream.getvalue().endswith("[0] done\n")


def test_the_line_says_when_a_stage_will_be_done():
    assert "25 steps/s, 12 s left" in line("adam", 100, 400, 1.0, {}, None, 25.0)
    assert line("lbfgs", 3, 0, 1.0, {}, None, 0.0) == "lbfgs 3  loss 1.00e+00"
    assert line("adam", 3, 9, 1.0, {}, ("estimate", None), 0.0) == "adam 3/9  estimate withheld  loss 1.00e+00"
    assert [duration(s) for s in (0.02, 0.3, 0.96, 3.2, 9.4, 12)] == ["0.02 s", "0.3 s", "1 s", "3 s", "9 s", "12 s"]
    assert [duration(s) for s in (89, 100, 5390, 9000)] == ["89 s", "2 min", "90 min", "2.5 h"]


def test_long_lines_are_cut_between_words():
    assert shorten("loss 1.0  heat 2.0  walls 3.0", 20) == "loss 1.0 …"
    assert shorten("loss 1.0", 20) == "loss 1.0"


def test_rows_after_the_checkpoint_are_written_again(tmp_path):
    table = Table(tmp_path / "history.csv", ["step", "stage", "loss", "error"])
    table.add({"step": 1, "stage": "adam", "loss": 0.1 + 0.2, "error": None})
    kept = table.flush()
    table.add({"step": 2, "stage": "adam", "loss": 1.0})
    table.close()
    again = Table(tmp_path / "history.csv", ["step", "stage", "loss", "error"], keep=kept)
    again.add({"step": 2, "stage": "adam", "loss": 2.0, "error": 1e-3})
    again.close()
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "step,stage,loss,error", "1,adam,0.30000000000000004,", "2,adam,2.0,0.001",
    ]  # fmt: skip


def test_the_first_signal_asks_and_the_second_stops():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        assert interruption.requested == ""
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.sigtimedwait([], 1)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no SIGUSR1")
def test_a_warning_interrupts_and_may_come_again():
    before = signal.getsignal(signal.SIGUSR1)
    with terminable(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGUSR1)
    with Interruption() as interruption:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert interruption.requested == "SIGUSR1"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGUSR1) is before


def test_an_estimate_that_is_withheld_now_replaces_the_one_before(here, small, monkeypatch):
    pytest.importorskip("torch")
    from pinn.run.cli import main

    seen, answers = [], iter([0.5, None, 0.25, *[None] * 9])
    monkeypatch.setattr("pinn.run.judging.Judge.quick", lambda self, solution: next(answers))
    monkeypatch.setattr("pinn.run.progress.Progress.step", lambda self, *words: seen.append(words[-1]))
    assert main(["run", "heat_1d", *small, "solver.until.check=3", "folder=run"]) == 0
    said = [*[("error at step 3", 0.5)] * 3, *[("error at step 6", None)] * 3, *[("error at step 9", 0.25)] * 2]
    assert seen[:10] == [None, None, *said]
