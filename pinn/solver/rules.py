"""When to stop: rules that look at the state after each step and tell why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pinn.problem.settings import BadInput, Settings, nearest, setting
from pinn.solver.state import State

if TYPE_CHECKING:
    from torch import Tensor

Judge = Callable[["Tensor"], float | None]
"""The error of θ (params,), relative L2; None when it cannot be told."""


@dataclass(frozen=True)
class Plateau(Settings):
    """A stage ends when its least loss has not fallen below ``ratio`` times what it was ``steps`` steps before.

    Parameters
    ----------
    steps : how long to wait.
    ratio : what counts as progress.
    """

    steps: int = setting(1000, at_least=1)
    ratio: float = setting(0.9, above=0, at_most=1)


@dataclass(frozen=True)
class Until(Settings):
    """Conditions that end a solve before its stages are done; ``None`` leaves one out.

    Parameters
    ----------
    seconds : time in the loop; checked after each step, so what was computed does not depend on the clock, only how much. In a
        sweep every part ends when its share is over, and leaves what it did not use to the next one.
    loss : the loss is at most this; in a sweep that ends a part.
    plateau : ends a stage, not the solve; also accepted as a mapping.
    error : the error, by a reference or by the judge's estimate, is at most this, relative L2.
    check : steps from one look at the error to the next.
    """

    seconds: float | None = setting(None, above=0)
    loss: float | None = setting(None, above=0)
    plateau: Plateau | Mapping | None = Plateau()
    error: float | None = setting(None, above=0)
    check: int = setting(500, at_least=1)

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.plateau, Mapping):
            known = ("steps", "ratio")
            for name in self.plateau:
                if name not in known:
                    raise BadInput(f"has no setting {name!r}; it has steps, ratio{nearest(name, known)}", "plateau")
            try:
                object.__setattr__(self, "plateau", Plateau(**self.plateau))
            except BadInput as error:
                raise error.under("plateau") from None


class Rules:
    """The rules of one solve; what they remember of a stage is in ``state.rules``.

    Parameters
    ----------
    until : the settings.
    judge : tells the error of θ; None when nobody can, then ``error`` must not be set.

    Raises
    ------
    BadInput : ``until.error`` without a judge.
    """

    def __init__(self, until: Until, judge: Judge | None = None):
        if until.error is not None and judge is None:
            raise BadInput("needs a reference or an error estimate, and there is none", "error")
        self._until, self._judge = until, judge
        self._plateau = until.plateau if isinstance(until.plateau, Plateau) else None

    def look(self, state: State) -> None:
        """Set ``state.error`` if it is time to."""
        due = state.total % self._until.check == 0 or bool(state.reason)
        state.error = self._judge(state.theta) if due and self._judge is not None else None

    def end_of_solve(self, state: State) -> str:
        """Return why to stop altogether, or ``""``."""
        error = self._until.error
        if error is not None and state.error is not None and state.error <= error:
            return f"error {state.error:.3g} is at most {error:g}"
        return ""

    def end_of_part(self, state: State, share: float = 1.0) -> str:
        """Return why to end this part of a sweep, or ``""``; until then there is a ``share`` of the seconds."""
        until, why = self._until, ""
        if until.loss is not None and state.loss <= until.loss:
            why = f"loss {state.loss:.3g} is at most {until.loss:g}"
        elif until.seconds is not None and state.seconds >= until.seconds * share:
            why = f"{until.seconds * share:g} seconds are over"
        state.rules["part is over"] = bool(why)
        return why

    def is_over(self, state: State) -> bool:
        """Whether the part of this state ended with it, whatever stages are left."""
        return bool(state.rules.get("part is over"))

    def end_of_stage(self, state: State) -> str:
        """Return why to go on to the next stage, or ``""``."""
        plateau = self._plateau
        if plateau is None:
            return ""
        mark = state.rules.get("mark")
        if mark is None or state.loss < plateau.ratio * mark["loss"]:
            state.rules["mark"] = {"loss": state.loss, "step": state.step}
        elif state.step - mark["step"] >= plateau.steps:
            return f"loss fell by less than a factor {plateau.ratio:g} in {plateau.steps} steps"
        return ""
