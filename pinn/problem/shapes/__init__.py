"""Shapes: bodies, their rims, the points on them, and integrals over them."""
