"""Where a solve is: the one thing that consumers of the loop read and that a checkpoint stores."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import field as made
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""Version of the mapping that `State.to_dict` makes."""


@dataclass
class State:
    """A solve after some step; nothing else is needed to go on to the last bit.

    Attributes
    ----------
    stage : name of the stage. step : steps done in it. total : steps done in all stages.
    part : name of the part of θ that is unknown in a sweep; ``""`` for all of it.
    theta : parameters, (params,); the loop changes it in place, copy what must last.
    loss, losses : of the last evaluation that the stage accepted, in total and by term (mean squares without weights); first inf.
    error : the judge's error where it was asked for at this step, else None.
    evaluations : of loss and gradient so far.
    seconds : spent in the loop so far, without the consumers and without the checks of the error.
    reason : why the stage ended at this step, ``""`` while it goes on. is_final : whether the solve ended with it.
    points : counters of drawn points. weights : adaptive weights. rules : what the stopping rules remember.
    field : what adapted in the field. decisions : choices that change bits and are not made again.
    memory : what the stage has in mind, a mapping or a function that returns it.
    history_bytes : length of the history file that belongs to this state, kept for its writer.
    """

    stage: str
    theta: Tensor
    part: str = ""
    step: int = 0
    total: int = 0
    loss: float = math.inf
    error: float | None = None
    evaluations: int = 0
    seconds: float = 0.0
    reason: str = ""
    is_final: bool = False
    losses: dict[str, float] = made(default_factory=dict)
    points: dict[str, Any] = made(default_factory=lambda: {"epoch": 0})
    weights: dict[str, Any] = made(default_factory=dict)
    rules: dict[str, Any] = made(default_factory=dict)
    field: dict[str, Any] = made(default_factory=dict)
    decisions: dict[str, Any] = made(default_factory=dict)
    history_bytes: int = 0
    memory: Any = made(default_factory=dict)

    @property
    def label(self) -> str:
        """What people are told: the stage, and of which part."""
        return f"{self.stage} {self.part}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """Return copies of everything: tensors, numbers, strings, lists and mappings of them; torch.load reads them safely."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["memory"] = self.memory() if callable(self.memory) else self.memory
        return {"format": FORMAT, **{name: duplicate(value) for name, value in values.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> State:
        """Return the state that `to_dict` wrote.

        Raises
        ------
        ValueError : written by another version of the format.
        """
        values = dict(values)
        version = values.pop("format", None)
        if version != FORMAT:
            raise ValueError(f"the checkpoint has format {version}, this version of pinn reads {FORMAT}")
        return cls(**values)

    def copy(self) -> State:
        """Return a state that the loop does not change."""
        return type(self).from_dict(self.to_dict())


def duplicate(value: Any) -> Any:
    """Return a deep copy in which every tensor owns just its own numbers, without gradients."""
    if hasattr(value, "detach"):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: duplicate(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(duplicate, value))
    return copy.copy(value)
