"""Several threads that compile at once, with sciad and with numba itself."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import cfunc

from sciad.native import cache, code
from sciad.native import kernels as native
from sciad.native.numba_frontend import translating


@native.kernel
def scaled(x, factor):
    return SCALE * factor * x[0]  # noqa: F821 (a constant of the linker)


def test_functions_that_others_compile_meanwhile_have_an_address():
    made = []

    def compile_one():
        made.append(cfunc("float64(float64)")(lambda x: 3.0 * x))

    with translating():
        thread = threading.Thread(target=compile_one)
        thread.start()
        thread.join(2.0)  # waits for the compiler's lock
    thread.join()
    (function,) = made
    assert function.address != 0 and function.ctypes(2.0) == 6.0


def test_numba_is_as_before_afterwards():
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    before = codegen._library_class, codegen.set_env
    with translating(), translating():
        assert codegen._library_class is not before[0]
    assert (codegen._library_class, codegen.set_env) == before


def test_many_threads_compile_each_kernel_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))
    for name in ("_codes", "_makers"):
        monkeypatch.setattr(code, name, {})
    monkeypatch.setattr(cache, "_modules", {})
    compiled, compile_one = [], code._compile

    def counted(text, stem, *rest):
        compiled.append(stem)
        return compile_one(text, stem, *rest)

    monkeypatch.setattr(code, "_compile", counted)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    start = threading.Barrier(4)

    def work(number):
        start.wait()
        values = []
        for k in range(6):
            kernel = native.link(scaled, "float64(float64[::1], float64)", {"SCALE": float(k + 2)})
            values.append(kernel(np.array([10.0]), float(number)))
        return values

    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(work, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert found == [[(k + 2.0) * number * 10.0 for k in range(6)] for number in range(4)]
    assert len(compiled) == len(set(compiled)) == 6


def test_object_code_is_loaded_once_however_many_threads_want_it(tmp_path):
    script = """
import sys, threading
import numpy as np
from sciad.native import kernels as native, llvm
from tests.native.test_threads import scaled
loads, load = [], llvm.load
def counted(content):
    loads.append(len(content))
    load(content)
llvm.load = counted
sys.setswitchinterval(1e-6)
start, found = threading.Barrier(8), []
def work():
    start.wait()
    kernel = native.link(scaled, "float64(float64[::1], float64)", {"SCALE": 2.0})
    found.append(kernel(np.array([10.0]), 3.0))
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(len(loads), *found)
"""
    import os

    environment = {
        **os.environ,
        "SCIAD_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(["", *sys.path]),
    }
    for _ in range(2):  # with a cold cache and a warm one
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout.split() == ["1", *["60.0"] * 8], done.stderr
