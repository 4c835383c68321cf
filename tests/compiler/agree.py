"""What tests of the compiler's front end share: traces run by the reference interpreter."""

import copy

import numpy as np

from sciad import tree
from sciad.compiler.ir import interpret
from sciad.compiler.ir.verify import verify
from sciad.compiler.tracing.trace import Group, trace

Y = np.random.default_rng(0).uniform(0.1, 1, 12)
LONG = np.random.default_rng(1).uniform(0.1, 1, 100)


def floats(*trees):
    leaves = [x for t in trees for x in tree.flatten(t)[0] if np.asarray(x).dtype.kind == "f"]
    return np.concatenate([np.ravel(np.asarray(x, float)) for x in leaves] or [np.zeros(0)])


def traced(fun, *args):
    """The trace of ``fun(t, y, *args)``, verified."""
    groups = [Group("t", args[0], scalar=True), Group("y", args[1]), Group("p", args[2:], spread=True)]
    found = trace(fun, groups)
    verify(found.program)
    return found


def run(found, fun, *args):
    flat = [float(args[0]), floats(args[1]), floats(args[2:], list(found.gather(fun)))]
    return found.out_tree.unflatten(interpret.run(found.program, *flat))


def agree(got, want, rtol=1e-12):
    a, b = tree.flatten(got), tree.flatten(want)
    assert len(a[0]) == len(b[0]), (got, want)
    for x, y in zip(a[0], b[0], strict=True):
        assert np.shape(x) == np.shape(y), (got, want)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-13)


def copies(args):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def follows_python(fun, *args, rtol=1e-12):
    """Check that the trace of ``fun(*args)`` computes what Python does; the trace."""
    found = trace(fun, [Group("x", copy.deepcopy(args), spread=True)])
    verify(found.program)
    assert found.matches(fun)
    flat = floats(args, list(found.gather(fun)))
    with np.errstate(all="ignore"):
        want = fun(*copy.deepcopy(args))
    agree(found.out_tree.unflatten(interpret.run(found.program, flat)), want, rtol)
    return found
