"""Gradients of stochastic solves: against central differences, forward "
"sensitivities, each other, and closed forms."""

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import BacksolveAdjoint, DiscreteAdjoint, ForwardSensitivity, ReversibleAdjoint
from sciad.errors import NotDifferentiable
from sciad.solvers import BrownianMotion, SolverError, solve_sde


def drift(t, y, p, shift):
    return p["rate"] * y + shift * np.sin(y) + 0.1 * t


def diagonal(t, y, p, shift):
    return p["noise"] * y + 0.05 * np.cos(y)


def general(t, y, p, shift):
    return np.stack([p["noise"] * y, 0.3 * np.cos(y), shift * y], axis=1)


def two(t, y, p, shift):
    return np.stack([p["noise"] * y, shift * np.cos(y)], axis=1)


def additive(t, y, p, shift):
    return p["noise"] * (1.0 + t)


# method, calculus, noise, diffusion, options
CASES = [
    ("EulerMaruyama", "ito", "diagonal", diagonal, {"dt": 0.1}),
    ("EulerMaruyama", "ito", "general", general, {"dt": 0.1}),
    ("EulerMaruyama", "ito", "scalar", diagonal, {"dt": 0.07}),
    ("Milstein", "ito", "diagonal", diagonal, {"dt": 0.1}),
    ("StratonovichMilstein", "stratonovich", "scalar", diagonal, {"dt": 0.1}),
    ("SRIW1", "ito", "diagonal", diagonal, {"dt": 0.1}),
    ("SRIW1", "ito", "diagonal", diagonal, {"rtol": 1e-2}),
    ("SOSRI", "ito", "scalar", diagonal, {"rtol": 1e-2}),
    ("SRA1", "ito", "additive", additive, {"dt": 0.1}),
    ("SRA3", "ito", "additive", additive, {"rtol": 1e-3}),
    ("DRI1", "ito", "diagonal", diagonal, {"dt": 0.1}),
    ("Milstein", "ito", "general", two, {"dt": 0.07}),
    ("StratonovichMilstein", "stratonovich", "general", two, {"dt": 0.1}),
    ("DRI1", "ito", "general", two, {"dt": 0.1}),
    ("Heun", "stratonovich", "general", general, {"dt": 0.1}),
    ("Midpoint", "stratonovich", "general", general, {"dt": 0.1}),
    ("EulerHeun", "stratonovich", "diagonal", diagonal, {"dt": 0.1}),
    ("ReversibleHeun", "stratonovich", "general", general, {"dt": 0.1}),
    ("ReversibleHeun", "stratonovich", "diagonal", diagonal, {"dt": 0.03, "adjoint": ReversibleAdjoint()}),
    ("Heun", "stratonovich", "scalar", diagonal, {"dt": 0.1, "adjoint": ForwardSensitivity()}),
    ("Heun", "stratonovich", "scalar", diagonal, {"dt": 0.1, "adjoint": DiscreteAdjoint()}),
]
P = {"rate": 0.3, "noise": np.array([0.4, 0.2])}
SHIFT, Y0 = 0.25, np.array([1.0, 0.5])


def loss_of(method, calculus, noise, diffusion, options, paths=3):
    def loss(p, shift, y0):
        sol = solve_sde(
            drift, diffusion, (0, 1), y0, args=(p, shift), method=method, calculus=calculus, noise=noise,
            seed=2, paths=paths, t_eval=[0.0, 0.33, 0.5, 1.0], **options,
        )  # fmt: skip
        return np.sum(sol.y**2 * np.arange(1.0, 5.0))

    return loss


def moved(step):
    p = {"rate": P["rate"] + 0.7 * step, "noise": P["noise"] + step * np.array([-0.4, 0.9])}
    return p, SHIFT - 0.6 * step, Y0 + step * np.array([0.8, -0.5])


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_gradient(case):
    loss = loss_of(*CASES[case])
    value, (gp, gs, gy) = ad.value_and_grad(loss, argnums=(0, 1, 2))(P, SHIFT, Y0)
    assert value == loss(P, SHIFT, Y0)
    along = 0.7 * gp["rate"] + gp["noise"] @ [-0.4, 0.9] - 0.6 * gs + gy @ [0.8, -0.5]
    tangents = ({"rate": 0.7, "noise": np.array([-0.4, 0.9])}, -0.6, np.array([0.8, -0.5]))
    forward = ad.jvp(loss, (P, SHIFT, Y0), tangents)[1]
    assert not abs(along / forward - 1) > 1e-10
    if "rtol" not in CASES[case][4]:  # else differences see the step sizes change
        e = 1e-5
        difference = (loss(*moved(e)) - loss(*moved(-e))) / (2 * e)
        assert not abs(along / difference - 1) > 1e-7


