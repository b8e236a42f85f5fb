"""Several processes for one run: who started them, how those that this run starts itself are started, and how they end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pinn.problem.settings import BadInput
from pinn.run.atomic import to_yaml
from pinn.run.configuration import Configuration, in_cells, record
from pinn.run.prepare import Prepared
from pinn.run.signals import ENDING

if TYPE_CHECKING:
    from pinn.solver.ranks import Ranks

GRACE = 20.0
"""Seconds in which processes end by themselves after the first one has told them to."""

SLURM = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "MASTER_ADDR": "SLURM_LAUNCH_NODE_IPADDR"}
"""What ``torchrun`` says, and where ``srun`` says it."""

FIRST_PORT, PORTS = 20_000, 20_000
"""Ports among which the processes of a Slurm job meet, by the job's number."""


class Place(NamedTuple):
    """The number of this process, and how many there are."""

    rank: int
    size: int


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return where this process stands among several that somebody else has started; None if it is alone.

    Raises
    ------
    BadInput : numbers that make no sense.
    """
    found = {name: environment.get(name) or environment.get(SLURM[name], "") for name in ("RANK", "WORLD_SIZE")}
    if not all(found.values()):
        return None
    try:
        rank, size = int(found["RANK"]), int(found["WORLD_SIZE"])
    except ValueError:
        raise BadInput(f"RANK and WORLD_SIZE must be whole numbers, got {found['RANK']!r} and {found['WORLD_SIZE']!r}") from None
    if not 0 <= rank < size:
        raise BadInput(f"RANK must be 0 to {size - 1} where WORLD_SIZE is {size}, got {rank}")
    return Place(rank, size) if size > 1 else None


@contextlib.contextmanager
def joined(configuration: Configuration) -> Iterator[Ranks | None]:
    """Context with the group of all processes of a run, in the first of them; None where there is just one.

    Raises
    ------
    BadInput : another number of processes is asked for than were started.
    """
    here, wanted = place(), configuration.launch.processes
    if here is None and wanted == 1:
        yield None
        return
    if here is not None and wanted not in (1, here.size):
        raise BadInput(f"is {wanted}, but {here.size} processes were started; leave it out", "launch.processes")
    from pinn.solver.ranks import Ranks
    from pinn.solver.stage import ProcessLost

    with contextlib.ExitStack() as stack:
        if here is None:
            stack.enter_context(_started(configuration))
        else:
            _meet_in_slurm()
        ranks = Ranks(0, wanted if here is None else here.size)
        stack.callback(ranks.close)
        yield ranks
        with contextlib.suppress(ProcessLost):
            ranks.stop()


def work(prepared: Prepared) -> int:
    """Evaluate this process' share of a run until the first process ends it; return the exit code."""
    import signal

    from pinn.run.training import torch_settings
    from pinn.solver.ranks import Ranks
    from pinn.solver.stage import ProcessLost

    here = place()
    assert here is not None
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)  # the first process decides when to stop
    _meet_in_slurm()
    with torch_settings(prepared.configuration.threads, prepared.configuration.device):
        ranks = Ranks(here.rank, here.size)
        try:
            _serve(prepared, ranks)
        except ProcessLost as problem:
            print(f"pinn: process {here.rank} of {here.size} ends: {problem}", file=sys.stderr)
            return 1
        finally:
            ranks.close()
    return 0


def _serve(prepared: Prepared, ranks: Ranks) -> None:
    """Do what the first process asks for, until it asks for nothing more."""
    if in_cells(prepared.configuration) is not None:
        from pinn.solver.cells.shared import serve as serve_cells

        serve_cells(ranks)
        return
    from pinn.run.setup import set_up_share
    from pinn.solver.ranks import serve

    share = set_up_share(prepared, ranks)
    serve(ranks, share.own, share.theta, share.names)


def _meet_in_slurm() -> None:
    """Set where the processes of a Slurm job meet, unless somebody has."""
    if "MASTER_ADDR" not in os.environ and SLURM["MASTER_ADDR"] in os.environ:
        os.environ["MASTER_ADDR"] = os.environ[SLURM["MASTER_ADDR"]]
    if "MASTER_PORT" not in os.environ and "SLURM_JOB_ID" in os.environ:
        os.environ["MASTER_PORT"] = str(FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % PORTS)


@contextlib.contextmanager
def _started(configuration: Configuration) -> Iterator[None]:
    """Context in which the other processes of a run are there, on this machine."""
    size = configuration.launch.processes
    with tempfile.TemporaryDirectory(prefix="pinn-") as folder, _environment(meeting(size)):
        settings = Path(folder) / f"{configuration.name}.yaml"
        settings.write_text(to_yaml(record(configuration)), encoding="utf-8")
        command = [sys.executable, "-m", "pinn", "run", str(settings)]
        others = [
            subprocess.Popen(command, env={**os.environ, "RANK": str(rank)}, stdout=subprocess.DEVNULL, start_new_session=True)
            for rank in range(1, size)
        ]
        try:
            yield
            for other in others:
                other.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            for other in others:
                other.kill()
                other.wait()


def meeting(size: int) -> dict[str, str]:
    """Return what the environment of processes on this machine says about where they meet."""
    known = {name for _, name in socket.if_nameindex()}
    loopback = next((name for name in ("lo", "lo0") if name in known), None)
    found = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(size)}
    return found if loopback is None else {**found, "GLOO_SOCKET_IFNAME": loopback}


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
