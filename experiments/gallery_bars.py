"""What the gallery asks of every shipped problem, and the experiments that are run where the settings by default do not suit."""

SECONDS = 120.0
"""Set-up, solve and judging take at most so much processor time."""

BAR = 1e-7
"""Largest relative L2 error where nothing else is said."""

BARS = {
    "american_put": 1e-4, "back_step": 1e-3, "beltrami": 2e-3, "black_scholes": 1e-5, "burgers_2d": 1e-4,
    "burgers_family": 1e-3, "cahn_hilliard": 1e-6, "cavity_100": 1e-3, "cavity_1000": 5e-3, "cavity_regularised": 1e-5,
    "corner": 1e-2, "darcy_permeability": 2e-2,
    "four_holes": 1e-6, "ginzburg_landau": 1e-6, "gray_scott": 1e-5, "heat_5d": 1e-3, "heat_complex": 1e-2,
    "heat_conductivity": 5e-2,
    "heat_multiscale": 1e-4, "hidden_source": 1e-3, "kuramoto_sivashinsky": 1e-6, "l_shape": 1e-4,
    "natural_convection": 1e-5, "obstacle": 1e-3, "plate": 1e-5, "plate_conductivity": 5e-2, "poisson_100d": 5e-3,
    "poisson_10d": 1e-3, "poisson_5d": 2e-5, "poisson_boltzmann": 1e-5, "random_diffusion": 1e-4,
    "reaction_rate": 1e-5, "rod_diffusivity": 1e-2, "stokes_cylinder": 1e-3, "taylor_green": 1e-5, "wave_2d": 1e-3,
    "wave_long": 1e-3,
}  # fmt: skip
"""Larger errors that are allowed."""

ITSELF = (  # experiments of the same name
    "american_put", "back_step", "beltrami", "black_scholes", "burgers_2d", "cavity_regularised", "corner",
    "ginzburg_landau", "gray_scott",
    "heat_complex", "heat_multiscale", "l_shape", "natural_convection", "obstacle", "poisson_100d", "poisson_5d",
    "poisson_boltzmann",
    "stokes_cylinder", "taylor_green", "wave_long",
)  # fmt: skip
LEAST_SQUARES = (  # experiments with an ending
    "burgers_family", "cavity_100", "cavity_1000", "kuramoto_sivashinsky", "random_diffusion", "wave_2d",
)  # fmt: skip
EXPERIMENTS = {name: name for name in ITSELF} | {name: f"{name}_least_squares" for name in LEAST_SQUARES}
"""Experiments by problem."""
