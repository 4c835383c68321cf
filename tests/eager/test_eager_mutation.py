# ruff: noqa: E501  tables read best one call to a line
"""In-place writes in differentiated functions: NumPy's answer and the right gradient, or an error."""

import contextlib

import numpy as np
import pytest

import sciad as ad
from sciad.errors import UnsupportedWrite

P = np.array([0.7, -1.2, 1.9])


def gradient_by_complex_step(f, x):
    """Exact to rounding for functions made of analytic operations."""
    columns = []
    for k in range(x.size):
        moved = x.astype(complex)
        moved[k] += 1e-30j
        columns.append(np.imag(f(moved)) / 1e-30)
    return np.array(columns)


def buffer_by_item(p):
    res = np.zeros(5, p.dtype)
    for m in range(3):
        res[m] = np.sum(p[m] * p[0])
    res[3:] += res[:2] * 2
    return np.sum(res**2)


def views_of_a_traced_value(p):
    x = p * 2
    tail, head, backwards = x[1:], x[:2], x[::-1]
    tail[0] = tail[1] * p[0]
    head += 1
    backwards[1:] *= 2
    x[2] = np.sin(x[0])
    return np.sum(x * np.arange(3)) + np.sum(tail**2) * head[1] + backwards[0]


def rows_columns_and_transposes(p):
    b = np.zeros((3, 3), p.dtype)
    row, transposed = b[1], b.T
    row[:] = p
    transposed[2] = p * p[0]
    b[0, 0] += p[1]
    d = np.empty_like(p)
    d[:] = b.sum(0)
    d[0] *= 3
    return np.sum(np.sin(transposed @ p)) + b.mean() + d.copy()[0]


def reshaped_view(p):
    x = np.outer(p, p)
    flat = x.reshape(-1)
    flat[1:5] = p[0] * flat[2:6]
    x[:, 0] = flat[:3]
    return np.sum(x**3) + flat[4]


def overlapping_shift(p):
    x = np.concatenate([p, p * p])
    x[1:] = x[:-1]
    x[:3] += x[::-1][:3]
    x[::2] = x[::-2] * p
    return np.sum(x * np.arange(1.0, 7.0))


def boolean_and_integer_places(p):
    x = p * p
    x[np.array([True, False, True])] = p[:2] * 3
    x[[2, 0]] += p[1:]
    x[np.array([0, 0, 1])] = p  # a place written twice keeps the last value
    return np.sum(x**2)


def whole_array_and_broadcast(p):
    x = np.ones((2, 3), p.dtype)
    x[...] = p
    x[1] = p[2]
    x[:, 1] = p[:2]
    return np.sum(x * x * np.arange(6.0).reshape(2, 3))


def augmented_through_an_alias(p):
    x = p + 0.0
    y = x
    y += p
    y *= x
    x /= 3.0
    x -= p[0]
    x **= 2
    return np.sum(y)


def written_constant(p):
    x = p * 1.0
    x[1] = 4.0
    x[2] = x[1] * x[0]
    return np.sum(x**2)


def recurrence(p):
    u = np.zeros(12, p.dtype)
    u[0] = p[0]
    for k in range(11):
        u[k + 1] = u[k] + 0.1 * np.sin(u[k] * p[1]) + p[2] * u[k] ** 2 * 0.01
    return u[-1] * u[5]


def stencil_with_swap(p):
    u = np.zeros(6, p.dtype)
    u[1:4] = p
    w = np.empty_like(u)
    for _ in range(4):
        w[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]) + 0.01 * u[1:-1] ** 2
        w[0], w[-1] = w[1], w[-2]
        u, w = w, u
    return np.sum(u**2)


def copies_stay_apart(p):
    x = p * 2
    y = x.copy()
    z = np.array(x)
    x[0] = 100.0 * p[1]
    return np.sum(y * z) + x[0]


def numpy_functions_that_write(p):
    b = np.zeros(3, p.dtype)
    np.copyto(b, p * p)
    np.add.at(b, [0, 0, 2], p)
    np.multiply(b, p, out=b)
    m = np.zeros((3, 3), p.dtype)
    np.fill_diagonal(m, b)
    b.fill(p[0])
    return np.sum(np.sin(m)) + np.sum(b)


