"""Names for what a network has learnt: sparse regression on a library of terms.

S. L. Brunton, J. L. Proctor and J. N. Kutz, "Discovering governing equations from data by sparse
identification of nonlinear dynamical systems", PNAS 113 (2016): least squares, small coefficients dropped,
repeated.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

__all__ = ["polynomial_terms", "sparse_regression"]


def polynomial_terms(x: np.ndarray, degree: int, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """All products of at most `degree` of the columns of `x`, with their names.

    Parameters
    ----------
    x : array (points, n)
    degree : int
    names : list of str
        Of the columns.

    Returns
    -------
    array (points, terms), list of str
    """
    columns, texts = [np.ones(len(x))], ["1"]
    for d in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(len(names)), d):
            columns.append(np.prod(x[:, list(chosen)], axis=1))
            texts.append(" ".join(names[k] for k in chosen))
    return np.stack(columns, axis=1), texts


def sparse_regression(
    terms: np.ndarray, values: np.ndarray, threshold: float, rounds: int = 20
) -> np.ndarray:
    """Coefficients of `values` in the columns of `terms`, few of them not zero.

    Parameters
    ----------
    terms : array (points, terms)
    values : array (points,) or (points, k)
    threshold : float
        A term is dropped if its contribution, by root mean square, is less than this share of the values'.
    rounds : int

    Returns
    -------
    array (terms,) or (terms, k)
    """
    if values.ndim == 2:
        return np.stack([sparse_regression(terms, v, threshold, rounds) for v in values.T], axis=1)
    size = np.sqrt(np.mean(terms**2, axis=0))
    kept = size > 0
    found = np.zeros(terms.shape[1])
    for _ in range(rounds):
        found[:] = 0.0
        found[kept] = np.linalg.lstsq(terms[:, kept] / size[kept], values, rcond=None)[0] / size[kept]
        large = np.abs(found) * size > threshold * np.sqrt(np.mean(values**2))
        if np.array_equal(large, kept) or not large.any():
            break
        kept = large
    return np.where(kept, found, 0.0)
