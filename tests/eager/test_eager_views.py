# ruff: noqa: E501  tables read best one call to a line
"""What shares memory in NumPy does in differentiated functions too: a write through one name shows in the other."""

import numpy as np
import pytest

import sciad as ad

P = np.array([0.7, -1.2, 1.9])
WEIGHTS = np.cos(np.arange(40.0))

# functions of a 3 by 3 array
SQUARE = {
    "T": lambda x: x.T, "mT": lambda x: x.mT, "transpose": lambda x: np.transpose(x), "swapaxes": lambda x: x.swapaxes(0, 1),
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)), "moveaxis": lambda x: np.moveaxis(x, 0, 1), "rollaxis": lambda x: np.rollaxis(x, 1),
    "ravel": lambda x: x.ravel(), "np.ravel": np.ravel, "T.ravel": lambda x: x.T.ravel(), "ravel F": lambda x: x.ravel("F"),
    "T.ravel F": lambda x: x.T.ravel("F"), "T.ravel A": lambda x: x.T.ravel("A"), "T.ravel K": lambda x: x.T.ravel("K"),
    "ravel of a part": lambda x: x[:, ::2].ravel(), "ravel of a part, K": lambda x: x[:, ::2].ravel("K"), "ravel of rows": lambda x: x[1:].ravel(),
    "ravel of a column": lambda x: x[:, 1].ravel(), "ravel backwards": lambda x: x[::-1, ::-1].ravel("K"),
    "ravel of three axes": lambda x: x.reshape(3, 3, 1).transpose(2, 0, 1).ravel("K"),
    "reshape": lambda x: x.reshape(9), "T.reshape": lambda x: x.T.reshape(9), "T.reshape column": lambda x: x.T.reshape(9, 1),
    "reshape F": lambda x: x.reshape(9, order="F"), "T.reshape F": lambda x: x.T.reshape(3, 3, order="F"), "T.reshape A": lambda x: x.T.reshape(-1, order="A"),
    "reshape of a column": lambda x: x[:, 1].reshape(3, 1), "reshape, copy": lambda x: np.reshape(x, (9,), copy=True),
    "flatten": lambda x: x.flatten(), "flat": lambda x: x.flat[:], "flat, copy": lambda x: x.flat.copy(),
    "diagonal": lambda x: np.diagonal(x), "x.diagonal": lambda x: x.diagonal(1), "diag": lambda x: np.diag(x, -1), "linalg.diagonal": lambda x: np.linalg.diagonal(x),
    "diag of diag": lambda x: np.diag(np.diag(x)), "diagonal, axes": lambda x: np.diagonal(x[None], 0, 2, 1),
    "einsum ii->i": lambda x: np.einsum("ii->i", x), "einsum ij->ji": lambda x: np.einsum("ij->ji", x), "einsum ij": lambda x: np.einsum("ij", x),
    "einsum ...ij->...ji": lambda x: np.einsum("...ij->...ji", x), "einsum ji": lambda x: np.einsum("ji", x), "einsum ij->i": lambda x: np.einsum("ij->i", x),
    "einsum axes": lambda x: np.einsum(x, [0, 1], [1, 0]), "einsum aii->ia": lambda x: np.einsum("aii->ia", x[None]),
    "asarray": np.asarray, "asarray, dtype": lambda x: np.asarray(x, dtype=float), "asarray, F": lambda x: np.asarray(x, order="F"),
    "asarray of T, F": lambda x: np.asarray(x.T, order="F"), "asarray, copy": lambda x: np.asarray(x, copy=True), "asarray, float": lambda x: np.asarray(x, float),
    "asanyarray": np.asanyarray, "ascontiguousarray": np.ascontiguousarray, "ascontiguousarray of T": lambda x: np.ascontiguousarray(x.T),
    "array": np.array, "array, copy=None": lambda x: np.array(x, copy=None), "array, copy=False": lambda x: np.array(x, copy=False),
    "array, dtype": lambda x: np.array(x, dtype=float), "array, ndmin": lambda x: np.array(x, copy=None, ndmin=3), "array of rows": lambda x: np.array([x[0], x[1]]),
    "astype": lambda x: x.astype(float), "astype, copy=False": lambda x: x.astype(float, copy=False), "astype float32": lambda x: x.astype(np.float32, copy=False),
    "nan_to_num": lambda x: np.nan_to_num(x), "nan_to_num, copy=False": lambda x: np.nan_to_num(x, copy=False), "nan_to_num of a view": lambda x: np.nan_to_num(x[1], copy=False),
    "real": lambda x: np.real(x), "x.real": lambda x: x.real, "x.conj": lambda x: x.conj(), "x.conjugate": lambda x: x.conjugate(), "np.conj": lambda x: np.conj(x),
    "imag": lambda x: x.imag, "positive": lambda x: +x, "real_if_close": lambda x: np.real_if_close(x),
    "squeeze": lambda x: np.squeeze(x[:, None]), "x.squeeze": lambda x: x.squeeze(), "expand_dims": lambda x: np.expand_dims(x, 1),
    "atleast_1d": np.atleast_1d, "atleast_2d": lambda x: np.atleast_2d(x[1]), "atleast_3d": np.atleast_3d,
    "split": lambda x: np.split(x, 3)[1], "array_split": lambda x: np.array_split(x, 2, 1)[1], "hsplit": lambda x: np.hsplit(x, 3)[0], "unstack": lambda x: np.unstack(x)[2],
    "flip": np.flip, "flipud": np.flipud, "fliplr": np.fliplr, "rot90": np.rot90, "rot90 twice": lambda x: np.rot90(x, 2), "rot90 none": lambda x: np.rot90(x, 0),
    "row": lambda x: x[1], "column": lambda x: x[:, 1], "block": lambda x: x[1:, :2], "backwards": lambda x: x[::-1, ::-2], "newaxis": lambda x: x[None, :, None],
    "ellipsis": lambda x: x[...], "all": lambda x: x[:], "places": lambda x: x[[0, 2]], "mask": lambda x: x[x < 100], "iteration": lambda x: list(x)[1], "unpacking": lambda x: (lambda a, b, c: b)(*x),
    "matrix_power 1": lambda x: np.linalg.matrix_power(x, 1), "diff 0": lambda x: np.diff(x, 0), "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 3)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x)[0], "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0], "copy": lambda x: x.copy(), "np.copy": np.copy,
    "triu": np.triu, "tril": np.tril, "clip": lambda x: np.clip(x, -100, 100), "concatenate": lambda x: np.concatenate([x]), "stack": lambda x: np.stack([x]),
    "tile": lambda x: np.tile(x, 1), "repeat": lambda x: np.repeat(x, 1, 0), "roll": lambda x: np.roll(x, 0), "take": lambda x: np.take(x, [0, 1], 0), "x.take": lambda x: x.take([0]),
    "compress": lambda x: np.compress([True, True, True], x, 0), "delete": lambda x: np.delete(x, [], 0), "sort": lambda x: np.sort(x), "pad": lambda x: np.pad(x, 0),
    "resize": lambda x: np.resize(x, (3, 3)), "append": lambda x: np.append(x, []), "where": lambda x: np.where(x < 100, x, x), "choose": lambda x: np.select([x < 100], [x]),
    "sum of nothing": lambda x: np.sum(x, axis=()), "max of nothing": lambda x: np.max(x, axis=()), "cumsum": lambda x: np.cumsum(x, 0), "round": lambda x: x * 1,
    "hstack": lambda x: np.hstack([x]), "vstack": lambda x: np.vstack([x]), "column_stack": lambda x: np.column_stack([x]), "block of one": lambda x: np.block([[x]]),
    "fftshift": lambda x: np.roll(x, 1), "identity": lambda x: x, "apply_along_axis": lambda x: np.stack(list(x)), "full_like": lambda x: np.full_like(x, 2.0),
    "zeros_like": lambda x: np.zeros_like(x), "item": lambda x: np.array([x.item(4)]), "tolist": lambda x: np.array(x.tolist()), "unravel": lambda x: x[np.unravel_index([1, 2], (3, 3))],
    "diagflat": lambda x: np.diagflat(x)[0], "kron": lambda x: np.kron(np.eye(1), x), "outer": lambda x: np.outer(x, [1.0]), "trim_zeros": lambda x: x[0],
}  # fmt: skip


