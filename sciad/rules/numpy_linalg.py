"""Rules of np.linalg and np.fft.

Differentials of matrix functions: M. Giles, "An extended collection of matrix derivative results for
forward and reverse mode algorithmic differentiation" (2008); the pseudoinverse: Golub and Pereyra, SIAM
J. Numer. Anal. 10 (1973). Each is declared as a map linear in the tangent; its transpose is taken by the
tape.  Functions that NumPy computes from one triangle (cholesky, eigh) are functions of that triangle
here too.
"""

from sciad.eager.traced import Primitive, number, operand, plainly, strip
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.private_interfaces import EighResult, QRResult, SVDResult
from sciad.rule_table import TABLE, Push, alias, array, composite, constant, linear
from sciad.rules import products as rules_product  # noqa: F401  entered before their aliases here

_linalg = np.linalg


def _mT(x):
    return np.swapaxes(x, -1, -2)


def _mH(x):
    return np.conjugate(_mT(x))


def _eye_like(x):
    return np.eye(x.shape[-1])


# ---------------------------------------------------------------------- linear systems


@Primitive
def solve_(a, b):
    return np.linalg.solve(a, b)


array(solve_, Push(lambda y, da, a, b: -solve_(a, np.matmul(da, y))), lambda g, a, b: solve_(_mT(a), g))


def _solve(a, b):
    a, b = operand(a), operand(b)
    return solve_(a, b[..., None])[..., 0] if np.ndim(b) == 1 else solve_(a, b)


composite(_linalg.solve, _solve)
array(_linalg.inv, Push(lambda y, dx, x: -np.matmul(np.matmul(y, dx), y)))
array(_linalg.det, Push(lambda y, dx, x: np.sum(_cofactors(y, x) * dx, axis=(-2, -1))))
array(_linalg.slogdet, Push(lambda y, dx, x: (None, _log_det(dx, x))))


def _cofactors(y, x):
    """The derivative of a determinant: from the inverse where that is accurate, otherwise from the minors.

    Minors make sense of singular matrices and of their second derivatives, but are n*n determinants.
    """
    n = x.shape[-1]
    if n == 1:
        return np.ones(x.shape)
    if n > 3 and _well_conditioned(strip(x)):
        return y[..., None, None] * _mT(np.linalg.inv(x))
    keep = np.array([[k for k in range(n) if k != skip] for skip in range(n)])
    minors = x[..., keep[:, None, :, None], keep[None, :, None, :]]
    return (-1.0) ** np.add.outer(np.arange(n), np.arange(n)) * np.linalg.det(minors)


def _well_conditioned(x):
    try:
        inverse = plainly(np.linalg.inv, x)
    except np.linalg.LinAlgError:
        return False
    size = [plainly(np.linalg.norm, a, axis=(-2, -1)) for a in (x, inverse)]
    return bool(np.all(size[0] * size[1] < 1e6))


def _log_det(dx, x):
    return np.real(np.sum(_mT(np.linalg.inv(x)) * dx, axis=(-2, -1)))


def _push_pinv(y, dx, x, *args, **kwargs):
    left = np.eye(x.shape[-2]) - np.matmul(x, y)
    right = np.eye(x.shape[-1]) - np.matmul(y, x)
    dh = _mH(dx)
    return (
        -np.matmul(np.matmul(y, dx), y)
        + np.matmul(np.matmul(np.matmul(y, _mH(y)), dh), left)
        + np.matmul(np.matmul(np.matmul(right, dh), _mH(y)), y)
    )


array(_linalg.pinv, Push(_push_pinv))


def _lstsq(a, b, rcond=None):
    a, b = operand(a), operand(b)
    _, residuals, rank, _ = plainly(np.linalg.lstsq, a, b, rcond)
    x = np.matmul(np.linalg.pinv(a), b)
    if residuals.size:
        residuals = np.sum((b - np.matmul(a, x)) ** 2, axis=0)
        residuals = residuals if np.ndim(b) == 2 else residuals[None]
    return x, residuals, rank, _svd(a, compute_uv=False)


composite(_linalg.lstsq, _lstsq)


def _tensorsolve(a, b, axes=None):
    a, b = operand(a), operand(b)
    if axes is not None:
        order = [k for k in range(np.ndim(a)) if k not in axes]
        a = np.transpose(a, order + list(axes))
    shape = a.shape[np.ndim(b) :]
    return np.reshape(_solve(np.reshape(a, (b.size, -1)), np.ravel(b)), shape)


