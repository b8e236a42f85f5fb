"""From the channels of a network to the requested derivatives of the unknowns: sums, output scales, hard conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pinn.field.constraint import leibniz_factors
from pinn.field.request import Channel, Request, closure, weights

if TYPE_CHECKING:
    from pinn.field.field import Field


class Outputs(Protocol):
    """What has outputs with names and scales: a field, a stack."""

    unknown_names: list[str]
    scales: np.ndarray

    def tensor(self, values: np.ndarray) -> Tensor:
        """Return an array as a tensor."""


class ColumnSum(NamedTuple):
    """One column as a sum: ``lift`` plus factors times channels of unknowns; numbers, or (points,) where they vary."""

    lift: float | np.ndarray
    parts: list[tuple[int, int, float | np.ndarray]]


class Readout:
    """The linear map from channels to columns, the same at all points.

    ``columns`` says the same as one `ColumnSum` for each column.
    """

    def __init__(self, field: Outputs, request: Request, carried: tuple[Channel, ...]):
        self.num_unknowns = len(field.scales)
        matrix = np.zeros((len(carried), self.num_unknowns, len(request)))
        for column, (unknown, operator) in enumerate(request):
            for number, factor in weights(operator, carried).items():
                place = field.unknown_names.index(unknown)
                matrix[number, place, column] = factor * field.scales[place]
        self.columns = [
            ColumnSum(0.0, [(k, place, float(part[k, place])) for k, place in np.argwhere(part).tolist()])
            for part in np.moveaxis(matrix, 2, 0)
        ]
        self.matrix = field.tensor(matrix.reshape(-1, len(request)))

    def __call__(self, channels: Tensor) -> Tensor:
        """Return the columns (points, len(request)) from channels (channels, points, unknowns)."""
        return channels.transpose(0, 1).flatten(1) @ self.matrix

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return the cotangent of the channels, shaped like them, from that of the columns."""
        return (self.matrix @ cotangent.t()).unflatten(0, (-1, self.num_unknowns)).transpose(1, 2)


class ConstrainedReadout:
    """The affine map from channels to columns of u = g + d · N, by Leibniz's rule; another one at every point.

    ``columns`` says the same as one `ColumnSum` for each column.
    """

    def __init__(self, field: Field, points: np.ndarray, request: Request, carried: tuple[Channel, ...]):
        place = {channel[0][0]: number for number, channel in enumerate(carried) if len(channel) == 1}
        lift = np.zeros((len(points), len(request)))
        factors = np.zeros((len(points), len(request), len(carried)))
        for column, (unknown, operator) in enumerate(request):
            scale = field.scales[field.unknown_names.index(unknown)]
            for number, factor in weights(operator, carried).items():
                factors[:, column, number] = factor * scale
            if field.constraint.holds(unknown):
                indices = closure(operator)
                g, d = field.constraint.evaluate(unknown, points, indices)
                lift[:, column] = sum(g[:, indices.index(index)] for index in operator)
                by_index = leibniz_factors(dict(zip(indices, d.T, strict=True)), operator)
                factors[:, column] *= d[:, :1]
                for index, values in by_index.items():
                    if index in place:
                        factors[:, column, place[index]] = values * scale
        outputs = [field.unknown_names.index(unknown) for unknown, _ in request]
        self.columns = [
            ColumnSum(lift[:, a], [(k, place, factors[:, a, k]) for k in range(len(carried)) if factors[:, a, k].any()])
            for a, place in enumerate(outputs)
        ]
        self.lift, self.factors = field.tensor(lift), field.tensor(factors)
        self.num_unknowns = len(field.scales)
        self.outputs = torch.tensor(outputs, device=field.device)

    def __call__(self, channels: Tensor) -> Tensor:
        """Return the columns (points, len(request)) from channels (channels, points, unknowns)."""
        seen = channels.permute(1, 2, 0).index_select(1, self.outputs)
        return (seen * self.factors).sum(2).add_(self.lift)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return the cotangent of the channels, shaped like them, from that of the columns."""
        by_column = self.factors * cotangent[:, :, None]
        by_output = by_column.new_zeros(len(cotangent), self.num_unknowns, by_column.shape[2])
        return by_output.index_add_(1, self.outputs, by_column).permute(2, 0, 1)
