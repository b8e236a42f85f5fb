"""What the gallery asks of every shipped problem, and the experiments that are run where the settings by default do not suit."""

SECONDS = 120.0
"""Set-up, solve and judging take at most so much processor time."""

BAR = 1e-7
"""Largest relative L2 error where nothing else is said."""

BARS = {
    "american_put": 0.0001, "black_scholes": 1e-5, "burgers_2d": 0.0001, "burgers_family": 0.001, "cahn_hilliard":
    1e-6, "cavity_100": 0.001, "cavity_1000": 0.1, "corner": 0.01, "four_holes": 1e-6, "ginzburg_landau": 1e-6,
    "gray_scott": 1e-5, "heat_5d": 0.001, "hidden_source": 0.001, "kuramoto_sivashinsky": 1e-6, "l_shape": 0.0001,
    "lorenz_parameters": 0.001, "natural_convection": 1e-5, "obstacle": 0.001, "plate": 1e-5, "poisson_100d": 0.01,
    "poisson_10d": 0.001, "poisson_5d": 2e-5, "poisson_boltzmann": 1e-5, "random_diffusion": 0.0001, "reaction_rate":
    1e-5, "rod_diffusivity": 0.01, "stokes_cylinder": 0.001, "wave_2d": 0.001,
}  # fmt: skip
"""Larger errors that are allowed."""

ITSELF = (
    "american_put", "black_scholes", "burgers_2d", "corner", "ginzburg_landau", "gray_scott", "l_shape",
    "lorenz_parameters", "natural_convection", "obstacle", "poisson_100d", "poisson_5d", "stokes_cylinder",
)  # fmt: skip
LEAST_SQUARES = (
    "burgers_family", "cavity_100", "cavity_1000", "kuramoto_sivashinsky", "random_diffusion", "wave_2d",
)  # fmt: skip
EXPERIMENTS = {name: name for name in ITSELF} | {name: f"{name}_least_squares" for name in LEAST_SQUARES}
"""Experiments by problem."""
