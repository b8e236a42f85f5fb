"""The one loop: stages one after the other, points by counter, rules after each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pinn.problem.settings import BadInput, Settings
from pinn.solver.rules import Judge, Rules, Until
from pinn.solver.stage import NonFinite, Process, Stage
from pinn.solver.state import State

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pinn.solver.rows import Rows

Draw = Callable[..., "Rows"]
"""The rows at the points of an ``epoch``, counted from 0, and of what was ``chosen`` in it; equal ones give equal rows."""

Choose = Callable[[int, "Tensor"], Mapping[str, "Tensor"]]
"""Numbers of the candidates of an epoch that become points, by θ."""


@dataclass(frozen=True)
class Staged(Settings):
    """A solver that runs stages one after the other, each from where the last one ended.

    Parameters
    ----------
    stages : by name, in order; at least one.
    until : when to stop before all stages are done.
    """

    stages: Mapping
    until: Until = Until()

    def __post_init__(self):
        super().__post_init__()
        if not self.stages:
            raise BadInput("needs at least one stage", "stages")
        for name, stage in self.stages.items():
            if not (isinstance(stage, Settings) and hasattr(stage, "start")):
                raise BadInput(f"must be settings of a stage, got {stage!r}", f"stages.{name}")

    @property
    def title(self) -> str:
        """What this solver is called in results: the names of its stages."""
        return "+".join(self.stages)

    def check_points(self, redraw: int | None) -> None:
        """Refuse new points every ``redraw`` steps if no stage can take them."""
        if redraw is not None and all(stage.resampling == "between stages" for stage in self.stages.values()):
            names = ", ".join(type(stage).__name__ for stage in self.stages.values())
            raise BadInput(f"{names} needs fixed points; set points.redraw=null", "points.redraw")


class Diverged(ArithmeticError):
    """The loss or its gradient stopped being finite.

    Parameters
    ----------
    term : the first term at fault, ``""`` if it cannot be told.
    point : coordinates at which it is, (dim,), or None.
    stage, step : where in the solve: the name of the stage, and steps over all stages.
    state : the last state with finite loss and gradient, or None if there never was one.

    Attributes
    ----------
    advice : what a person may try.
    """

    def __init__(self, term: str, point: np.ndarray | None, stage: str, step: int, state: State | None):
        at = "" if point is None else " at (" + ", ".join(f"{value:.6g}" for value in point) + ")"
        culprit = f"term {term!r}{at}" if term else "the loss"
        super().__init__(f"diverged at step {step} in stage {stage!r}: {culprit} is not finite")
        self.term, self.point, self.stage, self.step, self.state = term, point, stage, step, state
        self.advice = "a smaller rate, or another seed"


class Clock:
    """Seconds in the loop; it stands still while others work."""

    def __init__(self, seconds: float):
        self._before, self._start = seconds, time.perf_counter()

    def read(self) -> float:
        """Return the seconds so far."""
        return self._before + time.perf_counter() - self._start

    def set(self, seconds: float) -> None:
        """Go on from ``seconds``."""
        self._before, self._start = seconds, time.perf_counter()


def solve(
    solver: Staged,
    draw: Draw,
    theta: Tensor,
    redraw: int | None = None,
    judge: Judge | None = None,
    state: State | None = None,
    choose: Choose | None = None,
) -> Iterator[State]:
    """Run all stages and yield the state after each step.

    It is the same object each time; `State.to_dict` makes a copy that lasts. The consumer logs, saves and draws, and may stop by
    closing the iterator; the clock does not run meanwhile.

    Parameters
    ----------
    solver : stages and rules.
    draw : rows by epoch, and by what was chosen in it if something was.
    theta : where to begin, (params,).
    redraw : steps from one epoch to the next; None keeps epoch 0. Stages with fixed points stay in the epoch they began in.
    judge : error of θ, for `Until.error` and for the record.
    state : where to go on; ``theta`` is not used then.
    choose : which of an epoch's candidates become points at θ, by name; asked when a new epoch begins, and kept in the state.

    Raises
    ------
    Diverged : with the last good state.
    BadInput : points that change, and no stage that allows it; a rule on the error and no judge.
    """
    solver.check_points(redraw)
    rules = Rules(solver.until, judge)
    names, resumed = list(solver.stages), state is not None
    state = state or State(names[0], theta)
    if state.is_final:
        return
    if state.stage not in names:
        raise BadInput(f"the saved state is in stage {state.stage!r}, which does not exist; stages: {', '.join(names)}", "stages")
    for name in names[names.index(state.stage) :]:
        if name != state.stage or not resumed:
            begin(state, name, redraw, choose)
        yield from run_stage(solver.stages[name], name == names[-1], state, draw, redraw, rules, choose)
        if state.is_final:
            return


def begin(state: State, name: str, redraw: int | None, choose: Choose | None) -> None:
    """Enter a stage."""
    state.stage, state.step, state.memory, state.reason = name, 0, {}, ""
    renew(state, epoch_of(state, redraw), choose)


def renew(state: State, epoch: int, choose: Choose | None) -> bool:
    """Enter an epoch; return whether it is another one."""
    if epoch == state.points["epoch"]:
        return False
    state.points = {"epoch": epoch, **({"chosen": choose(epoch, state.theta)} if choose else {})}
    return True


def epoch_of(state: State, redraw: int | None) -> int:
    """Return the epoch of the next step of a stage that takes new points."""
    return state.points["epoch"] if redraw is None else state.total // redraw


def run_stage(
    stage: Stage, is_last: bool, state: State, draw: Draw, redraw: int | None, rules: Rules, choose: Choose | None
) -> Iterator[State]:
    """Run one stage from where ``state`` is and yield it after each step."""
    if state.reason or state.step >= stage.steps:
        return
    clock = Clock(state.seconds)
    rows = draw(**state.points)
    process = stage.start(rows, state.theta, state.memory or None)
    state.memory = process.memory
    while not state.reason:
        if stage.resampling == "any step" and renew(state, epoch_of(state, redraw), choose):
            rows = draw(**state.points)
        advance(process, rows, state)
        state.seconds = clock.read()
        conclude(stage, is_last, state, rules)
        yield state
        clock.set(state.seconds)


def advance(process: Process, rows: Rows, state: State) -> None:
    """Do one step and write down what came of it."""
    try:
        step = process.advance(rows)
    except NonFinite as problem:
        raise diverged(problem, rows, state) from None
    state.theta, state.loss, state.reason = process.theta, step.loss, step.finished
    state.losses = dict(zip(rows.names, step.losses.tolist(), strict=True))
    state.step += 1
    state.total += 1
    state.evaluations += step.evaluations


def conclude(stage: Stage, is_last: bool, state: State, rules: Rules) -> None:
    """Apply the rules to the state after a step."""
    state.reason = state.reason or rules.end_of_stage(state)
    if not state.reason and state.step >= stage.steps:
        state.reason = f"all {stage.steps} steps are done"
    ends = bool(state.reason) and is_last
    rules.look(state)
    why = rules.end_of_solve(state)
    state.reason, state.is_final = why or state.reason, bool(why) or ends


def diverged(problem: NonFinite, rows: Rows, state: State) -> Diverged:
    """Tell which term is at fault, and put the state back to where all was finite."""
    term, point = rows.locate(problem.theta)
    good = None
    if problem.good is not None:
        good = state.copy()
        good.theta, good.step, good.total = problem.good.clone(), state.step - problem.steps_back, state.total - problem.steps_back
    return Diverged(term, point, state.stage, state.total, good)
