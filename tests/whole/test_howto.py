"""The programs of docs/howto.md run as written and tell the truth."""

import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "howto.md").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    script = tmp_path_factory.mktemp("howto") / "howto.py"
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    script.write_text("\n".join(blocks))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a model that cannot be compiled would warn
        return runpy.run_path(str(script))


def test_fit_and_its_errors(page):
    fit, true = page["fit"], page["true"]
    for name, x in zip(page["NAMES"], fit.x, strict=True):
        assert abs(x - np.log(true[name])) < 4 * page["relative_error"][name], name
    numeric = [(page["residuals"](fit.x + h) - page["residuals"](fit.x - h)) / 2e-5 for h in 1e-5 * np.eye(5)]
    assert np.abs(fit.jac.T - numeric).max() < 1e-4 * np.abs(fit.jac).max()


def test_interval_from_second_derivatives(page):
    assert page["interval"].shape == (2,) and np.all(page["interval"] > 0)
    k, y0 = 0.3, 5.6
    times, error = np.array([1.0, 2.0, 4.0, 8.0]), 0.05
    jacobian = np.stack([-times, np.full(4, 1 / y0)]) / error  # of log(y0) - k t
    residuals = (np.log(y0) - k * times - np.log(page["LEVELS"])) / error
    hessian = jacobian @ jacobian.T + np.diag([0.0, -np.sum(residuals) / error / y0**2])
    assert np.allclose(page["observed"](np.array([k, y0])), hessian, rtol=1e-4)


def test_spline_in_a_model(page):
    assert abs(np.log(page["grown"]) - 0.01 * page["spline"].integrate(0, 10)) < 1e-6


def test_switch_as_an_event(page):
    p = {"contact": 0.8, "recovery": 0.2, "threshold": 0.1, "effect": 0.6}
    for name, value in p.items():
        h = 1e-4 * value
        slope = (page["burden"](p | {name: value + h}) - page["burden"](p | {name: value - h})) / (2 * h)
        assert abs(page["slopes"][name] - slope) < 1e-4 * max(abs(slope), 1), name
