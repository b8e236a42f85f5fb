"""The solve of a run: the loop's states are written down, saved and shown; the loop itself knows of none of this."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pinn.problem.terms import make_term
from pinn.run import checkpoint
from pinn.run.atomic import to_yaml
from pinn.run.check import size
from pinn.run.configuration import Configuration, record
from pinn.run.folder import RunFolder
from pinn.run.history import Table
from pinn.run.prepare import Prepared
from pinn.run.progress import Known, Progress
from pinn.run.signals import Interruption

if TYPE_CHECKING:
    import torch

    from pinn.field.field import Field
    from pinn.problem.problem import Residual
    from pinn.solver.rows import Rows
    from pinn.solver.state import State


WORTH_COMPILING = 2.0
"""Seconds of training, as foreseen, from which it pays to wait about one for the C compiler."""

Judging = Callable[[Any], float | None]
"""The error of θ (params,), None when it is withheld."""


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
        torch.use_deterministic_algorithms(strict)


@dataclass(frozen=True)
class Setup:
    """What a solve works on: a field, rows at the points of an epoch, and the choices that change bits.

    ``decisions``: ``compiled``, whether the network runs as compiled code; ``chunk``, points that are evaluated together.
    ``compiling_before``: what `pinn.field.compiler.seconds_spent` said at the start.
    """

    prepared: Prepared
    field: Field
    draw: Callable[[int], Rows]
    theta: torch.Tensor
    decisions: Mapping[str, Any]
    compiling_before: float = 0.0


def set_up(prepared: Prepared, decisions: Mapping[str, Any] | None = None) -> Setup:
    """Build the field, the first rows and the starting parameters.

    Parameters
    ----------
    decisions : of the run that is continued, so that it goes on to the last bit; None decides anew.

    Raises
    ------
    BadInput : a device that is not there, a hard condition that cannot be one, points outside the domain.
    """
    from pinn.field import compiler

    before = compiler.seconds_spent()
    configuration, problem = prepared
    field = configuration.network.field(
        problem,
        configuration.derivatives,
        configuration.precision,
        configuration.device,
        configuration.hard,
        _compiled(prepared, decisions),
    )
    draw = _drawer(prepared, field, (decisions or {}).get("chunk"))
    made = {"compiled": field.compiled, "chunk": draw(0).chunk}
    return Setup(prepared, field, draw, field.initial(configuration.seed), made, before)


def _compiled(prepared: Prepared, decisions: Mapping[str, Any] | None) -> bool | None:
    """Return whether the field must, or must not, use compiled code; None leaves it to the field.

    Without a compiler a run that had one goes on without, to rounding; a run that is over before the compiler is needs none.
    """
    from pinn.field import compiler

    wanted = (decisions or {}).get("compiled")
    if wanted is not None:
        return wanted and compiler.is_available()
    expected = size(prepared)
    return None if expected.steps * expected.seconds_per_step > WORTH_COMPILING else False


def _drawer(prepared: Prepared, field: Field, chunk: int | None) -> Callable[[int], Rows]:
    """Return the rows of an epoch; the last ones are kept, since two stages in a row often ask for the same."""
    from pinn.solver.rows import Rows

    configuration, problem = prepared
    drawn: dict[int, Rows] = {}

    def draw(epoch: int) -> Rows:
        if epoch not in drawn:
            sites = configuration.points.draw(problem, configuration.seed, epoch)
            terms = [make_term(problem, row, sites[row.name], _weight(configuration, row)) for row in _kept(problem, field)]
            drawn.clear()
            drawn[epoch] = Rows(field, terms, chunk=chunk)
        return drawn[epoch]

    return draw


def _weight(configuration: Configuration, row: Residual) -> float:
    """Return the weight of a term: by its name, else by its condition, else by its kind, else 1."""
    kind = "equations" if row.kind == "equation" else "conditions"
    for name in (row.name, row.condition, kind):
        if name in configuration.weights:
            return float(configuration.weights[name])
    return 1.0


def _kept(problem: Any, field: Field) -> list[Any]:
    """Return the residuals that the field does not satisfy by construction."""
    satisfied = getattr(field, "satisfied", ())
    return [row for row in problem.residuals if row.name not in satisfied]


def trained_settings(configuration: Configuration) -> dict[str, Any]:
    """Return the settings that the solve depends on; a run goes on only with the same ones."""
    kept = record(replace(configuration, accuracy=None))
    return {key: value for key, value in kept.items() if key not in ("version", "report", "reference", "accuracy", "folder")}


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
    BadInput : the disk is full.
    """
    from pinn.solver.staged import Diverged, solve
    from pinn.solver.state import State

    configuration = setup.prepared.configuration
    state = State.from_dict(saved["state"]) if saved else None
    if state is not None:
        state.theta = state.theta.to(setup.field.device)
    keeper = Keeper(setup, folder, saved)
    stages = configuration.solver.stages
    redraw = configuration.points.redraw
    state = state or State(next(iter(stages)), setup.theta, decisions=dict(setup.decisions))
    last = state
    try:
        for last in solve(configuration.solver, setup.draw, setup.theta, redraw, keeper.judging(judge), state):
            keeper.write(last)
            steps, loss = stages[last.stage].steps, float(last.loss or 0.0)
            progress.step(last.stage, last.step, steps, loss, last.losses, keeper.known(label))
            if last.reason:
                folder.log(f"{last.stage}: {last.step} steps, loss {last.loss:.3e}: {last.reason}")
            if last.reason or interruption.requested or keeper.schedule.due():
                keeper.save(last)
            if interruption.requested:
                break
    except Diverged as problem:
        if problem.state is not None and problem.state.total > 0:
            keeper.save(problem.state)
        raise
    finally:
        keeper.close()
        progress.clear()
    return last


class Keeper:
    """Writes the rows of history.csv and timing.csv, and checkpoints that belong to them."""

    def __init__(self, setup: Setup, folder: RunFolder, saved: dict[str, Any] | None):
        self.folder, self.schedule = folder, checkpoint.Schedule()
        terms = setup.draw(0).names if saved is None else saved["terms"]
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
        values = {"step": state.total, "stage": state.stage, "loss": state.loss, **state.losses, "error": state.error}
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
        self.folder.set_status("running", state.stage, state.total)

    def close(self) -> None:
        """Close the tables."""
        try:
            self.history.close()
        finally:
            self.timing.close()
