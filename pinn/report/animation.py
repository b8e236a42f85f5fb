"""A small moving picture of a solution in time, written as GIF."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pinn.report.folder import Fields, Grid, RunData
from pinn.report.lines import WIDE
from pinn.report.panels import Column, image, label_panel, pixels, proportion
from pinn.report.style import (
    REFERENCE,
    SOLUTION,
    error_scale,
    escaped,
    field_scale,
    finite,
    label,
    new_figure,
    plain_axes,
    styled,
)  # fmt: skip
from pinn.report.views import View, anchor, middle_member, short
from pinn.report.wording import method, reference_words

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

MOST_BYTES = 1_500_000
MOST_SECONDS = 12.0
NUM_FRAMES = 36
LENGTH = 4.0
"""Seconds the animation runs."""

LEVELS = 48
"""Colours of one map; more would not be seen, and make the file larger."""


class Animated(NamedTuple):
    """A figure, the function that moves it to a time, the artists that move, and the colour maps in it."""

    figure: Figure
    move: Callable[[float], None]
    moving: Sequence[Artist]
    maps: Sequence[str]


def write_animation(data: RunData, path: Path) -> Iterator[Path]:
    """Write the first unknown in time as GIF below 1.5 MB and yield its path; nothing for problems without time and space.

    One space coordinate: a moving line with the reference dashed. More: images of solution, reference and error at the middle
    of what is not shown. Frames are evenly spaced in time, between stored times the fields are interpolated; the number of
    frames is cut when drawing takes longer than 12 s or the file becomes too large.
    """
    grid = data.grid
    if grid is None or grid.time is None or not grid.space or not data.unknowns or len(grid.axes[grid.time]) < 2:
        return
    name = data.unknowns[0]
    grid, _ = middle_member(grid, data.fields(name))
    with styled():
        frames = _frames(_line(data, grid, name) if len(grid.space) == 1 else _images(data, grid, name), grid)
    _write(frames, path)
    yield path


def _frames(animated: Animated, grid: Grid) -> list[Any]:
    """Draw every frame as a palette image: what stands still once, then only what moves.

    The first frame tells how many there is time for.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure, axis = animated.figure, grid.axes[grid.time or ""]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    for artist in animated.moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)

    def frame(now: float) -> Any:
        animated.move(now)
        canvas.restore_region(still)
        for artist in animated.moving:
            figure.draw_artist(artist)
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        return drawn.quantize(palette=colours, dither=Image.Dither.NONE)

    colours = _palette(animated.maps)
    begin = time.perf_counter()
    frame(float(axis[0]))
    num = int(np.clip(MOST_SECONDS / max(time.perf_counter() - begin, 1e-4), 8, NUM_FRAMES))
    return [frame(float(now)) for now in np.linspace(axis[0], axis[-1], num)]


def _palette(maps: Sequence[str]) -> Any:
    """Return an image with the colours of the animation: greys, the lines' colours towards white, and the colour maps in full.

    A palette chosen from the frames would drop the rare colours, which are those of the extremes.
    """
    from matplotlib import colormaps, colors
    from PIL import Image

    white = np.ones(3)
    strength = np.linspace(0.1, 1, 12)[:, None]
    rows = [np.linspace(0, 1, 24)[:, None] * white, white + strength * (np.array(colors.to_rgb(SOLUTION)) - white)]
    rows += [colormaps[name](np.linspace(0, 1, LEVELS))[:, :3] for name in maps]
    picture = Image.new("P", (1, 1))
    picture.putpalette(np.round(255 * np.concatenate(rows)).astype(np.uint8).ravel().tolist())
    return picture


def _write(frames: list[Any], path: Path) -> None:
    while True:
        pause = int(1000 * LENGTH / len(frames))
        pauses = [pause] * (len(frames) - 1) + [1200]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=pauses, loop=0, optimize=False)
        if path.stat().st_size < MOST_BYTES or len(frames) <= 4:
            return
        frames = frames[::2] if len(frames) % 2 else [*frames[:-1:2], frames[-1]]


def at_time(values: np.ndarray, grid: Grid, now: float) -> np.ndarray:
    """Return a field at one time, linear between stored times, with the shape of the space axes."""
    axis = grid.axes[grid.time or ""]
    k = int(np.clip(np.searchsorted(axis, now, side="right") - 1, 0, len(axis) - 2))
    part = (now - axis[k]) / (axis[k + 1] - axis[k])
    place = grid.names.index(grid.time or "")
    first, second = np.take(values, k, axis=place), np.take(values, k + 1, axis=place)
    return first if part == 0 else second if part == 1 else (1 - part) * first + part * second


