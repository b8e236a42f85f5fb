"""A network on jets as compiled code: forward and reverse pass in a few calls, on memory that fits the cache."""

from __future__ import annotations

import ctypes
import logging
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.activation import ACTIVATIONS
from pinn.field.compiler import FAILURES, compile_library
from pinn.field.embedding import Part
from pinn.field.jet import Jet
from pinn.field.layout import Layout, Shape
from pinn.field.native_code import write_code
from pinn.field.recorder import Operation, Ref, record
from pinn.field.request import Channel

LOG = logging.getLogger(__name__)
TYPES = {torch.float64: "double", torch.float32: "float"}


MOST_KEPT = 4
"""Pieces of memory of one network that wait to be used again; more are in use at a time only while several tapes are alive."""


class Memory:
    """Pieces of memory that are used again: fresh ones cost more than the work that is done on them.

    `take` lends a tensor with at least so many numbers; it goes back when the `Loan` is deleted. Threads may share it, since
    compiled code runs beside other threads.
    """

    def __init__(self) -> None:
        self.free: list[Tensor] = []

    def take(self, like: Tensor, count: int) -> Loan:
        """Return a loan of ``count`` numbers or more of the type of ``like``."""
        with suppress(IndexError):  # of `pop`, when another thread was faster
            while self.free:
                memory = self.free.pop()
                if len(memory) >= count:
                    return Loan(self, memory)
        return Loan(self, like.new_empty(count))


class Loan:
    """A tensor (numbers,) that goes back to its `Memory` when nobody holds the loan."""

    def __init__(self, memory: Memory, tensor: Tensor):
        self.tensor, self._memory = tensor, memory

    def __del__(self):
        if len(self._memory.free) < MOST_KEPT:
            self._memory.free.append(self.tensor)


class Tape(NamedTuple):
    """What a reverse pass needs of its forward pass."""

    memory: Loan
    bases: list[Tensor]
    pointers: Any


class NativeNetwork:
    """A recorded network compiled for one number type; on a processor, for one thread.

    Parameters
    ----------
    operations : of the network, from `pinn.field.recorder.record`.
    layout : of θ.

    Raises
    ------
    OSError, RuntimeError, subprocess.SubprocessError : see `pinn.field.compiler.compile_library`.
    """

    def __init__(self, operations: tuple[Operation, ...], layout: Layout, dtype: torch.dtype):
        self._made_of = (operations, layout, dtype)
        self.num_params, self.dtype = layout.num_params, dtype
        self.code = write_code(operations, layout, TYPES[dtype], num_bases)
        library = compile_library(self.code.text)
        self.tapes = Memory()
        self._works = {name: Memory() for name in self.code.work}
        self._phases = [_prototype(library[f"phase{k}"], 6) for k in range(len(self.code.stops) + 1)]
        self._reverse = {name: _prototype(library[name], 9) for name in self.code.work}

    def __reduce__(self):
        """Copies, also those in another process, are made of the same operations."""
        return NativeNetwork, self._made_of

    def forward(self, theta: Tensor, features: Jet) -> tuple[Tensor, Tape]:
        """Return the channels of the outputs (channels, points, outputs) and the tape.

        Raises
        ------
        ValueError : θ is not (params,) of the right number type on a processor.
        """
        if theta.shape != (self.num_params,) or theta.dtype != self.dtype or theta.device.type != "cpu":
            given = f"{tuple(theta.shape)} {theta.dtype} on {theta.device.type}"
            raise ValueError(f"theta must be ({self.num_params},) {self.dtype} on cpu, got {given}")
        n, theta = len(features.value), theta.contiguous()
        loan = self.tapes.take(theta, self.code.tape.numbers(n))
        memory = loan.tensor
        bases: list[Tensor] = []
        pointers = (ctypes.c_void_p * (3 * len(self.code.stops) + 1))()
        fixed = (n, theta.data_ptr(), features.value.data_ptr(), features.rest.data_ptr(), memory.data_ptr(), pointers)
        for phase, (activation, order, argument) in zip(self._phases, self.code.stops, strict=False):
            phase(*fixed)
            for base in ACTIVATIONS[activation].bases(self._array(memory, argument, n), order):
                pointers[len(bases)] = base.data_ptr()
                bases.append(base)
        self._phases[-1](*fixed)
        name, channels, width = self.code.output
        return self._array(memory, name, n).view(channels, n, width).clone(), Tape(loan, bases, pointers)

    def backward(self, theta: Tensor, features: Jet, tape: Tape, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d outputs / dθ, (params,), for a cotangent (channels, points, outputs)."""
        return self._run("backward", theta, features, tape, cotangent, theta.new_zeros(self.num_params))

    def rows(self, theta: Tensor, features: Jet, tape: Tape, cotangent: Tensor) -> Tensor:
        """Return the same for every point on its own, (points, params)."""
        gradient = theta.new_zeros(len(features.value), self.num_params)
        return self._run("rows", theta, features, tape, cotangent, gradient)

    def _run(self, name: str, theta: Tensor, features: Jet, tape: Tape, cotangent: Tensor, gradient: Tensor) -> Tensor:
        n, theta, cotangent = len(features.value), theta.contiguous(), cotangent.contiguous()
        work = self._works[name].take(theta, self.code.work[name].numbers(n))
        given = (tensor.data_ptr() for tensor in (theta, features.value, features.rest, tape.memory.tensor))
        wanted = (tensor.data_ptr() for tensor in (cotangent, gradient, work.tensor))
        self._reverse[name](n, *given, tape.pointers, *wanted)
        return gradient

    def _array(self, memory: Tensor, name: str, n: int) -> Tensor:
        points, fixed, size = self.code.tape.places[name]
        return memory.narrow(0, points * n + fixed, size * n)


class Apply(Function):
    """The outputs of a `NativeNetwork` as a function of θ on torch's tape."""

    @staticmethod
    def forward(ctx, theta, network, features):
        """Return the channels of the outputs."""
        channels, ctx.known = network.forward(theta.detach(), features)
        ctx.network, ctx.features = network, features
        ctx.save_for_backward(theta)
        return channels

    @staticmethod
    @once_differentiable
    def backward(ctx, cotangent):
        """Return the gradient by θ."""
        (theta,) = ctx.saved_tensors
        return ctx.network.backward(theta, ctx.features, ctx.known, cotangent), None, None


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


def _prototype(function: Any, num_arguments: int) -> Any:
    function.restype = None
    function.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * (num_arguments - 1)
    return function