def traced(p):
    return np.outer(p, p) + 0.1


def transposed(p):
    return (np.outer(p, p[::-1]) + 0.1).T


def written(p):
    x = np.zeros((3, 3))
    x[0] = p
    return x


def local(p):
    return np.ones((3, 3))


def local_view(p):
    return np.ones((4, 3))[1:]


def write_original(x, y, p):
    x[0, 1] = 7 * p[1]
    x[1] = p * p


def write_view(x, y, p):
    y[(0,) * y.ndim] = 7 * p[1]


def write_both(x, y, p):
    x[1, 1] = p[0] * x[0, 0]
    y += 0.5 * p[1]
    x[:, 2] = p
    y *= y


def write_flat(x, y, p):
    x.flat[3] = p[0]
    y.flat[:2] = p[1:]
    x.T.flat[[1, 5]] = p[2] * x[0, 0]


ORIGINS = [traced, transposed, written, local, local_view]
WRITES = [write_original, write_view, write_both, write_flat]


@pytest.mark.parametrize("name", SQUARE)
def test_view(name):
    view = SQUARE[name]
    for origin in ORIGINS:
        for write in WRITES:
            if name in ("round", "astype float32") and write is write_both:
                continue
            check(view, origin, write)


def check(view, origin, write):
    def f(p):
        x = origin(p)
        y = view(x)
        write(x, y, p)
        return np.sum(x.ravel() * WEIGHTS[: x.size]) + np.sum(np.ravel(y) * WEIGHTS[: y.size] * p[0])

    where = f"{origin.__name__}, {write.__name__}"
    try:
        value = f(P.copy())
    except (ValueError, IndexError, TypeError):
        for run in (lambda: ad.grad(f)(P), lambda: ad.jvp(f, (P,), (P,)), lambda: ad.vmap(f)(P[None])):
            with pytest.raises((ValueError, IndexError, TypeError, ad.UnsupportedWrite)):
                run()
                pytest.fail(where)
        return
    h = 1e-4
    moved = np.array([(f(P + h * u) - f(P - h * u)) / (2 * h) for u in np.eye(3)])
    rough = 1e-2 if view is SQUARE["astype float32"] else 1e-6
    try:
        found, gradient = ad.value_and_grad(f)(P)
    except ad.UnsupportedWrite as error:
        assert "np.copy" in str(error) or "copy" in str(error), where
        return
    assert found == pytest.approx(value, rel=rough), where
    assert gradient == pytest.approx(moved, rel=rough, abs=rough), where
    found, forward = ad.jvp(f, (P,), (np.ones(3),))
    assert found == pytest.approx(value, rel=rough), where
    assert forward == pytest.approx(np.sum(moved), rel=rough, abs=rough), where
    rows = np.stack([P, 2 * P])
    assert ad.vmap(f)(rows) == pytest.approx([value, f(rows[1])], rel=rough), where
    assert ad.vmap(ad.grad(f))(rows)[0] == pytest.approx(moved, rel=rough, abs=rough), where
    around = ad.grad(lambda rows: np.sum(ad.vmap(ad.vmap(f))(rows[None])))(rows)
    assert around[0] == pytest.approx(moved, rel=rough, abs=rough), where