def _shown(data: RunData, name: str) -> Fields:
    """Return the fields of an unknown, of a family those at a middle value of its parameters."""
    return middle_member(data.grid, data.fields(name))[1] if data.grid is not None else data.fields(name)


def _line(data: RunData, grid: Grid, name: str) -> Animated:
    values, reference, *_ = _shown(data, name)
    space = grid.space[0]
    figure = new_figure(5.6, 3.6, escaped(data.title), shortest=0)
    axes = figure.subplots()
    plain_axes(axes)
    along = grid.axes[space]
    wide = None if reference is None else WIDE
    (line,) = axes.plot(along, np.full(len(along), np.nan), color=SOLUTION, linewidth=wide)
    dashes = [] if reference is None else axes.plot(along, along * np.nan, "--", color=REFERENCE, linewidth=1.2)
    shown = finite(values, reference)
    pad = 0.05 * float(np.ptp(shown)) or 1.0
    axes.set(xlabel=label(space, data.units), ylabel=label(name, data.units), xlim=(along[0], along[-1]))
    axes.set_ylim(shown.min() - pad, shown.max() + pad)
    if dashes:
        figure.legend([line, *dashes], [method(data), reference_words(data)], loc="outside lower center", ncols=2)
    title = axes.set_title(" ")

    def move(now: float) -> None:
        line.set_ydata(at_time(values, grid, now))
        if reference is not None:
            dashes[0].set_ydata(at_time(reference, grid, now))
        title.set_text(f"{label(grid.time or '')} = {_clock(now, grid)}")

    return Animated(figure, move, [line, *dashes, title], ())


def _images(data: RunData, grid: Grid, name: str) -> Animated:
    values, reference, error, *_ = _shown(data, name)
    held = anchor(grid, values)
    planes = Grid({space: grid.axes[space] for space in grid.space}, None)
    view = View(tuple((space, held[space]) for space in grid.space[2:]), grid.space[0], grid.space[1], "")
    columns = _columns(data, name, values, reference, error)
    start = grid.axes[grid.time or ""][0]
    width, height = 2.6 * len(columns) + 0.9, 2.6 * proportion(view, planes) + 0.9
    figure = new_figure(width, height, escaped(data.title), layout="compressed", shortest=0)
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    drawn = []
    for axes, column in zip(panels, columns, strict=True):
        axes.set_title(column.title, fontsize=9)
        drawn.append(image(axes, replace(column, values=at_time(column.values, grid, start)), view, planes))
        label_panel(axes, view, data.units, left=axes is panels[0], below=True)
    figure.colorbar(drawn[0], ax=panels[: 1 + (reference is not None)].tolist(), aspect=22, pad=0.02)
    if error is not None:
        figure.colorbar(drawn[-1], ax=panels[-1], aspect=22, pad=0.03)
    head = figure.get_suptitle()
    title = figure.suptitle(f"{head}\n ")

    def move(now: float) -> None:
        for picture, column in zip(drawn, columns, strict=True):
            picture.set_array(pixels(replace(column, values=at_time(column.values, grid, now)), view, planes)[0])
        title.set_text(f"{head}\n{label(grid.time or '')} = {_clock(now, grid)}")

    edges = [spine for axes in panels for spine in axes.spines.values()]
    return Animated(figure, move, [*drawn, *edges, title], tuple(dict.fromkeys(column.colours for column in columns)))


def _columns(data: RunData, name: str, values: np.ndarray, reference: np.ndarray | None, error: np.ndarray | None) -> list[Column]:
    scale, colours = field_scale(values, reference)
    columns = [Column(f"{label(name)}, {method(data)}", values, scale, colours, "")]
    if reference is not None:
        columns.append(Column(reference_words(data), reference, scale, colours, ""))
    if error is not None:
        columns.append(Column("|error|", error, *error_scale(error), "", size=True))
    return columns


def _clock(now: float, grid: Grid) -> str:
    """Return the time with as many digits in every frame."""
    span = float(np.ptp(grid.axes[grid.time or ""]))
    digits = max(0, 2 - int(np.floor(np.log10(span)))) if span > 0 else 2
    return f"{now:.{digits}f}" if digits < 6 else short(now)
