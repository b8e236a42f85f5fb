"""A trained network and least squares, problem by problem, beside the best that was published and a classical solver.

On the command line:

    python experiments/scoreboard.py                                  all problems, both methods, one seed
    python experiments/scoreboard.py --only kdv burgers --seeds 5     medians over the seeds 0 to 4, worst in brackets
    python experiments/scoreboard.py --methods network --limit 150    no run longer than 150 seconds
    python experiments/scoreboard.py --json rows.json --known         the table of what the file holds, without runs
    python experiments/scoreboard.py --json rows.json --figures FOLDER --write

A trained network has the settings of the experiment with the problem's name, or the default ones; least squares those of the
experiment NAME_least_squares, or ``solver=least_squares``. Every run has a process of its own. Seconds are set-up and solve, with
what the compiler took in them; a reference is made before, and errors are relative L2 on a grid nobody trained on. A run that fails
has no numbers, its reason is printed, and the others go on. Runs that a JSON file already holds, of the same settings, are not made
again, so that a table can be made piece by piece.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from published import BEST, QUANTITIES
from results import NAMES, ROOT, rounded, solved, summary, write

import pinn

METHODS = {"network": "trained network", "least_squares": "least squares"}
HEAD = [
    "problem", "method", "relative L2 error", "seconds (set-up, compiler, solve)", "parameters", "best published",
    "classical solver, same error", "seeds",
]  # fmt: skip
REFERENCES = {"cavity_100": ["reference.size=8", "reference.seconds=600"]}
"""Words for a reference finer than by default, made once in seven minutes: an error bar of 4e-5."""

MEASURED = {"cavity_100": ("u", "v")}
"""Unknowns that are measured where another grows without bound: the pressure, like a logarithm, at the ends of the lid."""

KEPT = ("name", "unknowns", "error", "reference", "quantities", "num_parameters", "seconds", "classical")
"""What the JSON file keeps of metrics.json."""

IMPORTED = ("pinn.run.judging", "pinn.run.training")
"""What is imported before the clock starts: imports count for nobody, nor do those of the classical solver."""

KNOWN = 0.3
"""An error is known from a reference whose error bar is at most this part of it."""


@dataclass(frozen=True)
class Run:
    """One run: what was asked and the settings that did it, the contents of metrics.json, and why there are none."""

    problem: str
    method: str
    seed: int
    metrics: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    settings: tuple[str, ...] = ()

    @property
    def relative_l2(self) -> float | None:
        """Largest relative L2 error over the unknowns, or over those that are measured; None when nobody knows."""
        if self.metrics and self.problem in MEASURED:
            error, bar = self._against_reference()
            return error if bar <= KNOWN * error else None
        return (self.metrics.get("error") or {}).get("relative_l2")

    @property
    def at_most(self) -> float | None:
        """What the error is at most, where the reference is not known better than that."""
        if self.metrics and self.problem in MEASURED:
            return sum(self._against_reference())
        return (self.metrics.get("error") or {}).get("at_most")

    def _against_reference(self) -> tuple[float, float]:
        """Return the largest distance of a measured unknown from the reference, and the largest error bar of these."""
        errors, bars = self.metrics["unknowns"], self.metrics["reference"]["unknowns"]
        names = MEASURED[self.problem]
        return max(errors[name]["relative_l2"] for name in names), max(bars[name]["relative_error"] for name in names)

    @property
    def seconds(self) -> float | None:
        """Seconds of set-up and solve."""
        spent = self.metrics.get("seconds")
        return spent["setup"] + spent["solve"] if spent else None

    @property
    def deviation(self) -> float | None:
        """Largest difference from published values of the problem's quantities; None without such values."""
        known, found = QUANTITIES.get(self.problem, {}), self.metrics.get("quantities") or {}
        return max((abs(found[name]["value"] - value) for name, value in known.items() if name in found), default=None)

    def row(self) -> dict[str, Any]:
        """Return what the JSON file holds of the run."""
        best = BEST.get(self.problem)
        return {
            "problem": self.problem,
            "method": METHODS[self.method],
            "seed": self.seed,
            "relative_l2": self.relative_l2,
            "seconds": self.seconds,
            "num_parameters": self.metrics.get("num_parameters"),
            "published": best and best.relative_l2,
            "classical_seconds_at_equal_error": (self.metrics.get("classical") or {}).get("seconds_at_equal_error"),
            "settings": list(self.settings),
            "reason": self.reason,
            "metrics": {key: self.metrics[key] for key in KEPT if key in self.metrics},
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Run:
        """Return the run that a row of the JSON file is about."""
        method = next(key for key, label in METHODS.items() if label == row["method"])
        return cls(row["problem"], method, row["seed"], row["metrics"], row["reason"], tuple(row["settings"]))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(BEST), choices=sorted({*BEST, *NAMES}), metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which a run is ended")
    parser.add_argument("--json", type=Path, help="keep a row for every run in this file; runs that it holds are not made again")
    parser.add_argument("--known", action="store_true", help="show what that file holds, and run nothing")
    parser.add_argument("--figures", type=Path, help="draw error against time into this folder, a figure for every problem")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    print(*lines, sep="\n", flush=True)
    done = read_rows(arguments.json)
    known = {(run.problem, run.method, run.seed, run.settings): run for run in done}
    for name in arguments.only:
        here: list[Run] = []
        for method in arguments.methods:
            if arguments.known:
                found = [
                    run for run in done if (run.problem, run.method, run.settings) == (name, method, tuple(words(name, method)))
                ]
            else:
                found = list(runs(name, method, arguments.seeds, arguments.limit, known))
            if found:
                lines.append(line(found))
                print(lines[-1], *reasons(found), sep="\n", flush=True)
                here += found
        done += [run for run in here if run not in done]
        if arguments.json:
            arguments.json.write_text(json.dumps([run.row() for run in done], indent=1) + "\n")
        if arguments.figures:
            draw(name, here, arguments.figures)
    print(f"\n{platform.machine()}, pinn {pinn.__version__}")
    if arguments.write:
        write(lines, "scoreboard")


# runs ------------------------------------------------------------------------------------------------------------------


def words(name: str, method: str) -> list[str]:
    """Return the settings with which a method solves a problem."""
    experiment, solver = (name, "adam_broyden") if method == "network" else (f"{name}_least_squares", "least_squares")
    known = (ROOT / "configs" / "experiment" / f"{experiment}.yaml").exists()
    return [*([f"experiment={experiment}"] if known else [f"solver={solver}"]), *REFERENCES.get(name, [])]


def read_rows(path: Path | None) -> list[Run]:
    """Return the runs that a JSON file holds; none where there is no file."""
    return [Run.of_row(row) for row in json.loads(path.read_text())] if path and path.exists() else []


def runs(name: str, method: str, seeds: int, limit: float, known: Mapping[tuple, Run]) -> Iterator[Run]:
    """Yield a run for each seed, made unless it is known; the reference is made first, so that its time counts for none of them."""
    settings = tuple(words(name, method))
    keys = [(name, method, seed, settings) for seed in range(seeds)]
    if all(key in known for key in keys):
        yield from (known[key] for key in keys)
        return
    try:
        limited(make_reference, (name, settings), 3600.0)
    except (RuntimeError, TimeoutError) as problem:
        print(f"{name}: no reference: {problem}", flush=True)
    for key in keys:
        yield known[key] if key in known else attempt(name, method, settings, key[2], limit)


def attempt(name: str, method: str, settings: tuple[str, ...], seed: int, limit: float) -> Run:
    """Return a run, without numbers where it failed or was ended after so many seconds."""
    try:
        metrics, message = limited(measured, (name, settings, seed), limit)
    except (RuntimeError, TimeoutError) as problem:
        metrics, message = {}, str(problem)
    return Run(name, method, seed, metrics, message, settings)


def measured(name: str, settings: Sequence[str], seed: int) -> tuple[dict[str, Any], str]:
    """Return the numbers of a run, none if it did not finish, and what it said last."""
    for module in IMPORTED:
        import_module(module)
    result = solved(name, settings, seed)
    return dict(result.metrics), str(result).partition(";")[0]


def make_reference(name: str, settings: Sequence[str]) -> str:
    """Compute the reference of a problem, which is kept on disk, and return its kind."""
    from pinn.judge.choose import reference
    from pinn.run.prepare import prepare

    prepared = prepare(name, list(settings))
    return reference(prepared.problem, prepared.configuration.reference).kind


def limited(work: Callable, arguments: Sequence[Any], seconds: float) -> Any:
    """Return ``work(*arguments)``, done by a process of its own that is ended after some seconds.

    Raises
    ------
    TimeoutError : it was not done in time.
    RuntimeError : it failed, for the reason in the message.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", *IMPORTED])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_reply, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise TimeoutError(f"ended after {seconds:g} s")
        answer, reason = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"its process ended with code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if reason:
        raise RuntimeError(reason)
    return answer


def _reply(sender: Any, work: Callable, arguments: Sequence[Any]) -> None:
    try:
        answer = work(*arguments), ""
    except Exception as problem:  # whatever it is, it goes to the one who waits
        answer = None, f"{type(problem).__name__}: {problem}"
    sender.send(answer)


# table -----------------------------------------------------------------------------------------------------------------


def line(found: Sequence[Run]) -> str:
    """Return the line of the table for the runs of one problem and method."""
    first, finished = found[0], [run for run in found if run.metrics]
    cells = [
        f"`{first.problem}`",
        METHODS[first.method],
        error_cell(found),
        seconds_cell(finished) if finished else "–",
        f"{statistics.median_high(run.metrics['num_parameters'] for run in finished):,}" if finished else "–",
        str(BEST.get(first.problem) or "–"),
        classical_cell(finished),
        str(len(found)),
    ]
    return "| " + " | ".join(cells) + " |"


def error_cell(found: Sequence[Run]) -> str:
    """Return the median error and the worst, an upper bound or the deviation of quantities where it is not known, or ``failed``."""
    finished = [run for run in found if run.metrics]
    if not finished:
        return "failed"
    failed = "" if len(finished) == len(found) else f", {len(found) - len(finished)} of {len(found)} failed"
    names = f" ({', '.join(MEASURED[found[0].problem])})" if found[0].problem in MEASURED else ""
    for values, before, after in (
        ([run.relative_l2 for run in finished], "", names),
        ([run.at_most for run in finished], "at most ", names),
        ([run.deviation for run in finished], "", " (quantities)"),
    ):
        if None not in values:
            return f"{before}{summary(values)}{after}{failed}"
    return f"unknown{failed}"


def seconds_cell(finished: Sequence[Run]) -> str:
    """Return medians: all seconds, and in brackets those of set-up, compiler (part of the others) and solve."""
    parts = [statistics.median(run.metrics["seconds"].get(key, 0.0) for run in finished) for key in ("setup", "compile", "solve")]
    total = statistics.median(run.seconds for run in finished)
    return f"{rounded(total)} ({', '.join(map(rounded, parts))})"


def classical_cell(finished: Sequence[Run]) -> str:
    """Return the median seconds of the classical solver at equal error, and its order."""
    lines = [run.metrics.get("classical") or {} for run in finished]
    known = [found for found in lines if found.get("seconds_at_equal_error") is not None]
    if not known:
        return "not reached" if any(found.get("lines") for found in lines) else "–"
    seconds = statistics.median(found["seconds_at_equal_error"] for found in known)
    return f"{seconds:.2g} s ({known[0]['order']})"


def reasons(found: Sequence[Run]) -> list[str]:
    """Return a line for every run whose error is not known."""
    return [f"    seed {run.seed}: {run.reason}" for run in found if run.relative_l2 is None and run.reason]


# figure ----------------------------------------------------------------------------------------------------------------


def draw(name: str, found: Sequence[Run], folder: Path) -> None:
    """Draw the errors of all runs of a problem against their seconds, with the classical solver's, into FOLDER/NAME.png."""
    from pinn.report.frontier import draw_floor, draw_orders, widen
    from pinn.report.style import TERM_COLOURS, new_figure, plain_axes, styled

    known = [run for run in found if run.relative_l2]
    if not known:
        print(f"    {name}: no error is known, no figure", flush=True)
        return
    best = min(known, key=lambda run: run.relative_l2 or 0.0).metrics
    with styled():
        figure = new_figure(6.6, 4.3, f"{best['name']} — error against time")
        axes = figure.subplots()
        plain_axes(axes, log=True)
        draw_orders(axes, best["classical"]["lines"])
        for (method, label), colour in zip(METHODS.items(), (TERM_COLOURS[1], TERM_COLOURS[6]), strict=True):
            points = [(run.seconds, run.relative_l2) for run in known if run.method == method]
            if points:
                axes.plot(*zip(*points, strict=True), "*", color=colour, markersize=13, markeredgecolor="white", label=label)
        published = BEST.get(name)
        if published:
            axes.axhline(
                published.relative_l2, color=TERM_COLOURS[4], linewidth=1.2, label=f"published: {published}".replace(" (", "\n(", 1)
            )
        draw_floor(axes, best["classical"].get("floor"))
        axes.set(xlabel="seconds (set-up included)", ylabel="relative L² error")
        widen(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png")


if __name__ == "__main__":
    main()