def _tensorinv(a, ind=2):
    shape = a.shape[ind:] + a.shape[:ind]
    return np.reshape(np.linalg.inv(np.reshape(a, (int(np.prod(a.shape[:ind])), -1))), shape)


composite(_linalg.tensorsolve, _tensorsolve)
composite(_linalg.tensorinv, _tensorinv)

# ---------------------------------------------------------------------- factorizations


def _triangle(x, uplo):
    """Return the symmetric (Hermitian) matrix NumPy reads: one triangle and its mirror image."""
    lower = np.tril(x, -1) if uplo == "L" else _mH(np.triu(x, 1))
    diagonal = x * np.eye(x.shape[-1])
    return lower + _mH(lower) + (np.real(diagonal) if x.dtype.kind == "c" else diagonal)


@Primitive
def cholesky_(a):
    return np.linalg.cholesky(a)


def _push_cholesky(y, da, a):
    middle = solve_(y, _mH(solve_(y, da)))
    n = a.shape[-1]
    return np.matmul(y, _mH(middle) * (np.tril(np.ones((n, n)), -1) + 0.5 * np.eye(n)))


array(cholesky_, Push(_push_cholesky))


def _cholesky(a, /, *, upper=False):
    a = operand(a)
    y = cholesky_(_triangle(a, "U" if upper else "L"))
    return _mH(y) if upper else y


composite(_linalg.cholesky, _cholesky)


@Primitive
def eigh_(a):
    return tuple(np.linalg.eigh(a))


def _gaps(w):
    """1 / (w_j - w_i) off the diagonal, zero on it."""
    one = np.eye(w.shape[-1])
    return (1.0 - one) / (w[..., None, :] - w[..., :, None] + one)


def _push_eigh(y, da, a):
    w, v = y
    middle = np.matmul(np.matmul(_mH(v), da), v)
    dw = np.real(np.diagonal(middle, axis1=-2, axis2=-1))
    return dw, np.matmul(v, _gaps(w) * middle)


array(eigh_, Push(_push_eigh))


def _eigh(a, UPLO="L"):
    return EighResult(*eigh_(_triangle(operand(a), UPLO)))


composite(_linalg.eigh, _eigh)
composite(_linalg.eigvalsh, lambda a, UPLO="L": _eigh(a, UPLO)[0])


def _push_eig(y, da, a):
    w, v = y
    middle = solve_(v, np.matmul(da, v))
    dv = np.matmul(v, _gaps(w) * middle)
    # columns have unit length
    dv = dv - v * np.sum(np.real(np.conjugate(v) * dv), axis=-2, keepdims=True)
    return np.diagonal(middle, axis1=-2, axis2=-1), dv


array(_linalg.eig, Push(_push_eig))
composite(_linalg.eigvals, lambda a: np.linalg.eig(a)[0])


@Primitive
def svd_(a):
    return tuple(np.linalg.svd(a, full_matrices=False))


def _push_svd(y, da, a):
    u, s, vt = y
    v = _mT(vt)
    row, column = s[..., None, :], s[..., :, None]
    middle = np.matmul(np.matmul(_mT(u), da), v)
    gaps = _gaps(s * s)
    du = np.matmul(u, gaps * (middle * row + column * _mT(middle)))
    dv = np.matmul(v, gaps * (column * middle + _mT(middle) * row))
    m, n = a.shape[-2:]
    if m > n:
        rest = np.matmul(da, v) / row
        du = du + rest - np.matmul(u, np.matmul(_mT(u), rest))
    if n > m:
        rest = np.matmul(_mT(da), u) / row
        dv = dv + rest - np.matmul(v, np.matmul(_mT(v), rest))
    return du, np.diagonal(middle, axis1=-2, axis2=-1), _mT(dv)


array(svd_, Push(_push_svd))


def _svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    a = operand(a)
    if a.dtype.kind == "c":
        raise NotDifferentiable("np.linalg.svd is differentiable for real matrices only")
    if not compute_uv:
        return svd_(a)[1]
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise NotDifferentiable(
            "np.linalg.svd with full_matrices=True of a matrix that is not square: the extra columns are "
            "not a function of it; write np.linalg.svd(a, full_matrices=False)"
        )
    return SVDResult(*svd_(a))


composite(_linalg.svd, _svd)
composite(_linalg.svdvals, lambda x: _svd(x, compute_uv=False))


@Primitive
def qr_(a):
    return tuple(np.linalg.qr(a))


