"""Exact derivatives of any network by its inputs, on their own: no problem, no training needed.

A *function* here is a `pinn.field.solution.Solution` (what a run returns), or anything that maps a tensor (points, dim) to a tensor
(points, outputs) point by point: a `torch.nn.Module`, a lambda around one. Derivatives are by the function's own arguments; when a
network was trained on scaled inputs and outputs, wrap it in `scaled` first, or they come out by the scaled ones.

    import pinn
    function = pinn.derivatives.scaled(network, low=[0, 0], high=[5, 2], factor=300.0)
    pinn.derivatives.jacobian(function, points)          # (points, outputs, dim)
    pinn.derivatives.check(function, points).worst       # against finite differences
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.field.nested import differentiate
from pinn.field.solution import Solution
from pinn.problem.formulas.tree import Index
from pinn.problem.settings import BadInput

Function = Solution | Callable[[Tensor], Tensor]
LARGEST_ORDER = 4


def scaled(
    network: Callable[[Tensor], Tensor], low: Any, high: Any, factor: Any = 1.0, shift: Any = 0.0
) -> Callable[[Tensor], Tensor]:
    """Return x ↦ shift + factor · network(z) with z from −1 at ``low`` to 1 at ``high``: a network in physical units.

    Parameters
    ----------
    low, high : range of every input, (dim,).
    factor, shift : scale and offset of every output, (outputs,) or numbers.
    """
    low, high, factor, shift = (torch.as_tensor(values, dtype=torch.float64) for values in (low, high, factor, shift))

    def function(x: Tensor) -> Tensor:
        centre, half, size, offset = (part.to(x) for part in ((low + high) / 2, (high - low) / 2, factor, shift))
        return offset + size * network((x - centre) / half)

    return function


def derivatives(function: Function, points: np.ndarray, indices: Sequence[Index]) -> np.ndarray:
    """Return partial derivatives, (points, outputs, len(indices)), float64.

    Parameters
    ----------
    points : (points, dim).
    indices : orders by every input: ``(0, 0)`` is the value, ``(2, 1)`` is ∂³/∂x₁²∂x₂.

    Raises
    ------
    BadInput : an index that does not fit the points or is of order above 4; a function that does not take such points.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2:
        raise BadInput(f"must be an array (points, dim), got shape {points.shape}", "points")
    dim = points.shape[1]
    for index in indices:
        if len(index) != dim or min(index) < 0 or sum(index) > LARGEST_ORDER:
            raise BadInput(f"{index} names no derivative of order at most {LARGEST_ORDER} in {dim} inputs", "indices")
    return _of_solution(function, points, indices) if isinstance(function, Solution) else _of_module(function, points, indices)


def jacobian(function: Function, points: np.ndarray) -> np.ndarray:
    """Return ∂output/∂input, (points, outputs, dim), at points (points, dim)."""
    return derivatives(function, points, [tuple(row) for row in np.eye(np.shape(points)[1], dtype=int).tolist()])


def hessian(function: Function, points: np.ndarray) -> np.ndarray:
    """Return ∂²output/∂input², (points, outputs, dim, dim), at points (points, dim)."""
    unit = np.eye(np.shape(points)[1], dtype=int)
    pairs = list(itertools.combinations_with_replacement(range(len(unit)), 2))
    values = derivatives(function, points, [tuple((unit[a] + unit[b]).tolist()) for a, b in pairs])
    out = np.empty((*values.shape[:2], len(unit), len(unit)))
    for place, (a, b) in enumerate(pairs):
        out[..., a, b] = out[..., b, a] = values[..., place]
    return out


