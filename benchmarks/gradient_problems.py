"""The problems of the gradient benchmark: what is solved, and of what the gradient is wanted.

All have one parameter vector p and are written once, in functions of NumPy that other libraries can be made
to run (see `retarget`). The loss is sum(y**2) over all outputs, or mean |y - target| for SPIRAL.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType

import numpy as np

from tests.problems.ode_models import MODELS, lotka_volterra, pollu, robertson

HIDDEN = 50


@dataclass(frozen=True, eq=False)
class Problem:
    """`fun(t, y, p)` from y0 at times[0], outputs at `times`; `method` is the one of this library."""

    name: str
    fun: Callable
    y0: np.ndarray
    p: np.ndarray
    times: np.ndarray
    rtol: float
    atol: float
    method: str
    target: np.ndarray | None = None  # (number of times, *shape of y0)

    @property
    def stiff(self) -> bool:
        return self.method == "Rodas5P"

    @property
    def span(self) -> tuple[float, float]:
        return float(self.times[0]), float(self.times[-1])

    def loss(self, y, target=None):
        """Of outputs in any library and any order of axes, with `target` in the same order."""
        return (y**2).sum() if self.target is None else abs(y - target).mean()


def network(t, y, p):
    """tanh(y^3 W + b) V + c with all weights in one vector."""
    n = 2 * HIDDEN
    inner = np.reshape(p[:n], (2, HIDDEN))
    outer = np.reshape(p[n + HIDDEN : 2 * n + HIDDEN], (HIDDEN, 2))
    return np.tanh(y**3 @ inner + p[n : n + HIDDEN]) @ outer + p[2 * n + HIDDEN :]


def _spiral() -> Problem:
    """torchdiffeq's demo: weights as it draws them, targets those of the true motion."""
    from scipy.integrate import solve_ivp

    rng = np.random.default_rng(0)
    weights = [0.1 * rng.normal(size=k) for k in (2 * HIDDEN, HIDDEN, 2 * HIDDEN, 2)]
    weights[1][:] = weights[3][:] = 0.0
    starts = rng.uniform(-2, 2, size=(20, 2))
    times = np.linspace(0, 25.0, 1000)[:10]
    matrix = np.array([[-0.1, 2.0], [-2.0, -0.1]])

    def true(t, y):
        return (y.reshape(20, 2) ** 3 @ matrix).ravel()

    y = solve_ivp(true, (0, times[-1]), starts.ravel(), "DOP853", times, rtol=1e-9, atol=1e-9).y
    target = np.ascontiguousarray(y.T.reshape(10, 20, 2))
    return Problem("SPIRAL", network, starts, np.concatenate(weights), times, 1e-7, 1e-9, "Dopri5", target)


def problems() -> list[Problem]:
    decades = np.concatenate([[0.0], np.logspace(-5, 5, 30)])
    rates = MODELS["pollu"]
    lv = Problem(
        "LV", lotka_volterra, np.ones(2), np.array([1.5, 1.0, 3.0, 1.0]), np.linspace(0, 10, 101),
        1e-6, 1e-6, "Tsit5",
    )  # fmt: skip
    rob = Problem(
        "ROB", robertson, np.array([1.0, 0, 0]), np.array([0.04, 3e7, 1e4]), decades, 1e-6, 1e-9, "Rodas5P"
    )
    air = Problem("POLLU", pollu, rates.y0, rates.args[0], np.linspace(0, 60, 61), 1e-6, 1e-9, "Rodas5P")
    return [lv, rob, air, _spiral()]


def retarget(fun: Callable, module) -> Callable:
    """The same function with another library in the place of NumPy."""
    return FunctionType(fun.__code__, {**fun.__globals__, "np": module}, fun.__name__, fun.__defaults__)
