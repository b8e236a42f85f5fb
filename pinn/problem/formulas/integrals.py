"""Integrals in formulas: over the domain, a body, a surface, along a coordinate or over a variable of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pinn.problem.formulas.calculus import substitute
from pinn.problem.formulas.complex_numbers import by_component
from pinn.problem.formulas.namespace import Namespace, Value
from pinn.problem.formulas.parser import FormulaError
from pinn.problem.formulas.tree import Integral, Name, Node, Number

if TYPE_CHECKING:
    from pinn.problem.formulas.expand import Expander
    from pinn.problem.shapes.parts import Part


def over_variable(expander: Expander, quantity: Node, *rest: Node) -> Value:
    """Return ``integral(f, s, a, b)``, over a coordinate or over a name that stands for nothing else."""
    if len(rest) != 3 or not isinstance(rest[0], Name):
        raise FormulaError("write integral(f), or integral(f, s, a, b) with the name s of the variable")
    variable = rest[0].name
    if variable in expander.namespace.parameters:
        raise FormulaError(f"'{variable}' is a parameter; integrals run over other coordinates")
    low, high = expander.scalar(rest[1]), expander.scalar(rest[2])
    fresh = Name(f"{variable}'{len(expander.bound)}")
    if variable in expander.namespace.coordinates:
        integrand = substitute(expander.scalar(quantity), {variable: fresh})
    else:
        integrand = replace(expander, bound={**expander.bound, variable: fresh}).scalar(quantity)
    return Integral(integrand, ((fresh.name, low, high),))


def over_space(expander: Expander, quantity: Node, body: Node | None = None, *, mean: bool = False) -> Value:
    """Return ``integral(f)`` or ``mean(f)`` over the domain, ``integral(f, body)`` or ``mean(f, body)`` over a part of it."""
    from pinn.problem.shapes import parts  # which reads formulas itself

    namespace = expander.namespace
    if isinstance(body, Name) and body.name in namespace.coordinates:
        raise FormulaError("write integral(f) for the whole space domain, and integral(f, x, a, b) along one coordinate")
    part = parts.whole_domain(namespace) if body is None else parts.volume_part(body, namespace)
    return _over(replace(expander, surface=False), quantity, part, mean)


def over_surface(expander: Expander, quantity: Node, part: Node) -> Value:
    """Return ``surface_integral(f, part)``; f may hold the normals of the part."""
    from pinn.problem.shapes import parts  # which reads formulas itself

    return _over(replace(expander, surface=True), quantity, parts.surface_part(part, expander.namespace), False)


def _over(expander: Expander, quantity: Node, part: Part | None, mean: bool) -> Value:
    namespace = expander.namespace
    fresh = {x: Name(f"{x}'{len(expander.bound)}") for x in namespace.space}
    over = tuple((fresh[x].name, *_range(namespace, x)) for x in namespace.space)
    return by_component(lambda f: Integral(substitute(f, fresh), over, mean, part), expander.expand(quantity))


def _range(namespace: Namespace, coordinate: str) -> tuple[Number, Number]:
    low, high = namespace.box[coordinate]
    return Number(low), Number(high)
