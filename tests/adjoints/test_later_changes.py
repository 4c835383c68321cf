"""Models, arguments and options that change between a solve and its derivative: no matter, or an error."""

import threading
import time
import warnings

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp, solve_sde, steady_state
from sciad.solvers.model.build_model import InterpretedModel

Y0, P = np.array([1.0, 0.5]), np.array([1.3, 0.7, 0.4])
TIGHT = {"method": "Tsit5", "rtol": 1e-9, "atol": 1e-11}


def oscillator(t, y, p):
    return np.array([p[0] * y[1], -p[1] * y[0] + p[2] * np.sin(t)])


def differences(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


# -- models called in Python, which are called again for the derivative ----------------------------------

_calls = []


def _loop_variable():
    for k in (1.0, 2.0):

        def model(t, y):
            _calls.append(t)
            return np.array([k * y[1], -y[0]])  # noqa: B023

        yield model


def _attribute():
    class Model:
        def rhs(self, t, y):
            _calls.append(t)
            return np.array([self.k * y[1], -y[0]])

    model = Model()
    for model.k in (1.0, 2.0):
        yield model.rhs


def _array():
    k = np.ones(1)

    def model(t, y):
        _calls.append(t)
        return np.array([k[0] * y[1], -y[0]])

    for value in (1.0, 2.0):
        k[0] = value
        yield model


def _unchanged():
    def model(t, y):
        _calls.append(t)
        return np.array([1.5 * y[1], -y[0]])

    yield from (model, model)


def _chained(models):
    def loss(y):
        for model in models():
            y = solve_ivp(model, (0, 1), y, "Tsit5", t_eval=[1.0], rtol=1e-7, atol=1e-9).y[:, -1]
        return np.sum(y**2)

    return loss


TRANSFORMS = {
    "grad": ad.grad,
    "reverse of reverse": lambda f: ad.jacobian(ad.grad(f), mode="reverse"),
    "reverse of forward": lambda f: ad.grad(lambda y: ad.jvp(f, (y,), (Y0,))[1]),
}


@pytest.mark.filterwarnings("ignore::sciad.solvers.model.build_model.InterpretedModel")
@pytest.mark.parametrize("models", [_loop_variable, _attribute, _array])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_interpreted_models_that_change_are_noticed(models, transform):
    with pytest.raises(ad.NotDifferentiable, match="not the same as during the solve"):
        TRANSFORMS[transform](_chained(models))(Y0)


def _noisy(bound: bool):
    """A chain of stochastic solves in Python, which capture the variable of the loop or bind it."""

    def loss(y):
        for k in (1.0, 2.0):

            def late(t, y):
                _calls.append(t)
                return -k * y  # noqa: B023

            def early(t, y, k=k):
                _calls.append(t)
                return -k * y

            noise = lambda t, y: 0.1 + 0 * y  # noqa: E731
            options = {"dt": 0.1, "seed": 1, "t_eval": [1.0]}
            y = solve_sde(early if bound else late, noise, (0, 1), y, **options).y[..., -1]
        return np.sum(y)

    return loss


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_stochastic_models_that_change_are_noticed():
    with pytest.raises(ad.NotDifferentiable, match="not the same as during the solve"):
        ad.grad(_noisy(bound=False))(Y0)
    loss = _noisy(bound=True)
    assert np.allclose(ad.grad(loss)(Y0), differences(loss, Y0), rtol=1e-7)


@pytest.mark.filterwarnings("ignore::sciad.solvers.model.build_model.InterpretedModel")
def test_interpreted_models_that_stay_are_differentiated():
    loss = _chained(_unchanged)
    assert np.allclose(ad.grad(loss)(Y0), differences(loss, Y0), rtol=1e-5)
    assert np.allclose(ad.hessian(loss)(Y0), differences(ad.grad(loss), Y0), rtol=1e-4)


@pytest.mark.filterwarnings("ignore::sciad.solvers.model.build_model.InterpretedModel")
def test_steady_states_of_models_that_change_are_noticed():
    def loss(y0):
        for k in (1.0, 2.0):

            def model(t, y, c):
                _calls.append(t)
                return c - k * y  # noqa: B023

            y0 = y0 + steady_state(model, np.ones(1), (y0,)).y
        return np.sum(y0)

    with pytest.raises(ad.NotDifferentiable, match="not the same"):
        ad.grad(loss)(np.ones(1))


def test_compiled_models_keep_what_they_captured():
    def loss(y):
        for k in (1.0, 2.0, 3.0):

            def model(t, y):
                return np.array([k * y[1], -y[0]])  # noqa: B023

            y = solve_ivp(model, (0, 1), y, t_eval=[1.0], **TIGHT).y[:, -1]
        return np.sum(y**2)

    with warnings.catch_warnings():
        warnings.simplefilter("error", InterpretedModel)
        assert np.allclose(ad.grad(loss)(Y0), differences(loss, Y0), rtol=1e-6)


def test_apply_with_a_memory_is_noticed():
    def loss(c):
        count = 0

        def event(t, y, p):
            return y[0] - 0.1

        def apply(t, y, p):
            nonlocal count
            count += 1
            return y * np.array([1.0, -(c**count)])

        event.apply, event.direction = apply, -1
        sol = solve_ivp(oscillator, (0, 8), Y0, t_eval=[3.0, 8.0], args=(P,), events=event, **TIGHT)
        return np.sum(sol.y**2)

    with pytest.raises(ad.NotDifferentiable, match=r"apply of event 0 .* another state"):
        ad.grad(loss)(0.8)


# -- arrays of the caller that are written to after the solve --------------------------------------------


def _dense_output(y):
    p = P.copy()
    sol = solve_ivp(oscillator, (0, 3), y, args=(p,), dense_output=True, **TIGHT)
    p *= 3.0
    return np.sum(sol.sol(0.4) ** 2)


def _batched_output(y):
    def loss(y):
        p = P.copy()
        sol = solve_ivp(oscillator, (0, 3), y, t_eval=[3.0], args=(p,), dense_output=True, **TIGHT)
        p *= 3.0
        return np.sum(sol.sol(0.4) ** 2)

    return np.sum(ad.vmap(loss)(np.stack([y, 2.0 * y])))


def _mass_matrix(y):
    mass = np.array([[2.0, 0.5], [0.0, 1.0]])
    tight = {**TIGHT, "method": "Rodas5P"}
    sol = solve_ivp(oscillator, (0, 1), y, t_eval=[1.0], args=(P,), mass_matrix=mass, **tight)
    mass *= 3.0
    return np.sum(sol.y**2)


def _tolerances(y):
    def loss(y):
        rtol, atol = np.full(2, 1e-9), np.full(2, 1e-11)
        tolerances = {"rtol": rtol, "atol": atol}
        sol = solve_ivp(oscillator, (0, 3), y, "Tsit5", [3.0], args=(P,), dense_output=True, **tolerances)
        rtol[:] = atol[:] = 0.5
        solve_ivp(oscillator, (0, 1), Y0, "Tsit5", args=(P,))
        return np.sum(sol.sol(2.4) ** 2)

    return np.sum(ad.vmap(loss)(np.stack([y, 2.0 * y])))


LOSSES = {
    _dense_output: _dense_output,
    _batched_output: lambda y: _dense_output(y) + _dense_output(2.0 * y),
    _mass_matrix: _mass_matrix,
    _tolerances: _tolerances,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_arrays_may_be_used_again_after_a_solve(loss):
    assert np.allclose(ad.grad(loss)(Y0), differences(LOSSES[loss], Y0), rtol=1e-6)


# -- threads -------------------------------------------------------------------------------------------


def test_threads_do_not_write_into_the_same_record(monkeypatch):
    def solution(start):
        tolerances = {"rtol": 1e-12, "atol": 1e-12}
        sol = solve_ivp(oscillator, (0, 60), start, "Tsit5", args=(P,), dense_output=True, **tolerances)
        return sol.sol(np.linspace(0, 60, 50))

    def slow(frame, event, value):  # lets the other thread in while memory of earlier solves is looked for
        if frame.f_code.co_name != "unused_rows":
            return None
        time.sleep(0.01)
        if event == "return":
            found.append(value is not None)
        return slow

    starts, found, got = (Y0, 2.0 * Y0), [], {}
    want = [solution(start) for start in starts]
    threading.settrace(slow)
    try:
        for _ in range(8):
            threads = [
                threading.Thread(target=lambda k: got.update({k: solution(starts[k])}), args=(k,))
                for k in (0, 1)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert all(np.array_equal(got[k], want[k]) for k in (0, 1))
    finally:
        threading.settrace(None)
    assert any(found)


# -- complex states ------------------------------------------------------------------------------------


def test_events_change_complex_states():
    def event(t, y, w):
        return t - 0.25

    event.apply = lambda t, y, w: 2j * y
    start, times = np.array([1.0 + 1j, 2.0]), np.array([0.2, 1.0])
    sol = solve_ivp(
        lambda t, y, w: 1j * w * y, (0, 1), start, t_eval=times, args=(3.0,), events=event, **TIGHT
    )
    assert np.allclose(sol.y, start[:, None] * np.exp(3j * times) * np.array([1.0, 2j]), rtol=1e-7)

    event.apply = lambda t, y, w: (y, (2.0,))
    with pytest.raises(ValueError, match="apply cannot change args"):
        solve_ivp(lambda t, y, w: 1j * w * y, (0, 1), start, args=(3.0,), events=event, **TIGHT)


def test_complex_mass_matrices_and_states_with_one_are_refused():
    with pytest.raises(ValueError, match="complex y0 cannot have a mass_matrix"):
        solve_ivp(lambda t, y: 1j * y, (0, 1), np.ones(2) * 1j, mass_matrix=np.eye(2))
    with pytest.raises(ValueError, match="mass_matrix is complex"):
        solve_ivp(lambda t, y: -y, (0, 1), np.ones(2), mass_matrix=np.eye(2) * 1j)
