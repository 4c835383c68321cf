"""After `ad.compile` nothing is left to be compiled, in this process or in the next."""

import numpy as np
import pytest

import sciad as ad
from sciad.native import code
from tests.problems.ode_models import MODELS

LV = MODELS["lotka_volterra"]


def lotka_volterra(t, y, p):
    return LV.fun(t, y, p)


@pytest.fixture
def compiled(monkeypatch):
    """Names of what is compiled from now on, whether or not it is on disk."""
    names = []
    for name in ("_compile", "_bind", "_optimise_kernel"):
        old = getattr(code, name)
        where = 1 if name == "_compile" else 0

        def counted(*args, old=old, where=where):
            names.append(args[where])
            return old(*args)

        monkeypatch.setattr(code, name, counted)
    return names


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "KenCarp4", "auto"])
def test_a_solve_finds_everything_compiled(method, compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))
    p, times = np.array(LV.args[0], float), [0.5, 2.0]
    options = {"method": method, "t_eval": times, "rtol": 1e-4}
    ad.compile(ad.solve_ivp, lotka_volterra, (0.0, 3.0), LV.y0, args=(p,), **options)
    assert method == "auto" or compiled
    compiled.clear()

    def loss(p):
        return np.sum(ad.solve_ivp(lotka_volterra, (0.0, 3.0), LV.y0, args=(p,), **options).y ** 2)

    loss(p)
    slope = ad.grad(loss)(p)
    assert compiled == []
    step = 1e-5 * np.eye(p.size)[0]
    assert abs((loss(p + step) - loss(p - step)) / 2e-5 - slope[0]) <= 1e-2 * abs(slope[0])


def test_a_jitted_function_is_compiled_and_not_called(compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))

    @ad.jit
    def endless(x, n):
        while n > 0.0:
            x = np.sin(x)
            n = n + 1.0
        return np.sum(x)

    @ad.jit
    def norm(x, scale=1.0):
        return np.sqrt(np.sum(scale * x * x))

    ad.compile(endless, np.ones(3), 1.0)
    ad.compile(norm, np.ones(4), scale=2.0)
    assert len(compiled) == 4
    compiled.clear()
    assert norm(np.array([3.0, 4.0, 0.0, 0.0]), scale=1.0) == 5.0
    assert np.allclose(ad.grad(norm)(np.array([3.0, 4.0, 0.0, 0.0]), scale=1.0), [0.6, 0.8, 0.0, 0.0])
    assert compiled == []
    ad.compile(norm, np.ones(5), gradient=False)
    assert len(compiled) == 1


def test_other_functions_are_called_alone_and_with_their_derivative():
    calls = []

    def f(x, factor=1.0):
        calls.append(ad.is_traced(x))
        return {"a": factor * x, "b": np.sum(x)}

    ad.compile(f, np.ones(2), factor=3.0)
    ad.compile(f, np.ones(2), gradient=False)
    assert calls == [False, True, False]
