"""Gradient descent whose step doubles and halves: what particle and saddle minimise by (Pearlmutter and
Siskind 2008).
"""

import numpy as np

import sciad as ad


def forward(f):
    """The gradient of `f`, one tangent for each component."""

    def gradient(x):
        found = np.empty(len(x))
        for k in range(len(x)):
            unit = np.zeros(len(x))
            unit[k] = 1.0
            found[k] = ad.jvp(f, (x,), (unit,))[1]
        return found

    return gradient


def reverse(f):
    """The gradient of `f` by one sweep backwards."""

    def gradient(x):
        return ad.grad(f)(x)

    return gradient


def argmin(f, gradient, start):
    x, fx, g, eta, since = start, f(start), gradient(start), 1e-5, 0
    while np.sqrt(np.sum(g * g)) > 1e-5:
        if since == 10:
            eta, since = 2.0 * eta, 0
            continue
        new = x - eta * g
        if np.sqrt(np.sum((x - new) ** 2)) <= 1e-5:
            break
        f_new = f(new)
        if f_new < fx:
            x, fx, g, since = new, f_new, gradient(new), since + 1
        else:
            eta, since = eta / 2.0, 0
    return x
