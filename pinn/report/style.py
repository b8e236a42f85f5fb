"""How figures look: sizes, fonts, colours, labels and colour scales. Nothing outside a `styled` block is changed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pinn.report.wording import GREEK, NAME_PARTS, letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

DPI = 150
SOLUTION, REFERENCE, ESTIMATE, MARK = "#0072B2", "#000000", "#E69F00", "#D55E00"
TERM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B3A8C", "#7F7F7F")
"""Okabe and Ito's colours, told apart with every common colour blindness; its yellow is left out (unseen on white)."""

OUTSIDE = "#E4E4E4"
FEW, SPIKE = 2e-4, 20.0
"""Part of a field's values that may lie beyond the colour scale, where it would have to be so many times as wide for them."""

SEQUENTIAL, DIVERGING, ERROR = "viridis", "RdBu_r", "magma"

_RC: Any = {
    "font.family": ["DejaVu Sans"], "font.size": 9, "mathtext.fontset": "dejavusans",
    "axes.titlesize": 10, "axes.labelsize": 9, "axes.linewidth": 0.7, "axes.axisbelow": True, "axes.grid": False,
    "axes.formatter.use_mathtext": True, "axes.formatter.useoffset": False, "axes.formatter.limits": (-3, 4),
    "xtick.labelsize": 8, "ytick.labelsize": 8, "xtick.major.width": 0.7, "ytick.major.width": 0.7,
    "grid.color": "#D9D9D9", "grid.linewidth": 0.6, "lines.linewidth": 1.5,
    "legend.fontsize": 8, "legend.frameon": False, "figure.titlesize": 11, "figure.facecolor": "white",
    "savefig.dpi": DPI, "savefig.facecolor": "white", "text.usetex": False, "text.parse_math": True,
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside this block: the style holds here whatever the user's own settings, which come back unchanged."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def new_figure(
    width: float,
    height: float,
    title: str = "",
    layout: Literal["constrained", "compressed"] = "constrained",
    shortest: int = 64,
) -> Figure:
    """Return an empty figure of ``width`` × ``height`` inches that lays itself out; no window, no pyplot.

    ``compressed`` is for panels with fixed proportions, which it moves together. Lines of the title may have ``shortest`` letters
    also where they are wider than the figure, which grows when it is saved as a picture, but not in an animation.
    """
    from matplotlib.figure import Figure

    lines = _wrapped(title, max(int(10.5 * width), shortest))
    figure = Figure(figsize=(width, height + 0.2 * max(len(lines) - 1, 0)), layout=layout)
    engine: Any = figure.get_layout_engine()
    engine.set(h_pad=0.06)
    if lines:
        figure.suptitle("\n".join(lines))
    return figure


def _wrapped(title: str, most: int) -> list[str]:
    """Return a title in lines of at most ``most`` letters and about equal length, cut at its dashes first."""
    parts = [title] if len(title) <= most else title.split(" — ")
    return [line for part in parts for line in _balanced(part, most)]


