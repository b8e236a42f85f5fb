"""What a formula may name, and complaints about names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pinn.problem.formulas.complex_numbers import Scalar
from pinn.problem.formulas.parser import ELEMENTARY, OPERATORS, FormulaError
from pinn.problem.formulas.tree import Node
from pinn.problem.settings import BadInput, nearest

if TYPE_CHECKING:
    from pinn.problem.parameters import Parameter
    from pinn.problem.shapes.pieces import Piece
    from pinn.problem.shapes.surfaces import Surface

_SYMBOLS = {"e": "exp(1)", "i": "1j", "j": "1j"}

Value = Scalar | tuple[Any, ...]
"""A scalar tree, a complex scalar, or a tuple of values: a vector, or a matrix as a tuple of rows."""


@dataclass(frozen=True)
class Namespace:
    """Everything a formula may name.

    Attributes
    ----------
    coordinates : scalar coordinates in the problem's order, parameters last.
    time : the time coordinate or None.
    box : lowest and highest value of each coordinate, of a parameter its columns.
    parameters : those that are coordinates too, by name; None in place of one where no formula may use it.
    vectors : names of coordinates and unknowns with a dimension, and their components.
    complex : names of complex unknowns, and the two real unknowns that stand for each.
    unknowns : the coordinates each scalar unknown depends on.
    constants : values of the constants.
    definitions : surface trees.
    fields : values of functions from files at the point.
    shapes : boolean trees over coordinates, of bodies by name.
    named : selectors of surfaces by name.
    surfaces : what comparisons in them stand for that are no planes.
    domain : boolean tree of the domain; None is the whole box. edges : its rim inside the box.
    places : boolean trees of where unknowns live that are not everywhere.
    rims : the inner planes on which a body ends, by its name, where unknowns may jump there.
    used : names that were looked up so far (grows while formulas are expanded).
    """

    coordinates: tuple[str, ...] = ()
    time: str | None = None
    box: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    parameters: Mapping[str, Parameter | None] = field(default_factory=dict)
    vectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complex: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unknowns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    definitions: Mapping[str, Node] = field(default_factory=dict)
    fields: Mapping[str, Value] = field(default_factory=dict)
    shapes: Mapping[str, Node] = field(default_factory=dict)
    named: Mapping[str, Node] = field(default_factory=dict)
    surfaces: Mapping[Node, tuple[Surface, ...]] = field(default_factory=dict)
    domain: Node | None = None
    edges: tuple[Piece, ...] = ()
    places: Mapping[str, Node] = field(default_factory=dict)
    rims: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set, compare=False)

    @property
    def space(self) -> tuple[str, ...]:
        """The coordinates without time and parameters."""
        return tuple(name for name in self.coordinates if name != self.time and name not in self.parameters)

    def parts(self, unknown: str) -> tuple[str, ...]:
        """Return the scalar unknowns that a name stands for: components of a vector, real and imaginary part; () if none."""
        if unknown in self.vectors:
            return tuple(part for component in self.vectors[unknown] for part in self.parts(component))
        return self.complex.get(unknown, (unknown,) if unknown in self.unknowns else ())

    @property
    def declared(self) -> set[str]:
        """Every declared name."""
        known = (self.coordinates, self.vectors, self.complex, self.unknowns, self.constants, self.definitions, self.fields)
        return {name for names in known for name in names}

    @property
    def interfaces(self) -> tuple[Piece, ...]:
        """The rims of all bodies across which unknowns may jump."""
        return tuple(dict.fromkeys(piece for pieces in self.rims.values() for piece in pieces))

    def runs(self, letters: str, normal: bool = True) -> list[tuple[str, ...]]:
        """Return every way to cut ``letters`` into names of coordinates (and ``n``): ``thetatheta`` gives one."""
        if not letters:
            return [()]
        found = []
        for name in (*self.coordinates, *(("n",) if normal else ())):
            if letters.startswith(name):
                found += [(name, *rest) for rest in self.runs(letters[len(name) :], normal)]
        return found

    def reads_as_derivative(self, name: str) -> bool:
        """Whether a declared name would also read as the derivative of another one."""
        base, _, letters = name.rpartition("_")
        functions = {*self.unknowns, *self.vectors, *self.complex, *self.definitions, *self.fields}
        return bool(letters) and base in functions and bool(self.runs(letters))


def hint(name: str, space: Namespace) -> str:
    """Return what an unknown name may have been meant to be, ``""`` when nothing comes close."""
    if name in _SYMBOLS:
        return f"; write {_SYMBOLS[name]}"
    rate = re.fullmatch(r"[dD](\w+)", name)
    if rate and rate[1] in {*space.unknowns, *space.coordinates}:
        unknown, coordinate = next(iter(space.unknowns)), space.coordinates[-1]
        return f"; a derivative is written {unknown}_{coordinate} or diff({unknown}, {coordinate})"
    if name in ("inf", "nan", "infinity"):
        return "; every number must be finite"
    for unknown in space.unknowns:
        if name.startswith(unknown) and space.runs(name[len(unknown) :]):
            return f"; did you mean '{unknown}_{name[len(unknown) :]}'?"
    return nearest(name, [*space.declared, *space.shapes, *ELEMENTARY, *OPERATORS])


class BadKey(BadInput):
    """A complaint about a key of the file rather than its value."""


class UnusableName(FormulaError):
    """A name in a formula that cannot be used; ``name`` is the text to point at."""

    def __init__(self, message: str, setting: str = "", detail: str = "", name: str = ""):
        super().__init__(message, setting, detail)
        self.name = name


def point_at(text: str, error: FormulaError) -> FormulaError:
    """Return the complaint with a caret under the name it is about, when that name stands in ``text``."""
    name = getattr(error, "name", "")
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) if name else None
    if error.detail or not text:
        return error
    return FormulaError(error.message, error.setting, text=text, column=found.start() if found else 0)
