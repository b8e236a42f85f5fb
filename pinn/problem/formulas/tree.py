"""Formula trees: immutable, hashable nodes that compare by value.

A *surface* tree is what a person wrote (`pinn.problem.formulas.parser.parse` makes it and ``str`` prints it back). An *expanded*
tree (`pinn.problem.formulas.expand`) is scalar and built of numbers, coordinates, calls, functions from files (`Known`, which stand
first in a ``lookup``) and the leaves `Jet`, `Normal` and `Integral` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from pinn.problem.shapes.parts import Part

Index = tuple[int, ...]
"""Derivative orders per coordinate, in the problem's order: u_tt in (x, t) is (0, 2)."""

Operator = tuple[Index, ...]
"""The sum of the partial derivatives with these indices, sorted: u_t is ((0, 1),), the Laplacian in (x, y) ((0, 2), (2, 0))."""


_Class = TypeVar("_Class")


class Node:
    """Base of all nodes; ``str`` prints the formula."""

    def __str__(self) -> str:
        from pinn.problem.formulas.printing import to_text

        return to_text(self)


@dataclass_transform(frozen_default=True)
def _node(cls: type[_Class]) -> type[_Class]:
    """Make a frozen dataclass whose hash is computed once (trees share large subtrees) and not pickled (it differs by process)."""
    cls = dataclass(frozen=True)(cls)
    compute = cls.__hash__

    def cached_hash(self: Any) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", compute(self))
            return self._hash

    def state(self: Any) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    for name, method in (("__hash__", cached_hash), ("__getstate__", state)):
        setattr(cls, name, method)
    return cls


@_node
class Number(Node):
    """A real constant."""

    value: float


@_node
class Imaginary(Node):
    """``value`` times the imaginary unit, written ``2j``; in surface trees only."""

    value: float


@_node
class Name(Node):
    """A name; in an expanded tree always a coordinate (or a bound variable of an integral)."""

    name: str


@_node
class Call(Node):
    """A function or operator applied to arguments; ``function`` is one of ``+ - * / **``, ``neg`` or a name of the language.

    Comparisons (``< <= > >= =``) and ``and or not`` are calls too; they stand only inside ``where`` and selectors.
    """

    function: str
    arguments: tuple[Node, ...]


@_node
class Vector(Node):
    """A tuple of formulas."""

    items: tuple[Node, ...]


@_node
class At(Node):
    """A quantity evaluated elsewhere: ``u_x(x=1)`` is At(Name("u_x"), (("x", Number(1)),))."""

    quantity: Node
    where: tuple[tuple[str, Node], ...]


@_node
class Jet(Node):
    """Leaf of an expanded tree: ``operator`` applied to an unknown, at the point or at an image of it.

    ``image`` lists substitutions of coordinates, for instance ``(("x", Number(0.0)),)`` for u(x=0): derivatives first,
    substitution afterwards.
    """

    unknown: str
    operator: Operator
    image: tuple[tuple[str, Node], ...] = ()


@_node
class Normal(Node):
    """Leaf of an expanded tree: component of the outward unit normal along a space coordinate."""

    coordinate: str


@_node
class Enclosure(Node):
    """First argument of ``encloses``, the coordinates it lies in being the others: a body that is no formula.

    ``contains(points)`` tells which points (points, dim) are inside; ``key`` tells bodies apart.
    """

    name: str
    key: str
    contains: Callable[[Any], Any] = field(compare=False, repr=False)


@_node
class Measured(Node):
    """Leaf of an expanded tree: the value at each point of the column of this name that sites carry."""

    column: str


@_node
class Known(Node):
    """First argument of ``lookup``, places along ``names`` being the others: a function given by numbers.

    ``orders`` are those of its derivative, ``function(orders, *places)`` its values; ``key`` tells functions of one name apart.
    """

    name: str
    names: tuple[str, ...]
    orders: Index
    key: str
    function: Any = field(compare=False, repr=False)

    def derivative(self, axis: int) -> Known:
        """Return the derivative along one of ``names``, or raise `BadInput` where the function has none."""
        orders = (*self.orders[:axis], self.orders[axis] + 1, *self.orders[axis + 1 :])
        self.function.check(orders)
        return Known(self.name, self.names, orders, self.key, self.function)

    def __call__(self, *places: Any) -> Any:
        """Return values at places, of their broadcast shape."""
        return self.function(self.orders, *places)


@_node
class Integral(Node):
    """Leaf of an expanded tree: the integral of an expanded tree over (name, low, high), or its mean there.

    With a ``part`` of space it runs over that, ``over`` names the space coordinates on it, and normals are those of the part.
    """

    integrand: Node
    over: tuple[tuple[str, Node, Node], ...]
    mean: bool = False
    part: Part | None = None


class Position(NamedTuple):
    """Where a formula stands: file, line and column (from 1), and the raw line."""

    file: str
    line: int
    column: int
    text: str


Item = TypeVar("Item")


def fold(combine: Callable[[Item, Item], Item], items: Sequence[Item]) -> Item:
    """Return ``items`` combined in pairs of halves, so that a sum of a thousand terms is a tree of depth ten."""
    if len(items) == 1:
        return items[0]
    half = (len(items) + 1) // 2
    return combine(fold(combine, items[:half]), fold(combine, items[half:]))