def scattered(x, k):
    y = x * 1.0
    y[k] = x[0] ** 2
    y[k % 2] += y[k] * x[1]
    return y


def scattered_locally(x, k):
    out = np.zeros((2, 4))
    out[0, k] = x[k]
    out[1, [k, 3 - k]] = x[:2]
    out.T[k] *= 3.0
    return out


def scattered_twice(x, k):
    y = np.outer(x, x)
    row = y[1]
    row[np.array([k, k, 0])] = x[:3]
    y[2:, k] = x[2:] * row[k]
    return y
    y[:, k][:2] = x[2:] * row[k]
    return y


def masked(x, k):
    y = x + 0.0
    y[np.arange(4) < k] = 5.0 * x[3]
    constant = np.arange(4.0)
    constant[k] = 9.0
    return y * constant


@pytest.mark.parametrize(
    "f", [scattered, scattered_locally, scattered_twice, masked], ids=lambda f: f.__name__
)
def test_places_that_differ_between_the_elements_of_a_vmap(f):
    xs, ks = np.linspace(0.5, 1.9, 12).reshape(3, 4), np.array([1, 3, 2])
    one_by_one = np.array([f(x, k) for x, k in zip(xs, ks, strict=True)])
    assert ad.vmap(f)(xs, ks) == pytest.approx(one_by_one, rel=1e-14)
    jacobians = np.array([ad.jacobian(lambda x, k=k: f(x, k))(x) for x, k in zip(xs, ks, strict=True)])
    assert ad.vmap(ad.jacobian(f))(xs, ks) == pytest.approx(jacobians, rel=1e-14)
    assert ad.vmap(ad.jacobian(f, mode="reverse"))(xs, ks) == pytest.approx(jacobians, rel=1e-14)
    outside = ad.jacobian(lambda xs: ad.vmap(f)(xs, ks), mode="reverse")(xs)
    for i in range(3):
        assert outside[i, ..., i, :] == pytest.approx(jacobians[i], rel=1e-14)
    total = ad.grad(lambda x: np.sum(ad.vmap(f, in_axes=(None, 0))(x, ks) ** 2))(xs[0])
    expected = ad.grad(lambda x: sum(np.sum(f(x, k) ** 2) for k in ks))(xs[0])
    assert total == pytest.approx(expected, rel=1e-14)


