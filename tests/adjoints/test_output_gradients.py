"""Gradients of what is read off a solve: any time, any slice, the ends of the span, integrals."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp
from tests.problems.adjoint_list import AUTO_AND_OTHERS, adjoint_name
from tests.problems.comparisons import differences, relative
from tests.problems.event_functions import event

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def driven(t, y, p):
    return np.array([y[1], -p[0] * np.sin(y[0]) + p[1] * np.cos(3.0 * t)])


Y0, P = np.array([1.0, 0.3]), np.array([2.0, 0.7])


@pytest.mark.parametrize("adjoint", AUTO_AND_OTHERS, ids=adjoint_name)
def test_a_span_of_length_zero(adjoint):
    """The state is y0; moving either end moves it along the slope."""

    def f(y0, p, t0, t1):
        sol = solve_ivp(driven, (t0, t1), y0, "Tsit5", args=(p,), adjoint=adjoint)
        return 3 * sol.y[0, -1] + sol.y[1, -1] ** 2

    found = ad.grad(f, argnums=(0, 1, 2, 3))(Y0, P, 0.5, 0.5)
    slope = np.array([3.0, 2 * Y0[1]]) @ driven(0.5, Y0, P)
    relative([found[0], found[3]], [np.array([3.0, 2 * Y0[1]]), slope], 1e-12)
    assert not np.any(found[1]) and not abs(found[2] + slope) > 1e-12
    moved = ad.jvp(f, (Y0, P, 0.5, 0.5), (np.zeros(2), np.zeros(2), 0.0, 1.0))[1]
    relative(moved, slope, 1e-12)


@pytest.mark.parametrize("method", ["DOP853", pytest.param("Vern7", marks=pytest.mark.long)])
@pytest.mark.parametrize("adjoint", AUTO_AND_OTHERS, ids=adjoint_name)
def test_every_adjoint_along_methods_of_high_order(adjoint, method):
    """Methods whose dense output needs more stages."""

    def f(y0, p):
        keywords = {"t_eval": [0.4, 1.3, 2.0], "args": (p,), "adjoint": adjoint, **TIGHT}
        return np.sum(solve_ivp(driven, (0, 2.0), y0, method, **keywords).y ** 2)

    exact = ad.grad(
        lambda y0, p: np.sum(
            solve_ivp(driven, (0, 2.0), y0, "Tsit5", t_eval=[0.4, 1.3, 2.0], args=(p,), **TIGHT).y ** 2
        ),
        argnums=(0, 1),
    )
    relative(ad.grad(f, argnums=(0, 1))(Y0, P), exact(Y0, P), 1e-7)


def uncompilable(t, y, p):
    return eval("driven(t, y, p)", {"driven": driven, "t": t, "y": y, "p": p})


@pytest.mark.filterwarnings("ignore::sciad.solvers.model.build_model.InterpretedModel")
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_models_called_in_python(method):
    def f(model):
        def loss(y0, p):
            keywords = {"t_eval": [0.4, 2.0], "args": (p,), "rtol": 1e-5, "atol": 1e-8}
            return np.sum(solve_ivp(model, (0, 2.0), y0, method, **keywords).y ** 2)

        return loss

    found = ad.grad(f(uncompilable), argnums=(0, 1))(Y0, P)
    relative(found, ad.grad(f(driven), argnums=(0, 1))(Y0, P), 1e-10)
    v = (np.array([0.3, -1.0]), np.array([0.5, 0.2]))
    relative(ad.jvp(f(uncompilable), (Y0, P), v)[1], ad.jvp(f(driven), (Y0, P), v)[1], 1e-10)


def test_dense_output_of_a_method_without_extra_rows():
    sol = solve_ivp(lambda t, y: -y, (0, 1), np.ones(1), "Euler", first_step=0.25, dense_output=True)
    assert not abs(sol.sol(0.375)[0] - 0.75 * 0.875) > 1e-15
    found = ad.grad(
        lambda y0: solve_ivp(lambda t, y: -y, (0, 1), y0, "Euler", first_step=0.25, dense_output=True).sol(
            0.375
        )[0]
    )(np.ones(1))
    relative(found, 0.75 * 0.875, 1e-14)


WAYS = {
    "one of many": lambda y0, p, t: run(y0, p, np.linspace(0, t, 41)).y[:, -1],
    "in the middle": lambda y0, p, t: run(y0, p, np.sort(np.append(np.linspace(0, 2, 7), 1.3))).y[:, 4],
    "as the last step": lambda y0, p, t: run(y0, p, None, span=(0, 1.3), dense_output=True).sol(1.3),
    "dense output": lambda y0, p, t: run(y0, p, None, dense_output=True).sol(1.3),
    "dense output of many": lambda y0, p, t: run(y0, p, [0.1], dense_output=True).sol([1.9, 1.3, 0.4])[:, 1],
    "sliced": lambda y0, p, t: run(y0, p, [0.0, 1.3, 2.0]).y[..., 1:][:, ::-1][:, 1],
}


def run(y0, p, t_eval, span=(0, 2.0), **keywords):
    keywords = {"method": "Tsit5", "rtol": 1e-6, "atol": 1e-9, **keywords}
    return solve_ivp(driven, span, y0, t_eval=t_eval, args=(p,), **keywords)


@pytest.mark.parametrize("way", WAYS)
def test_results_do_not_depend_on_how_they_are_asked_for(way):
    """The state at 1.3 along the same steps: value and gradient are the same numbers."""

    def end(f):
        return ad.value_and_grad(lambda y0, p: np.sum(f(y0, p, 1.3) * np.array([1.0, -2.0])), argnums=(0, 1))(
            Y0, P
        )

    value, gradient = end(WAYS[way])
    reference, expected = end(lambda y0, p, t: run(y0, p, [1.3]).y[:, 0])
    # Where the span ends at 1.3 the last step is another one.
    tolerance = 1e-5 if way in ("one of many", "as the last step") else 1e-12
    relative(value, reference, tolerance)
    relative(gradient, expected, tolerance)


@pytest.mark.parametrize("method", ["Tsit5", "DOP853", "Rodas5P"])
def test_dense_output_is_a_differentiable_function_of_time(method):
    def f(p, times):
        sol = solve_ivp(driven, (0, 2.0), Y0, method, dense_output=True, args=(p,), rtol=1e-9, atol=1e-11)
        return np.sum(sol.sol(times) * np.array([[1.0, 2.0, -1.0], [0.5, 1.0, 1.0]]))

    times = np.array([1.7, 0.2, 1.1])
    found = ad.grad(f, argnums=(0, 1))(P, times)
    relative(found[0], differences(lambda p: f(p, times), P, 1e-3))
    relative(found[1], differences(lambda s: f(P, s), times, 1e-3))
    one = ad.grad(
        lambda t: solve_ivp(
            driven, (0, 2.0), Y0, method, dense_output=True, args=(P,), rtol=1e-9, atol=1e-11
        ).sol(t)[0]
    )(0.9)
    state = solve_ivp(driven, (0, 2.0), Y0, method, t_eval=[0.9], args=(P,), rtol=1e-9, atol=1e-11).y[:, 0]
    relative(one, state[1])


def test_dense_output_of_a_plain_solve_at_differentiated_times():
    """To any order, under vmap, and in both modes: polynomials in time."""
    sol = solve_ivp(
        lambda t, y: np.array([y[1], -y[0]]),
        (0, 6.0),
        np.array([0.0, 1.0]),
        "DOP853",
        dense_output=True,
        **TIGHT,
    )
    times = np.array([0.3, 4.1, 2.2])
    f = lambda t: sol.sol(t)[0]  # noqa: E731
    relative(ad.vmap(ad.grad(f))(times), np.cos(times), 1e-7)
    relative(ad.jacobian(f)(times), np.diag(np.cos(times)), 1e-7)
    relative(ad.jacobian(f, mode="forward")(times), np.diag(np.cos(times)), 1e-7)
    relative(ad.hessian(f)(0.3), -np.sin(0.3), 1e-5)
    relative(ad.grad(lambda t: sol.sol.derivative(t)[1])(0.3), -np.cos(0.3), 1e-5)
    with pytest.raises(ad.NotDifferentiable, match="under vmap"):
        ad.vmap(lambda p: run(Y0, p, None).y[:, -1])(np.stack([P, 2 * P]))


def test_jacobians_with_respect_to_times_in_both_modes():
    def f(x):
        keywords = {"args": (P,), "rtol": 1e-9, "atol": 1e-11}
        return (
            solve_ivp(driven, (x[0], 2.0), Y0, "Tsit5", t_eval=np.stack([x[1], 2.0]), **keywords)
            .y[:, :2]
            .reshape(-1)
        )

    x = np.array([0.1, 1.3])
    forward = ad.jacobian(f, mode="forward")(x)
    relative(forward, differences(f, x, 1e-3))
    relative(ad.jacobian(f, mode="reverse")(x), forward, 1e-10)

    # The cotangents alone depend on what is differentiated a second time: refused, where the times move.
    def scaled(w):
        return ad.grad(
            lambda t0: w * solve_ivp(driven, (t0, 2.0), Y0, "Tsit5", t_eval=[2.0], args=(P,)).y[0, 0]
        )(0.1)

    with pytest.raises(ad.NotDifferentiable, match="t_span"):
        ad.grad(scaled)(2.0)


def test_integral_losses():
    """Of a solve with and without events, in p, y0, both ends of the span, and what g captures."""

    def decay(t, y, p):
        return -p * y

    def loss(p, y0, t0, t1, c):
        sol = solve_ivp(decay, (t0, t1), y0, "Tsit5", args=(p,), dense_output=True, **TIGHT)
        return sol.integral(lambda t, y: np.exp(c * t) * y[0] ** 2)

    def exact(p, y0, t0, t1, c):
        k = 2 * p - c
        return y0[0] ** 2 * np.exp(2 * p * t0) * (np.exp(-k * t0) - np.exp(-k * t1)) / k

    at = (1.3, np.array([2.0]), 0.2, 1.7, 0.4)
    relative(loss(*at), exact(*at), 1e-9)
    everything = range(5)
    relative(
        ad.grad(loss, argnums=tuple(everything))(*at), ad.grad(exact, argnums=tuple(everything))(*at), 1e-8
    )
    relative(
        ad.jvp(loss, at, (0.1, np.array([0.3]), -0.2, 0.4, 1.0))[1],
        ad.jvp(exact, at, (0.1, np.array([0.3]), -0.2, 0.4, 1.0))[1],
        1e-8,
    )

    def area(p):
        """A dose at p[0] of size p[1] into nothing, with elimination at rate p[2]."""
        dose = event(lambda t, y, p: t - p[0], apply=lambda t, y, p: y + p[1])
        sol = solve_ivp(
            lambda t, y, p: -p[2] * y,
            (0, 5.0),
            np.zeros(1),
            "Tsit5",
            args=(p,),
            events=dose,
            dense_output=True,
            **TIGHT,
        )
        return sol.integral(lambda t, y: y[0])

    p = np.array([1.5, 2.0, 0.6])
    closed = lambda p: p[1] * (1 - np.exp(-p[2] * (5.0 - p[0]))) / p[2]  # noqa: E731
    relative(area(p), closed(p), 1e-9)
    relative(ad.grad(area)(p), ad.grad(closed)(p), 1e-8)
    with pytest.raises(ValueError, match="dense_output=True"):
        solve_ivp(decay, (0, 1), np.ones(1), "Tsit5", args=(1.0,)).integral(lambda t, y: y[0])


def test_code_of_the_page_on_gradients_runs(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "adjoints.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) >= 2
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))
