"""What the first layer of a network sees: coordinates scaled to [−1, 1], and sines and cosines along periodic axes.

Along a periodic axis of length L the features are sin(2πmf) and cos(2πmf), m = 1 … harmonics, f = (x − low)/L less the nearest
whole number, so that both ends give the same bits. One harmonic already lets a network represent every smooth periodic function
(Dong & Ni 2021, J. Comput. Phys. 435, 110242).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Any, NamedTuple

import numpy as np

from pinn.field.request import Channel
from pinn.field.scaling import coordinate_scaling
from pinn.problem.formulas.tree import Index


class Features(NamedTuple):
    """Derivatives of the features: ``value`` (points, features), ``rest`` (len(present), points or 1, features).

    ``present`` are the numbers of the channels that are not zero everywhere, the value not counted.
    """

    value: np.ndarray
    rest: np.ndarray
    present: tuple[int, ...]


class Part(NamedTuple):
    """Features of one coordinate: columns ``start`` to ``stop`` of all features, and the numbers of their present channels."""

    start: int
    stop: int
    present: tuple[int, ...]


class Embedding:
    """The map from coordinates to features.

    Parameters
    ----------
    problem : gives ``coordinates`` with low and high.
    periodic : names of the coordinates to embed.
    harmonics : number of sines, and of cosines, per periodic coordinate.
    """

    def __init__(self, problem: Any, periodic: tuple[str, ...] = (), harmonics: int = 1):
        names = [coordinate.name for coordinate in problem.coordinates]
        self.plain = [axis for axis, name in enumerate(names) if name not in periodic]
        self.periodic = [axis for axis, name in enumerate(names) if name in periodic]
        self.scaling = coordinate_scaling(problem)
        self.low = np.array([coordinate.low for coordinate in problem.coordinates], dtype=float)
        self.length = np.array([coordinate.high - coordinate.low for coordinate in problem.coordinates], dtype=float)
        self.waves = 2.0 * pi * np.arange(1, harmonics + 1)
        self.num_features = len(self.plain) + 2 * harmonics * len(self.periodic)
        self.widths = tuple(1 if axis in self.plain else 2 * harmonics for axis in range(len(names)))
        self._parts: dict[tuple[Channel, ...], tuple[Part, ...]] = {}

    def parts(self, carried: tuple[Channel, ...]) -> tuple[Part, ...]:
        """Return the features of each coordinate, (dim,), for the channels ``carried``."""
        if carried not in self._parts:
            self._parts[carried] = self._find_parts(carried)
        return self._parts[carried]

    def _find_parts(self, carried: tuple[Channel, ...]) -> tuple[Part, ...]:
        order = [*self.plain, *self.periodic]
        ends = dict(zip(order, np.cumsum([self.widths[axis] for axis in order]).tolist(), strict=True))
        return tuple(Part(end - self.widths[axis], end, self._present(carried, (axis,))) for axis, end in sorted(ends.items()))

    def jets(self, points: np.ndarray, carried: tuple[Channel, ...], lines: Sequence[np.ndarray] = ()) -> Features:
        """Return the features and their derivatives at points (points, dim), for the channels ``carried``.

        Parameters
        ----------
        lines : vectors (points, dim), along each of which a further coordinate measures a straight line through every point; the
            indices of the channels have an entry for each, after those of the coordinates.
        """
        present = self._present(carried, tuple(range(points.shape[1])))
        value = self._derivative(points, (0,) * points.shape[1])
        places = points if self.periodic or lines else np.zeros((1, points.shape[1]))
        rest = np.empty((len(present), len(places), self.num_features))
        for row, number in zip(rest, present, strict=True):
            row[:] = sum(weight * self._derivative(places, index, lines) for index, weight in carried[number + 1])
        return Features(value, rest, present)

    def values(self, x: Any) -> Any:
        """Return the features (points, features) of a tensor x (points, dim), differentiable in x."""
        import torch

        columns = []
        for axis in self.plain:
            columns.append((x[:, axis : axis + 1] - self.scaling.center[axis]) * self.scaling.factor[axis])
        for axis in self.periodic:
            fraction = (x[:, axis : axis + 1] - self.low[axis]) / self.length[axis]
            phase = (fraction - fraction.detach().round()) * x.new_tensor(self.waves)
            columns += [phase.sin(), phase.cos()]
        return torch.cat(columns, 1)

    def _present(self, carried: tuple[Channel, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of the channels, the value not counted, that are not zero for the features of these coordinates."""
        return tuple(number for number, channel in enumerate(carried[1:]) if self._varies(channel, axes))

    def _varies(self, channel: Channel, axes: tuple[int, ...]) -> bool:
        """Whether the channel of some of these features is not zero: first orders, and higher ones along a periodic axis only."""
        for index, _ in channel:
            by = {axis for axis, order in enumerate(index[: len(self.low)]) if order}
            if any(by <= {axis} and (sum(index) == 1 or axis in self.periodic) for axis in axes):
                return True
        return False

    def _derivative(self, points: np.ndarray, index: Index, lines: Sequence[np.ndarray] = ()) -> np.ndarray:
        """Return ∂^index of every feature (points, features).

        Each feature is a function of one coordinate; on a line with direction v through the point that coordinate grows by its
        component of v, on the line of another coordinate not at all. So the derivative is that of the same order by the one
        coordinate, times the components of all directions.
        """
        dim, order = points.shape[1], sum(index)
        factor = np.ones((1, dim))
        for number, orders in enumerate(index):
            if orders:
                direction = np.eye(1, dim, number) if number < dim else lines[number - dim]
                factor = factor * direction**orders
        scale = self.scaling.factor[self.plain]
        linear = {0: (points - self.scaling.center)[:, self.plain] * scale, 1: scale}.get(order, 0.0)
        columns = [np.broadcast_to(linear * factor[:, self.plain], (len(points), len(self.plain)))]
        for axis in self.periodic:
            columns += [factor[:, axis : axis + 1] * wave for wave in self._waves(points[:, axis], axis, order)]
        return np.concatenate(columns, axis=1)

    def _waves(self, x: np.ndarray, axis: int, order: int) -> list[np.ndarray]:
        """Return the derivatives of the sines and of the cosines along one axis, each (points, harmonics)."""
        fraction = (x - self.low[axis]) / self.length[axis]
        phase = (fraction - np.round(fraction))[:, None] * self.waves
        turns = [np.sin(phase), np.cos(phase), -np.sin(phase), -np.cos(phase)]
        scale = (self.waves / self.length[axis]) ** order
        return [scale * turns[order % 4], scale * turns[(order + 1) % 4]]
