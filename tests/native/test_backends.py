"""The two translators of generated Python agree: this package's own and numba."""

import math
import subprocess
import sys

import numpy as np
import pytest

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, trampoline
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.trace import Group, trace
from sciad.native import backend
from sciad.native.kernels import kernel, link
from sciad.native.runtime import combine, row, scatter, stack_f64, unroll, view
from sciad.native.translator.llvm_values import TranslationError
from sciad.native.translator.python_to_llvm import translate
from tests.problems.random_programs import random_program

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, -7.0, 1e-310, 1e300, math.inf, -math.inf, math.nan]
INTEGERS = [0, 1, -1, 2, -2, 3, 7, -7, 62, 63, -64, 2**62, -(2**63), 2**63 - 1, 70000]


def by_both(monkeypatch, make):
    """What `make` makes with each backend."""
    results = []
    for name in backend.BACKENDS:
        monkeypatch.setenv("SCIAD_BACKEND", name)
        before = len(backend.fallbacks)
        results.append(make())
        assert backend.fallbacks[before:] == []
    return results


@kernel
def of_floats(a, b, out):
    for i in range(a.shape[0]):
        x = a[i]
        y = b[i]
        out[0, i] = x + y
        out[1, i] = x - y
        out[2, i] = x * y
        out[3, i] = x / y
        out[4, i] = x // y
        out[5, i] = x % y
        out[6, i] = x**y
        out[7, i] = min(x, y)
        out[8, i] = max(x, y, 0.5)
        out[9, i] = x**3 - (x * x + 0.5) ** -2
        out[10, i] = abs(x) if x < y or x > 2 * y else -y
        out[11, i] = (x < y) + 2 * (x <= y) + 4 * (x == y) + 8 * (x != y) + 16 * (not x) + 32 * (x and y >= x)
        out[12, i] = math.sqrt(abs(x)) + math.exp(-abs(x)) * math.log(abs(y))
        out[13, i] = math.copysign(x, y)
    return 0


@kernel
def of_integers(a, b, out, numbers):
    for i in range(a.shape[0]):
        x = a[i]
        y = b[i]
        out[0, i] = x + y
        out[1, i] = x - y
        out[2, i] = x * y
        out[3, i] = x // y
        out[4, i] = x % y
        out[5, i] = x**3
        out[6, i] = (x | 1) ** -1
        out[7, i] = x ** (y % 5) + (x | 1) ** (0 - y % 3)
        out[8, i] = min(x, y) - max(x, 3)
        out[9, i] = (x & y) ^ (x | 5)
        out[10, i] = (x << (y & 7)) + (x >> (y & 3))
        out[11, i] = -x if x < y else abs(y)
        out[12, i] = a[-1] + a[i - a.shape[0]] + b[i - 1]
        out[13, i] = np.int64(np.uint64(x) >> np.uint64(7)) + np.int64(np.uint64(x) * np.uint64(y))
        numbers[i] = x / y + float(x) ** (y % 7) + math.floor(0.5 + 1e-3 * (x % 1000))
    return 0


@pytest.mark.parametrize("flags", [(), ("contract", "nsz")])
def test_operators(flags, monkeypatch):
    a, b = (np.ravel(x) for x in np.meshgrid(SPECIAL, SPECIAL))
    p, q = (np.ravel(x) for x in np.meshgrid(np.array(INTEGERS), np.array(INTEGERS)))

    def results():
        floats, integers, numbers = np.zeros((14, a.size)), np.zeros((14, p.size), np.int64), np.zeros(p.size)
        link(of_floats, "int64(float64[::1], float64[::1], float64[:,::1])", fastmath=flags)(a, b, floats)
        signature = "int64(int64[::1], int64[::1], int64[:,::1], float64[::1])"
        link(of_integers, signature, fastmath=flags)(p, q, integers, numbers)
        return floats, integers, numbers

    own, numba = by_both(monkeypatch, results)
    for x, y in zip(own, numba, strict=True):
        for k, (one, other) in enumerate(zip(np.atleast_2d(x), np.atleast_2d(y), strict=True)):
            assert np.array_equal(one, other, equal_nan=x.dtype.kind == "f"), k


@kernel
def with_types(x, whole, out):
    n = 0
    total = 0  # an integer that is a float later
    for k in range(x.shape[0]):
        if x[k] < 0.0:
            continue
        if k > 5:
            break
        total += x[k]
        n += 1
    bits = np.float64(x[0]).view(np.int64)
    bits = np.int64(bits).view(np.float64)  # one name, two types
    half = 0
    if whole[0] > 2:
        half = 0.5
    last = -1
    while last < 3 and x[last + 1] > -2.0:
        last += 1
        if n == 77:
            last = 1000
    a, b = b_first(n, total)
    a, b = b, a
    z = stack_f64(2, 3)
    for i in range(2):
        for k in range(3):
            z[i, k] = total * k - i
    scatter((1.0, -2.0), z, 1, total)
    r = row(z, 1)
    tail = view(r, 1, 2)
    out[0] = total + n + bits + half + last
    out[1] = a - 2 * b + combine((0.5, 0.25), z, 2) + tail[1] + z[-1, 0] + len(r)
    for j in unroll(range(3)):
        out[2 + j] = TABLE[j] + TABLE[whole[1]]
    return n


