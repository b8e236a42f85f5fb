"""Fields made of cells: a cover of the domain, and random features in every cell."""