def _push_qr(y, da, a):
    q, r = y
    x = _mT(solve_(_mT(r), _mT(da)))
    middle = np.matmul(_mT(q), x)
    lower = np.tril(middle, -1)
    turn = lower - _mT(lower)
    return np.matmul(q, turn) + x - np.matmul(q, middle), np.matmul(middle - turn, r)


array(qr_, Push(_push_qr))


def _qr(a, mode="reduced"):
    a = operand(a)
    m, n = a.shape[-2:]
    if (mode not in ("reduced", "r") and not (mode == "complete" and m == n)) or a.dtype.kind == "c":
        raise NotDifferentiable(
            "np.linalg.qr is differentiable for real matrices and modes 'reduced' and 'r'"
        )
    if m >= n:
        q, r = qr_(a)
    else:
        q, left = qr_(a[..., :m])
        r = np.concatenate([left, np.matmul(_mT(q), a[..., m:])], axis=-1)
    return r if mode == "r" else QRResult(q, r)


composite(_linalg.qr, _qr)

# ---------------------------------------------------------------------- norms and powers


def _root(s, p=2.0):
    """s ** (1/p) with derivative zero, not infinite, where s is zero: the norm has its minimum there."""
    zero = strip(s) == 0
    return number(np.where(zero, 0.0, np.where(zero, 1.0, s) ** (1.0 / p)))


def _square(x):
    return np.real(x * np.conjugate(x)) if x.dtype.kind == "c" else x * x


