"""Fields made of a network in every cell of a cover."""
