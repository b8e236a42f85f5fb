"""The command line: verbs, exit codes, and what a person sees when something is wrong."""

from __future__ import annotations

import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace

import pinn
from pinn.problem.settings import BadInput, nearest
from pinn.run.words import Verb, read_words

OK, BUG, BAD_INPUT, DIVERGED, MISSED, INTERRUPTED = 0, 1, 2, 3, 4, 130

SETTINGS = """
Settings are written name=value: seed=1, network.width=128, solver.stages.adam.steps=500, problem.constants.nu=0.01/pi.
Groups choose an option by name: network=..., solver=..., points=...; pinn list shows them."""

VERBS = {
    "run": Verb(
        "pinn.run.commands:run",
        "PROBLEM|FILE.yaml [name=value ...] [-m]",
        "solve a problem and say how wrong the solution is",
        f"""
  pinn run heat_1d                           a shipped problem
  pinn run ./mine.yaml network.width=64      a file of your own
  pinn run RUN/config.yaml                   the same again, in a new folder
  pinn run experiment=NAME                   a published result
  pinn run heat_1d -m seed=0,1,2             all combinations of the values
  pinn run heat_1d -m seed=0,1 hydra/launcher=joblib    several at a time; needs pip install 'pinn[joblib]'
{SETTINGS}
folder=PATH keeps the run there; without it, runs/PROBLEM/DATE-TIME.
Exit codes: 0 ok, 1 a bug, 2 bad input, 3 diverged, 4 accuracy target missed, 130 interrupted.""",
        {"multirun,m": False},
    ),
    "check": Verb(
        "pinn.run.check:command",
        "PROBLEM|FILE.yaml [name=value ...]",
        "validate everything and estimate the cost, without training",
        SETTINGS,
    ),
    "list": Verb("pinn.run.listing:list_command", "", "shipped problems and the options of every group"),
    "show": Verb("pinn.run.listing:show_command", "PROBLEM|FILE.yaml [name=value ...]", "a problem as formulas", SETTINGS),
    "resume": Verb(
        "pinn.run.commands:resume",
        "RUN",
        "continue a run that was interrupted, exactly where it stopped",
        "\nRUN is the folder of a run. The result is the same, bit for bit, as without the interruption.",
    ),
    "compare": Verb(
        "pinn.run.commands:compare",
        "RUN RUN ... [--to FIGURE]",
        "runs side by side",
        "\nRUN is the folder of a run, or of several: a sweep, or runs/PROBLEM with all runs of a problem."
        "\n--to FIGURE also draws error against time into that file.",
        {"to": True},
    ),
    "plot": Verb("pinn.run.commands:plot", "RUN", "draw the figures and the page of a run again"),
    "export": Verb(
        "pinn.run.commands:export",
        "RUN --to FILE",
        "write the solution to another format",
        "\nThe ending of FILE chooses the format: .vti, .vtr, .nc, .npz or .csv.",
        {"to": True},
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (without the program's name) and return the exit code; never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except BadInput as error:
        print(f"pinn: {told(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("pinn: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        from pinn.run.atomic import fault_outside

        outside = fault_outside(error)
        if outside is None:
            return _report_bug(error)
        print(f"pinn: {outside}", file=sys.stderr)
        return BAD_INPUT
    except Exception as error:  # a bug: say so in one line, keep the traceback for whoever repairs it
        return _report_bug(error)


def told(error: BadInput) -> str:
    """Return what a person is told: long values are shown by their ends, all above the detail on one line."""
    head, below = str(error).removesuffix(f"\n{error.detail}" if error.detail else ""), error.detail
    head = LONG_VALUE.sub(lambda found: f"'{found[1][:40]}…{found[1][-15:]}'", head.replace("\n", "\\n"))
    return f"{head}\n{below}" if below else head


LONG_VALUE = re.compile(r"(?<![\w'])'([^'\s;,.:?)][^']{60,})'(?!\w)")
"""A value in quotes that is too long to be repeated."""


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_overview())
        return OK
    if arguments[0] in ("--version", "-V"):
        print(f"pinn {pinn.__version__}")
        return OK
    name, rest = arguments[0], arguments[1:]
    if name.startswith("-"):
        raise BadInput(f"unknown option '{name}'; see pinn --help")
    if name not in VERBS:
        meant = nearest(name, VERBS) or f"; verbs: {', '.join(VERBS)}"
        raise BadInput(f"unknown verb '{name}'{meant}")
    if "--help" in rest or "-h" in rest:
        print(_help(name, VERBS[name]))
        return OK
    words = read_words(rest, VERBS[name].options, name)
    return VERBS[name](replace(words, line=shlex.join(["pinn", *arguments])))


def _overview() -> str:
    lines = [f"  {name:<9}{verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        ["Solve partial differential equations with physics-informed neural networks.", "", "usage: pinn VERB ...", "", *lines,
         "", "pinn VERB --help says more; pinn --version names the version.", "", "  pinn run heat_1d    is a good start."]
    )  # fmt: skip


def _help(name: str, verb: Verb) -> str:
    return f"usage: pinn {name} {verb.usage}\n\n{verb.summary}\n{verb.text}".rstrip()


def _report_bug(error: Exception) -> int:
    where = getattr(error, "run_log", None)
    print(f"pinn: {type(error).__name__}: {error}", file=sys.stderr)
    if where is None:
        traceback.print_exception(error, file=sys.stderr)
        print("pinn: this is a bug in pinn, not in your input", file=sys.stderr)
    else:
        print(f"pinn: this is a bug in pinn, not in your input; the traceback is in {where}", file=sys.stderr)
    return BUG


if __name__ == "__main__":
    sys.exit(main())
