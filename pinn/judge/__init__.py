"""How good it is: references, error bars, the error estimate, metrics and the verdict. Nothing here imports torch."""
