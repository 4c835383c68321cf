"""The picture of docs/adjoints.md on how good a gradient is: python docs/make_gradient_error.py

The van der Pol oscillator with mu = 1000 waits for hundreds of units of time and then jumps within one
thousandth. The derivative of a sum over the solution with respect to mu is computed at tolerances from
1e-3 to 1e-10, with the estimate of its error, and compared with one at 1e-12.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad as ad
from sciad import adjoints
from sciad.solvers import solve_ivp

PICTURE = Path(__file__).parent / "images" / "gradient_error.png"
MU = 1e3
TIMES = np.linspace(0.0, 2000.0, 41)
TOLERANCES = 10.0 ** -np.arange(3.0, 10.5, 0.5)


def van_der_pol(t, y, mu):
    return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def outputs(mu, rtol):
    start = np.array([2.0, 0.0])
    return solve_ivp(
        van_der_pol, (0, 2000.0), start, "Rodas5P", TIMES, args=(mu,), rtol=rtol, atol=1e-3 * rtol
    ).y


def loss(mu, rtol):
    return np.sum(outputs(mu, rtol)[0] ** 2)


def errors():
    """Rows: error of the loss, of the gradient, and the estimate of the latter; relative."""
    exact_loss, exact = ad.value_and_grad(loss)(MU, 1e-12)
    rows = []
    for rtol in TOLERANCES:
        value, gradient, estimate = adjoints.value_and_grad(loss)(MU, rtol)
        rows.append([abs(value / exact_loss - 1), abs(gradient / exact - 1), estimate / abs(exact)])
    return np.transpose(rows)


def main() -> None:
    of_loss, of_gradient, estimate = errors()
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    times = np.linspace(0.0, 2000.0, 4001)
    y = solve_ivp(van_der_pol, (0, 2000.0), np.array([2.0, 0.0]), "Rodas5P", times, args=(MU,), rtol=1e-8).y
    left.plot(times, y[0])
    left.set(title="van der Pol, mu = 1000", xlabel="t", ylabel="y")
    right.loglog(TOLERANCES, of_loss, "o-", label="error of the loss")
    right.loglog(TOLERANCES, of_gradient, "s-", label="error of its gradient")
    right.loglog(TOLERANCES, estimate, "k+--", label="adjoints.value_and_grad: estimate")
    right.axhline(1.0, color="0.7", linewidth=1)
    right.set(title="relative errors", xlabel="rtol")
    right.legend()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    for rtol, *row in zip(TOLERANCES, of_loss, of_gradient, estimate, strict=True):
        print(f"rtol {rtol:.0e}: loss {row[0]:.1e}, gradient {row[1]:.1e}, estimated {row[2]:.1e}")
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
