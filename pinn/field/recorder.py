"""What a network does with jets, written down as a list of operations, so that it can be turned into code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pinn.field.embedding import Part
from pinn.field.jet import Plan, ProductRule, composition, leibniz
from pinn.field.request import Channel


@dataclass(frozen=True)
class Ref:
    """A jet on its way through a network; number 0 is that of the features, or of some of them.

    Attributes
    ----------
    width : neurons.
    present : numbers of its channels that are not zero everywhere, the value not counted.
    varies : whether these channels differ between points; those of plain coordinates do not.
    whole : all features, where these are some of them. start : the first of these.
    """

    number: int
    width: int
    present: tuple[int, ...]
    varies: bool = True
    whole: Ref | None = None
    start: int = 0

    @property
    def num_channels(self) -> int:
        """Number of channels, the value counted."""
        return 1 + len(self.present)

    @property
    def stride(self) -> int:
        """Numbers from one point to the next in memory."""
        return self.width if self.whole is None else self.whole.width

    @property
    def runs(self) -> tuple[tuple[int, int, int], ...]:
        """Channels, the value not counted, that lie one after the other in memory: (first, its place there, how many)."""
        places = range(len(self.present)) if self.whole is None else [self.whole.present.index(k) for k in self.present]
        starts = [k for k, place in enumerate(places) if not k or place != places[k - 1] + 1]
        return tuple((k, places[k], end - k) for k, end in zip(starts, [*starts[1:], len(places)], strict=False))


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
    rule: ProductRule


@dataclass(frozen=True)
class Interpolation:
    """out = (1 − factor) · a + factor · b with a parameter by name."""

    out: Ref
    a: Ref
    b: Ref
    factor: str


Operation = Affine | Sum | Product | Interpolation


class Recorder:
    """The algebra that networks are written with, on names: weights and biases are names of parameters, jets are `Ref`.

    Parameters
    ----------
    carried : channels of all jets.
    widths : number of outputs of every weight by name.
    parts : which features belong to which coordinate.

    Raises
    ------
    NotImplementedError : a product of features, or a sum of them or of jets that do not have the same channels.
    """

    def __init__(self, carried: tuple[Channel, ...], widths: dict[str, int], parts: tuple[Part, ...] = ()):
        self.carried, self.widths, self.parts = carried, widths, parts
        self.operations: list[Operation] = []

    def select(self, features: Ref, coordinate: int) -> Ref:
        """Return the features of one coordinate; that is no operation, they are read where they lie."""
        start, stop, present = self.parts[coordinate]
        return replace(features, width=stop - start, present=present, whole=features, start=start)

    def dense(self, x: Ref, weight: str, bias: str, activation: str) -> Ref:
        """Write down σ(x W + b)."""
        plan = composition(self.carried, x.present)
        out = Ref(len(self.operations) + 1, self.widths[weight], plan.outputs)
        self.operations.append(Dense(out, x, weight, bias, activation, plan))
        return out

    def linear(self, x: Ref, weight: str, bias: str) -> Ref:
        """Write down x W + b."""
        out = Ref(len(self.operations) + 1, self.widths[weight], x.present)
        self.operations.append(Affine(out, x, weight, bias))
        return out

    def add(self, a: Ref, b: Ref, factor: float = 1.0) -> Ref:
        """Write down a + factor · b."""
        _check_channels(a, b)
        out = Ref(len(self.operations) + 1, a.width, a.present)
        self.operations.append(Sum(out, a, b, factor))
        return out

    def multiply(self, a: Ref, b: Ref) -> Ref:
        """Write down a · b."""
        _check_computed(a, b)
        rule = leibniz(self.carried, a.present, b.present)
        out = Ref(len(self.operations) + 1, a.width, rule.outputs)
        self.operations.append(Product(out, a, b, rule))
        return out

    def interpolate(self, a: Ref, b: Ref, factor: str) -> Ref:
        """Write down (1 − factor) · a + factor · b."""
        _check_channels(a, b)
        out = Ref(len(self.operations) + 1, a.width, a.present)
        self.operations.append(Interpolation(out, a, b, factor))
        return out


def record(
    network: Any, shapes: dict[str, tuple[int, ...]], features: Ref, carried: tuple[Channel, ...], parts: tuple[Part, ...] = ()
) -> tuple[Operation, ...]:
    """Return the operations of a network that its outputs depend on; the last one gives the outputs.

    Parameters
    ----------
    shapes : of the parameters by name.
    parts : which features belong to which coordinate.

    Raises
    ------
    NotImplementedError : the outputs are the features, or see `Recorder`.
    """
    recorder = Recorder(carried, {name: shape[-1] for name, shape in shapes.items()}, parts)
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


def _check_computed(a: Ref, b: Ref) -> None:
    if not a.number or not b.number:
        raise NotImplementedError("a sum or product of features")


def _check_channels(a: Ref, b: Ref) -> None:
    _check_computed(a, b)
    if a.present != b.present:
        raise NotImplementedError("a sum of jets with different channels")
