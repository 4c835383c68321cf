"""Rules of scipy.linalg, entered when it is first imported by someone.

The exponential's derivative is the upper right block of the exponential of a block triangular matrix, Higham,
"Functions of Matrices" (2008), theorem 3.6 and equation 10.43; the square root's solves a Sylvester equation.
"""

import scipy.linalg as sl

from sciad.eager.traced import Primitive, operand
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.rule_table import Push, array, composite
from sciad.rules.numpy_linalg import _cholesky, _eigh, _lstsq, _mH, _mT, _norm, _qr, _solve, _svd, solve_


@Primitive
def expm_(a):
    return sl.expm(a)


@Primitive
def frechet_(a, e):
    """Derivative of the exponential at `a` in the direction `e`."""
    n = a.shape[-1]
    return sl.expm(_augmented(a, e))[..., :n, n:]


def _augmented(a, e):
    top = np.concatenate([a, e], axis=-1)
    bottom = np.concatenate([np.zeros(a.shape), a], axis=-1)
    return np.concatenate([top, bottom], axis=-2)


def _push_frechet(y, da, a, e):
    n = a.shape[-1]
    return frechet_(_augmented(a, e), _augmented(da, np.zeros(e.shape)))[..., :n, n:]


array(expm_, Push(lambda y, da, a: frechet_(a, da)))
array(frechet_, Push(_push_frechet), lambda g, a, e: frechet_(_mT(a), g))
composite(sl.expm, lambda A: expm_(operand(A)))


def _expm_frechet(A, E, method=None, compute_expm=True, check_finite=True):
    derivative = frechet_(operand(A), operand(E))
    return (expm_(operand(A)), derivative) if compute_expm else derivative


composite(sl.expm_frechet, _expm_frechet)


@Primitive
def sylvester_(a, b, q):
    return sl.solve_sylvester(a, b, q)


array(
    sylvester_,
    Push(lambda y, da, a, b, q: -sylvester_(a, b, np.matmul(da, y))),
    Push(lambda y, db, a, b, q: -sylvester_(a, b, np.matmul(y, db))),
    lambda g, a, b, q: sylvester_(_mT(a), _mT(b), g),
)
composite(sl.solve_sylvester, lambda a, b, q: sylvester_(operand(a), operand(b), operand(q)))


@Primitive
def sqrtm_(a):
    return sl.sqrtm(a)


array(sqrtm_, Push(lambda y, da, a: sylvester_(y, y, da)))
composite(sl.sqrtm, lambda A, *_: sqrtm_(operand(A)))


@Primitive
def solve_triangular_(a, b, lower):
    return sl.solve_triangular(a, b, lower=lower)


def linear_in_b(g, a, b, lower):
    return solve_triangular_(_mT(a), g, not lower)


array(
    solve_triangular_,
    Push(
        lambda y, da, a, b, lower: (
            -solve_triangular_(a, np.matmul(np.tril(da) if lower else np.triu(da), y), lower)
        )
    ),
    linear_in_b,
)


def _solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True):
    a, b = operand(a), operand(b)
    if unit_diagonal:
        a = a * (1.0 - np.eye(a.shape[-1])) + np.eye(a.shape[-1])
    if trans not in (0, "N"):
        a, lower = (_mH(a) if trans in (2, "C") else _mT(a)), not lower
    return solve_triangular_(a, b, lower)


def _cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    c, lower = c_and_lower
    c, b = operand(c), operand(b)
    half = solve_triangular_(c, b, True) if lower else solve_triangular_(_mH(c), b, True)
    return solve_triangular_(_mH(c), half, False) if lower else solve_triangular_(c, half, False)


def _scipy_solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True, assume_a=None,
                 transposed=False):  # fmt: skip
    a = operand(a)
    if assume_a in ("sym", "pos", "her", "symmetric", "hermitian", "positive definite"):
        half = np.tril(a, -1) if lower else _mT(np.triu(a, 1))
        a = half + _mH(half) + a * np.eye(a.shape[-1])
    return _solve(_mT(a) if transposed else a, b)