def row_written(u, k):
    row = u[k]
    row[0] = u[2, 1] ** 2
    return u * np.cos(u)


def row_read_later(u, k):
    row = u[k]
    u *= 1.5
    u[0, 1] = row[1] * u[1, 0]
    return u, row


def view_of_a_row(u, k):
    part = u.T[:, k][::-1] if k is None else u[k][::-1][1:]
    part *= u[1, 2]
    return u, part


def row_of_a_view(u, k):
    cube = u.reshape(4, 3, 1)
    side = cube[:, None][k]
    side[0] += cube[1] * 2.0
    u[:, 1] = u[k].sum()
    return u, side


def column_of_local(u, k):
    table = np.zeros((4, 3))
    row = table[k]
    table[1] = [1.0, 2.0, 3.0]
    row[1:] = u[0, :2] * row[0]
    other = table.T[2, k] * row
    table += u
    return table * row, other


def parts_of_a_complex_row(u, k):
    z = u * np.exp(0.1j * u)
    row = z[k]
    imaginary, one = row.imag, z[k, 1:2].real
    z[2, 1] = u[0, 0] * 2j
    imaginary[1:] *= 3.0
    one[0] = u[3, 0]
    return np.real(z * z), np.imag(z), imaginary, row.real


def row_of_local_kept(u, k):
    def part():
        table = np.ones((4, 3))
        return table[k]

    row = part()
    row[...] *= u[1]
    row += 1.0
    return row


