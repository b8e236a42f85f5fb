"""The one loop: stages one after the other, points by counter, rules after each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pinn.problem.settings import BadInput, Settings
from pinn.solver.part import Part
from pinn.solver.rules import Judge, Rules, Until
from pinn.solver.stage import NonFinite, Process, Stage
from pinn.solver.state import State
from pinn.solver.sweep import Sweep

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pinn.solver.rows import Rows

Draw = Callable[..., "Rows"]
"""The rows at the points of an ``epoch``, counted from 0, and of what was ``chosen`` in it; equal ones give equal rows."""

Choose = Callable[..., Mapping[str, "Tensor"]]
"""Numbers of the candidates of an epoch that become points, by θ."""


@dataclass(frozen=True)
class Staged(Settings):
    """A solver that runs stages one after the other, each from where the last one ended.

    Parameters
    ----------
    stages : by name, in order; at least one.
    until : when to stop before all stages are done.
    sweep : in which turns the networks of a decomposition are trained; the name of a coordinate is a sweep along it, None trains
        all of them together.
    """

    stages: Mapping
    until: Until = Until()
    sweep: Sweep | None = None

    def __post_init__(self):
        if isinstance(self.sweep, str):
            object.__setattr__(self, "sweep", Sweep(self.sweep))
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


class Source(NamedTuple):
    """Where rows come from; for the attributes see `solve`."""

    draw: Draw
    choose: Choose | None
    redraw: int | None

    def rows(self, state: State, part: Part) -> Any:
        """Return the rows of a part at the points that ``state`` has."""
        return part.rows(self.draw(**state.points, **part.words), state.theta)

    def renew(self, state: State, part: Part) -> bool:
        """Enter the epoch of the next step of a stage that takes new points; return whether it is another one."""
        epoch = state.points["epoch"] if self.redraw is None else state.total // self.redraw
        if epoch == state.points["epoch"]:
            return False
        state.points = {"epoch": epoch, **({"chosen": self.choose(epoch, state.theta, **part.words)} if self.choose else {})}
        return True


class Leg(NamedTuple):
    """A stage that is run for a part of θ.

    Attributes
    ----------
    share : of the seconds, for this part and all before it. is_last : whether no other leg follows.
    """

    part: Part
    name: str
    stage: Stage
    share: float
    is_last: bool


def solve(
    solver: Staged,
    draw: Draw,
    theta: Tensor,
    redraw: int | None = None,
    judge: Judge | None = None,
    state: State | None = None,
    choose: Choose | None = None,
    parts: Sequence[Part] = (Part(),),
) -> Iterator[State]:
    """Run all stages, for each part of θ, and yield the state after each step.

    It is the same object each time; `State.to_dict` makes a copy that lasts. The consumer logs, saves and draws, and may stop by
    closing the iterator; the clock does not run meanwhile.

    Parameters
    ----------
    solver : stages and rules.
    draw : rows by epoch, and by what was chosen in it if something was; in a sweep also by ``part``, the name of one.
    theta : where to begin, (params,).
    redraw : steps from one epoch to the next; None keeps epoch 0. Stages with fixed points stay in the epoch they began in.
    judge : error of θ, for `Until.error` and for the record.
    state : where to go on; ``theta`` is not used then.
    choose : which of an epoch's candidates become points at θ, by name; asked when a new epoch begins, and kept in the state.
    parts : what is unknown in turn; all of θ if there is no sweep.

    Raises
    ------
    Diverged : with the last good state.
    BadInput : points that change, and no stage that allows it; a rule on the error and no judge.
    """
    solver.check_points(redraw)
    rules, source = Rules(solver.until, judge), Source(draw, choose, redraw)
    resumed = state is not None
    state = state or first_state(solver, theta, parts)
    if state.is_final:
        return
    legs = plan(solver, parts)
    for number, leg in enumerate(legs[place(legs, state) :]):
        if number or not resumed:
            if leg.part.name == state.part and rules.is_over(state):
                continue
            begin(state, leg, source)
        yield from run_stage(leg, state, source, rules)
        if state.is_final:
            return


def first_state(solver: Staged, theta: Tensor, parts: Sequence[Part] = (Part(),)) -> State:
    """Return where a solve begins that begins with ``theta`` (params,)."""
    return State(next(iter(solver.stages)), parts[0].begin(theta), parts[0].name)


def plan(solver: Staged, parts: Sequence[Part]) -> list[Leg]:
    """Return all stages of the first part, then all of the second one, and so on."""
    last = len(parts) - 1, list(solver.stages)[-1]
    return [
        Leg(part, name, stage, (number + 1) / len(parts), (number, name) == last)
        for number, part in enumerate(parts)
        for name, stage in solver.stages.items()
    ]


def place(legs: Sequence[Leg], state: State) -> int:
    """Return the number of the leg that a state is in.

    Raises
    ------
    BadInput : there is no such leg.
    """
    for number, leg in enumerate(legs):
        if (leg.part.name, leg.name) == (state.part, state.stage):
            return number
    known = ", ".join(dict.fromkeys(leg.name for leg in legs))
    raise BadInput(f"the saved state is in stage {state.label!r}, which does not exist; stages: {known}", "stages")


def begin(state: State, leg: Leg, source: Source) -> None:
    """Enter a leg."""
    if leg.part.name != state.part:
        state.part, state.theta = leg.part.name, leg.part.begin(state.theta)
    state.stage, state.step, state.memory, state.rules, state.reason = leg.name, 0, {}, {}, ""
    source.renew(state, leg.part)


def run_stage(leg: Leg, state: State, source: Source, rules: Rules) -> Iterator[State]:
    """Run the stage of a leg from where ``state`` is and yield it after each step."""
    if state.reason or state.step >= leg.stage.steps:
        return
    clock = Clock(state.seconds)
    rows = source.rows(state, leg.part)
    process = leg.stage.start(rows, leg.part.of(state.theta), state.memory or None)
    state.memory = process.memory
    while not state.reason:
        if leg.stage.resampling == "any step" and source.renew(state, leg.part):
            rows = source.rows(state, leg.part)
        advance(process, rows, state, leg.part)
        state.seconds = clock.read()
        conclude(leg, state, rules)
        yield state
        clock.set(state.seconds)


def advance(process: Process, rows: Any, state: State, part: Part) -> None:
    """Do one step and write down what came of it."""
    try:
        step = process.advance(rows)
    except NonFinite as problem:
        raise diverged(problem, rows, state, part) from None
    state.theta, state.loss, state.reason = part.into(state.theta, process.theta), step.loss, step.finished
    state.losses = dict(zip(rows.names, step.losses.tolist(), strict=True))
    state.step += 1
    state.total += 1
    state.evaluations += step.evaluations


def conclude(leg: Leg, state: State, rules: Rules) -> None:
    """Apply the rules to the state after a step."""
    state.reason = state.reason or rules.end_of_stage(state)
    if not state.reason and state.step >= leg.stage.steps:
        state.reason = f"all {leg.stage.steps} steps are done"
    ends = bool(state.reason) and leg.is_last
    rules.look(state)
    part, everything = rules.end_of_part(state, leg.share), rules.end_of_solve(state)
    state.reason = everything or part or state.reason
    state.is_final = bool(everything) or (bool(part) and leg.share == 1.0) or ends


def diverged(problem: NonFinite, rows: Any, state: State, part: Part) -> Diverged:
    """Tell which term is at fault, and put the state back to where all was finite."""
    term, point = rows.locate(problem.theta)
    good = None
    if problem.good is not None:
        good = state.copy()
        good.theta = part.into(state.theta, problem.good).clone()
        good.step, good.total = state.step - problem.steps_back, state.total - problem.steps_back
    return Diverged(term, point, state.label, state.total, good)
