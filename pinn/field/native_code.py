"""C code of equal networks on jets, made from the recorded operations of one.

Everything that is known before the run is in the code: the operations, the widths, which channels are present. It has

- ``phase0 … phaseK``: the forward pass, interrupted before every activation whose transcendental functions torch computes;
- ``backward``: the reverse of all of it, which adds to the gradient by θ;
- ``factors``: the same reverse, which keeps the cotangents of all layers instead, see `pinn.field.factors`; from them
  ``rows`` makes the gradient of every point, ``apply`` and ``transpose`` products with these rows.

Every function goes over members, equal networks each with its own part of θ and its own points; `pinn.field.passes` and
`pinn.field.row_passes` write what it does for one of them. Between the passes, jets lie on a *tape*; `pinn.field.plot.Plot` says
where. The arrays of a member are row-major with the channel first, (channels, points, width), the value being channel 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

from pinn.field import row_passes
from pinn.field.layout import Layout
from pinn.field.passes import Writer
from pinn.field.plot import Plot
from pinn.field.recorder import Affine, Operation, Ref

NATIVE_FILES = ("matrix.c", "tanh.c", "sin.c")

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
JACOBIAN = ("factors", "rows", "apply", "transpose")
"""Functions in a piece of code of their own: many runs want no Jacobian, and every piece waits for the compiler."""


class Code(NamedTuple):
    """The text and what one must know to call it.

    Attributes
    ----------
    text, jacobian : code of the phases and ``backward``, and of the functions in ``JACOBIAN``.
    tape, kept : memory of both passes, and of the cotangents that ``factors`` keeps.
    work : memory that a function needs, by name, for the largest number of points that one member has.
    stops : for every phase that ends before an activation: (activation, highest order of its derivatives, array of its argument).
    output : the array of the network's outputs, (channels, points, outputs), and how many channels and outputs.
    """

    text: str
    jacobian: str
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
    writer = Writer(operations, layout, num_bases)
    tape, kept = writer.tape, writer.kept
    bodies = {f"phase{k}": (Plot(), lines) for k, lines in enumerate(writer.forward())}
    bodies |= {
        "backward": writer.backward(keep=False),
        "factors": writer.backward(keep=True),
        "rows": (Plot(), row_passes.rows(writer)),
        "apply": row_passes.apply(writer),
        "transpose": row_passes.transpose(writer),
    }
    shared = "\n".join([head(number), *writer.loops.values()])
    texts = {}
    for name, (work, lines) in bodies.items():
        declared = [*_of_member(writer, name), *tape.member_declarations("tape"), *work.declarations("work")]
        declared += kept.member_declarations("kept") if "*kept" in OTHER_ARGUMENTS.get(name, "") else []
        texts[name] = _over_members(name, [*declared, *lines])
    out = operations[-1].out
    works = {name: work for name, (work, _) in bodies.items() if "*work" in OTHER_ARGUMENTS.get(name, "")}
    plain, jacobian = ("\n".join([shared, *(texts[k] for k in texts if (k in JACOBIAN) == late)]) for late in (False, True))
    return Code(plain, jacobian, tape, kept, works, tuple(writer.stops), (writer.stack(out), out.num_channels, out.width))


def head(number: str) -> str:
    """Return what all generated code begins with, for ``double`` or ``float``."""
    return "\n".join([f"typedef {number} T;", *map(source_file, NATIVE_FILES)])


def source_file(name: str) -> str:
    """Return the text of a C file of this package."""
    return files("pinn.field").joinpath(name).read_text()


def function(name: str, arguments: str, lines: Sequence[str]) -> str:
    """Return a C function without result."""
    return "\n".join([f"void {name}({arguments}) {{", *(f"  {line}" for line in lines), "}\n"])


def _over_members(name: str, lines: Sequence[str]) -> str:
    """Return a C function that does the same for every member."""
    loop = [
        "const long total = starts[members];",
        "for (long m = 0; m < members; m++) {",
        "  const long first = starts[m], n = starts[m + 1] - first;",
        "  if (!n) continue;",
        *(f"  {line}" for line in lines),
        "}",
    ]
    return function(name, _arguments(name), loop)


def _arguments(name: str) -> str:
    return ", ".join([ARGUMENTS, *([OTHER_ARGUMENTS[name]] if name in OTHER_ARGUMENTS else [])])


def _of_member(writer: Writer, name: str) -> list[str]:
    """Return declarations of what a member has of the arguments of a function."""
    size, out = writer.layout.num_params, writer.operations[-1].out
    seen = (op.x.whole or op.x for op in writer.operations if isinstance(op, Affine) and not op.x.number)
    features = next(seen, Ref(0, 0, ()))
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
    return [line for argument, line in by_argument.items() if f"*{argument}" in _arguments(name)]
