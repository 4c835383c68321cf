"""The benchmarks run, and what they compare with is right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sciad as ad
from benchmarks import naive, timing, warm_path
from tests.problems.ode_models import MODELS

ROOT = Path(__file__).parents[2]


def test_naive_solver_solves():
    model = MODELS["driven_decay"]
    times = np.linspace(*model.t_span, 11)
    outputs = naive.solve(model.fun, model.t_span, model.y0, times, model.args, 1e-9, 1e-9)
    expected = [model.exact(t, model.y0, *model.args) for t in times]
    assert not np.any(~(np.abs(outputs - expected) <= 1e-7))


def test_interleave_samples_every_case_and_table_sorts_by_time():
    called = {"short": 0, "long": 0}

    def case(name, size):
        def call():
            called[name] += 1
            return np.sin(np.ones(size))

        return call

    timings = timing.interleave(
        {"long": case("long", 300_000), "short": case("short", 1)}, rounds=5, sample_seconds=1e-4
    )
    assert all(timings[name].samples == 5 and called[name] > 5 for name in called)
    assert all(t.lower <= t.median <= t.upper for t in timings.values())
    lines = timing.table(timings, "long").splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["short", "long"]
    assert lines[2].split()[-2:] == ["1", "x"]


@pytest.mark.long
def test_lotka_volterra_benchmark_runs(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "lotka_volterra.py"]
    options = ["--rounds", "1", "--starts", "1", "--output", tmp_path]
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    content = json.loads((tmp_path / "lotka_volterra.json").read_text())
    assert {"sciad DiscreteAdjoint", "sciad InterpolatingAdjoint", "sciad naive, own tape"} <= set(
        content["timings"]["gradient"]
    )
    assert (tmp_path / "lotka_volterra.png").stat().st_size > 10_000


def test_gradient_problems_agree_with_differences():
    """The reference gradients that all methods are compared with, along a random direction."""
    from benchmarks import gradients
    from benchmarks.gradient_problems import problems

    for problem in problems():
        if problem.name == "POLLU":
            continue  # its gradient nearly cancels; tests of the adjoints look at it
        exact = gradients.reference(problem)
        direction = np.random.default_rng(0).normal(size=exact.size) * np.where(
            problem.p == 0, 0.1, problem.p
        )
        h, ends = 1e-4, []
        for sign in (1, -1):
            p = problem.p + sign * h * direction
            tight = {"rtol": 1e-11, "atol": 1e-14, "args": (p,)}
            call = (problem.fun, problem.span, problem.y0, problem.method, problem.times)
            y = np.moveaxis(gradients.solve_ivp(*call, **tight).y, -1, 0)
            ends.append(problem.loss(y, problem.target))
        slope = (ends[0] - ends[1]) / (2 * h)
        assert abs(slope - exact @ direction) < 1e-4 * np.abs(exact * direction).max(), problem.name


def test_errors_are_measured_in_units_of_the_parameters():
    from benchmarks import gradients

    exact, p = np.array([1.0, 1e-3, 0.0]), np.array([1.0, 1e4, 0.0])
    found = gradients.errors_of(np.array([1.0, 1.1e-3, 1e-9]), exact, p)
    assert np.isclose(found["worst"], 0.1) and np.isclose(found["scaled"], 0.1)


@pytest.mark.long
def test_gradient_benchmark_runs(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "gradients.py", "--quick", "--rounds", "1"]
    run = subprocess.run(
        [*command, "--problems", "LV", "--output", tmp_path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    content = json.loads((tmp_path / "gradients.json").read_text())
    found = content["problems"]["LV"]
    assert found["errors"]["sciad DiscreteAdjoint"]["scaled"] < 1e-4 and not any(
        name.startswith("sciad") for name in found["failures"]
    )
    assert all(row["same"] for row in content["memory"])
    assert (tmp_path / "gradients_scaling.png").stat().st_size > 10_000


def test_the_warm_path_stays_short():
    """Of 155 calls with 81 changes of file once; what is added to it must be worth it."""
    gradient = ad.value_and_grad(warm_path.loss)
    for _ in range(3):
        gradient(warm_path.p0)
    calls = warm_path.trace(lambda: gradient(warm_path.p0))
    assert {call[2] for call in calls} >= {"solve_ivp", "integrate", "backward"}
    assert len(calls) <= 65 and warm_path.changes_of_file(calls) <= 39
