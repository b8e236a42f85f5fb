"""The solve of a run: the loop's states are written down, saved and shown; the loop itself knows of none of this."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pinn.run import checkpoint
from pinn.run.atomic import to_yaml
from pinn.run.cell_setup import Judging
from pinn.run.configuration import Configuration, record
from pinn.run.folder import RunFolder
from pinn.run.history import Table
from pinn.run.progress import Known, Progress
from pinn.run.setup import Setup
from pinn.run.signals import Interruption

if TYPE_CHECKING:
    from pinn.solver.state import State


@contextlib.contextmanager
def torch_settings(threads: int, device: str) -> Iterator[None]:
    """Compute with so many threads, and on a GPU without operations whose order of summation varies; put things back afterwards."""
    import torch

    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    if device != "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if device != "cpu":  # the call imports torch's compiler, which takes seconds
            torch.use_deterministic_algorithms(strict)


def trained_settings(configuration: Configuration) -> dict[str, Any]:
    """Return the settings that the solve depends on; a run goes on only with the same ones."""
    kept = record(replace(configuration, accuracy=None))
    return {
        key: value for key, value in kept.items() if key not in ("version", "report", "reference", "accuracy", "folder", "launch")
    }


def train(
    setup: Setup,
    folder: RunFolder,
    saved: dict[str, Any] | None,
    judge: Judging | None,
    interruption: Interruption,
    progress: Progress,
    label: str = "error",
) -> State:
    """Run the solver from the start or from ``saved`` until it ends or is interrupted, and return the last state.

    Raises
    ------
    Diverged : with the last good state, which is saved before.
    ProcessLost : one of several processes has ended; the last state is saved before.
    BadInput : the disk is full.
    """
    from pinn.solver.stage import ProcessLost
    from pinn.solver.staged import Diverged
    from pinn.solver.state import State

    state = State.from_dict(saved["state"]) if saved else setup.first_state()
    state.theta = state.theta.to(setup.device)
    keeper = Keeper(setup, folder, saved)
    last = state
    try:
        for last in setup.states(state, keeper.judging(judge)):
            keeper.write(last)
            _show(last, progress, setup.steps_of(last.stage), keeper.known(label))
            if last.reason:
                folder.log(f"{last.label}: {last.step} steps, loss {last.loss:.3e}: {last.reason}")
            if last.reason or interruption.requested or keeper.schedule.due():
                keeper.save(last)
            if interruption.requested:
                break
    except (Diverged, ProcessLost) as problem:
        good = problem.state if isinstance(problem, Diverged) else last
        if good is not None and good.total > 0:
            keeper.save(good)
        raise
    finally:
        keeper.close()
        progress.clear()
    return last


def _show(state: State, progress: Progress, steps: int, known: Known | None) -> None:
    """Show where the solve is, of how many steps of the stage."""
    progress.step(state.label, state.step, steps, float(state.loss or 0.0), state.losses, known)


class Keeper:
    """Writes the rows of history.csv and timing.csv, and checkpoints that belong to them."""

    def __init__(self, setup: Setup, folder: RunFolder, saved: dict[str, Any] | None):
        self.folder, self.schedule = folder, checkpoint.Schedule()
        terms = setup.terms if saved is None else saved["terms"]
        self.terms = list(terms)
        columns, kept = ["step", "stage", "loss", *self.terms, "error"], saved or {}
        self.history = Table(folder / "history.csv", columns, kept.get("history_bytes"))
        self.timing = Table(folder / "timing.csv", ["step", "seconds"], kept.get("timing_bytes"))
        self.config = to_yaml(trained_settings(setup.prepared.configuration))
        self._judged: int | None = None
        self._written = saved["state"]["total"] if saved else 0
        self._error: float | None = None

    def judging(self, judge: Judging | None) -> Judging | None:
        """Return ``judge``; what it says is kept for the progress line."""
        if judge is None:
            return None

        def judged(theta: Any) -> float | None:
            self._judged, self._error = self._written + 1, judge(theta)
            return self._error

        return judged

    def write(self, state: State) -> None:
        """Add a step to both tables."""
        self._written = state.total
        values = {"step": state.total, "stage": state.label, "loss": state.loss, **state.losses, "error": state.error}
        self.history.add(values)
        self.timing.add({"step": state.total, "seconds": round(state.seconds, 6)})

    def known(self, label: str) -> Known | None:
        """Return what the judge said last, None before it was asked."""
        return (f"{label} at step {self._judged}", self._error) if self._judged is not None else None

    def save(self, state: State) -> None:
        """Write a checkpoint and where the run stands."""
        self.schedule.timed(lambda: self._save(state))

    def _save(self, state: State) -> None:
        content = {
            "config": self.config, "terms": self.terms, "state": state.to_dict(),
            "history_bytes": self.history.flush(), "timing_bytes": self.timing.flush(),
        }  # fmt: skip
        checkpoint.save(self.folder / "checkpoint.pt", content)
        self.folder.set_status("running", state.label, state.total)

    def close(self) -> None:
        """Close the tables."""
        try:
            self.history.close()
        finally:
            self.timing.close()
