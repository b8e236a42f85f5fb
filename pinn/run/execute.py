"""One run from start to end: solve, judge, numbers to the disk, then pictures."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinn.problem.settings import BadInput
from pinn.problem.text import plain
from pinn.run import atomic, checkpoint
from pinn.run import folder as folders
from pinn.run.check import megabytes_on_disk, refuse_too_large
from pinn.run.configuration import changes, record
from pinn.run.folder import RunFolder
from pinn.run.prepare import Prepared, prepare_settings, remarks
from pinn.run.progress import Progress, duration
from pinn.run.ranks import joined
from pinn.run.signals import Interruption, terminable

if TYPE_CHECKING:
    from pinn.run.setup import Setup
    from pinn.solver.ranks import Ranks
    from pinn.solver.state import State

OK, DIVERGED, MISSED, INTERRUPTED = 0, 3, 4, 130


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Parameters
    ----------
    folder : where it is kept.
    code : exit code, 0, 3, 4 or 130.
    message : one line for people.
    metrics : contents of metrics.json; empty unless the run finished.
    solution : the field as a function of points; None unless the run finished.
    """

    folder: RunFolder
    code: int
    message: str
    metrics: Mapping[str, Any]
    solution: Any = None


def start(prepared: Prepared, line: str, progress: Progress, path: Path | None = None) -> Outcome:
    """Run from the beginning in a new folder, ``path`` or what the settings say.

    Raises
    ------
    BadInput : found before anything is written, or the disk ran full.
    """
    configuration = prepared.configuration
    refuse_too_large(prepared)
    path = Path(configuration.folder) if path is None and configuration.folder is not None else path
    if path is not None:
        folders.refuse_unusable(path)
    begin = time.perf_counter()
    progress.doing("setting up")
    with terminable(), _torch(prepared), joined(configuration) as ranks:
        setup = _set_up(prepared, None, ranks)
        folder = folders.create(path, configuration.name, megabytes_on_disk(prepared))
        with folder.locked():
            folders.refuse_unusable(folder.path)  # a short run of another process may have begun and ended here meanwhile
            return _guarded(folder, lambda: _begin(setup, folder, line, progress, begin))


def _begin(setup: Setup, folder: RunFolder, line: str, progress: Progress, begin: float) -> Outcome:
    from pinn.run.environment import environment

    configuration = setup.prepared.configuration
    _write_config(setup, folder)
    details = environment(line, configuration.seed, configuration.threads, str(setup.device))
    atomic.write_json(folder / "environment.json", {**details, "files": dict(setup.prepared.problem.files)})
    folder.log(f"start: {line}")
    return _try_twice(setup, folder, None, progress, begin)


def _write_config(setup: Setup, folder: RunFolder) -> None:
    comment = "All settings of this run; pinn run on this file does it again."
    atomic.write_yaml(folder / "config.yaml", record(setup.prepared.configuration), comment)


def _try_twice(setup: Setup, folder: RunFolder, saved: dict | None, progress: Progress, begin: float) -> Outcome:
    """Carry the run out; where a solver fails that no person has chosen, another one begins anew in the same folder."""
    from pinn.run.decide import contradiction, instead
    from pinn.solver.staged import Diverged

    try:
        return _carry_out(setup, folder, saved, progress, begin)
    except Diverged as problem:
        other = instead(setup.prepared.configuration, str(problem))
        if other is None:
            raise
        if why := contradiction(setup.prepared.problem, other):
            problem.args, problem.advice = (f"{problem}; {why}",), "conditions that agree with the equations"
            raise
        folder.log(str(problem))
    checkpoint.remove(folder / "checkpoint.pt")
    setup = _set_up(setup.prepared._replace(configuration=other))
    _write_config(setup, folder)
    return _carry_out(setup, folder, None, progress, begin)


def resume(path: str | Path, progress: Progress) -> Outcome:
    """Go on with a run where its last checkpoint was taken.

    Raises
    ------
    BadInput : there is no run, its settings were changed, somebody else works on it, or it ended by diverging.
    """
    folder = folders.open_run(path)
    status = folder.status()
    if status.get("state") == "finished":
        return _finished(folder, status)
    if status.get("state") == "diverged":
        raise BadInput(f"{folder.path} diverged ({status.get('message')}); change a setting and start again")
    prepared = prepare_settings(folder.read_config())
    _refuse_changed_files(prepared, folder)
    with folder.locked():
        content, notice = checkpoint.load(folder / "checkpoint.pt")
        if content is not None:
            _refuse_changes(prepared, content["config"])
        begin = time.perf_counter()
        with terminable(), _torch(prepared), joined(prepared.configuration) as ranks:
            setup = _set_up(prepared, content["state"].get("decisions") if content else None, ranks)
            return _guarded(folder, lambda: _go_on(setup, folder, content, notice, progress, begin))


