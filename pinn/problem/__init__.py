"""What is asked: formulas, geometry, conditions and points. NumPy only; nothing here imports torch."""
