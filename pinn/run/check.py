"""``pinn check``: everything validated, sizes and cost estimated, nothing trained and torch not imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

from pinn.field.decomposition.networks import Members, members
from pinn.field.decomposition.settings import Whole
from pinn.field.network.module import ModuleNetwork
from pinn.field.network.network import Network
from pinn.problem.directions import draw_directions, estimated
from pinn.problem.families import middle
from pinn.problem.formulas.calculus import jets
from pinn.problem.problem import jet_column
from pinn.problem.quantities import dependence
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.run.cell_size import on_cells, size_in_cells
from pinn.run.configuration import in_cells, training
from pinn.run.environment import memory_gigabytes
from pinn.run.folder import refuse_unusable
from pinn.run.prepare import Prepared, prepare, remarks, turns
from pinn.run.progress import duration
from pinn.run.size import BASE_MEGABYTES, OPERATIONS_PER_SECOND, Size
from pinn.run.words import Words
from pinn.solver.cell_least_squares import OF_FAMILIES
from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.lbfgs import LBFGS
from pinn.solver.least_squares import LeastSquares
from pinn.solver.self_scaled_broyden import SelfScaledBroyden
from pinn.solver.soap import Soap
from pinn.solver.spring import Spring

WIDE = 50
"""Sums of more derivatives than this are worth estimating."""

CHUNK_POINTS, SMALLEST_CHUNK = 8192, 64
"""Largest and smallest number of points that are evaluated together."""

CHUNK_NUMBERS = 2**20
"""Numbers of all layers' jets that are held together where that is more than the smallest chunk."""


def size(prepared: Prepared) -> Size:
    """Estimate how large a run is; memory and time to within a factor of three or so."""
    configuration, problem = prepared
    settings = in_cells(configuration)
    if settings is not None:
        return size_in_cells(settings, middle(problem))
    points, solver = configuration.points, training(configuration).solver
    rows = [points.interior if row.kind == "equation" else points.surface for row in problem.laws]
    rows += [len(each.values) for each in problem.data]
    carried = _channels(prepared)
    params, active = _parameters(prepared)
    bytes_per_number = 8 if configuration.precision == "float64" else 4
    varying = 1 + (len(carried) if problem.periodic or points.directions else len(carried) / SMALLEST_CHUNK)
    held = sum(rows) * varying * (problem.dim + 2) * bytes_per_number * 2
    stages, (most, mean, num_turns) = list(solver.stages.values()), _at_once(prepared)
    memory = max(numbers_of(stage, round(most * params), round(most * sum(rows))) for stage in stages) * bytes_per_number * 1.5
    chunk = max(_memory(network, prepared, sum(rows), carried) for network in _networks(prepared))
    operations = 6.0 * sum(rows) * len(carried) * active * mean
    return Size(
        sum(rows), sum(rows), params, sum(stage.steps for stage in stages) * num_turns,
        BASE_MEGABYTES / 1e3 + (held + memory + chunk) / 1e9,
        1e-3 + operations / (OPERATIONS_PER_SECOND * configuration.threads),
    )  # fmt: skip


def _networks(prepared: Prepared) -> Sequence[Network | ModuleNetwork]:
    """Return all different networks."""
    found = _members(prepared)
    return [training(prepared.configuration).network] if found is None else found.networks


def _memory(network: Network | ModuleNetwork, prepared: Prepared, num_rows: int, carried: tuple) -> int:
    """Return about how many bytes one evaluation of a network holds at once."""
    together = max(CHUNK_NUMBERS // (len(carried) * network.width * getattr(network, "depth", 1)), SMALLEST_CHUNK)
    num_points = min(num_rows, CHUNK_POINTS, together)
    return network.memory(prepared.problem, num_points, carried, prepared.configuration.precision)


def _parameters(prepared: Prepared) -> tuple[int, float]:
    """Return the number of parameters, and of those that take part at a point."""
    found = _members(prepared)
    if found is None:
        params = training(prepared.configuration).network.num_parameters(prepared.problem)
        return params, params
    return int(found.num_params.sum()), found.active


def _members(prepared: Prepared) -> Members | None:
    """Return how large the networks in cells are; None where there is just one network."""
    configuration, problem = prepared
    network, decomposition = configuration.network, configuration.decomposition
    if isinstance(decomposition, Whole) or not isinstance(network, Network):
        return None
    return members(decomposition, network, problem)


def _at_once(prepared: Prepared) -> tuple[float, float, int]:
    """Return the share of the parameters that are trained at a time, at most and on average, and in how many turns."""
    found = _members(prepared)
    if found is None or not turns(*prepared):
        return 1.0, 1.0, 1
    shares = [float(found.num_params[turn.unknown].sum() / found.num_params.sum()) for turn in turns(*prepared)]
    return max(shares), sum(shares) / len(shares), len(shares)


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
        smaller = "lower points.interior or network.width, or take solver=adam_lbfgs"
        advice = "lower network.degree" if in_cells(prepared.configuration) else smaller
        raise BadInput(f"needs about {expected.gigabytes:.0f} GB, the machine has {machine:.0f} GB; {advice}")
    return expected


def megabytes_on_disk(prepared: Prepared) -> float:
    """Return about how much a run writes: two checkpoints, tables, fields and figures, MB."""
    expected = size(prepared)
    if in_cells(prepared.configuration):
        return 20.0
    stages = training(prepared.configuration).solver.stages.values()
    params = round(_at_once(prepared)[0] * expected.num_parameters)
    saved = (expected.num_parameters + max(numbers_of(stage, params, 0) for stage in stages)) * 8 * 3
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
    print(f"{configuration.name}: {problem.title}")
    print(f"  terms       {', '.join(row.name for row in problem.residuals)}")
    if problem.quantities:
        print(f"  quantities  {', '.join(dependence(problem, name) for name in problem.quantities)}")
    settings, wanted = in_cells(configuration), configuration.accuracy or (OF_FAMILIES if problem.parameters else None)
    lines = _on_training(prepared, expected) if settings is None else on_cells(settings, middle(problem), wanted)
    for line in lines:
        print(f"  {line}")
    if settings is not None and problem.parameters:
        print(f"  parameters  at most {settings.solver.most_values} values are solved for, joined by polynomials")
    for warning in (*remarks(prepared), *_on_directions(prepared)):
        print(f"  note        {warning}")
    print("ok")
    return 0


def _count(prepared: Prepared) -> str:
    """Return how many networks there are, where there is one in every cell."""
    found = _members(prepared)
    if found is None:
        return ""
    different = f" with {len(found.networks)} different settings" if len(found.networks) > 1 else ""
    return f" in each of {len(found.num_params)} cells{different}, {found.seen:.1f} of which see a point on average"


def _on_training(prepared: Prepared, expected: Size) -> Iterator[str]:
    configuration = prepared.configuration
    stages = training(configuration).solver.stages.items()
    yield f"points      {expected.num_points}"
    yield f"channels    {len(_channels(prepared))} carried through the network for the equations"
    names = dict.fromkeys(type(network).__name__ for network in _networks(prepared))
    yield f"parameters  {expected.num_parameters} ({' or '.join(names)}{_count(prepared)})"
    num_turns = len(turns(*prepared))
    together = f", in each of {num_turns} turns" if num_turns else ""
    yield f"solver      {', '.join(f'{name} {stage.steps} steps' for name, stage in stages)}{together}"
    yield f"memory      about {expected.gigabytes:.1f} GB of {memory_gigabytes():.0f} GB"
    longest = duration(expected.steps * expected.seconds_per_step)
    yield f"training    at most about {longest} with {configuration.threads} threads"
