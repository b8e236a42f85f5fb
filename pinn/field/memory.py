"""Memory that is lent and used again, and memory for large matrices."""

from __future__ import annotations

from contextlib import suppress
from math import prod

import numpy as np
import torch
from torch import Tensor

MOST_KEPT = 4
"""Pieces of memory of one network that wait to be used again; more are in use at a time only while several tapes are alive."""


class Memory:
    """Pieces of memory that are used again: fresh ones cost more than the work that is done on them.

    `take` lends a tensor with at least so many numbers; it goes back when the `Loan` is deleted. Threads may share it, since
    compiled code runs beside other threads.
    """

    def __init__(self) -> None:
        self.free: list[Tensor] = []

    def take(self, like: Tensor, count: int) -> Loan:
        """Return a loan of ``count`` numbers or more of the type of ``like``."""
        with suppress(IndexError):  # of `pop`, when another thread was faster
            while self.free:
                memory = self.free.pop()
                if len(memory) >= count:
                    return Loan(self, memory)
        return Loan(self, like.new_empty(count))


class Loan:
    """A tensor (numbers,) that goes back to its `Memory` when nobody holds the loan."""

    def __init__(self, memory: Memory, tensor: Tensor):
        self.tensor, self._memory = tensor, memory

    def __del__(self):
        if len(self._memory.free) < MOST_KEPT:
            self._memory.free.append(self.tensor)


def large_empty(like: Tensor, *shape: int) -> Tensor:
    """Return an uninitialised tensor of the type and on the device of ``like``.

    On a processor NumPy allocates it: it asks the system for large pages, and the first pass over 600 MB takes 90 ms, not 230.
    """
    if like.device.type != "cpu" or like.dtype not in (torch.float64, torch.float32) or prod(shape) < 2**16:
        return like.new_empty(shape)
    return torch.from_numpy(np.empty(shape, dtype=np.float64 if like.dtype == torch.float64 else np.float32))
