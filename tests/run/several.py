"""Processes of one run, as ``torchrun`` would start them, forked from one that has imported everything, so that they start at once."""

import contextlib
import multiprocessing
import os
import time

import torch

from pinn.run.cli import main
from pinn.run.prepare import prepare
from pinn.run.ranks import joined, meeting
from pinn.solver.division import by_points

PRELOADED = [
    "hydra._internal.core_plugins.basic_launcher",
    "hydra._internal.core_plugins.basic_sweeper",
    "pinn.run.compose",
    "pinn.run.execute",
    "pinn.run.judging",
    "pinn.run.setup",
    "pinn.run.training",
    "pinn.solver.ranks",
    "pinn.solver.division",
    "pinn.field.decomposition.decomposed_field",
    "scipy.stats.qmc",
    "torch._dynamo",
    "torch.fx.experimental.symbolic_shapes",
    "pinn.solver.staged",
    "torch.optim",
]


def enter(rank, environment, said, job, words):
    """What a process does: its place in the environment, what it says in a file, ``job(rank, words)`` as exit code."""
    os.environ.update(environment, **{"SLURM_PROCID" if "SLURM_NTASKS" in environment else "RANK": str(rank)})
    with open(said, "w") as file, contextlib.redirect_stderr(file), contextlib.redirect_stdout(file):
        raise SystemExit(job(rank, words))


def command(rank, words):
    return main(words)


class Together:
    """``size`` processes that run the same command; one alone is not told of others.

    ``environment`` replaces what ``torchrun`` would say.
    """

    def __init__(self, size, words, folder, job=command, environment=None):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        environment = environment or (meeting(size) if size > 1 else {"WORLD_SIZE": "1"})
        self.said = [folder / f"said{rank}of{size}.txt" for rank in range(size)]
        self.processes = [
            context.Process(target=enter, args=(rank, environment, self.said[rank], job, words)) for rank in range(size)
        ]
        for process in self.processes:
            process.start()

    def join(self, seconds=60):
        """Return the exit codes; none is left running."""
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
        return codes

    def words(self, rank=0):
        return self.said[rank].read_text()


def write_value(rank, words):
    """Evaluate loss and gradient once, at a θ away from the start, and write what the first process finds."""
    from pinn.run.ranks import work
    from pinn.run.setup import set_up
    from pinn.run.training import torch_settings

    *settings, target = words[1:]
    prepared = prepare(words[0], settings)
    if rank:
        return work(prepared)
    with torch_settings(1, "cpu"), joined(prepared.configuration) as ranks:
        setup = set_up(prepared, None, ranks)
        theta = setup.theta + 0.3 * torch.sin(torch.arange(len(setup.theta), dtype=setup.theta.dtype))
        rows = setup.draw(1)
        value = rows.evaluate(theta)
        owned = None if ranks is None else ranks.description()["each"]
        num_points = sum(group[0].num_rows for group in by_points(rows.terms))
        torch.save({**value._asdict(), "owned": owned, "num_points": num_points}, target)
    return 0
