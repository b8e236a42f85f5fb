"""The same training step by other packages, where these are installed: JAX, and DeepXDE on torch.

Both are given the weights and points of ours, so their gradients must be ours too. They take chains of tanh layers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from typing import Any

import numpy as np
import torch

from pinn.problem.formulas.program import NUMPY
from pinn.solver.functions import TORCH

NAMES = ("jax", "deepxde")


def installed() -> list[str]:
    """Return the names of the packages that can be had."""
    return [name for name in NAMES if importlib.util.find_spec(name)]


def make_step(name: str, rows: Any, theta: torch.Tensor) -> Any:
    """Return a function that gives the gradient of the mean square of the only residual of ``rows``, (params,)."""
    return {"jax": _jax, "deepxde": _deepxde}[name](rows, rows.terms[0], theta)


def _layers(field: Any, values: Any) -> list[tuple[Any, Any]]:
    """Return weight (inputs, outputs) and bias of every layer of a chain."""
    parts = list(field.layout.unpack(values).values())
    return list(zip(parts[::2], parts[1::2], strict=True))


def _scaling(field: Any) -> tuple[np.ndarray, np.ndarray]:
    scaling = field.embedding.scaling
    return np.asarray(scaling.center), np.asarray(scaling.factor)


def _jax(rows: Any, term: Any, theta: torch.Tensor) -> Any:
    """Gradients of gradients of a function of one point, vectorised over points and compiled."""
    import jax

    jax.config.update("jax_enable_x64", rows.field.dtype == torch.float64)
    functions = {key: getattr(jax.numpy, getattr(function, "__name__", ""), function) for key, function in NUMPY.items()}
    center, factor = _scaling(rows.field)
    ((sites, request),) = term.images

    def network(layers: Any, *x: Any) -> Any:
        h = (jax.numpy.stack(x) - center) * factor
        for weight, bias in layers[:-1]:
            h = jax.numpy.tanh(h @ weight + bias)
        return (h @ layers[-1][0] + layers[-1][1])[0]

    def derivative(index: tuple[int, ...]) -> Any:
        function = network
        for axis, order in enumerate(index):
            for _ in range(order):
                function = jax.grad(function, axis + 1)
        return function

    def residual(layers: Any, x: Any) -> Any:
        columns = [sum(derivative(index)(layers, *x) for index in operator) for _, operator in request]
        return term.evaluate([jax.numpy.stack(columns)[None]], functions)[0]

    def loss(layers: Any, points: Any) -> Any:
        return jax.numpy.mean(jax.vmap(residual, (None, 0))(layers, points) ** 2)

    layers = [(jax.numpy.asarray(w.numpy()), jax.numpy.asarray(b.numpy())) for w, b in _layers(rows.field, theta)]
    points = jax.numpy.asarray(sites.points, layers[0][0].dtype)
    gradient = jax.jit(jax.grad(loss))

    def step() -> torch.Tensor:
        found = jax.block_until_ready(gradient(layers, points))
        return torch.cat([torch.tensor(np.asarray(part)).reshape(-1) for pair in found for part in pair])

    return step


def _deepxde(rows: Any, term: Any, theta: torch.Tensor) -> Any:
    """A step of its training loop, without the change of the weights."""
    os.environ.setdefault("DDE_BACKEND", "pytorch")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import deepxde

        deepxde.config.set_default_float(str(rows.field.dtype).removeprefix("torch."))
    ((sites, request),) = term.images
    center, factor = (torch.as_tensor(part, dtype=theta.dtype) for part in _scaling(rows.field))

    def residual(x: torch.Tensor, u: torch.Tensor) -> Any:
        def derivative(index: tuple[int, ...]) -> torch.Tensor:
            value = u
            for axis, order in enumerate(index):
                for _ in range(order):
                    value = deepxde.grad.jacobian(value, x, i=0, j=axis)
            return value[:, 0]

        return term.evaluate([torch.stack([sum(map(derivative, operator)) for _, operator in request], 1)], TORCH)

    box, points = rows.field.problem.box, sites.points.astype(deepxde.config.real(np))
    data = deepxde.data.PDE(deepxde.geometry.Hypercube(box[:, 0], box[:, 1]), residual, [], anchors=points)
    layers = _layers(rows.field, theta)
    net = deepxde.nn.FNN([len(box), *[weight.shape[1] for weight, _ in layers]], "tanh", "Glorot normal")
    net.apply_feature_transform(lambda x: (x - center) * factor)
    for linear, (weight, bias) in zip(net.linears, layers, strict=True):
        linear.weight.data, linear.bias.data = weight.t().clone(), bias.clone()
    model = deepxde.Model(data, net)
    with contextlib.redirect_stdout(io.StringIO()):
        model.compile("sgd", lr=0.0)

    def step() -> torch.Tensor:
        model.train_step(points, None, None)
        parts = [part for linear in net.linears for part in (linear.weight, linear.bias)]
        found = [torch.zeros_like(part) if part.grad is None else part.grad for part in parts]
        return torch.cat([part.t().reshape(-1) for part in found])

    return step