@pytest.mark.parametrize(
    "f",
    [
        row_written,
        row_read_later,
        view_of_a_row,
        row_of_a_view,
        column_of_local,
        row_of_local_kept,
        parts_of_a_complex_row,
    ],
    ids=lambda f: f.__name__,
)
def test_rows_that_differ_between_the_elements_of_a_vmap_are_views(f):
    def run(u, k):
        return ravelled(f(u * 1.0, k))

    us, ks = np.linspace(0.5, 1.9, 36).reshape(3, 4, 3), np.array([1, 3, 2])
    one_by_one = np.array([run(u, k) for u, k in zip(us, ks, strict=True)])
    assert ad.vmap(run)(us, ks) == pytest.approx(one_by_one, rel=1e-14)
    v = np.cos(np.arange(one_by_one.size)).reshape(one_by_one.shape)

    def loss(us):
        return np.sum(ad.vmap(run)(us, ks) * v)

    def looped(us):
        return sum(np.sum(run(u, k) * w) for u, k, w in zip(us, ks, v, strict=True))

    expected = np.imag([looped(us + 1e-30j * e.reshape(us.shape)) for e in np.eye(36)]) * 1e30 if (
        f not in (column_of_local, row_of_local_kept, parts_of_a_complex_row)
    ) else ad.grad(looped)(us).ravel()  # fmt: skip
    assert ad.grad(loss)(us).ravel() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    d = np.sin(np.arange(36.0)).reshape(us.shape)
    assert ad.jvp(loss, (us,), (d,))[1] == pytest.approx(expected @ d.ravel(), rel=1e-12)
    each = ad.vmap(ad.grad(lambda u, k, w: np.sum(run(u, k) * w)))(us, ks, v)
    assert each.ravel() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def ravelled(parts):
    parts = parts if isinstance(parts, tuple) else (parts,)
    return np.concatenate([np.ravel(p) for p in parts])


ZERO_D = {
    "alias of an argument": lambda x, p: (x, x.__iadd__(p[1]), x * p[0])[2],
    "copy": lambda x, p: shifted(x.copy(), p),
    "np.array": lambda x, p: shifted(np.array(x), p),
    "np.array of a number": lambda x, p: shifted(np.array(p[0]), p),
    "np.zeros": lambda x, p: shifted(np.zeros(()), p),
    "number": lambda x, p: shifted(p[0] * 1.0, p),
    "sum": lambda x, p: shifted(np.sum(p), p),
    "norm": lambda x, p: shifted(np.linalg.norm(p), p),
    "prod": lambda x, p: shifted(np.prod(p), p),
    "inner": lambda x, p: shifted(np.inner(p, p), p),
    "reshape": lambda x, p: (lambda q: shifted(q[:1].reshape(()), p) * q[0])(p * 1.0),
    "index with Ellipsis": lambda x, p: (lambda q: shifted(q[1, ...], p) * q[1])(p * 1.0),
    "where": lambda x, p: shifted(np.where(p[0] > 0, p[0], p[1]), p),
}


def shifted(a, p):
    b = a
    b += p[1]
    b *= p[0]
    return a * 3.0


@pytest.mark.parametrize("name", ZERO_D)
def test_arrays_without_axes_change_in_place_and_numbers_do_not(name):
    f, p = ZERO_D[name], np.array([1.3, 0.7])

    def g(p):
        return f(np.array(p[0] * 2.0), p)

    value, gradient = ad.value_and_grad(g)(p)
    assert value == pytest.approx(g(p), rel=1e-14)
    moved = [(g(p + h) - g(p - h)) / 2e-6 for h in 1e-6 * np.eye(2)]
    assert gradient == pytest.approx(moved, rel=1e-7)
    assert ad.jvp(g, (p,), (np.array([0.3, 0.4]),))[1] == pytest.approx(gradient @ [0.3, 0.4], rel=1e-12)
    x = np.array(2.6)
    assert ad.grad(lambda x: f(x, p))(x) == pytest.approx(
        (f(np.array(2.6 + 1e-6), p) - f(np.array(2.6 - 1e-6), p)) / 2e-6, rel=1e-7, abs=1e-12
    )
    assert x == 2.6


def read_after_a_write(x):
    y = x * np.exp(1j * x)
    r = y.real
    y[0] = x[1] * 2j + x[2]
    return np.sum(r**2)


