"""Optimisers in plain NumPy, and nested minimisations, compiled with the gradients they use."""

import numpy as np
import pytest

import sciad as ad
from sciad.tree import flatten
from tests.problems.nested_derivatives import MODES, OPTIMISERS, particle, saddle

NESTINGS = [outer + inner for outer in MODES for inner in MODES]


def close(found, wanted, rtol):
    """Equal structures of equal numbers."""
    for x, y in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(name):
    """The run is that of Python."""
    f, args = OPTIMISERS[name]
    close(ad.jit(f)(*args), f(*args), 1e-9)


@pytest.mark.parametrize("name", ["levenberg_marquardt", "leapfrog"])
def test_derivatives_of_optimisers(name):
    """The derivative of a whole run in where it starts, against that of Python."""
    f, args = OPTIMISERS[name]
    fewer = {"steps": 4}
    total = lambda fun: lambda *a: np.sum(fun(*a, **fewer)[0])  # noqa: E731
    close(ad.grad(total(ad.jit(f)))(*args), ad.grad(total(f))(*args), 1e-8)


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("program", [particle, saddle], ids=lambda f: f.__name__)
def test_nested_minimisation(program, nesting):
    """A few steps as Python takes them; whole runs end where they should."""
    outer, inner = (MODES[m] for m in nesting)
    start = np.array([0.1]) if program is particle else np.array([1.0, 1.0])
    few = program(inner, outer, 6)
    close(ad.jit(few)(start), few(start), 1e-11)
    found = ad.jit(program(inner, outer))(start)
    if program is particle:
        assert abs(found[0] - 0.20719) < 1e-3
    else:
        np.testing.assert_allclose(found, 0.0, atol=1e-4)
