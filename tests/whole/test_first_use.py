"""What people do in their first hour: names from elsewhere, swapped arguments, data with gaps."""

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints
from sciad.solvers import SolverError, solve_ivp, solve_sde, steady_state

Y0 = np.array([1.0, 0.0])
TIMES = np.array([0.0, 0.5, 1.0, 2.0])


def chain(t, y, k):
    return np.array([-k * y[0], k * y[0] - 0.5 * y[1]])


def first(k):
    return solve_ivp(chain, (0, 2), Y0, "Tsit5", TIMES, args=(k,), rtol=1e-8, atol=1e-8).y[0]


@pytest.mark.parametrize(
    "asked, meant",
    {
        "BDF": "Rodas5P", "Radau": "Rodas5P", "ode15s": "Rodas5P", "LSODA": "auto", "ode45": "RK45",
        "RK54": "RK45", "TSIT5": "Tsit5", "Tsit5()": "Tsit5", "rk4": "RK4", "TRBDF2": "KenCarp4",
        "EulerMaruyama": "solve_sde", "Rodas": "Rodas5P",
    }.items(),
)  # fmt: skip
def test_methods_of_other_libraries_are_known_by_name(asked, meant):
    with pytest.raises(ValueError) as caught:
        solve_ivp(chain, (0, 1), Y0, asked, args=(1.0,))
    assert meant in str(caught.value).split("Methods: ")[0]


@pytest.mark.parametrize(
    "adjoint, advice",
    [
        ("discrete", r"Did you mean adjoints.DiscreteAdjoint\(\)"),
        ("forward", r"Did you mean adjoints.ForwardSensitivity\(\)"),
        ("none", "There are: DiscreteAdjoint"),
        (adjoints.GaussAdjoint, r"is the class. Write adjoints.GaussAdjoint\(\)"),
        (adjoints.ReversibleAdjoint(), "is one for solve_sde"),
        (adjoints.SteadyStateAdjoint(), "is one for steady_state"),
    ],
)
def test_adjoints_are_refused_before_the_solve(adjoint, advice):
    with pytest.raises(TypeError, match=advice):
        solve_ivp(chain, (0, 1), Y0, "Tsit5", args=(1.0,), adjoint=adjoint)


def test_adjoints_of_steady_states_and_methods_of_stochastic_equations_too():
    with pytest.raises(TypeError, match="is one for solve_ivp and solve_sde"):
        steady_state(chain, Y0, (1.0,), adjoint=adjoints.DiscreteAdjoint())
    with pytest.raises(ValueError, match="Did you mean 'EulerMaruyama'"):
        solve_sde(lambda t, y: -y, lambda t, y: y, (0, 1), Y0, dt=0.1, method="euler_maruyama")


def test_arguments_in_another_order():
    with pytest.warns(UserWarning, match="look swapped"):
        solve_ivp(chain, Y0, (0, 1), "Tsit5", args=(1.0,))
    with pytest.raises(ValueError, match="Are t_span and y0 swapped"):
        solve_ivp(chain, Y0, TIMES, "Tsit5", args=(1.0,))
    with pytest.raises(TypeError, match="the model comes first"):
        solve_ivp((0, 1), Y0, chain, "Tsit5")
    with pytest.raises(TypeError) as caught:
        solve_ivp(lambda y, t: np.array([y[0], y[1]]), (0, 1), Y0, "Tsit5")
    assert "fun(t, y, *args)" in caught.value.__notes__[0]


@pytest.mark.parametrize("transform", [ad.grad, ad.value_and_grad, ad.jacobian, ad.hessian])
def test_the_place_is_not_a_number_of_an_argument(transform):
    for place in (2.0, "k", np.ones(2)):
        with pytest.raises(TypeError, match=r"grad\(f\)\(x\)"):
            transform(first, place)
    with pytest.raises(TypeError, match="only functions"):
        transform(1.0)


def test_jacobians_of_numbers_are_numbers():
    square = lambda p: p["a"] ** 2 * p["b"]  # noqa: E731
    for transform in (ad.jacobian, lambda f: ad.jacobian(f, mode="reverse"), ad.hessian):
        found = transform(square)({"a": 3.0, "b": 2.0})
        leaves = found["a"].values() if isinstance(found["a"], dict) else found.values()
        assert all(type(leaf) is np.float64 for leaf in leaves)


