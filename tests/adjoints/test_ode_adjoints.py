"""The adjoints against each other, against differences of fixed steps, and where they must refuse."""

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import BacksolveAdjoint, DiscreteAdjoint
from sciad.solvers import SolverError, solve_ivp
from sciad.solvers.methods.names import NAMES, method_named
from tests.problems.adjoint_list import CONTINUOUS, OTHERS, adjoint_name
from tests.problems.comparisons import close, differences
from tests.problems.solve_losses import ORDERS, ROB_K, TIMES, Y0, P, loss, outputs, pendulum, robertson_loss

METHODS = {method.name: method for method in map(method_named, NAMES) if not isinstance(method, str)}
# Every method's kernels take seconds to compile on a fresh machine: one of each kind here, all in the
# long run.
QUICK = {"RK4", "BS3", "Tsit5", "DOP853", "Rosenbrock23", "Rodas5P"}


def named(choose):
    """The methods for which `choose(method)`, as parameters of a test."""
    names = [name for name, method in METHODS.items() if choose(method)]
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in names]


def explicit(method):
    return method.family == "explicit"


def rosenbrock(method):
    return method.family == "rosenbrock"


@pytest.mark.parametrize("name", named(explicit))
def test_reverse_is_the_transpose_of_forward(name):
    """<g, J v> = <J' g, v> to rounding, in all inputs, times included."""
    rng = np.random.default_rng(7)
    keywords = {"method": name}
    if not METHODS[name].adaptive:
        keywords["first_step"] = 0.05

    def f(y0, p, times, t0):
        return outputs(y0, p, times, (t0, 2.0), **keywords)

    primals = (Y0, P, TIMES[1:], 0.0)
    v = (rng.normal(size=2), {"g": 0.3, "drag": rng.normal(size=2)}, rng.normal(size=5), -0.7)
    y, dy = ad.jvp(f, primals, v)
    g = rng.normal(size=y.shape)
    _, pull = ad.vjp(f, *primals)
    bars = pull(g)
    left = np.sum(g * dy)
    leaves = zip(ad.tree.tree_leaves(bars), ad.tree.tree_leaves(v), strict=True)
    right = sum(np.sum(np.asarray(a) * np.asarray(b)) for a, b in leaves)
    assert not abs(left - right) > 1e-10 * (1 + abs(left))


@pytest.mark.parametrize("name", named(lambda m: explicit(m) and not m.adaptive))
def test_discrete_adjoint_is_the_derivative_of_the_steps(name):
    """With a fixed step the computed solution can be differenced: dense output and end of span included."""

    def f(x):
        return loss(x[:2], {"g": x[2], "drag": x[3:]}, method=name, first_step=0.1)

    x = np.array([*Y0, 2.0, *P["drag"]])
    close(ad.grad(f)(x), differences(f, x, 1e-3), 1e-8)


@pytest.mark.parametrize("name", named(lambda m: explicit(m) and m.adaptive))
def test_discrete_adjoint_of_adaptive_steps(name):
    """The computed solution converges, and its gradient with it."""
    keywords = {"method": name, "rtol": 1e-9, "atol": 1e-11}
    found = ad.grad(loss, argnums=(0, 1))(Y0, P, **keywords)
    exact = ad.grad(loss, argnums=(0, 1))(Y0, P, method="DOP853", rtol=1e-13, atol=1e-14)
    close(found, exact, 1e-6)


@pytest.mark.parametrize("adjoint", OTHERS, ids=adjoint_name)
def test_every_adjoint_gives_the_gradient(adjoint):
    keywords = {"rtol": 1e-10, "atol": 1e-12}
    found = ad.grad(loss, argnums=(0, 1))(Y0, P, adjoint=adjoint, **keywords)
    expected = ad.grad(loss, argnums=(0, 1))(Y0, P, adjoint=DiscreteAdjoint(), **keywords)
    close(found, expected, 1e-8)


@pytest.mark.parametrize("adjoint", [DiscreteAdjoint(), *CONTINUOUS], ids=adjoint_name)
def test_times(adjoint):
    """d y(t)/dt is the right-hand side; moving t0 moves the state along it the other way."""

    def f(times, t0):
        y = outputs(Y0, P, times, (t0, 2.0), adjoint=adjoint, rtol=1e-10, atol=1e-12)
        return np.sum(y[0] * np.array([1.0, 2.0, -1.0]))

    times = np.array([0.4, 1.3, 2.0])
    found = ad.grad(f, argnums=(0, 1))(times, 0.0)
    h = 1e-4
    expected = (
        np.array([(f(times + h * e, 0.0) - f(times - h * e, 0.0)) / (2 * h) for e in np.eye(3)[:2]]),
        (f(times, h) - f(times, -h)) / (2 * h),
    )
    end = outputs(Y0, P, times, rtol=1e-10, atol=1e-12)[:, 2]
    assert not abs(found[0][2] + end[1]) > 1e-6  # at t1 there is no room for differences
    close((found[0][:2], found[1]), expected, 1e-6)


