"""``pinn.solve``: a run as a Python call, its result as an object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pinn.field.network.local_features import LocalFeatures
from pinn.field.network.module import ModuleNetwork
from pinn.field.network.network import Network
from pinn.problem.families import Member, columns_of, derivative_by_values, member, values_by_name
from pinn.problem.formulas.tree import Index
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput, nearest
from pinn.problem.text import plain
from pinn.run.decide import instead
from pinn.run.execute import DIVERGED, INTERRUPTED, Outcome, largest_error, start
from pinn.run.overrides import quoted
from pinn.run.prepare import Prepared, prepare, prepare_settings
from pinn.run.progress import Progress, Silence, duration


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Parameters
    ----------
    problem : what was solved.
    outcome : folder, exit code and numbers of the run.
    """

    problem: Problem
    outcome: Outcome

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.outcome.folder.path

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Contents of metrics.json."""
        return self.outcome.metrics

    @property
    def error(self) -> float | None:
        """Largest relative L2 error over the unknowns: against the reference, else as estimated; None when nobody knows."""
        return largest_error(self.metrics)

    @property
    def verdict(self) -> str:
        """``verified``, ``not verified`` or ``failed``; ``diverged`` or ``interrupted`` when there was nothing to judge."""
        unfinished = {DIVERGED: "diverged", INTERRUPTED: "interrupted"}
        return str(self.metrics.get("verdict") or unfinished.get(self.outcome.code, "failed"))

    @property
    def estimate(self) -> float | None:
        """Largest relative L2 error over the unknowns as estimated without a reference; None when the estimate was withheld."""
        return (self.metrics.get("estimate") or {}).get("relative_l2")

    @property
    def quantities(self) -> Mapping[str, Any]:
        """What metrics.json holds of the problem's quantities, by name."""
        return self.metrics.get("quantities") or {}

    @property
    def numbers(self) -> Mapping[str, float]:
        """The unknown numbers that were found, by name; metrics["unknowns"] has their errors and intervals."""
        return dict(getattr(self.solution, "numbers", {}))

    @property
    def solution(self) -> Any:
        """The field as a `pinn.field.solution.Solution`, for instance for `pinn.derivatives`; None unless the run finished."""
        return self.outcome.solution

    def __str__(self) -> str:
        return self.outcome.message

    def __repr__(self) -> str:
        known = "error not known" if self.error is None else f"error {self.error:.1e}"
        seconds = (self.metrics.get("seconds") or {}).get("solve")
        spent = "" if seconds is None else f", {duration(seconds)}"
        return f"<Result of {self.problem.name}: {self.verdict}, {known}{spent}>"

    def field(self, unknown: str | None = None, **coordinates: Any) -> np.ndarray:
        """Return an unknown at coordinates given by name, float64 with their broadcast shape; not a number in holes of the domain.

        Parameters
        ----------
        unknown : name; not needed when there is only one.
        coordinates : a number or an array for each coordinate of the problem.

        Raises
        ------
        BadInput : a coordinate is missing, does not exist or lies outside its range, or there are several unknowns and none is
            named.
        """
        return self._values(self._unknown(unknown), (0,) * self.problem.dim, coordinates)

    def at(self, **values: Any) -> Result:
        """Return the same result for one value of every parameter, ``result.at(nu=0.02)``: a plain problem and its solution.

        Its metrics, and with them its error, stay those of the whole family.

        Raises
        ------
        BadInput : a parameter that does not exist, has no value or one outside its range.
        """
        named = values_by_name(self.problem, values)
        plain, solution = member(self.problem, named), self.outcome.solution
        alone = None if solution is None else Member(self.problem, solution, columns_of(self.problem, named))
        return Result(plain, replace(self.outcome, solution=alone))

    def derivative(self, name: str, **coordinates: Any) -> np.ndarray:
        """Return a derivative, written as in formulas (``"u_xx"``, ``"u_xt"``), at coordinates given by name.

        Raises
        ------
        BadInput : as `field`, or a name that is no derivative of an unknown.
        """
        unknown, _, suffix = name.rpartition("_") if name not in self.problem.unknown_names else (name, "", "")
        if unknown not in self.problem.unknown_names:
            raise BadInput(f"'{name}' is not a derivative of {', '.join(self.problem.unknown_names)}")
        return self._values(unknown, self._index(suffix, name), coordinates)

    def plot(self) -> list[Path]:
        """Draw all figures into the run's folder and return their paths."""
        from pinn.report.figures import make_figures

        return make_figures(self.folder)

    def _unknown(self, name: str | None) -> str:
        known = self.problem.unknown_names
        if name is None and len(known) == 1:
            return known[0]
        if name is None:
            raise BadInput(f"there are {len(known)} unknowns, say which: {', '.join(known)}")
        if name not in known:
            raise BadInput(f"unknown '{name}' is not in the problem{nearest(name, known)}")
        return name

    def _index(self, suffix: str, name: str) -> Index:
        """Return the orders along each coordinate of a run of coordinate names."""
        order = dict.fromkeys(self.problem.names, 0)
        while suffix:
            fitting = [x for x in sorted(order, key=len, reverse=True) if suffix.startswith(x)]
            if not fitting:
                raise BadInput(f"'{name}': '{suffix}' is not made of coordinates {', '.join(order)}")
            order[fitting[0]] += 1
            suffix = suffix.removeprefix(fitting[0])
        return tuple(order.values())

    def _values(self, unknown: str, index: Index, coordinates: Mapping[str, Any]) -> np.ndarray:
        if self.outcome.solution is None:
            raise BadInput(f"there is no solution: {self.outcome.message}")
        names = self.problem.names
        for name in coordinates:
            if name not in names:
                raise BadInput(f"'{name}' is not a coordinate{nearest(name, names)}")
        missing = [name for name in names if name not in coordinates]
        if missing:
            raise BadInput(f"coordinate {missing[0]} is missing; give {', '.join(names)}")
        arrays = np.broadcast_arrays(*(np.asarray(coordinates[name], float) for name in names))
        points = self._inside(np.stack([array.ravel() for array in arrays], axis=1))
        values = derivative_by_values(self.problem, self.outcome.solution, points, unknown, index)
        return np.where(self.problem.lives_at(unknown, points), values, np.nan).reshape(arrays[0].shape)

    def _inside(self, points: np.ndarray) -> np.ndarray:
        """Return points (points, dim), refused outside the box, where a network only guesses; rounding is put right."""
        low, high = self.problem.values_of(self.problem.box.T)
        slack = 1e-9 * (high - low)
        outside = ~((points >= low - slack) & (points <= high + slack))
        if outside.any():
            row, axis = np.argwhere(outside)[0]
            name, ends = self.problem.names[axis], f"{low[axis]:g} to {high[axis]:g}"
            raise BadInput(f"{name}={points[row, axis]:g} lies outside the domain, where {name} runs from {ends}")
        return self.problem.columns_of(np.clip(points, low, high))


