"""Every method: coefficients, order, dense output, and SciPy's conventions of the front door."""

import dataclasses

import numpy as np
import pytest

import sciad.solvers
from sciad.solvers import solve_ivp
from sciad.solvers.methods.names import NAMES, method_named
from tests.problems.ode_models import MODELS

# Of the ESDIRK method, whose Newton iterations follow the tolerance, see test_esdirk.
EVERY = sorted({method_named(name).name for name in NAMES if name != "auto"})
METHODS = [name for name in EVERY if method_named(name).family != "esdirk"]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_the_same_by_every_name(name):
    method = method_named(name)
    assert method_named(method) is method
    if name != "auto":
        assert getattr(sciad.solvers, method.name) is method and method_named(method.name) is method


@pytest.mark.parametrize("name", sciad.solvers.__all__)
def test_public_names_can_be_imported(name):
    assert (
        getattr(sciad.solvers, name).__name__ == name if name[0].islower() else getattr(sciad.solvers, name)
    )


def entangled(t, y):
    """Non-autonomous, and not linear in y."""
    return np.array(
        [-y[0] * y[0] * np.cos(t) + 0.7 * y[1] * t, y[0] * y[1] * np.sin(3 * t) - y[1] * y[1] - y[0]]
    )


def fixed_step_error(name, steps):
    """Error at the end of the span with equal steps and no error control."""
    t0, t1 = 0.3, 2.3
    h = (t1 - t0) / steps
    y0 = np.array([1.0, 0.5])

    # One long tolerance makes every step acceptable; max_step and first_step fix its size.
    options = {"first_step": h, "max_step": h, "rtol": 1e6, "atol": 1e6}
    got = solve_ivp(entangled, (t0, t1), y0, name, t_eval=[t1], **options)
    assert got.accepted == steps and got.rejected == 0
    exact = solve_ivp(entangled, (t0, t1), y0, "Vern9", t_eval=[t1], rtol=3e-14, atol=1e-15)
    return np.abs(got.y - exact.y).max()


# Steps of the coarser of two solves: enough for the leading term, too few for rounding.
COARSE = {1: 64, 2: 64, 3: 64, 4: 64, 5: 80, 7: 12, 8: 10, 9: 10}


