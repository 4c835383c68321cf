"""Derivatives of random programs: emitted text of every kind against plain Python, differences and each
other."""

import numpy as np
import pytest

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, python_function, trampoline
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.ir.verify import verify
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.trace import Group, trace
from tests.problems.random_constructs import ConstructWriter
from tests.problems.random_language import LanguageWriter
from tests.problems.random_programs import random_program

BATCH = 20


def python(program):
    return python_function(emit(verify(finish(program))))


def native(program):
    text = emit(verify(finish(program)))
    enter, address = trampoline("a" * (len(text.parameters) + 1)), native_address(text)
    return lambda *arrays: enter(address, *arrays, np.empty(text.layout.work_size + 1))


def close(a, b, tol, scale=0.0):
    return bool(np.all(np.abs(a - b) <= tol * (1.0 + scale + np.max(np.abs(b), initial=0.0))))


def check(seed, size, compiled, writer=None):
    """True if everything agrees; None where the program itself is not finite or differences cannot judge."""
    _, f, inputs = random_program(seed, size, writer)
    try:
        expected = np.ravel(f(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in inputs]))
    except (NameError, ValueError, LookupError, ArithmeticError):
        return None
    if not np.all(np.isfinite(expected)):
        return None
    found = trace(f, [Group("x", inputs, spread=True)])
    x = np.concatenate([np.ravel(a) for a in (*inputs, *found.gather(f))])
    primal = verify(optimize(found.program))
    reverse = verify(pullback(primal))
    programs = (primal, verify(pushforward(primal)), reverse, verify(pushforward(reverse)))
    value, push, pull, second = (compiled(p) for p in programs)
    rng = np.random.default_rng(seed)
    dx, g, dg = rng.normal(size=x.size), rng.normal(size=expected.size), rng.normal(size=expected.size)

    def zeros(like):
        return np.zeros(like.size)

    def evaluate(x):
        out = zeros(g)
        assert value(x, out) == 0
        return out

    def gradient(x, g):
        out, bar = zeros(g), zeros(x)
        assert pull(x, g, out, bar) == 0
        return out, bar

    assert close(evaluate(x), expected, 1e-10), "value"
    out, out_dot = zeros(g), zeros(g)
    assert push(x, dx, out, out_dot) == 0
    assert close(out, expected, 1e-10), "value of the pushforward"
    if not np.all(np.isfinite(out_dot)):
        return None
    out, bar = gradient(x, g)
    assert close(out, expected, 1e-10), "value of the pullback"
    scale = np.abs(g) @ np.abs(out_dot) + np.abs(bar) @ np.abs(dx)
    assert close(bar @ dx, g @ out_dot, 1e-10, scale), "forward against reverse"
    again, again_dot, bars, dots = zeros(g), zeros(g), zeros(x), zeros(x)
    assert second(x, g, dx, dg, again, again_dot, bars, dots) == 0
    assert close(bars, bar, 1e-9) and close(again_dot, out_dot, 1e-9), "first order in the second"
    judged = False
    for h in (1e-6, 1e-7, 1e-5):  # a threshold between the points spoils differences: then others are tried
        first = (evaluate(x + h * dx) - evaluate(x - h * dx)) / (2 * h)
        ends = [gradient(x + s * dx, g + s * dg)[1] for s in (h, -h)]
        judged = close(first, out_dot, 1e-4) and close((ends[0] - ends[1]) / (2 * h), dots, 1e-3)
        if judged:
            break
    return judged or None


@pytest.mark.parametrize("batch", range(10))
def test_random_programs(batch):
    results = [check(seed, 2 + seed % 4, python) for seed in range(BATCH * batch, BATCH * (batch + 1))]
    assert results.count(True) >= 0.9 * BATCH


def test_random_language():
    results = [check(seed, 2 + seed % 3, python, LanguageWriter) for seed in range(12)]
    assert results.count(True) >= 9


def test_random_constructs():
    results = [check(seed, 2 + seed % 2, python, ConstructWriter) for seed in range(16)]
    assert results.count(True) >= 11


def test_random_programs_native():
    results = [check(seed, 4, native) for seed in range(1000, 1003)]
    assert results.count(True) >= 2


@pytest.mark.long
@pytest.mark.parametrize("batch", range(100))
def test_many_random_programs(batch):
    results = [check(seed, 9, python) for seed in range(5000 + BATCH * batch, 5000 + BATCH * (batch + 1))]
    assert results.count(True) >= 0.85 * BATCH
