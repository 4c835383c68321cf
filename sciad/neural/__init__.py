"""Neural differential equations and their kin: patterns, each about a page, to be used or copied."""

from sciad.neural.controlled import neural_cde, path_slopes
from sciad.neural.controls import controlled_cost, stepped_control, straight_control
from sciad.neural.equilibrium import deep_equilibrium, orbit_residuals
from sciad.neural.flows import flow_log_density, flow_samples
from sciad.neural.latent import decoded, encoded, latent_loss, latent_weights
from sciad.neural.shooting import collocation_residuals, segment_starts, shooting_residuals
from sciad.neural.sparse_terms import polynomial_terms, sparse_regression
from sciad.neural.stochastic import latent_sde, moment_loss
from sciad.neural.trajectories import augmented, neural_ode, second_order, universal, with_energy

__all__ = [
    "augmented", "collocation_residuals", "controlled_cost", "decoded", "deep_equilibrium", "encoded",
    "flow_log_density", "flow_samples", "latent_loss", "latent_sde", "latent_weights", "moment_loss",
    "neural_cde", "neural_ode", "orbit_residuals", "path_slopes", "polynomial_terms", "second_order",
    "segment_starts", "shooting_residuals", "sparse_regression", "stepped_control", "straight_control",
    "universal", "with_energy",
]  # fmt: skip
