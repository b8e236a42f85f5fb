"""What networks in cells are worth: the same problems by one network of as many parameters in the same time, and by least squares.

On the command line:

    python experiments/decomposition.py                             all problems, about an hour
    python experiments/decomposition.py --only cosine --seeds 1     one seed of one problem
    python experiments/decomposition.py --json rows.json --known    the tables of what the file holds, without runs
    python experiments/decomposition.py --json rows.json --figures FOLDER --write

Training ends after the same seconds for all; what solves for its last layers ends by itself. Seconds are those of the processor in
the solve, so that a busy machine favours nobody; imports, set-up and compiler are left out. Settings were found with seed 0; the
tables are of seeds from 1, which run in turn, one way after the other. Errors are relative L2 on a grid nobody trained on. Runs
that a JSON file holds, of the same settings, are not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from decomposition_cases import CASES, Case, Way
from results import rounded, summary, write
from scoreboard import IMPORTED, limited

import pinn

PAGE = Path(__file__).with_name("DECOMPOSITION.md")
HEAD = ["way", "relative L2 error", "seconds", "evaluations", "parameters", "seeds"]


@dataclass(frozen=True)
class Outcome:
    """What came of one run; numbers are None, and there is a reason, where it failed.

    Attributes
    ----------
    curve : seconds and error while it ran.
    """

    problem: str
    way: str
    settings: tuple[str, ...]
    seed: int
    error: float | None = None
    seconds: float | None = None
    evaluations: int | None = None
    num_parameters: int | None = None
    curve: tuple[tuple[float, float], ...] = ()
    reason: str = ""

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Outcome:
        """Return the outcome that a row of the JSON file is about."""
        return cls(**{**row, "settings": tuple(row["settings"]), "curve": tuple(map(tuple, row["curve"]))})


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.problem for case in CASES]
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5, help="how many at most")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which a run is ended")
    parser.add_argument("--json", type=Path, help="keep a row for every run in this file; runs that it holds are not made again")
    parser.add_argument("--known", action="store_true", help="show what that file holds, and run nothing")
    parser.add_argument("--figures", type=Path, help="draw error against time into this folder, a figure for every problem")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    arguments = parser.parse_args()
    done = read(arguments.json)
    for case in CASES:
        if case.problem not in arguments.only:
            continue
        for outcome in [] if arguments.known else runs(case, arguments.seeds, arguments.limit, done):
            done.append(outcome)
            print(
                f"    {outcome.problem}, {outcome.way}, seed {outcome.seed}: {outcome.reason or f'{outcome.error:.1e}'}", flush=True
            )
            if arguments.json:
                arguments.json.write_text(json.dumps([asdict(each) for each in done], indent=0) + "\n")
        found = [[each for each in done if is_of(each, case, way)] for way in case.ways]
        lines = table([each for each in found if each])
        print(f"\n{case.problem}", *lines, sep="\n", flush=True)
        if arguments.figures:
            draw(case, found, arguments.figures)
        if arguments.write:
            write(lines, case.problem, PAGE)
    print(f"\n{platform.machine()}, pinn {pinn.__version__}")


# runs ------------------------------------------------------------------------------------------------------------------


def read(path: Path | None) -> list[Outcome]:
    """Return the outcomes that a JSON file holds; none where there is no file."""
    return [Outcome.of_row(row) for row in json.loads(path.read_text())] if path and path.exists() else []


def is_of(outcome: Outcome, case: Case, way: Way) -> bool:
    """Whether an outcome is of this way with its settings of today."""
    return (outcome.problem, outcome.way, outcome.settings) == (case.problem, way.name, tuple(case.words(way)))


def runs(case: Case, seeds: int, limit: float, done: Sequence[Outcome]) -> Iterator[Outcome]:
    """Yield an outcome for each seed and way that there is none of; seeds outside, so that ways alternate."""
    known = {(outcome.way, outcome.settings, outcome.seed) for outcome in done if outcome.problem == case.problem}
    for seed in range(1, seeds + 1):
        for way in case.ways:
            words = tuple(case.words(way))
            if seed <= way.seeds and (way.name, words, seed) not in known:
                yield attempt(case.problem, way.name, words, seed, limit)


def attempt(problem: str, way: str, words: tuple[str, ...], seed: int, limit: float) -> Outcome:
    """Return the outcome of a run in a process of its own, which is ended after so many seconds."""
    try:
        return Outcome(problem, way, words, seed, **limited(measured, (problem, words, seed), limit))
    except (RuntimeError, TimeoutError) as trouble:
        return Outcome(problem, way, words, seed, reason=str(trouble))


def measured(problem: str, words: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the numbers of a run whose clock is that of the processor."""
    for module in IMPORTED:
        import_module(module)
    import_module("pinn.solver.staged").time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        metrics = pinn.solve(problem, "report=none", *words, seed=seed, folder=folder, quiet=True).metrics
        curve = read_curve(folder)
    return {
        "error": metrics["error"]["relative_l2"],
        "seconds": metrics["seconds"]["solve"],
        "evaluations": metrics["evaluations"],
        "num_parameters": metrics["num_parameters"],
        "curve": (*curve, (metrics["seconds"]["solve"], metrics["error"]["relative_l2"])),
    }