@pytest.mark.parametrize("name", METHODS)
def test_measured_order(name):
    order = method_named(name).order
    steps = COARSE[order]
    errors = [fixed_step_error(name, n) for n in (steps, steps * 3 // 2)]
    measured = np.log(errors[0] / errors[1]) / np.log(1.5)
    # Where the leading terms of a method are small, a high order term can still be seen.
    assert order - 0.3 < measured < order + 1.2, (measured, errors)


@pytest.mark.parametrize("name", METHODS)
def test_dense_output_has_its_order(name):
    method = method_named(name)
    order = getattr(method, "interpolant_order", None) or method.dense_order
    errors = []
    for h in (0.4, 0.2):  # the error inside one step, h^(order + 1)
        t = 0.5 + 0.6 * h
        options = {"first_step": h, "rtol": 1e6, "atol": 1e6}
        got = solve_ivp(entangled, (0.5, 0.5 + h), np.array([1.0, 0.5]), name, t_eval=[t], **options)
        exact = solve_ivp(
            entangled, (0.5, 1.0), np.array([1.0, 0.5]), "Vern9", t_eval=[t], rtol=3e-14, atol=1e-15
        )
        assert got.accepted == 1
        errors.append(np.abs(got.y - exact.y).max())
    assert np.log2(errors[0] / errors[1]) > order + 0.2, errors


# The error estimate that ROS3P was published with is zero for linear problems.
@pytest.mark.parametrize("name", [n for n in EVERY if method_named(n).adaptive and n != "ROS3P"])
@pytest.mark.parametrize("backward", [False, True])
def test_adaptive_solves_meet_the_tolerance(name, backward):
    model = MODELS["damped_oscillator"]
    t_span = model.t_span[::-1] if backward else model.t_span
    start = model.exact(t_span[0], model.y0, *model.args)
    times = np.linspace(*t_span, 9)
    got = solve_ivp(model.fun, t_span, start, name, t_eval=times, args=model.args, rtol=1e-7, atol=1e-9)
    exact = np.stack([model.exact(t, model.y0, *model.args) for t in times], axis=1)
    assert got.success and got.status == 0 and got.message.startswith("The solver successfully")
    assert not np.abs(got.y - exact).max() > 1e-4 * np.abs(exact).max()
    assert np.array_equal(got.t, times)


def test_wrong_coefficients_are_refused():
    method = method_named("Tsit5")
    b = (method.b[0] + 1e-6, method.b[1] - 1e-6, *method.b[2:])
    with pytest.raises(ValueError, match=r"Tsit5.*order condition"):
        dataclasses.replace(method, b=b)
    with pytest.raises(ValueError, match=r"Tsit5.*does not sum"):
        dataclasses.replace(method, c=(0.0, 0.2, *method.c[2:]))
    stiff = method_named("Rodas5P")
    with pytest.raises(ValueError, match="Rodas5P"):
        dataclasses.replace(stiff, d=(stiff.d[0] + 1e-6, *stiff.d[1:]))


def decay(t, y, rate):
    return -rate * y


def test_steps_and_dense_output_without_t_eval():
    for name in ("Tsit5", "DOP853", "Rodas5P"):
        got = solve_ivp(decay, (0, 3), np.array([1.0, 2.0]), name, dense_output=True, args=(0.7,), rtol=1e-8)
        assert (
            got.t[0] == 0
            and got.t[-1] == 3
            and got.y.shape == (2, len(got.t))
            and len(got.t) == got.accepted + 1
        )
        assert np.array_equal(got.sol(got.t), got.y)
        times = np.linspace(0, 3, 50)
        exact = np.array([1.0, 2.0])[:, None] * np.exp(-0.7 * times)
        assert not np.abs(got.sol(times) - exact).max() > 1e-6
        assert not np.abs(got.sol.derivative(times) + 0.7 * exact).max() > 1e-4
        assert got.sol(1.0).shape == (2,)


def test_limits_on_steps():
    arguments = {"fun": decay, "t_span": (0, 3), "y0": np.array([1.0]), "method": "Tsit5", "args": (0.7,)}
    limited = solve_ivp(**arguments, max_step=0.1)
    assert not np.diff(limited.t).max() > 0.1 * (1 + 1e-12)
    first = solve_ivp(**arguments, first_step=0.01)
    assert first.t[1] == 0.01
    stopped = solve_ivp(**arguments, tstops=[1.0, 2.5])
    assert {1.0, 2.5} <= set(stopped.t)
    few = solve_ivp(**arguments, rtol=1e-10, max_steps=5)
    assert few.status == -1 and not few.success and "max_steps" in few.message
    assert few.accepted + few.rejected == 5


def test_vector_tolerances_bind_each_component():
    def fun(t, y):
        return np.array([np.cos(50 * t), -y[1]])

    loose = solve_ivp(fun, (0, 5), np.array([0.0, 1.0]), "Tsit5", atol=np.array([1e3, 1e-9]), rtol=0.0)
    tight = solve_ivp(fun, (0, 5), np.array([0.0, 1.0]), "Tsit5", atol=np.array([1e-9, 1e3]), rtol=0.0)
    assert loose.accepted < tight.accepted / 3


def test_any_shape_of_y0():
    y0 = np.arange(1.0, 7.0).reshape(2, 3)
    got = solve_ivp(decay, (0, 1), y0, "Tsit5", t_eval=[0.5, 1.0], args=(1.0,), rtol=1e-9, atol=1e-9)
    assert got.y.shape == (2, 3, 2)
    assert not np.abs(got.y[..., -1] - y0 * np.exp(-1.0)).max() > 1e-7


def test_models_that_cannot_be_compiled_run_with_one_warning():
    table = {"rate": 0.7}

    def fun(t, y):
        return eval("-table['rate'] * y", {"table": table, "y": y})

    with pytest.warns(UserWarning, match="not compiled") as caught:
        got = solve_ivp(fun, (0, 1), np.array([1.0]), "Tsit5", rtol=1e-9, atol=1e-9)
        stiff = solve_ivp(fun, (0, 1), np.array([1.0]), "Rodas5P", jac=[[-0.7]], rtol=1e-9, atol=1e-9)
    assert len(caught) == 1
    for solution in (got, stiff):
        assert not abs(solution.y[0, -1] - np.exp(-0.7)) > 1e-7


def test_exceptions_of_the_model_reach_the_user():
    def fun(t, y):
        if t > 0.5:
            raise RuntimeError("beyond the table")
        return eval("-y")

    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="beyond the table"):
        solve_ivp(fun, (0, 1), np.array([1.0]), "Tsit5")


def test_complex_states():
    got = solve_ivp(lambda t, y: 1j * y, (0, 2), np.array([1.0 + 0j, 2j]), "Tsit5", rtol=1e-9, atol=1e-9)
    assert not np.abs(got.y[:, -1] - np.array([1.0, 2j]) * np.exp(2j)).max() > 1e-6


def test_empty_span_and_empty_state():
    still = solve_ivp(decay, (1, 1), np.array([2.0]), "Tsit5", t_eval=[1.0], args=(1.0,))
    assert np.array_equal(still.y, [[2.0]]) and still.success
    nothing = solve_ivp(lambda t, y: np.zeros(0), (0, 1), np.zeros(0), "Tsit5", dense_output=True)
    assert nothing.success and nothing.sol([0.0, 1.0]).shape == (0, 2)