def aliases_and_arrays_made_of_arrays(p):
    b = np.zeros(3, p.dtype)
    c, d = b, b[1:]
    b[0] = p[0]
    c[1] = p[1] * 2
    d[1] = p[2] * b[0]
    e = np.array(b)
    e[0] = 7.0
    same = np.asarray(b)
    same[2] += p[1]
    rows = []
    for k in range(3):
        row = np.zeros(2, p.dtype)
        row[0] = p[k]
        rows.append(row)
    return np.sum(b**2) + np.sum(d * c[:2]) + np.sum(e) + np.sum(np.array(rows) @ np.array([1.0, 2.0]) * p)


def plain_use_before_and_after(p):
    b = np.zeros(3, p.dtype)
    total = np.sum((b + 1) * p) + np.sum(b * p)
    b[:] = 5.0
    total = total + np.sum(b * p * p)
    b[0] = p[1]
    return total + np.sum(b * p)


def writes_in_a_helper(p):
    def store(target, k, value):
        target[k] = value

    out = np.zeros(3, p.dtype)
    for k in range(3):
        store(out, k, p[k] ** 2)
    return np.prod(out + 1.0)


PROGRAMS = [buffer_by_item, views_of_a_traced_value, rows_columns_and_transposes, reshaped_view, overlapping_shift,
            boolean_and_integer_places, whole_array_and_broadcast, augmented_through_an_alias, written_constant, recurrence,
            stencil_with_swap, copies_stay_apart, numpy_functions_that_write,
            aliases_and_arrays_made_of_arrays, plain_use_before_and_after, writes_in_a_helper]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_program(f):
    _agrees(f, P)
    ad.check_grads(f, (P,), order=2, rtol=1e-5, atol=1e-5)


def _agrees(f, p):
    expected, exact = f(p), gradient_by_complex_step(f, p)
    value, gradient = ad.value_and_grad(f)(p)
    forward = np.array([ad.jvp(f, (p,), (u,))[1] for u in np.eye(p.size)])
    scale = 1.0 + np.max(np.abs(exact))
    assert abs(value - expected) <= 1e-12 * (1 + abs(expected))
    assert np.max(np.abs(gradient - exact)) <= 1e-10 * scale
    assert np.max(np.abs(forward - exact)) <= 1e-10 * scale
    rows = np.stack([p, p])
    around = ad.grad(lambda rows: np.sum(ad.vmap(f)(rows)))(rows)
    assert np.max(np.abs(around - exact)) <= 1e-10 * scale


def random_program(seed):
    """A program of random writes, views, copies and arithmetic on arrays that may share memory."""

    def f(p):
        rng = np.random.default_rng(seed)
        first, second = np.zeros(6, p.dtype), np.ones((2, 3), p.dtype)
        pool = [p * 1.0, first, second, first[1:5], second.T, np.exp(0.1 * np.outer(p, p))]
        for _ in range(rng.integers(8, 20)):
            a, b = (pool[k] for k in rng.integers(0, len(pool), 2))
            what = rng.integers(0, 9)
            if what == 0:
                pool.append(a[::-1] if a.ndim == 1 else a[:, 1:])
            elif what == 1:
                pool.append(a.reshape(-1) if a.size < 7 else a.T)
            elif what == 2:
                pool.append(np.sin(a) * p[rng.integers(3)])
            elif what == 3:
                pool.append(a.copy())
            elif what == 4 and a.ndim == 1:
                a[rng.integers(a.size)] = np.mean(b) * p[0]
            elif what == 5 and a.ndim == 1 and a.size > 2:
                a[1:] = 0.5 * a[:-1]
            elif what == 6:
                a *= 0.5
                a += p[1] * 0.1
            elif what == 7 and a.ndim == 2:
                a[0] = np.sum(b) * 0.1
            elif a.ndim == 1:
                places = rng.integers(0, a.size, 2)
                a[places] = p[:2] * a[places] + 0.3
        return sum(np.sum(x * np.cos(np.arange(x.size).reshape(x.shape))) for x in pool)

    f.__name__ = f"random_program({seed})"
    return f


@pytest.mark.parametrize("seed", range(150))
def test_random_program(seed):
    _agrees(random_program(seed), P)