CONTINUOUS = [
    ("EulerMaruyama", "ito", "diagonal", diagonal),
    ("SRIW1", "ito", "scalar", diagonal),
    ("Heun", "stratonovich", "general", general),
    ("ReversibleHeun", "stratonovich", "diagonal", diagonal),
    ("SRA1", "ito", "additive", additive),
]


@pytest.mark.parametrize("case", CONTINUOUS, ids=[f"{c[0]}-{c[2]}" for c in CONTINUOUS])
def test_continuous_adjoint_converges_to_the_discrete_one(case):
    errors = []
    for dt in (1 / 32, 1 / 512):
        exact, found = (
            ad.grad(loss_of(*case, {"dt": dt, "adjoint": adjoint}, paths=6), argnums=(1, 2))(P, SHIFT, Y0)
            for adjoint in (DiscreteAdjoint(), BacksolveAdjoint())
        )
        scale = abs(exact[0]) + np.max(np.abs(exact[1]))
        errors.append(max(abs(found[0] - exact[0]), np.max(np.abs(found[1] - exact[1]))) / scale)
    assert not errors[1] > 0.02 and not errors[1] > 0.5 * errors[0], errors


def test_reversible_adjoint_is_the_discrete_one():
    case = next(c for c in CASES if c[0] == "ReversibleHeun" and c[2] == "general")
    exact, found = (
        ad.grad(loss_of(*case[:4], {"dt": 1e-3, "adjoint": adjoint}), argnums=(1, 2))(P, SHIFT, Y0)
        for adjoint in (DiscreteAdjoint(), ReversibleAdjoint())
    )
    assert not abs(found[0] / exact[0] - 1) > 1e-9
    assert not np.max(np.abs(found[1] / exact[1] - 1)) > 1e-9


def test_captured_parameters_are_not_constants():
    def loss(rate):
        sol = solve_sde(
            lambda t, y: rate * y, lambda t, y: 0.2 * y, (0, 1), [1.0], dt=0.1, seed=1, method="EulerMaruyama"
        )
        return np.sum(sol.y[0, -1])

    g = ad.grad(loss)(0.5)
    assert not abs(g / ((loss(0.5 + 1e-6) - loss(0.5 - 1e-6)) / 2e-6) - 1) > 1e-8


def test_gradient_through_segments_of_states(monkeypatch):
    """States kept for some steps at a time give what all states give."""
    from sciad.adjoints.sde import sde_sweeps
    from sciad.solvers.sde import path_loop

    loss = loss_of("EulerMaruyama", "ito", "diagonal", diagonal, {"dt": 1 / 150})
    whole = ad.grad(loss, argnums=(1, 2))(P, SHIFT, Y0)
    path_loop.linked.cache_clear()
    monkeypatch.setattr(sde_sweeps, "SEGMENT", 16)
    try:
        assert sde_sweeps.segment_length(2, 2, 150) == 13
        cut = ad.grad(loss, argnums=(1, 2))(P, SHIFT, Y0)
    finally:
        path_loop.linked.cache_clear()
    assert cut[0] == whole[0] and np.array_equal(cut[1], whole[1])