def _finished(folder: RunFolder, status: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a run that has ended, with the exit code it had."""
    missed = status.get("exit_code") == MISSED
    message = f"{folder.path} is finished; nothing to resume" + ("; it missed the wanted accuracy" if missed else "")
    return Outcome(folder, MISSED if missed else OK, message, _json(folder / "metrics.json"))


def _go_on(setup: Setup, folder: RunFolder, content: dict | None, notice: str, progress: Progress, begin: float) -> Outcome:
    if notice:
        progress.say(notice)
    stage = f"{_label(content['state'])} step {content['state']['step']}" if content else "the beginning"
    folder.log(f"resume at {stage} {notice}".rstrip())
    progress.say(f"resume at {stage}")
    return _try_twice(setup, folder, content, progress, begin)


def _label(state: Mapping[str, Any]) -> str:
    return f"{state['stage']} {state.get('part', '')}".rstrip()


def _refuse_changes(prepared: Prepared, saved: str) -> None:
    """Refuse to go on with settings other than those the checkpoint was made with."""
    from pinn.problem.text import read_string
    from pinn.run.training import trained_settings

    before, now = read_string(saved, "checkpoint").mapping, plain(trained_settings(prepared.configuration), "settings")
    found = changes(before, now)
    if found:
        name, old, new = found[0]
        raise BadInput(f"was {_shown(old)}, now {_shown(new)}; a run goes on only with the settings it began with", name)


def _refuse_changed_files(prepared: Prepared, folder: RunFolder) -> None:
    """Refuse to go on with other numbers in files than those that the run began with."""
    before = _json(folder / "environment.json").get("files") or {}
    for file, digest in prepared.problem.files.items():
        if before.get(file, digest) != digest:
            raise BadInput(f"{file} was changed after the run began; a run goes on only with what it began with")


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)


def _torch(prepared: Prepared):
    from pinn.run.training import torch_settings

    return torch_settings(prepared.configuration.threads, prepared.configuration.device)


def _set_up(prepared: Prepared, decisions: Mapping[str, Any] | None = None, ranks: Ranks | None = None) -> Setup:
    from pinn.run.setup import set_up

    return set_up(prepared, decisions, ranks)


def _guarded(folder: RunFolder, work) -> Outcome:
    """Carry out ``work`` and leave a true status behind, whatever happens."""
    from pinn.solver.stage import ProcessLost
    from pinn.solver.staged import Diverged

    try:
        outcome = work()
    except Diverged as problem:
        outcome = Outcome(folder, DIVERGED, _about_divergence(problem), {})
    except ProcessLost as problem:
        outcome = Outcome(folder, INTERRUPTED, f"{problem}; go on with pinn resume {folder.path}", {})
    except KeyboardInterrupt:
        _leave_status(folder, "stopped at once; the last checkpoint is kept", INTERRUPTED, "interrupted")
        raise
    except BadInput as error:
        _leave_status(folder, str(error), 2)
        raise
    except Exception as error:
        outside = atomic.fault_outside(error) if isinstance(error, OSError) else None
        if outside is not None:
            _leave_status(folder, str(outside), 2)
            raise outside from None
        folder.log(traceback.format_exc())
        _leave_status(folder, f"{type(error).__name__}: {error}", 1)
        error.run_log = folder / "run.log"  # type: ignore[attr-defined]
        raise
    state = {OK: "finished", MISSED: "finished", DIVERGED: "diverged", INTERRUPTED: "interrupted"}[outcome.code]
    status = folder.status()
    folder.set_status(state, status.get("stage", ""), status.get("step", 0), outcome.message, outcome.code)
    folder.log(outcome.message)
    return outcome


def _leave_status(folder: RunFolder, message: str, code: int, state: str = "failed") -> None:
    """Write the status of a failure; when even that fails, what went wrong first is what counts."""
    try:
        folder.set_status(state, message=message, code=code)
    except BadInput:
        return


def _about_divergence(problem: Any) -> str:
    kept = f"; last good step {problem.state.total} saved" if problem.state is not None and problem.state.total else ""
    return f"{problem}{kept}; try {problem.advice}"


def _carry_out(setup: Setup, folder: RunFolder, saved: dict | None, progress: Progress, begin: float) -> Outcome:
    from pinn.run.family_judging import FamilyJudge
    from pinn.run.judging import Judge
    from pinn.run.training import train

    configuration, problem = setup.prepared
    if configuration.chosen:
        progress.say(configuration.chosen)
        folder.log(configuration.chosen)
    for warning in _warnings(setup):
        progress.say(f"note: {warning}")
        folder.log(f"note: {warning}")
    folder.set_status("running", "setup")
    judge: Any = FamilyJudge(setup) if problem.parameters else Judge(setup)
    seconds = {"setup": time.perf_counter() - begin}
    with Interruption() as interruption:
        state = train(setup, folder, saved, setup.error_of(judge.quick), interruption, progress, judge.label)
        if interruption.requested:
            message = f"interrupted at {state.label} step {state.step}, saved; go on with pinn resume {folder.path}"
            return Outcome(folder, INTERRUPTED, message, {})
    seconds["solve"] = state.seconds
    return _conclude(setup, folder, state, judge, seconds, progress)


def _warnings(setup: Setup) -> list[str]:
    return [*remarks(setup.prepared), *setup.remarks()]


def _conclude(setup: Setup, folder: RunFolder, state: State, judge: Any, seconds: dict, progress: Progress) -> Outcome:
    """Judge the solution, write all numbers, then draw."""
    configuration = setup.prepared.configuration
    folder.set_status("running", "judge", state.total)
    progress.doing("measuring the error")
    metrics = judge.conclude(folder, state, seconds)
    metrics["warnings"] = _warnings(setup)
    atomic.write_json(folder / "metrics.json", metrics)
    metrics["classical"] = judge.compare_with_classical(metrics, seconds["setup"] + seconds["solve"])
    atomic.write_json(folder / "metrics.json", metrics)
    folder.set_status("running", "report", state.total)
    progress.doing("drawing")
    failed = report(folder, configuration.report)
    progress.clear()
    for line in failed:
        progress.say(f"note: {line}")
        folder.log(f"note: {line}")
    if failed:
        metrics["warnings"] += failed
        atomic.write_json(folder / "metrics.json", metrics)
    error = largest_error(metrics)
    missed = configuration.accuracy is not None and (error is None or error > configuration.accuracy)
    message = summary(metrics, folder) + (f"; wanted {configuration.accuracy:.1e}" if missed else "")
    return Outcome(folder, MISSED if missed else OK, message, metrics, setup.solution(state))


def largest_error(metrics: Mapping[str, Any]) -> float | None:
    """Return the largest relative L2 error over the unknowns as the judge knows it, None when it does not."""
    return (metrics.get("error") or {}).get("relative_l2")


MOST_NUMBERS = 6
"""Unknown numbers that the last line of a run tells."""

JUDGES = {"exact": "exact", "finite_difference": "finite differences", "file": "reference file", "estimate": "estimated"}
"""Where an error is known from, in words."""


def summary(metrics: Mapping[str, Any], folder: RunFolder) -> str:
    """Return the last line of a run: how wrong the solution is, by what judge, how long it took and where everything is."""
    error, source, most = largest_error(metrics), metrics["error"]["source"], metrics["error"].get("at_most")
    known = "error unknown" if error is None else f"error {error:.1e} ({JUDGES[source]})"
    if error is None and most is not None:
        known = f"error at most {most:.1e} ({JUDGES.get((metrics.get('reference') or {}).get('kind', ''), 'finite differences')})"
    reason = f" ({metrics['verdict_reasons'][0]})" if metrics["verdict"] != "verified" and metrics["verdict_reasons"] else ""
    found = [_number(name, item) for name, item in metrics.get("unknowns", {}).items() if "value" in item]
    said = f"; {', '.join(found[:MOST_NUMBERS])}" if found else ""
    return f"{metrics['verdict']}: {known} in {duration(metrics['seconds']['solve'])}{said}{reason}; {folder.path}"


def _number(name: str, found: Mapping[str, Any]) -> str:
    """Return a number that was found, to the digits that its standard error leaves it."""
    value, error = found["value"], found.get("standard_error")
    if not error or not math.isfinite(error):
        return f"{name} = {value:.6g}"
    digits = max(2, min(15, 2 + math.floor(math.log10(max(abs(value), error))) - math.floor(math.log10(error))))
    return f"{name} = {value:.{digits}g} ± {error:.1g}"


def report(folder: RunFolder, settings: Any) -> list[str]:
    """Draw the figures and write the page; return a line for each that failed. The numbers are on the disk already."""
    failed: list[str] = []
    if settings.figures or settings.animation:
        _attempt("figures", folder, failed, lambda: _draw(folder, settings, failed))
    if settings.html:
        _attempt("report.html", folder, failed, lambda: _write_page(folder, failed))
    return failed


def _draw(folder: RunFolder, settings: Any, failed: list[str]) -> None:
    from pinn.report.figures import make_figures

    make_figures(folder.path, settings, failed)


def _write_page(folder: RunFolder, failed: list[str]) -> None:
    from pinn.report.page import write_page

    write_page(folder.path, warnings=failed)


def _attempt(what: str, folder: RunFolder, failed: list[str], make: Callable[[], None]) -> None:
    """Make a part of the report; a picture must not cost a result, so a failure is a line in ``failed`` and in the log."""
    try:
        make()
    except Exception as error:
        folder.log(traceback.format_exc())
        failed.append(f"{what}: {type(error).__name__}: {error}; see {folder / 'run.log'}")


def _json(path: Path) -> dict[str, Any]:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