@kernel
def b_first(n, total):
    if n > 100:
        return 1, 2
    return n + 0.5, total


TABLE = (2.0, 3.0, 5.0)


def test_types_of_names(monkeypatch):
    x, whole = np.array([0.5, -1.0, 2.0, 3.0, 0.25, 1.0, 4.0]), np.array([3, 1])

    def results():
        out = np.zeros(5)
        n = link(with_types, "int64(float64[::1], int64[::1], float64[::1])")(x, whole, out)
        return np.append(out, n)

    own, numba = by_both(monkeypatch, results)
    assert np.array_equal(own, numba)


@pytest.mark.parametrize(
    "seed", [2000, 2005, *(pytest.param(k, marks=pytest.mark.long) for k in range(2006, 2030))]
)
def test_random_programs(seed, monkeypatch):
    """Every kind of program; sums may be made in another order, products contracted elsewhere."""
    _, f, inputs = random_program(seed, 4)
    x = np.concatenate([np.ravel(a) for a in inputs])
    with np.errstate(all="ignore"):
        count = np.size(f(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in inputs]))
    primal = optimize(trace(f, [Group("x", inputs, spread=True)]).program)
    reverse = pullback(primal)
    rng = np.random.default_rng(seed)
    dx, g, dg = rng.normal(size=x.size), rng.normal(size=count), rng.normal(size=count)

    def results():
        found = []
        for program, arguments, sizes in (
            (primal, [x], [count]),
            (pushforward(primal), [x, dx], [count, count]),
            (reverse, [x, g], [count, x.size]),
            (pushforward(reverse), [x, g, dx, dg], [count, count, x.size, x.size]),
        ):
            text = emit(finish(program))
            enter, address = trampoline("a" * (len(text.parameters) + 1)), native_address(text)
            outputs = [np.zeros(size) for size in sizes]
            found.append(
                np.array([enter(address, *arguments, *outputs, np.empty(text.layout.work_size + 1))], float)
            )
            found += outputs
        return found

    for own, numba in zip(*by_both(monkeypatch, results), strict=True):
        finite = np.isfinite(numba)
        assert np.array_equal(finite, np.isfinite(own))
        scale = 1.0 + np.max(np.abs(numba[finite]), initial=0.0)
        assert np.all(np.abs(own - numba)[finite] <= 1e-13 * scale)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x = [1, 2]", "List is not translated"),
        ("x = frobnicate(3)", "frobnicate, that is frobnicate of builtins, is not known"),
        ("x = np.linalg.solve(3, 4)", "Call is not translated"),
        ("x = out + 1", r"\+ of"),
        ("x = y", "y has no value"),
        ("del out", "Delete is not translated"),
    ],
)
def test_what_is_not_known_is_said(line, message):
    text = f"""import numpy as np
from numba import cfunc, types
@cfunc(types.int64(types.CPointer(types.float64)))
def program(out):
    {line}
    return 0
"""
    with pytest.raises(TranslationError, match=f"line 5 of the generated module.*{message}"):
        translate(text, "program", "program")


def test_names_of_two_kinds_are_refused():
    text = """from numba import cfunc, types
@cfunc(types.int64(types.CPointer(types.float64)))
def program(out):
    for k in range(3):
        a = out if k > 1 else 2.0
    return 0
"""
    with pytest.raises(TranslationError, match=r"line 5.*one of pf and f"):
        translate(text, "program", "program")


SCRIPT = """
import sys, numpy as np, sciad as ad
from sciad.solvers import solve_ivp
def model(t, y, p):
    return np.array([p[0] * y[0] - y[0] * y[1], y[0] * y[1] - p[1] * y[1]])
def loss(p):
    return np.sum(solve_ivp(model, (0, 3), [1.0, 2.0], t_eval=[1.0, 3.0], args=(p,), method="Tsit5").y ** 2)
g = ad.grad(loss)(np.array([1.5, 1.0]))
assert np.all(np.isfinite(g)) and not np.any(g == 0.0)
print([name for name in ("numba", "scipy", "matplotlib") if name in sys.modules])
"""


def test_neither_numba_nor_scipy_is_needed(tmp_path):
    """With an empty cache, up to a gradient."""
    import os

    environment = os.environ | {"SCIAD_CACHE_DIR": str(tmp_path), "SCIAD_BACKEND": "own"}
    (tmp_path / "script.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