def test_components_have_names_in_pictures():
    axes = pytest.importorskip("matplotlib.figure").Figure().subplots()
    sol = solve_ivp(chain, (0, 1), Y0, "Tsit5", args=(1.0,))
    assert [line.get_label() for line in sol.plot(axes, labels=["gut", "blood"]).lines] == ["gut", "blood"]
    with pytest.raises(ValueError, match="1 labels are given for 2"):
        sol.plot(axes, labels=["gut"])


@pytest.mark.parametrize("interpreted", [False, True])
@pytest.mark.parametrize(
    "model", [lambda t, y: y.T, lambda t, y: [y[:, 0], y[:, 1], y[:, 2]]], ids=["transposed", "columns"]
)
def test_results_in_another_order_than_the_state_are_refused(model, interpreted):
    """They have the right size, and would go to the wrong components."""
    model.interpreted = interpreted
    with pytest.raises(ValueError, match=r"shape \(3, 2\), but y0 has shape \(2, 3\)"):
        solve_ivp(model, (0, 1), np.ones((2, 3)), "Tsit5")


def test_a_model_that_is_called_in_python_warns_where_it_is_used():
    namespace = {}
    exec("def model(t, y):\n    return -y", namespace)
    with pytest.warns(UserWarning, match="called in Python") as caught:
        solve_ivp(namespace["model"], (0, 1), Y0, "Tsit5")
    assert caught[0].filename == __file__


def test_data_with_gaps():
    data = np.array([1.0, 0.5, np.nan, 0.2])
    seen = ~np.isnan(data)
    slope = ad.grad(lambda k: np.sum((first(k) - data)[seen] ** 2))(1.0)
    for loss in (
        lambda k: np.nansum((first(k) - data) ** 2),
        lambda k: np.sum(np.where(seen, (first(k) - data) ** 2, 0.0)),
    ):
        assert abs(ad.grad(loss)(1.0) - slope) < 1e-14
    with pytest.raises(SolverError, match=r"component 0 of y at t = 1 is not finite but nan. If the data"):
        ad.grad(lambda k: np.sum((first(k) - data) ** 2))(1.0)


def test_data_of_pandas():
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame({"time": TIMES, "level": [1.0, 0.6, 0.4, 0.1]})
    slope = ad.grad(lambda k: np.sum((first(k) - data["level"].to_numpy()) ** 2))(1.0)
    for loss in (
        lambda k: np.sum((data["level"] - first(k)) ** 2),
        lambda k: ((data["level"] - first(k)) ** 2).sum(),
        lambda k: np.sum((first(k) - data["level"]) ** 2),
    ):
        assert abs(ad.grad(loss)(1.0) - slope) < 1e-14
    scaled = lambda k: (k * data["level"]).sum() + np.sum(data["level"] * k)  # noqa: E731
    assert abs(ad.grad(scaled)(1.0) - 2 * data["level"].sum()) < 1e-14
    with pytest.raises(ad.NotDifferentiable, match="to_numpy"):
        ad.grad(lambda k: pandas.Series(first(k), dtype=float).sum())(1.0)


def test_jumps_that_a_gradient_does_not_see_are_found_by_check():
    def infusion(t, y, rate, end):
        return np.array([(rate if t < end else 0.0) - y[0]])

    def level(rate, end, kinks=False):
        options = {"args": (rate, end), "rtol": 1e-6, "kinks": kinks}
        return solve_ivp(infusion, (0, 4), np.zeros(1), "Tsit5", [4.0], **options).y[0, 0]

    def rate_alone(rate):
        return level(rate, 2.0)

    assert "make them events" in repr(adjoints.check(level, 10.0, 2.0))
    assert "differences" not in repr(adjoints.check(rate_alone, 10.0))
    located = lambda rate, end: level(rate, end, kinks=True)  # noqa: E731
    assert "differences" not in repr(adjoints.check(located, 10.0, 2.0))
    slopes = ad.grad(located, argnums=(0, 1))(10.0, 2.0)  # level = rate (exp(end) - 1) / exp(4)
    assert slopes == pytest.approx([(np.exp(2.0) - 1.0) / np.exp(4.0), 10.0 * np.exp(-2.0)], rel=1e-5)
