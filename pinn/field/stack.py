"""A stack of equal networks that are evaluated together, each at its own points: what decompositions of a domain stand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pinn.field import compiler
from pinn.field.device import choose_device
from pinn.field.embedding import Part
from pinn.field.jacobian import Linearised
from pinn.field.layout import Layout
from pinn.field.members import CompiledMembers, Members, TensorMembers
from pinn.field.native import TAPE_NUMBERS, WIDEST_COMPILED, native_network
from pinn.field.readout import Readout
from pinn.field.recorder import Ref
from pinn.field.request import Channel, Request, channels
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput, nearest


class Stack:
    """Networks N_k((x − c_k)/h_k; θ_k) of equal shape, k = 0 … members − 1, each with its own box of centre c_k and half-width h_k.

    θ (members · params of one,) has one member after the other, so that a member's parameters are one contiguous slice: it can be
    handed to compiled code, frozen, moved to another process or solved for on its own, without copies. Derivatives are by x, so
    the scales 1/h_k are in them. A point is evaluated by the members that the caller pairs it with; outputs have no further scale.

    Parameters
    ----------
    network : settings of every member; features that are periodic in a problem's coordinates are not made, since a box is not.
    boxes : (members, dim, 2), low and high of every coordinate for every member; points may lie outside.
    unknowns : names of the outputs.
    precision, device : of θ and all jets; see `pinn.field.device.choose_device`.
    compiled : whether to run compiled code on a processor, which changes results by rounding; None means where there is a C
        compiler and the network is not so wide that the products of matrices are all that counts.

    Attributes
    ----------
    count : number of members. layout : of the parameters of one. num_params : length of θ. compiled : what was decided.

    Raises
    ------
    BadInput : boxes of another shape, or not low < high; factorised weights; a device or precision that cannot be had.
    """

    def __init__(
        self,
        network: Any,
        boxes: np.ndarray,
        unknowns: tuple[str, ...] = ("u",),
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        compiled: bool | None = None,
    ):
        boxes = _checked(boxes)
        if network.factorisation.mean is not None:
            raise BadInput("weights of a stack cannot be factorised", "network.factorisation")
        self.network, self.unknown_names = network, list(unknowns)
        self.count, self.dim = boxes.shape[:2]
        self.centers, self.factors = boxes.mean(2), 2.0 / (boxes[..., 1] - boxes[..., 0])
        self.device, self.dtype = choose_device(device, precision), getattr(torch, precision)
        self.layout = Layout(network.shapes((1,) * self.dim, len(unknowns)))
        self.num_params = self.count * self.layout.num_params
        self.scales = np.ones(len(unknowns))
        may_compile = self.device.type == "cpu" and compiler.is_available()
        self.compiled = may_compile and (network.width <= WIDEST_COMPILED if compiled is None else compiled)

    def initial(self, seed: int, number: int = 0, names: Sequence[int] | None = None) -> Tensor:
        """Return θ at the start; every member is drawn on its own, by its name, whatever others there are.

        Parameters
        ----------
        number : of this stack among several.
        names : whole numbers, (members,); 0 … members − 1 by default.
        """
        name = f"network/{number}" if number else "network"
        drawn = [self.network.draw(self.layout.shapes, generator(seed, name, k)) for k in names or range(self.count)]
        return self.tensor(np.concatenate([self.layout.pack(values) for values in drawn]))

    def part(self, member: int) -> slice:
        """Return where the parameters of a member lie in θ."""
        return slice(member * self.layout.num_params, (member + 1) * self.layout.num_params)

    def at(self, points: np.ndarray, members: np.ndarray, request: Request) -> StackEvaluation:
        """Return the evaluation of ``request`` at points (points, dim), each by the member (points,) with its number.

        Raises
        ------
        BadInput : shapes that do not fit; an unknown or a member that the stack does not have.
        """
        for unknown, _ in request:
            if unknown not in self.unknown_names:
                raise BadInput(f"unknown '{unknown}' is not in the stack{nearest(unknown, self.unknown_names)}")
        return StackEvaluation(self, points, members, request)

    def channels(self, points: np.ndarray, members: np.ndarray, carried: tuple[Channel, ...]) -> Members:
        """Return the evaluation of channels, which maps θ to (channels, points, unknowns); for the arguments see `at`."""
        points, members = np.asarray(points, dtype=float), np.asarray(members)
        if points.ndim != 2 or points.shape[1] != self.dim or members.shape != points.shape[:1]:
            raise BadInput(f"must be (points, {self.dim}) with one member each, got {points.shape} and {members.shape}", "points")
        if len(members) and not 0 <= members.min() <= members.max() < self.count:
            raise BadInput(f"must be 0 … {self.count - 1}, got {members.min()} … {members.max()}", "members")
        present = tuple(number for number, channel in enumerate(carried[1:]) if sum(channel[0][0]) == 1)
        value = (points - self.centers[members]) * self.factors[members]
        axes = [carried[number + 1][0][0].index(1) for number in present]
        along = [tuple(k for k, other in zip(present, axes, strict=True) if other == axis) for axis in range(self.dim)]
        parts = tuple(Part(axis, axis + 1, numbers) for axis, numbers in enumerate(along))
        slopes = self.factors[:, axes][..., None] * np.eye(self.dim)[axes]
        if self.compiled and len(points):
            shapes = tuple(self.layout.shapes.items())
            native = native_network(self.network, shapes, Ref(0, self.dim, present, varies=False), carried, parts, self.dtype)
            if native is not None:
                return CompiledMembers(self, native, value, slopes, members)
        return TensorMembers(self, carried, present, parts, value, slopes, members)

    def chunk(self, request: Request) -> int:
        """Return how many points are best evaluated together; they should be neighbours, so that they have few members."""
        carried = channels(tuple(operator for _, operator in request), self.dim)
        return min(max(TAPE_NUMBERS // (2 * len(carried) * self.layout.num_neurons), 64), 2**16)

    def tensor(self, values: np.ndarray) -> Tensor:
        """Return an array of any shape as a tensor with the precision and on the device of the stack."""
        return torch.as_tensor(np.ascontiguousarray(values)).to(device=self.device, dtype=self.dtype)


class StackEvaluation:
    """A stack bound to points, their members, and a request."""

    def __init__(self, stack: Stack, points: np.ndarray, members: np.ndarray, request: Request):
        self.stack, self.request, self.members = stack, tuple(request), np.asarray(members)
        carried = channels(tuple(operator for _, operator in request), stack.dim)
        self.channels = stack.channels(points, members, carried)
        self.readout = Readout(stack, self.request, carried)

    def jets(self, theta: Tensor) -> Tensor:
        """Return the requested derivatives (points, len(request)) at θ (params,), differentiable in θ if the tape is on."""
        return self.readout(self.channels(theta))

    def linearise(self, theta: Tensor) -> Linearised:
        """Return the same together with what is needed to differentiate them by θ, without torch's tape.

        The Jacobian of a scalar per point has one block for each member that has points, with the numbers of its points as rows
        and its part of θ as columns, as `pattern` says beforehand.
        """
        return Linearised(self.readout, self.channels.linearise(theta.detach()))

    def pattern(self) -> list[tuple[np.ndarray, slice]]:
        """Return the rows, which are numbers of points, and the columns of the blocks of a Jacobian."""
        return [(np.flatnonzero(self.members == member), self.stack.part(member)) for member in np.unique(self.members)]

    @property
    def num_bytes(self) -> int:
        """Memory of these blocks."""
        return len(self.members) * self.stack.layout.num_params * self.stack.dtype.itemsize


def _checked(boxes: Any) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=float)
    if boxes.ndim != 3 or boxes.shape[2] != 2 or not len(boxes):
        raise BadInput(f"must be an array (members, dim, 2), got shape {boxes.shape}", "boxes")
    wrong = np.argwhere(~(boxes[..., 0] < boxes[..., 1]))
    if len(wrong):
        member, axis = wrong[0]
        raise BadInput(f"need low < high on every axis, got {boxes[member, axis].tolist()} for member {member}", "boxes")
    return boxes