def test_writes_nest_with_every_transform():
    def f(p):
        x = np.zeros(3)
        x[0] = p[1] ** 2
        x[1:] = p[:2] * x[0]
        return np.sum(x**2)

    hessian = ad.hessian(f)(P)
    reverse = ad.jacobian(ad.grad(f), mode="reverse")(P)
    assert np.max(np.abs(hessian - reverse)) <= 1e-12 * np.max(np.abs(hessian))
    rows = np.stack([P, 2 * P])
    mapped = ad.vmap(ad.grad(f))(rows)
    assert np.max(np.abs(mapped - np.stack([ad.grad(f)(row) for row in rows]))) <= 1e-12 * np.max(
        np.abs(mapped)
    )


def test_inner_transform_writes_into_values_of_the_outer():
    def f(p):
        scaled = 2.0 * p

        def inner(y):
            mixed = p * 1.0  # of the outer level, made in the inner function
            mixed[0] = y * y
            return np.sum(mixed * scaled)

        return ad.grad(inner)(p[1])  # 2 y * 2 p[0] at y = p[1]

    assert ad.grad(f)(P) == pytest.approx([4 * P[1], 4 * P[0], 0.0], rel=1e-14)


def test_arguments_are_not_changed():
    def f(p):
        p[0] = 3.0 * p[1]
        return np.sum(p**2)

    x = P.copy()
    gradient = ad.grad(f)(x)
    assert np.array_equal(x, P)
    assert gradient == pytest.approx([0.0, 20 * P[1], 2 * P[2]])


outside = np.zeros(3)


def test_write_into_an_array_from_outside_raises():
    def f(p):
        outside[0] = p[0]
        return np.sum(outside)

    with pytest.raises(UnsupportedWrite, match=r"np\.zeros"):
        ad.grad(f)(P)
    with pytest.raises(UnsupportedWrite):
        ad.grad(lambda p: (outside.__setitem__(slice(None), p), 0.0)[1])(P)
    assert np.array_equal(outside, np.zeros(3))


class Model:
    def rates(self, p):
        out = np.zeros(3)
        out[:] = 2.0 * p
        return out


def test_write_in_a_method_is_right_or_raises():
    """Methods reached through an object may see NumPy as it is; then the write is refused, never wrong."""
    try:
        gradient = ad.grad(lambda p: np.sum(Model().rates(p)))(P)
    except UnsupportedWrite as error:
        assert "method" in str(error)
    else:
        assert gradient == pytest.approx([2.0, 2.0, 2.0])


def writes_that_fail_at_first(p):
    x, y = np.zeros(3, p.dtype), p * 1.0
    for target in (x, y, y[1:]):
        for index in (10, slice(None, 2)):
            with contextlib.suppress(IndexError, ValueError):
                target[index] = np.outer(p, p)
    total = np.sum(x * p)
    x[:] = p
    try:
        x[7] = p[0]
    except IndexError:
        x[0] = 2 * p[1]
    return total + np.sum(x * x * y)


def test_a_failed_write_changes_nothing():
    _agrees(writes_that_fail_at_first, P)


def test_integer_array_refuses_a_traced_value():
    def f(p):
        counts = np.zeros(3, dtype=int)
        counts[0] = p[0]
        return np.sum(counts) * 1.0

    with pytest.raises(UnsupportedWrite):
        ad.grad(f)(P)


@pytest.mark.parametrize("n", [100, 5000])
def test_constant_array_changed_after_use(n):
    """The backward sweep needs what the array held: it is kept, or the change is noticed."""

    def f(x):
        a = scratch
        total = 0.0
        for k in range(1, 3):
            a[:] = k
            total = total + np.sum(a * x)
        return total

    scratch = np.zeros(n)
    if n == 100:
        assert ad.grad(f)(np.ones(n)) == pytest.approx(3.0 * np.ones(n))
    else:
        with pytest.raises(UnsupportedWrite, match="changed in place"):
            ad.grad(f)(np.ones(n))


def test_memory_of_local_array_is_not_readable_around_the_protocols():
    def f(p):
        x = np.zeros(3)
        x[0] = p[0]
        bytes_of_it = np.frombuffer(x.tobytes())
        assert np.all(np.isnan(bytes_of_it)), "stale numbers would be taken for a result"
        return np.sum(x)

    ad.grad(f)(P)