def test_results_do_not_depend_on_how_outputs_are_asked_for():
    """The end state from t_eval, from the steps taken, from dense output, from one of many: one gradient."""
    keywords = {"method": "Tsit5", "rtol": 1e-7, "atol": 1e-9, "args": (P,)}

    def end(how):
        def f(y0):
            if how == "t_eval":
                return solve_ivp(pendulum, (0, 2.0), y0, t_eval=[2.0], **keywords).y[:, -1]
            if how == "many":
                return solve_ivp(pendulum, (0, 2.0), y0, t_eval=np.linspace(0, 2, 77), **keywords).y[:, -1]
            if how == "steps":
                return solve_ivp(pendulum, (0, 2.0), y0, **keywords).y[:, -1]
            return solve_ivp(pendulum, (0, 2.0), y0, dense_output=True, **keywords).sol(2.0)

        return ad.grad(lambda y0: np.sum(f(y0) * np.array([1.0, -2.0])))(Y0)

    first = end("t_eval")
    for how in ("many", "steps", "dense"):
        close(end(how), first, 1e-12)


def test_backward_in_time():
    def f(y0):
        return np.sum(outputs(y0, P, TIMES[::-1], (2.0, 0.0), rtol=1e-9, atol=1e-11) ** 2)

    close(ad.grad(f)(Y0), differences(f, Y0, 1e-3), 1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_second_derivatives(order):
    def f(x):
        return loss(x[:2], {"g": x[2], "drag": x[3:]}, method="RK4", first_step=0.1)

    x = np.array([*Y0, 2.0, *P["drag"]])
    v = np.array([0.3, -1.0, 0.5, 0.2, 0.9])
    h = 1e-4
    gradient = ad.grad(f)
    expected = (
        8 * (gradient(x + h * v) - gradient(x - h * v)) - gradient(x + 2 * h * v) + gradient(x - 2 * h * v)
    ) / (12 * h)
    close(ORDERS[order](f, x, v), expected, 1e-9)


def test_backsolve_refuses_what_cannot_be_integrated_backwards():
    def f(y0):
        model = lambda t, y: -50.0 * (y - np.cos(t))  # noqa: E731
        keywords = {"t_eval": [3.0], "rtol": 1e-6, "adjoint": BacksolveAdjoint()}
        return np.sum(solve_ivp(model, (0, 3.0), y0, "Tsit5", **keywords).y)

    with pytest.raises(SolverError, match="recomputed"):
        ad.grad(f)(np.array([0.5]))


def test_infinite_derivative_raises():
    """sqrt has no derivative at zero: an error, not a number."""

    def f(y0):
        return np.sum(solve_ivp(lambda t, y: np.sqrt(y), (0, 1.0), y0, "Tsit5").y[:, -1])

    with pytest.raises(SolverError, match="not finite"):
        ad.grad(f)(np.array([0.0]))


def test_wrong_adjoint_is_named():
    with pytest.raises(TypeError, match="adjoint must be"):
        ad.grad(lambda y0: np.sum(outputs(y0, P, adjoint="backprop")))(Y0)


@pytest.mark.parametrize("name", named(rosenbrock))
def test_rosenbrock_reverse_is_the_transpose_of_forward(name):
    rng = np.random.default_rng(3)

    def f(y0, p, times, t0):
        return outputs(y0, p, times, (t0, 2.0), method=name, rtol=1e-5, atol=1e-8)

    primals = (Y0, P, TIMES[1:], 0.0)
    v = (rng.normal(size=2), {"g": 0.3, "drag": rng.normal(size=2)}, rng.normal(size=5), -0.7)
    y, dy = ad.jvp(f, primals, v)
    g = rng.normal(size=y.shape)
    bars = ad.vjp(f, *primals)[1](g)
    leaves = zip(ad.tree.tree_leaves(bars), ad.tree.tree_leaves(v), strict=True)
    right = sum(np.sum(np.asarray(a) * np.asarray(b)) for a, b in leaves)
    assert not abs(np.sum(g * dy) - right) > 1e-10 * (1 + abs(right))


@pytest.mark.parametrize("name", named(rosenbrock))
def test_rosenbrock_gradient_converges(name):
    tolerance = 1e-8 if METHODS[name].order > 3 else 1e-6
    found = ad.grad(loss, argnums=(0, 1))(Y0, P, method=name, rtol=tolerance, atol=tolerance * 1e-2)
    exact = ad.grad(loss, argnums=(0, 1))(Y0, P, method="DOP853", rtol=1e-13, atol=1e-14)
    close(found, exact, 1e-4 if METHODS[name].order < 4 else 1e-5)


def test_robertson_gradient_over_eleven_decades():
    """Against differences of far tighter solves, relative in each rate."""
    gradient = ad.grad(robertson_loss)(ROB_K)
    h = 1e-4
    tight = {"rtol": 1e-10, "atol": 1e-13}
    for i in range(3):
        up, down = (robertson_loss(ROB_K * (1 + s * h * np.eye(3)[i]), **tight) for s in (1, -1))
        expected = (up - down) / (2 * h * ROB_K[i])
        assert not abs(gradient[i] / expected - 1) > 5e-5


def test_automatic_choice_of_method_is_differentiable_either_way():
    close(ad.grad(loss)(Y0, P, method="auto"), ad.grad(loss)(Y0, P, rtol=1e-10, atol=1e-12), 1e-4)
    stiff = ad.grad(robertson_loss)(ROB_K, method="auto")
    close(stiff * ROB_K, ad.grad(robertson_loss)(ROB_K) * ROB_K, 1e-3)
