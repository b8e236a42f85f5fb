"""Networks on jets as compiled code: forward and reverse pass in a few calls, on memory that fits the cache."""

from __future__ import annotations

import ctypes
import logging
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.activation import ACTIVATIONS
from pinn.field.block import Block, member_blocks
from pinn.field.compiler import FAILURES, compile_library
from pinn.field.embedding import Part
from pinn.field.jet import Jet
from pinn.field.layout import Layout, Shape
from pinn.field.memory import Loan, Memory, large_empty
from pinn.field.native_code import JACOBIAN, write_code
from pinn.field.recorder import Operation, Ref, record
from pinn.field.request import Channel

LOG = logging.getLogger(__name__)
TYPES = {torch.float64: "double", torch.float32: "float"}
WIDEST_COMPILED = 256
"""Above this width torch's products of matrices gain more than one pass over memory does."""
TAPE_NUMBERS = 2**20
"""Numbers of all layers' jets, before and after the activations, that are best held at a time by compiled code."""
NUM_ARGUMENTS = {"backward": 3, "factors": 3, "rows": 2, "apply": 4, "transpose": 4}
"""Of every compiled function, beyond the seven that all have."""


class Inputs:
    """What the first layer sees at the points of one network, or of several, member by member.

    Parameters
    ----------
    features : value (points, features); rest (channels, points or 1, features), or, of several members, a row for each of them
        (members, channels, features) where the channels do not vary with the point.
    counts : number of points of every member; by default there is one member.
    """

    def __init__(self, features: Jet, counts: Tensor | None = None):
        self.value, self.rest = features.value.contiguous(), features.rest.contiguous()
        counts = torch.tensor([len(self.value)]) if counts is None else counts
        self.starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        self.num_members, self.num_points, self.largest = len(counts), len(self.value), int(counts.max())


class Tape(NamedTuple):
    """What a reverse pass needs of its forward pass."""

    memory: Loan
    bases: list[Tensor]
    pointers: Any


