"""Programs that differentiate programs that differentiate: a particle among charges and a saddle point, as in
"Perturbation Confusion and Referential Transparency" (Siskind and Pearlmutter, 2005) and GradBench, and
optimisers in plain NumPy.  `inner` and `outer` make gradients, forward or reverse.
"""

import numpy as np

import sciad as ad


def forward_gradient(f):
    """A gradient by one forward pass per number."""

    def gradient(x):
        g = np.zeros(len(x))
        for k in range(len(x)):
            unit = np.zeros(len(x))
            unit[k] = 1.0
            g[k] = ad.jvp(f, (x,), (unit,))[1]
        return g

    return gradient


MODES = {"F": forward_gradient, "R": ad.grad}


def argmin(f, x, gradient, most=10_000):
    """Gradient descent with an adaptive step."""
    g = gradient(f)
    fx, gx, eta, rising = f(x), g(x), 1e-5, 0
    for _ in range(most):
        if np.sqrt(np.sum(gx**2)) <= 1e-5:
            return x
        if rising == 10:
            eta, rising = 2.0 * eta, 0
            continue
        new = x - eta * gx
        if np.sqrt(np.sum((new - x) ** 2)) <= 1e-5:
            return x
        fnew = f(new)
        if fnew < fx:
            x, fx, gx, rising = new, fnew, g(new), rising + 1
        else:
            eta, rising = 0.5 * eta, 0
    return x


def particle(inner, outer, most=10_000):
    """The charge that makes a particle arrive at the origin."""

    def arrival(w):
        def potential(x):
            return 1.0 / np.sqrt((x[0] - 10.0) ** 2 + (x[1] - 10.0 + w[0]) ** 2) + 1.0 / np.sqrt(
                (x[0] - 10.0) ** 2 + x[1] ** 2
            )

        gradient = inner(potential)
        x, v, dt = np.array([0.0, 8.0]), np.array([0.75, 0.0]), 0.1
        while True:
            a = -gradient(x)
            new = x + dt * v
            if new[1] > 0:
                x, v = new, v + dt * a
            else:
                last = -x[1] / v[1]
                return (x[0] + last * v[0]) ** 2

    return lambda w: argmin(arrival, w, outer, most)


def saddle(inner, outer, most=10_000):
    """Least of greatest."""

    def program(start):
        def worst(p):
            def value(q):
                return p[0] ** 2 + p[1] ** 2 - (q[0] ** 2 + q[1] ** 2)

            return value(argmin(lambda q: -value(q), start, inner, most))

        return argmin(worst, start, outer, most)

    return program


# ---------------------------------------------------------------------- optimisers


def rosenbrock(x):
    """The banana."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def adam(x, steps=200):
    """Adam, 2014."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    losses = np.empty(steps)
    for k in range(steps):
        losses[k], g = ad.value_and_grad(rosenbrock)(x)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        x = x - 0.02 * (m / (1 - 0.9 ** (k + 1))) / (np.sqrt(v / (1 - 0.999 ** (k + 1))) + 1e-8)
    return x, losses


def lbfgs(x, steps=12, memory=5):
    """L-BFGS with backtracking."""
    n = len(x)
    s, y, rho = np.zeros((memory, n)), np.zeros((memory, n)), np.zeros(memory)
    fx, g = ad.value_and_grad(rosenbrock)(x)
    for k in range(steps):
        q, alpha = g.copy(), np.zeros(memory)
        for i in range(min(k, memory)):
            j = (k - 1 - i) % memory
            alpha[j] = rho[j] * np.dot(s[j], q)
            q -= alpha[j] * y[j]
        if k > 0:
            j = (k - 1) % memory
            q *= np.dot(s[j], y[j]) / np.dot(y[j], y[j])
        for i in range(min(k, memory)):
            j = (k - min(k, memory) + i) % memory
            q += (alpha[j] - rho[j] * np.dot(y[j], q)) * s[j]
        step = 1.0
        while rosenbrock(x - step * q) > fx - 1e-4 * step * np.dot(g, q) and step > 1e-10:
            step *= 0.5
        new = x - step * q
        fnew, gnew = ad.value_and_grad(rosenbrock)(new)
        j = k % memory
        s[j], y[j] = new - x, gnew - g
        rho[j] = 1.0 / max(np.dot(s[j], y[j]), 1e-12)
        x, fx, g = new, fnew, gnew
    return x, fx


TIMES = np.linspace(0.0, 3.0, 25)
MEASURED = 2.0 * np.exp(-0.7 * TIMES) + 0.5 + 0.01 * np.sin(17 * TIMES)


def residuals(p):
    """Of an exponential that is fitted."""
    return p[0] * np.exp(-p[1] * TIMES) + p[2] - MEASURED


def levenberg_marquardt(p, steps=30):
    """With the Jacobian of the residuals."""
    damping = 1e-2
    r = residuals(p)
    for _ in range(steps):
        jac = ad.jacobian(residuals)(p)
        a = jac.T @ jac
        step = np.linalg.solve(a + damping * np.diag(np.diag(a)), jac.T @ r)
        tried = residuals(p - step)
        if np.sum(tried**2) < np.sum(r**2):
            p, r, damping = p - step, tried, 0.3 * damping
        else:
            damping = 4.0 * damping
    return p, np.sum(r**2)


def log_density(q):
    """A correlated Gaussian with a kink of tails."""
    return -0.5 * np.sum((q - 0.5 * np.sum(q)) ** 2) - np.sum(np.logaddexp(q, -q))


def leapfrog(q, p, steps=25, size=0.1):
    """A trajectory of Hamiltonian Monte Carlo."""
    start = log_density(q) - 0.5 * np.sum(p**2)
    p = p + 0.5 * size * ad.grad(log_density)(q)
    for _ in range(steps - 1):
        q = q + size * p
        p = p + size * ad.grad(log_density)(q)
    q = q + size * p
    p = p + 0.5 * size * ad.grad(log_density)(q)
    return q, p, log_density(q) - 0.5 * np.sum(p**2) - start


OPTIMISERS = {
    "adam": (adam, (np.array([-1.2, 1.0, 0.3, 0.7]),)),
    "lbfgs": (lbfgs, (np.array([-1.2, 1.0, 0.3, 0.7]),)),
    "levenberg_marquardt": (levenberg_marquardt, (np.array([1.0, 1.0, 0.0]),)),
    "leapfrog": (leapfrog, (np.array([0.3, -0.4, 0.9]), np.array([1.0, 0.2, -0.5]))),
}