def _vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    x = operand(x)
    if ord == 2 or ord is None:
        return _root(np.sum(_square(x), axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(strip(x) != 0, axis=axis, keepdims=keepdims).astype(float)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    return _root(np.sum(size ** float(ord), axis=axis, keepdims=keepdims), ord)


def _matrix_norm(x, /, *, keepdims=False, ord="fro"):
    x = operand(x)
    if ord == "fro":
        y = _root(np.sum(_square(x), axis=(-2, -1)))
    elif ord in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
        y = np.max(sums, axis=-1) if ord > 0 else np.min(sums, axis=-1)
    elif ord in (2, -2, "nuc"):
        s = _svd(x, compute_uv=False)
        y = np.sum(s, axis=-1) if ord == "nuc" else s[..., 0] if ord == 2 else s[..., -1]
    else:
        raise ValueError(f"np.linalg.norm: invalid matrix norm ord={ord!r}")
    return y[..., None, None] if keepdims else number(y)


def _norm(x, ord=None, axis=None, keepdims=False):
    x = operand(x)
    n = np.ndim(x)
    if ord is None or (axis is None and n == 1) or (axis is not None and np.ndim(axis) == 0):
        return _vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = (0, 1) if axis is None else tuple(k % n for k in axis)
    if len(axes) == 1:
        return _vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    y = _matrix_norm(np.moveaxis(x, axes, (-2, -1)), ord=ord)
    if keepdims:
        y = np.reshape(y, [1 if k in axes else m for k, m in enumerate(x.shape)])
    return y


def _matrix_power(a, n):
    a = operand(a)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.broadcast_to(_eye_like(a), a.shape) + 0.0 * a
    if n == 1:
        return a
    y = None
    while n:
        n, bit = divmod(n, 2)
        if bit:
            y = a if y is None else np.matmul(y, a)
        a = np.matmul(a, a) if n else a
    return y


def _cond(x, p=None):
    if p in (None, 2, -2):
        s = _svd(x, compute_uv=False)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    return _norm(x, p, (-2, -1)) * _norm(np.linalg.inv(x), p, (-2, -1))


def _multi_dot(arrays, *, out=None):
    arrays = [operand(x) for x in arrays]
    y = arrays[0]
    for x in arrays[1:]:
        y = np.dot(y, x)
    return y


composite(_linalg.norm, _norm)
composite(_linalg.vector_norm, _vector_norm)
composite(_linalg.matrix_norm, _matrix_norm)
composite(_linalg.matrix_power, _matrix_power)
composite(_linalg.cond, _cond)
composite(_linalg.multi_dot, _multi_dot)
constant(_linalg.matrix_rank)
for _name in ("outer", "tensordot", "matrix_transpose", "vecdot", "cross"):
    alias(TABLE[getattr(np, _name)], getattr(_linalg, _name))
composite(_linalg.matmul, lambda a, b, /: np.matmul(a, b))
composite(_linalg.diagonal, lambda x, /, *, offset=0: np.diagonal(x, offset, -2, -1))
composite(_linalg.trace, lambda x, /, *, offset=0, dtype=None: np.trace(x, offset, -2, -1))

# ---------------------------------------------------------------------- Fourier transforms: symmetr


@Primitive
def fft_(x, axis, norm):
    return np.fft.fft(x, axis=axis, norm=norm)


@Primitive
def ifft_(x, axis, norm):
    return np.fft.ifft(x, axis=axis, norm=norm)


linear(fft_, lambda g, x, axis, norm: fft_(g, axis, norm))
linear(ifft_, lambda g, x, axis, norm: ifft_(g, axis, norm))


def _resized(x, n, axis):
    """Crop or pad with zeros at the end of one axis."""
    have = np.shape(x)[axis]
    if n is None or n == have:
        return x
    if n < have:
        return x[tuple(slice(0, n) if k == axis % np.ndim(x) else slice(None) for k in range(np.ndim(x)))]
    shape = list(np.shape(x))
    shape[axis] = n - have
    return np.concatenate([x, np.zeros(shape)], axis=axis)


def _fft(x, n=None, axis=-1, norm=None, out=None):
    return fft_(_resized(operand(x), n, axis), axis, norm)


def _ifft(x, n=None, axis=-1, norm=None, out=None):
    return ifft_(_resized(operand(x), n, axis), axis, norm)


def _rfft(x, n=None, axis=-1, norm=None, out=None):
    y = _fft(x, n, axis, norm)
    return _resized(y, y.shape[axis] // 2 + 1, axis)


def _irfft(x, n=None, axis=-1, norm=None, out=None):
    x = operand(x)
    n = 2 * (np.shape(x)[axis] - 1) if n is None else n
    half = np.moveaxis(_resized(x, n // 2 + 1, axis), axis, -1)
    mirrored = np.conjugate(half[..., 1 : (n + 1) // 2])[..., ::-1]
    full = np.concatenate([half, mirrored], axis=-1)
    return np.moveaxis(np.real(ifft_(full, -1, norm)), -1, axis)


def _over_axes(one, last=None):
    """Repeat a transform over axes; `last` is what the last axis gets instead."""

    def transform(x, s=None, axes=None, norm=None, out=None):
        x = operand(x)
        if axes is None:
            axes = range(np.ndim(x)) if s is None else range(-len(s), 0)
        axes = [k % np.ndim(x) for k in axes]
        sizes = [None] * len(axes) if s is None else list(s)
        pairs = list(zip(axes, sizes, strict=True))
        if last is _rfft:
            x = _rfft(x, pairs[-1][1], pairs[-1][0], norm)
        for axis, n in pairs if last is None else pairs[:-1]:
            x = one(x, n, axis, norm)
        return _irfft(x, pairs[-1][1], pairs[-1][0], norm) if last is _irfft else x

    def two(x, s=None, axes=(-2, -1), norm=None, out=None):
        return transform(x, s, axes, norm)

    return transform, two


for _many, _pair, _rule in (
    (np.fft.fftn, np.fft.fft2, _over_axes(_fft)),
    (np.fft.ifftn, np.fft.ifft2, _over_axes(_ifft)),
    (np.fft.rfftn, np.fft.rfft2, _over_axes(_fft, _rfft)),
    (np.fft.irfftn, np.fft.irfft2, _over_axes(_ifft, _irfft)),
):
    composite(_many, _rule[0])
    composite(_pair, _rule[1])
composite(np.fft.fft, _fft)
composite(np.fft.ifft, _ifft)
composite(np.fft.rfft, _rfft)
composite(np.fft.irfft, _irfft)
_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
composite(
    np.fft.hfft, lambda a, n=None, axis=-1, norm=None: _irfft(np.conjugate(a), n, axis, _OPPOSITE[norm])
)
composite(
    np.fft.ihfft, lambda a, n=None, axis=-1, norm=None: np.conjugate(_rfft(a, n, axis, _OPPOSITE[norm]))
)


def _shift(sign):
    def shift(x, axes=None):
        axes = tuple(range(np.ndim(x))) if axes is None else tuple(np.atleast_1d(axes).tolist())
        half = [np.shape(x)[k] // 2 if sign > 0 else -(np.shape(x)[k] // 2) for k in axes]
        return np.roll(x, half, axes)

    return shift


composite(np.fft.fftshift, _shift(1))
composite(np.fft.ifftshift, _shift(-1))