class NativeNetwork:
    """Equal networks compiled for one number type; on a processor, for one thread.

    θ is (members · params,), that of one member after that of another; points stand member by member. Outputs and cotangents are
    (channels, points, outputs) for a single member; of several they are the same for each, one after another in one flat tensor.

    Parameters
    ----------
    operations : of one network, from `pinn.field.recorder.record`.
    layout : of its parameters.

    Raises
    ------
    OSError, RuntimeError, subprocess.SubprocessError : see `pinn.field.compiler.compile_library`.
    """

    def __init__(self, operations: tuple[Operation, ...], layout: Layout, dtype: torch.dtype):
        self._made_of = (operations, layout, dtype)
        self.num_params, self.dtype = layout.num_params, dtype
        self.code = write_code(operations, layout, TYPES[dtype], num_bases)
        library = compile_library(self.code.text)
        self._backward = _prototype(library["backward"], NUM_ARGUMENTS["backward"])
        self.tapes, self.kept = Memory(), Memory()
        self._works = {name: Memory() for name in self.code.work}
        self._phases = [_prototype(library[f"phase{k}"], 0) for k in range(len(self.code.stops) + 1)]

    @cached_property
    def _jacobian(self) -> dict[str, Any]:
        """The functions of Jacobians by name, compiled when the first of them is needed."""
        library = compile_library(self.code.jacobian)
        return {name: _prototype(library[name], more) for name, more in NUM_ARGUMENTS.items() if name in JACOBIAN}

    def __reduce__(self):
        """Copies, also those in another process, are made of the same operations."""
        return NativeNetwork, self._made_of

    def forward(self, theta: Tensor, inputs: Inputs) -> tuple[Tensor, Tape]:
        """Return the channels of the outputs and the tape; the first is a view of the second.

        Raises
        ------
        ValueError : θ is not (members · params,) of the right number type on a processor.
        """
        size = inputs.num_members * self.num_params
        if theta.shape != (size,) or theta.dtype != self.dtype or theta.device.type != "cpu":
            given = f"{tuple(theta.shape)} {theta.dtype} on {theta.device.type}"
            raise ValueError(f"theta must be ({size},) {self.dtype} on cpu, got {given}")
        theta = theta.contiguous()
        loan = self.tapes.take(theta, self.code.tape.numbers(inputs.num_points, inputs.num_members))
        bases: list[Tensor] = []
        tape = Tape(loan, bases, (ctypes.c_void_p * (3 * len(self.code.stops) + 1))())
        fixed = _arguments(theta, inputs, tape)
        for phase, (activation, order, argument) in zip(self._phases, self.code.stops, strict=False):
            phase(*fixed)
            for base in ACTIVATIONS[activation].bases(self._array(tape, argument, inputs), order):
                tape.pointers[len(bases)] = base.data_ptr()
                bases.append(base)
        self._phases[-1](*fixed)
        name, channels, width = self.code.output
        outputs = self._array(tape, name, inputs)
        return outputs.view(channels, inputs.num_points, width) if inputs.num_members == 1 else outputs, tape

    def backward(self, theta: Tensor, inputs: Inputs, tape: Tape, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d outputs / dθ, shaped like θ."""
        gradient = torch.zeros_like(theta)
        self._run("backward", theta, inputs, tape, cotangent.contiguous(), gradient)
        return gradient

    def factors(self, theta: Tensor, inputs: Inputs, tape: Tape, cotangent: Tensor) -> Loan:
        """Return what `NativeJacobian` needs of the derivative of Σ cotangent · outputs at every point."""
        kept = self.kept.take(theta, self.code.kept.numbers(inputs.num_points, inputs.num_members))
        self._run("factors", theta, inputs, tape, cotangent.contiguous(), kept.tensor)
        return kept

    def rows(self, theta: Tensor, inputs: Inputs, tape: Tape, kept: Loan) -> Tensor:
        """Return the gradient of every point by the parameters of its member, (points, params of a member)."""
        rows = large_empty(theta, inputs.num_points, self.num_params)
        self._run("rows", theta, inputs, tape, kept.tensor, rows)
        return rows

    def apply(self, theta: Tensor, inputs: Inputs, tape: Tape, kept: Loan, vector: Tensor) -> Tensor:
        """Return these gradients times a vector shaped like θ, (points,)."""
        results = vector.new_empty(inputs.num_points)
        self._run("apply", theta, inputs, tape, kept.tensor, vector.contiguous(), results)
        return results

    def transpose_apply(self, theta: Tensor, inputs: Inputs, tape: Tape, kept: Loan, vector: Tensor) -> Tensor:
        """Return Σ vector · gradient over points, shaped like θ, for a vector (points,)."""
        product = torch.zeros_like(theta)
        self._run("transpose", theta, inputs, tape, kept.tensor, vector.contiguous(), product)
        return product

    def _run(self, name: str, theta: Tensor, inputs: Inputs, tape: Tape, *others: Tensor) -> None:
        pointers = [tensor.data_ptr() for tensor in others]
        if name in self._works:
            work = self._works[name].take(theta, self.code.work[name].numbers(inputs.largest, 1))
            pointers.append(work.tensor.data_ptr())
        theta = theta.contiguous()
        function = self._jacobian[name] if name in JACOBIAN else self._backward
        function(*_arguments(theta, inputs, tape), *pointers)

    def _array(self, tape: Tape, name: str, inputs: Inputs) -> Tensor:
        points, members, per_point, _ = self.code.tape.places[name]
        start = points * inputs.num_points + members * inputs.num_members
        return tape.memory.tensor.narrow(0, start, per_point * inputs.num_points)


class NativeChannels:
    """Channels at one θ, ``values``, with derivatives by compiled code; shapes as `NativeNetwork` has them."""

    def __init__(self, network: NativeNetwork, theta: Tensor, inputs: Inputs):
        self._network, self._theta, self._inputs = network, theta, inputs
        self.values, self._tape = network.forward(theta, inputs)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, shaped like θ."""
        return self._network.backward(self._theta, self._inputs, self._tape, cotangent)

    def jacobian(self, cotangent: Tensor) -> NativeJacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        kept = self._network.factors(self._theta, self._inputs, self._tape, cotangent)
        return NativeJacobian(self._network, (self._theta, self._inputs, self._tape, kept))


class NativeJacobian:
    """The compiled twin of `pinn.field.factors.Factors`: J of a scalar per point, each by the parameters of its own member."""

    def __init__(self, network: NativeNetwork, made_of: tuple[Tensor, Inputs, Tape, Loan]):
        self._network, self._made_of = network, made_of

    def dense(self) -> Tensor:
        """Return what is not zero in J, (points, params of a member)."""
        return self._network.rows(*self._made_of)

    def blocks(self) -> tuple[Block, ...]:
        """Return J as one block for every member that has points."""
        return member_blocks(self.dense(), self._made_of[1].starts.tolist())

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v shaped like θ."""
        return self._network.apply(*self._made_of, vector)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, shaped like θ, for w (points,)."""
        return self._network.transpose_apply(*self._made_of, vector)


class Apply(Function):
    """The outputs of a `NativeNetwork` as a function of θ on torch's tape."""

    @staticmethod
    def forward(ctx, theta, network, inputs):
        """Return the channels of the outputs."""
        channels, ctx.known = network.forward(theta.detach(), inputs)
        ctx.network, ctx.inputs = network, inputs
        ctx.save_for_backward(theta)
        return channels.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, cotangent):
        """Return the gradient by θ."""
        (theta,) = ctx.saved_tensors
        return ctx.network.backward(theta, ctx.inputs, ctx.known, cotangent), None, None


def _arguments(theta: Tensor, inputs: Inputs, tape: Tape) -> tuple[Any, ...]:
    """Return what all compiled functions take first."""
    pointers = (tensor.data_ptr() for tensor in (inputs.starts, theta, inputs.value, inputs.rest, tape.memory.tensor))
    return (inputs.num_members, *pointers, tape.pointers)


def num_bases(activation: str, order: int) -> int:
    """Return how many bases an activation has for its derivatives up to an order."""
    return len(ACTIVATIONS[activation].bases(torch.zeros(1), order))


@lru_cache(maxsize=64)
def native_network(
    network: Any,
    shapes: tuple[tuple[str, Shape], ...],
    features: Ref,
    carried: tuple[Channel, ...],
    parts: tuple[Part, ...],
    dtype: torch.dtype,
) -> NativeNetwork | None:
    """Return the compiled network, or None where that fails (a full disk), with a warning; made at the first call.

    Parameters
    ----------
    network : settings of a `pinn.field.network.network.Network`.
    shapes : of its parameters by name, in the order of θ.
    features : what comes in. parts : which of them belong to which coordinate.
    """
    layout = Layout(dict(shapes))
    try:
        return NativeNetwork(record(network, layout.shapes, features, carried, parts), layout, dtype)
    except FAILURES as error:
        LOG.warning("derivatives go on without compiled code, more slowly: %s", error)
        return None


def _prototype(function: Any, more: int) -> Any:
    function.restype = None
    function.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * (6 + more)
    return function