def parts_of_parts(x):
    y = x * np.exp(1j * x)
    y[0] = 1.0
    b, c = y.real[1:], y.imag[::-1]
    b[0] = x[0]
    y[2] = x[1] * (2 + 1j)
    c[1] *= 2
    return np.sum(b * b) + np.sum(np.abs(y) ** 2 * np.arange(3)) + c[1]


def parts_of_local(x):
    y = np.zeros(4, complex)
    r = y.real
    y[:2] = x[:2] * np.exp(1j * x[1:])
    r[2] = x[2]
    y.imag[1:][::2] += x[:2]
    return np.sum(np.abs(y) ** 2 * np.arange(1, 5)) + np.sum(y.real * y.imag) + r[0] * np.real(y)[1]


def set_parts(x):
    y, z = x * (1 + 2j), np.zeros(3, complex)
    y.real = x**2
    y.imag *= 3.0
    z.imag = x
    z.real[x > 0.7] = 2 * x[x > 0.7]
    return np.sum(np.abs(y * z) ** 2)


def parts_transposed(x):
    y = np.outer(x, x) * (1 + 1j * x)
    a = y.T.real
    a[1] = x
    y[2] = 3.0
    return np.sum(np.abs(y) ** 2 * np.arange(3)) + np.sum(a[:, 1:] * y.imag[:, 1:])


PARTS = [read_after_a_write, parts_of_parts, parts_of_local, set_parts, parts_transposed]


def shifted_twice(x):
    y = x * 1.0
    y[:-1] += y[1:]
    y[1:] *= y[:-1]
    y[::2] = y[::-1][::2]
    return np.sum(y * np.arange(1, 4))


def normalised_rows(x):
    m = np.outer(x, x) + np.diag([1.0, 2.0, 3.0])
    for row in m:
        row -= row.mean()
        row /= np.sqrt(row @ row)
    for k, column in enumerate(m.T):
        column *= x[k]
    return np.sum(m**3)


@pytest.mark.parametrize("f", [*PARTS, shifted_twice, normalised_rows], ids=lambda f: f.__name__)
def test_views_at_every_level(f):
    x, h = np.array([0.9, 0.6, 1.3]), 1e-6
    moved = np.array([(f(x + h * u) - f(x - h * u)) / (2 * h) for u in np.eye(3)])
    value, gradient = ad.value_and_grad(f)(x)
    assert value == pytest.approx(f(x), rel=1e-14)
    assert gradient == pytest.approx(moved, rel=1e-7, abs=1e-7)
    assert ad.jvp(f, (x,), (P,))[1] == pytest.approx(moved @ P, rel=1e-7)
    g = ad.grad(f)
    second = np.array([(g(x + h * u) - g(x - h * u)) / (2 * h) for u in np.eye(3)])
    assert ad.hessian(f)(x) == pytest.approx(second, rel=1e-6, abs=1e-6)
    assert ad.jacobian(ad.grad(f), mode="reverse")(x) == pytest.approx(second, rel=1e-6, abs=1e-6)
    rows = np.stack([x, 1.01 * x])[None]
    assert ad.vmap(ad.vmap(f))(rows)[0] == pytest.approx([f(x), f(1.01 * x)], rel=1e-13)
    inside = ad.vmap(ad.vmap(ad.grad(f)))(rows)
    assert inside[0, 0] == pytest.approx(gradient, rel=1e-12)
    assert ad.grad(lambda r: np.sum(ad.vmap(ad.vmap(f))(r)))(rows) == pytest.approx(inside, rel=1e-12)
    assert ad.vmap(ad.grad(lambda r: np.sum(ad.vmap(f)(r))))(rows) == pytest.approx(inside, rel=1e-12)
    along = ad.jvp(lambda r: ad.vmap(ad.vmap(f))(r), (rows,), (rows,))[1]
    assert along == pytest.approx(np.sum(inside * rows, axis=-1), rel=1e-12)
