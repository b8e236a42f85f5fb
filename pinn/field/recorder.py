"""What a network does with jets, written down as a list of operations, so that it can be turned into code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pinn.field.jet import Plan, composition, leibniz
from pinn.field.request import Channel


@dataclass(frozen=True)
class Ref:
    """A jet on its way through a network; number 0 is that of the features.

    Attributes
    ----------
    width : neurons.
    present : numbers of its channels that are not zero everywhere, the value not counted.
    varies : whether these channels differ between points; those of plain coordinates do not.
    """

    number: int
    width: int
    present: tuple[int, ...]
    varies: bool = True

    @property
    def num_channels(self) -> int:
        """Number of channels, the value counted."""
        return 1 + len(self.present)


@dataclass(frozen=True)
class Affine:
    """out = x W + b with parameters by name."""

    out: Ref
    x: Ref
    weight: str
    bias: str


@dataclass(frozen=True)
class Dense(Affine):
    """out = σ(x W + b); ``plan`` is from `pinn.field.jet.composition`."""

    activation: str
    plan: Plan


@dataclass(frozen=True)
class Sum:
    """out = a + factor · b."""

    out: Ref
    a: Ref
    b: Ref
    factor: float


@dataclass(frozen=True)
class Product:
    """out = a · b by Leibniz's ``rule``, see `pinn.field.jet.leibniz`."""

    out: Ref
    a: Ref
    b: Ref
    rule: tuple[tuple[int, int, int, float], ...]


Operation = Affine | Sum | Product


class Recorder:
    """The algebra that networks are written with, on names: weights and biases are names of parameters, jets are `Ref`.

    Parameters
    ----------
    carried : channels of all jets.
    widths : number of outputs of every weight by name.

    Raises
    ------
    NotImplementedError : a sum or product of features, or of jets that do not have the same channels.
    """

    def __init__(self, carried: tuple[Channel, ...], widths: dict[str, int]):
        self.carried, self.widths = carried, widths
        self.operations: list[Operation] = []

    def dense(self, x: Ref, weight: str, bias: str, activation: str) -> Ref:
        """Write down σ(x W + b)."""
        plan = composition(self.carried, x.present)
        out = Ref(len(self.operations) + 1, self.widths[weight], tuple(range(plan.num_outputs)))
        self.operations.append(Dense(out, x, weight, bias, activation, plan))
        return out

    def linear(self, x: Ref, weight: str, bias: str) -> Ref:
        """Write down x W + b."""
        out = Ref(len(self.operations) + 1, self.widths[weight], x.present)
        self.operations.append(Affine(out, x, weight, bias))
        return out

    def add(self, a: Ref, b: Ref, factor: float = 1.0) -> Ref:
        """Write down a + factor · b."""
        _check_channels(a, b, a.present)
        out = Ref(len(self.operations) + 1, a.width, a.present)
        self.operations.append(Sum(out, a, b, factor))
        return out

    def multiply(self, a: Ref, b: Ref) -> Ref:
        """Write down a · b."""
        _check_channels(a, b, tuple(range(len(self.carried) - 1)))
        out = Ref(len(self.operations) + 1, a.width, a.present)
        self.operations.append(Product(out, a, b, leibniz(self.carried)))
        return out


def record(network: Any, shapes: dict[str, tuple[int, ...]], features: Ref, carried: tuple[Channel, ...]) -> tuple[Operation, ...]:
    """Return the operations of a network that its outputs depend on; the last one gives the outputs.

    Parameters
    ----------
    shapes : of the parameters by name.

    Raises
    ------
    NotImplementedError : the outputs are the features, or see `Recorder`.
    """
    recorder = Recorder(carried, {name: shape[-1] for name, shape in shapes.items()})
    outputs = network.apply({name: name for name in shapes}, features, recorder)
    needed, used = {outputs.number}, []
    for operation in reversed(recorder.operations):
        if operation.out.number in needed:
            used.append(operation)
            needed |= {ref.number for ref in _inputs(operation)}
    if not used:
        raise NotImplementedError("a network whose outputs are its features")
    return tuple(reversed(used))


def _inputs(operation: Operation) -> tuple[Ref, ...]:
    return (operation.x,) if isinstance(operation, Affine) else (operation.a, operation.b)


def _check_channels(a: Ref, b: Ref, present: tuple[int, ...]) -> None:
    if not a.number or not b.number or not a.present == b.present == present:
        raise NotImplementedError("a sum or product of features, or of jets with other channels")
