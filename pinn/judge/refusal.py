"""The ways in which the judge ends without an answer; both carry one clear line for people."""

from __future__ import annotations


class NoReference(RuntimeError):
    """The problem as it stands cannot be solved here: not covered, singular, or not well posed. A finer grid will not help."""


class Contradiction(NoReference):
    """The data contradict each other, so that there is no solution."""


class NoConvergence(ArithmeticError):
    """One grid gave no solution (Newton failed, the march blew up). A finer grid may."""
