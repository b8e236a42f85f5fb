"""What a run works on: the bridge from checked settings to a solve, one for each kind of field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.field.decomposition.settings import Whole
from pinn.field.network.module import ModuleNetwork
from pinn.problem.checks import undetermined
from pinn.problem.sizes import typical_size
from pinn.problem.terms import make_term
from pinn.run.bands import standard_errors
from pinn.run.cell_setup import CellSetup, Judging, cell_setup
from pinn.run.check import size
from pinn.run.configuration import in_cells, training, weight_of
from pinn.run.family_setup import FamilySetup, family_setup
from pinn.run.number_setup import NumberSetup, number_setup
from pinn.run.prepare import Prepared, turns
from pinn.run.turns import evened, numbers_in, parts, sites_in
from pinn.solver.part import Part

if TYPE_CHECKING:
    import torch

    from pinn.field.field import Field
    from pinn.field.solution import Solution
    from pinn.judge.intervals import Intervals
    from pinn.problem.problem import Residual
    from pinn.problem.sites import Sites
    from pinn.problem.terms import Term
    from pinn.solver.division import Division
    from pinn.solver.ranks import Ranks
    from pinn.solver.rows import Rows
    from pinn.solver.state import State


WORTH_COMPILING = 2.0
"""Seconds of training, as foreseen, from which it pays to wait about one for the C compiler."""


class Drawer:
    """Makes the rows of an epoch; the last ones are kept, since two stages in a row often ask for the same.

    Parameters
    ----------
    chunk : points that are evaluated together; None leaves it to the rows.
    ranks : the processes among which rows are divided.

    Attributes
    ----------
    names : of the terms. theta : where training begins. turns : in which networks are trained, by name.
    """

    def __init__(self, prepared: Prepared, field: Field, chunk: int | None, ranks: Ranks | None = None):
        self._prepared, self._field, self.chunk, self.ranks = prepared, field, chunk, ranks
        self._residuals = [*_kept(prepared.problem, field), *field.interfaces]
        self.names = tuple(row.name for row in self._residuals)
        self.theta = field.initial(prepared.configuration.seed)
        self.turns = {turn.name: turn for turn in turns(*prepared)}
        self._last: tuple[tuple[int, str], Rows] | None = None

    def __call__(self, epoch: int, chosen: Mapping[str, torch.Tensor] | None = None, part: str = "") -> Rows:
        """Return the rows at the points of an epoch, in a sweep those of a part, else all."""
        if self._last is None or self._last[0] != (epoch, part):
            self._last = None
            self._last = (epoch, part), self._drawn({"epoch": epoch, "chosen": chosen, "part": part})
        return self._last[1]

    def _drawn(self, points: Mapping[str, Any]) -> Any:
        if self.ranks is None:
            return self._rows(self._sites(points))
        from pinn.solver.ranks import DRAW, SharedRows, order

        order(self.ranks, DRAW, self.theta)
        self.ranks.share(points)
        sites = self._sites(points)
        present = [name for name in self.names if name in sites]
        return SharedRows(self.own(points), lambda: self._rows(self._sites(points)), self.names, self.ranks, present)

    def own(self, points: Mapping[str, Any]) -> Rows | None:
        """Return this process' share of the rows at some points; None if it has none."""
        from pinn.solver.division import Load, load

        assert self.ranks is not None
        every = self._sites(points)
        rows = self._divide(self._terms(every))
        shares: dict[int, Sites] = {}
        found = {}
        for name, by_process in rows.items():
            mine, sites = by_process[self.ranks.rank], every[name]
            if len(mine):
                found[name] = shares.setdefault(id(sites), sites.take(mine))
        if not found:
            self.ranks.load = Load()
            return None
        own = self._rows(found, {name: sum(map(len, by_process)) for name, by_process in rows.items()})
        self.ranks.load = load(self._field, own.terms)
        return own

    @cached_property
    def _divide(self) -> Division:
        from pinn.solver.division import Division

        assert self.ranks is not None
        return Division(self._field, self.ranks.size)

    def _sites(self, points: Mapping[str, Any]) -> dict[str, Sites]:
        """Return the points of all residuals by name, in a sweep those of the rows of a part."""
        configuration, problem = self._prepared
        sites = configuration.points.draw(problem, configuration.seed, points["epoch"], points["chosen"])
        sites |= self._field.draw_interfaces(configuration.points, configuration.seed, points["epoch"])
        turn = self.turns.get(points["part"])
        return sites if turn is None else sites_in(turn, self._field, self._residuals, sites)

    def choose(self, epoch: int, theta: torch.Tensor, part: str = "") -> dict[str, torch.Tensor]:
        """Return which candidates of an epoch become points at θ, where the weighted residuals are large."""
        import torch

        configuration, problem = self._prepared

        def score(equations: Sequence[Residual], sites: Sites) -> np.ndarray:
            rows = self._rows(dict.fromkeys((row.name for row in equations), sites))
            with torch.no_grad():
                sizes = rows.residual(theta).reshape(len(equations), -1).norm(dim=0).cpu().numpy()
            if not part:
                return sizes
            return evened(sizes, numbers_in(self.turns[part], self._field, equations[0], sites), configuration.points.power)

        chosen = configuration.points.choose(problem, configuration.seed, epoch, score)
        return {name: torch.as_tensor(numbers) for name, numbers in chosen.items()}

    def _rows(self, sites: Mapping[str, Sites], counts: Mapping[str, int] | None = None) -> Rows:
        """Return the rows of the residuals that have sites and do not hold by construction; ``counts`` of all processes."""
        from pinn.solver.rows import Rows

        terms = self._terms(sites)
        if counts is not None:
            terms = [replace(term, count=counts[term.name]) for term in terms]
        return Rows(self._field, terms, chunk=self.chunk)

    def _terms(self, sites: Mapping[str, Sites]) -> list[Term]:
        problem = self._prepared.problem
        kept = [row for row in self._residuals if row.name in sites]
        return [make_term(problem, row, sites[row.name], self._weights[row.name]) for row in kept]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """The weights of all terms by name.

        Where numbers are found from observations, equations are divided by their size as observations are by theirs. Where a
        function is found, observations do not resist equations: it makes up for whatever they ask for.
        """
        configuration, problem = self._prepared
        sized = [row.name for row in self._residuals if problem.data and problem.numbers and row.kind == "equation"]
        usual = {row.name: typical_size(problem, row) ** -2 if row.name in sized else 1.0 for row in self._residuals}
        return {row.name: weight_of(configuration, row, usual[row.name]) for row in self._residuals}


