"""Traced programs run as the Python they came from."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciad.compiler.ir import interpret
from sciad.compiler.ir.verify import verify
from sciad.compiler.tracing.trace import Group, trace
from sciad.errors import UnsupportedSyntax
from tests.compiler.agree import agree, copies, floats, run, traced
from tests.problems.ode_models import MODELS
from tests.problems.random_constructs import ConstructWriter
from tests.problems.random_language import LanguageWriter
from tests.problems.random_programs import random_program
from tests.problems.traced_programs import PROGRAMS


@pytest.mark.parametrize(
    "fun, args", PROGRAMS, ids=[f"{f.__name__}-{k}" for k, (f, _) in enumerate(PROGRAMS)]
)
def test_values(fun, args):
    args = (0.3, *args)
    found = traced(fun, *args)
    assert found.matches(fun)
    agree(run(found, fun, *args), fun(*copies(args)))


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model = MODELS[name]
    args = (model.t_span[0], np.asarray(model.y0, float), *model.args)
    agree(run(traced(model.fun, *args), model.fun, *args), np.asarray(model.fun(*args)))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(0, 10**6))
def test_random_programs(seed):
    check_random(seed)


@pytest.mark.long
def test_many_random_programs():
    for seed in range(1500):
        check_random(seed)


@pytest.mark.parametrize("batch", range(2))
def test_random_language(batch):
    for seed in range(20 * batch, 20 * (batch + 1)):
        check_random(seed, 6, LanguageWriter)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(20))
def test_much_random_language(batch):
    for seed in range(1000 + 100 * batch, 1100 + 100 * batch):
        check_random(seed, 9, LanguageWriter)


@pytest.mark.parametrize("batch", range(2))
def test_random_constructs(batch):
    for seed in range(20 * batch, 20 * (batch + 1)):
        check_random(seed, 3, ConstructWriter)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(20))
def test_many_random_constructs(batch):
    refused = 0
    for seed in range(1000 + 100 * batch, 1100 + 100 * batch):
        try:
            check_random(seed, 5, ConstructWriter)
        except UnsupportedSyntax:
            refused += 1
    assert refused <= 4


def check_random(seed, size=9, writer=None):
    """The value, or the class of the exception, is Python's."""
    source, f, inputs = random_program(seed, size, writer)
    want, raised, got_raised = None, None, None
    with np.errstate(all="ignore"):
        try:
            want = f(*copies(inputs))
        except (NameError, ValueError, LookupError, ArithmeticError) as error:
            raised = type(error).__name__
    found = trace(f, [Group("x", inputs, spread=True)])
    verify(found.program)
    flat = floats(inputs, list(found.gather(f)))
    try:
        got = found.out_tree.unflatten(interpret.run(found.program, flat))
    except interpret.Left as left:
        got_raised = found.program.sites[left.site - 1].exception
    assert got_raised == raised, source
    if raised is None and np.all(np.isfinite(want)) and np.max(np.abs(want)) < 1e6:
        assert np.all(np.abs(got - want) <= 1e-9 * (1 + np.max(np.abs(want)))), source
