"""Trees made ready for arrays: a straight line of instructions, common parts once, known parts computed ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.formulas.tree import Call, Enclosure, Known, Measured, Name, Node, Normal, Number
from pinn.problem.sites import Sites

Functions = Mapping[str, Callable]


def _erf(a: Any) -> Any:
    from scipy.special import erf  # takes longer to import than everything else that reads a problem

    return erf(a)


def _encloses(body: Enclosure, places: Sequence[np.ndarray]) -> np.ndarray:
    points = np.stack([np.ravel(place) for place in places], axis=1)
    return np.reshape(body.contains(points), np.shape(places[0]))


NUMPY: Functions = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "neg": np.negative,
    "**": lambda a, b: np.square(a) if isinstance(b, float) and b == 2 else np.power(a, b),
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "erf": _erf,
    "abs": np.abs,
    "sign": np.sign,
    "real": np.real,
    "imag": np.imag,
    "conj": np.conj,
    "min": np.minimum,
    "max": np.maximum,
    "where": np.where,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "encloses": lambda body, *places: _encloses(body, np.broadcast_arrays(*places)),
    "lookup": lambda known, *places: known(*places),
    "integrate": lambda a, w: np.sum(a * w, axis=-1),
}
"""What the functions of the language do to NumPy arrays. Another array library needs a table with the same keys."""


def coordinate_values(points: np.ndarray, coordinates: Sequence[str]) -> dict[Node, np.ndarray]:
    """Return what a program wants to know of ``points`` (points, dim): one column (points,) for the name of each coordinate."""
    return {Name(name): points[:, axis] for axis, name in enumerate(coordinates)}


def site_values(sites: Sites, coordinates: Sequence[str]) -> dict[Node, np.ndarray]:
    """Return the same of sites, the components of the normals where there are some, and the columns that belong to points."""
    values = coordinate_values(sites.points, coordinates)
    values.update({Measured(name): column for name, column in sites.columns.items()})
    if sites.normals is not None:
        values.update({Normal(name): sites.normals[:, axis] for axis, name in enumerate(coordinates)})
    return values


class Instruction(NamedTuple):
    """``slot = function(*arguments)``, arguments being slots."""

    slot: int
    function: str
    arguments: tuple[int, ...]


class Listing(NamedTuple):
    """The parts of a `Program`: slots of its leaves, values of slots that are known, instructions, and slots of the results."""

    inputs: dict[Node, int]
    constants: dict[int, Any]
    code: tuple[Instruction, ...]
    outputs: tuple[int, ...]


class Program:
    """One or several expanded trees as instructions over their leaves; every common subtree is computed once.

    Parameters
    ----------
    trees : expanded trees; the program returns one value for each.

    Attributes
    ----------
    inputs : the leaves whose values a call needs.
    """

    def __init__(self, trees: Sequence[Node]):
        slots: dict[Node, int] = {}
        self._inputs: dict[Node, int] = {}
        self._constants: dict[int, Any] = {}
        self._code: list[Instruction] = []
        self._outputs = [self._compile(tree, slots) for tree in trees]

    @property
    def inputs(self) -> tuple[Node, ...]:
        """Leaves that have no value yet."""
        return tuple(self._inputs)

    @property
    def listing(self) -> Listing:
        """All of the program, for those who translate it."""
        return Listing(dict(self._inputs), dict(self._constants), tuple(self._code), tuple(self._outputs))

    def _compile(self, node: Node, slots: dict[Node, int]) -> int:
        if node in slots:
            return slots[node]
        if isinstance(node, Call):
            arguments = tuple(self._compile(argument, slots) for argument in node.arguments)
            slot = slots[node] = len(slots)
            self._code.append(Instruction(slot, node.function, arguments))
            return slot
        slot = slots[node] = len(slots)
        if isinstance(node, Number):
            self._constants[slot] = node.value
        elif isinstance(node, (Known, Enclosure)):
            self._constants[slot] = node
        else:
            self._inputs[node] = slot
        return slot

    def __call__(self, values: Mapping[Node, Any], functions: Functions = NUMPY) -> list[Any]:
        """Return one value per tree; shapes follow the broadcasting of ``values``, constants stay plain numbers.

        Raises
        ------
        KeyError : a leaf of `inputs` has no value.
        """
        known = dict(self._constants)
        for leaf, slot in self._inputs.items():
            known[slot] = values[leaf]
        for slot, function, arguments in self._code:
            known[slot] = functions[function](*[known[argument] for argument in arguments])
        return [known[slot] for slot in self._outputs]

    def bind(self, values: Mapping[Node, Any], functions: Functions = NUMPY) -> Program:
        """Return the program with everything computed that depends on the leaves in ``values`` only."""
        bound = object.__new__(Program)
        known = dict(self._constants)
        known.update((slot, values[leaf]) for leaf, slot in self._inputs.items() if leaf in values)
        code = []
        for instruction in self._code:
            if all(argument in known for argument in instruction.arguments):
                known[instruction.slot] = functions[instruction.function](*[known[a] for a in instruction.arguments])
            else:
                code.append(instruction)
        used = {argument for instruction in code for argument in instruction.arguments} | set(self._outputs)
        bound._inputs = {leaf: slot for leaf, slot in self._inputs.items() if leaf not in values}
        bound._constants = {slot: value for slot, value in known.items() if slot in used}
        bound._code, bound._outputs = code, self._outputs
        return bound

    def map_constants(self, convert: Callable[[Any], Any]) -> Program:
        """Return the program with ``convert`` applied to every constant that is an array."""
        other = object.__new__(Program)
        other._inputs, other._code, other._outputs = self._inputs, self._code, self._outputs
        other._constants = {
            slot: value if isinstance(value, (int, float, complex)) else convert(value) for slot, value in self._constants.items()
        }
        return other
