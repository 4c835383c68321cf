"""Times that steps must hit: the model may jump there, and each step knows its own side only."""

from __future__ import annotations

import itertools
import linecache

import numpy as np
import pytest
import scipy.integrate

import sciad as ad
from sciad.adjoints import DiscreteAdjoint
from sciad.solvers import solve_ivp

X = np.array([0.8, 3.0, -1.0, 1.2, 0.4])  # rate, feed late and early; the start
WEIGHTS = np.array([1.0, 0.7])
METHODS = ["Tsit5", "DOP853", "Rodas5P", "KenCarp4", "auto"]


def written(comparison: str, at: float, interpreted: bool = False):
    """A model that jumps at a time, compared as given."""
    text = (
        "def model(t, y, p):\n"
        f"    feed = p[1] if t {comparison} {at!r} else p[2]\n"
        "    return np.array([feed - p[0] * y[0], y[0] - 0.5 * y[1] * y[0]])\n"
    )
    name = f"<jump {comparison} {at!r} {interpreted}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace = {"np": np}
    exec(compile(text, name, "exec"), namespace)
    model = namespace["model"]
    if interpreted:
        model.interpreted = True
    return model


def exact(x, edges, comparison):
    y = x[3:]
    for a, b in itertools.pairwise(edges):
        late = (max(a, b) > edges[1]) == (comparison in (">", ">="))
        feed = x[1] if late else x[2]

        def smooth(t, y, feed=feed):
            return [feed - x[0] * y[0], y[0] - 0.5 * y[1] * y[0]]

        y = scipy.integrate.solve_ivp(smooth, (a, b), y, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return y @ WEIGHTS


def loss_of(model, edges, method, adjoint="auto", rtol=1e-8):
    def loss(x):
        sol = solve_ivp(
            *(model, (edges[0], edges[2]), x[3:], method, edges[2:]),
            **{"args": (x[:3],), "rtol": rtol, "atol": rtol, "tstops": edges[1:2], "adjoint": adjoint},
        )
        return sol.y[:, -1] @ WEIGHTS

    return loss


@pytest.mark.parametrize("edges", [(0.0, 1.0, 2.0), (2.0, 1.0, 0.0), (-1.0, 0.0, 1.0)])
@pytest.mark.parametrize("comparison", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("interpreted", [False, True])
def test_both_sides_of_a_jump_in_every_family(edges, comparison, interpreted):
    model = written(comparison, edges[1], interpreted)
    value, moves = exact(X, edges, comparison), np.eye(5) * 1e-4
    wanted = (
        np.array([exact(X + d, edges, comparison) - exact(X - d, edges, comparison) for d in moves]) / 2e-4
    )
    for method in METHODS[::3] if interpreted else METHODS:
        loss = loss_of(model, edges, method)
        assert loss(X) == pytest.approx(value, rel=3e-6), method
        found = ad.grad(loss)(X)
        assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max(), method
        assert ad.jvp(loss, (X,), (np.ones(5),))[1] == pytest.approx(found.sum(), rel=1e-9), method


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "KenCarp4"])
def test_records_in_parts_and_second_derivatives_across_stops(method):
    model, edges = written(">=", 1.0), (0.0, 1.0, 2.0)
    whole, parts = (
        ad.grad(loss_of(model, edges, method, DiscreteAdjoint(memory), 1e-9))(X) for memory in (None, 6000.0)
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    if method == "KenCarp4":
        return
    loss, v = loss_of(model, edges, method, rtol=1e-10), np.linspace(1.0, 2.0, 5)
    wanted = (ad.grad(loss)(X + 1e-4 * v) - ad.grad(loss)(X - 1e-4 * v)) / 2e-4
    np.testing.assert_allclose(ad.hvp(loss, (X,), (v,)), wanted, rtol=1e-4)


def test_stops_at_both_ends_of_the_span_are_on_the_side_of_the_solve():
    def pulse(t, y, k):
        return k * (1.0 if 1.0 < t < 2.0 else 100.0) + 0.0 * y

    sol = solve_ivp(pulse, (1.0, 2.0), np.zeros(1), "Tsit5", args=(3.0,), rtol=1e-8, tstops=[1.0, 2.0])
    assert sol.y[0, -1] == pytest.approx(3.0, rel=1e-12)


def test_a_jump_at_a_stop_costs_no_small_steps():
    """The error estimate sees no jump, and the times of the steps are those that were asked for."""
    model = written("<", 1.0)
    options = {"args": (X[:3],), "rtol": 1e-6, "atol": 1e-8}
    stopped = solve_ivp(model, (0.0, 2.0), X[3:], "Tsit5", tstops=[1.0], **options)
    assert 1.0 in stopped.t and stopped.rejected <= 1
    assert stopped.nfev < 0.7 * solve_ivp(model, (0.0, 2.0), X[3:], "Tsit5", **options).nfev
    dense = solve_ivp(model, (0.0, 2.0), X[3:], "Tsit5", tstops=[1.0], dense_output=True, **options)
    np.testing.assert_allclose(dense.sol(1.0), stopped.y[:, list(stopped.t).index(1.0)], rtol=1e-12)


def test_stops_that_are_neighbours():
    def jump(t, y):
        return np.array([2.0 if t > 1.0 else 1.0])

    stops = [np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0), 1.0 + 1e-14]
    for span in ((0.0, 2.0), (2.0, 0.0)):
        sol = solve_ivp(jump, span, np.zeros(1), "Tsit5", tstops=stops, rtol=1e-8)
        assert abs(sol.y[0, -1]) == pytest.approx(3.0, rel=1e-9)