def sensitivity(function: Function, points: np.ndarray) -> np.ndarray:
    """Return how much each output depends on each input, (outputs, dim), without units.

    It is the root mean square over ``points`` (points, dim) of ∂output/∂input, times the range of that input among the points, over
    the standard deviation of the output there. An output that does not vary has infinite or undefined (NaN) entries.
    """
    points = np.asarray(points, dtype=float)
    values = derivatives(function, points, [(0,) * points.shape[1]])[..., 0]
    slopes = np.sqrt(np.mean(np.square(jacobian(function, points)), axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return slopes * np.ptp(points, axis=0) / values.std(axis=0)[:, None]


class Check(NamedTuple):
    """Exact derivatives against finite differences.

    Attributes
    ----------
    indices : what was compared. exact, differences : (points, outputs, len(indices)).
    """

    indices: tuple[Index, ...]
    exact: np.ndarray
    differences: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """Largest difference for every index, relative to its largest value, (len(indices),)."""
        size = np.abs(self.exact).max(axis=(0, 1), initial=1e-300)
        return np.abs(self.exact - self.differences).max(axis=(0, 1), initial=0.0) / size

    @property
    def worst(self) -> float:
        """The largest of them."""
        return float(self.relative.max(initial=0.0))


def check(function: Function, points: np.ndarray, indices: Sequence[Index] | None = None, step: Any = None) -> Check:
    """Compare derivatives with finite differences, each of the derivative one below it, at fourth order.

    Parameters
    ----------
    points : (points, dim); the function is evaluated up to two steps beside them.
    indices : which derivatives, as in `derivatives`; default all of first and second order.
    step : in every input, (dim,) or a number; default 5e-4 of the range of the points.
    """
    points = np.asarray(points, dtype=float)
    dim = points.shape[1]
    spread = np.ptp(points, axis=0)
    steps = np.broadcast_to(5e-4 * np.where(spread > 0, spread, 1.0) if step is None else step, dim)
    if indices is None:
        indices = [index for index in itertools.product(range(3), repeat=dim) if 0 < sum(index) <= 2]
    exact = derivatives(function, points, indices)
    return Check(tuple(indices), exact, np.stack([_difference(function, points, index, steps) for index in indices], axis=2))


def _difference(function: Function, points: np.ndarray, index: Index, steps: np.ndarray) -> np.ndarray:
    """Return (points, outputs): the central difference along the first input that the index names; values as they are."""
    axis = next((axis for axis, count in enumerate(index) if count), None)
    if axis is None:
        return derivatives(function, points, [index])[..., 0]
    lower = (*index[:axis], index[axis] - 1, *index[axis + 1 :])
    shift = np.where(np.arange(len(index)) == axis, steps, 0.0)
    far, near, on, beyond = (derivatives(function, points + k * shift, [lower])[..., 0] for k in (-2, -1, 1, 2))
    return (8 * (on - near) - (beyond - far)) / (12 * steps[axis])


def _of_solution(solution: Solution, points: np.ndarray, indices: Sequence[Index]) -> np.ndarray:
    names, dim = solution.field.unknown_names, len(solution.field.problem.coordinates)
    if points.shape[1] != dim:
        raise BadInput(f"must have {dim} columns, one for each coordinate of the problem, got {points.shape[1]}", "points")
    values = solution(points, tuple((name, (index,)) for name in names for index in indices))
    return values.reshape(len(points), len(names), len(indices))


def _of_module(function: Callable[[Tensor], Tensor], points: np.ndarray, indices: Sequence[Index]) -> np.ndarray:
    parameter = next(function.parameters(), None) if isinstance(function, torch.nn.Module) else None
    x = torch.as_tensor(points) if parameter is None else torch.as_tensor(points).to(parameter)
    try:
        outputs = function(x[:1])
    except RuntimeError as error:
        raise BadInput(f"takes no points with {points.shape[1]} inputs: {str(error).splitlines()[0]}", "function") from None
    if outputs.ndim != 2 or len(outputs) != len(x[:1]):
        raise BadInput(f"must map (points, dim) to (points, outputs), got shape {tuple(outputs.shape)} for one point", "function")
    channels = tuple(((tuple(index), 1.0),) for index in indices)
    return differentiate(function, x, channels, tape=False).permute(1, 2, 0).cpu().double().numpy()
