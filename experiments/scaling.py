"""What several processes cost and gain: messages counted, a model of the time, and both beside measurements.

On the command line:

    python experiments/scaling.py                     all tables
    python experiments/scaling.py --only bytes        one of them
    python experiments/scaling.py --write             put the tables into SCALING.md

Groups of 1, 2 and 4 processes wait side by side and evaluate in turn, so that all see the same load of the machine; Linux only.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from process_groups import Group, evaluations, messages, solves
from results import write

import pinn
from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.problem.terms import make_term
from pinn.run.configuration import training
from pinn.run.prepare import prepare
from pinn.solver.division import Division, by_points, load, work

PAGE = Path(__file__).with_name("SCALING.md")
SIZES = (1, 2, 4)
BASE = ["solver=adam_broyden", "threads=1", "network.width=16", "network.depth=2", "points.surface=256", "points.rule=uniform"]
AT_ONCE = 10
"""Evaluations that a group does when it is its turn; the processor's time is known to a hundredth of a second."""

CLUSTER = (20e-6, 1e9)
"""Seconds of a message and bytes in a second, of a network between machines, for what is foreseen beyond this one."""


class Setting(NamedTuple):
    """A field with a network in every cell on a problem, and how many points it has."""

    problem: str
    cells: tuple[int, int]
    reach: float
    points: int

    def words(self) -> list[str]:
        """Return the words of the command line."""
        names = prepare(self.problem, ["solver=adam_broyden"]).problem.names
        cells = ", ".join(f"{name}: {count}" for name, count in zip(names, self.cells, strict=True))
        decomposition = ["decomposition=windows", f"decomposition.cells={{{cells}}}", f"decomposition.reach={self.reach}"]
        return [self.problem, *BASE, *decomposition, f"points.interior={self.points}"]


def table(head: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |"


def shares(setting: Setting, sizes: Sequence[int]) -> tuple[int, dict[int, list[tuple[int, int, int, int]]]]:
    """Return the number of parameters, and for each number of processes points, cells, pairs and cost of every one."""
    configuration, problem = prepare(*[setting.words()[0], setting.words()[1:]])
    field = DecomposedField(training(configuration).network, problem, configuration.decomposition)
    sites = configuration.points.draw(problem, 0, 0)
    terms = [make_term(problem, row, sites[row.name]) for row in problem.residuals if row.name not in field.satisfied]
    found = {}
    for size in sizes:
        rows = Division(field, size)(terms)
        found[size] = []
        for process in range(size):
            own = [
                make_term(problem, row, sites[row.name].take(rows[row.name][process]))
                for row in problem.residuals
                if row.name in rows
            ]
            cost = sum(int(work(field, group).cost.sum()) for group in by_points(own))
            found[size].append((*load(field, own), cost))
    return field.num_params, found


def count_bytes() -> Iterator[str]:
    """Messages and bytes of an evaluation for cells, processes and reach, counted, and by the formula."""

    def lines() -> Iterator[Sequence[Any]]:
        for cells in (2, 4, 8):
            for reach in (0.25, 0.5):
                setting = Setting("helmholtz_2d", (cells, cells), reach, 1024)
                for size in (2, 4):
                    group = Group(size, setting.words(), evaluations)
                    _, number, size_of, params, terms = group.ask(3)
                    others = group.close()
                    formula = 8 * (2 + 2 * params + terms)
                    draws, stops, asked = 1, 1, 4
                    whole = asked * formula + (draws + stops) * 8 * (1 + params)
                    if any(counted != (2 * asked + draws + stops, whole) for counted in others):
                        raise RuntimeError(f"{others} counted, {whole} expected")
                    _, found = shares(setting, [size])
                    pairs, seen = [each[2] for each in found[size]], [each[1] for each in found[size]]
                    yield (
                        f"{cells} × {cells}",
                        reach,
                        size,
                        params,
                        f"{number:g}",
                        f"{size_of:,.0f}",
                        formula,
                        max(pairs),
                        max(seen),
                    )

    head = (
        "cells",
        "reach",
        "processes",
        "parameters",
        "messages",
        "bytes counted",
        "8 (2 + 2 p + terms)",
        "most pairs",
        "most networks",
    )
    yield from table(head, lines())


STRONG = [("strong", size, Setting("helmholtz_2d", (8, 8), 0.25, 65_536)) for size in SIZES]
WEAK = [("weak", size, Setting("helmholtz_2d", (4 * size, 4), 0.25, 16_384 * size)) for size in SIZES]


def measure(kind: Sequence[tuple[str, int, Setting]], repeats: int) -> Iterator[str]:
    """Time of an evaluation, measured in turn, and foreseen from that of one process."""
    groups = [Group(size, setting.words(), evaluations) for _, size, setting in kind]
    seconds: list[list[float]] = [[] for _ in groups]
    processor: list[list[float]] = [[] for _ in groups]
    for repeat in range(repeats + 1):
        for k, group in enumerate(groups):
            before = group.processor() if repeat else []
            found = group.ask(AT_ONCE if repeat else 1)
            if repeat:
                seconds[k].append(found[0])
                processor[k].append(max(b - a for a, b in zip(before, group.processor(), strict=True)) / AT_ONCE)
    for group in groups:
        group.close()
    yield from table(HEAD, _compared(kind, seconds, processor))
    yield f"\n{repeats} repeats in turn, ranges in brackets; {platform.machine()}, {os.cpu_count()} cores, a load of"
    yield f"{os.getloadavg()[1]:.1f}, pinn {pinn.__version__}"


HEAD = (
    "processes",
    "cells",
    "points",
    "largest share of the work",
    "ms of the busiest processor",
    "foreseen",
    "ms by the clock",
    "foreseen on these cores",
)


def _compared(kind: Sequence, seconds: list[list[float]], processor: list[list[float]]) -> Iterator[Sequence[Any]]:
    costs = []
    for _, size, setting in kind:
        _, found = shares(setting, [size])
        costs.append([each[3] for each in found[size]])
    per_cost = statistics.median(processor[0]) / costs[0][0]
    clock = statistics.median(seconds[0]) / costs[0][0]
    for (_, size, setting), cost, wall, busy in zip(kind, costs, seconds, processor, strict=True):
        crowded = max(max(cost), sum(cost) / (os.cpu_count() or 1))
        yield (
            size, " × ".join(map(str, setting.cells)), setting.points, f"{max(cost) / sum(cost):.3f}", _milliseconds(busy),
            f"{1e3 * per_cost * max(cost):.0f}", _milliseconds(wall), f"{1e3 * clock * crowded:.0f}",
        )  # fmt: skip


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.0f} ({1e3 * min(seconds):.0f}–{1e3 * max(seconds):.0f})"


