"""C code of the Jacobian of a scalar per point from what a reverse pass has kept: its rows, and products with them.

A layer x W + b has kept the cotangents D of its result, an interpolation the derivative of the scalar by its factor; see
`pinn.field.factors` for the formulas.
"""

from __future__ import annotations

from pinn.field.passes import Writer
from pinn.field.plot import Plot, Pool
from pinn.field.recorder import Affine, Interpolation


def rows(writer: Writer) -> list[str]:
    """Return the lines that write the gradient of every point, each number once."""
    lines, written = [], set()
    for op in writer.operations:
        d = f"d{op.out.number}"
        if isinstance(op, Affine):
            lines += _outer(writer, op, op.weight in written)
            sign, w = "+=" if op.bias in written else "=", op.out.width
            lines.append(f"for (long j = 0; j < {w}; j++) row[{writer.parameter(op.bias)} + j] {sign} {d}[p * {w} + j];")
            written |= {op.weight, op.bias}
        elif isinstance(op, Interpolation):
            lines.append(f"row[{writer.parameter(op.factor)}] {'+=' if op.factor in written else '='} {d}[p];")
            written.add(op.factor)
    for place in (writer.layout[name][0] for name in writer.layout.shapes if name not in written):
        lines.append(f"for (long j = {place.start}; j < {place.stop}; j++) row[j] = 0;")
    head = ["for (long p = 0; p < n; p++) {", f"  T *const row = rows + p * {writer.layout.num_params};"]
    return [*head, *(f"  {line}" for line in lines), "}"]


def _outer(writer: Writer, op: Affine, add: bool) -> list[str]:
    """Return the lines that write the gradient by a weight at point ``p``, or add it."""
    x, w, d = op.x, op.out.width, f"d{op.out.number}"
    if x.number:
        parts = [(writer.stack(x), True, 0, x.num_channels)]
    else:
        parts = [(f"features + {x.start}", True, 0, 1)]
        parts += [(writer.channels_of(x, place), x.varies, first + 1, count) for first, place, count in x.runs]
    lines = []
    for k, (start, varies, channel, count) in enumerate(parts):
        a = f"{start} + p * {x.stride}, n * {x.stride}" if varies else f"{start}, {x.stride}"
        g, to = f"{d} + ({channel} * n + p) * {w}, n * {w}", f"row + {writer.parameter(op.weight)}"
        lines.append(f"outer({count}, {x.width}, {w}, {a}, {g}, {to}, {int(add or k > 0)});")
    return lines


def apply(writer: Writer) -> tuple[Plot, list[str]]:
    """Return the working memory and the lines of rows times a vector: Σ_layers D · (x V + v)."""
    pool, lines = Pool(), ["for (long p = 0; p < n; p++) results[p] = 0;"]
    for op in writer.operations:
        w, d = op.out.width, f"d{op.out.number}"
        if isinstance(op, Affine):
            count, t = len(op.x.present), pool.take(op.x.num_channels * w)
            lines += writer.affine(op, "vector", t, f"{t} + n * {w}")
            lines.append(f"add_dots(n, {w}, 1, {t}, {w}, 0, {d}, results);")
            steps = f"{w}, n * {w}" if op.x.varies else f"0, {w}"
            lines += [f"add_dots(n, {w}, {count}, {t} + n * {w}, {steps}, {d} + n * {w}, results);"] if count else []
            pool.give_back(t)
        elif isinstance(op, Interpolation):
            lines.append(f"for (long p = 0; p < n; p++) results[p] += vector[{writer.parameter(op.factor)}] * {d}[p];")
    return pool, lines


def transpose(writer: Writer) -> tuple[Plot, list[str]]:
    """Return the working memory and the lines of a vector times rows."""
    pool, lines = Pool(), []
    for op in writer.operations:
        w, d = op.out.width, f"d{op.out.number}"
        if isinstance(op, Affine):
            t = pool.take(op.x.num_channels * w)
            lines.append(f"scale_rows(n, {w}, {op.x.num_channels}, weights, {d}, {t});")
            lines += writer.gradient(op, t, f"{t} + n * {w}", summed=False)
            pool.give_back(t)
        elif isinstance(op, Interpolation):
            lines.append(f"for (long p = 0; p < n; p++) gradient[{writer.parameter(op.factor)}] += weights[p] * {d}[p];")
    return pool, lines
