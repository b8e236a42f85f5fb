"""``pinn run -m``: every combination of values, all of them validated before the first one starts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinn.problem.settings import BadInput
from pinn.run.check import validate
from pinn.run.compose import Source, multirun, uses_shipped_sweeper
from pinn.run.folder import create, refuse_unusable
from pinn.run.overrides import read
from pinn.run.prepare import prepare_settings
from pinn.run.progress import Progress
from pinn.run.ranks import place, work
from pinn.run.sources import read_source

WORST_FIRST = (1, 2, 130, 3, 4, 0)
"""Exit codes: the first of these that any job had is that of the sweep."""


def sweep(name: str | None, words: Sequence[str], line: str) -> int:
    """Run all combinations of the values in ``words`` and print them side by side; return the exit code.

    The runs are kept in 0, 1, 2, ... of one folder: ``folder=``, or a new runs/NAME/DATE-TIME. A run that diverges does not stop
    the others.

    Raises
    ------
    BadInput : in any of the jobs, before the first one starts; several processes, which would all start the same jobs.
    """
    if place() is not None:
        raise BadInput("a sweep is started by one process; hydra/launcher and launch.processes say what its jobs run on")
    source = read_source(name).source
    words, folder = _without_folder(words)
    if folder is not None:
        refuse_unusable(Path(folder))
    if uses_shipped_sweeper(words):
        _validate_all(source, words)
    workers = _workers(words)
    path = create(None if folder is None else Path(folder), source.name or "sweep").path.resolve()
    shown = _relative(path)
    print(f"sweep in {shown}")
    multirun(source, words, Work(line, max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None), path)
    jobs = sorted((job for job in path.iterdir() if job.name.isdigit()), key=lambda job: int(job.name))
    finished = [job for job in jobs if (job / "metrics.json").exists()]
    if finished:
        from pinn.report.table import compare

        print(compare([_relative(job) for job in finished]))
    codes = {_code(job) for job in jobs}
    return next((code for code in WORST_FIRST if code in codes), 0)


def _without_folder(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Take ``folder=...`` out of the words: in a sweep it is the folder of all runs."""
    folders = [read(word).value for word in words if re.match(r"folder=", word)]
    return [word for word in words if not re.match(r"folder=", word)], folders[-1] if folders else None


def _validate_all(source: Source, words: Sequence[str]) -> None:
    """Go through all jobs with Hydra's own sweeper, but only look at their settings."""
    found: list[BadInput] = []

    def look(settings: Mapping[str, Any], folder: Path) -> float:
        try:
            validate(prepare_settings(settings))
        except BadInput as error:
            found.append(error)
        return 0.0

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        multirun(source, words, look, Path(folder), here=True)
    if found:
        raise found[0]


def _workers(words: Sequence[str]) -> int:
    """Return how many jobs share this machine at the same time; those of Slurm have cores of their own."""
    given = dict(word.split("=", 1) for word in words if word.startswith("hydra"))
    if given.get("hydra/launcher", "basic") in ("basic", "submitit_slurm"):
        return 1
    wanted = given.get("hydra.launcher.n_jobs", "-1")
    cores = os.cpu_count() or 1
    return int(wanted) if wanted.isdigit() and wanted != "0" else cores


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _code(job: Path) -> int:
    try:
        code = json.loads((job / "status.json").read_text(encoding="utf-8"))["exit_code"]
        return 1 if code is None else int(code)
    except (OSError, ValueError, KeyError, TypeError):
        return 1


@dataclass(frozen=True)
class Work:
    """One job of a sweep; launchers carry it to their workers.

    Parameters
    ----------
    line : the command line, for the record.
    threads : most threads of one job; None leaves the setting alone.
    """

    line: str
    threads: int | None

    def __call__(self, settings: dict[str, Any], folder: Path) -> float:
        """Run the job and return its error, the objective of sweepers that search; failures of this job stay in its folder.

        Where a launcher starts several processes for a job (``tasks_per_node`` of submitit on Slurm), all but the first help it.
        """
        from pinn.run.execute import largest_error, start

        if self.threads is not None:
            settings = {**settings, "threads": min(self.threads, settings["threads"])}
        here = place()
        if here is not None and here.rank > 0:
            work(prepare_settings(settings))
            return float("inf")
        progress = Progress(prefix=f"[{folder.name}] ")
        try:
            outcome = start(prepare_settings(settings), f"{self.line} #{folder.name}", progress, _relative(folder))
        except BadInput as error:
            progress.say(str(error))
            return float("inf")
        except Exception as error:  # a bug in one job: its traceback is in its run.log, the others go on
            progress.say(f"{type(error).__name__}: {error}; see {folder / 'run.log'}")
            return float("inf")
        progress.say(outcome.message)
        if outcome.code == 130:
            raise KeyboardInterrupt
        known = largest_error(outcome.metrics)
        return float("inf") if known is None else known
