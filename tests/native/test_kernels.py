"""Kernels written once: linked and interpreted alike, cached on disk, rebuilt when the cache is damaged."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import carray, cfunc

from sciad.native import cache, code, kernels
from sciad.native.cache_folders import cache_folder
from sciad.native.code import compiled
from sciad.native.runtime import call, combine, combine_from, row, scatter, stack_f64, unroll, view

WEIGHT = 2.0


@kernels.kernel
def weighted(x):
    if SQUARED:  # noqa: F821 (a constant of the linker)
        return WEIGHT * x * x
    return WEIGHT * x


@kernels.kernel
def stage_sum(f, x, work):
    z = stack_f64(3, 2)
    for i in unroll(range(3)):
        for k in range(2):
            z[i, k] = 0.0
            for j in unroll(range(i + 1)):
                if A[i][j] != 0.0:  # noqa: F821
                    z[i, k] += A[i][j] * weighted(x[k])  # noqa: F821
    status = call(f, (0.5, row(z, 2), view(work, 1, 2)))
    return work[1] + work[2] + status


CONSTANTS = {"A": ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (3.0, 0.0, 4.0)), "SQUARED": True}
SIGNATURE = "float64(int64, float64[::1], float64[::1])"


@cfunc("int64(float64, CPointer(float64), CPointer(float64))")
def native_model(t, y, out):
    a = carray(y, 2)
    out[0] = t * a[0]
    out[1] = a[1]
    return 10


def python_model(t, y, out):
    out[0] = t * y[0]
    out[1] = y[1]
    return 10


def expected(x):
    z = 7.0 * WEIGHT * x**2
    return 0.5 * z[0] + z[1] + 10


@kernels.kernel
def calls_table(model, x):
    return call(model[0], (x, view(x, 1, 1)))


MODEL_TEXT = """from numba import cfunc, types
pointer = types.CPointer(types.float64)
@cfunc(types.int64(pointer, pointer))
def model(x, out):
    out[0] = {factor} * x[0]
    return 7
