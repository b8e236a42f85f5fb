"""From what a person wrote to scalar trees: constants and definitions put in, vectors by component, derivatives as jets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeGuard

from pinn.problem.formulas import calculus
from pinn.problem.formulas.calculus import ZERO, build, multiply, subtract, total
from pinn.problem.formulas.complex_numbers import Complex, Scalar, build_scalar, by_component, pair
from pinn.problem.formulas.integrals import over_space, over_surface, over_variable
from pinn.problem.formulas.lookups import elsewhere, kept_where
from pinn.problem.formulas.namespace import Namespace, UnusableName, Value, hint
from pinn.problem.formulas.parser import COMPARISONS, OPERATORS, FormulaError
from pinn.problem.formulas.sides import INSIDE, OUTSIDE, jumps_along, seen_from
from pinn.problem.formulas.tree import At, Call, Imaginary, Jet, Name, Node, Normal, Number, Vector, fold
from pinn.problem.settings import nearest

MAX_ORDER = 4
_GUARDED = {"sqrt": (0,), "log": (0,), "/": (1,), "**": (0,), "asin": (0,), "acos": (0,)}


@dataclass(frozen=True)
class Expander:
    """Expands surface trees in a namespace.

    Attributes
    ----------
    surface : whether normals may be used (a condition on walls or interfaces).
    interface : whether jumps may be used (a condition on interfaces).
    """

    namespace: Namespace
    surface: bool = False
    bound: Mapping[str, Name] = field(default_factory=dict)
    pending: tuple[str, ...] = ()
    interface: bool = False

    def scalar(self, tree: Node) -> Node:
        """Return the expanded scalar tree; a vector or a complex value is refused."""
        value = self.complex_scalar(tree)
        if isinstance(value, Complex):
            raise FormulaError(f"a real number is needed here, '{tree}' is complex; take real(...), imag(...) or abs(...)")
        return value

    def complex_scalar(self, tree: Node) -> Scalar:
        """Return the expanded scalar, real or complex; a vector is refused."""
        value = self.expand(tree)
        if isinstance(value, tuple):
            raise FormulaError(f"a number is needed here, '{tree}' is a vector of length {len(value)}; use sum, dot or a component")
        return value

    def expand(self, tree: Node) -> Value:
        """Return the value of a surface tree.

        Raises
        ------
        FormulaError : an unknown name, lengths that differ, a derivative of too high an order.
        """
        if isinstance(tree, Imaginary):
            return Complex(ZERO, Number(tree.value))
        if isinstance(tree, Name):
            return self._name(tree.name)
        if isinstance(tree, Vector):
            return tuple(self.expand(item) for item in tree.items)
        if isinstance(tree, At):
            return self._elsewhere(tree)
        if isinstance(tree, Call):
            return self._call(tree)
        return tree

    # names -----------------------------------------------------------------------------------------------------------

    def _name(self, name: str) -> Value:
        space = self.namespace
        if name in self.bound:
            return self.bound[name]
        if name == "pi":
            return Number(3.141592653589793)
        if name == "n":
            self._needs_surface(name)
            return tuple(Normal(coordinate) for coordinate in space.space)
        if name in space.parameters and name not in space.coordinates and name not in space.vectors:
            raise UnusableName(f"'{name}' is a parameter, which has no single value; a number is needed here", name=name)
        if name in space.declared:
            space.used.add(name)
            return self._declared(name)
        if name in space.shapes:
            raise UnusableName(f"'{name}' is a body; it stands in where({name}, a, b) and in at:", name=name)
        if name == "exact":
            raise UnusableName("'exact' stands alone as the right side of a condition", name=name)
        return self._suffixed(name)

    def _declared(self, name: str) -> Value:
        space = self.namespace
        parameter = space.parameters.get(name)
        if parameter is not None:
            return parameter.value_tree
        if name in space.coordinates:
            return Name(name)
        if name in space.vectors:
            return tuple(self._name(component) for component in space.vectors[name])
        if name in space.complex:
            real, imag = space.complex[name]
            return Complex(self._plain(real), self._plain(imag))
        if name in space.unknowns:
            return self._plain(name)
        if name in space.constants:
            return space.constants[name]
        if name in space.fields:
            return space.fields[name]
        if name in self.pending:
            raise UnusableName(f"definition '{name}' refers to itself", name=name)
        return replace(self, bound={}, pending=(*self.pending, name)).expand(space.definitions[name])

    def _plain(self, unknown: str) -> Jet:
        """Return the value of a scalar unknown, not differentiated."""
        return Jet(unknown, ((0,) * len(self.namespace.coordinates),))

    def _suffixed(self, name: str) -> Value:
        space = self.namespace
        base, _, letters = name.rpartition("_")
        if base == "n" and (letters in space.space):
            self._needs_surface(name)
            return Normal(letters)
        if not base or base not in space.declared:
            known = ", ".join(sorted(space.declared))
            raise UnusableName(f"unknown name '{name}'{hint(name, space)}; known: {known}", name=name)
        if base in space.constants or base in space.coordinates:
            kind = "constant" if base in space.constants else "parameter" if base in space.parameters else "coordinate"
            raise UnusableName(f"'{name}': a {kind} has no derivative; '{base}' is a {kind}", name=name)
        runs = space.runs(letters)
        if not runs:
            close = nearest(name, [f"{base}_{coordinate}" for coordinate in space.coordinates])
            raise UnusableName(
                f"'{name}': no coordinate '{letters}'{close}; coordinates: {', '.join(space.coordinates)}", name=name
            )
        if len({tuple(sorted(run)) for run in runs}) > 1:
            forms = " or ".join(f"diff({base}, {', '.join(run)})" for run in runs)
            raise UnusableName(f"'{name}' can be read in {len(runs)} ways; write {forms}", name=name)
        if len(runs[0]) > MAX_ORDER:
            raise UnusableName(f"'{name}' is a derivative of order {len(runs[0])}; the limit is {MAX_ORDER}", name=name)
        if "n" in runs[0]:
            self._needs_surface(name)
        return self._along(self._name(base), runs[0])

    def _needs_surface(self, name: str) -> None:
        if not self.surface:
            raise UnusableName(f"'{name}' uses the normal n, which exists only in conditions on a surface", name=name)

    # derivatives -----------------------------------------------------------------------------------------------------

    def _along(self, value: Value, run: tuple[str, ...]) -> Value:
        for name in run:
            value = self._normal_derivative(value) if name == "n" else self._slope(value, name)
        return value

    def _slope(self, value: Value, coordinate: str) -> Value:
        return by_component(lambda f: self._derivative(f, coordinate), value)

    def _derivative(self, tree: Node, coordinate: str) -> Node:
        if jumps_along(tree, coordinate, self.namespace):
            raise FormulaError(
                f"the derivative along {coordinate} of where(...) drops the jump; differentiate the branches instead, or name the "
                "body in shapes: and interfaces:"
            )
        result = calculus.derivative(tree, coordinate, self.namespace.coordinates, self.namespace.unknowns)
        parameter = self.namespace.parameters.get(coordinate)
        if parameter is not None:
            result = parameter.slope(result)
        for jet in calculus.jets(result):
            if sum(jet.operator[0]) > MAX_ORDER:
                raise FormulaError(
                    f"a derivative of {jet.unknown} of order {sum(jet.operator[0])} arises; the limit is {MAX_ORDER}"
                )
        return result

    def _normal_derivative(self, value: Value) -> Value:
        self._needs_surface("n")

        def part(coordinate: str) -> Value:
            return by_component(lambda f: multiply(Normal(coordinate), self._derivative(f, coordinate)), value)

        return _combine("+", *map(part, self.namespace.space))

    def _gradient(self, value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(map(self._gradient, value))
        return tuple(self._slope(value, x) for x in self.namespace.space)

    def _laplacian(self, tree: Node) -> Node:
        """Return the Laplacian; applied to an unknown it stays one whole operator, so that a field may sum as it goes."""
        space = self.namespace
        if isinstance(tree, Jet) and not tree.image and set(space.space) <= set(space.unknowns[tree.unknown]):
            axes = [space.coordinates.index(x) for x in space.space]
            once = [calculus.shifted(calculus.shifted(tree.operator, axis), axis) for axis in axes]
            operator = tuple(sorted(itertools.chain.from_iterable(once)))
            if sum(operator[0]) > MAX_ORDER:
                raise FormulaError(f"a derivative of {tree.unknown} of order {sum(operator[0])} arises; the limit is {MAX_ORDER}")
            return Jet(tree.unknown, operator)
        if isinstance(tree, Call) and tree.function in ("+", "-", "neg"):
            return build(tree.function, *map(self._laplacian, tree.arguments))
        if isinstance(tree, Call) and tree.function == "*" and isinstance(tree.arguments[0], Number):
            return multiply(tree.arguments[0], self._laplacian(tree.arguments[1]))
        return total(self._derivative(self._derivative(tree, x), x) for x in space.space)

    # calls -----------------------------------------------------------------------------------------------------------

    def _call(self, tree: Call) -> Value:
        name, arguments = tree.function, tree.arguments
        if name in OPERATORS:
            return getattr(self, f"_{name}_operator")(*arguments)
        if name == "where":
            return self._where(*arguments)
        if name in (*COMPARISONS.values(), "and", "or", "not"):
            return Call(name, tuple(map(self._condition, arguments)))
        return _combine(name, *(self.expand(argument) for argument in arguments))

    def _where(self, condition: Node, yes: Node, no: Node) -> Value:
        test = self._condition(condition)
        if not (isinstance(test, Call) and test.function in ("<", "<=", ">", ">=", "and", "or", "not")):
            raise FormulaError("where(...) needs a comparison first")
        opposite = Call("not", (test,))
        guarded = [
            by_component(lambda f: _guard(f, test), self.expand(yes)),
            by_component(lambda f: _guard(f, opposite), self.expand(no)),
        ]

        def choose(a: Node, b: Node) -> Node:
            return a if a == b else Call("where", (test, a, b))

        def choose_scalar(a: Scalar, b: Scalar) -> Scalar:
            if isinstance(a, Complex) or isinstance(b, Complex):
                a, b = pair(a), pair(b)
                return Complex(choose(a.real, b.real), choose(a.imag, b.imag))
            return choose(a, b)

        return _combine_with(choose_scalar, *guarded)

    def _condition(self, tree: Node) -> Node:
        """Return what stands where something is true or false; a body is its points."""
        return self.namespace.shapes[tree.name] if self._is_body(tree) else self.scalar(tree)

    def _is_body(self, tree: Node) -> TypeGuard[Name]:
        return isinstance(tree, Name) and tree.name in self.namespace.shapes

    def _diff_operator(self, quantity: Node, *along: Node) -> Value:
        run = []
        for name in along:
            if not (isinstance(name, Name) and name.name in self.namespace.coordinates):
                raise FormulaError(
                    f"diff(f, x) needs the name of a coordinate, got '{name}'; coordinates: {', '.join(self.namespace.coordinates)}"
                )
            self.namespace.used.add(name.name)
            run.append(name.name)
        return self._along(self.expand(quantity), tuple(run))

    def _grad_operator(self, quantity: Node) -> Value:
        return self._gradient(self.expand(quantity))

    def _div_operator(self, quantity: Node) -> Value:
        vector, space = self.expand(quantity), self.namespace.space
        if len(space) == 1 and not isinstance(vector, tuple):
            vector = (vector,)
        if not isinstance(vector, tuple) or len(vector) != len(space):
            got = f"length {len(vector)}" if isinstance(vector, tuple) else "a number"
            raise FormulaError(
                f"div needs a vector of length {len(space)} (one component for each of {', '.join(space)}), got {got}"
            )
        return _combine("+", *(self._slope(item, x) for item, x in zip(vector, space, strict=True)))

    def _laplacian_operator(self, quantity: Node) -> Value:
        return by_component(self._laplacian, self.expand(quantity))

    def _sum_operator(self, quantity: Node) -> Value:
        value = self.expand(quantity)
        return _combine("+", *value) if isinstance(value, tuple) else value

    def _prod_operator(self, quantity: Node) -> Value:
        value = self.expand(quantity)
        return _combine("*", *value) if isinstance(value, tuple) else value

    def _dot_operator(self, left: Node, right: Node) -> Value:
        a, b = self.expand(left), self.expand(right)
        if isinstance(a, tuple) and a and isinstance(a[0], tuple):
            return tuple(_dot(row, b) for row in a)
        return _dot(a, b)

    def _mean_operator(self, quantity: Node, body: Node | None = None) -> Value:
        return over_space(self, quantity, body, mean=True)

    def _integral_operator(self, quantity: Node, *rest: Node) -> Value:
        return over_space(self, quantity, *rest) if len(rest) < 2 else over_variable(self, quantity, *rest)

    def _surface_integral_operator(self, quantity: Node, part: Node) -> Value:
        return over_surface(self, quantity, part)

    def _jump_operator(self, quantity: Node) -> Value:
        if not self.interface:
            raise FormulaError("jump(...) stands only in conditions at interfaces")
        return by_component(lambda f: subtract(seen_from(f, OUTSIDE), seen_from(f, INSIDE)), self.expand(quantity))

    def _elsewhere(self, tree: At) -> Value:
        space = self.namespace
        places = {}
        for name, place in tree.where:
            if name not in space.coordinates:
                raise UnusableName(
                    f"'{name}' is not a coordinate{nearest(name, space.coordinates)}; coordinates: {', '.join(space.coordinates)}",
                    name=name,
                )
            value, parameter = self.scalar(place), space.parameters.get(name)
            low, high = space.box[name] if parameter is None else (parameter.low, parameter.high)
            slack = 1e-9 * (high - low)
            if isinstance(value, Number) and not low - slack <= value.value <= high + slack:
                raise UnusableName(
                    f"{name}={value} lies outside the domain, where {name} is between {low:g} and {high:g}", name=name
                )
            places[name] = value if parameter is None else parameter.column_tree(value)
        return by_component(lambda f: elsewhere(f, places), self.expand(tree.quantity))


def _combine(name: str, *values: Value) -> Value:
    """Apply a function by component; a scalar goes with any vector; a longer sum or product is folded in halves."""
    if name in ("+", "*") and len(values) != 2:
        return fold(partial(_combine, name), values)
    return _combine_with(lambda *items: build_scalar(name, *items), *values)


def _combine_with(function: Callable[..., Scalar], *values: Value) -> Value:
    lengths = {len(value) for value in values if isinstance(value, tuple)}
    if not lengths:
        return function(*values)
    if len(lengths) > 1:
        raise FormulaError(f"vectors of lengths {' and '.join(map(str, sorted(lengths)))} cannot be combined")
    columns = [value if isinstance(value, tuple) else (value,) * max(lengths) for value in values]
    return tuple(_combine_with(function, *items) for items in zip(*columns, strict=True))


def _dot(a: Value, b: Value) -> Value:
    if not (isinstance(a, tuple) and isinstance(b, tuple)) or len(a) != len(b):
        raise FormulaError("dot needs two vectors of equal length")
    return _combine("+", *(_combine("*", *pair) for pair in zip(a, b, strict=True)))


def _guard(tree: Node, condition: Node) -> Node:
    """Keep functions that are not defined everywhere away from points where this branch is not taken.

    Reverse differentiation multiplies the slope of the branch not taken by zero, and zero times infinity is not a number.
    """
    if isinstance(tree, Jet) or (isinstance(tree, Call) and tree.function == "lookup"):
        return kept_where(condition, tree)
    if not isinstance(tree, Call):
        return tree
    arguments = [_guard(argument, condition) for argument in tree.arguments]
    for place in _GUARDED.get(tree.function, ()):
        if not isinstance(arguments[place], Number):
            arguments[place] = Call("where", (condition, arguments[place], Number(1.0)))
    return build(tree.function, *arguments)
