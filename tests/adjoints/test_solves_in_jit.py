"""Solves inside of jitted functions: outputs and gradients are those outside."""

from __future__ import annotations

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints.reports import gradient_error
from sciad.errors import LossNotFinite
from sciad.solvers import solve_ivp
from sciad.solvers.ode.tolerance import tighter

TS = np.linspace(0.0, 3.0, 7)
P = np.array([1.5, 1.0, 0.8, 3.0])
SCALE = 1.25  # a captured number


def predator(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], SCALE * p[2] * y[0] * y[1] - p[3] * y[1]])


def outputs(p, y0, method, options):
    return solve_ivp(predator, (0.0, 3.0), y0, method, TS, args=(p,), rtol=1e-6, atol=1e-7, **options).y


METHODS = ["Tsit5", "DOP853", "RK23", "Vern7", "Rodas5P", "Rosenbrock23", "KenCarp4"]


@pytest.mark.parametrize("method", METHODS)
def test_outputs_and_gradients_are_those_outside(method):
    def end(p, y0):
        return outputs(p, y0, method, {})

    def loss(p, y0):
        return np.sum(outputs(p, y0, method, {}) ** 2)

    y0 = np.array([1.0, 1.1])
    assert np.array_equal(ad.jit(end)(P, y0), end(P, y0))
    value, grads = ad.value_and_grad(ad.jit(loss), (0, 1))(P, y0)
    wanted, those = ad.value_and_grad(loss, (0, 1))(P, y0)
    assert abs(value - wanted) <= 1e-14 * abs(wanted)
    for a, b in zip(grads, those, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    v = np.array([0.3, -0.2, 0.5, 0.1])
    np.testing.assert_allclose(ad.jvp(ad.jit(loss), (P, y0), (v, 0 * y0))[1], grads[0] @ v, rtol=1e-11)


# ------------------------------------------------------------ programs around solves

Y0 = np.array([1.0, 1.2])
OPTIONS = {"method": "Tsit5", "rtol": 1e-6, "atol": 1e-7}  # captured numbers, too
STOPS = np.array([2.0, 1.0])
STARTS = np.array([[1.0, 1.1], [1.3, 0.8], [0.7, 0.9]])


def solved(p, y0=Y0, span=(0.0, 3.0), t_eval=TS, **more):
    return solve_ivp(predator, span, y0, t_eval=t_eval, args=(p,), **OPTIONS, **more)


def closures(p):
    a, b = p[0] * 2, p[1:]

    def scaled(x, by=p[3]):
        return x * a / by

    def model(t, y):
        return np.array([scaled(y[0]) - b[0] * y[0] * y[1], b[1] * y[0] * y[1] - b[2] * y[1]])

    return np.sum(solve_ivp(model, (0.0, 3.0), Y0, t_eval=TS, **OPTIONS).y ** 2)


def lambdas(p):
    model = lambda t, y: -p[0] * y * np.array([1.0, p[1]])  # noqa: E731
    return np.sum(solve_ivp(model, (0.0, 3.0), Y0, t_eval=TS, **OPTIONS).y ** 2)


def computed_times(p):
    sol = solved(
        p, span=(0.1 * p[1], p[3]), t_eval=0.1 * p[1] + (p[3] - 0.1 * p[1]) * np.linspace(0.0, 1.0, 5)
    )
    return np.sum(sol.y[0] ** 2) + np.sum(sol.t * sol.y[1])


def the_end(p):
    sol = solved(p, span=(0.0, p[3]), t_eval=None)
    return sol.y[0, -1] * sol.y[:, -1][1] + sol.t[-1]


def matrix_state(p):
    def model(t, y):
        return -p[0] * y * np.array([[1.0, 2.0], [3.0, 4.0]]) + p[1] * y.T

    start = np.array([[1.0, 2.0], [3.0, p[2]]])
    sol = solve_ivp(model, (0.0, 1.0), start, t_eval=[0.3, 1.0], **OPTIONS)
    return np.sum(sol.y[0, 1] * sol.y[1, 0]) + sol.y.shape[2]


def subjects(p):
    total = 0.0
    for i in range(3):
        sol = solved(p, STARTS[i] * p[0], (0.0, 2.0), TS[:4])
        total = total + np.sum(sol.y**2) * (i + 1)
    return total


def windows(p):
    y, total = Y0, 0.0
    for _ in range(20):
        y = solved(p, y, (0.0, 0.25), [0.25]).y[:, -1]
        total = total + y[0] ** 2
    return total


def branches(p):
    if p[0] > 1.0:
        return np.sum(solved(p).y ** 2)
    return np.sum(p)


def as_long_as(p):
    y, n = Y0, 0
    while y[0] > 0.5 and n < 30:
        y = solved(p, y, (0.0, 0.25), [0.25]).y[:, -1]
        n += 1
    return np.sum(y**2)


def backwards(p):
    return np.sum(solved(p, span=(1.0, 0.0), t_eval=[0.9, 0.5, 0.0]).y ** 2)


def no_time_at_all(p):
    return np.sum(solved(p, p[:2], (1.0, 1.0), [1.0, 1.0]).y ** 2)


def hit_times(p):
    def switched(t, y):
        return -p[0] * y * (1.0 if t < 1.0 else p[1]) + (p[2] if t >= 2.0 else 0.0)

    sol = solve_ivp(switched, (0.0, 3.0), Y0, t_eval=TS, tstops=STOPS, kinks=False, **OPTIONS)
    return np.sum(sol.y**2)


def structures(p):
    def model(t, y, constants, n):
        return -constants["k"][0] * y / n + constants["b"] * constants["k"][1]

    args = {"k": [p[0], 3], "b": p[1]}, 2
    return np.sum(solve_ivp(model, (0.0, 3.0), Y0, t_eval=TS, args=args, **OPTIONS).y ** 2)


class Decay:
    def __init__(self, rate):
        self.rate = rate

    def slope(self, t, y, p):
        return -self.rate * p[0] * y


DECAY = Decay(0.5)


def methods_of_objects(p):
    return np.sum(solve_ivp(DECAY.slope, (0.0, 3.0), Y0, t_eval=TS, args=(p,), **OPTIONS).y ** 2)


def two_methods(p):
    sol = solve_ivp(predator, (0.0, 3.0), Y0, t_eval=TS, args=(p,), rtol=1e-6, atol=1e-7)  # auto
    stiff = solve_ivp(predator, (0.0, 1.0), sol.y[:, -1], "Rodas5P", [1.0], args=(p,), rtol=1e-6)
    return np.sum(sol.y**2) + stiff.y[0, 0]


PROGRAMS = [closures, lambdas, computed_times, the_end, matrix_state, subjects, windows, branches, as_long_as]
PROGRAMS += [backwards, no_time_at_all, hit_times, structures, methods_of_objects, two_methods]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_of_solves_are_as_outside(program):
    jitted = ad.jit(program)
    value, gradient = ad.value_and_grad(jitted)(P)
    wanted, outside = ad.value_and_grad(program)(P)
    assert abs(value - wanted) <= 1e-13 * abs(wanted)
    assert abs(jitted(P) - program(P)) <= 1e-13 * abs(wanted)
    np.testing.assert_allclose(gradient, outside, rtol=1e-12, atol=1e-13 * abs(outside).max())


def test_captured_numbers_are_read_anew_and_differentiated():
    rate = np.array([0.3])

    def loss(y0):
        sol = solve_ivp(lambda t, y: -rate * y, (0.0, 1.0), y0, "Tsit5", [1.0], rtol=1e-9, atol=1e-9)
        return np.sum(sol.y)

    jitted, one = ad.jit(loss), np.ones(1)
    assert abs(jitted(one) - np.exp(-0.3)) < 1e-8
    rate = np.array([0.6])
    assert abs(jitted(one) - np.exp(-0.6)) < 1e-8

    def of_rate(k):
        nonlocal rate
        rate = k
        return jitted(one)

    assert abs(ad.grad(of_rate)(np.array([0.6]))[0] + np.exp(-0.6)) < 1e-7


def test_a_model_made_anew_is_another_model():
    def made(power):
        def model(t, y):
            return -(y**power)

        return ad.jit(lambda y0: solve_ivp(model, (0.0, 1.0), y0, "Tsit5", [1.0], rtol=1e-8).y[0, 0])

    for power, end in ((1, np.exp(-1.0)), (2, 0.5), (1, np.exp(-1.0))):
        assert abs(made(power)(np.ones(1)) - end) < 1e-5


def test_each_of_several_models_is_looked_at_anew():
    def made(one, two):
        def first(t, y):
            return -(y**one)

        def second(t, y):
            return -(y**two)

        def ends(y0):
            a = solve_ivp(first, (0.0, 1.0), y0, "Tsit5", [1.0], rtol=1e-8, atol=1e-8).y[0, 0]
            return a, solve_ivp(second, (0.0, 1.0), y0, "Tsit5", [1.0], rtol=1e-8, atol=1e-8).y[0, 0]

        return ad.jit(ends)

    exact = {1: np.exp(-1.0), 2: 0.5}
    for one, two in ((1, 2), (2, 2), (1, 1), (2, 1)):
        np.testing.assert_allclose(made(one, two)(np.ones(1)), [exact[one], exact[two]], rtol=1e-6)


def test_errors_of_gradients_are_estimated_as_outside():
    def loss(p):
        return np.sum(solved(p).y ** 2)

    outside, inside = gradient_error.value_and_grad(loss)(P), gradient_error.value_and_grad(ad.jit(loss))(P)
    np.testing.assert_allclose(inside[2], outside[2], rtol=1e-6)
    rates = np.array([P, 1.1 * P])
    with tighter(0.1):
        mapped, alone = ad.vmap(loss)(rates), [loss(p) for p in rates]
    np.testing.assert_allclose(mapped, alone, rtol=1e-14)


def test_what_there_is_of_a_solution():
    outside, sol = solved(P), ad.jit(solved)(P)
    assert np.array_equal(sol.t, TS) and np.array_equal(sol["y"], outside["y"])
    assert (sol.status, sol.success, sol.message) == (0, True, outside.message)
    with pytest.raises(ad.UnsupportedSyntax, match=r"no field or method 'nfev'[\s\S]*solve outside"):
        ad.jit(lambda p: solved(p).nfev)(P)
    for name in ("success", "status", "message"):  # a solve that fails raises, if its result is used
        with pytest.raises(ad.UnsupportedSyntax, match="whether a solve has failed"):
            ad.jit(lambda p, name=name: getattr(solved(p), name))(P)


# ------------------------------------------------------------ failures and refusals


def test_failures_are_those_outside():
    def blows_up(p):
        return solve_ivp(lambda t, y: p[0] * y * y, (0.0, 30.0), Y0, "Tsit5", [1.0, 30.0]).y[0, 1]

    for f in (ad.jit(blows_up), ad.grad(ad.jit(blows_up))):
        with pytest.raises(ad.SolverError, match=r"t = 0\.5555.*test_solves_in_jit\.py"):
            f(P)

    def raises(p):
        def model(t, y):
            if y[0] > 2.0:
                raise ValueError("too large")
            return p[0] * y

        return solve_ivp(model, (0.0, 30.0), Y0, "Tsit5", [1.0, 30.0]).y[0, 1]

    with pytest.raises(ValueError, match="too large"):
        ad.jit(raises)(P)

    def not_smooth(p):
        return np.sqrt(solved(p).y[0, 0] - 1.0)

    with pytest.raises(LossNotFinite, match="component 0 of y"):
        ad.grad(ad.jit(not_smooth))(P)


WRONG = [
    ({"t_eval": [3.0, 1.0]}, "not properly sorted"),
    ({"t_eval": [1.0, 5.0]}, "5.0 is not in"),
    ({"rtol": -1.0}, "rtol must not be negative"),
    ({"rtol": 0.0, "atol": 0.0}, "both zero"),
    ({"first_step": 7.0}, "longer than the whole t_span"),
    ({"max_steps": 3}, "max_steps=3, was used up"),
    ({"y0": np.array([1.0, np.nan])}, r"y0\[1\] is nan"),
    ({"method": "Nope"}, "there is no method 'Nope'"),
    ({"events": predator}, "events in a compiled function"),
    ({"dense_output": True}, "dense_output in a compiled function"),
    ({"mass_matrix": np.eye(2)}, "mass_matrix in a compiled function"),
    ({"adjoint": ad.GaussAdjoint()}, "discrete adjoint only"),
    ({"t_eval": None}, "sol.y\\[:, -1\\]"),
]


@pytest.mark.parametrize("wrong, message", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_what_makes_no_sense_or_is_not_compiled_is_said(wrong, message):
    options = {"method": "Tsit5", "t_eval": TS, "y0": Y0} | wrong

    def program(p):
        return np.sum(solve_ivp(predator, (0.0, 3.0), args=(p,), **options).y)

    with pytest.raises((ValueError, ad.SolverError, ad.UnsupportedSyntax), match=message):
        ad.jit(program)(P)
