"""``pinn check``: everything validated, sizes and cost estimated, nothing trained and torch not imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

from pinn.problem.calculus import jets
from pinn.problem.directions import draw_directions, estimated
from pinn.problem.problem import jet_column
from pinn.problem.quantities import dependence
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.run.environment import memory_gigabytes
from pinn.run.folder import refuse_unusable
from pinn.run.prepare import Prepared, prepare
from pinn.run.progress import duration
from pinn.run.words import Words
from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.lbfgs import LBFGS
from pinn.solver.least_squares import LeastSquares
from pinn.solver.self_scaled_broyden import SelfScaledBroyden
from pinn.solver.soap import Soap
from pinn.solver.spring import Spring

WIDE = 50
"""Sums of more derivatives than this are worth estimating."""

BASE_MEGABYTES = 400.0
"""What Python and torch hold before any work."""

CHUNK_POINTS, SMALLEST_CHUNK = 8192, 64
"""Largest and smallest number of points that are evaluated together."""

CHUNK_NUMBERS = 2**20
"""Numbers of all layers' jets that are held together where that is more than the smallest chunk."""

OPERATIONS_PER_SECOND = 6e9
"""Of one thread on layers of common width, float64; measured on two x86 machines, a guess elsewhere."""


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Parameters
    ----------
    num_points : points of all terms together, those that terms share counted once for each.
    num_rows : residuals.
    num_parameters : parameters of the network.
    steps : most steps of all stages.
    gigabytes : memory at the peak.
    seconds_per_step : time of one step.
    """

    num_points: int
    num_rows: int
    num_parameters: int
    steps: int
    gigabytes: float
    seconds_per_step: float


def size(prepared: Prepared) -> Size:
    """Estimate how large a run is; memory and time to within a factor of three or so."""
    configuration, problem = prepared
    points, network, solver = configuration.points, configuration.network, configuration.solver
    rows = [points.interior if row.kind == "equation" else points.surface for row in problem.residuals]
    carried = _channels(prepared)
    params = network.num_parameters(problem)
    bytes_per_number = 8 if configuration.precision == "float64" else 4
    varying = 1 + (len(carried) if problem.periodic or points.directions else len(carried) / SMALLEST_CHUNK)
    held = sum(rows) * varying * (problem.dim + 2) * bytes_per_number * 2
    stages = list(solver.stages.values())
    memory = max(numbers_of(stage, params, sum(rows)) for stage in stages) * bytes_per_number * 1.5
    together = max(CHUNK_NUMBERS // (len(carried) * network.width * getattr(network, "depth", 1)), SMALLEST_CHUNK)
    chunk = network.memory(problem, min(sum(rows), CHUNK_POINTS, together), carried, configuration.precision)
    operations = 6.0 * sum(rows) * len(carried) * params
    return Size(
        sum(rows), sum(rows), params, sum(stage.steps for stage in stages),
        BASE_MEGABYTES / 1e3 + (held + memory + chunk) / 1e9,
        1e-3 + operations / (OPERATIONS_PER_SECOND * configuration.threads),
    )  # fmt: skip


def _channels(prepared: Prepared) -> tuple:
    """Return the channels of the equations, with those along random directions in place of what is estimated."""
    from pinn.field.lines import along_lines
    from pinn.field.request import channels

    points, problem = prepared.configuration.points, prepared.problem
    request = tuple(sorted({jet_column(jet) for row in problem.equations for jet in jets(row.tree)}))
    wanted = {} if points.directions is None else estimated(problem.equations, points.directions)
    rng = generator(0, "check")
    trial = {each: draw_directions(found, points.along, points.directions or 1, 1, rng) for each, found in wanted.items()}
    asked, lines = along_lines(request, trial)
    return channels(tuple(operator for _, operator in asked), problem.dim + len(lines))


def _on_directions(prepared: Prepared) -> Iterator[str]:
    """Yield what should be known of many derivatives: that they can be estimated, or which ones cannot."""
    problem, num = prepared.problem, prepared.configuration.points.directions
    operators = {jet.operator for row in problem.equations for jet in jets(row.tree)}
    exact = sum(len(operator) == 1 and sum(operator[0]) > 0 for operator in operators)
    if num is None and estimated(problem.equations, WIDE):
        yield f"sums of more than {WIDE} derivatives are computed exactly; points.directions=16 estimates them"
    if num is not None and exact > num:
        yield f"{exact} derivatives that the equations ask for one by one stay exact, and each costs a channel"


@singledispatch
def numbers_of(stage: Any, params: int, num_rows: int) -> float:
    """Return how many numbers a stage keeps for so many parameters and rows."""
    return 4.0 * params


@numbers_of.register
def _(stage: LBFGS, params: int, num_rows: int) -> float:
    return 2.0 * stage.history * params


@numbers_of.register
def _(stage: SelfScaledBroyden, params: int, num_rows: int) -> float:
    return 2.0 * params**2


@numbers_of.register
def _(stage: Soap, params: int, num_rows: int) -> float:
    return 16.0 * params


@numbers_of.register
def _(stage: GaussNewton | Spring, params: int, num_rows: int) -> float:
    return 3.0 * params * num_rows + 3.0 * min(params, num_rows) ** 2


@numbers_of.register
def _(stage: LeastSquares, params: int, num_rows: int) -> float:
    return 2.0 * params * num_rows


def refuse_too_large(prepared: Prepared) -> Size:
    """Return the size, or raise `BadInput` when the machine has less memory than it needs."""
    expected, machine = size(prepared), memory_gigabytes()
    if expected.gigabytes > machine:
        raise BadInput(
            f"needs about {expected.gigabytes:.0f} GB, the machine has {machine:.0f} GB; "
            "lower points.interior or network.width, or take solver=adam_lbfgs"
        )
    return expected


def megabytes_on_disk(prepared: Prepared) -> float:
    """Return about how much a run writes: two checkpoints, tables, fields and figures, MB."""
    expected = size(prepared)
    stages = prepared.configuration.solver.stages.values()
    saved = max(numbers_of(stage, expected.num_parameters, 0) for stage in stages) * 8 * 3
    return 10.0 + (saved + expected.steps * 200.0) / 1e6


def validate(prepared: Prepared) -> Size:
    """Check what can be checked before the start beyond the settings themselves, and return the size.

    Raises
    ------
    BadInput : a solver that cannot use these points, a folder that is taken, a device that is not there, more memory than there
        is.
    """
    configuration = prepared.configuration
    configuration.solver.check_points(configuration.points.redraw)
    if configuration.folder is not None:
        refuse_unusable(Path(configuration.folder))
    if configuration.device not in ("cpu", "auto"):
        from pinn.field.device import choose_device

        choose_device(configuration.device, configuration.precision)  # imports torch, so the cpu is not asked
    return refuse_too_large(prepared)


def command(words: Words) -> int:
    """Print the sizes, the terms and the warnings of a run that could be started."""
    if len(words.names) > 1:
        raise BadInput(f"pinn check takes one problem, got {len(words.names)}; settings are written name=value")
    prepared = prepare(words.names[0] if words.names else None, words.settings)
    expected = validate(prepared)
    configuration, problem = prepared
    stages = configuration.solver.stages.items()
    longest = duration(expected.steps * expected.seconds_per_step)
    print(f"{configuration.name}: {problem.title}")
    print(f"  terms       {', '.join(row.name for row in problem.residuals)}")
    if problem.quantities:
        print(f"  quantities  {', '.join(dependence(problem, name) for name in problem.quantities)}")
    print(f"  points      {expected.num_points}")
    print(f"  channels    {len(_channels(prepared))} carried through the network for the equations")
    print(f"  parameters  {expected.num_parameters} ({type(configuration.network).__name__})")
    print(f"  solver      {', '.join(f'{name} {stage.steps} steps' for name, stage in stages)}")
    print(f"  memory      about {expected.gigabytes:.1f} GB of {memory_gigabytes():.0f} GB")
    print(f"  training    at most about {longest} with {configuration.threads} threads")
    for warning in (*problem.warnings, *configuration.points.warnings(), *_on_directions(prepared)):
        print(f"  note        {warning}")
    print("ok")
    return 0
