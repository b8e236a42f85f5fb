"""Least squares for fields made of cells."""
