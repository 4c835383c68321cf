"""Weights to begin with: arrays drawn from a generator of random numbers, by the size of a layer."""

from __future__ import annotations

import numpy as np

__all__ = ["glorot_normal", "glorot_uniform", "he_normal", "lecun_normal", "orthogonal", "zeros"]


def glorot_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Variance ``2/(inputs + outputs)`` (Glorot and Bengio, 2010): for tanh."""
    return np.sqrt(2.0 / (inputs + outputs)) * rng.normal(size=(inputs, outputs))


def glorot_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """As `glorot_normal`, uniformly distributed."""
    limit = np.sqrt(6.0 / (inputs + outputs))
    return rng.uniform(-limit, limit, size=(inputs, outputs))


def he_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Variance ``2/inputs`` (He et al., 2015): for relu and its kin."""
    return np.sqrt(2.0 / inputs) * rng.normal(size=(inputs, outputs))


def lecun_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Variance ``1/inputs`` (LeCun et al., 1998)."""
    return np.sqrt(1.0 / inputs) * rng.normal(size=(inputs, outputs))


def orthogonal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Orthonormal columns or rows, uniformly distributed (Saxe et al., 2014)."""
    tall, wide = max(inputs, outputs), min(inputs, outputs)
    q, r = np.linalg.qr(rng.normal(size=(tall, wide)))
    q = q * np.sign(np.diag(r))
    return q if inputs >= outputs else q.T


def zeros(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Zeros: for a last layer that is to begin without effect."""
    return np.zeros((inputs, outputs))
