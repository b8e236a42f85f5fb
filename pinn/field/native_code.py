"""C code of equal networks on jets, made from the recorded operations of one.

Everything that is known before the run is in the code: the operations, the widths, which channels are present. It has

- ``phase0 … phaseK``: the forward pass, interrupted before every activation whose transcendental functions torch computes;
- ``backward``: the reverse of all of it, which adds to the gradient by θ;
- ``factors``: the same reverse, which keeps the cotangents of all layers instead, see `pinn.field.factors`; from them
  ``rows`` makes the gradient of every point, ``apply`` and ``transpose`` products with these rows.

Every function goes over members, equal networks each with its own part of θ and its own points. Between the passes, jets lie on a
*tape*; `pinn.field.plot.Plot` says where. The arrays of a member are row-major with the channel first, (channels, points, width),
the value being channel 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

from pinn.field.layout import Layout
from pinn.field.loops import activation_loops
from pinn.field.plot import Plot, Pool
from pinn.field.recorder import Affine, Dense, Operation, Product, Ref

NATIVE_FILES = ("matrix.c", "tanh.c")
OWN_BASES = {"tanh": "tanh_array"}
"""Activations whose bases are computed here, by functions of (count, argument, value)."""

ARGUMENTS = (
    "long members, const long long *starts, const T *thetas, const T *all_features, const T *all_slopes, T *tape, const T **bases"
)
OTHER_ARGUMENTS = {
    "backward": "const T *cotangents, T *gradients, T *work",
    "factors": "const T *cotangents, T *kept, T *work",
    "rows": "T *kept, T *all_rows",
    "apply": "T *kept, const T *vectors, T *all_results, T *work",
    "transpose": "T *kept, const T *all_weights, T *gradients, T *work",
}
"""Of the functions beside the phases, all of which have ``ARGUMENTS`` first."""


class Code(NamedTuple):
    """The text and what one must know to call it.

    Attributes
    ----------
    tape, kept : memory of both passes, and of the cotangents that ``factors`` keeps.
    work : memory that a function needs, by name, for the largest number of points that one member has.
    stops : for every phase that ends before an activation: (activation, highest order of its derivatives, array of its argument).
    output : the array of the network's outputs, (channels, points, outputs), and how many channels and outputs.
    """

    text: str
    tape: Plot
    kept: Plot
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
    writer = _Writer(operations, layout, num_bases)
    tape, kept = writer.tape, writer.kept
    bodies = {f"phase{k}": (Plot(), lines) for k, lines in enumerate(writer.forward())}
    bodies |= {
        "backward": writer.backward(keep=False),
        "factors": writer.backward(keep=True),
        "rows": (Plot(), writer.rows()),
        "apply": writer.apply(),
        "transpose": writer.transpose(),
    }
    text = [f"typedef {number} T;", *map(source_file, NATIVE_FILES), *writer.loops.values()]
    for name, (work, lines) in bodies.items():
        declared = [*writer.declarations(name), *tape.declarations("tape"), *work.shared_declarations("work")]
        declared += kept.declarations("kept") if "*kept" in OTHER_ARGUMENTS.get(name, "") else []
        text.append(_function(name, [*declared, *lines]))
    out = operations[-1].out
    works = {name: work for name, (work, _) in bodies.items() if "*work" in OTHER_ARGUMENTS.get(name, "")}
    return Code("\n".join(text), tape, kept, works, tuple(writer.stops), (writer.stack(out), out.num_channels, out.width))


def source_file(name: str) -> str:
    """Return the text of a C file of this package."""
    return files("pinn.field").joinpath(name).read_text()


def _function(name: str, lines: Sequence[str]) -> str:
    arguments = ", ".join([ARGUMENTS, *([OTHER_ARGUMENTS[name]] if name in OTHER_ARGUMENTS else [])])
    head = [
        f"void {name}({arguments}) {{",
        "  const long total = starts[members];",
        "  for (long m = 0; m < members; m++) {",
        "    const long first = starts[m], n = starts[m + 1] - first;",
        "    if (!n) continue;",
    ]
    return "\n".join([*head, *(f"    {line}" for line in lines), "  }", "}\n"])


class _Writer:
    def __init__(self, operations: Sequence[Operation], layout: Layout, num_bases: Callable[[str, int], int]):
        self.operations, self.layout, self.num_bases = operations, layout, num_bases
        self.tape, self.kept = Plot(), Plot()
        self.loops: dict[tuple, str] = {}
        self.stops: list[tuple[str, int, str]] = []
        self.first_base: dict[int, int] = {}
        self.affine = [op for op in operations if isinstance(op, Affine)]
        self._make_places()

    def _make_places(self) -> None:
        for op in self.operations:
            if isinstance(op, Dense):
                k, w, count = op.out.number, op.out.width, len(op.x.present)
                self.tape.add(f"z{k}", w)
                self.tape.add(f"s{k}", count * w if op.x.varies else 0, 0 if op.x.varies else count * w)
                if op.activation in OWN_BASES:
                    self.tape.add(f"b{k}", w)
            if isinstance(op, Affine):
                self.kept.add(f"d{op.out.number}", op.x.num_channels * op.out.width)
            self.tape.add(self.stack(op.out), op.out.num_channels * op.out.width)

    @staticmethod
    def stack(ref: Ref) -> str:
        """Return the name of the array of a computed jet."""
        return f"y{ref.number}"

    def declarations(self, name: str) -> list[str]:
        """Return declarations of what a member has of the arguments of a function."""
        size, out = self.layout.num_params, self.operations[-1].out
        features = next((op.x for op in self.affine if not op.x.number), Ref(0, 0, ()))
        slopes = f"{len(features.present) * features.width} * {'first' if features.varies else 'm'}"
        by_argument = {
            "thetas": f"const T *const theta = thetas + {size} * m;",
            "all_features": f"const T *const features = all_features + {features.width} * first;",
            "all_slopes": f"const T *const slopes = all_slopes + {slopes};",
            "cotangents": f"const T *const cotangent = cotangents + {out.num_channels * out.width} * first;",
            "gradients": f"T *const gradient = gradients + {size} * m;",
            "all_rows": f"T *const rows = all_rows + {size} * first;",
            "vectors": f"const T *const vector = vectors + {size} * m;",
            "all_results": "T *const results = all_results + first;",
            "all_weights": "const T *const weights = all_weights + first;",
        }
        arguments = f"{ARGUMENTS}, {OTHER_ARGUMENTS.get(name, '')}"
        return [line for argument, line in by_argument.items() if f"*{argument}" in arguments]

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
                phases[-1] += self._affine(op, "theta", f"z{k}", f"s{k}")
                if op.activation in OWN_BASES:
                    phases[-1].append(f"{OWN_BASES[op.activation]}(n * {w}, z{k}, b{k});")
                else:
                    self.stops.append((op.activation, op.plan.order + 1, f"z{k}"))
                    self.first_base[k] = bases
                    bases += self.num_bases(op.activation, op.plan.order + 1)
                    phases.append([])
                phases[-1].append(self._activation(op, "forward", "0", "0", out, f"{out} + n * {w}"))
            elif isinstance(op, Affine):
                out = self.stack(op.out)
                phases[-1] += self._affine(op, "theta", out, f"{out} + n * {op.out.width}")
                if not op.x.varies:
                    phases[-1].append(f"repeat(n, {op.out.width}, {len(op.x.present)}, {out} + n * {op.out.width});")
            elif isinstance(op, Product):
                phases[-1] += self._product(op)
            else:
                a, b, count = self.stack(op.a), self.stack(op.b), op.out.num_channels * op.out.width
                phases[-1].append(_each(count, f"{self.stack(op.out)}[i] = {a}[i] + (T){op.factor!r} * {b}[i];"))
        return phases

    def _affine(self, op: Affine, parameters: str, value: str, rest: str) -> list[str]:
        """Return x W + b with ``value`` (points, width) and ``rest`` (channels, points or 1, width), as the channels of x vary."""
        x, w_in, w = op.x, op.x.width, op.out.width
        weight = f"(Matrix){{{parameters} + {self._parameter(op.weight)}, {w}, 1}}"
        start, slopes = (self.stack(x), f"{self.stack(x)} + n * {w_in}") if x.number else ("features", "slopes")
        rows = f"{len(x.present)} * n" if x.varies else f"{len(x.present)}"
        parts = [("n", start, value), *([(rows, slopes, rest)] if x.present else [])]
        lines = [f"product({m}, {w}, {w_in}, (Matrix){{{a}, {w_in}, 1}}, {weight}, {to}, 0);" for m, a, to in parts]
        return [*lines, f"add_bias(n, {w}, {parameters} + {self._parameter(op.bias)}, {value});"]

    def _activation(self, op: Dense, which: str, x: str, y: str, value: str, rest: str) -> str:
        """Return a call of the loops of an activation; for the arguments see `pinn.field.loops.activation_loops`."""
        key = (op.plan, op.activation)
        name = f"act{list(self.loops).index(key) if key in self.loops else len(self.loops)}"
        count = self.num_bases(op.activation, op.plan.order + 1)
        if key not in self.loops:
            counts = (self.num_bases(op.activation, op.plan.order), count)
            self.loops[key] = activation_loops(name, op.plan, op.activation, counts)
        k, w = op.out.number, op.out.width
        own = op.activation in OWN_BASES
        bases = [f"b{k}"] if own else [f"bases[{self.first_base[k] + i}] + {w} * first" for i in range(count)]
        size, z = (f"1, n * {w}", f"s{k}, n * {w}, 0") if op.x.varies else (f"n, {w}", f"s{k}, {w}, 0")
        return f"{name}_{which}({size}, (const T *[]){{{', '.join(bases)}}}, {z}, {x}, {y}, {value}, {rest});"

    def _product(self, op: Product) -> list[str]:
        a, b, out, size = self.stack(op.a), self.stack(op.b), self.stack(op.out), op.out.width
        sums: dict[int, list[str]] = {0: [f"{a}[i] * {b}[i]"]}
        for number, i, j, factor in op.rule:
            sums.setdefault(number, []).append(f"(T){factor!r} * {_at(a, i, size)} * {_at(b, j, size)}")
        for number in range(1, op.out.num_channels):
            sums.setdefault(number, []).append(f"{_at(a, number, size)} * {b}[i]")
        return [_each(size, f"{_at(out, number, size)} = {' + '.join(terms)};") for number, terms in sorted(sums.items())]

    # reverse ---------------------------------------------------------------------------------------------------------

    def backward(self, keep: bool) -> tuple[Plot, list[str]]:
        """Return the working memory and the lines of the reverse pass, which adds to the gradient or keeps the cotangents."""
        pool, lines = Pool(), []
        pool.add("summed", 0, max((len(op.x.present) * op.out.width for op in self.operations if isinstance(op, Dense)), default=0))
        cotangents: dict[int, str] = {self.operations[-1].out.number: "cotangent"}
        for op in reversed(self.operations):
            g = cotangents.pop(op.out.number)
            if isinstance(op, Affine):
                lines += self._affine_backward(op, g, cotangents, pool, keep)
            elif isinstance(op, Product):
                lines += self._product_backward(op, g, cotangents, pool)
            else:
                for ref, factor in ((op.a, 1.0), (op.b, op.factor)):
                    to, sign = _target(ref, cotangents, pool)
                    lines.append(_each(op.out.num_channels * op.out.width, f"{to}[i] {sign} (T){factor!r} * {g}[i];"))
            if g in pool.places:
                pool.give_back(g)
        return pool, lines

    def _affine_backward(self, op: Affine, g: str, cotangents: dict[int, str], pool: Pool, keep: bool) -> list[str]:
        x, w = op.x, op.out.width
        gz, lines = self._before_activation(op, g, pool, keep)
        if not keep:
            summed = isinstance(op, Dense) and not x.varies
            lines += self._gradient(op, gz, "summed" if summed else f"{gz} + n * {w}", summed)
        if x.number:
            to, sign = _target(x, cotangents, pool)
            weight = f"(Matrix){{theta + {self._parameter(op.weight)}, 1, {w}}}"
            rows, add = f"{x.num_channels} * n", int(sign == "+=")
            lines.append(f"product({rows}, {x.width}, {w}, (Matrix){{{gz}, {w}, 1}}, {weight}, {to}, {add});")
        if gz != g and not keep:
            pool.give_back(gz)
        return lines

    def _before_activation(self, op: Affine, g: str, pool: Pool, keep: bool) -> tuple[str, list[str]]:
        """Return the array of the cotangent of x W + b and the lines that fill it from ``g``, that of the operation's output."""
        w, kept = op.out.width, f"d{op.out.number}"
        if not isinstance(op, Dense):
            return (kept, [_each(op.x.num_channels * w, f"{kept}[i] = {g}[i];")]) if keep else (g, [])
        if keep or op.x.varies:
            gz = kept if keep else pool.take(op.x.num_channels * w)
            return gz, [self._activation(op, "backward", g, f"{g} + n * {w}", gz, f"{gz} + n * {w}")]
        gz, clear = pool.take(w), f"for (long i = 0; i < {len(op.x.present) * w}; i++) summed[i] = 0;"
        return gz, [clear, self._activation(op, "backward_rows", g, f"{g} + n * {w}", gz, "summed")]

    def _gradient(self, op: Affine, gz: str, rest: str, summed: bool) -> list[str]:
        """Add to the gradient by weight and bias; ``gz`` and ``rest`` are the cotangents of value and channels of x W + b."""
        x, w_in, w, count = op.x, op.x.width, op.out.width, len(op.x.present)
        parts = [(self.stack(x), w_in, gz, f"{x.num_channels} * n")] if x.number else [("features", w_in, gz, "n")]
        if not x.number and count and (x.varies or summed):
            parts.append(("slopes", w_in, rest, f"{count} * n" if x.varies else f"{count}"))
        elif not x.number:
            parts += [(f"slopes + {k * w_in}", 0, f"{rest} + {k} * n * {w}", "n") for k in range(count)]
        to = f"gradient + {self._parameter(op.weight)}"
        lines = [
            f"product({w_in}, {w}, {rows}, (Matrix){{{start}, 1, {step}}}, (Matrix){{{g}, {w}, 1}}, {to}, 1);"
            for start, step, g, rows in parts
        ]
        return [*lines, f"sum_rows(n, {w}, {gz}, gradient + {self._parameter(op.bias)});"]

    def _product_backward(self, op: Product, g: str, cotangents: dict[int, str], pool: Pool) -> list[str]:
        size, lines = op.out.width, []
        rule = [*op.rule, *((number, number, 0, 1.0) for number in range(op.out.num_channels))]
        by_a = [(i, number, self.stack(op.b), j, factor) for number, i, j, factor in rule]
        by_b = [(j, number, self.stack(op.a), i, factor) for number, i, j, factor in rule]
        for ref, terms in ((op.a, by_a), (op.b, by_b)):
            to, sign = _target(ref, cotangents, pool)
            sums: dict[int, list[str]] = {number: [] for number in range(op.out.num_channels)}
            for channel, number, other, place, factor in terms:
                sums[channel].append(f"(T){factor!r} * {_at(g, number, size)} * {_at(other, place, size)}")
            lines += [_each(size, f"{_at(to, k, size)} {sign} {' + '.join(parts) or '0'};") for k, parts in sums.items()]
        return lines

    # rows ------------------------------------------------------------------------------------------------------------

    def rows(self) -> list[str]:
        """Return the lines that write the gradient of every point, each number once."""
        lines, written = [], set()
        for op in self.affine:
            x, w_in, w, d = op.x, op.x.width, op.out.width, f"d{op.out.number}"
            parts = [(self.stack(x), True, d, x.num_channels)] if x.number else [("features", True, d, 1)]
            if not x.number and x.present:
                parts.append(("slopes", x.varies, f"{d} + n * {w}", len(x.present)))
            for start, varies, g, count in parts:
                a = f"{start} + p * {w_in}, n * {w_in}" if varies else f"{start}, {w_in}"
                to, add = f"row + {self._parameter(op.weight)}", int(op.weight in written)
                lines.append(f"outer({count}, {w_in}, {w}, {a}, {g} + p * {w}, n * {w}, {to}, {add});")
                written.add(op.weight)
            sign = "+=" if op.bias in written else "="
            lines.append(f"for (long j = 0; j < {w}; j++) row[{self._parameter(op.bias)} + j] {sign} {d}[p * {w} + j];")
            written.add(op.bias)
        for name in set(self.layout.shapes) - written:
            place = self.layout[name][0]
            lines.append(f"for (long j = {place.start}; j < {place.stop}; j++) row[j] = 0;")
        head = ["for (long p = 0; p < n; p++) {", f"  T *const row = rows + p * {self.layout.num_params};"]
        return [*head, *(f"  {line}" for line in lines), "}"]

    def apply(self) -> tuple[Plot, list[str]]:
        """Return the working memory and the lines of rows times a vector: Σ_layers D · (x V + v)."""
        pool, lines = Pool(), ["for (long p = 0; p < n; p++) results[p] = 0;"]
        for op in self.affine:
            w, count, d = op.out.width, len(op.x.present), f"d{op.out.number}"
            t = pool.take(op.x.num_channels * w)
            lines += self._affine(op, "vector", t, f"{t} + n * {w}")
            lines.append(f"add_dots(n, {w}, 1, {t}, {w}, 0, {d}, results);")
            steps = f"{w}, n * {w}" if op.x.varies else f"0, {w}"
            lines += [f"add_dots(n, {w}, {count}, {t} + n * {w}, {steps}, {d} + n * {w}, results);"] if count else []
            pool.give_back(t)
        return pool, lines

    def transpose(self) -> tuple[Plot, list[str]]:
        """Return the working memory and the lines of a vector times rows."""
        pool, lines = Pool(), []
        for op in self.affine:
            w = op.out.width
            t = pool.take(op.x.num_channels * w)
            lines.append(f"scale_rows(n, {w}, {op.x.num_channels}, weights, d{op.out.number}, {t});")
            lines += self._gradient(op, t, f"{t} + n * {w}", summed=False)
            pool.give_back(t)
        return pool, lines


def _target(ref: Ref, cotangents: dict[int, str], pool: Pool) -> tuple[str, str]:
    """Return the array for the cotangent of a jet, and whether to set it or to add to it."""
    if ref.number in cotangents:
        return cotangents[ref.number], "+="
    cotangents[ref.number] = pool.take(ref.num_channels * ref.width)
    return cotangents[ref.number], "="


def _at(array: str, channel: int, width: int) -> str:
    return f"{array}[{channel * width} * n + i]" if channel else f"{array}[i]"


def _each(per_point: int, line: str) -> str:
    return f"for (long i = 0; i < {per_point} * n; i++) {line}"
