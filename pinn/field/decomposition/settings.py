"""Settings of a decomposition: which cells the domain is divided into, and how the networks in them are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from pinn.problem.settings import BadInput, Settings, nearest, setting

if TYPE_CHECKING:
    from pinn.field.cells.cover import Cover
    from pinn.field.decomposition.partition import Partition
    from pinn.problem.problem import Problem, Residual

MOST_CELLS = 100_000
"""Cells of one cover at most."""

NETWORK = "network"
"""Where a box says what its network has of its own."""

FILLS = 1e-9
"""By what part of the domain boxes may overlap or leave it uncovered, through rounding."""


class Decomposition(Protocol):
    """What a decomposed field is made from."""

    @property
    def boxes(self) -> tuple[Mapping, ...]:
        """The cells themselves, where they are given; see `Windows`."""

    def covers(self, problem: Problem) -> list[Cover]:
        """Return the covers, one for each level.

        Raises
        ------
        BadInput : a coordinate that the problem does not have, boxes that do not fill the domain.
        """

    def partition(self, cover: Cover, problem: Problem) -> Partition | None:
        """Return the windows over a cover; None where it is cut at the faces.

        Raises
        ------
        BadInput : windows that are not smooth enough for the equations, or meet themselves around a periodic axis.
        """

    def interfaces(self, problem: Problem) -> dict[Residual, int]:
        """Return the residuals on the faces between cells, each with the axis that they cut; none under windows.

        Raises
        ------
        BadInput : an equation whose flux cannot be found where fluxes are to be continuous.
        """


@dataclass(frozen=True)
class Whole(Settings):
    """One network on the whole domain."""


@dataclass(frozen=True)
class Adaptive(Whole):
    """Cells that are small where the solution changes, found once before training by least squares; a run records their boxes.

    Parameters
    ----------
    cells : how many, about. join : by ``windows``, or by cuts across which ``slopes``, the ``flux`` or the ``residual`` match.
    reach : of windows, see `Windows`.
    """

    cells: int = setting(16, at_least=1, at_most=1000)
    join: Literal["windows", "slopes", "flux", "residual"] = "windows"
    reach: float = setting(0.5, above=0)

    def joined(self, boxes: np.ndarray, names: Sequence[str]) -> Windows | Cuts:
        """Return the decomposition into boxes (cells, dim, 2) of coordinates with these names."""
        by_name = tuple({name: [float(end) for end in ends] for name, ends in zip(names, box, strict=True)} for box in boxes)
        if self.join == "windows":
            return Windows(boxes=by_name, reach=self.reach)
        return Cuts(boxes=by_name, match=self.join)


@dataclass(frozen=True)
class Regions(Whole):
    """One network, or one in every region where the problem has interfaces; a run records which."""


@dataclass(frozen=True)
class Windows(Settings):
    """A network in every cell under a smooth window; windows overlap and sum to 1, so that the field is smooth.

    Finite-basis networks (Moseley, Markham, Nissen-Meyer 2023, Adv. Comput. Math. 49, 62); with several levels their multilevel
    form (Dolean, Heinlein, Mishra, Moseley 2024, Comput. Methods Appl. Mech. Eng. 429, 117116).

    Parameters
    ----------
    cells : along every coordinate, or by coordinate, 1 where not named.
    boxes : the cells themselves, lowest and highest value by coordinate, the whole range where not named; in place of ``cells``. A
        box may have a ``network``: what differs in its settings from that of the others, or another one.
    reach : how far a window goes beyond its cell, in widths of the cell.
    smoothness : how often windows are continuously differentiable; None is the order of the equations.
    levels : covers, each with half as many cells along every coordinate as the one before; the field is their mean.
    """

    cells: int | Mapping = 4
    boxes: tuple[Mapping, ...] = ()
    reach: float = setting(0.5, above=0)
    smoothness: int | None = setting(None, at_least=0, at_most=16)
    levels: int = setting(1, at_least=1, at_most=16)

    def covers(self, problem: Problem) -> list[Cover]:
        """Return the covers, the finest first; see `Decomposition.covers`."""
        from pinn.field.cells.cover import whole

        if self.boxes:
            if self.levels > 1:
                raise BadInput("must be 1 where boxes are given", "decomposition.levels")
            return [boxed(self.boxes, problem)]
        finest = counts(self.cells, problem)
        several = [np.maximum(1, -(-finest // 2**level)) for level in range(self.levels)]
        if any((finer == coarser).all() for finer, coarser in zip(several, several[1:], strict=False)):
            raise BadInput(f"{self.levels} levels need more cells than {tuple(finest.tolist())}", "decomposition.levels")
        return [whole(problem.box, periodic_axes(problem), each.tolist()) for each in several]

    def partition(self, cover: Cover, problem: Problem) -> Partition:
        """Return the windows over a cover; see `Decomposition.partition`."""
        from pinn.field.decomposition.partition import Partition

        order = problem.highest_order
        smoothness = order if self.smoothness is None else self.smoothness
        if smoothness < order:
            raise BadInput(f"must be at least the order of the equations, {order}, got {smoothness}", "decomposition.smoothness")
        partition = Partition(cover, self.reach, smoothness)
        for axis in partition.wrapped:
            length = cover.domain[axis, 1] - cover.domain[axis, 0]
            if (np.ptp(partition.supports[:, axis], axis=1) > length * (1 + FILLS)).any():
                name = problem.names[axis]
                raise BadInput(f"windows meet themselves around '{name}': take more cells along it or less reach", "decomposition")
        return partition

    def interfaces(self, problem: Problem) -> dict[Residual, int]:
        """Return nothing: windows are smooth."""
        return {}


def supports(decomposition: Decomposition, problem: Problem) -> list[tuple[Cover, np.ndarray]]:
    """Return the covers, each with the boxes that its networks see, (cells, dim, 2)."""
    found = [(cover, decomposition.partition(cover, problem)) for cover in decomposition.covers(problem)]
    return [(cover, cover.boxes if partition is None else partition.supports) for cover, partition in found]


@dataclass(frozen=True)
class Cuts(Settings):
    """A network in every cell, of which each owns its points alone; residuals on the faces between cells make them fit.

    With ``match: residual`` extended networks (XPINN: Jagtap, Karniadakis 2020, Commun. Comput. Phys. 28, 2002), with
    ``match: flux`` conservative ones (cPINN: Jagtap, Kharazmi, Karniadakis 2020, Comput. Methods Appl. Mech. Eng. 365, 113028).

    Parameters
    ----------
    cells, boxes : as for `Windows`; cells also end at the problem's interfaces, on which its own conditions hold.
    match : what is continuous beyond the values; see `pinn.field.decomposition.interfaces.Match`.
    """

    cells: int | Mapping = 4
    boxes: tuple[Mapping, ...] = ()
    match: Literal["slopes", "flux", "residual"] = "slopes"

    def covers(self, problem: Problem) -> list[Cover]:
        """Return the one cover; see `Decomposition.covers`."""
        from pinn.field.cells.cover import Cover, whole

        if not self.boxes:
            return [whole(problem.box, (), counts(self.cells, problem).tolist(), problem.planes)]
        cover = boxed(self.boxes, problem)
        for axis, value in problem.planes:
            if ((cover.boxes[:, axis, 0] < value) & (value < cover.boxes[:, axis, 1])).any():
                raise BadInput(
                    f"a box crosses the interface {problem.names[axis]} = {value:g}; end it there", "decomposition.boxes"
                )
        return [Cover(cover.boxes)]

    def partition(self, cover: Cover, problem: Problem) -> None:
        """Return None: there are no windows."""

    def interfaces(self, problem: Problem) -> dict[Residual, int]:
        """Return the residuals on the faces, each with the axis that they cut; see `Decomposition.interfaces`."""
        from pinn.field.decomposition.interfaces import interface_residuals

        return interface_residuals(problem, self.covers(problem)[0], self.match)


def counts(cells: int | Mapping, problem: Problem) -> np.ndarray:
    """Return the number of cells along every axis, (dim,)."""
    by_name = dict.fromkeys(problem.names, cells) if isinstance(cells, int) else {**dict.fromkeys(problem.names, 1), **cells}
    for name, number in by_name.items():
        if name not in problem.names:
            known = f"{nearest(name, problem.names)}; coordinates: {', '.join(problem.names)}"
            raise BadInput(f"unknown coordinate '{name}'{known}", "decomposition.cells")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            place = "decomposition.cells" if isinstance(cells, int) else f"decomposition.cells.{name}"
            raise BadInput(f"must be a whole number of at least 1, got {number!r}", place)
    found = np.array([by_name[name] for name in problem.names])
    num_cells = np.prod(found.astype(float))
    if num_cells > MOST_CELLS:
        raise BadInput(f"at most {MOST_CELLS:,} cells are possible, got {num_cells:.3g}", "decomposition.cells")
    return found


def boxed(boxes: Sequence[Mapping], problem: Problem) -> Cover:
    """Return a cover of given boxes.

    Raises
    ------
    BadInput : a coordinate that does not exist, no range, boxes that overlap or do not fill the domain.
    """
    from pinn.field.cells.cover import Cover

    found = np.array([_box(box, problem, f"decomposition.boxes[{number}]") for number, box in enumerate(boxes)])
    domain = problem.box
    for number, one in enumerate(found):
        for other in range(number):
            shared = np.minimum(one[:, 1], found[other][:, 1]) - np.maximum(one[:, 0], found[other][:, 0])
            if (shared > FILLS * np.ptp(domain, axis=1)).all():
                raise BadInput(f"boxes {other} and {number} overlap; windows overlap by themselves", "decomposition.boxes")
    covered = np.prod(np.ptp(found, axis=2), axis=1).sum() / np.prod(np.ptp(domain, axis=1))
    if covered < 1 - FILLS * len(found):
        raise BadInput(f"{1 - covered:.2g} of the domain is in no box", "decomposition.boxes")
    return Cover(found, periodic_axes(problem))


def _box(box: Mapping, problem: Problem, place: str) -> np.ndarray:
    """Return one box, (dim, 2)."""
    result = problem.box.copy()
    for name, ends in box.items():
        if name == NETWORK and name not in problem.names:
            continue
        if name not in problem.names:
            raise BadInput(f"unknown coordinate '{name}'{nearest(name, problem.names)}", place)
        axis = problem.names.index(name)
        parameter = problem.coordinates[axis].parameter
        low, high = problem.box[axis] if parameter is None else (parameter.low, parameter.high)
        numbers = isinstance(ends, (list, tuple)) and len(ends) == 2 and all(isinstance(end, (int, float)) for end in ends)
        if not numbers or not low <= ends[0] < ends[1] <= high:
            raise BadInput(f"must be [low, high] within {low:g} to {high:g}, got {ends!r}", f"{place}.{name}")
        result[axis] = ends if parameter is None else [parameter.column(end) for end in ends]
    return result


def periodic_axes(problem: Problem) -> tuple[int, ...]:
    """Return the numbers of the periodic coordinates."""
    return tuple(problem.names.index(name) for name in problem.periodic)
