"""All settings of one run: the record that config.yaml keeps and that runs again as it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pinn
from pinn.field.decomposition.networks import networks
from pinn.field.decomposition.settings import Adaptive, Cuts, Regions, Whole, Windows
from pinn.field.network.local_features import LocalFeatures
from pinn.field.network.module import ModuleNetwork
from pinn.field.network.network import Network
from pinn.problem.points import Points
from pinn.problem.problem import Residual
from pinn.problem.settings import BadInput, Settings, setting
from pinn.report.settings import Report
from pinn.run.build import build, make, plain
from pinn.solver.cell_least_squares import CellLeastSquares
from pinn.solver.launch import Launch
from pinn.solver.staged import Staged

LARGEST_SEED = 2**32 - 1
GROUPS = ("decomposition", "network", "points", "solver", "reference", "report", "launch")


@dataclass(frozen=True)
class Configuration(Settings):
    """Settings of a run; the problem stays text here.

    Parameters
    ----------
    name : name of the problem.
    problem : the problem's text, as its file has it.
    network, points, solver, reference, report : settings of the chosen options.
    decomposition : into which cells the domain is divided, each with a network of its own.
    launch : how many processes there are.
    seed : every random choice is a function of (seed, name, counter).
    precision : floating-point numbers of the field and the solver; the judge always uses float64.
    device : ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto``.
    threads : threads of one run; more than one pay off for wide networks only.
    derivatives : ``taylor`` propagates jets through the network, ``autograd`` differentiates repeatedly.
    accuracy : wanted relative L2 error; when it is missed the exit code is 4.
    weights : factors of mean squares in the loss, by term, by condition, or for all ``equations``, ``conditions`` or
        ``interfaces``; else 1.
    hard : names of conditions that the field satisfies by construction; ``all`` are those that prescribe values.
    chosen : why the solver was chosen; empty when a person did.
    folder : where this run is kept; None is a new folder runs/NAME/DATE-TIME.
    version : version of `pinn` that wrote the record; empty for the present one.
    """

    name: str
    problem: Mapping
    network: Network | ModuleNetwork | LocalFeatures
    points: Points
    solver: Staged | CellLeastSquares
    reference: Settings
    report: Report
    decomposition: Whole | Regions | Windows | Cuts | Adaptive = Regions()
    launch: Launch = Launch()
    seed: int = setting(0, at_least=0, at_most=LARGEST_SEED)
    precision: Literal["float64", "float32"] = "float64"
    device: str = "cpu"
    threads: int = setting(1, at_least=1, at_most=1024)
    derivatives: Literal["taylor", "autograd"] = "taylor"
    accuracy: float | None = setting(None, above=0)
    weights: Mapping = setting({})
    hard: tuple[str, ...] = ()
    chosen: str = ""
    folder: str | None = None
    version: str = ""

    def __post_init__(self):
        object.__setattr__(self, "hard", ("all",) if str(self.hard) == "all" else self.hard)
        super().__post_init__()
        _check_version(self.version)
        _check_device(self.device, self.precision)
        _check_cells(self)
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
                raise BadInput(f"must be a number of at least 0, got {weight!r}", f"weights.{name}")


class InCells(NamedTuple):
    """The settings of a solve in cells."""

    solver: CellLeastSquares
    network: LocalFeatures


def in_cells(configuration: Configuration) -> InCells | None:
    """Return solver and network if they are those of a solve in cells, None where a network is trained."""
    solver, network = configuration.solver, configuration.network
    return InCells(solver, network) if isinstance(solver, CellLeastSquares) and isinstance(network, LocalFeatures) else None


class Training(NamedTuple):
    """The settings of a training."""

    solver: Staged
    network: Network | ModuleNetwork


def training(configuration: Configuration) -> Training:
    """Return solver and network where a network is trained.

    Raises
    ------
    TypeError : the settings are those of a solve in cells.
    """
    solver, network = configuration.solver, configuration.network
    if isinstance(network, LocalFeatures) or not isinstance(solver, Staged):
        raise TypeError(f"{type(solver).__name__} trains no network")
    return Training(solver, network)


def read_configuration(settings: Mapping[str, Any]) -> Configuration:
    """Return the checked settings.

    Raises
    ------
    BadInput : a setting that does not exist, has no value or a value that it cannot have.
    """
    problem = settings.get("problem")
    if not isinstance(problem, Mapping):
        raise BadInput("must be the text of a problem", "problem")
    built = {name: build(value, name) for name, value in settings.items() if name != "problem"}
    for group in GROUPS:
        if group in built and not isinstance(built[group], Settings):
            raise BadInput(f"must be chosen by name, got {settings[group]!r}", group)
    if isinstance(built.get("weights"), Mapping):
        built["weights"] = _flat(built["weights"])
    return make(Configuration, {"problem": dict(problem), **built})


def _flat(weights: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return weights by full name; the words of a command line nest at every dot of ``weights.initial.u_t``."""
    flat: dict[str, Any] = {}
    for key, value in weights.items():
        path = f"{above}.{key}" if above else str(key)
        flat |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return flat


