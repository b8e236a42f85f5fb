"""Any optimizer of torch.optim over the flat θ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from pinn.solver.stage import NonFinite, Objective, Step


class TorchProcess:
    """One evaluation and one step of an optimizer of torch.optim for each `advance`.

    Parameters
    ----------
    make : makes the optimizer of a list of parameters; it must not ask for more evaluations itself.
    rate : learning rate by number of the step, counted from 0.
    theta : where to begin, (params,); not changed.
    memory : what an earlier process had in mind.
    """

    def __init__(
        self,
        make: Callable[[list[Tensor]], torch.optim.Optimizer],
        rate: Callable[[int], float],
        theta: Tensor,
        memory: Mapping[str, Any] | None,
    ):
        self.theta = theta.detach().clone()
        self._optimizer, self._rate, self._step = make([self.theta]), rate, 0
        self._good: Tensor | None = None
        if memory:
            self._step = memory["step"]
            self._optimizer.load_state_dict(memory["optimizer"])

    def advance(self, rows: Objective) -> Step:
        """Evaluate, then move; the loss is that before the move."""
        value = rows.evaluate(self.theta)
        loss = float(value.loss)
        if not math.isfinite(loss) or not bool(value.gradient.isfinite().all()):
            raise self._step_back()
        self._good = self.theta.clone()
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(self._step)
        self.theta.grad = value.gradient
        self._optimizer.step()
        self.theta.grad = None
        self._step += 1
        return Step(loss, value.losses, 1)

    def _step_back(self) -> NonFinite:
        """Return to the last good θ, if there is one, and tell where it went wrong."""
        bad, back = self.theta, 0
        if self._good is not None:
            self.theta, back = self._good, 1
            self._step -= 1
        return NonFinite(bad, self._good, back)

    def memory(self) -> dict[str, Any]:
        """Return the state of the optimizer and the number of steps done."""
        return {"step": self._step, "optimizer": self._optimizer.state_dict()}
