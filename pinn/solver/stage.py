"""What the loop asks of a stage, and what a stage asks of the function it makes small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Resampling = Literal["any step", "between stages"]
"""When a stage accepts new points: ``"between stages"`` means they stay as they are at its start."""


class ProcessLost(RuntimeError):
    """One of several processes that evaluate an objective does not answer any more."""


class Value(NamedTuple):
    """An objective at one θ.

    Attributes
    ----------
    loss : what is made small, ().
    gradient : its gradient, (params,).
    losses : mean square of each term without its weight, (terms,), in the order of `Objective.names`.
    """

    loss: Tensor
    gradient: Tensor
    losses: Tensor


class Objective(Protocol):
    """A function of θ: all that gradient stages see. `pinn.solver.rows.Rows` is one."""

    names: tuple[str, ...]
    num_params: int

    def evaluate(self, theta: Tensor) -> Value:
        """Return loss, gradient and losses by term at ``theta`` (params,)."""


class Step(NamedTuple):
    """What one step did.

    Attributes
    ----------
    loss : the loss at the last θ that the stage accepted as evaluated.
    losses : mean square of each term there, (terms,).
    evaluations : of loss and gradient, in this step.
    finished : why the stage can do no more; ``""`` while it can.
    """

    loss: float
    losses: Tensor
    evaluations: int
    finished: str = ""


class Process(Protocol):
    """A running stage.

    1. ``advance(rows)`` does one step. Other rows than last time mean other points; what was known of the old ones is not used.
    2. Where the loss or its gradient is not finite it raises `NonFinite`, and ``theta`` is the place.
    3. ``memory()`` is all that is needed to go on to the last bit: tensors, numbers, strings, lists and mappings of them. They are
       the process's own, not copies.
    """

    theta: Tensor

    def advance(self, rows: Objective) -> Step:
        """Do one step."""

    def memory(self) -> dict[str, Any]:
        """Return all that is needed to go on."""


class Stage(Protocol):
    """Settings of one way to make an objective small; frozen, importable without torch."""

    resampling: ClassVar[Resampling]
    steps: int

    def start(self, rows: Objective, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,), or go on where ``memory`` was taken; ``theta`` itself is not changed."""


class NonFinite(ArithmeticError):
    """The loss or its gradient is not a finite number.

    Parameters
    ----------
    theta : where, (params,).
    good : the last known parameters with finite loss and gradient; None if there are none.
    steps_back : how many steps ago that was.
    """

    def __init__(self, theta: Tensor, good: Tensor | None, steps_back: int = 0):
        super().__init__("the loss or its gradient is not finite")
        self.theta, self.good, self.steps_back = theta, good, steps_back
