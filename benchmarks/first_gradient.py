"""What a new process does up to its first gradient: the script that `lotka_volterra.py` starts and times."""

import numpy as np

import sciad as ad
from sciad.solvers import solve_ivp

TIMES = np.linspace(0, 10, 101)


def lotka_volterra(t, y, p):
    hare, lynx = y
    birth, predation, growth, death = p
    return np.array([birth * hare - predation * hare * lynx, growth * hare * lynx - death * lynx])


def loss(p):
    sol = solve_ivp(
        lotka_volterra, (0, 10), [1.0, 1.0], t_eval=TIMES, args=(p,), method="Tsit5", rtol=1e-6, atol=1e-6
    )
    return np.sum(sol.y**2)


value, gradient = ad.value_and_grad(loss)(np.array([1.5, 1.0, 3.0, 1.0]))
print(value, *gradient)
