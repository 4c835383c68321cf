"""The dense output of a step: kernels, NumPy and their transposes say the same."""

import numpy as np
import pytest

from sciad.native.kernels import interpret
from sciad.solvers.methods.names import NAMES, method_named
from sciad.solvers.stepping import dense_output

EVERY = sorted({method_named(name).name for name in NAMES if name != "auto"})
THETA = (0.0, 0.3, 0.85, 1.0)
FIRST, START, END = 40, 50, 51  # rows of z


@pytest.fixture(params=EVERY)
def step(request):
    """A method, its constants, and one random step: its size, state and stages."""
    method = method_named(request.param)
    rng = np.random.default_rng(0)
    constants = {
        "DENSE": method.dense,
        "DENSE_ROWS": len(method.dense),
        "SCALED": method.scaled,
        "B": method.b,
    }
    return method, constants, 0.3, rng.normal(size=2), rng.normal(size=(method.rows, 2))


def polynomial(method, h, y, stages):
    sizes, stages = np.array([h]), stages[None]
    y1 = y + dense_output.change_of(method, sizes, stages)[0]
    return y, y1, [d[0] for d in dense_output.vectors_of(method, sizes, stages)]


def rows_of(method, constants, h, y, stages):
    z = np.zeros((52, 2))
    z[: method.rows] = stages
    z[START], z[END] = y, polynomial(method, h, y, stages)[1]
    for k in range(2):
        interpret(dense_output.prepare_vectors, constants)(z, FIRST, h, k)
    return z


@pytest.mark.parametrize("theta", THETA)
def test_kernels_agree_with_numpy(step, theta):
    method, constants, h, y, stages = step
    expected = dense_output.value(theta, *polynomial(method, h, y, stages))
    z, saved = rows_of(*step), np.concatenate([[0.0, h], y, stages.ravel()])
    by_rows = interpret(dense_output.value_at, constants)
    by_record = interpret(dense_output.saved_value, constants)
    assert np.allclose(
        [by_rows(z, FIRST, START, END, theta, k) for k in range(2)], expected, rtol=1e-10, atol=1e-11
    )
    assert np.allclose([by_record(2, saved, theta, k) for k in range(2)], expected, rtol=1e-10, atol=1e-11)
    slope = interpret(dense_output.saved_slope, constants)
    values = dense_output.derivative(theta, h, *polynomial(method, h, y, stages), 1)
    assert np.allclose([slope(2, saved, theta, k) for k in range(2)], values, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_agree_with_differences(step, order):
    method, _, h, y, stages = step
    parts, theta, gap = polynomial(method, h, y, stages), 0.4, 1e-4
    low, middle, high = (dense_output.value(theta + shift, *parts) for shift in (-gap, 0.0, gap))
    differences = (high - low) / (2 * gap * h) if order == 1 else (high - 2 * middle + low) / (gap * h) ** 2
    assert np.allclose(dense_output.derivative(theta, h, *parts, order), differences, rtol=1e-4, atol=1e-4)


def test_transposes_are_transposes(step):
    """<bar, J dot> is the same whether the tangent goes forwards or the cotangent back."""
    method, constants, h, _, stages = step
    theta, bar = 0.7, 1.3
    pull_value, pull_vectors = (
        interpret(kernel, constants) for kernel in (dense_output.pull_value, dense_output.pull_vectors)
    )
    g = np.zeros((52, 2))
    pull_value(g, FIRST, START, END, theta, bar, 0)
    pull_vectors(g, FIRST, h, 0)
    z = rows_of(*step)
    forward = bar * interpret(dense_output.value_at, constants)(z, FIRST, START, END, theta, 0)
    back = g[: method.rows, 0] @ stages[:, 0] + g[START, 0] * z[START, 0] + g[END, 0] * z[END, 0]
    assert np.isclose(forward, back, rtol=1e-10)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_times_are_found_in_their_steps(sign):
    edges, h = sign * np.array([0.0, 1.0, 3.0, 3.5]), sign * np.array([1.0, 2.0, 0.5])
    times = sign * np.array([-0.5, 0.0, 0.5, 1.0, 1.5, 3.0, 3.25, 3.5, 4.0])
    step, theta = dense_output.locate(edges, h, times)
    assert step.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2]
    assert theta.tolist() == [-0.5, 0.0, 0.5, 1.0, 0.25, 1.0, 0.5, 1.0, 2.0]
