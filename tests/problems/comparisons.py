"""How tests of gradients compare: relative errors that zeros cannot pass, central differences."""

import numpy as np

from sciad import tree


def relative(found, expected, tolerance=1e-6):
    found, expected = (np.concatenate([np.ravel(x) for x in tree.tree_leaves(v)]) for v in (found, expected))
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-4  # zeros on both sides would prove nothing
    gap = np.abs(found - expected)
    assert np.all(gap <= tolerance * np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max())), (
        f"{found} against {expected}"
    )


def close(a, b, tolerance):
    a, b = (np.concatenate([np.ravel(x) for x in tree.tree_leaves(v)]) for v in (a, b))
    assert a.shape == b.shape
    assert np.abs(b).max() > 1e-3  # a comparison with nothing would prove nothing
    gap = np.abs(a - b) / np.abs(b).max()
    assert not gap.max() > tolerance and np.isfinite(gap).all(), f"{a} against {b}"


def differences(f, x, h=1e-4):
    """Central differences of fourth order of a function of a vector."""
    x = np.asarray(x, dtype=float)
    columns = [
        (8 * (f(x + h * e) - f(x - h * e)) - f(x + 2 * h * e) + f(x - 2 * h * e)) / (12 * h)
        for e in np.eye(len(x))
    ]
    return np.moveaxis(np.array(columns), 0, -1)