def _balanced(text: str, most: int) -> list[str]:
    """Return ``text`` in as few lines as fit into ``most`` letters, none much shorter than the others."""
    lines = textwrap.wrap(text, most)
    for width in range(len(text) // max(len(lines), 1), most) if len(lines) > 1 else ():
        even = textwrap.wrap(text, width)
        if len(even) == len(lines):
            return even
    return lines


def label(name: str, units: Mapping[str, str] | None = None) -> str:
    """Return a name for an axis: one letter in italics, also below the line, Greek by its letter, with its unit if it has one."""
    found = NAME_PARTS.fullmatch(name)
    head, tail = (found[1], found[2] or found[3]) if found else (name, None)
    shown = GREEK.get(head, head)
    shown = name if len(shown) > 1 else rf"$\mathit{{{shown}}}{_below(tail) if tail else ''}$"
    return shown + unit(name, units)


def _below(text: str) -> str:
    """Return what stands below the line: coordinates and constants of one letter in italics, words and numbers upright."""
    found = "".join(letters(text))
    return rf"_{{\mathit{{{found}}}}}" if found else "_{\\mathrm{" + text.replace("_", r"\_") + "}}"


def unit(name: str, units: Mapping[str, str] | None) -> str:
    """Return `` [m]`` for a name with a unit, nothing for one without."""
    return f" [{escaped(str(units[name]))}]" if units and units.get(name) else ""


def escaped(text: str) -> str:
    """Return ``text`` so that a figure prints it as it is."""
    return text.replace("$", r"\$")


def term_style(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and line style of every term; the same terms look the same in every figure of a run."""
    lines = ("-", "--", ":", "-.")
    num = len(TERM_COLOURS)
    return {name: (TERM_COLOURS[k % num], lines[k // num % len(lines)]) for k, name in enumerate(names)}


def sequence(num: int) -> list:
    """Return ``num`` colours from dark to bright that read in this order, also in grey."""
    from matplotlib import colormaps

    return [colormaps[SEQUENTIAL](value) for value in np.linspace(0.0, 0.85, max(num, 1))]


def finite(*fields: np.ndarray | None) -> np.ndarray:
    """Return all finite values of the fields in one flat array."""
    flat = [np.ravel(field) for field in fields if field is not None]
    values = np.concatenate(flat) if flat else np.empty(0)
    return values[np.isfinite(values)]


def field_scale(values: np.ndarray, reference: np.ndarray | None = None) -> tuple[Normalize, str]:
    """Return one colour scale for a field and its reference, and its map.

    The map diverges about zero when both signs matter. Whether they do is for the reference to say, so that a poor solution
    does not change the map.
    """
    from matplotlib.colors import Normalize

    low, high = _range(finite(values, reference))
    lowest, highest = _range(finite(values if reference is None else reference))
    if min(-lowest, highest) > 0.1 * max(-lowest, highest):
        high = max(-low, high)
        return Normalize(-high, high), DIVERGING
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        pad = max(abs(low), 1.0) * 0.5
        low, high = low - pad, high + pad
    return Normalize(low, high), SEQUENTIAL


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return the range of all values, but for a few at its ends that would make it much wider: those next to a singularity."""
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    lower, upper = np.quantile(values, (FEW, 1 - FEW)).tolist()
    most = SPIKE * (upper - lower) or np.inf
    return lower if upper - low > most else low, upper if high - lower > most else high


def error_limits(*fields: np.ndarray | None) -> tuple[float, float]:
    """Return limits of a logarithmic scale for |field|.

    From the largest value down to where two per cent of the values lie below, at least two and at most six decades, so that
    the thin lines where an error changes sign do not use up the scale. Where next to nothing lies in its upper five decades it ends
    lower: a field may be infinite at a corner.
    """
    values = np.abs(finite(*fields))
    values = values[values > 0]
    if not values.size:
        return 1e-16, 1e-14
    high, most = float(values.max()), float(np.quantile(values, 1 - FEW))
    high = most if most < 1e-5 * high else high
    low = float(np.clip(np.quantile(values, 0.02), high * 1e-6, high * 1e-2))
    return low, high


def residual_scale(values: np.ndarray) -> tuple[Normalize, str, float | None]:
    """Return the logarithmic colour scale of a residual, its map, and the largest value if that lies beyond the scale.

    The scale ends where 99.5 per cent of the values lie below if single places are more than twice as large: the residual at a
    corner where conditions disagree would leave one colour for all the rest.
    """
    from matplotlib.colors import LogNorm

    low, high = error_limits(values)
    size = np.abs(finite(values))
    most = float(np.quantile(size, 0.995)) if size.size else high
    beyond = high if 0 < 2 * most < high else None
    if beyond is not None:
        low, high = max(min(low, most * 1e-2), most * 1e-6), most
    return LogNorm(low, high, clip=True), ERROR, beyond


def error_scale(*fields: np.ndarray | None) -> tuple[Normalize, str]:
    """Return the logarithmic colour scale of an error and its map."""
    from matplotlib.colors import LogNorm

    low, high = error_limits(*fields)
    return LogNorm(low, high, clip=True), ERROR


def plain_axes(axes: Axes, log: bool = False) -> None:
    """Give line plots a light grid and no frame on the right and on top; ``log`` makes the vertical axis logarithmic."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True)
    if log:
        axes.set_yscale("log")


def error_label(name: str, units: Mapping[str, str] | None, estimated: bool = False) -> str:
    """Return ``|error of u| [K]``, or the same for an estimated error."""
    return f"{'estimated ' * estimated}|error of {label(name)}|{unit(name, units)}"


def seconds_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic with seconds written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 100 else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def decades(axes: Axes) -> None:
    """Put ticks of a logarithmic vertical axis at powers of ten, few enough to read."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis, (low, high) = axes.yaxis, sorted(axes.get_ylim())
    if low > 0 and high / low >= 100:
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_minor_locator(LogLocator(subs=(0.2, 0.4, 0.6, 0.8), numticks=8) if high / low < 1e4 else LogLocator(numticks=30))
        axis.set_minor_formatter(NullFormatter())
