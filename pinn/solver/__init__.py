"""How it is found: residual rows, stages that reduce them, and the one loop that runs the stages."""
