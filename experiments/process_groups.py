"""Groups of processes that wait until they are asked to evaluate or to solve, and count their messages; Linux only."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pinn.run.prepare import Prepared, prepare
from pinn.run.ranks import joined, meeting, work
from pinn.run.setup import set_up
from pinn.run.training import torch_settings
from pinn.solver.ranks import EVALUATE, Ranks, order

TICK = os.sysconf("SC_CLK_TCK")
"""Of processor time in a second."""


class Meter:
    """Context in which the messages that this process takes part in, and their bytes, are counted."""

    def __init__(self) -> None:
        self.messages = self.bytes = 0

    def __enter__(self) -> Meter:
        self._kept = dist.broadcast, dist.reduce
        for name, call in zip(("broadcast", "reduce"), self._kept, strict=True):
            setattr(dist, name, self._counted(call))
        return self

    def __exit__(self, *_: object) -> None:
        dist.broadcast, dist.reduce = self._kept

    def _counted(self, call: Callable) -> Callable:
        def counted(tensor: torch.Tensor, *arguments: Any) -> Any:
            self.messages += 1
            self.bytes += tensor.numel() * tensor.element_size()
            return call(tensor, *arguments)

        return counted


def enter(job: Callable, rank: int, environment: dict[str, str], connection: Any, words: list[str]) -> None:
    """Take a place among processes; the first one does a job, and the others help it and say what they have counted."""
    os.environ.update(environment, RANK=str(rank))
    prepared = prepare(words[0], words[1:])
    if rank:
        with Meter() as meter:
            work(prepared)
        connection.send((meter.messages, meter.bytes))
        return
    with torch_settings(1, "cpu"), joined(prepared.configuration) as ranks:
        job(prepared, ranks, connection)


class Group:
    """Processes, of which the first does what it is asked for."""

    def __init__(self, size: int, words: list[str], job: Callable):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pinn.run.setup", "pinn.run.training", "pinn.solver.ranks", "pinn.solver.cells.shared"])
        environment = meeting(size) if size > 1 else {"WORLD_SIZE": "1"}
        pairs = [context.Pipe() for _ in range(size)]
        self.connections = [mine for mine, _ in pairs]
        processes = [
            context.Process(target=enter, args=(job, rank, environment, theirs, words)) for rank, (_, theirs) in enumerate(pairs)
        ]
        for process in processes:
            process.start()
        self.processes = processes

    def ask(self, question: Any) -> Any:
        """Return what the first process answers."""
        self.connections[0].send(question)
        return self.connections[0].recv()

    def processor(self) -> list[float]:
        """Return the seconds of processor time of every process so far."""
        found = []
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            found.append((int(fields[11]) + int(fields[12])) / TICK)
        return found

    def close(self) -> list[tuple[int, int]]:
        """End all processes; return messages and bytes that the others have counted."""
        self.connections[0].send(None)
        found = [connection.recv() for connection in self.connections[1:]]
        for process in self.processes:
            process.join()
        return found


def evaluations(prepared: Prepared, ranks: Ranks | None, connection: Any) -> None:
    """Evaluate the rows as often as asked for; answer with seconds, messages, bytes, and what every process owns."""
    setup = set_up(prepared, None, ranks)
    rows = setup.draw(0)
    rows.evaluate(setup.theta)
    with Meter() as meter:
        while (number := connection.recv()) is not None:
            before, begin = (meter.messages, meter.bytes), time.perf_counter()
            for _ in range(number):
                rows.evaluate(setup.theta)
            seconds = (time.perf_counter() - begin) / number
            counted = ((meter.messages - before[0]) / number, (meter.bytes - before[1]) / number)
            connection.send((seconds, *counted, len(setup.theta), len(setup.terms)))


def messages(prepared: Prepared, ranks: Ranks | None, connection: Any) -> None:
    """Answer with the seconds of an order and its answer for so many parameters, where there is nothing to evaluate."""
    setup = set_up(prepared, None, ranks)
    assert ranks is not None
    while connection.recv() is not None:
        begin = time.perf_counter()
        order(ranks, EVALUATE, setup.theta)
        ranks.evaluate(None, setup.theta, setup.terms)
        connection.send((time.perf_counter() - begin, len(setup.theta)))


def solves(prepared: Prepared, ranks: Ranks | None, connection: Any) -> None:
    """Solve in cells once when asked."""
    setup = set_up(prepared, None, ranks)
    connection.recv()
    begin = time.perf_counter()
    for state in setup.states(setup.first_state(), None):
        last = state
    connection.send((time.perf_counter() - begin, len(last.theta)))
    connection.recv()
