"""C code of the forward and the reverse pass of one network on jets, at ``n`` points, made from its recorded operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pinn.field.layout import Layout
from pinn.field.loops import activation_loops
from pinn.field.plot import Plot, Pool
from pinn.field.recorder import Affine, Dense, Interpolation, Operation, Product, Ref, Sum

OWN_BASES = {"tanh": ("tanh_array", 1), "sin": ("sin_array", 2)}
"""Activations whose bases are computed here: functions of (count, argument, value), and how many bases they write one by one."""


class Writer:
    """Writes the forward and reverse pass of a network.

    Parameters
    ----------
    prefix : of the names of its functions, where the code has several networks.

    Attributes
    ----------
    tape : where jets lie. kept : where the reverse pass keeps cotangents for products with the Jacobian, if it is to keep them.
    loops : functions that the passes call. stops : see `pinn.field.native_code.Code`.
    """

    def __init__(self, operations: Sequence[Operation], layout: Layout, num_bases: Callable[[str, int], int], prefix: str = ""):
        self.prefix = prefix
        self.operations, self.layout, self.num_bases = operations, layout, num_bases
        self.tape, self.kept = Plot(), Plot()
        self.loops: dict[tuple, str] = {}
        self.stops: list[tuple[str, int, str]] = []
        self.first_base: dict[int, int] = {}
        self._make_places()

    def _make_places(self) -> None:
        for op in self.operations:
            k, w = op.out.number, op.out.width
            if isinstance(op, Dense):
                count = len(op.x.present) * w
                self.tape.add(f"z{k}", w)
                self.tape.add(f"s{k}", count if op.x.varies else 0, 0 if op.x.varies else count)
                if op.activation in OWN_BASES:
                    self.tape.add(f"b{k}", OWN_BASES[op.activation][1] * w)
            if isinstance(op, Affine):
                self.kept.add(f"d{k}", op.x.num_channels * w)
            elif isinstance(op, Interpolation):
                self.kept.add(f"d{k}", 1)
            self.tape.add(self.stack(op.out), op.out.num_channels * w)

    @staticmethod
    def stack(ref: Ref) -> str:
        """Return the name of the array of a computed jet."""
        return f"y{ref.number}"

    def parameter(self, name: str) -> int:
        """Return where a parameter begins in θ."""
        return self.layout[name][0].start

    # forward ---------------------------------------------------------------------------------------------------------

    def forward(self) -> list[list[str]]:
        """Return the lines of every phase."""
        phases: list[list[str]] = [[]]
        bases = 0
        for op in self.operations:
            if isinstance(op, Dense):
                k, w, out = op.out.number, op.out.width, self.stack(op.out)
                phases[-1] += self.affine(op, "theta", f"z{k}", f"s{k}")
                if op.activation in OWN_BASES:
                    phases[-1].append(f"{OWN_BASES[op.activation][0]}(n * {w}, z{k}, b{k});")
                else:
                    self.stops.append((op.activation, op.plan.order + 1, f"z{k}"))
                    self.first_base[k] = bases
                    bases += self.num_bases(op.activation, op.plan.order + 1)
                    phases.append([])
                phases[-1].append(self._activation(op, "forward", "0", "0", out, f"{out} + n * {w}"))
            elif isinstance(op, Affine):
                out = self.stack(op.out)
                phases[-1] += self.affine(op, "theta", out, f"{out} + n * {op.out.width}")
                if not op.x.varies:
                    phases[-1].append(f"repeat(n, {op.out.width}, {len(op.x.present)}, {out} + n * {op.out.width});")
            elif isinstance(op, Product):
                phases[-1] += self._product(op)
            else:
                phases[-1].append(self._combination(op))
        return phases

    def affine(self, op: Affine, parameters: str, value: str, rest: str) -> list[str]:
        """Return x W + b with ``value`` (points, width) and ``rest`` (channels, points or 1, width), as the channels of x vary."""
        x, w = op.x, op.out.width
        weight = f"(Matrix){{{parameters} + {self.parameter(op.weight)}, {w}, 1}}"
        many = " * n" if x.varies else ""
        parts = [("n", f"features + {x.start}" if not x.number else self.stack(x), value)]
        for first, place, count in x.runs:
            start = self.channels_of(x, place)
            parts.append((f"{count}{many}", start, f"{rest} + {first * w}{many}"))
        lines = [f"product({m}, {w}, {x.width}, (Matrix){{{a}, {x.stride}, 1}}, {weight}, {to}, 0);" for m, a, to in parts]
        return [*lines, f"add_bias(n, {w}, {parameters} + {self.parameter(op.bias)}, {value});"]

    def channels_of(self, x: Ref, place: int) -> str:
        """Return where a channel of a jet begins, the value not counted."""
        if x.number:
            return f"{self.stack(x)} + {(place + 1) * x.width} * n"
        return f"slopes + {place * x.stride}{' * n' if x.varies else ''} + {x.start}"

    def _combination(self, op: Sum | Interpolation) -> str:
        """Return the sum of two jets with factors."""
        a, b, out = self.stack(op.a), self.stack(op.b), self.stack(op.out)
        if isinstance(op, Sum):
            return _each(op.out.num_channels * op.out.width, f"{out}[i] = {a}[i] + (T){op.factor!r} * {b}[i];")
        line = f"{out}[i] = {a}[i] + factor * ({b}[i] - {a}[i]);"
        return _with_factor(self.parameter(op.factor), _each(op.out.num_channels * op.out.width, line))

    def _activation(self, op: Dense, which: str, x: str, y: str, value: str, rest: str) -> str:
        """Return a call of the loops of an activation; for the arguments see `pinn.field.loops.activation_loops`."""
        key = (op.plan, op.activation)
        name = f"{self.prefix}act{list(self.loops).index(key) if key in self.loops else len(self.loops)}"
        count = self.num_bases(op.activation, op.plan.order + 1)
        if key not in self.loops:
            counts = (self.num_bases(op.activation, op.plan.order), count)
            self.loops[key] = activation_loops(name, op.plan, op.activation, counts)
        k, w = op.out.number, op.out.width
        if op.activation in OWN_BASES:
            bases = [f"b{k} + {j} * n * {w}" for j in range(OWN_BASES[op.activation][1])]
        else:
            bases = [f"bases[{self.first_base[k] + j}] + {w} * first" for j in range(count)]
        size, z = (f"1, n * {w}", f"s{k}, n * {w}, 0") if op.x.varies else (f"n, {w}", f"s{k}, {w}, 0")
        return f"{name}_{which}({size}, (const T *[]){{{', '.join(bases)}}}, {z}, {x}, {y}, {value}, {rest});"

    def _product(self, op: Product) -> list[str]:
        a, b, out, size = self.stack(op.a), self.stack(op.b), self.stack(op.out), op.out.width
        sums: dict[int, list[str]] = {}
        for number, i, j, factor in op.rule.terms:
            sums.setdefault(number, []).append(f"(T){factor!r} * {_at(a, i, size)} * {_at(b, j, size)}")
        for k, number in enumerate(op.rule.places):
            sums.setdefault(number, []).append(f"{_at(a, k, size)} * {b}[i]")
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
                lines += self._combination_backward(op, g, cotangents, pool, keep)
            if g in pool.places:
                pool.give_back(g)
        return pool, lines

    def _affine_backward(self, op: Affine, g: str, cotangents: dict[int, str], pool: Pool, keep: bool) -> list[str]:
        x, w = op.x, op.out.width
        gz, lines = self._before_activation(op, g, pool, keep)
        if not keep:
            summed = isinstance(op, Dense) and not x.varies
            lines += self.gradient(op, gz, "summed" if summed else f"{gz} + n * {w}", summed)
        if x.number:
            to, sign = _target(x, cotangents, pool)
            weight = f"(Matrix){{theta + {self.parameter(op.weight)}, 1, {w}}}"
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

    def gradient(self, op: Affine, gz: str, rest: str, summed: bool) -> list[str]:
        """Add to the gradient by weight and bias; ``gz`` and ``rest`` are the cotangents of value and channels of x W + b.

        Parameters
        ----------
        summed : whether ``rest`` is that of all points together, (channels, width).
        """
        x, w_in, w = op.x, op.x.width, op.out.width
        parts = [(self.stack(x), w_in, gz, f"{x.num_channels} * n")] if x.number else [(f"features + {x.start}", x.stride, gz, "n")]
        for first, place, count in () if x.number else x.runs:
            if x.varies:
                parts.append((self.channels_of(x, place), x.stride, f"{rest} + {first} * n * {w}", f"{count} * n"))
            elif summed:
                parts.append((self.channels_of(x, place), x.stride, f"{rest} + {first * w}", f"{count}"))
            else:
                parts += [(self.channels_of(x, place + k), 0, f"{rest} + {first + k} * n * {w}", "n") for k in range(count)]
        to = f"gradient + {self.parameter(op.weight)}"
        lines = [
            f"product({w_in}, {w}, {rows}, (Matrix){{{start}, 1, {step}}}, (Matrix){{{g}, {w}, 1}}, {to}, 1);"
            for start, step, g, rows in parts
        ]
        return [*lines, f"sum_rows(n, {w}, {gz}, gradient + {self.parameter(op.bias)});"]

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
            lines += [_each(size, f"{_at(to, k, size)} {sign} {' + '.join(parts) or '0'};") for k, parts in sums.items()]
        return lines

    def _combination_backward(
        self, op: Sum | Interpolation, g: str, cotangents: dict[int, str], pool: Pool, keep: bool
    ) -> list[str]:
        lines, size = [], op.out.num_channels * op.out.width
        factors = ("(T)1.0", f"(T){op.factor!r}") if isinstance(op, Sum) else ("(1 - factor)", "factor")
        for ref, factor in zip((op.a, op.b), factors, strict=True):
            to, sign = _target(ref, cotangents, pool)
            lines.append(_each(size, f"{to}[i] {sign} {factor} * {g}[i];"))
        if isinstance(op, Sum):
            return lines
        place, stacks = self.parameter(op.factor), (g, self.stack(op.a), self.stack(op.b))
        if keep:
            d, here = f"d{op.out.number}", ", ".join(f"{stack} + (k * n + p) * {op.out.width}" for stack in stacks)
            slope = f"{d}[p] += interpolation_slope({op.out.width}, {here});"
            lines.append(_each(1, f"{d}[i] = 0;"))
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


def _with_factor(place: int, *lines: str) -> str:
    """Return lines that use the ``factor`` of an interpolation."""
    return " ".join(["{", f"const T factor = theta[{place}];", *lines, "}"])


def _at(array: str, channel: int, width: int) -> str:
    return f"{array}[{channel * width} * n + i]" if channel else f"{array}[i]"


def _each(per_point: int, line: str) -> str:
    return f"for (long i = 0; i < {per_point} * n; i++) {line}"
