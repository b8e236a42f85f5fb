"""Every shipped problem solved, judged and drawn by one command: a table by class, and a sheet of pictures.

On the command line:

    python experiments/gallery.py                     what the folder does not hold yet, then GALLERY.md and gallery.png
    python experiments/gallery.py heat_1d kdv         these problems only, and their lines on the screen
    python experiments/gallery.py --known             the table and the sheet of what the folder holds, without runs
    python experiments/gallery.py --seeds 1 --limit 60 --folder runs/quick

A problem is solved by ``pinn run NAME``, or with the settings of an experiment where `EXPERIMENTS` names one. Runs are kept in
``FOLDER/NAME/SEED``; those that are there, of the same text and settings, are not made again, so that the command goes on where it
was stopped. Least squares in cells have no random numbers: they are run with one seed. Every run has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from contact_sheet import contact_sheet
from gallery_bars import BAR, BARS, EXPERIMENTS, SECONDS
from results import ROOT, rounded, summary, write
from scoreboard import limited

import pinn
from pinn.problem.classes import CLASSES
from pinn.problem.language import load_problem
from pinn.problem.problem import Problem
from pinn.problem.text import plain

PROBLEMS = {path.stem: path for path in sorted((ROOT / "configs" / "problem").glob("*.yaml"))}
EXPERIMENT_FOLDER = ROOT / "configs" / "experiment"
HEAD = ["class", "problem", "solver", "relative L2 error", "known from", "bar", "seconds", "verdict"]
QUIET = ("report.figures=[]", "report.animation=false", "report.html=false", "report.classical.seconds=0")
WITHOUT_RANDOM_NUMBERS = "least_squares"
"""The solver whose result does not depend on the seed."""


@dataclass(frozen=True)
class Run:
    """One run: the contents of metrics.json, empty with a reason where there are none, and the processor seconds of all of it."""

    metrics: Mapping[str, Any]
    seconds: float = 0.0
    reason: str = ""

    @property
    def error(self) -> float | None:
        """Largest relative L2 error of an unknown, or what it is at most; None when nobody knows."""
        found = self.metrics.get("error") or {}
        return found.get("relative_l2") if found.get("relative_l2") is not None else found.get("at_most")

    @property
    def source(self) -> str:
        """How the error is known."""
        found = self.metrics.get("error") or {}
        if found.get("relative_l2") is None and found.get("at_most") is not None:
            return "bound"
        return str(found.get("source", "none")).replace("_", " ")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which a run is ended")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "gallery", help="where runs are kept")
    parser.add_argument("--known", action="store_true", help="show what the folder holds, and run nothing")
    arguments = parser.parse_args()
    problems = {name: load_problem(PROBLEMS[name]) for name in arguments.problems}
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    print(*lines, sep="\n", flush=True)
    for name in by_class(problems):
        if not arguments.known:
            make(problems[name], arguments.seeds, arguments.limit, arguments.folder)
        lines.append(line(problems[name], kept(problems[name], arguments.folder)))
        print(lines[-1], flush=True)
    if set(problems) == set(PROBLEMS):
        write(lines, "gallery", ROOT / "experiments" / "GALLERY.md")
        write(digest(problems, arguments.folder), "gallery")
        pictures = {name: arguments.folder / name / "0" for name in by_class(problems)}
        contact_sheet(pictures, ROOT / "experiments" / "gallery.png")


def by_class(problems: Mapping[str, Problem]) -> list[str]:
    """Return names in the order of the table."""
    order = [*CLASSES, ""]
    return sorted(problems, key=lambda name: (order.index(problems[name].class_), name))


# runs ------------------------------------------------------------------------------------------------------------------


def asked(problem: Problem) -> dict[str, Any]:
    """Return what makes a kept run one of this problem and these settings."""
    settings = words(problem.name)
    text = (EXPERIMENT_FOLDER / f"{EXPERIMENTS[problem.name]}.yaml").read_text() if settings else ""
    return {"problem": plain(problem.source), "settings": settings, "experiment": text}


def words(name: str) -> list[str]:
    """Return the settings with which a problem is solved."""
    return [f"experiment={EXPERIMENTS[name]}"] if name in EXPERIMENTS else []


def make(problem: Problem, seeds: int, limit: float, folder: Path) -> None:
    """Solve a problem with every seed that the folder does not hold; a run that fails leaves its reason."""
    for seed in range(seeds):
        place = folder / problem.name / str(seed)
        if not _holds(place, problem):
            rmtree(place, ignore_errors=True)
            seconds, reason = 0.0, ""
            try:
                seconds = limited(solve, (problem.name, words(problem.name), seed, place), limit)
            except (RuntimeError, TimeoutError) as failure:
                reason = str(failure).splitlines()[0]
            place.mkdir(parents=True, exist_ok=True)
            (place / "asked.json").write_text(json.dumps({**asked(problem), "seconds": seconds, "reason": reason}))
        if _read(place).metrics.get("solver") == WITHOUT_RANDOM_NUMBERS:
            return


def solve(name: str, settings: Sequence[str], seed: int, place: Path) -> float:
    """Solve a shipped problem into a folder, without pictures, and return the processor seconds of all of it."""
    begin = time.process_time()
    pinn.solve(name, *QUIET, *settings, seed=seed, folder=place, quiet=True)
    return time.process_time() - begin


def kept(problem: Problem, folder: Path) -> list[Run]:
    """Return the runs of a problem that the folder holds."""
    return [_read(place) for place in sorted((folder / problem.name).glob("*")) if _holds(place, problem)]


def _holds(place: Path, problem: Problem) -> bool:
    known = place / "asked.json"
    wanted = json.loads(json.dumps(asked(problem)))
    return known.exists() and wanted.items() <= json.loads(known.read_text()).items()


def _read(place: Path) -> Run:
    found = place / "metrics.json"
    known = json.loads((place / "asked.json").read_text())
    held = json.loads(found.read_text()) if found.exists() and not known["reason"] else {}
    return Run(held, known["seconds"], known["reason"])


# table -----------------------------------------------------------------------------------------------------------------


def line(problem: Problem, found: Sequence[Run]) -> str:
    """Return the line of the table for one problem, without numbers where no run has any."""
    finished = [run for run in found if run.metrics]
    head = [problem.class_ or "–", f"`{problem.name}`"]
    bar = BARS.get(problem.name, BAR)
    if not finished:
        return _joined([*head, "–", "–", "–", f"{bar:.0e}", "–", f"failed: {found[0].reason}" if found else "not run"])
    solvers = sorted({str(run.metrics["solver"]) for run in finished})
    cells = [
        *head,
        ", ".join(solvers).replace("_", " "),
        ("at most " if finished[0].source == "bound" else "") + summary([run.error for run in finished]),
        finished[0].source,
        f"{bar:.0e}",
        rounded(statistics.median(run.seconds for run in finished)),
        verdict(found, bar),
    ]
    return _joined(cells)


def digest(problems: Mapping[str, Problem], folder: Path) -> list[str]:
    """Return a table with a line for every class: its problems with their errors, how many are verified, and seconds."""
    lines = ["| class | problems and their errors | verified | seconds |", "|---|---|---|---|"]
    for name, heading in CLASSES.items():
        runs = {each: kept(problems[each], folder) for each in by_class(problems) if problems[each].class_ == name}
        runs = {each: found for each, found in runs.items() if found}
        if runs:
            errors = ", ".join(f"`{each}` {error_words(found)}" for each, found in runs.items())
            good = sum(verdict(found, BARS.get(each, BAR)) == "verified" for each, found in runs.items())
            seconds = sorted(run.seconds for found in runs.values() for run in found if run.metrics)
            span = f"{rounded(seconds[0])} to {rounded(seconds[-1])}" if seconds else "–"
            lines.append(_joined([f"{name}: {heading}", errors, f"{good} of {len(runs)}", span]))
    return lines


def error_words(found: Sequence[Run]) -> str:
    """Return the median error of one problem with one digit, with ``≤`` where it is a bound; ``?`` when nobody knows."""
    errors = [run.error for run in found if run.error is not None]
    return ("≤ " if found[0].source == "bound" else "") + f"{statistics.median(errors):.0e}" if errors else "?"


def verdict(found: Sequence[Run], bar: float) -> str:
    """Return ``verified``, or why not: the error of every seed must be known and below the bar, and found in time."""
    for run in found:
        if not run.metrics:
            return f"failed: {run.reason}"
        if run.error is None or not run.error <= bar:
            return "missed: the error is not known" if run.error is None else f"missed: {run.error:.1e} is above the bar"
        if run.seconds > SECONDS:
            return f"missed: {run.seconds:.0f} s"
        if run.metrics["verdict"] != "verified" and run.source != "bound":
            return f"not verified: {run.metrics['verdict_reasons'][0].partition(':')[0]}"
    return "verified"


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
