"""Our own elementary functions: to two units in the last place of extended precision, special values kept."""

import ctypes

import numpy as np
import pytest
from numba import cfunc, types

from sciad.native import scalar_functions

L = np.longdouble
SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-310,
    -1e-310,
    5e-324,
    1.0,
    -1.0,
    709.78,
    710.0,
    -745.1,
    -708.5,
]
POINTER = types.CPointer(types.float64)


def expit(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


REFERENCE = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "expit": expit,
}


def points(name):
    rng = np.random.default_rng(0)
    n = 40000
    x = [
        rng.normal(size=n) * 10.0 ** rng.uniform(-300, 2.9, n),
        rng.uniform(-750, 715, n),
        rng.uniform(-2, 2, n),
    ]
    if name.startswith("log"):
        x = [10.0 ** rng.uniform(-308, 308, n), 1 + rng.normal(size=n) * 1e-3, 1 + rng.normal(size=n) * 1e-9]
        if name == "log1p":
            x = [x[0], x[1] - 1, x[2] - 1, -1 + 10.0 ** rng.uniform(-15, 0, n), rng.uniform(-1, 2, n)]
    if name in ("sin", "cos"):  # around the zeros, and where the reduction changes
        zeros = rng.integers(-600000, 600000, n) * (np.pi / 2)
        x.append(rng.choice([-1, 1], n) * 2.0 ** rng.uniform(19, 1024, n))
        x.append(
            np.array([6381956970095103.0 * 2.0**797, 1.7976931348623157e308, 2.0**20])
        )  # next to n*pi/2: first
        x += [zeros, zeros * (1 + rng.normal(size=n) * 1e-15), rng.uniform(-4, 4, n) * 2.0**20]
    return np.concatenate([*x, SPECIAL])


def native(name):
    """The compiled loop over one function."""
    names = {name: getattr(scalar_functions, name)}
    exec(
        f"def loop(x, out, n):\n    for i in range(n):\n        out[i] = {name}(x[i])\n    return 0\n", names
    )
    options = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
    compiled = cfunc(types.int64(POINTER, POINTER, types.int64), **options)(names["loop"])
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(compiled.address)

    def call(x):
        out = np.empty_like(x)
        run(x.ctypes.data, out.ctypes.data, x.size)
        return out

    call.keep = compiled
    return call


@pytest.mark.parametrize("name", REFERENCE)
def test_two_units_in_the_last_place(name):
    x = points(name)
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x.astype(L))
        rounded = exact.astype(float)
        found = native(name)(x)
        error = np.abs(found.astype(L) - exact) / np.spacing(np.abs(rounded)).astype(L)
    finite = np.isfinite(rounded)
    assert not np.max(error[finite]) > 2.0
    assert np.array_equal(found[~finite], rounded[~finite], equal_nan=True)
    zero = rounded == 0.0
    assert np.array_equal(np.signbit(found[zero]), np.signbit(rounded[zero]))


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "sign", "isnan", "isfinite", "isinf"])
def test_python_and_compiled_meaning_agree(name):
    function = getattr(scalar_functions, name)
    pairs = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    arity = 2 if name in ("maximum", "minimum", "fmax", "fmin") else 1
    arguments = ", ".join(f"x{k}[i]" for k in range(arity))
    names = {name: function}
    lines = (
        "def loop(x0, x1, out, n):",
        "    for i in range(n):",
        f"        out[i] = {name}({arguments})",
        "    return 0",
    )
    exec("\n".join(lines), names)
    compiled = cfunc(types.int64(POINTER, POINTER, POINTER, types.int64), error_model="numpy")(names["loop"])
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, ctypes.c_int64)(compiled.address)
    out = np.empty(pairs.shape[1])
    a, b = np.ascontiguousarray(pairs[0]), np.ascontiguousarray(pairs[1])
    run(a.ctypes.data, b.ctypes.data, out.ctypes.data, out.size)
    expected = function.python(*(a, b)[:arity]).astype(float)
    assert np.array_equal(out, expected, equal_nan=True)
