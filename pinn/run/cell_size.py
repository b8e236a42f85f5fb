"""How large a solve in cells is, as far as that can be known before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pinn.field.network.local_features import LocalFeatures
from pinn.problem.problem import Problem
from pinn.run.configuration import InCells
from pinn.run.environment import memory_gigabytes
from pinn.run.progress import duration
from pinn.run.size import BASE_MEGABYTES, OPERATIONS_PER_SECOND, Size

ROOM = 0.5
"""Part of the machine's memory that cells may take."""


class Cell(NamedTuple):
    """One cell: its points, its coefficients, and the numbers that it shares with its neighbours."""

    num_points: int
    num_parameters: int
    num_shared: int


def cell(network: LocalFeatures, problem: Problem) -> Cell:
    """Return how large a cell of the problem is."""
    degree, unknowns = network.degree_for(problem), len(problem.unknowns)
    orders = sum(problem.order(unknown, name) for unknown in problem.unknown_names for name in problem.names)
    points = network.points_per_axis(problem) ** problem.dim
    return Cell(points, network.num_features(problem) * unknowns, 2 * orders * (degree + 1) ** (problem.dim - 1))


def most_cells(settings: InCells, problem: Problem) -> int:
    """Return how many cells may be solved for at once on this machine."""
    each = cell(settings.network, problem)
    return settings.solver.most_cells_for(each.num_parameters, each.num_shared, ROOM * memory_gigabytes())


def size_in_cells(settings: InCells, problem: Problem) -> Size:
    """Return the size of a solve on one cell."""
    each = cell(settings.network, problem)
    rows = each.num_points * len(problem.equations)
    front = (rows + each.num_shared) * (each.num_parameters + each.num_shared)
    operations = 4.0 * rows * each.num_parameters**2 + 2.0 * front * each.num_parameters
    gigabytes = BASE_MEGABYTES / 1e3 + 8e-9 * (3 * rows * each.num_parameters + front)
    return Size(each.num_points, rows, each.num_parameters, 1, gigabytes, operations / OPERATIONS_PER_SECOND)


def on_cells(settings: InCells, problem: Problem, accuracy: float | None) -> Iterator[str]:
    """Yield what ``pinn check`` says."""
    expected = size_in_cells(settings, problem)
    kind = "linear, one solve for each cover" if problem.is_linear else "nonlinear, some Gauss-Newton steps for each cover"
    most = most_cells(settings, problem)
    yield f"equations   {kind}"
    yield f"cells       of {expected.num_points} points and {expected.num_parameters} coefficients, at most {most}"
    yield f"tolerance   {settings.solver.tolerance_for(problem, accuracy):g} in each cell"
    yield f"memory      about {expected.gigabytes:.1f} GB of {memory_gigabytes():.0f} GB for one cell"
    yield f"time        about {duration(expected.seconds_per_step)} for each cell and step"
