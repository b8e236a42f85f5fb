"""Any `torch.nn.Module` as a network, with derivatives by the nested engine."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pinn.field.embedding import Embedding
from pinn.field.factorisation import Factorisation
from pinn.field.layout import Layout, Shape
from pinn.field.network.network import evaluation_memory
from pinn.field.request import Channel
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput, Settings, setting

if TYPE_CHECKING:
    from pinn.field.field import Field

LOG = logging.getLogger(__name__)

NOT_SMOOTH = (
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "RReLU", "Threshold", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink",
    "ELU", "CELU", "SELU",
)  # fmt: skip
"""Activations of torch without a continuous second derivative."""

PROBES = 64
"""Points at which second derivatives are looked at before training."""


@dataclass(frozen=True)
class ModuleNetwork(Settings):
    """A module that maps coordinates scaled to [−1, 1] (points, dim) to all unknowns (points, unknowns), point by point.

    The module itself is not changed. Its derivatives are made by the nested engine, whatever is asked for.

    Parameters
    ----------
    module : a `torch.nn.Module`; its present parameters are the start, whatever the seed, and what is not trained stays as it is.
        It cannot be given in a file.
    width : size of its widest layer; sets how many points are evaluated together.

    Raises
    ------
    BadInput : not a module.
    """

    module: Any
    width: int = setting(64, at_least=1, at_most=65536)
    factorisation: ClassVar[Factorisation] = Factorisation()

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.module, str):
            raise BadInput("is a torch module, which can only be given in Python: pinn.solve(..., network=module)", "module")
        if not hasattr(self.module, "named_parameters"):
            raise BadInput(f"must be a torch.nn.Module, got {self.module!r}", "module")

    def embedding(self, problem: Any) -> Embedding:
        """Return the scaling of the coordinates."""
        return Embedding(problem)

    def layout(self, problem: Any) -> Layout:
        """Return the layout of the module's trainable parameters."""
        trained = [(name, parameter) for name, parameter in self.module.named_parameters() if parameter.requires_grad]
        return Layout({name: tuple(parameter.shape) for name, parameter in trained})

    def num_parameters(self, problem: Any) -> int:
        """Return the length of theta."""
        return self.layout(problem).num_params

    def memory(self, problem: Any, num_points: int, carried: tuple[Channel, ...], precision: str = "float64") -> int:
        """Return about how many bytes one evaluation with its reverse pass holds at once, as for other networks."""
        return evaluation_memory(max(self.layout(problem).num_neurons, self.width), num_points, carried, precision)

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the module's own parameters."""
        parameters = dict(self.module.named_parameters())
        return {name: parameters[name].detach().cpu().double().numpy() for name in shapes}

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the module's outputs."""
        from torch.func import functional_call

        others = itertools.chain(self.module.named_parameters(), self.module.named_buffers())
        fixed = {name: part.detach().to(features) for name, part in others if name not in parameters and part.is_floating_point()}
        return functional_call(self.module, {**fixed, **parameters}, (features,))

    def field(
        self,
        problem: Any,
        engine: Literal["taylor", "autograd"] = "autograd",
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        hard: tuple[str, ...] = (),
        compiled: bool | None = None,
    ) -> Field:
        """Return the field of this module for a problem; always by the nested engine, never compiled.

        Raises
        ------
        BadInput : a module with nothing to train, with other inputs than the coordinates or other outputs than the unknowns, or
            without second derivatives where an equation needs them.
        """
        from pinn.field.field import Field

        if engine != "autograd":
            _say_that_it_is_nested()
        self._check(problem)
        return Field(self, problem, "autograd", precision, device, hard)

    def _check(self, problem: Any) -> None:
        import torch

        from pinn.field.nested import differentiate

        layout, dim = self.layout(problem), len(problem.names)
        if not layout.num_params:
            raise BadInput("has no parameters to train", "network.module")
        start = self.draw(layout.shapes, generator(0, "network"))
        parameters = {name: torch.as_tensor(value) for name, value in start.items()}
        points = torch.as_tensor(generator(0, "probes").uniform(-1.0, 1.0, (PROBES, dim)))

        def outputs(x: Any) -> Any:
            return self.apply(parameters, x, None)

        self._check_widths(problem, outputs, points)
        orders = {name: problem.order(name) for name in problem.unknown_names}
        if max(orders.values()) < 2:
            return
        kinds = [type(part).__name__ for part in self.module.modules() if type(part).__module__.startswith("torch.nn.")]
        for kind in kinds:
            if kind in NOT_SMOOTH:
                raise BadInput(f"{kind} has no continuous second derivative, which the equations need; use Tanh", "network.module")
        second = [tuple(map(sum, zip(*pair, strict=True))) for pair in itertools.combinations_with_replacement(_units(dim), 2)]
        found = differentiate(outputs, points, tuple(((index, 1.0),) for index in second), tape=False)
        for number, (name, order) in enumerate(orders.items()):
            if order >= 2 and not found[..., number].any():
                raise BadInput(f"has no second derivatives for {name}, which the equations need; use Tanh", "network.module")

    def _check_widths(self, problem: Any, outputs: Any, points: Any) -> None:
        names, unknowns = ", ".join(problem.names), ", ".join(problem.unknown_names)
        try:
            shape = tuple(outputs(points).shape)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BadInput(f"takes no points with {points.shape[1]} inputs ({names}): {reason}", "network.module") from None
        wanted = (PROBES, len(problem.unknown_names))
        if shape != wanted:
            raise BadInput(f"must map {tuple(points.shape)} to {wanted}, a column for {unknowns}, got {shape}", "network.module")


@functools.cache
def _say_that_it_is_nested() -> None:
    LOG.warning("derivatives of a torch module are made by nested automatic differentiation: its layers have no jets")


def _units(dim: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in np.eye(dim, dtype=int).tolist()]