@dataclass(frozen=True)
class NetworkSetup:
    """A network to be trained: a field, rows at the points of an epoch, and the choices that change bits.

    Attributes
    ----------
    decisions : ``compiled``, whether the network runs as compiled code; ``chunk``, points that are evaluated together.
    compiling_before : what `pinn.field.compiler.seconds_spent` said at the start.
    """

    prepared: Prepared
    field: Field
    draw: Drawer
    theta: torch.Tensor
    decisions: Mapping[str, Any]
    compiling_before: float = 0.0
    parts: Sequence[Part] = (Part(),)

    @property
    def device(self) -> Any:
        """Where the parameters are."""
        return self.field.device

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms, in the order of the history's columns."""
        return self.draw.names

    def first_state(self) -> State:
        """Return where the solve begins."""
        from pinn.solver.staged import first_state

        state = first_state(training(self.prepared.configuration).solver, self.theta, self.parts)
        state.decisions = dict(self.decisions)
        return state

    def states(self, state: State, judge: Judging | None) -> Iterator[State]:
        """Go on from ``state`` and yield it after each step."""
        from pinn.solver.staged import solve

        configuration = self.prepared.configuration
        points, solver = configuration.points, training(configuration).solver
        choose = self.draw.choose if points.candidates > 1 else None
        return solve(solver, self.draw, self.theta, points.redraw, judge, state, choose, self.parts)

    def steps_of(self, stage: str) -> int:
        """Return how many steps a stage has at most; 0 when nobody knows."""
        return training(self.prepared.configuration).solver.stages[stage].steps

    def solution(self, state: State) -> Solution:
        """Return the field that a state holds."""
        return self.field.solution(state.theta)

    def error_of(self, error: Callable[[Any], float | None]) -> Judging:
        """Return ``error`` of a solution as a function of θ, for looks at it during the solve."""
        return lambda theta: error(self.field.solution(theta))

    def neighbours(self, state: State) -> None:
        """Return None: there are no solutions to compare with."""

    def intervals(self, state: State) -> Intervals | None:
        """Return how well the unknown numbers are known from observations; None without either, and for very large networks."""
        problem = self.prepared.problem
        if not problem.numbers or not problem.data or self.draw.ranks is not None:
            return None
        from pinn.judge.intervals import intervals
        from pinn.solver.covariance import sensitivities

        rows, theta, noise = self.draw(**state.points), state.theta, self._noise(state)
        place = slice(self.field.num_params - len(problem.numbers), self.field.num_params)
        found = sensitivities(rows, theta, place, noise)
        if found is None:
            return None
        left = [rows.unweighted(theta)[each.name].cpu().double().numpy() / noise[each.name] for each in problem.data]
        unknowns = [unknown for unknown in problem.unknowns if unknown.is_number]
        is_stated = all(each.noise for each in problem.data)
        return intervals(unknowns, theta[place].cpu().double().numpy(), np.concatenate(left), found, is_stated)

    def standard_errors(self, state: State, axes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return how well functions that only observations determine are known on a grid; none where no noise is stated."""
        problem = self.prepared.problem
        is_stated = bool(problem.data) and all(each.noise for each in problem.data)
        if not is_stated or self.draw.ranks is not None or not undetermined(problem):
            return {}
        unknowns = [unknown for unknown in problem.unknowns if not unknown.is_number]
        return standard_errors(self.field, self.draw(**state.points), state.theta, self._noise(state), unknowns, axes)

    def _noise(self, state: State) -> dict[str, float]:
        """Return the deviation of the rows of each term of observations: as stated, else what is left of them."""
        from pinn.run.inverse import misfits, noise_of

        observed = misfits(self.prepared.problem, self.solution(state))
        return {each.name: noise_of(each, observed[each.name]["misfit"]) for each in self.prepared.problem.data}

    def description(self, state: State) -> dict[str, Any]:
        """Return what metrics.json says about the solve beyond what its state does."""
        rows = self.draw(**state.points)
        return {
            "num_parameters": self.field.num_params, "num_rows": rows.num_rows,
            "weights": {term.name: term.weight for term in rows.terms}, **self._cells(), **self._of_all(rows, state.theta),
            **({} if self.draw.ranks is None else {"processes": self.draw.ranks.description()}),
        }  # fmt: skip

    def remarks(self) -> list[str]:
        """Return what a person should know of the setup before it is solved."""
        ranks, boxes = self.draw.ranks, self.field.boxes
        if ranks is None or boxes is None or ranks.size <= len(boxes):
            return []
        return [f"{ranks.size} processes have parts of {len(boxes)} cells: cells that several see cost more than they would in one"]

    def _of_all(self, rows: Rows, theta: torch.Tensor) -> dict[str, Any]:
        """Return loss and terms of all rows after a sweep, whose last state knows those of its last part alone."""
        if len(self.parts) == 1:
            return {}
        value = rows.evaluate(theta)
        return {"loss": float(value.loss), "terms": dict(zip(rows.names, value.losses.tolist(), strict=True))}

    def _cells(self) -> dict[str, Any]:
        """Return what is to be said of cells: nothing of a single network."""
        if self.field.boxes is None:
            return {}
        return {"cells": {"in_all": len(self.field.boxes)}, "interfaces": {row.name: row.text for row in self.field.interfaces}}


Setup = NetworkSetup | CellSetup | NumberSetup | FamilySetup


def set_up(prepared: Prepared, decisions: Mapping[str, Any] | None = None, ranks: Ranks | None = None) -> Setup:
    """Build what the solve works on.

    Parameters
    ----------
    decisions : of the run that is continued, so that it goes on to the last bit; None decides anew.
    ranks : the processes of the run, of which this is the first; None if it is the only one.

    Raises
    ------
    BadInput : a device that is not there, a hard condition that cannot be one, points outside the domain.
    """
    from pinn.field import compiler

    settings = in_cells(prepared.configuration)
    if settings is not None:
        if prepared.problem.is_inverse:
            return number_setup(settings, prepared, decisions, ranks)
        made_in_cells = family_setup if prepared.problem.parameters else cell_setup
        return made_in_cells(settings, prepared, decisions, ranks)
    before = compiler.seconds_spent()
    field = _field(prepared, _compiled(prepared, decisions))
    draw = Drawer(prepared, field, (decisions or {}).get("chunk"))
    made = {"compiled": field.compiled, "chunk": draw(0).chunk}
    draw.chunk = made["chunk"]
    if ranks is not None:
        ranks.share(made)
        draw, ranks.like = Drawer(prepared, field, made["chunk"], ranks), draw.theta
    return NetworkSetup(prepared, field, draw, draw.theta, made, before, parts(list(draw.turns.values()), field))


def set_up_share(prepared: Prepared, ranks: Ranks) -> Drawer:
    """Build what a process that is not the first works on, as that one decides."""
    made = ranks.share(None)
    return Drawer(prepared, _field(prepared, made["compiled"]), made["chunk"], ranks)


def _field(prepared: Prepared, compiled: bool | None) -> Field:
    """Return the field of a network on the whole domain, or of one in every cell, with what does not depend on all coordinates."""
    configuration, problem = prepared
    network = training(configuration).network
    if all(len(unknown.depends) == problem.dim for unknown in problem.unknowns):
        return _main_field(prepared, compiled)
    from pinn.field.joint import JointField, whole

    return JointField(_main_field(prepared._replace(problem=whole(problem)), compiled), network, problem)  # type: ignore[return-value]


def _main_field(prepared: Prepared, compiled: bool | None) -> Field:
    """Return the field of the unknowns of all coordinates."""
    configuration, problem = prepared
    network = training(configuration).network
    options = configuration.precision, configuration.device, configuration.hard, compiled
    if isinstance(configuration.decomposition, Whole) or isinstance(network, ModuleNetwork):
        return network.field(problem, configuration.derivatives, *options)
    from pinn.field.decomposition.decomposed_field import DecomposedField

    return DecomposedField(network, problem, configuration.decomposition, *options)


def _compiled(prepared: Prepared, decisions: Mapping[str, Any] | None) -> bool | None:
    """Return whether the field must, or must not, use compiled code; None leaves it to the field.

    Without a compiler a run that had one goes on without, to rounding; a run that is over before the compiler is needs none.
    """
    from pinn.field import compiler

    wanted = (decisions or {}).get("compiled")
    if wanted is not None:
        return wanted and compiler.is_available()
    expected = size(prepared)
    return None if expected.steps * expected.seconds_per_step > WORTH_COMPILING else False


def _kept(problem: Any, field: Field) -> list[Any]:
    """Return the residuals that the field does not satisfy by construction."""
    satisfied = getattr(field, "satisfied", ())
    return [row for row in problem.residuals if row.name not in satisfied]
