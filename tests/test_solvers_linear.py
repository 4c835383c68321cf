"""The kernels' own LU decomposition against NumPy."""

import numpy as np
import pytest

from solvers.linear import lu_factor, lu_solve, lu_solve_transposed


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 20])
@pytest.mark.parametrize("seed", range(3))
def test_solutions_with_row_exchanges(n, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, n)), random.normal(size=n)
    lu, pivots = a.T.copy().ravel(), np.zeros(n)
    assert lu_factor(n, lu, pivots) == 0
    if n > 3:
        assert np.any(pivots != np.arange(n))
    for solve, matrix in ((lu_solve, a), (lu_solve_transposed, a.T)):
        x = b.copy()
        solve(n, lu, pivots, x)
        expected = np.linalg.solve(matrix, b)
        assert not np.abs(x - expected).max() > 1e-11 * np.linalg.cond(a) * np.abs(expected).max()


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_singular_and_not_finite_matrices_are_reported(bad):
    a = np.eye(4)
    a[2, 2] = bad
    assert lu_factor(4, a.ravel().copy(), np.zeros(4)) == 1
