"""Counter-based random numbers and Brownian motion: published vectors, laws, and that it replays."""

import math

import numpy as np
import pytest
from scipy import stats

from sciad.native.kernels import interpret, kernel, link
from sciad.native.philox import log_unit, normal_pair, philox, sincos_turn
from sciad.solvers import BrownianMotion


@kernel
def some_words(c0, c1, c2, c3, k0, k1, out):
    a, b, c, d = philox(
        np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3), np.uint64(k0), np.uint64(k1)
    )
    out[0], out[1], out[2], out[3] = a, b, c, d
    return 0


@kernel
def many_normals(key, out):
    for k in range(out.shape[0] // 2):
        a, b = normal_pair(k, 0, 0, 0, key)
        out[2 * k] = a
        out[2 * k + 1] = b
    return 0


@kernel
def functions(x, out):
    for k in range(x.shape[0]):
        sine, cosine = sincos_turn(x[k])
        out[0, k] = log_unit(x[k])
        out[1, k] = sine
        out[2, k] = cosine
    return 0


ONES = 0xFFFFFFFF
# kat_vectors of the Random123 library: counter, key, result of philox 4x32-10
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize("how", ["compiled", "interpreted"])
def test_published_vectors(how):
    if how == "compiled":
        run = link(some_words, "int64(int64,int64,int64,int64,int64,int64,uint64[::1])")
    else:
        run = interpret(some_words)
    for counter, key, expected in VECTORS:
        out = np.zeros(4, dtype=np.uint64)
        run(*counter, *key, out)
        assert tuple(int(x) for x in out) == expected


def test_log_sine_and_cosine_are_accurate():
    x = np.concatenate([2.0 ** -np.arange(1, 54), np.random.default_rng(0).random(20_000)])
    out = np.zeros((3, x.size))
    link(functions, "int64(float64[::1],float64[:,::1])")(x, out)
    assert not np.max(np.abs(out[0] - np.log(x)) / np.abs(np.log(x))) > 4e-16
    turn = 2 * np.pi * (x - np.round(x))  # exact reduction
    for row, exact in ((out[1], np.sin(turn)), (out[2], np.cos(turn))):
        assert not np.max(np.abs(row - exact)) > 4e-16


def test_normals_have_the_law():
    z = np.zeros(200_000)
    link(many_normals, "int64(int64,float64[::1])")(12345, z)
    n = z.size
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert not abs(np.mean(z**power) - moment) > 4 * math.sqrt(variance / n)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    # pairs are independent, and so are neighbours
    assert not abs(np.mean(z[::2] * z[1::2])) > 4 / math.sqrt(n / 2)
    assert not abs(np.mean(z[1:] * z[:-1])) > 4 / math.sqrt(n)
    assert len(np.unique(z)) == n


def test_increments_add_up_in_any_order():
    W = BrownianMotion((1.0, 3.0), shape=(2,), seed=7, dt=0.3)
    times = np.sort(np.random.default_rng(1).uniform(1, 3, 12))
    order = np.random.default_rng(2).permutation(11)
    parts = {k: W.increment(times[k], times[k + 1], path=4, space_time=True) for k in order}
    whole, H = W.increment(times[0], times[-1], path=4, space_time=True)
    total, integral, end = np.zeros(2), np.zeros(2), times[0]
    for k in range(11):
        h = times[k + 1] - times[k]
        w, area = parts[k]
        integral += h * total + h * (0.5 * w + area)
        total += w
        end = times[k + 1]
    assert not np.max(np.abs(total - whole)) > 1e-13
    span = end - times[0]
    assert not np.max(np.abs(integral - span * (0.5 * whole + H))) > 1e-13
    back, H_back = W.increment(times[-1], times[0], path=4, space_time=True)
    assert np.array_equal(back, -whole) and np.array_equal(H_back, H)
    assert np.allclose(W(times, path=4)[:, -1] - W(times, path=4)[:, 0], whole, atol=1e-13)


def test_increments_and_areas_have_the_law():
    W = BrownianMotion((0.0, 1.0), seed=3, dt=0.5)
    s, u, e = 0.13, 0.31, 0.77  # inside a cell, and across an edge
    count = 20_000
    rows = [
        [
            *W.increment(s, u, k, space_time=True),
            *W.increment(u, e, k, space_time=True),
            *W.increment(0.0, 1.0, k, space_time=True),
        ]
        for k in range(count)
    ]
    found = np.cov(np.array(rows).T)
    for i, h in ((0, u - s), (2, e - u), (4, 1.0)):
        assert not abs(found[i, i] / h - 1) > 5 * math.sqrt(2 / count)
        assert not abs(found[i + 1, i + 1] / (h / 12) - 1) > 5 * math.sqrt(2 / count)
        assert not abs(found[i, i + 1]) > 5 * h / math.sqrt(12 * count)
    # disjoint intervals are independent
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    assert not np.max(np.abs(found / scale)[:2, 2:4]) > 5 / math.sqrt(count)
    # overlapping ones share their part
    assert not abs(found[0, 4] - (u - s)) > 5 * math.sqrt((u - s) / count)


def test_levy_areas_add_up():
    """Chen's relation, for ends on and off the leaves' edges; half the determinant for linear paths."""
    W = BrownianMotion((0.0, 1.0), 3, seed=3, dt=0.25)
    for s, u, e in ((0, 0.25, 1), (0, 0.3, 0.9), (0.01, 0.013, 0.02), (0.1, 0.26, 0.2701)):
        parts = W.levy_area(s, u, path=2) + W.levy_area(u, e, path=2)
        x, y = W.increment(s, u, path=2), W.increment(u, e, path=2)
        whole = W.levy_area(s, e, path=2)
        assert not np.max(np.abs(parts + 0.5 * (np.outer(x, y) - np.outer(y, x)) - whole)) > 1e-14
        assert np.array_equal(whole, -whole.T) and np.all(whole[np.triu_indices(3, 1)] != 0)
    # against the definition, with the path in steps of a thousandth of a leaf
    times = np.linspace(0, W.leaf * 4, 4001)
    path = np.array([W.increment(0, t) for t in times[::10]])
    sums = path[:-1].T @ np.diff(path, axis=0)
    spread = W.leaf * np.sqrt(4 / 12)  # of what the leaves leave open
    assert not np.max(np.abs(0.5 * (sums - sums.T) - W.levy_area(0, W.leaf * 4))) > 4 * spread


@pytest.mark.parametrize(("s", "e"), [(0.0, 1.0), (0.0, 0.5), (0.25, 0.25 + 1 / 16)])
def test_levy_areas_have_the_law(s, e):
    """Over cells, part of a cell and a leaf: variance h^2/4, fourth moment 5 h^4/16, the variance given the
    increments, and no correlation with each other.
    """
    W = BrownianMotion((0.0, 1.0), 3, seed=9, dt=0.5 if e == 1 else 1.0)
    count, h = 4000, e - s
    a = np.array([W.levy_area(s, e, k)[[0, 0, 1], [1, 2, 2]] for k in range(count)]) / h
    w = np.array([W.increment(s, e, k) for k in range(count)]) / np.sqrt(h)
    assert not np.max(np.abs(a.mean(0))) > 4 * 0.5 / np.sqrt(count)
    assert not np.max(np.abs((a**2).mean(0) - 1 / 4)) > 4 * np.sqrt((5 / 16 - 1 / 16) / count)
    assert not np.max(np.abs((a**4).mean(0) - 5 / 16)) > 4 * np.sqrt(6.2 / count)
    given = (1 + w[:, 0] ** 2 + w[:, 1] ** 2) / 12
    assert not abs(np.mean(a[:, 0] ** 2 * given) - np.mean(given**2)) > 4 * np.std(
        a[:, 0] ** 2 * given
    ) / np.sqrt(count)
    assert not np.max(np.abs(np.corrcoef(a.T) - np.eye(3))) > 4 / np.sqrt(count)


def test_seeds_paths_and_components_differ_and_repeat():
    def sample(seed, path):
        return BrownianMotion((0, 1), 3, seed).increment(0.2, 0.9, path)

    assert np.array_equal(sample(5, 8), sample(5, 8))
    values = np.concatenate([sample(seed, path) for seed in (5, -5, 2**63 + 5, 6) for path in (0, 1, 2**31)])
    assert len(np.unique(values)) == values.size


def test_given_increments():
    given = np.random.default_rng(0).normal(size=(3, 8, 2))
    W = BrownianMotion((0, 2), 2, increments=given)
    assert W.dt == 0.25
    for path in range(3):
        assert np.allclose(W.increment(0.5, 1.25, path), given[path, 2:5].sum(0), atol=1e-15)
        inside = W.increment(0.5, 0.6, path) + W.increment(0.6, 0.75, path)
        assert np.allclose(inside, given[path, 2], atol=1e-15)
    one = BrownianMotion((0, 2), 2, increments=given[0])
    assert np.array_equal(one.increment(0, 2, path=9), one.increment(0, 2, path=0))


BAD = [
    (lambda: BrownianMotion((1, 1)), "must increase"),
    (lambda: BrownianMotion((0, 1), dt=-0.1), "positive"),
    (lambda: BrownianMotion((0, np.inf)), "finite"),
    (lambda: BrownianMotion((0, 1), -1), "shape = -1"),
    (lambda: BrownianMotion((0, 1), seed=1.5), "seed = 1.5"),
    (lambda: BrownianMotion((0, 1), increments=[0.0, np.nan]), "not finite"),
    (lambda: BrownianMotion((0, 1), 2, increments=np.zeros((5, 3))), "increments has shape"),
    (lambda: BrownianMotion((0, 1), increments=np.zeros(4), dt=0.3), "apart"),
    (lambda: BrownianMotion((0, 1)).increment(0.5, 1.5), "outside of its span"),
    (lambda: BrownianMotion((0, 1)).increment(0, 1, path=-1), "not one of the paths"),
    (lambda: BrownianMotion((0, 1)).increment(-0.1, 0.5), "outside of its span"),
    (lambda: BrownianMotion((0, 1))(np.nan), "outside of its span"),
    (lambda: BrownianMotion((0, 1), 2).levy_area(0, 2), "outside of its span"),
    (lambda: BrownianMotion((0, 1), 2).levy_area(0.5, 0.2), "runs backwards"),
    (lambda: BrownianMotion((0, 1), increments=np.zeros((2, 4))).increment(0, 1, path=2), "not one of"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_wrong_calls(case):
    call, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        call()
