"""Residuals, their squares and the gradient of these by θ in one piece of compiled code.

Points are taken a few at a time: forward pass, residual, reverse pass, so that all that lies between stays in the cache. There is
nothing between the passes but the formula, so this is for residuals that read the unknowns at their own point only.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.field.compiler import FAILURES, compile_library
from pinn.field.factorisation import FactorisedChannels
from pinn.field.formula_code import formula_code
from pinn.field.memory import Memory
from pinn.field.native import TYPES, num_bases
from pinn.field.native_code import function, head
from pinn.field.passes import OWN_BASES, Writer
from pinn.field.recorder import Dense, Operation
from pinn.field.request import Request
from pinn.problem.formulas.program import Program
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.field.field import Evaluation, Field

LOG = logging.getLogger(__name__)

TILE_NUMBERS = 2**14
"""Numbers between the passes that are best held at a time: 128 kilobytes are near the processor, and products still pay."""

STEP_ARGUMENTS = (
    "long n, const T *theta, const T *features, const T *slopes, const T *const *data, "
    "const double *factors, double *sums, T *gradient, T *work"
)
FORWARD_ARGUMENTS = "long n, const T *theta, const T *features, const T *slopes, T *tape"
REVERSE_ARGUMENTS = FORWARD_ARGUMENTS + ", const T *cotangent, T *gradient, T *work"


class Formula(NamedTuple):
    """A residual as a program that yields it and its slopes, `pinn.problem.terms.Term.slopes`.

    Attributes
    ----------
    inputs : which column of the request each input of the program is. slopes : by which column each slope is.
    """

    program: Program
    inputs: tuple[int, ...]
    slopes: tuple[int, ...]


class Family(NamedTuple):
    """Residuals at the same points, and all that they ask for there."""

    sites: Sites
    request: Request
    formulas: tuple[Formula, ...]


class Fused:
    """The sums of squares of some residuals at fixed points.

    Parameters
    ----------
    function : compiled code with `STEP_ARGUMENTS`.
    evaluation : of the field at the points.
    tile : points at a time. work : numbers of memory that it needs.
    """

    def __init__(self, function: Any, evaluation: Evaluation, data: Sequence[Tensor], num_residuals: int, tile: int, work: int):
        self._function, self._num_residuals, self._work = function, num_residuals, work
        self._parameters = evaluation.field.factorised
        value, rest, _ = _plain(evaluation.channels).features
        if rest.shape[1] > 1:
            rest = torch.cat([rest[:, k : k + tile].reshape(-1) for k in range(0, len(value), tile)])
        self._kept = value, rest, *data
        self._num_points, self._features, self._slopes = len(value), value.data_ptr(), rest.data_ptr()
        self._data = (ctypes.c_void_p * max(1, len(data)))(*[part.data_ptr() for part in data])
        self._memory = Memory()

    def evaluate(self, theta: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        """Return Σ r² of each residual (residuals,) in double precision, and the gradient (params,) of Σ factor · r².

        Parameters
        ----------
        theta : (params,). factors : (residuals,), double precision.
        """
        effective = theta.contiguous() if self._parameters is None else self._parameters(theta)
        sums, gradient = torch.zeros(self._num_residuals, dtype=torch.float64), torch.zeros_like(effective)
        loan = self._memory.take(theta, self._work)
        before = self._num_points, effective.data_ptr(), self._features, self._slopes, self._data
        self._function(*before, *(part.data_ptr() for part in (factors, sums, gradient, loan.tensor)))
        return sums, gradient if self._parameters is None else self._parameters.pull(theta, gradient)


def _plain(channels: Any) -> Any:
    """Return the channels as a function of the network's own parameters."""
    return channels.channels if isinstance(channels, FactorisedChannels) else channels


def fuse(field: Field, families: Sequence[Family]) -> list[Fused] | None:
    """Return the residuals of each family as compiled code, or None where some of it cannot be had.

    That is without a C compiler, on a GPU, with nested differentiation, with activations whose functions torch computes, and
    for formulas that are not evaluated point by point.
    """
    if not field.compiled or not families:
        return None
    try:
        writers = [_Step(f"s{number}", field, family) for number, family in enumerate(families)]
        text = "\n".join([head(TYPES[field.dtype]), "#include <math.h>", *(writer.text for writer in writers)])
        library = compile_library(text)
        return [writer.bound(library) for writer in writers]
    except NotImplementedError:
        return None
    except FAILURES as error:
        LOG.warning("residuals cannot be compiled, tensor operations are used: %s", str(error)[:200])
        return None