def test_writing_loop_is_linear_in_its_length():
    """The tape keeps no copy of the array per write."""

    def f(x):
        r = np.zeros(x.size)
        for k in range(1, x.size):
            r[k] = 0.5 * r[k - 1] + x[k] * x[0]
        return np.sum(r * r)

    import tracemalloc

    x = np.linspace(0.1, 1.0, 2000)
    tracemalloc.start()
    ad.grad(f)(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 8000  # a copy of 16 kB per write would be 32 MB


def test_numbers_read_under_vmap_are_copies():
    """An element is a number to the user, though the batch holds it as a view."""

    def rotate(x):
        s = x * 1.0
        q, p = s[0], s[1]
        s[0] = q + 0.1 * p
        s[1] = p - 0.1 * q
        return s

    batch = np.arange(8.0).reshape(2, 4) + 1
    expected = np.array([rotate(x) for x in batch])
    assert not np.abs(ad.vmap(rotate)(batch) - expected).max() > 1e-15
    jacobians = ad.vmap(ad.jacobian(rotate))(batch)
    assert not np.abs(jacobians[1] - ad.jacobian(rotate)(batch[1])).max() > 1e-15


CALLS_THAT_WRITE = {
    "where= into a local array": lambda x, out: np.divide(x[0], x[1:], out=out, where=x[1:] > 0.6),
    "where= outside of the domain": lambda x, out: np.log(x[1:] - 0.6, out=out, where=x[1:] > 0.6),
    "where= of constants": lambda x, out: np.multiply(2.0, P3, out=out, where=P3 > 0.5),
    "where= into a traced value": lambda x, out: out.__iadd__(
        np.exp(x[1:], out=x[1:] * 1.0, where=np.array([True, False, True]))
    ),
    "multiply.at": lambda x, out: np.multiply.at(out, [0, 2, 0, 0], x),
    "divide.at": lambda x, out: np.divide.at(out, [2, 0, -1], x[1:]),
    "subtract.at": lambda x, out: np.subtract.at(out, [2, 0, -1], x[1:]),
    "add.at with a mask": lambda x, out: np.add.at(out, P3 > 0.5, x[0]),
    "negative.at": lambda x, out: np.negative.at(out, [0, 0, 1]),
    "maximum.at": lambda x, out: np.maximum.at(out, [0, 0, 1], x[1:]),
    "power.at": lambda x, out: np.power.at(out, [2, 2], x[:2]),
    "put": lambda x, out: out.put([0, -1], x[0] ** 2),
    "put of more places than values": lambda x, out: out.put([0, 1, 2], x[:2]),
    "put, wrapped": lambda x, out: out.put([4, -4], x[:2], mode="wrap"),
    "put, clipped": lambda x, out: out.put([7, -4], x[:2], mode="clip"),
    "partition": lambda x, out: (out.__setitem__(slice(None), x[[2, 1, 3]]), out.partition(1)),
    "sort": lambda x, out: (out.__setitem__(slice(None), x[[2, 1, 3]]), out.sort()),
}
P3 = np.array([0.4, 0.9, 1.1])


@pytest.mark.parametrize("local", [True, False], ids=["local", "traced"])
@pytest.mark.parametrize("name", CALLS_THAT_WRITE)
def test_call_that_writes(name, local):
    def f(x):
        out = np.ones(3) if local else x[1:] * x[:3]
        out[1] = x[3]
        CALLS_THAT_WRITE[name](x, out)
        return np.sum(np.sin(out) * np.array([1.0, 2.0, 3.0]) * x[0])

    x = np.array([0.8, 0.7, 0.5, 1.4])
    value, gradient = ad.value_and_grad(f)(x)
    assert value == pytest.approx(f(x), rel=1e-14)
    moved = [(f(x + h) - f(x - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
    assert gradient == pytest.approx(moved, rel=1e-7, abs=1e-8)
    assert ad.jvp(f, (x,), (P3[[0, 1, 2, 0]],))[1] == pytest.approx(gradient @ P3[[0, 1, 2, 0]], rel=1e-12)


def test_where_without_out_raises():
    with pytest.raises(ad.NotDifferentiable, match="out="):
        ad.grad(lambda x: np.sum(np.log(x, where=x > 0)))(P3)
