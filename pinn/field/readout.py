"""From the channels of a network to the requested derivatives of the unknowns: sums, output scales, hard conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

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


class Readout:
    """The linear map from channels to columns, the same at all points."""

    def __init__(self, field: Outputs, request: Request, carried: tuple[Channel, ...]):
        num_unknowns = len(field.scales)
        matrix = np.zeros((len(carried), num_unknowns, len(request)))
        for column, (unknown, operator) in enumerate(request):
            for number, factor in weights(operator, carried).items():
                place = field.unknown_names.index(unknown)
                matrix[number, place, column] = factor * field.scales[place]
        self.matrix, self.num_unknowns = field.tensor(matrix.reshape(-1, len(request))), num_unknowns

    def __call__(self, channels: Tensor) -> Tensor:
        """Return the columns (points, len(request)) from channels (channels, points, unknowns)."""
        return channels.transpose(0, 1).flatten(1) @ self.matrix

    def pull_back(self, cotangent: Tensor) -> Tensor:
        """Return Σ_a cotangent[:, a] · d columns[:, a] / d channels, (channels, points, unknowns)."""
        return (cotangent @ self.matrix.t()).unflatten(1, (-1, self.num_unknowns)).transpose(0, 1)


class ConstrainedReadout:
    """The affine map from channels to columns of u = g + d · N, by Leibniz's rule; another one at every point."""

    def __init__(self, field: Field, points: np.ndarray, request: Request, carried: tuple[Channel, ...]):
        place = {channel[0][0]: number for number, channel in enumerate(carried) if len(channel) == 1}
        lift = np.zeros((len(points), len(request)))
        factors = np.zeros((len(points), len(request), len(carried)))
        for column, (unknown, operator) in enumerate(request):
            scale = field.scales[field.unknown_names.index(unknown)]
            for number, factor in weights(operator, carried).items():
                factors[:, column, number] = factor * scale
            if unknown in field.constraint.lift:
                indices = closure(operator)
                g, d = field.constraint.evaluate(unknown, points, indices)
                lift[:, column] = sum(g[:, indices.index(index)] for index in operator)
                by_index = leibniz_factors(dict(zip(indices, d.T, strict=True)), operator)
                factors[:, column] *= d[:, :1]
                for index, values in by_index.items():
                    if index in place:
                        factors[:, column, place[index]] = values * scale
        self.lift, self.factors = field.tensor(lift), field.tensor(factors)
        self.num_unknowns = len(field.scales)
        self.outputs = torch.tensor([field.unknown_names.index(unknown) for unknown, _ in request], device=field.device)

    def __call__(self, channels: Tensor) -> Tensor:
        """Return the columns (points, len(request)) from channels (channels, points, unknowns)."""
        seen = channels.permute(1, 2, 0).index_select(1, self.outputs)
        return (seen * self.factors).sum(2).add_(self.lift)

    def pull_back(self, cotangent: Tensor) -> Tensor:
        """Return Σ_a cotangent[:, a] · d columns[:, a] / d channels, (channels, points, unknowns)."""
        pulled = cotangent.new_zeros(len(cotangent), self.num_unknowns, self.factors.shape[2])
        return pulled.index_add_(1, self.outputs, cotangent[:, :, None] * self.factors).permute(2, 0, 1)