def solve(
    problem: str | Path | Mapping[str, Any] | Problem,
    *settings: str,
    seed: int | None = None,
    folder: str | Path | None = None,
    quiet: bool = False,
    network: Any = None,
) -> Result:
    """Solve a problem as ``pinn run`` does and return the result; one that diverged or was interrupted has no solution.

    Parameters
    ----------
    problem : name of a shipped problem, path of a file, the text of a problem as a mapping, or a problem that was read.
    settings : words of the command line, ``"network.width=32"``.
    seed : as ``"seed=..."``.
    folder : where the run is kept; None is a new folder runs/NAME/DATE-TIME.
    quiet : show no progress.
    network : a `torch.nn.Module` from (points, dim) in [−1, 1] to (points, unknowns), or settings such as ``pinn.MLP(width=32)``;
        None takes what ``settings`` say. A run of a module cannot be resumed or run again from its folder.

    Raises
    ------
    BadInput : the problem or the settings cannot be used; nothing is written.
    """
    words = [*settings]
    if seed is not None:
        words.append(f"seed={seed}")
    if folder is not None:
        words.append(f"folder={quoted(str(folder))}")
    prepared = _prepared(problem, words)
    if network is not None:
        prepared = _with_network(prepared, network, settings)
    line = f"pinn.solve({', '.join(map(repr, [_shown(problem), *words]))})"
    return Result(prepared.problem, start(prepared, line, Silence() if quiet else Progress()))


def _prepared(problem: Any, words: list[str]) -> Prepared:
    if isinstance(problem, (str, Path)):
        return prepare(str(problem), words)
    from pinn.run.compose import Source, compose

    name = problem.name if isinstance(problem, Problem) else "problem"
    text = plain(problem.source if isinstance(problem, Problem) else problem)
    if not text:
        raise BadInput("a problem made without text cannot be recorded; make it with pinn.read_problem")
    return prepare_settings(compose(Source(name, problem=text), words))


def _with_network(prepared: Prepared, network: Any, words: Sequence[str]) -> Prepared:
    for word in words:
        if re.match(r"\+*network[.=]", word):
            raise BadInput(f"is given twice: as an argument, and by '{word}'", "network")
    if isinstance(network, str):
        raise BadInput(
            f"must be a torch.nn.Module or settings, got {network!r}; an option is the word 'network={network}'", "network"
        )
    try:
        chosen = network if isinstance(network, (Network, ModuleNetwork, LocalFeatures)) else ModuleNetwork(network)
    except BadInput as error:
        raise error.under("network") from None
    configuration = prepared.configuration
    if not isinstance(chosen, LocalFeatures):
        configuration = instead(configuration, "a network is given") or configuration
    return prepared._replace(configuration=replace(configuration, network=chosen))


def _shown(problem: Any) -> str:
    return str(problem) if isinstance(problem, (str, Path)) else getattr(problem, "name", "a mapping")
