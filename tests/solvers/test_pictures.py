"""Pictures and tables of solutions: what is drawn is the dense solution, with its jumps and events, and
nothing lies under a legend.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sciad.solvers import solve_ivp, solve_sde


@pytest.fixture(autouse=True)
def closed():
    plt.close("all")
    yield
    plt.close("all")


def circle(t, y):
    return np.array([y[1], -y[0]])


def decay(t, y):
    return -y


def low(t, y):
    return y[0] - 0.3


low.apply = lambda t, y: y + 1.0


def noise(t, y):
    return 0.2 * np.ones(2)


def _line(ax, label):
    (line,) = [x for x in ax.get_lines() if x.get_label() == label]
    return line.get_xdata(), line.get_ydata()


def _legend_is_beside(ax):
    ax.figure.canvas.draw()
    box = ax.get_legend().get_window_extent()
    assert box.x0 >= ax.get_window_extent().x1 and box.x1 <= ax.figure.bbox.x1 + 1


@pytest.mark.parametrize("dense_output", [False, True])
@pytest.mark.parametrize("t_eval", [None, [0.0, 5.0, 10.0]])
def test_the_dense_solution_is_drawn(dense_output, t_eval):
    sol = solve_ivp(circle, (0, 10), [1.0, 0.0], "Tsit5", t_eval, dense_output, rtol=1e-8, atol=1e-8)
    ax = sol.plot(labels=["sine", "other"])
    t, y = _line(ax, "sine")
    assert len(t) > 300 and t[0] == 0.0 and t[-1] == 10.0
    np.testing.assert_allclose(y, np.cos(t), atol=1e-6)
    _legend_is_beside(ax)


def test_jumps_and_events():
    sol = solve_ivp(decay, (0, 3), [1.0], "Tsit5", dense_output=True, events=low, rtol=1e-8, atol=1e-8)
    ax = sol.plot()
    t, y = _line(ax, "y[0]")
    when = sol.t_events[0]
    assert len(when) == 2 and np.isnan(y).sum() == 2
    breaks = t[np.isnan(y)]
    np.testing.assert_allclose(breaks, when, atol=1e-9)
    for at in np.flatnonzero(np.isnan(y)):
        assert abs(y[at + 1] - y[at - 1] - 1.0) < 1e-6
    (circles,) = [x for x in ax.get_lines() if x.get_marker() == "o"]
    np.testing.assert_allclose(circles.get_ydata(), 0.3, atol=1e-6)
    assert len([x for x in ax.get_lines() if x.get_linestyle() == ":"]) == 2
    assert ax.get_ylabel() == "y[0]" and ax.get_legend() is None
    plt.close("all")
    assert not [x for x in sol.plot(events=False).get_lines() if x.get_marker() == "o"]


def test_a_phase_portrait():
    ax = solve_ivp(circle, (0, 7), [1.0, 0.0], rtol=1e-8, atol=1e-8).plot(phase=(0, 1), labels=["q", "p"])
    x, y = ax.get_lines()[0].get_data()
    np.testing.assert_allclose(x**2 + y**2, 1.0, atol=1e-5)
    assert ax.get_xlabel() == "q" and ax.get_ylabel() == "p"


def test_logarithmic_axes():
    ax = solve_ivp(decay, (1e-3, 100.0), [1.0], "Tsit5").plot(log="xy")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    t, _ = _line(ax, "y[0]")
    assert np.sum(t < 0.1) > 100
    with pytest.raises(ValueError, match="'x', 'y' or 'xy'"):
        solve_ivp(decay, (0, 1), [1.0]).plot(log="z")


def test_thirty_components_have_thirty_colours():
    ax = solve_ivp(decay, (0, 1), np.arange(1.0, 31.0)).plot()
    lines = [x for x in ax.get_lines() if x.get_label().startswith("y[")]
    colours = {matplotlib.colors.to_hex(x.get_color()) for x in lines}
    assert len(lines) == len(colours) == 30
    _legend_is_beside(ax)


@pytest.mark.filterwarnings("ignore:.*Complex y0")
@pytest.mark.parametrize("dense_output", [False, True])
def test_complex_components_have_two_curves(dense_output):
    sol = solve_ivp(
        lambda t, y: 1j * y, (0, 3), [1.0 + 0j], "Tsit5", None, dense_output, rtol=1e-8, atol=1e-8
    )
    ax = sol.plot()
    for label, wanted in (("Re y[0]", np.cos), ("Im y[0]", np.sin)):
        t, y = _line(ax, label)
        np.testing.assert_allclose(y, wanted(t), atol=1e-6)


def test_components_and_axes_of_ones_own():
    _, ax = plt.subplots()
    sol = solve_ivp(circle, (0, 1), [1.0, 0.0])
    assert sol.plot(ax, components=[1], color="k", linewidth=3) is ax
    (line,) = ax.get_lines()
    assert line.get_label() == "y[1]" and line.get_linewidth() == 3
    with pytest.raises(ValueError, match="1 labels are given for 2 components"):
        sol.plot(ax, labels=["one"])


def test_a_failed_solve_is_drawn_as_far_as_it_came():
    sol = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], "Tsit5")
    assert not sol.success
    t, _ = _line(sol.plot(log="y"), "y[0]")
    assert abs(t[-1] - 1.0) < 1e-3


def _ensemble(**options):
    return solve_sde(circle, noise, (0, 2), np.array([1.0, 0.0]), dt=0.05, seed=1, **options)


def test_fans_of_all_components():
    sol = _ensemble(paths=50)
    ax = sol.plot()
    for k, name in enumerate(("y[0]", "y[1]")):
        np.testing.assert_allclose(_line(ax, name)[1], np.quantile(sol.y[:, k], 0.5, axis=0))
    assert len(ax.collections) == 4
    _legend_is_beside(ax)
    plt.close("all")
    assert _ensemble(paths=50).plot(component=1).get_ylabel() == "y[1]"
    plt.close("all")
    assert len(_ensemble().plot().get_lines()) == 2
    plt.close("all")
    assert len(_ensemble(paths=50, quantiles=(0.1, 0.5, 0.9)).plot().collections) == 2


def test_tables():
    pytest.importorskip("pandas")
    sol = solve_ivp(circle, (0, 1), [1.0, 0.0], t_eval=[0.0, 0.5, 1.0])
    table = sol.to_dataframe(["q", "p"])
    assert (
        list(table.columns) == ["q", "p"] and list(table.index) == [0.0, 0.5, 1.0] and table.index.name == "t"
    )
    np.testing.assert_array_equal(table["p"].to_numpy(), sol.y[1])
    square = solve_ivp(decay, (0, 1), np.ones((2, 2)) * [[1, 2], [3, 4]], t_eval=[0.0, 1.0])
    np.testing.assert_array_equal(square.to_dataframe()["y[1, 0]"].to_numpy(), square.y[1, 0])
    paths = _ensemble(paths=3)
    np.testing.assert_array_equal(paths.to_dataframe()["y[1]"][2].to_numpy(), paths.y[2, 1])
    with pytest.raises(ValueError, match="only statistics"):
        _ensemble(paths=3, quantiles=(0.5,)).to_dataframe()


def test_labelled_arrays():
    pytest.importorskip("xarray")
    sol = solve_ivp(circle, (0, 1), [1.0, 0.0], t_eval=[0.0, 0.5, 1.0])
    array = sol.to_xarray()
    assert array.dims == ("component", "t")
    np.testing.assert_array_equal(array.sel(t=0.5).to_numpy(), sol.y[:, 1])
    assert _ensemble(paths=3).to_xarray().dims == ("path", "component", "t")


def test_notebooks_show_tables():
    for sol in (solve_ivp(circle, (0, 1), [1.0, 0.0]), _ensemble(paths=3)):
        text = sol._repr_html_()
        assert (text.startswith("<table>") and sol.method in text and "seed" in text) or "nfev" in text
