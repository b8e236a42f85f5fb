"""The verbs that act on runs."""

from __future__ import annotations

import sys
from pathlib import Path

from pinn.problem.settings import BadInput
from pinn.run.ranks import place, work
from pinn.run.words import Words


def run(words: Words) -> int:
    """``pinn run``: one run, or a sweep with ``-m``."""
    if len(words.names) > 1:
        raise BadInput(f"pinn run takes one problem, got {len(words.names)}: settings are written name=value, several runs need -m")
    name = words.names[0] if words.names else None
    if "multirun" in words.options:
        from pinn.run.sweep import sweep

        return sweep(name, words.settings, words.line)
    from pinn.run.check import validate
    from pinn.run.prepare import prepare
    from pinn.run.progress import Progress

    prepared = prepare(name, words.settings)
    validate(prepared)
    here = place()
    if here is not None and here.rank > 0:
        return work(prepared)
    from pinn.run.execute import start

    outcome = start(prepared, words.line, Progress())
    return _tell(outcome)


def _tell(outcome) -> int:
    """Print the last line of a run: to the output when it finished, else to the errors."""
    print(outcome.message, file=sys.stdout if outcome.code in (0, 4) else sys.stderr)
    return outcome.code


def resume(words: Words) -> int:
    """``pinn resume``."""
    words.refuse_settings("resume")
    folder = words.one_name("folder of a run", "resume")
    here = place()
    if here is not None and here.rank > 0:
        from pinn.run.folder import open_run
        from pinn.run.prepare import prepare_settings

        return work(prepare_settings(open_run(folder).read_config()))
    from pinn.run.execute import resume as go_on
    from pinn.run.progress import Progress

    return _tell(go_on(folder, Progress()))


def compare(words: Words) -> int:
    """``pinn compare``."""
    words.refuse_settings("compare")
    if not words.names:
        raise BadInput("pinn compare needs folders of runs; see pinn compare --help")
    from pinn.report import table
    from pinn.run.folder import runs_below

    folders = list(dict.fromkeys(run for name in words.names for run in runs_below(name)))
    print(table.compare(folders))
    if "to" in words.options:
        table.compare_figure(folders, Path(words.options["to"]))
        print(words.options["to"])
    return 0


def plot(words: Words) -> int:
    """``pinn plot``."""
    words.refuse_settings("plot")
    from pinn.run.folder import open_run

    folder = open_run(words.one_name("folder of a run", "plot"))
    from pinn.report.figures import make_figures
    from pinn.report.page import write_page
    from pinn.report.settings import Report

    failed: list[str] = []
    for path in [*make_figures(folder.path, Report(), failed), write_page(folder.path)]:
        print(path)
    for line in failed:
        print(f"note: {line}", file=sys.stderr)
    return 0


def export(words: Words) -> int:
    """``pinn export``."""
    words.refuse_settings("export")
    folder = words.one_name("folder of a run", "export")
    if "to" not in words.options:
        raise BadInput("pinn export needs --to FILE; the ending .vti, .vtr, .nc, .npz or .csv chooses the format")
    from pinn.report.export import export as write
    from pinn.run.folder import open_run

    written = write(open_run(folder).path, Path(words.options["to"]))
    print(written.paths[0])
    if len(written.paths) > 1:
        print(f"and {len(written.paths) - 1} files in {written.paths[-1].parent}")
    for note in written.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0
