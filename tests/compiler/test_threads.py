"""Compiling, and calling what was compiled, in several threads at once."""

import linecache
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import sciad as ad
from sciad.compiler import Group, compile_function


def family(k: int, copy: str):
    """A small function; no two have the same text."""
    a, b = 1.0 + 0.1 * k, k % 4
    text = f"""
def {copy}_{k}(x):
    u = np.zeros(3)
    for i in range(3):
        u[i] = np.sin({a} * x[i]) if x[i] > 0.5 else {a} * x[i] ** {b + 2}
    v = np.array([np.exp(-u[0]) * u[1], np.tanh(u[2] + {k}.0), {a} / (1.0 + u[0] ** 2)])
    return np.sum(v * v) + scale * np.sqrt(1.0 + x @ x)
"""
    name = f"<{copy} {k}>"
    linecache.cache[name] = len(text), None, text.splitlines(True), name
    space = {"np": np, "scale": 0.5 + k}
    exec(compile(text, name, "exec"), space)
    return space[f"{copy}_{k}"]


X = np.array([0.3, 0.9, 0.45])


def texts(f) -> str:
    """All that is compiled of a function."""
    compiled = compile_function(f, [Group("x", (X,), spread=True)])
    return "".join(compiled.source(kind) for kind in ("primal", "pullback", "second", "jacobian"))


def together(work, wanted) -> list:
    """Results of four threads that begin at once and are interrupted as often as can be."""
    begun = threading.Barrier(4)

    def run(item):
        begun.wait()
        return work(item)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(run, wanted))
    finally:
        sys.setswitchinterval(interval)


def test_programs_made_by_several_threads_at_once_are_those_made_alone():
    """Tracing and differentiating have no state that threads share."""
    functions = [family(k, "together") for k in range(40)]
    alone = [texts(family(k, "alone")).replace("alone", "together") for k in range(40)]

    def work(first):  # two of the threads want the same at the same time
        return {k % 40: texts(functions[k % 40]) for k in range(first, first + 40)}

    for found in together(work, (0, 10, 20, 20)):
        assert [found[k] for k in range(40)] == alone


def test_functions_jitted_by_several_threads_at_once_are_right():
    """Values and gradients of native code that all of four threads want at once."""
    functions = [family(k, "jitted") for k in range(100, 104)]
    expected = [(f(X), ad.grad(f)(X)) for f in functions]

    def work(first):
        found = {}
        for k in range(first, first + 4):
            jitted = ad.jit(functions[k % 4])
            found[k % 4] = jitted(X), ad.grad(jitted)(X)
        return found

    for found in together(work, (0, 0, 1, 2)):
        for k, (value, gradient) in found.items():
            assert np.isclose(value, expected[k][0], rtol=1e-13), k
            assert np.allclose(gradient, expected[k][1], rtol=1e-12, atol=1e-14), k


def test_one_compiled_function_is_called_by_several_threads():
    """Each call has a workspace of its own."""

    def f(x):
        u = np.zeros(400)
        for i in range(400):
            u[i] = np.sin(x[i % 4] + i)
        for _ in range(50):
            u = np.cumsum(u) / (1.0 + np.abs(u))
        return u

    function = compile_function(f, [Group("x", np.zeros(4))])
    points = [np.linspace(0.0, k, 4) for k in range(8)]

    def value(x):
        out = np.empty(400)
        assert function.call("primal", x, out) == 0
        return out

    alone = [value(x) for x in points]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(value, points * 50))
    assert all(np.array_equal(y, alone[k % 8]) for k, y in enumerate(at_once))
