"""Composition of settings by Hydra: the only module that imports it.

The compose interface is used, and Hydra's own sweeper and launchers for ``-m``; never ``hydra.main``, whose command line, folders
and exit codes are not ours. A Hydra application that we are called from is set aside meanwhile and put back afterwards.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir, version
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from pinn.problem.data.tables import with_absolute_files
from pinn.problem.settings import BadInput
from pinn.run.options import config_folder, groups
from pinn.run.overrides import paths, prepare, quoted, read, unknown_option, unknown_setting

SPOKEN_OF = {
    "least_squares": ("solver.tolerance", "solver.cells", "solver.most_cells", "solver.steps", "solver.seconds", "network.degree"),
    "adam_broyden": ("solver.stages", "solver.until", "solver.sweep", "solver/until", "stage@solver.stages", "network", "points"),
}
"""Solvers, and the settings that speak of one when none is chosen."""

TRAINER = "adam_broyden"

QUIET = ["hydra/hydra_logging=none", "hydra/job_logging=none", "hydra.output_subdir=null"]


@dataclass(frozen=True)
class Source:
    """What settings are composed from, before the words of the command line.

    Parameters
    ----------
    name : name of the problem, also when it comes from a file; empty when the words choose it.
    problem : the text of a problem file, None for a shipped problem.
    experiment : the contents of a settings file, None without one.
    """

    name: str = ""
    problem: Mapping[str, Any] | None = None
    experiment: Mapping[str, Any] | None = None

    @property
    def is_record(self) -> bool:
        """Return whether the file holds every setting, as the config.yaml of a run does."""
        return self.experiment is not None and "version" in self.experiment

    @property
    def config_name(self) -> str:
        """Return the name of the configuration that Hydra starts from."""
        return "file" if self.experiment is not None else "config"

    def words(self) -> list[str]:
        """Return the words that choose the problem."""
        if self.problem is not None:
            return ["problem=file", f"name={quoted(self.name)}"]
        return [f"problem={self.name}"] if self.name and self.experiment is None else []

    def store(self) -> None:
        """Hand the contents of files to Hydra; launchers carry them to their workers."""
        store = ConfigStore.instance()
        if self.problem is not None:
            store.store(group="problem", name="file", node=self.problem)
        if self.experiment is not None:
            node = dict(self.experiment)
            if "hydra" in node:
                raise BadInput("'hydra' cannot be set in a file")
            store.store(name="file", node=node if self.is_record else _over_defaults(node, store))


def _over_defaults(node: dict[str, Any], store: ConfigStore) -> dict[str, Any]:
    """Lay a partial settings file over the defaults; text where a group stands chooses an option of it."""
    chosen = "experiment" in node or isinstance(node.get("solver"), str)
    meant = None if chosen else _spoken_of(paths({name: node[name] for name in ("solver", "network", "points") if name in node}))
    choices: list[Any] = [{"override /solver": meant}] if meant else []
    for group, options in groups().items():
        value = node.get(group)
        if isinstance(value, str):
            if value not in options:
                raise BadInput(unknown_option(group, value, options))
            choices.append({f"override /{group}": node.pop(group)})
    if isinstance(node.get("problem"), Mapping):
        store.store(group="problem", name="file", node=node.pop("problem"))
        choices.append({"override /problem": "file"})
    return {"defaults": ["config", *choices, "_self_"], **node}


def compose(source: Source, words: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings as nested mappings, ``name`` filled in.

    Raises
    ------
    BadInput : words that name no setting or option, values left open, look-ups in files.
    """
    with _hydra(source):
        prepared = _prepared(source, words, several=False)
        try:
            config = hydra_compose(source.config_name, overrides=prepared, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise _complaint(error, source, prepared) from None
        return _settings(config, config.hydra.runtime.choices.get("problem"))


def multirun(
    source: Source, words: Sequence[str], job: Callable[[dict[str, Any], Path], float], folder: Path, here: bool = False
) -> None:
    """Run ``job(settings, its folder)`` for every combination of values, by the sweeper and launcher that the words choose.

    With ``here`` they run one after the other in this process, whatever launcher the words choose.

    Raises
    ------
    BadInput : as `compose`, for any of the jobs.
    """
    with _hydra(source):
        prepared = _prepared(source, words, several=True)
        launched = [word for word in prepared if not (here and re.match(r"hydra[./]launcher", word))]
        placed = [*launched, *QUIET, f"hydra.sweep.dir='{folder}'", "hydra.sweep.subdir=${hydra.job.num}"]
        try:
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.multirun(source.config_name, Job(job), placed, with_log_configuration=False)
        except (HydraException, OmegaConfBaseException) as error:
            raise _complaint(error, source, prepared) from None


def uses_shipped_sweeper(words: Sequence[str]) -> bool:
    """Return whether Hydra's own sweeper makes the jobs, so that they can be listed without running them."""
    return not any(word.startswith("hydra/sweeper=") and word != "hydra/sweeper=basic" for word in words)


@dataclass(frozen=True)
class Job:
    """What Hydra's launchers call: plain settings and the job's folder for ``task``."""

    task: Callable[[dict[str, Any], Path], float]

    def __call__(self, config: DictConfig) -> float:
        """Run one job and return its objective."""
        hydra = HydraConfig.get()
        return self.task(_settings(config, hydra.runtime.choices.get("problem")), Path(hydra.runtime.output_dir))


@contextmanager
def _hydra(source: Source) -> Iterator[None]:
    """Initialise Hydra on the shipped configuration; whatever was initialised before is there again afterwards."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise BadInput("the working folder does not exist any more; change to another one") from None
    base = version.VersionBase.instance()
    outer, before, job = GlobalHydra.instance().hydra, base.version_base, JobRuntime.instance().get("name")
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_folder()), job_name="pinn", version_base="1.3"):
            source.store()
            yield
    finally:
        GlobalHydra.instance().hydra = outer
        JobRuntime.instance().set("name", job)
        base.version_base = before


def _prepared(source: Source, words: Sequence[str], several: bool) -> list[str]:
    if source.words() and any(read(word).key == "problem" and read(word).value is not None for word in words):
        raise BadInput("problem is given twice")
    known = {**groups(), **_launching()}
    prepared = prepare(words, known, _parses, several)
    if not several:
        _refuse_several_values(prepared)
    if not source.words() and source.experiment is None and not re.search(r"(^| )(problem|experiment)=", " ".join(words)):
        raise BadInput(f"problem must be chosen; available: {', '.join(known['problem'])}")
    return [*source.words(), *_solver(source, words), *prepared]


def _solver(source: Source, words: Sequence[str]) -> list[str]:
    """Return the word that chooses the solver whose settings are given, where nothing else chooses one."""
    given = [read(word) for word in words]
    chosen = source.is_record or "solver" in (source.experiment or {})
    chosen = chosen or any(each.group == "solver" or (each.group == "experiment" and each.value != "null") for each in given)
    meant = None if chosen else _spoken_of(each.key for each in given)
    return [f"solver={meant}"] if meant else []


def _spoken_of(settings: Iterable[str]) -> str | None:
    """Return the solver that dotted names of settings speak of; None when they speak of none."""
    given = list(settings)
    for solver, names in SPOKEN_OF.items():
        if any(re.match(rf"{re.escape(name)}\b", each) for name in names for each in given):
            return solver
    return None


@functools.cache
def _parse(word: str) -> Any:
    return OverridesParser.create().parse_override(word)


def _parses(word: str) -> bool:
    try:
        _parse(word)
    except (HydraException, OmegaConfBaseException):
        return False
    return True


def _refuse_several_values(words: Sequence[str]) -> None:
    for word in words:
        if _parse(word).is_sweep_override():
            value = read(word).value or ""
            hint = f", or write [{value}]" if "(" not in value else ""
            raise BadInput(f"several values for '{read(word).key}' need -m{hint}")


def _launching() -> dict[str, list[str]]:
    """Return the launchers and sweepers that are installed."""
    Plugins.instance()
    store = ConfigStore.instance()
    kinds = ("hydra/launcher", "hydra/sweeper")
    return {kind: [name.removesuffix(".yaml") for name in store.list(kind)] for kind in kinds}


def _settings(config: DictConfig, problem: str | None) -> dict[str, Any]:
    try:
        kept = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain: Any = OmegaConf.to_container(kept, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise BadInput(f"setting '{error.full_key}' has no value") from None
    except InterpolationKeyError as error:
        wanted = re.search(r"'([^']*)'", str(error))
        raise BadInput(f"refers to '{wanted[1] if wanted else '?'}', which does not exist", f"'{error.full_key}'") from None
    except (InterpolationResolutionError, RecursionError) as error:
        raise BadInput("refers to itself", f"'{getattr(error, 'full_key', None) or 'a setting'}'") from None
    plain["name"] = plain.get("name") or problem
    if isinstance(plain.get("problem"), dict):
        shipped = config_folder() / "problem" if problem in groups()["problem"] else Path()
        plain["problem"] = with_absolute_files(with_absolute_files(plain["problem"], shipped, existing=True), Path())
    return plain


def _complaint(error: Exception, source: Source, words: Sequence[str]) -> BadInput:
    """Say in our words what Hydra refused: most often a setting that does not exist."""
    values = [word for word in words if read(word).group not in groups() and not word.startswith("hydra")]
    choices = [word for word in words if word not in values and not _parse(word).is_sweep_override()]
    try:
        named = [] if any(read(word).group in ("solver", "experiment") for word in words) else [f"solver={TRAINER}"]
        known = _settings(hydra_compose(source.config_name, overrides=[*choices, *named], return_hydra_config=True), None)
    except (HydraException, OmegaConfBaseException, BadInput) as deeper:
        return _about_choices(deeper, source, choices)
    for override in map(read, values):
        complaint = None if "+" in override.sign else unknown_setting(override.key, known)
        if complaint:
            return BadInput(complaint)
    return _about_choices(error, source, words)


def _about_choices(error: Exception, source: Source, words: Sequence[str]) -> BadInput:
    if isinstance(error, BadInput):
        return error
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "must specify 'problem'" in first or "MISSING" in first:
        return BadInput(f"problem must be chosen; available: {', '.join(groups()['problem'])}")
    for override in map(read, words):
        if source.is_record and override.group in groups():
            return BadInput(f"a file with all settings takes values, not other options: '{override}'")
    return BadInput(first.rstrip("."))
