"""The loop of a solve in cells: one round after the other, each a state that can be saved and gone on from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pinn.field.cells.basis import Basis
from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import Cover
from pinn.field.cells.slabs import Slab, Slabs
from pinn.problem.problem import Problem
from pinn.solver.cells.attempt import Attempt
from pinn.solver.cells.march import March, Progress
from pinn.solver.staged import Clock, Diverged
from pinn.solver.state import State

LOOSE = 10.0
"""Factor on the largest residual of a solution that is made for comparison."""

SMALLER = 0.25
"""How much smaller cells at which prescribed values jump are in the better one."""

HOPELESS = 10.0
"""Factor on that, beyond which a few more features are not tried."""

STAGE = "cells"
"""What the only stage is called."""


def solve(march: March, state: State, seconds: float | None = None) -> Iterator[State]:
    """Go on from ``state`` and yield it after each round; it is the same object each time.

    Parameters
    ----------
    state : `first_state`, or one that was saved.
    seconds : time in the loop after which what remains is solved on the cells that there are.

    Raises
    ------
    Diverged : the rows are not finite, or no slab of time is short enough, with the state before.
    """
    progress = restore(march, state)
    while not (state.is_final or march.is_done(progress)):
        clock = Clock(state.seconds)
        is_late = seconds is not None and state.seconds >= seconds
        if is_late and not any("seconds" in remark for remark in progress.remarks):
            progress.remarks.append(f"{seconds:g} seconds are over: the rest is solved on the cells that there are")
        try:
            attempt = march.advance(progress, is_late)
        except FloatingPointError as error:
            raise diverged(error, state) from None
        write(state, progress, attempt)
        state.is_final = march.is_done(progress)
        state.reason = reason(march, progress) if state.is_final else ""
        state.seconds = clock.read()
        yield state


def first_state(march: March) -> State:
    """Return where a solve begins."""
    state = State(STAGE, torch.zeros(0, dtype=torch.float64))
    record(state, march.begin())
    return state


def write(state: State, progress: Progress, attempt: Attempt) -> None:
    """Put a round into the state."""
    state.step += 1
    state.total += 1
    state.evaluations += attempt.solved.steps
    state.loss = attempt.solved.norm**2
    state.losses = attempt.system.losses(attempt.solved.coefficients)
    record(state, progress)


def record(state: State, progress: Progress) -> None:
    """Put progress into the state: coefficients as its parameters, boxes and numbers beside them."""
    slabs = [*progress.slabs, *([] if progress.guess is None else [progress.guess])]
    flat = [slab.coefficients.ravel() for slab in slabs]
    state.theta = torch.from_numpy(np.concatenate(flat) if flat else np.zeros(0))
    state.field = {
        "slabs": [torch.from_numpy(slab.field.cover.boxes) for slab in slabs], "num_done": len(progress.slabs),
        "cover": torch.from_numpy(progress.cover.boxes), "begin": float(progress.begin), "length": float(progress.length),
        "scales": torch.from_numpy(progress.scales), "least": progress.least,
        "in_vain": progress.in_vain, "shortened": progress.shortened,
        "remarks": list(progress.remarks), "num_rows": progress.num_rows, "rate": progress.rate,
        "may_cross": progress.may_cross, "left": progress.left, "unmet": progress.unmet, "residual": progress.residual,
    }  # fmt: skip


def restore(march: March, state: State) -> Progress:
    """Return the progress that `record` put into a state."""
    kept, like = state.field, march.begin().cover
    slabs = slabs_of(march.problem, march.basis, kept["slabs"], state.theta.numpy(), like)
    done = kept["num_done"]
    cover = replace(like, boxes=kept["cover"].numpy())
    return Progress(
        cover, kept["begin"], kept["length"], kept["scales"].numpy(), slabs[:done], kept["least"],
        kept["in_vain"], kept["shortened"], slabs[done] if len(slabs) > done else None, list(kept["remarks"]),
        kept["num_rows"], kept["rate"], kept["may_cross"], kept["left"], kept["unmet"], kept["residual"],
    )  # fmt: skip


def slabs_of(problem: Problem, basis: Basis, boxes: Sequence[Any], theta: np.ndarray, like: Cover) -> list[Slab]:
    """Return slabs from the boxes of each and the coefficients of all, on covers that are otherwise ``like`` one."""
    found, start = [], 0
    for each in boxes:
        field = CellField(replace(like, boxes=each.numpy()), basis, problem.unknown_names)
        found.append(Slab(field, theta[start : start + field.num_params].reshape(field.shape).copy()))
        start += field.num_params
    return found


def solution(march: March, state: State) -> Slabs:
    """Return the field that a state holds; before the end the last slab stands for what is missing."""
    progress = restore(march, state)
    slabs = progress.slabs or ([progress.guess] if progress.guess is not None else [])
    return Slabs(march.problem, march.time, tuple(slabs))


def repeated(march: March, other: March, state: State) -> tuple[Slabs, dict[str, float]]:
    """Return the solution on the same covers by a march with other features, and its mean squares by residual.

    With fewer features residuals may be as large as they are. With more, cells at which prescribed values jump are smaller, too:
    their size leaves an error of its own.

    Raises
    ------
    FloatingPointError : there is none.
    """
    has_more = other.basis.size > march.basis.size
    most, part = (LOOSE * march.limits.residual, SMALLER) if has_more else (math.inf, 1.0)
    return other.repeat(restore(march, state).slabs, most, part)


def unsatisfied(march: March, state: State) -> float | None:
    """Return the residual of a solution, relative to it, where it is so large that more features are in vain; else None."""
    residual = restore(march, state).residual
    return residual if residual > HOPELESS * LOOSE * march.limits.residual else None


def description(march: March, state: State) -> dict[str, Any]:
    """Return what metrics say about the cells."""
    boxes = state.field["slabs"][: state.field["num_done"]]
    return {
        "num_parameters": len(state.theta), "num_rows": state.field["num_rows"], "weights": dict(march.weights),
        "cells": {"slabs": len(boxes), "in_all": sum(map(len, boxes)), "at_once": max(map(len, boxes), default=0)},
        "remarks": list(state.field["remarks"]),
    }  # fmt: skip


def reason(march: March, progress: Progress) -> str:
    """Return why the solve is over."""
    if progress.remarks:
        return "; ".join(dict.fromkeys(progress.remarks))
    return f"every cell resolves the solution to {march.limits.tolerance:g}"


def diverged(error: FloatingPointError, state: State) -> Diverged:
    """Return the complaint of the loop about what went wrong in a round."""
    problem = Diverged("", None, STAGE, state.total, state.copy() if state.total else None)
    problem.advice = "a lower accuracy, or solver=adam_broyden, which trains a network instead"
    problem.args = (f"stopped in round {state.total + 1}: {error}",)
    return problem