def test_gradient_does_not_depend_on_threads():
    for adjoint in (DiscreteAdjoint(), BacksolveAdjoint()):
        found = []
        for threads in (1, 2, 5):
            options = {"dt": 0.05, "threads": threads, "adjoint": adjoint}
            loss = loss_of("Heun", "stratonovich", "diagonal", diagonal, options, paths=100)
            found.append(ad.grad(loss, argnums=(1, 2))(P, SHIFT, Y0))
        for g in found[1:]:
            assert g[0] == found[0][0] and np.array_equal(g[1], found[0][1])


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_gradient_of_models_that_do_not_compile():
    def slow(t, y, p, shift):
        return eval("p['rate'] * y") + shift * np.sin(y) + 0.1 * t

    def run(model):
        def loss(p, shift, y0):
            sol = solve_sde(model, diagonal, (0, 1), y0, args=(p, shift), dt=0.1, seed=1, method="SRIW1")
            return np.sum(sol.y[:, -1] ** 2)

        return ad.grad(loss, argnums=(0, 1, 2))(P, SHIFT, Y0)

    for a, b in zip(run(drift), run(slow), strict=True):
        a, b = (x["noise"] if isinstance(x, dict) else x for x in (a, b))
        assert not np.max(np.abs(np.asarray(a) - b)) > 1e-12


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_captured_values_of_models_that_do_not_compile_are_refused():
    def loss(rate):
        def slow(t, y):
            return eval("1.0") * rate * y

        return np.sum(solve_sde(slow, lambda t, y: 0.2 * y, (0, 1), [1.0], dt=0.1, seed=1).y[0, -1])

    with pytest.raises(NotDifferentiable, match="pass that value in args"):
        ad.grad(loss)(0.5)


def drift_(t, y):
    return 0.1 * y


def noise_(t, y):
    return 0.2 * y


def test_what_cannot_be_differentiated_is_refused():
    def final(y0, **options):
        options = {"dt": 0.1, "seed": 1, "method": "EulerMaruyama"} | options
        sol = solve_sde(lambda t, y: 0.1 * y, lambda t, y: 0.2 * y, (0, 1), np.array([y0]), **options)
        return np.sum(sol.y[0, -1])

    with pytest.raises(NotDifferentiable, match="second derivatives of solve_sde"):
        ad.grad(ad.grad(final))(1.0)
    with pytest.raises(ValueError, match="ReversibleHeun"):
        ad.grad(lambda y: final(y, adjoint=ReversibleAdjoint()))(1.0)
    with pytest.raises(TypeError, match="adjoint must be 'auto' or an instance"):
        ad.grad(lambda y: final(y, adjoint=BrownianMotion((0, 1))))(1.0)
    with pytest.raises(ValueError, match="fixed steps"):
        ad.grad(lambda y: final(y, dt=None, rtol=1e-3, method="SRIW1", adjoint=BacksolveAdjoint()))(1.0)
    for name, call in {
        "t_span": lambda t: np.sum(solve_sde(drift_, noise_, (0, t), [1.0], dt=0.1).y),
        "t_eval": lambda t: final(1.0, t_eval=[t]),
        "dt": lambda t: final(1.0, dt=t),
        "rtol": lambda t: final(1.0, dt=None, rtol=t, method="SRIW1"),
    }.items():
        with pytest.raises(NotDifferentiable, match=f"{name} of a stochastic equation"):
            ad.grad(call)(0.5)
        with pytest.raises(NotDifferentiable, match=f"{name} of a stochastic equation"):
            ad.jvp(call, (0.5,), (1.0,))
    for twice in (
        lambda y: ad.jvp(ad.grad(final), (y,), (1.0,)),
        lambda y: ad.grad(lambda y: ad.jvp(final, (y,), (1.0,))[1])(y),
        lambda y: ad.jvp(lambda y: ad.jvp(final, (y,), (1.0,))[1], (y,), (1.0,)),
    ):
        with pytest.raises(NotDifferentiable, match="second derivatives of solve_sde"):
            twice(1.0)
    with pytest.raises(TypeError, match="t_span"):
        ad.grad(lambda t: np.sum(solve_sde(lambda t, y: y, lambda t, y: y, (0, t), [1.0], dt=0.1).y))(1.0)
    with pytest.raises(SolverError, match="not finite"):
        ad.grad(
            lambda y: np.sum(
                solve_sde(
                    lambda t, y: y**3, lambda t, y: y, (0, 1), np.array([y]), dt=0.1, seed=1, method="SRIW1"
                ).y
            )
        )(50.0)


def test_adaptive_steps_are_the_output_times_in_both_modes():
    def final(k):
        sol = solve_sde(
            lambda t, y, k: -k * y, lambda t, y, k: 0.1 * y, (0, 1), [1.0], args=(k,), rtol=1e-2, seed=1
        )
        assert len(sol.t) == np.shape(sol.y)[-1] > 2 and sol.accepted == len(sol.t) - 1
        return np.sum(sol.y[0, -1])

    assert not abs(ad.grad(final)(0.5) / ad.jvp(final, (0.5,), (1.0,))[1] - 1) > 1e-12
