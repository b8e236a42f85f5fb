"""C code of a whole network on jets, made from its recorded operations.

Everything that is known before the run is in the code: the operations, the widths, which channels are present. It has

- ``phase0 … phaseK``: the forward pass, interrupted before every activation whose transcendental functions torch computes;
- ``backward``: the reverse of all of it, which adds to the gradient by θ;
- ``rows``: the same with a gradient for every point.

Between the passes, jets lie on a *tape*; `Plot` says where. Every array is row-major with the channel first, (channels, points,
width), the value being channel 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import NamedTuple

from pinn.field.layout import Layout
from pinn.field.loops import activation_loops
from pinn.field.recorder import Affine, Dense, Interpolation, Operation, Product, Ref, Sum

NATIVE_FILES = ("matrix.c", "tanh.c", "sin.c")
OWN_BASES = {"tanh": ("tanh_array", 1), "sin": ("sin_array", 2)}
"""Activations whose bases are computed here: functions of (count, argument, value), and how many bases they write one by one."""

ARGUMENTS = "long n, const T *theta, const T *features, const T *slopes, T *tape, const T **bases"
REVERSE_ARGUMENTS = ", const T *cotangent, T *gradient, T *work"


class Place(NamedTuple):
    """An array on the tape: it starts at ``points`` · n + ``fixed`` and has so many numbers per point, or altogether."""

    points: int
    fixed: int
    size: int


@dataclass
class Plot:
    """Where arrays lie in a piece of memory whose size is ``points`` · n + ``fixed`` numbers for n points."""

    points: int = 0
    fixed: int = 0
    places: dict[str, Place] = field(default_factory=dict)

    def add(self, name: str, per_point: int = 0, fixed: int = 0) -> str:
        """Give an array its place; returns its name."""
        self.places[name] = Place(self.points, self.fixed, per_point or fixed)
        self.points, self.fixed = self.points + per_point, self.fixed + fixed
        return name

    def numbers(self, n: int) -> int:
        """Return the size for n points."""
        return self.points * n + self.fixed

    def declarations(self, base: str) -> list[str]:
        """Return C declarations of all arrays."""
        return [f"T *const {name} = {base} + {p.points} * n + {p.fixed};" for name, p in self.places.items()]


class Pool(Plot):
    """A plot on which arrays per point that are no longer needed make room for others of the same size."""

    def __init__(self):
        super().__init__()
        self._free: dict[int, list[str]] = {}

    def take(self, per_point: int) -> str:
        """Return the name of an array that nobody uses."""
        free = self._free.setdefault(per_point, [])
        return free.pop() if free else self.add(f"w{len(self.places)}", per_point)

    def give_back(self, name: str) -> None:
        """Let others use the array."""
        self._free[self.places[name].size].append(name)


class Code(NamedTuple):
    """The text and what one must know to call it.

    Attributes
    ----------
    tape, work : memory of both passes, and of each reverse pass by name.
    stops : for every phase that ends before an activation: (activation, highest order of its derivatives, array of its argument).
    output : the array of the network's outputs, (channels, points, outputs), and how many channels and outputs.
    """

    text: str
    tape: Plot
    work: dict[str, Plot]
    stops: tuple[tuple[str, int, str], ...]
    output: tuple[str, int, int]


def write_code(operations: Sequence[Operation], layout: Layout, number: str, num_bases: Callable[[str, int], int]) -> Code:
    """Return the code of a network.

    Parameters
    ----------
    number : ``double`` or ``float``.
    num_bases : how many bases an activation has for derivatives up to an order, a function of (activation, order).
    """
    writer = Writer(operations, layout, num_bases)
    phases = writer.forward()
    passes = [(name, writer.backward(per_point=name == "rows")) for name in ("backward", "rows")]
    text = [head(number), *writer.loops.values()]
    for k, lines in enumerate(phases):
        text.append(function(f"phase{k}", ARGUMENTS, [*writer.tape.declarations("tape"), *lines]))
    for name, (work, lines) in passes:
        declarations = writer.tape.declarations("tape") + work.declarations("work")
        text.append(function(name, ARGUMENTS + REVERSE_ARGUMENTS, [*declarations, *lines]))
    out = operations[-1].out
    output = (writer.stack(out), out.num_channels, out.width)
    return Code("\n".join(text), writer.tape, {name: work for name, (work, _) in passes}, tuple(writer.stops), output)


def head(number: str) -> str:
    """Return what all generated code begins with, for ``double`` or ``float``."""
    return "\n".join([f"typedef {number} T;", *map(source_file, NATIVE_FILES)])


def source_file(name: str) -> str:
    """Return the text of a C file of this package."""
    return files("pinn.field").joinpath(name).read_text()


def function(name: str, arguments: str, lines: Sequence[str]) -> str:
    """Return a C function without result."""
    return "\n".join([f"void {name}({arguments}) {{", *(f"  {line}" for line in lines), "}\n"])


class Writer:
    """Writes the forward and reverse pass of a network.

    Parameters
    ----------
    prefix : of the names of its functions, where the code has several networks.

    Attributes
    ----------
    tape : where jets lie. loops : functions that the passes call. stops : see `Code`.
    """

    def __init__(self, operations: Sequence[Operation], layout: Layout, num_bases: Callable[[str, int], int], prefix: str = ""):
        self.prefix = prefix
        self.operations, self.layout, self.num_bases = operations, layout, num_bases
        self.tape = Plot()
        self.loops: dict[tuple, str] = {}
        self.stops: list[tuple[str, int, str]] = []
        self.first_base: dict[int, int] = {}
        self._make_places()

    def _make_places(self) -> None:
        for op in self.operations:
            if isinstance(op, Dense):
                if op.x.varies:
                    self.tape.add(f"z{op.out.number}", op.x.num_channels * op.out.width)
                else:
                    self.tape.add(f"z{op.out.number}", op.out.width)
                    self.tape.add(f"s{op.out.number}", 0, len(op.x.present) * op.out.width)
                if op.activation in OWN_BASES:
                    self.tape.add(f"b{op.out.number}", OWN_BASES[op.activation][1] * op.out.width)
            self.tape.add(self.stack(op.out), op.out.num_channels * op.out.width)

    @staticmethod
    def stack(ref: Ref) -> str:
        """Return the name of the array of a computed jet."""
        return f"y{ref.number}"

    def _parameter(self, name: str) -> int:
        return self.layout[name][0].start

    # forward ---------------------------------------------------------------------------------------------------------

    def forward(self) -> list[list[str]]:
        """Return the lines of every phase."""
        phases: list[list[str]] = [[]]
        bases = 0
        for op in self.operations:
            if isinstance(op, Dense):
                k, w, out = op.out.number, op.out.width, self.stack(op.out)
                phases[-1] += self._affine(op, f"z{k}")
                if op.activation in OWN_BASES:
                    phases[-1].append(f"{OWN_BASES[op.activation][0]}(n * {w}, z{k}, b{k});")
                else:
                    self.stops.append((op.activation, op.plan.order + 1, f"z{k}"))
                    self.first_base[k] = bases
                    bases += self.num_bases(op.activation, op.plan.order + 1)
                    phases.append([])
                phases[-1].append(self._activation(op, "forward", "0", "0", out, f"{out} + n * {w}"))
            elif isinstance(op, Affine):
                phases[-1] += self._affine(op, self.stack(op.out))
            elif isinstance(op, Product):
                phases[-1] += self._product(op)
            else:
                phases[-1].append(self._combination(op))
        return phases

    def _combination(self, op: Sum | Interpolation) -> str:
        """Return the sum of two jets with factors."""
        a, b, out = self.stack(op.a), self.stack(op.b), self.stack(op.out)
        if isinstance(op, Sum):
            return _each(op.out.num_channels * op.out.width, f"{out}[i] = {a}[i] + (T){op.factor!r} * {b}[i];")
        line = f"{out}[i] = {a}[i] + factor * ({b}[i] - {a}[i]);"
        return _with_factor(self._parameter(op.factor), _each(op.out.num_channels * op.out.width, line))

    def _affine(self, op: Affine, target: str) -> list[str]:
        """Return x W + b; channels of plain coordinates, which do not vary, lie in ``s`` where an activation follows."""
        x, w_in, w_out = op.x, op.x.width, op.out.width
        weight = f"(Matrix){{theta + {self._parameter(op.weight)}, {w_out}, 1}}"
        bias = f"add_bias(n, {w_out}, theta + {self._parameter(op.bias)}, {target});"

        def times(rows: str, start: str, to: str, step: int = x.stride) -> str:
            return f"product({rows}, {w_out}, {w_in}, (Matrix){{{start}, {step}, 1}}, {weight}, {to}, 0);"

        if x.number:
            return [times(f"{x.num_channels} * n", self.stack(x), target), bias]
        lines = [times("n", f"features + {x.start}", target), bias]
        for first, place, count in x.runs:
            if x.varies:
                lines.append(times(f"{count} * n", _slopes(x, place), f"{target} + {first + 1} * n * {w_out}"))
            elif isinstance(op, Dense):
                lines.append(times(f"{count}", _slopes(x, place), f"s{op.out.number} + {first * w_out}"))
            else:
                channels = range(count)
                lines += [times("n", _slopes(x, place + k), f"{target} + {first + k + 1} * n * {w_out}", 0) for k in channels]
        return lines

    def _activation(self, op: Dense, which: str, x: str, y: str, value: str, rest: str) -> str:
        """Return a call of the loops of an activation; for the arguments see `pinn.field.loops.activation_loops`."""
        key = (op.plan, op.activation)
        name = f"{self.prefix}act{list(self.loops).index(key) if key in self.loops else len(self.loops)}"
        if key not in self.loops:
            counts = (self.num_bases(op.activation, op.plan.order), self.num_bases(op.activation, op.plan.order + 1))
            self.loops[key] = activation_loops(name, op.plan, op.activation, counts)
        k, w = op.out.number, op.out.width
        own = range(OWN_BASES[op.activation][1] if op.activation in OWN_BASES else 0)
        bases = f"(const T *[]){{{', '.join(f'b{k} + {j} * n * {w}' for j in own)}}}" if own else f"bases + {self.first_base[k]}"
        size, z = (f"1, n * {w}", f"z{k} + n * {w}, n * {w}, 0") if op.x.varies else (f"n, {w}", f"s{k}, {w}, 0")
        return f"{name}_{which}({size}, {bases}, {z}, {x}, {y}, {value}, {rest});"

    def _product(self, op: Product) -> list[str]:
        a, b, out, size = self.stack(op.a), self.stack(op.b), self.stack(op.out), op.out.width
        sums: dict[int, list[str]] = {}
        for number, i, j, factor in op.rule.terms:
            sums.setdefault(number, []).append(f"(T){factor!r} * {_at(a, i, size)} * {_at(b, j, size)}")
        for k, number in enumerate(op.rule.places):
            sums.setdefault(number, []).append(f"{_at(a, k, size)} * {b}[i]")
        return [_each(size, f"{_at(out, number, size)} = {' + '.join(terms)};") for number, terms in sorted(sums.items())]

    # reverse ---------------------------------------------------------------------------------------------------------

    def backward(self, per_point: bool) -> tuple[Plot, list[str]]:
        """Return the working memory and the lines of the reverse pass."""
        pool, lines = Pool(), []
        pool.add("summed", 0, max((len(op.x.present) * op.out.width for op in self.operations if isinstance(op, Dense)), default=0))
        cotangents: dict[int, str] = {self.operations[-1].out.number: "cotangent"}
        for op in reversed(self.operations):
            g = cotangents.pop(op.out.number)
            if isinstance(op, Affine):
                lines += self._affine_backward(op, g, cotangents, pool, per_point)
            elif isinstance(op, Product):
                lines += self._product_backward(op, g, cotangents, pool)
            else:
                lines += self._combination_backward(op, g, cotangents, pool, per_point)
            if g in pool.places:
                pool.give_back(g)
        return pool, lines

    def _affine_backward(self, op: Affine, g: str, cotangents: dict[int, str], pool: Pool, per_point: bool) -> list[str]:
        x, w, lines = op.x, op.out.width, []
        gz, rest = g, f"{g} + n * {w}"
        summed = isinstance(op, Dense) and not x.varies and not per_point
        if isinstance(op, Dense):
            gz = pool.take((1 if summed else x.num_channels) * w)
            rest = "summed" if summed else f"{gz} + n * {w}"
            if summed:
                lines.append(f"for (long i = 0; i < {len(x.present) * w}; i++) summed[i] = 0;")
            which = "backward_rows" if summed else "backward"
            lines.append(self._activation(op, which, g, f"{g} + n * {w}", gz, rest))
        lines += self._gradient_rows(op, gz) if per_point else self._gradient(op, gz, rest, summed)
        if x.number:
            to, sign = _target(x, cotangents, pool)
            weight = f"(Matrix){{theta + {self._parameter(op.weight)}, 1, {w}}}"
            rows, add = f"{x.num_channels} * n", int(sign == "+=")
            lines.append(f"product({rows}, {x.width}, {w}, (Matrix){{{gz}, {w}, 1}}, {weight}, {to}, {add});")
        if isinstance(op, Dense):
            pool.give_back(gz)
        return lines

    def _gradient(self, op: Affine, gz: str, rest: str, summed: bool) -> list[str]:
        """Add to the gradient by weight and bias; ``gz`` and ``rest`` are the cotangents of value and channels of x W + b."""
        x, w_in, w = op.x, op.x.width, op.out.width
        parts = [(self.stack(x), w_in, gz, f"{x.num_channels} * n")] if x.number else [(f"features + {x.start}", x.stride, gz, "n")]
        for first, place, count in () if x.number else x.runs:
            if x.varies:
                parts.append((_slopes(x, place), x.stride, f"{rest} + {first} * n * {w}", f"{count} * n"))
            elif summed:
                parts.append((_slopes(x, place), x.stride, f"{rest} + {first * w}", f"{count}"))
            else:
                parts += [(_slopes(x, place + k), 0, f"{rest} + {first + k} * n * {w}", "n") for k in range(count)]
        to = f"gradient + {self._parameter(op.weight)}"
        lines = [
            f"product({w_in}, {w}, {rows}, (Matrix){{{start}, 1, {step}}}, (Matrix){{{g}, {w}, 1}}, {to}, 1);"
            for start, step, g, rows in parts
        ]
        return [*lines, f"sum_rows(n, {w}, {gz}, gradient + {self._parameter(op.bias)});"]

    def _gradient_rows(self, op: Affine, gz: str) -> list[str]:
        """Do the same for every point; ``gz`` is the cotangent of x W + b."""
        x, w_in, w = op.x, op.x.width, op.out.width
        parts = [(self.stack(x), x.varies, gz, x.num_channels)] if x.number else [(f"features + {x.start}", True, gz, 1)]
        for first, place, count in () if x.number else x.runs:
            parts.append((_slopes(x, place), x.varies, f"{gz} + {first + 1} * n * {w}", count))
        lines, step = [], x.stride
        for start, varies, g, count in parts:
            a = f"(Matrix){{{start} + p * {step}, 1, n * {step}}}" if varies else f"(Matrix){{{start}, 1, {step}}}"
            b = f"(Matrix){{{g} + p * {w}, n * {w}, 1}}"
            lines.append(f"product({w_in}, {w}, {count}, {a}, {b}, row + {self._parameter(op.weight)}, 1);")
        lines.append(f"sum_rows(1, {w}, {gz} + p * {w}, row + {self._parameter(op.bias)});")
        head = ["for (long p = 0; p < n; p++) {", f"  T *const row = gradient + p * {self.layout.num_params};"]
        return [*head, *(f"  {line}" for line in lines), "}"]

    def _product_backward(self, op: Product, g: str, cotangents: dict[int, str], pool: Pool) -> list[str]:
        size, lines = op.out.width, []
        rule = [*op.rule.terms, *((number, k, 0, 1.0) for k, number in enumerate(op.rule.places))]
        by_a = [(i, number, self.stack(op.b), j, factor) for number, i, j, factor in rule]
        by_b = [(j, number, self.stack(op.a), i, factor) for number, i, j, factor in rule]
        for ref, terms in ((op.a, by_a), (op.b, by_b)):
            to, sign = _target(ref, cotangents, pool)
            sums: dict[int, list[str]] = {number: [] for number in range(ref.num_channels)}
            for channel, number, other, place, factor in terms:
                sums[channel].append(f"(T){factor!r} * {_at(g, number, size)} * {_at(other, place, size)}")
            lines += [_each(size, f"{_at(to, k, size)} {sign} {' + '.join(parts)};") for k, parts in sums.items()]
        return lines

    def _combination_backward(
        self, op: Sum | Interpolation, g: str, cotangents: dict[int, str], pool: Pool, per_point: bool
    ) -> list[str]:
        lines, size = [], op.out.num_channels * op.out.width
        factors = ("(T)1.0", f"(T){op.factor!r}") if isinstance(op, Sum) else ("(1 - factor)", "factor")
        for ref, factor in zip((op.a, op.b), factors, strict=True):
            to, sign = _target(ref, cotangents, pool)
            lines.append(_each(size, f"{to}[i] {sign} {factor} * {g}[i];"))
        if isinstance(op, Sum):
            return lines
        place, stacks = self._parameter(op.factor), (g, self.stack(op.a), self.stack(op.b))
        if per_point:
            here = ", ".join(f"{stack} + (k * n + p) * {op.out.width}" for stack in stacks)
            slope = f"gradient[p * {self.layout.num_params} + {place}] += interpolation_slope({op.out.width}, {here});"
            lines.append(f"for (long k = 0; k < {op.out.num_channels}; k++) for (long p = 0; p < n; p++) {slope}")
        else:
            lines.append(f"gradient[{place}] += interpolation_slope({size} * n, {', '.join(stacks)});")
        return [_with_factor(place, *lines)]


def _target(ref: Ref, cotangents: dict[int, str], pool: Pool) -> tuple[str, str]:
    """Return the array for the cotangent of a jet, and whether to set it or to add to it."""
    if ref.number in cotangents:
        return cotangents[ref.number], "+="
    cotangents[ref.number] = pool.take(ref.num_channels * ref.width)
    return cotangents[ref.number], "="


def _slopes(x: Ref, place: int) -> str:
    """Return where a channel of some features begins."""
    return f"slopes + {place} * {'n * ' if x.varies else ''}{x.stride} + {x.start}"


def _with_factor(place: int, *lines: str) -> str:
    """Return lines that use the ``factor`` of an interpolation."""
    return " ".join(["{", f"const T factor = theta[{place}];", *lines, "}"])


def _at(array: str, channel: int, width: int) -> str:
    return f"{array}[{channel * width} * n + i]" if channel else f"{array}[i]"


def _each(per_point: int, line: str) -> str:
    return f"for (long i = 0; i < {per_point} * n; i++) {line}"