"""


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_modules", {})
    for name in ("_codes", "_makers"):
        monkeypatch.setattr(code, name, {})
    return tmp_path


def forget(ending=""):
    """What a new process does not know; and files with that ending are deleted."""
    for remembered in (cache._modules, code._codes, code._makers):
        remembered.clear()
    for path in cache_folder().glob(f"*{ending}") if ending else ():
        path.unlink()


def test_linked_and_interpreted_kernels_agree(fresh_cache):
    x = np.array([1.5, -2.0])
    linked = kernels.link(stage_sum, SIGNATURE, CONSTANTS)
    interpreted = kernels.interpret(stage_sum, CONSTANTS)
    for value in (
        linked(native_model.address, x, np.zeros(4)),
        interpreted(python_model, x, np.zeros(4)),
    ):
        assert abs(value - expected(x)) <= 1e-13


@kernels.kernel
def sums(z, flat):
    scatter(W, z, 1, 10.0)  # noqa: F821
    return combine(W, z, 0) + 100.0 * combine_from(W, flat, 1, 2) + 1000.0 * combine((), z, 0)  # noqa: F821


def test_sums_with_constant_weights():
    weights = (0.5, 0.0, -2.0, 1.0 / 3.0)
    z, flat = np.arange(8.0).reshape(4, 2), np.arange(9.0)
    value = np.dot(weights, z[:, 0]) + 100.0 * np.dot(weights, flat[1:9:2])
    changed = z + np.outer(np.multiply(weights, 10.0), [0.0, 1.0])
    for run in (
        kernels.link(sums, "float64(float64[:,::1], float64[::1])", {"W": weights}),
        kernels.interpret(sums, {"W": weights}),
    ):
        mine = z.copy()
        assert abs(run(mine, flat) - value) <= 1e-12
        assert np.abs(mine - changed).max() <= 1e-13


def test_constants_are_written_out_and_loops_unrolled():
    text = kernels.linked_source(stage_sum, CONSTANTS)
    assert "unroll" not in text and "A[" not in text and "if" not in text
    assert "3.0 * weighted(x[k])" in text and "0.0 * weighted" not in text


def test_other_constants_are_another_module(fresh_cache):
    x = np.array([1.5, -2.0])
    values = [
        kernels.link(stage_sum, SIGNATURE, {**CONSTANTS, "SQUARED": flag})(
            native_model.address, x, np.zeros(4)
        )
        for flag in (True, False)
    ]
    assert values[0] != values[1]


def test_an_unmarked_function_and_a_missing_constant_are_named():
    with pytest.raises(NameError, match="SQUARED"):
        kernels.linked_source(weighted)

    @kernels.kernel
    def calls_unmarked(x):
        return plain(x)  # noqa: F821

    with pytest.raises(TypeError, match=r"plain.*@kernel"):
        kernels.linked_source(calls_unmarked, {"plain": expected})


def test_damaged_entries_are_rebuilt(fresh_cache):
    x = np.array([1.5, -2.0])
    flags = ("contract",)  # a kernel of this test alone: code that is loaded is not made again
    kernels.link(stage_sum, SIGNATURE, CONSTANTS, flags)(native_model.address, x, np.zeros(4))
    folder = cache_folder()
    patterns = ("stage_sum_*.o", "stage_sum_*.bc", "stage_sum_*.py", "known_*.txt")
    files = [next(folder.glob(pattern)) for pattern in patterns]
    for path in files:
        whole = path.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], bytes(len(whole))):
            path.write_bytes(damaged)
            forget()
            linked = kernels.link(stage_sum, SIGNATURE, CONSTANTS, flags)
            assert abs(linked(native_model.address, x, np.zeros(4)) - expected(x)) <= 1e-13


def test_a_kernel_serves_a_model_linked_into_it(fresh_cache):
    kernel = kernels.link(calls_table, "int64(int64[::1], float64[::1])")
    text = MODEL_TEXT.format(factor=3.0)
    model = compiled(text, "triple", "model")
    table, x = np.array([model.address]), np.array([2.0, 0.0])
    assert kernel(table, x) == 7 and x[1] == 6.0
    nothing = np.zeros(1, dtype=np.int64)  # where the kernel would jump, were the model not in it
    for _ in range(2):
        x[1] = 0.0
        assert kernel.serving([model])(nothing, x) == 7 and x[1] == 6.0
        for path in cache_folder().glob("calls_table_*.bc"):  # linked again from damaged bitcode
            path.write_bytes(b"no bitcode")
        forget(".o")
        kernel = kernels.link(calls_table, "int64(int64[::1], float64[::1])")
        model = compiled(text, "triple", "model")


@pytest.mark.parametrize(
    "wrong",
    [
        [1.0, 2.0],
        np.zeros(4, dtype=np.float32),
        np.zeros(4, dtype=">f8"),
        np.zeros(8)[::2],
        np.zeros((2, 2)),
        np.matrix([1.0]),
        np.broadcast_to(1.0, (4,)),
        None,
    ],
    ids=repr,
)
def test_only_the_right_kind_of_array_is_taken(wrong):
    linked = kernels.link(stage_sum, SIGNATURE, CONSTANTS)
    with pytest.raises(TypeError, match=r"argument 2 .*1 dimensions, float64"):
        linked(native_model.address, wrong, np.zeros(4))
    with pytest.raises(TypeError):
        linked("address", np.zeros(2), np.zeros(4))
    with pytest.raises(TypeError, match="takes 3 arguments"):
        linked(native_model.address, np.zeros(2))


def test_two_processes_share_one_cold_cache(tmp_path):
    link = "t.kernels.link(t.stage_sum, t.SIGNATURE, t.CONSTANTS).enter"
    script = f"import tests.native.test_kernels as t; {link}; print('ok')"
    environment = {**os.environ, "SCIAD_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [run.communicate()[0].strip() for run in runs] == [b"ok", b"ok"]
    assert len(list(tmp_path.rglob("stage_sum_*.o"))) == 1
    assert not list(tmp_path.rglob("*.tmp"))


@kernels.kernel
def sum_of_many(a, b, c, d, e, f, g, x):
    return a[0] + b[0] + c[0] + d[0] + e[0] + f[0] + g[0] + x


def test_entries_of_many_arrays_take_the_right_kind_only():
    """They check their arrays in one function."""
    linked = kernels.link(sum_of_many, f"float64({'float64[::1], ' * 7}float64)")
    arrays = [np.array([float(k)]) for k in range(7)]
    assert linked(*arrays, 0.5) == 21.5
    readonly = np.zeros(1)
    readonly.flags.writeable = False
    for k in range(7):
        for wrong in (None, [1.0], np.zeros((1, 1)), np.zeros(1, dtype=np.int64), np.zeros(4)[::2], readonly):
            given = [*arrays[:k], wrong, *arrays[k + 1 :]]
            with pytest.raises(TypeError, match=rf"argument {k + 1} .*1 dimensions, float64"):
                linked(*given, 0.5)
    with pytest.raises(TypeError, match="takes 8 arguments"):
        linked(*arrays)
