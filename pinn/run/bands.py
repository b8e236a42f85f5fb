"""How well functions are known that observations determine: standard errors on the grid on which a solution is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pinn.problem.sites import Sites, grid_shape, tensor_points

if TYPE_CHECKING:
    from torch import Tensor

    from pinn.field.field import Field
    from pinn.problem.unknowns import Unknown
    from pinn.solver.rows import Rows

MOST_PLACES = 20_000
"""Where standard errors are computed; on larger grids there are none."""

TOGETHER = 1000
"""Places whose derivatives by all parameters are kept at a time."""


def standard_errors(
    field: Field, rows: Rows, theta: Tensor, noise: dict[str, float], unknowns: Sequence[Unknown], axes: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the standard errors of functions on a grid by name; nothing of very large networks, and on very large grids.

    Parameters
    ----------
    theta : (params,). noise : standard deviation of each term of observations, as its formula has it.
    axes : of the evaluation grid, one for each coordinate.
    """
    from pinn.solver.covariance import standard_errors as errors

    found = {}
    for unknown in unknowns:
        own = [axis if name in unknown.depends else axis[:1] for name, axis in zip(field.problem.names, axes, strict=True)]
        places = tensor_points(tuple(own))
        known = None if len(places) > MOST_PLACES else errors(rows, theta, _jacobians(field, theta, unknown.name, places), noise)
        if known is not None:
            shape = tuple(map(len, own))
            found[unknown.name] = np.broadcast_to(known.reshape(shape), tuple(map(len, axes))).reshape(grid_shape(axes))
    return found


def _jacobians(field: Field, theta: Tensor, name: str, places: np.ndarray) -> Iterator[Tensor]:
    """Yield the derivatives of the values of an unknown by all parameters, (places, params), in parts."""
    from pinn.solver.blocks import BlockMatrix

    request = ((name, ((0,) * places.shape[1],)),)
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        jacobian = field.at(Sites(some), request).linearise(theta).jacobian(theta.new_ones(len(some), 1))
        yield BlockMatrix(list(jacobian.blocks()), (len(some), len(theta))).dense()
