"""The examples of fits and of neural equations reach what they promise; the longest at a small size."""

import numpy as np
import pytest

import sciad as ad
from examples import (
    bouncing_ball,
    epidemic_fit,
    heat_inverse,
    optimal_control,
    pharmacokinetics,
    universal_ode,
)
from sciad.solvers import solve_ivp


def test_epidemic_fit(tmp_path, capsys):
    epidemic_fit.main(tmp_path / "picture.png")
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if "+-" in line}
    # fits of these counts by others: beta 1.7 to 2, gamma 0.45 to 0.55
    assert 1.6 < float(lines["beta"][1]) < 2.1 and 0.45 < float(lines["gamma"][1]) < 0.58
    for row in lines.values():
        assert float(row[6]) < float(row[1]) < float(row[8])
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_the_maximum_of_the_epidemic_is_one():
    days, counts = epidemic_fit.read_counts()
    assert len(days) == 14 and counts.sum() == 1559
    fit = epidemic_fit.opt.minimize(
        epidemic_fit.negative_log_likelihood,
        epidemic_fit.GUESS,
        args=(days, counts),
        transforms="positive",
        tol=1e-10,
    )
    slope = ad.grad(epidemic_fit.negative_log_likelihood)(fit.params, days, counts)
    assert all(abs(slope[k] * fit.params[k]) < 1e-2 for k in slope)


def test_bouncing_ball(tmp_path, capsys):
    bouncing_ball.main(tmp_path / "picture.png")
    for line in capsys.readouterr().out.splitlines()[:5]:
        value, error = line.split()[1], line.split()[3]
        true = float(line.split("true:")[1].strip(" )"))
        assert abs(float(value) - true) < 4 * float(error)


def test_optimal_control():
    fit = optimal_control.search(120)
    end = optimal_control.path(fit.params, optimal_control.KNOTS[-1:])[:, 0]
    assert abs(abs(end[0]) / np.pi - 1) < 0.03 and abs(end[1]) < 0.1
    assert np.abs(fit.params).max() <= optimal_control.LARGEST and len(optimal_control.draw(fit).axes) == 3


def test_heat_inverse_at_a_small_size(tmp_path, capsys):
    heat_inverse.main(tmp_path / "picture.png", cells=24, steps=60)
    last = capsys.readouterr().out.splitlines()[1]
    assert float(last.split()[1]) < 1.3 and float(last.split("logarithms ")[1].split()[0]) < 0.25
    rng = np.random.default_rng(0)
    loss = lambda k: np.sum(heat_inverse.temperatures(k, 12)[::3] ** 2)  # noqa: E731
    ad.check_grads(loss, (0.1 * rng.normal(size=11),), order=1, rtol=1e-3)


def data_of_hares():
    clean = solve_ivp(
        universal_ode.truth, (0, 6), np.array([0.9, 1.4]), t_eval=universal_ode.TIMES, **universal_ode.OPTIONS
    ).y
    return clean, clean + universal_ode.NOISE * np.random.default_rng(0).normal(size=clean.shape)


def test_universal_ode_at_a_small_size():
    clean, data = data_of_hares()
    p, fit = universal_ode.train(data, 15)
    assert fit.loss < 0.2 * fit.history.losses[0]
    terms, names, found = universal_ode.name_terms(p, clean)
    assert len(names) == 6 and len(universal_ode.draw(data, clean, p, terms @ found).axes) == 2


@pytest.mark.long
def test_universal_ode_finds_the_missing_terms():
    clean, data = data_of_hares()
    _, names, found = universal_ode.name_terms(universal_ode.train(data, 400)[0], clean)
    assert (
        [names[k] for k in np.flatnonzero(found[:, 0])]
        == [names[k] for k in np.flatnonzero(found[:, 1])]
        == ["x z"]
    )
    np.testing.assert_allclose(found[4], [-0.9, 0.8], rtol=0.02)


def test_pharmacokinetics_gradient():
    subjects = pharmacokinetics.read()
    assert len(subjects) == 12 and sum(len(s[1]) for s in subjects) == 132
    few, p = subjects[:2], pharmacokinetics.GUESS
    slope = ad.grad(pharmacokinetics.objective)(p, few)
    for name in ("ka", "sd_v"):
        up, down = (pharmacokinetics.objective({**p, name: p[name] + h}, few) for h in (1e-4, -1e-4))
        assert slope[name] == pytest.approx((up - down) / 2e-4, rel=1e-4)
    assert len(pharmacokinetics.draw(p, few).axes) == 12


@pytest.mark.long
def test_pharmacokinetics_reaches_the_published_estimates():
    """The vignette of nlmixr, FOCEi: 0.464, 1.01, 3.46; objective 116.8; residual error 0.695."""
    fit = pharmacokinetics.opt.minimize(
        pharmacokinetics.objective,
        pharmacokinetics.GUESS,
        args=(pharmacokinetics.read(),),
        transforms=pharmacokinetics.POSITIVE,
        tol=1e-8,
    )
    assert fit.params["ka"] == pytest.approx(0.464, abs=0.01)
    assert fit.params["cl"] == pytest.approx(1.01, abs=0.01)
    assert fit.params["v"] == pytest.approx(3.46, abs=0.01)
    assert fit.params["noise"] == pytest.approx(0.695, abs=0.01)
    assert 2 * fit.loss == pytest.approx(116.8, abs=0.1)
