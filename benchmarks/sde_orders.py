"""Orders of convergence of the methods for stochastic equations, measured.

    python benchmarks/sde_orders.py          (a table in Markdown; --paths and --finest for other numbers)

Strong orders: root mean square error at time 1 over paths whose solution is known (geometric Brownian motion,
linear equations whose noise commutes), or taken from the same paths in much finer steps by a method of higher
order (additive noise; noise that does not commute, by Milstein's method with Levy areas).

Weak orders: exact, without paths. For an equation on the circle the expectation after one step is a matrix
on trigonometric polynomials (Gauss-Hermite quadrature over the step's noise), that after K steps its power,
and the truth is the exponential of the generator. No sampling error hides the order.
"""

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import scipy.linalg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sciad.solvers import BrownianMotion, solve_sde  # noqa: E402
from sciad.solvers.sde import step_functions  # noqa: E402
from sciad.solvers.sde.brownian import AREAS, SPACE_TIME  # noqa: E402
from sciad.solvers.sde.stochastic_methods import METHODS  # noqa: E402

STRATONOVICH = ("StratonovichMilstein", "EulerHeun", "Heun", "Midpoint", "ReversibleHeun")
ALL = ("EulerMaruyama", "Milstein", *STRATONOVICH)
ITO_HIGH = ("SRIW1", "SOSRI")
NOISES = {
    "diagonal": (*ALL, *ITO_HIGH, "DRI1"),
    "scalar": (*ALL, *ITO_HIGH, "DRI1"),
    "additive": ("EulerMaruyama", "EulerHeun", "Heun", "Midpoint", "ReversibleHeun", "SRA1", "SRA3"),
    "commutative": (*ALL, "DRI1"),
    "non-commutative": (*ALL, "DRI1"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=2000)
    parser.add_argument(
        "--finest", type=int, default=9, help="the finest step of strong orders is 2**-finest"
    )
    options = parser.parse_args()
    steps = [2.0**-k for k in range(options.finest - 4, options.finest + 1)]
    print("| noise | method | strong | theory | weak | theory |\n|---|---|---|---|---|---|")
    for noise, methods in NOISES.items():
        for method in methods:
            strong, weak = theory(method, noise)
            found = (
                f"{slope(steps, strong_errors(method, noise, steps, options.paths)):.2f}" if strong else "-"
            )
            seen = slope(WEAK_STEPS, weak_errors(method, noise, WEAK_STEPS))
            print(f"| {noise} | {method} | {found} | {strong or '-'} | {seen:.2f} | {weak} |", flush=True)


def theory(method: str, noise: str) -> tuple[float, float]:
    """Strong and weak order of a method for a kind of noise; strong order 0: none."""
    m = METHODS[method]
    strong, weak = m.strong, m.weak
    if noise == "additive":
        strong = max(strong, 1.0)
        weak = 2.0 if method in ADDITIVE_WEAK_2 else weak
    elif noise == "non-commutative":
        strong = min(strong, m.strong_general)
    return strong, weak


ADDITIVE_WEAK_2 = ("Heun", "ReversibleHeun", "SRA1", "SRA3")


def slope(steps, errors) -> float:
    """Order of convergence, by least squares."""
    return float(np.polyfit(np.log(steps[: len(errors)]), np.log(errors), 1)[0])


# -- strong orders -----------------------------------------------------------------------------------------

RATE, NOISE = 0.5, 0.6  # as in the models below, whose derivatives are compiled where they capture nothing
A, B = np.array([0.3, -0.2]), np.array([0.4, 0.5])


@dataclasses.dataclass(frozen=True)
class Equation:
    """``exact(W, calculus)`` is the solution at time 1 given the Brownian motion there; without it,
    `reference` are the methods by calculus that find it in fine steps.
    """

    drift: Callable
    diffusion: Callable
    y0: tuple
    noise: str
    noise_shape: tuple
    exact: Callable | None = None
    reference: dict | None = None


def geometric(W, calculus):
    return np.exp(RATE - (NOISE**2 / 2 if calculus == "ito" else 0) + NOISE * W)


EQUATIONS = {
    "diagonal": Equation(lambda t, y: 0.5 * y, lambda t, y: 0.6 * y, (1.0, 1.0), "diagonal", (2,), geometric),
    "scalar": Equation(
        lambda t, y: 0.5 * y,
        lambda t, y: 0.6 * y,
        (1.0, 1.0),
        "scalar",
        (),
        lambda W, calculus: np.full(2, geometric(W, calculus)),
    ),
    "commutative": Equation(
        lambda t, y: 0.1 * y,
        lambda t, y: np.stack([np.array([0.3, -0.2]) * y, np.array([0.4, 0.5]) * y], axis=1),
        (1.0, 1.0),
        "general",
        (2,),
        lambda W, calculus: np.exp(0.1 + A * W[0] + B * W[1] - (calculus == "ito") * (A**2 + B**2) / 2),
    ),
    "additive": Equation(
        lambda t, y: np.sin(2 * y) - y,
        lambda t, y: np.array([0.8 + 0.2 * np.cos(t)]),
        (0.4,),
        "additive",
        (1,),
        reference={"ito": "SRA3", "stratonovich": "SRA3"},
    ),
    "non-commutative": Equation(
        lambda t, y: -0.2 * y,
        lambda t, y: np.array([[0.7, 0.4 * y[1]], [0.6 * np.sin(y[0]), 0.5 * np.cos(y[0])]]),
        (0.5, 0.3),
        "general",
        (2,),
        reference={"ito": "Milstein", "stratonovich": "StratonovichMilstein"},
    ),
}
FINER = 8  # how many times finer the steps of a reference are


def strong_errors(method: str, noise: str, steps, paths: int) -> list[float]:
    """Root mean square errors at time 1 for steps of these sizes on the same paths."""
    e = EQUATIONS[noise]
    calculus = METHODS[method].calculus
    exact, W = _truth(noise, calculus, min(steps), paths)
    return [np.sqrt(np.mean((_at_one(e, method, calculus, W, dt, paths) - exact) ** 2)) for dt in steps]


@cache
def _truth(noise, calculus, finest, paths):
    e = EQUATIONS[noise]
    if e.exact is not None:
        W = BrownianMotion((0, 1), e.noise_shape, seed=11, dt=finest)
        return np.array([e.exact(W.increment(0, 1, k), calculus) for k in range(paths)]), W
    W = BrownianMotion((0, 1), e.noise_shape, seed=11, dt=finest / FINER)
    return _at_one(e, e.reference[calculus], calculus, W, W.dt, paths), W


def _at_one(e, method, calculus, W, dt, paths):
    calculus = METHODS[method].calculus if e.noise == "additive" else calculus
    sol = solve_sde(
        e.drift, e.diffusion, (0, 1), e.y0, dt=dt, t_eval=[1.0], noise=e.noise, calculus=calculus,
        method=method, brownian=W, paths=paths,
    )  # fmt: skip
    return sol.y[..., 0]


# -- weak orders -------------------------------------------------------------------------------------------

POINTS, POINTS_TWICE = 48, 24  # on the circle; for methods that carry a second approximation along
WEAK_STEPS = (1 / 32, 1 / 64, 1 / 128, 1 / 256)


def circle_drift(t, y):
    return 0.4 + 0.5 * np.sin(y)


# on the circle, one column per Brownian motion
CIRCLE_NOISE = {
    "diagonal": lambda t, y: 0.7 + 0.2 * np.cos(y),
    "scalar": lambda t, y: 0.7 + 0.2 * np.cos(y),
    "additive": lambda t, y: 0.7 + 0.0 * y,
    "commutative": lambda t, y: np.stack([0.5 + 0.2 * np.cos(y), 0.25 + 0.1 * np.cos(y)], axis=-1),
    "non-commutative": lambda t, y: np.stack([0.7 + 0.2 * np.sin(y), 0.3 * np.cos(y)], axis=-1),
}


def weak_errors(method: str, noise: str, steps) -> list[float]:
    """Largest errors of the expectations of sin(y + 1) and cos(2 y) at time 1 over all initial values."""
    method = METHODS[method]
    points = POINTS_TWICE if method.copies == 2 else POINTS
    y = circle(points)
    wanted = np.stack([np.sin(y + 1), np.cos(2 * y)], axis=1)
    exact = scipy.linalg.expm(generator(noise, method.calculus, y)) @ wanted
    errors = []
    for h in steps:
        step = expectation(method, noise, h, y)
        start = wanted
        if method.copies == 2:  # functions of (y, z) that depend on y alone
            start = np.repeat(wanted, points, axis=0)
        found = np.linalg.matrix_power(step, round(1 / h)) @ start
        found = found[:: points + 1] if method.copies == 2 else found
        errors.append(np.max(np.abs(found - exact)))
    return errors


def circle(points):
    return 2 * np.pi * np.arange(points) / points


def generator(noise, calculus, y):
    """The generator ``f d/dy + (sum_k g_k^2 / 2) d^2/dy^2`` on trigonometric polynomials."""
    D = _differentiation(len(y))
    f, g = circle_drift(0, y), _columns(noise, y)
    if calculus == "stratonovich" and noise != "additive":
        f = f + 0.5 * np.sum(g * (D @ g), axis=1)
    return f[:, None] * D + 0.5 * np.sum(g**2, axis=1)[:, None] * (D @ D)


def expectation(method, noise, h, y):
    """Matrix of the expectation after one step."""
    g = CIRCLE_NOISE[noise]
    general = noise in ("commutative", "non-commutative")
    form = method.form("general" if general else "scalar", 2)
    times = step_functions.tensor if general else step_functions.elementwise
    if form.derivative:
        times = step_functions.along_itself
    points = len(y)
    if method.copies == 2:
        y = (np.repeat(y, points), np.tile(y, points))
    total = 0.0
    for weight, w in step_noise(form.noise, 2 if general else 1, h, three=method.name == "DRI1"):
        w = w if general else tuple(float(x[0]) for x in w) if isinstance(w, tuple) else float(w[0])
        moved = form.fixed(circle_drift, g, times, 0.0, h, y, w, ())
        if method.copies == 2:
            first, second = (_interpolation(x, points) for x in moved)
            total = total + weight * (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
        else:
            total = total + weight * _interpolation(moved, points)
    return total


def step_noise(noise, m, h, three):
    """Weights and values of the noise of a step, a product quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    if three:  # only the thirds matter in which the increment lies
        nodes, weights = np.array([-2.0, 0.0, 2.0]), np.array([1 / 6, 2 / 3, 1 / 6])
    if noise == SPACE_TIME:
        second = (
            (np.array([-1.0, 1.0]), np.array([0.5, 0.5])) if three else np.polynomial.hermite_e.hermegauss(4)
        )
    elif noise == AREAS:  # the area's variance given the increments is what counts
        second = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    else:
        second = np.zeros(1), np.ones(1)
    weights, others = weights / weights.sum(), second[1] / second[1].sum()
    seconds = m if noise == SPACE_TIME else 1
    for i in itertools.product(range(len(nodes)), repeat=m):
        dW = np.sqrt(h) * nodes[list(i)]
        for j in itertools.product(range(len(others)), repeat=seconds):
            z = second[0][list(j)]
            weight = np.prod(weights[list(i)]) * np.prod(others[list(j)])
            if noise == SPACE_TIME:
                yield weight, (dW, np.sqrt(h / 12) * z)
            elif noise == AREAS:
                yield weight, (dW, h / np.sqrt(12) * np.sqrt(1 + dW @ dW / h) * z)
            else:
                yield weight, dW


def _columns(noise, y):
    g = CIRCLE_NOISE[noise](0.0, y)
    return g if g.ndim == 2 else g[:, None]


def _differentiation(points):
    k = np.fft.fftfreq(points, 1 / points)
    k[points // 2] = 0
    return np.real(np.fft.ifft(1j * k[:, None] * np.fft.fft(np.eye(points), axis=0), axis=0))


def _interpolation(y, points):
    """Matrix that takes values on the circle to the trigonometric interpolant at y."""
    half = points // 2
    x = y[:, None] - circle(points)
    middle = np.where(np.abs(np.sin(x / 2)) < 1e-12, points, np.sin(half * x) / np.tan(x / 2 + 1e-300))
    return middle / points


if __name__ == "__main__":
    main()
