"""One solve on several processes: the first runs the stages, every one evaluates its share of the rows.

For an evaluation the first process sends θ to all and gets the sum of what they found: loss, gradient and squares of each term.
That is 2 · (params + terms + 3) numbers for each process and evaluation, whatever the number of points. Decisions are made in one
place, so that nothing has to be agreed on, and a state does not depend on how many processes there were.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pinn.solver.division import Load
from pinn.solver.rows import Rows
from pinn.solver.stage import ProcessLost, Value

STOP, DRAW, EVALUATE, REPORT = range(4)
"""What the others are told to do: end, take the points that follow, evaluate at the θ that follows, say what they have done."""

PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for the next word; that one has died is noticed at once, since its connections close."""


class Ranks:
    """The processes of a run.

    Parameters
    ----------
    rank, size : number of this process, and of all. The address of the first is in the environment, as torch has it.

    Attributes
    ----------
    like : a tensor like θ, once the others wait for orders.
    load : what this process owns.
    evaluating, together : seconds that this process has spent on its share, and that all have until the last one was ready.
    evaluations : of all rows.
    """

    def __init__(self, rank: int, size: int, backend: str = "gloo"):
        self.rank, self.size = rank, size
        self.like: Tensor | None = None
        self.load = Load()
        self.evaluating, self.together, self.evaluations = 0.0, 0.0, 0
        dist.init_process_group(backend, rank=rank, world_size=size, timeout=PATIENCE)

    def close(self) -> None:
        """Leave the group; nobody waits for the others."""
        dist.destroy_process_group()

    def stop(self) -> None:
        """Tell the others, from the first process, that nothing more is to be done."""
        if self.like is not None:
            order(self, STOP, self.like)
            self.like = None

    def evaluate(self, rows: Rows | None, theta: Tensor, names: Sequence[str]) -> Tensor:
        """Return the sum of what all processes find, in the first one; each evaluates its own rows meanwhile."""
        begin = time.perf_counter()
        found = packed(rows, theta, names)
        self.evaluating += time.perf_counter() - begin
        return self.collect(found)

    def report(self) -> Tensor:
        """Return what each process owns and has done, (size, points, cells, pairs and seconds), in the first one."""
        found = torch.zeros(self.size, len(self.load) + 1, dtype=torch.float64)
        found[self.rank] = torch.tensor([*self.load, self.evaluating], dtype=torch.float64)
        return self.collect(found)

    def description(self) -> dict[str, Any]:
        """Return what the first process says of all in results; the clock runs since this run began or went on."""
        assert self.like is not None
        order(self, REPORT, self.like)
        each = [
            {**dict(zip(Load._fields, map(int, owned), strict=True)), "seconds": round(seconds, 6)}
            for *owned, seconds in self.report().tolist()
        ]
        return {"number": self.size, "evaluations": self.evaluations, "seconds": round(self.together, 6), "each": each}

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Context in which a broken connection means that a process has ended; what the others then wait for, nobody knows."""
        try:
            yield
        except RuntimeError:
            self.like = None
            raise ProcessLost("another process of this run has ended") from None

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Return the first process' tensor in all of them; the others' has the same shape."""
        with self._answered():
            dist.broadcast(tensor, 0)
        return tensor

    def collect(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes in the first one."""
        with self._answered():
            dist.reduce(tensor, 0)
        return tensor

    def gather(self, content: Any) -> list[Any]:
        """Return every process' object, made of plain values and arrays, in the first one; an empty list in the others."""
        found = [None] * self.size if self.rank == 0 else None
        with self._answered():
            dist.gather_object(content, found)
        return found or []

    def share(self, content: Any) -> Any:
        """Return the first process' object, made of plain values and tensors, in all of them."""
        box = [content]
        with self._answered():
            dist.broadcast_object_list(box, 0)
        return box[0]


class SharedRows:
    """The rows of all processes, in the first one; what is more than loss and gradient is done there alone.

    Parameters
    ----------
    own : the first process' share, None if it has no rows.
    whole : makes all rows.
    names : of all terms that there may be.
    present : those that have rows in some process, all by default.

    Attributes
    ----------
    names : of the terms that have rows.
    """

    def __init__(
        self, own: Rows | None, whole: Callable[[], Rows], names: Sequence[str], ranks: Ranks, present: Sequence[str] | None = None
    ):
        self._all, self.names = tuple(names), tuple(names if present is None else present)
        self._own, self._make, self._ranks = own, whole, ranks
        self._places = [self._all.index(name) for name in self.names]

    @cached_property
    def _whole(self) -> Rows:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def evaluate(self, theta: Tensor) -> Value:
        """Return what `pinn.solver.rows.Rows.evaluate` does."""
        begin = time.perf_counter()
        order(self._ranks, EVALUATE, theta)
        found = self._ranks.evaluate(self._own, theta, self._all)
        self._ranks.together += time.perf_counter() - begin
        self._ranks.evaluations += 1
        return Value(found[0], found[1 : 1 + len(theta)].clone(), found[1 + len(theta) :][self._places])


def order(ranks: Ranks, word: int, theta: Tensor) -> None:
    """Tell all other processes what to do, with θ or, for words that need none, numbers in its place."""
    ranks.broadcast(torch.cat([theta.new_tensor([word]), theta.detach()]))


def packed(rows: Rows | None, theta: Tensor, names: Sequence[str]) -> Tensor:
    """Return loss, gradient and mean squares of all named terms in one vector, zero for terms without rows here."""
    found = theta.new_zeros(1 + len(theta) + len(names))
    if rows is not None:
        value = rows.evaluate(theta)
        found[0], found[1 : 1 + len(theta)] = value.loss, value.gradient
        places = torch.tensor([names.index(name) for name in rows.names], device=theta.device)
        found[1 + len(theta) + places] = value.losses.to(found.dtype)
    return found


def serve(ranks: Ranks, draw: Callable[[Mapping[str, Any]], Rows | None], like: Tensor, names: Sequence[str]) -> None:
    """Evaluate this process' share of the rows as often as the first process asks for it, until it says stop.

    Parameters
    ----------
    draw : the share of the rows at given points, None if it is empty.
    like : a tensor like θ.

    Raises
    ------
    ProcessLost : the first process has ended without a word.
    """
    rows: Rows | None = None
    buffer = like.new_zeros(1 + len(like))
    while True:
        word = int(ranks.broadcast(buffer)[0])
        if word == STOP:
            return
        if word == DRAW:
            rows = draw(ranks.share(None))
        elif word == REPORT:
            ranks.report()
        else:
            ranks.evaluate(rows, buffer[1:].clone(), names)
