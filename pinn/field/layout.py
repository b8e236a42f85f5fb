"""The layout of theta: which part of the flat vector is which parameter."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

Shape = tuple[int, ...]


class Layout:
    """Named parameters in one flat vector, in the order given.

    Parameters
    ----------
    shapes : shape of each parameter; names of the last linear layer begin with ``output.``.
    """

    def __init__(self, shapes: Mapping[str, Shape]):
        self.shapes = dict(shapes)
        self.sizes = [prod(shape) for shape in self.shapes.values()]
        self.num_params = sum(self.sizes)
        ends = np.cumsum(self.sizes).tolist()
        self.places = {
            name: (slice(end - size, end), self.shapes[name]) for name, size, end in zip(self.shapes, self.sizes, ends, strict=True)
        }

    def __getitem__(self, name: str) -> tuple[slice, Shape]:
        """Return where a parameter lies in theta, and its shape."""
        return self.places[name]

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Positions in theta of the ``hidden`` and of the last, ``linear`` layer."""
        is_last = np.zeros(self.num_params, dtype=bool)
        for name, (place, _) in self.places.items():
            is_last[place] = name.startswith("output.")
        return {"hidden": np.flatnonzero(~is_last), "linear": np.flatnonzero(is_last)}

    @property
    def num_neurons(self) -> int:
        """Number of outputs of all layers together."""
        return sum(shape[-1] for name, shape in self.shapes.items() if name.endswith("bias"))

    def unpack(self, theta: Any) -> dict[str, Any]:
        """Return the parameters as views of the tensor theta (params,), or (members, params) of several equal networks."""
        pieces = theta.split(self.sizes, -1)
        return {
            name: piece.view(*theta.shape[:-1], *shape) for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def pack(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return theta (params,) from arrays by name."""
        return np.concatenate([np.asarray(parameters[name], dtype=float).reshape(-1) for name in self.shapes])
