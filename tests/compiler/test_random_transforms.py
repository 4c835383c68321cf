"""Transforms inside of compiled code, of random programs, against derivatives that are made from outside."""

import numpy as np
import pytest

import sciad as ad
from sciad.compiler.derivatives.as_programs import cotangent, tangent
from sciad.compiler.ir import interpret
from sciad.compiler.ir.verify import verify
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.trace import Group, trace
from tests.problems.random_language import LanguageWriter
from tests.problems.random_programs import random_program


def program_of(f, inputs):
    """What the compiler makes of a function."""
    return verify(optimize(trace(f, [Group("x", inputs, spread=True)]).program))


def run(program, *vectors):
    """Its result."""
    return interpret.run(verify(finish(program)), *vectors)


def check(seed, size, writer=None):
    """False where the program is not finite."""
    _, f, inputs = random_program(seed, size, writer)
    numbers = tuple(k for k, x in enumerate(inputs) if isinstance(x, float | np.ndarray))
    if not numbers or any(isinstance(x, int) for x in inputs):
        return False

    def loss(*args):
        return np.sum(np.sin(f(*args)))

    def gradient(*args):
        return ad.grad(loss, numbers)(*args)

    def pulled(*args):
        return ad.vjp(loss, *args)[1](1.0)

    def pushed(*args):
        return ad.jvp(loss, args, args)[1]

    def product(*args):
        return ad.jvp(gradient, args, args)[1]

    def other_product(*args):
        return ad.grad(pushed, numbers)(*args)

    x = np.concatenate([np.ravel(a) for a in inputs])
    try:
        value = loss(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in inputs])
    except NameError:
        return False
    primal = program_of(loss, inputs)
    wanted = run(optimize(cotangent(primal)), x, np.ones(1))
    second = run(optimize(tangent(optimize(cotangent(primal)))), x, np.ones(1), x, np.zeros(1))
    if not np.all(np.isfinite([value, *wanted, *second])):
        return False
    scale = 1.0 + np.max(np.abs(wanted))
    for made in (gradient, pulled):
        np.testing.assert_allclose(run(program_of(made, inputs), x), wanted, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(run(program_of(pushed, inputs), x), wanted @ x, rtol=1e-8, atol=1e-8 * scale)
    scale = 1.0 + np.max(np.abs(second))
    np.testing.assert_allclose(run(program_of(product, inputs), x), second, rtol=1e-7, atol=1e-7 * scale)
    again = run(program_of(other_product, inputs), x)
    np.testing.assert_allclose(again, wanted + second, rtol=1e-7, atol=1e-7 * scale)
    return True


@pytest.mark.parametrize("seed", [3, 6, 9])
def test_random_programs(seed):
    """Loops, branches, writes, views."""
    assert check(seed, 6)


@pytest.mark.long
def test_many_random_programs():
    """The same for more, and for programs with containers, comprehensions and functions."""
    assert sum(check(1000 + k, 6) for k in range(12)) > 5
    assert sum(check(500 + k, 6, LanguageWriter) for k in range(8)) > 2
