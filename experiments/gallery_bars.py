"""What the gallery asks of every shipped problem, and the experiments that are run where the settings by default do not suit."""

SECONDS = 120.0
"""Set-up and solve take at most this long."""

BAR = 1e-8
"""Largest relative L2 error where nothing else is said."""

BARS: dict[str, float] = {}
"""Larger errors that are allowed."""

EXPERIMENTS: dict[str, str] = {}
"""Experiments by problem."""
