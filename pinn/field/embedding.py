"""What the first layer of a network sees: coordinates scaled to [−1, 1], and sines and cosines along periodic axes.

Along a periodic axis of length L the features are sin(2πmf) and cos(2πmf), m = 1 … harmonics, f = (x − low)/L less the nearest
whole number, so that both ends give the same bits. One harmonic already lets a network represent every smooth periodic function
(Dong & Ni 2021, J. Comput. Phys. 435, 110242).
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

import numpy as np

from pinn.field.request import Channel
from pinn.field.scaling import coordinate_scaling


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

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features of each coordinate, (dim,)."""
        return tuple(1 if axis in self.plain else 2 * len(self.waves) for axis in range(len(self.low)))

    def parts(self, carried: tuple[Channel, ...]) -> tuple[Part, ...]:
        """Return the features of each coordinate, (dim,), for the channels ``carried``."""
        order = [*self.plain, *self.periodic]
        ends = dict(zip(order, np.cumsum([self.widths[axis] for axis in order]).tolist(), strict=True))
        return tuple(Part(end - self.widths[axis], end, self._present(carried, (axis,))) for axis, end in sorted(ends.items()))

    def jets(self, points: np.ndarray, carried: tuple[Channel, ...]) -> Features:
        """Return the features and their derivatives at points (points, dim), for the channels ``carried``."""
        value = self._derivative(points, (0,) * points.shape[1])
        present = self._present(carried, tuple(range(points.shape[1])))
        rest = [sum(weight * self._derivative(points, index) for index, weight in carried[number + 1]) for number in present]
        stack = np.stack(rest) if rest else np.zeros((0, len(points), self.num_features))
        return Features(value, stack if self.periodic else stack[:, :1], present)

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
        """Whether the channel of some feature is not zero: first orders, and higher ones along one periodic axis only."""
        along = [[axis for axis, order in enumerate(index) if order] for index, _ in channel]
        return any(
            len(by) == 1 and by[0] in axes and (sum(index) == 1 or by[0] in self.periodic)
            for by, (index, _) in zip(along, channel, strict=True)
        )

    def _derivative(self, points: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
        """Return ∂^index of every feature (points, features)."""
        order = sum(index)
        columns = [self._plain(points[:, axis], axis, order if index[axis] == order else None) for axis in self.plain]
        for axis in self.periodic:
            columns += self._waves(points[:, axis], axis, order if index[axis] == order else None)
        return np.concatenate(columns, axis=1)

    def _plain(self, x: np.ndarray, axis: int, order: int | None) -> np.ndarray:
        """Return the derivative of one scaled coordinate (points, 1); order None stands for one along another axis."""
        if order == 0:
            return ((x - self.scaling.center[axis]) * self.scaling.factor[axis])[:, None]
        return np.full((len(x), 1), self.scaling.factor[axis] if order == 1 else 0.0)

    def _waves(self, x: np.ndarray, axis: int, order: int | None) -> list[np.ndarray]:
        """Return the derivatives of the sines and of the cosines along one axis, each (points, harmonics)."""
        if order is None:
            return [np.zeros((len(x), len(self.waves)))] * 2
        fraction = (x - self.low[axis]) / self.length[axis]
        phase = (fraction - np.round(fraction))[:, None] * self.waves
        turns = [np.sin(phase), np.cos(phase), -np.sin(phase), -np.cos(phase)]
        scale = (self.waves / self.length[axis]) ** order
        return [scale * turns[order % 4], scale * turns[(order + 1) % 4]]
