# ruff: noqa: E501  tables read best one call to a line
"""Derivatives where functions have none, are infinite or hold NaN: the same in both modes, and documented."""

import warnings

import numpy as np
import pytest
import scipy.special

import sciad as ad

inf, nan = np.inf, np.nan
M = np.array([[0.0, 1.0], [0.0, 2.0]])

# function, argument, its derivative (of elementwise functions the diagonal of the Jacobian)
EDGES = {
    # infinite where the slope is
    "sqrt": (np.sqrt, [0.0, 4.0], [inf, 0.25]), "cbrt": (np.cbrt, [0.0, 1.0], [inf, 1 / 3]), "power": (lambda x: x**0.5, [0.0, 4.0], [inf, 0.25]),
    "log": (np.log, [0.0, 1.0], [inf, 1.0]), "arccos": (np.arccos, [1.0, 0.0], [-inf, -1.0]),
    # a factor 0 on the path: no contribution, though another factor is infinite or NaN
    "where, sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), [0.0, 4.0, -1.0], [0.0, 0.25, 0.0]),
    "where, log": (lambda x: np.where(x > 0, np.log(x), 0.0), [0.0, 4.0, -1.0], [0.0, 0.25, 0.0]),
    "where, quotient": (lambda x: np.where(x != 0, x * x / x, 1.0), [0.0, 2.0], [0.0, 1.0]),
    "where, isfinite": (lambda x: np.where(np.isfinite(1 / x), 1 / x, 0.0), [0.0, 2.0], [0.0, -0.25]),
    "select": (lambda x: np.select([x > 0, x < 0], [np.log(x), np.log(-x)], 0.0), [0.0, 2.0, -4.0], [0.0, 0.5, -0.25]),
    "mask as a factor": (lambda x: (x > 0) * np.sqrt(x), [0.0, 4.0], [0.0, 0.25]), "root of a square": (lambda x: np.sqrt(x * x), [0.0, 2.0], [0.0, 1.0]),
    "norm": (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]), "root of a sum": (lambda x: np.sqrt(np.sum(x * x)), [0.0, 0.0], [0.0, 0.0]),
    "masked entries": (lambda x: np.sum(np.log(x)[x > 0]), [0.0, 4.0], [0.0, 0.25]), "nan_to_num": (lambda x: np.nan_to_num(1 / x, posinf=0.0), [0.0, 2.0], [0.0, -0.25]),
    "matrix product, 0 row": (lambda x: M @ np.sqrt(x), [0.0, 4.0], [0.0, 0.75]), "matrix product, row of 1": (lambda x: np.ones((2, 2)) @ np.sqrt(x), [0.0, 4.0], [inf, 0.5]),
    "root of a product": (lambda x: np.sqrt(M @ x), [4.0, 0.0], [0.0, inf]), "dot, 0": (lambda x: np.dot([0.0, 2.0], np.sqrt(x)), [0.0, 4.0], [0.0, 0.5]), "dot, -1": (lambda x: np.dot([-1.0, 2.0], np.sqrt(x)), [0.0, 4.0], [-inf, 0.5]),
    "einsum": (lambda x: np.einsum("ij,jk->ik", M, np.sqrt(x)[:, None]), [0.0, 4.0], [0.0, 0.75]), "products of products": (lambda x: np.sqrt(x) @ np.diag([0.0, 2.0]) @ np.sqrt(x), [0.0, 4.0], [0.0, 2.0]),
    "batched product": (lambda x: np.matmul(np.stack([M, 2 * M]), np.sqrt(x)[:, None]), [0.0, 4.0], [0.0, 2.25]), "vector @ matrices": (lambda x: np.sqrt(x) @ np.stack([M.T, M.T]), [0.0, 4.0], [0.0, 1.5]),
    "standard deviation": (np.std, [2.0, 2.0], [0.0, 0.0]),
    # kinks and ties: the mean of the sides, or of the winners
    "abs": (np.abs, [0.0, -2.0], [0.0, -1.0]), "maximum": (lambda x: np.maximum(x, 0.0), [0.0, 1.0], [0.5, 1.0]), "clip": (lambda x: np.clip(x, 0.0, 1.0), [0.0, 1.0, 2.0], [0.5, 0.5, 0.0]),
    "max": (np.max, [3.0, 3.0, 1.0], [0.5, 0.5, 0.0]), "min": (np.min, [3.0, 1.0, 1.0], [0.0, 0.5, 0.5]), "max, inf": (np.max, [1.0, inf], [0.0, 1.0]),
    "hypot": (lambda x: np.hypot(x, x), [0.0, 1.0], [0.0, 2**0.5]),
    # NaN left out
    "nanmax": (np.nanmax, [1.0, nan, 3.0], [0.0, 0.0, 1.0]), "nanmin": (np.nanmin, [1.0, nan, 1.0], [0.5, 0.0, 0.5]), "nanmax of none": (np.nanmax, [nan, nan], [0.0, 0.0]),
    "nanmin, axis": (lambda x: np.nansum(np.nanmin(np.reshape(x, (2, 2)), axis=1)), [nan, nan, 2.0, nan], [0.0, 0.0, 1.0, 0.0]),
    "nanmax, kept": (lambda x: np.nanmax(np.reshape(x, (1, 2)), axis=1, keepdims=True)[0, 0], [nan, 2.0], [0.0, 1.0]),
    "nansum": (np.nansum, [1.0, nan], [1.0, 0.0]), "nanprod": (np.nanprod, [2.0, nan, 3.0], [3.0, 0.0, 2.0]), "nanmean": (np.nanmean, [2.0, nan, 3.0], [0.5, 0.0, 0.5]),
    "nanstd": (np.nanstd, [2.0, nan, 4.0], [-0.5, 0.0, 0.5]), "product with zeros": (np.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    "logsumexp": (scipy.special.logsumexp, [-inf, 0.0], [0.0, 1.0]), "sinc": (np.sinc, [0.0], [0.0]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EDGES)
def test_both_modes_agree(name):
    f, x, expected = EDGES[name]
    x, expected = np.array(x), np.array(expected)
    value, gradient = ad.value_and_grad(lambda x: np.sum(f(x)))(x)
    assert np.array_equal(value, np.sum(f(x)), equal_nan=True)
    assert gradient == pytest.approx(expected, rel=1e-14)
    for k, unit in enumerate(np.eye(x.size)):
        for tangent in (ad.jvp(f, (x,), (unit,))[1], ad.linearize(f, x)[1](unit)):
            assert np.sum(tangent) == pytest.approx(expected[k], rel=1e-14)
    for mode in ("forward", "reverse"):
        jacobian = ad.jacobian(f, mode=mode)(x)
        assert np.sum(np.reshape(jacobian, (-1, x.size)), axis=0) == pytest.approx(expected, rel=1e-14)


@pytest.mark.filterwarnings("ignore")
def test_second_derivatives_beside_an_infinite_one():
    def f(x):
        return np.sum(np.where(x > 0, x * np.sqrt(x), 0.0))

    x = np.array([0.0, 4.0])
    expected = np.diag([0.0, 0.375])
    assert ad.hessian(f)(x) == pytest.approx(expected)
    assert ad.vmap(ad.grad(f))(x[None])[0] == pytest.approx([0.0, 3.0])


# what once was dropped on the way: the value as NumPy's, the derivative by central differences
CONVERTED = {
    "fromiter": lambda x: np.fromiter((a * a for a in x), float), "fromiter, count": lambda x: np.fromiter((a * a for a in x), float, 2),
    "full_like of integers": lambda x: np.full_like(np.arange(3), x[2]) * x, "full, int": lambda x: np.full(3, x[2], dtype=int) * x,
    "bincount": lambda x: np.bincount([0, 1, 1], weights=x), "bincount, sizes": lambda x: np.bincount([1, 1], x[:2] ** 2, 5), "nextafter": lambda x: np.nextafter(x, 9.0),
    "sum, int": lambda x: np.sum(10 * x, dtype=int) * x, "prod, int": lambda x: np.prod(3 * x, dtype=int) * x, "mean, int": lambda x: np.mean(7 * x, dtype=int) * x,
    "cumsum, int": lambda x: np.cumsum(3 * x, dtype=int) * x, "astype(int)": lambda x: x.astype(int) * x, "astype(bool)": lambda x: x.astype(bool) * x,
    "array of int": lambda x: np.array([x[0], 1], dtype=int) * x[1], "add.outer": lambda x: np.add.outer(x, np.outer(x, x))[1, 2], "multiply.outer": lambda x: np.multiply.outer(np.outer(x, x), x),
    "subtract.outer": lambda x: np.subtract.outer(2.0, x), "median of axes": lambda x: np.median(np.multiply.outer(x, np.outer(x, x)), axis=(0, 2), keepdims=True),
    "interp between constants": lambda x: np.interp(x, [-2, 0.0, 2], [1.0, 3.0, 4.0]), "extract": lambda x: np.extract([True, False, True], x),
    "accumulate, keyword": lambda x: np.add.accumulate(x, dtype=float),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_conversions(name):
    f, x = CONVERTED[name], np.array([0.73, -1.21, 1.93])
    assert np.shape(ad.jvp(f, (x,), (x,))[0]) == np.shape(f(x))
    assert ad.vjp(f, x)[0] == pytest.approx(f(x), rel=1e-14)
    moved = np.stack([(f(x + 1e-6 * u) - f(x - 1e-6 * u)) / 2e-6 for u in np.eye(3)], axis=-1)
    for mode in ("forward", "reverse"):
        assert ad.jacobian(f, mode=mode)(x) == pytest.approx(moved, rel=1e-7, abs=1e-7)
    rows = np.stack([x, 1.01 * x])
    assert ad.vmap(f)(rows) == pytest.approx(np.stack([f(r) for r in rows]), rel=1e-14)
    assert ad.vmap(ad.jacobian(f))(rows)[0] == pytest.approx(moved, rel=1e-7, abs=1e-7)


def test_nothing_is_hidden():
    """A NaN that no factor 0 excuses is returned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(ad.grad(lambda x: np.log(x) * x)(-1.0))
        assert np.isnan(ad.jvp(lambda x: np.sqrt(x), (-1.0,), (1.0,))[1])
        assert np.isnan(ad.grad(lambda x: np.sum(x * nan))(np.ones(2))).all()
