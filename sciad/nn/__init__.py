"""Networks as pure functions of nested dicts, for right-hand sides and losses; they compile.

What makes weights ends in ``_weights`` and takes a generator of random numbers; what uses them takes the
weights first. Any batch axes stand before the features.
"""

from sciad.nn.activations import elu, gelu, relu, sigmoid, silu, softmax, softplus
from sciad.nn.energies import convex, convex_weights, hamiltonian_field
from sciad.nn.features import fourier, radial_basis, random_frequencies
from sciad.nn.initializers import glorot_normal, glorot_uniform, he_normal, lecun_normal, orthogonal, zeros
from sciad.nn.layers import (
    dense,
    dense_weights,
    gru,
    gru_weights,
    layer_norm,
    layer_norm_weights,
    mlp,
    mlp_weights,
)

__all__ = [
    "convex", "convex_weights", "dense", "dense_weights", "elu", "fourier", "gelu", "glorot_normal",
    "glorot_uniform", "gru", "gru_weights", "hamiltonian_field", "he_normal", "layer_norm",
    "layer_norm_weights", "lecun_normal", "mlp", "mlp_weights", "orthogonal", "radial_basis",
    "random_frequencies", "relu", "sigmoid", "silu", "softmax", "softplus", "zeros",
]  # fmt: skip