def read_curve(folder: Path) -> list[tuple[float, float]]:
    """Return seconds and error of all steps of a run after which the error was looked at."""
    with (folder / "timing.csv").open() as file:
        seconds = {row["step"]: float(row["seconds"]) for row in csv.DictReader(file)}
    with (folder / "history.csv").open() as file:
        return [(seconds[row["step"]], float(f"{float(row['error']):.3g}")) for row in csv.DictReader(file) if row.get("error")]


# tables and figures ----------------------------------------------------------------------------------------------------


def table(found: Sequence[Sequence[Outcome]]) -> list[str]:
    """Return the lines of a problem's table, a line for every way."""
    return ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD), *map(line, found)]


def line(found: Sequence[Outcome]) -> str:
    """Return the line of the table for the runs of one way: medians, the worst error in brackets."""
    known = [each for each in found if each.error is not None]
    failed = "" if len(known) == len(found) else f", {len(found) - len(known)} of {len(found)} failed"
    cells = [found[0].way, "failed", "–", "–", "–", str(len(found))]
    if known:
        middle = {
            key: statistics.median(getattr(each, key) for each in known) for key in ("seconds", "evaluations", "num_parameters")
        }
        numbers = [f"{middle[key]:,.0f}" for key in ("evaluations", "num_parameters")]
        cells[1:5] = [summary([each.error for each in known]) + failed, rounded(middle["seconds"]), *numbers]
    return "| " + " | ".join(cells) + " |"


def draw(case: Case, found: Sequence[Sequence[Outcome]], folder: Path) -> None:
    """Draw error against seconds, of every way's seed in the middle, into FOLDER/decomposition_NAME.png; single solves are *."""
    from pinn.report.style import TERM_COLOURS, new_figure, plain_axes, seconds_axis, styled

    with styled():
        figure = new_figure(7.2, 3.8, f"{case.title} — error against time")
        axes = figure.subplots()
        plain_axes(axes, log=True)
        for number, outcomes in enumerate(found):
            known = sorted((each for each in outcomes if each.error is not None), key=lambda each: each.error or 0.0)
            if not known:
                continue
            seconds, errors = zip(*known[len(known) // 2].curve, strict=True)
            colour, label = TERM_COLOURS[number % len(TERM_COLOURS)], known[0].way.replace("`", "")
            if len(seconds) > 2:
                axes.plot(seconds, errors, color=colour, label=label, linewidth=1.2)
            else:
                axes.plot(seconds[-1], errors[-1], "*", color=colour, label=label, markersize=11, markeredgecolor="white")
        axes.set(xlabel="seconds of the processor", ylabel="relative L² error")
        seconds_axis(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"decomposition_{case.problem}.png")


if __name__ == "__main__":
    main()
