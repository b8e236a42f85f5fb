"""Solve shipped problems with default settings and print the table of the README.

On the command line:

    python experiments/results.py                        the problems of the table, seed 0
    python experiments/results.py heat_1d --seeds 0 1 2  medians over seeds, worst in brackets
    python experiments/results.py --write                put the table into README.md, where it has a place for these settings
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pinn
from pinn.run.solve import Result

ROOT = Path(__file__).parents[1]
NAMES = [
    "advection_diffusion", "allen_cahn", "beam", "biharmonic", "burgers", "composite_rod", "convection", "cosine", "four_holes",
    "heat_1d", "heat_2d", "heat_neumann", "heat_periodic", "helmholtz_2d", "kdv", "kovasznay", "oscillator", "poisson_1d",
    "poisson_2d", "poisson_3d", "poisson_multiscale", "poisson_octaves", "reaction", "reaction_diffusion", "ring", "two_materials",
    "wave_1d",
]  # fmt: skip
"""Problems for which the default settings are meant; the scoreboard has those that take minutes, the gallery has all."""

HEAD = ["problem", "relative L2 error", "known from", "estimate", "verdict", "seconds", "classical solver, same error"]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--settings", nargs="*", default=[], help="further words of the command line")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    print(*lines, sep="\n", flush=True)
    for name in arguments.problems:
        lines.append(row(name, arguments.seeds, arguments.settings))
        print(lines[-1], flush=True)
    print(f"\n{platform.machine()}, seeds {arguments.seeds}, pinn {pinn.__version__}")
    if arguments.write:
        write(lines, " ".join(["results", *arguments.settings]))


def row(name: str, seeds: list[int], settings: list[str]) -> str:
    """Return the line of the table for one problem."""
    found = [solved(name, settings, seed).metrics for seed in seeds]
    first = found[0]
    seconds = [each["seconds"]["setup"] + each["seconds"]["solve"] for each in found]
    estimates = [each["estimate"]["relative_l2"] for each in found if each["estimate"]["accepted"]]
    classical = first["classical"]
    equal = classical.get("seconds_at_equal_error")
    missing = "none for all values" if "parameters" in first else "not reached"
    cells = [
        f"`{name}`",
        summary([each["error"]["relative_l2"] for each in found]),
        str(first["error"]["source"]).replace("_", " "),
        summary(estimates) if estimates else "withheld",
        ", ".join(sorted({each["verdict"] for each in found})),
        rounded(statistics.median(seconds)),
        missing if equal is None else f"{equal:.2g} s ({classical['order']})",
    ]
    return "| " + " | ".join(cells) + " |"


def rounded(seconds: float) -> str:
    """Return seconds with two digits, or with none after the point."""
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"


def solved(name: str, settings: Sequence[str], seed: int) -> Result:
    """Return the result of a run whose numbers are wanted, but no pictures; its folder is gone."""
    words = ["report.figures=[]", "report.animation=false", "report.html=false", *settings]
    with tempfile.TemporaryDirectory() as folder:
        return pinn.solve(name, *words, seed=seed, folder=Path(folder) / "run", quiet=True)


def summary(values: list[float | None]) -> str:
    """Return the median, and the worst in brackets when there are several."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    median = f"{statistics.median(known):.1e}"
    return median if len(values) == 1 else f"{median} ({max(known):.1e})"


def write(lines: list[str], name: str, page: Path | None = None) -> None:
    """Put the table between the markers of its name in a page, README.md if none is given."""
    path, marker = page or ROOT / "README.md", f"<!-- {name} -->\n"
    before, found, rest = path.read_text().partition(marker)
    if not found:
        raise SystemExit(f"{path.name} has no place for a table of these settings: {marker.strip()}")
    _, end, after = rest.partition("<!-- end results -->")
    path.write_text(before + marker + "\n".join(lines) + "\n" + end + after)


if __name__ == "__main__":
    main()
