"""`compile_function` on the shared models: every kind against plain Python, differences and each other."""

import numpy as np
import pytest

from sciad import tree
from sciad.compiler import KINDS, Group, compile_function
from tests.problems.ode_models import MODELS

NATIVE = {"lotka_volterra", "brusselator", "damped_oscillator"}
MODES = [(m, False) for m in MODELS] + [(m, True) for m in sorted(NATIVE)]


def groups(model):
    return [
        Group("t", 0.0, scalar=True),
        Group("y", np.asarray(model.y0, float)),
        Group("p", model.args, spread=True),
    ]


def flat(args):
    leaves = [np.ravel(np.asarray(x, float)) for x in tree.flatten(args)[0] if not isinstance(x, int)]
    return np.concatenate([*leaves, np.zeros(0)])


def relative(a, b):
    return np.max(np.abs(a - b)) / (1.0 + np.max(np.abs(b)))


@pytest.mark.parametrize(("name", "native"), MODES, ids=[f"{m}{'-native' * n}" for m, n in MODES])
def test_all_kinds_of_a_model(name, native):
    model = MODELS[name]
    f = compile_function(model.fun, groups(model))
    run = f.call if native else (lambda kind, *arrays: f.interpreted(kind)(*arrays))
    rng = np.random.default_rng(0)
    t, y, p = 0.3, np.ravel(model.y0) * 1.0, flat(model.args)
    assert f.n_in == {"t": 1, "y": y.size, "p": p.size}
    n = f.n_out

    def primal(t, y, p):
        out = np.full(n, np.nan)
        assert run("primal", t, y, p, out) == 0
        return out

    def pullback(t, y, p, g):
        out, bars = np.full(n, np.nan), [np.zeros(1), np.zeros(y.size), np.zeros(p.size)]
        assert run("pullback", t, y, p, g, out, *bars) == 0
        assert not relative(out, primal(t, y, p)) > 1e-13
        return np.concatenate(bars)

    expected = np.ravel(model.fun(t, y.reshape(np.shape(model.y0)), *model.args))
    assert not relative(primal(t, y, p), expected) > 1e-13

    dt, dy, dp = rng.normal(), rng.normal(size=y.size) * np.abs(y), rng.normal(size=p.size) * np.abs(p)
    out, out_dot = np.zeros(n), np.zeros(n)
    assert run("pushforward", t, y, p, dt, dy, dp, out, out_dot) == 0
    h = 1e-6
    ends = [primal(t + h * dt, y + h * dy, p + h * dp), primal(t - h * dt, y - h * dy, p - h * dp)]
    if name != "van_der_pol":  # divides by a number of the size of the difference
        assert not relative(out_dot, (ends[0] - ends[1]) / (2 * h)) > 1e-7

    g = rng.normal(size=n)
    gradient, direction = pullback(t, y, p, g), np.concatenate([[dt], dy, dp])
    assert not relative(gradient @ direction, g @ out_dot) > 1e-12

    J = np.full(n * y.size, np.nan)
    assert run("jacobian", t, y, p, J) == 0
    run("pushforward", t, y, p, 0.0, dy, 0 * dp, out, out_dot)
    assert not relative(J.reshape(n, -1) @ dy, out_dot) > 1e-12

    dg = rng.normal(size=n)
    bars, dots = ([np.zeros(1), np.zeros(y.size), np.zeros(p.size)] for _ in range(2))
    assert run("second", t, y, p, g, dt, dy, dp, dg, out, out_dot, *bars, *dots) == 0
    assert not relative(np.concatenate(bars), gradient) > 1e-12
    ends = [pullback(t + s * dt, y + s * dy, p + s * dp, g + s * dg) for s in (h, -h)]
    if name != "van_der_pol":
        assert not relative(np.concatenate(dots), (ends[0] - ends[1]) / (2 * h)) > 1e-7


def test_tangents_of_constants_are_written():
    """An output that depends on nothing has the tangent zero, whatever the memory held before."""
    f = compile_function(
        lambda t, y: np.array([3.0, y[0]]), [Group("t", 0.0, scalar=True), Group("y", np.ones(2))]
    )
    out, out_dot = np.full(2, np.nan), np.full(2, np.nan)
    f.interpreted("pushforward")(0.0, np.ones(2), 1.0, np.array([5.0, 6.0]), out, out_dot)
    assert out_dot.tolist() == [0.0, 5.0]


def test_a_function_made_anew_is_not_compiled_again():
    def make(a, k):
        return lambda t, y: np.array([a * y[0] ** k])

    group = [Group("t", 0.0, scalar=True), Group("y", np.ones(1))]
    first, second, third = (compile_function(make(a, k), group) for a, k in [(2.0, 3), (5.0, 3), (2.0, 2)])
    assert first.shares_code_with(second) and not first.shares_code_with(third)
    assert first.gather() == (2.0,) and second.gather() == (5.0,) and second.captures[0].get() == 5.0
    out = np.zeros(1)
    for f, expected in ((first, 54.0), (second, 135.0), (third, 18.0)):
        assert f.interpreted("primal")(0.0, np.array([3.0, f.gather()[0]]), out) == 0 and out == expected


def test_sources_are_python_and_name_the_users_values():
    f = compile_function(MODELS["lotka_volterra"].fun, groups(MODELS["lotka_volterra"]))
    for kind in KINDS:
        compile(f.source(kind), kind, "exec")
    assert "lynx_bar" in f.source("pullback") and "models.py:" in f.source("pullback")
    with pytest.raises(ValueError, match="primal, pushforward"):
        f.address("gradient")


def test_tangents_of_constants_are_written_by_machine_code():
    """What does not depend on the inputs has a tangent of zero, not whatever the caller's memory held."""

    def constant(t, y):
        return np.array([2.0, y[0]])

    f = compile_function(constant, [Group("t", 0.0, scalar=True), Group("y", np.ones(1))])
    t, y, s, u = 0.3, np.array([1.5]), 0.0, np.array([2.0])
    out, dot = np.full(2, np.nan), np.full(2, np.nan)
    assert f.call("pushforward", t, y, s, u, out, dot) == 0
    assert np.array_equal(out, [2.0, 1.5]) and np.array_equal(dot, [0.0, 2.0])
    out, dot = np.full(2, np.nan), np.full(2, np.nan)
    assert f.call("pushforward_along", t, y, s, u, 1.0, y, out, dot) == 0
    assert np.array_equal(out, [0.0, 2.0]) and np.array_equal(dot, [0.0, 0.0])
