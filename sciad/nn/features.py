"""Features of inputs: radial basis functions, and sines and cosines."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fourier", "radial_basis", "random_frequencies"]


def radial_basis(x: Any, centers: Any, width: Any) -> Any:
    """Gaussian bumps ``exp(-|x - c|^2 / (2 width^2))``.

    Parameters
    ----------
    x : array (..., d)
    centers : array (k, d)
    width : number or array (k,)

    Returns
    -------
    array (..., k)
    """
    difference = x[..., None, :] - centers
    return np.exp(-0.5 * np.sum(difference * difference, axis=-1) / (width * width))


def fourier(x: Any, frequencies: Any) -> Any:
    """Cosines, then sines, of ``2 pi x @ frequencies`` (Tancik et al., 2020).

    Parameters
    ----------
    x : array (..., d)
    frequencies : array (d, k)

    Returns
    -------
    array (..., 2k)
    """
    phase = 2.0 * np.pi * (x @ frequencies)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)


def random_frequencies(rng: np.random.Generator, inputs: int, count: int, scale: float = 1.0) -> np.ndarray:
    """Frequencies (inputs, count) of `fourier`, normal with standard deviation `scale`."""
    return scale * rng.normal(size=(inputs, count))