def _solve_banded(l_and_u, ab, b, overwrite_ab=False, overwrite_b=False, check_finite=True):
    lower, upper = l_and_u
    ab = operand(ab)
    n = ab.shape[-1]
    rows, columns = np.indices((n, n))
    band = upper + rows - columns
    inside = (band >= 0) & (band <= lower + upper)
    a = np.where(inside, ab[np.where(inside, band, 0), columns], 0.0)
    return _solve(a, b)


def _scipy_lstsq(a, b):
    x, residuals, rank, s = _lstsq(a, b)
    return x, residuals[0] if np.ndim(b) == 1 and residuals.size else residuals, rank, s


def _block_diag(*arrays):
    arrays = [np.atleast_2d(operand(x)) for x in arrays]
    width = sum(x.shape[1] for x in arrays)
    rows, at = [], 0
    for x in arrays:
        m, n = x.shape
        rows.append(np.concatenate([np.zeros((m, at)), x, np.zeros((m, width - at - n))], axis=1))
        at += n
    return np.concatenate(rows)


def _scipy_svd(
    a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True, lapack_driver="gesdd"
):
    made = _svd(a, full_matrices, compute_uv)
    return tuple(made) if compute_uv else made


def _scipy_qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    if pivoting or mode == "raw":
        raise NotDifferentiable(
            "scipy.linalg.qr is differentiable without pivoting, in modes 'full', 'economic' and 'r'"
        )
    if mode != "r":
        return tuple(_qr(a, "complete" if mode == "full" else "reduced"))
    r = _qr(a, "r")
    below = np.zeros((np.shape(a)[0] - np.shape(r)[0], np.shape(r)[1]))
    return (np.concatenate([r, below], axis=0),)


def _scipy_eigh(a, b=None, *, lower=True, eigvals_only=False, **kwargs):
    a = operand(a)
    uplo = "L" if lower else "U"
    if b is not None:  # to standard form by a Cholesky factor of b
        half = _cholesky(b)
        a = solve_(half, _mH(solve_(half, _triangular_mirror(a, uplo))))
        w, v = _eigh(a, "L")
        return w if eigvals_only else (w, solve_(_mH(half), v))
    w, v = _eigh(a, uplo)
    return w if eigvals_only else (w, v)


def _triangular_mirror(a, uplo):
    half = np.tril(a, -1) if uplo == "L" else _mH(np.triu(a, 1))
    return half + _mH(half) + a * np.eye(a.shape[-1])


composite(sl.solve_triangular, _solve_triangular)
composite(sl.cho_solve, _cho_solve)
composite(sl.cho_factor, lambda a, lower=False, overwrite_a=False, check_finite=True: (
    _cholesky(a, upper=not lower), lower))  # fmt: skip
composite(
    sl.cholesky, lambda a, lower=False, overwrite_a=False, check_finite=True: _cholesky(a, upper=not lower)
)
composite(sl.solve, _scipy_solve)
composite(sl.solve_banded, _solve_banded)
composite(sl.inv, lambda a, *args, **kwargs: np.linalg.inv(operand(a)))
composite(sl.det, lambda a, *args, **kwargs: np.linalg.det(operand(a)))
composite(sl.pinv, lambda a, *args, **kwargs: np.linalg.pinv(operand(a)))
composite(
    sl.norm, lambda a, ord=None, axis=None, keepdims=False, check_finite=True: _norm(a, ord, axis, keepdims)
)
composite(sl.eigh, _scipy_eigh)
composite(sl.eigvalsh, lambda a, b=None, **kw: _scipy_eigh(a, b, eigvals_only=True, **kw))
composite(sl.svd, _scipy_svd)
composite(sl.svdvals, lambda a, *args, **kwargs: _svd(a, compute_uv=False))
composite(sl.qr, _scipy_qr)
composite(sl.lstsq, lambda a, b, *args, **kwargs: _scipy_lstsq(a, b))
composite(sl.block_diag, _block_diag)