class _Step:
    """The code of one family."""

    def __init__(self, name: str, field: Field, family: Family):
        self.name, self.field, self.family = name, field, family
        self.evaluation = field.at(family.sites, family.request)
        self.channels = _plain(self.evaluation.channels)
        if not self.channels.can_compile:
            raise NotImplementedError("too many channels, or no points")
        operations = self.channels.operations()
        if any(isinstance(op, Dense) and op.activation not in OWN_BASES for op in operations):
            raise NotImplementedError("an activation whose functions torch computes")
        self.data: list[np.ndarray] = []
        self.writer = Writer(operations, field.effective, num_bases, f"{name}_")
        self.text = self._text(operations)

    def bound(self, library: ctypes.CDLL) -> Fused:
        """Return the compiled code with the points and data that belong to it."""
        data = [self.field.tensor(part) for part in self.data]
        compiled = library[self.name]
        compiled.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 8]
        compiled.restype = None
        return Fused(compiled, self.evaluation, data, len(self.family.formulas), self.tile, self._numbers(self.tile))

    def _numbers(self, n: int) -> int:
        return sum(plot.numbers(n) for plot in (self.writer.tape, self.reverse)) + n * self.num_outputs

    def _text(self, operations: Sequence[Operation]) -> str:
        (forward,) = self.writer.forward()
        self.reverse, backward = self.writer.backward(keep=False)
        out = operations[-1].out
        self.num_outputs = out.num_channels * out.width
        per_point = self._numbers(1) - self._numbers(0)
        self.tile = max(8, TILE_NUMBERS // per_point // 8 * 8)
        tape = self.writer.tape.declarations("tape")
        parts = [
            *self.writer.loops.values(),
            "static " + function(f"{self.name}_forward", FORWARD_ARGUMENTS, [*tape, *forward]),
            "static "
            + function(f"{self.name}_backward", REVERSE_ARGUMENTS, [*tape, *self.reverse.declarations("work"), *backward]),
            function(self.name, STEP_ARGUMENTS, self._step(out.width, self.writer.tape.places[self.writer.stack(out)])),
        ]
        return "\n".join(parts)

    def _step(self, width: int, output: Any) -> list[str]:
        features = self.channels.features
        per_point = features.rest.shape[0] * features.rest.shape[2] if self.channels.incoming.varies else 0
        arguments = f"m, theta, features + p * {features.value.shape[1]}, slopes + p * {per_point}, work"
        after = f"work + m * {self.writer.tape.points} + {self.writer.tape.members}"
        return [
            f"for (long p = 0; p < n; p += {self.tile}) {{",
            f"  const long m = n - p < {self.tile} ? n - p : {self.tile};",
            f"  const T *const y = work + {output.points} * m + {output.members};",
            f"  T *const g = {after};",
            f"  {self.name}_forward({arguments});",
            "  for (long q = 0; q < m; q++) {",
            "    const long i = p + q;",
            *(f"    {line}" for line in self._point(width)),
            "  }",
            f"  {self.name}_backward({arguments}, g, gradient, g + m * {self.num_outputs});",
            "}",
        ]

    def _point(self, width: int) -> list[str]:
        """Return the code from channels to squares and back to the cotangents of the channels, at one point."""
        lines: list[str] = []
        cotangents: dict[tuple[int, int], list[str]] = {}
        columns = self.evaluation.readout.columns
        parts = [[(k * width, place, self._value(factor)) for k, place, factor in column.parts] for column in columns]
        for number, (column, terms) in enumerate(zip(columns, parts, strict=True)):
            sums = [self._value(column.lift), *(f"{factor} * y[{k} * m + q * {width} + {place}]" for k, place, factor in terms)]
            lines.append(f"const T j{number} = {' + '.join(sums)};")
        slopes: dict[int, list[str]] = {}
        for number, formula in enumerate(self.family.formulas):
            code = formula_code(formula.program.listing, formula.inputs, self.data, f"r{number}_")
            lines += [*code.lines, f"const T r{number} = {code.residual};", f"sums[{number}] += (double)r{number} * r{number};"]
            lines.append(f"const T t{number} = 2 * factors[{number}] * r{number};")
            for column, slope in zip(formula.slopes, code.slopes, strict=True):
                if slope != "0":
                    slopes.setdefault(column, []).append(f"t{number} * ({slope})")
        for column, found in slopes.items():
            lines.append(f"const T c{column} = {' + '.join(found)};")
            for k, place, factor in parts[column]:
                cotangents.setdefault((k, place), []).append(f"{factor} * c{column}")
        for k in range(self.num_outputs // width):
            for place in range(width):
                lines.append(
                    f"g[{k * width} * m + q * {width} + {place}] = {' + '.join(cotangents.get((k * width, place), ['0']))};"
                )
        return lines

    def _value(self, value: float | np.ndarray) -> str:
        if np.ndim(value) == 0:
            return f"(T){float(value)!r}"
        self.data.append(np.asarray(value))
        return f"data[{len(self.data) - 1}][i]"