def measure_messages(repeats: int) -> Iterator[str]:
    """Time of the messages of an evaluation by their size, without any work."""

    def lines() -> Iterator[Sequence[Any]]:
        for cells in (2, 8, 32):
            row: list[Any] = []
            for size in (2, 4):
                setting = Setting("helmholtz_2d", (cells, cells), 0.25, 4)
                group = Group(size, setting.words(), messages)
                answers = [group.ask(True) for _ in range(10 * repeats)][repeats:]
                group.close()
                row += [_microseconds([seconds for seconds, _ in answers])]
            yield [answers[0][1], 16 * answers[0][1], *row]

    yield from table(("parameters", "bytes", "µs with 2 processes", "µs with 4 processes"), lines())
    yield f"\nmedians of {9 * repeats}, tenths and nine tenths in brackets"


def _microseconds(seconds: Sequence[float]) -> str:
    low, *_, high = statistics.quantiles(seconds, n=10)
    return f"{1e6 * statistics.median(seconds):,.0f} ({1e6 * low:,.0f}–{1e6 * high:,.0f})"


def foresee() -> Iterator[str]:
    """Time of an evaluation with many processes, by the model, as if each had a core of its own on the assumed network."""
    setting = Setting("helmholtz_2d", (8, 8), 0.25, 65_536)
    group = Group(1, setting.words(), evaluations)
    group.ask(1)
    before = group.processor()[0]
    for _ in range(5):
        group.ask(AT_ONCE)
    measured = (group.processor()[0] - before) / (5 * AT_ONCE)
    group.close()
    params, found = shares(setting, [1])
    per_cost = measured / found[1][0][3]
    latency, bandwidth = CLUSTER

    def lines() -> Iterator[Sequence[Any]]:
        for size in (1, 4, 16, 64, 256):
            steps = (size - 1).bit_length()
            _, strong = shares(setting, [size])
            fixed = per_cost * max(each[3] for each in strong[size])
            growing = per_cost * found[1][0][3]
            sent = [steps * (2 * latency + 16 * number / bandwidth) for number in (params, params * size)]
            yield (
                size, f"{1e3 * fixed:.1f} + {1e3 * sent[0]:.2f}", f"{measured / (fixed + sent[0]) / size:.0%}",
                f"{1e3 * growing:.1f} + {1e3 * sent[1]:.2f}", f"{measured / (growing + sent[1]):.0%}",
            )  # fmt: skip

    yield from table(
        ("processes", "fixed problem: ms of work + messages", "efficiency", "growing with the processes: ms", "efficiency"), lines()
    )


def measure_cells() -> Iterator[str]:
    """Processor time of least squares in cells on one, two and four processes."""

    def lines() -> Iterator[Sequence[Any]]:
        for problem in ("kovasznay", "poisson_3d", "allen_cahn"):
            for size in SIZES:
                group = Group(size, [problem, "solver=least_squares", "threads=1"], solves)
                time.sleep(3)
                before = group.processor()
                seconds, params = group.ask(True)
                spent = [b - a for a, b in zip(before, group.processor(), strict=True)]
                group.close()
                others = f"{statistics.mean(spent[1:]):.1f}" if size > 1 else "–"
                yield f"`{problem}`", params, size, f"{spent[0]:.1f}", others, f"{seconds:.1f}"

    head = ("problem", "coefficients", "processes", "processor seconds of the first", "of each other", "seconds by the clock")
    yield from table(head, lines())
    yield f"\none run each; {os.cpu_count()} cores, a load of {os.getloadavg()[1]:.1f}"


def main() -> None:
    """Make what the command line asks for."""
    tables: dict[str, Callable[[int], Iterator[str]]] = {
        "bytes": lambda _: count_bytes(), "messages": measure_messages, "strong": partial(measure, STRONG),
        "weak": partial(measure, WEAK), "model": lambda _: foresee(), "cells": lambda _: measure_cells(),
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(tables), default=list(tables))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    arguments = parser.parse_args()
    for name in arguments.only:
        print(f"\n{name}\n", flush=True)
        lines = []
        for line in tables[name](arguments.repeats):
            print(line, flush=True)
            lines.append(line)
        if arguments.write:
            write(lines, name, PAGE)


if __name__ == "__main__":
    main()
