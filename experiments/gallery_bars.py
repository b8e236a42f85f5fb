"""What the gallery asks of every shipped problem, and the experiments that are run where the settings by default do not suit."""

SECONDS = 120.0
"""Set-up, solve and judging take at most so much processor time."""

BAR = 1e-7
"""Largest relative L2 error where nothing else is said."""

BARS = {
    "american_put": 1e-4, "back_step": 1e-2, "black_scholes": 1e-5, "burgers_2d": 1e-5, "cahn_hilliard": 1e-6,
    "cavity_100": 1e-3, "cavity_1000": 1e-1, "four_holes": 1e-6, "gray_scott": 1e-6, "heat_5d": 1e-2, "heat_sink": 1e-4,
    "kuramoto_sivashinsky": 1e-6, "l_shape": 1e-2, "natural_convection": 1e-5, "obstacle": 1e-2, "plate": 1e-5, "poisson_100d": 1e-2, "poisson_10d": 1e-2,
    "poisson_5d": 2e-5, "poisson_boltzmann": 1e-5, "stokes_cylinder": 1e-4, "taylor_green": 1e-6, "wave_2d": 1e-3,
}  # fmt: skip
"""Larger errors that are allowed."""

EXPERIMENTS = {
    "american_put": "american_put", "back_step": "back_step", "black_scholes": "black_scholes", "burgers_2d": "burgers_2d",
    "cavity_100": "cavity_100_least_squares", "cavity_1000": "cavity_1000_least_squares", "gray_scott": "gray_scott",
    "heat_sink": "heat_sink", "kuramoto_sivashinsky": "kuramoto_sivashinsky_least_squares", "l_shape": "l_shape",
    "natural_convection": "natural_convection", "obstacle": "obstacle", "poisson_100d": "poisson_100d", "poisson_5d": "poisson_5d", "stokes_cylinder": "stokes_cylinder",
    "taylor_green": "taylor_green", "wave_2d": "wave_2d_least_squares",
}  # fmt: skip
"""Experiments by problem."""
