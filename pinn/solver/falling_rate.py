"""A learning rate that rises in a straight line and falls again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pinn.problem.settings import Settings, setting


@dataclass(frozen=True)
class FallingRate(Settings):
    """Steps with a warm-up and a rate that falls.

    Parameters
    ----------
    steps : number of steps.
    rate : largest rate; steps of every parameter are at most about this long. 1e-3 to 1e-2 for small networks.
    warm_up : steps over which the rate rises from 0, in a straight line.
    decay : how the rate falls from ``rate`` to ``last`` times ``rate`` after that.
    last : rate of the last step over ``rate``.
    """

    steps: int = setting(100, at_least=0)
    rate: float = setting(5e-3, above=0)
    warm_up: int = setting(50, at_least=0)
    decay: Literal["cosine", "exponential", "none"] = "cosine"
    last: float = setting(0.01, above=0, at_most=1)

    def rate_at(self, step: int) -> float:
        """Return the rate of step number ``step``, counted from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / (self.warm_up + 1)
        done = min(1.0, (step - self.warm_up) / max(1, self.steps - 1 - self.warm_up))
        if self.decay == "cosine":
            return self.rate * (self.last + (1 - self.last) * (1 + math.cos(math.pi * done)) / 2)
        return self.rate * self.last**done if self.decay == "exponential" else self.rate