def record(configuration: Configuration) -> dict[str, Any]:
    """Return what config.yaml holds: every setting as it was understood, without the place where this run was kept."""
    kept = dataclasses.replace(configuration, version=pinn.__version__, folder=None)
    return {"version": kept.version, **{key: value for key, value in plain(kept).items() if key != "version"}}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> list[tuple[str, Any, Any]]:
    """Return (dotted name, old value, new value) wherever two records differ; None stands for a setting that is absent."""
    found = []
    for key in dict.fromkeys([*old, *new]):
        path = f"{above}.{key}" if above else str(key)
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, path)
        elif before != after:
            found.append((path, before, after))
    return found


def _check_version(version: str) -> None:
    """Refuse records of a later version; its settings may mean something else."""
    if version and _numbers(version) > _numbers(pinn.__version__):
        raise BadInput(f"made by pinn {version}, this is {pinn.__version__}")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    if not all(part.isdigit() for part in parts):
        raise BadInput(f"must be a version such as {pinn.__version__}, got {version!r}", "version")
    return tuple(int(part) for part in parts)


def _check_cells(configuration: Configuration) -> None:
    """Refuse settings that do not go with a field in cells, or with any other."""
    in_cells = isinstance(configuration.solver, CellLeastSquares)
    if in_cells != isinstance(configuration.network, LocalFeatures):
        other = "local_features" if in_cells else "another network, such as mlp; local_features are for solver=least_squares"
        raise BadInput(f"must be {other}", "network")
    if in_cells:
        for name, wanted in (("precision", "float64"), ("device", "cpu"), ("hard", ())):
            value = getattr(configuration, name)
            if value != wanted and (name, value) != ("device", "auto"):
                got = value if isinstance(value, str) else ", ".join(value)
                raise BadInput(f"must be {wanted or 'empty'} with solver=least_squares, got {got}", name)
    if not isinstance(configuration.decomposition, Whole):
        _check_members(configuration)


def _check_members(configuration: Configuration) -> None:
    """Refuse settings that do not go with a network in every cell."""
    network = configuration.network
    if isinstance(configuration.solver, CellLeastSquares):
        raise BadInput("must be none with solver=least_squares, which finds cells of its own", "decomposition")
    if isinstance(network, ModuleNetwork):
        raise BadInput("must be none with a module of one's own", "decomposition")
    if isinstance(network, Network) and network.factorisation.mean is not None:
        raise BadInput("must be null with a decomposition", "network.factorisation.mean")
    if isinstance(network, Network) and not isinstance(configuration.decomposition, Whole):
        networks(configuration.decomposition.boxes, network)
    if configuration.derivatives != "taylor":
        raise BadInput("must be taylor with a decomposition", "derivatives")
    if configuration.points.directions is not None:
        raise BadInput("must be null with a decomposition", "points.directions")


def _check_device(device: str, precision: str) -> None:
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps", "auto") or (":" in device and not device.partition(":")[2].isdigit()):
        raise BadInput(f"must be cpu, cuda, cuda:1, mps or auto, got {device!r}", "device")
    if kind == "mps" and precision == "float64":
        raise BadInput("is not supported on mps; use precision=float32", "precision=float64")


def weight_of(configuration: Configuration, row: Residual, otherwise: float = 1.0) -> float:
    """Return the weight of a term: by its name, else by its condition, else by its kind, else ``otherwise``."""
    kind = {"equation": "equations", "interface": "interfaces", "data": "data"}.get(row.kind, "conditions")
    for name in (row.name, row.condition, kind):
        if name in configuration.weights:
            return float(configuration.weights[name])
    return otherwise
