"""Gradients of compiled programs beside their primal, reverse code written by hand, and the eager tape.

    python benchmarks/compiled_ad.py [case ...]

Times are those of the kernel, called in a compiled loop; "hand" is numba written for the problem, the limit.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numba import njit

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import sciad as ad  # noqa: E402
from sciad import tree  # noqa: E402
from sciad.compiler import Group, compile_function  # noqa: E402
from sciad.compiler.intrinsics import call  # noqa: E402
from tests.models import MODELS  # noqa: E402

FAST = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
RNG = np.random.default_rng(0)

# ------------------------------------------------------------ programs


def logistic(x, r):
    for _ in range(100_000):
        x = r * x * (1 - x) + 1e-3 * np.sin(x)
    return x


def newton(a):
    z, s = a, 0.0
    for i in range(20_000):
        target = a + 1e-4 * i
        while abs(z + 0.5 * np.sin(z) - target) > 1e-12:
            z = z - (z + 0.5 * np.sin(z) - target) / (1 + 0.5 * np.cos(z))
        s = s + z
    return s


def stencil(u, c):
    u, w = u.copy(), u.copy()
    for _ in range(200):
        w[1:-1] = u[1:-1] + c * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, w = w, u
    return u


def gmm(alphas, means, icf, x):
    """Log-likelihood of a Gaussian mixture, full covariances (the GMM of ADBench, without prior)."""
    n, d = x.shape
    k = alphas.size
    total = 0.0
    q, centred, main = np.zeros(d), np.zeros(d), np.zeros(k)
    for i in range(n):
        for j in range(k):
            for a in range(d):
                centred[a] = x[i, a] - means[j, a]
            for a in range(d):
                q[a] = np.exp(icf[j, a]) * centred[a]
            at = d
            for a in range(d):
                for b in range(a + 1, d):
                    q[b] += icf[j, at] * centred[a]
                    at += 1
            main[j] = alphas[j] + np.sum(icf[j, :d]) - 0.5 * np.sum(q * q)
        top = np.max(main)
        total += top + np.log(np.sum(np.exp(main - top)))
    top = np.max(alphas)
    return total - n * (top + np.log(np.sum(np.exp(alphas - top))))


def mlp(y, p):
    hidden = np.tanh((y**3) @ p["w1"].T + p["b1"])
    return hidden @ p["w2"].T + p["b2"]


def right_hand_side(name):
    model = MODELS[name]
    return lambda y, p: model.fun(0.0, y, p)


# ------------------------------------------------------------ reverse code by hand


@njit(**FAST)
def logistic_hand(x, g, out, bar, s):
    z, r = x[0], x[1]
    for i in range(100_000):
        s[2 * i] = z * (1.0 - z)
        s[2 * i + 1] = r * (1.0 - 2.0 * z) + 1e-3 * np.cos(z)
        z = r * z * (1.0 - z) + 1e-3 * np.sin(z)
    out[0] = z
    z_bar, r_bar = g[0], 0.0
    for i in range(99_999, -1, -1):
        r_bar += z_bar * s[2 * i]
        z_bar *= s[2 * i + 1]
    bar[0] += z_bar
    bar[1] += r_bar


@njit(**FAST)
def newton_hand(x, g, out, bar, s):
    a = x[0]
    z, total, top = a, 0.0, 0
    trips = s[:20_000]
    tape = s[20_000:]
    for i in range(20_000):
        target, trip = a + 1e-4 * i, 0
        while True:
            sine = np.sin(z)
            residual = z + 0.5 * sine - target
            if not abs(residual) > 1e-12:
                break
            inverse = 1.0 / (1.0 + 0.5 * np.cos(z))
            step = residual * inverse
            tape[top] = inverse
            tape[top + 1] = -0.5 * sine * step * inverse
            z -= step
            top, trip = top + 2, trip + 1
        trips[i] = trip
        total += z
    out[0] = total
    z_bar, a_bar = 0.0, 0.0
    for i in range(19_999, -1, -1):
        z_bar += g[0]
        for _ in range(int(trips[i])):
            top -= 2
            a_bar += z_bar * tape[top]
            z_bar *= tape[top + 1]
    bar[0] += a_bar + z_bar


@njit(**FAST)
def stencil_hand(x, g, out, bar, s):
    n, c = 5000, x[5000]
    u, w = x[:n].copy(), x[:n].copy()
    for k in range(200):
        row = s[k * (n - 2) : (k + 1) * (n - 2)]
        for q in range(n - 2):
            row[q] = u[q + 2] - 2.0 * u[q + 1] + u[q]
            w[q + 1] = u[q + 1] + c * row[q]
        u, w = w, u
    ub, wb = g.copy(), np.zeros(n)
    out[:] = u
    c_bar = 0.0
    for k in range(199, -1, -1):
        ub, wb = wb, ub  # adjoints of the buffers read and written in step k
        row = s[k * (n - 2) : (k + 1) * (n - 2)]
        for q in range(n - 2):
            ub[q] += c * wb[q + 1]
        for q in range(n - 2):
            ub[q + 2] += c * wb[q + 1]
        for q in range(n - 2):
            ub[q + 1] += wb[q + 1] * (1.0 - 2.0 * c)
        for q in range(n - 2):
            c_bar += row[q] * wb[q + 1]
            wb[q + 1] = 0.0
    bar[:n] += ub + wb
    bar[n] += c_bar


# ------------------------------------------------------------ measuring

CASES = {
    "logistic": (logistic, (0.3, 3.0), logistic_hand, 100_000),
    "newton": (newton, (0.7,), newton_hand, 20_000),
    "stencil": (stencil, (RNG.normal(size=5000), 0.2), stencil_hand, 1_000_000),
    "gmm": (
        gmm,
        (
            RNG.normal(size=25),
            RNG.normal(size=(25, 10)),
            0.1 * RNG.normal(size=(25, 55)),
            RNG.normal(size=(1000, 10)),
        ),
        None,
        1000,
    ),
    "mlp": (
        mlp,
        (
            RNG.normal(size=(20, 2)),
            {
                "w1": RNG.normal(size=(50, 2)),
                "b1": RNG.normal(size=50),
                "w2": RNG.normal(size=(2, 50)),
                "b2": RNG.normal(size=2),
            },
        ),
        None,
        1,
    ),
    "lotka_volterra": (
        right_hand_side("lotka_volterra"),
        (MODELS["lotka_volterra"].y0, *MODELS["lotka_volterra"].args),
        None,
        1,
    ),
    "pollu": (right_hand_side("pollu"), (MODELS["pollu"].y0 + 0.01, *MODELS["pollu"].args), None, 1),
}


@njit
def _primal(address, n, x, out, w):
    for _ in range(n):
        call(address, (x, out, w))


@njit
def _pullback(address, n, x, g, out, bar, w):
    for _ in range(n):
        call(address, (x, g, out, bar, w))


def measure(name, rounds=7):
    """Nanoseconds per unit of work of a case: primal, pullback, hand, eager tape (None where absent)."""
    f, args, hand, units = CASES[name]
    started = time.perf_counter()
    compiled = compile_function(f, [Group("x", args, spread=True)])
    primal, pullback = compiled.address("primal"), compiled.address("pullback")
    seconds = time.perf_counter() - started
    x = np.concatenate([np.ravel(np.asarray(a, float)) for a in tree.flatten(args)[0]])
    n = compiled.n_out
    out, g, bar = np.zeros(n), np.ones(n), np.zeros(x.size)
    w = np.empty(1 + max(compiled.work_size("primal"), compiled.work_size("pullback")))
    runs = {
        "primal": lambda k: _primal(primal, k, x, out, w),
        "pullback": lambda k: _pullback(pullback, k, x, g, out, bar, w),
    }
    if hand is not None:
        s = np.empty(1_100_000)
        by_hand = np.zeros(x.size)
        hand(x, g, out, by_hand, s)
        _pullback(pullback, 1, x, g, out, bar, w)
        assert np.allclose(by_hand, bar, rtol=1e-9, atol=1e-12), name
        runs["hand"] = lambda k: [hand(x, g, out, bar, s) for _ in range(k)]
    repeats = {}
    for key, run in runs.items():
        run(1)
        begun = time.perf_counter()
        run(1)
        repeats[key] = max(1, int(0.02 / max(time.perf_counter() - begun, 1e-7)))
    best = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for key, run in runs.items():
            begun = time.perf_counter()
            run(repeats[key])
            best[key] = min(best[key], (time.perf_counter() - begun) / repeats[key] / units)
    if name in ("mlp", "lotka_volterra", "pollu"):
        loss = lambda *a: np.sum(f(*a))  # noqa: E731
        gradient = ad.grad(loss, tuple(range(len(args))))
        gradient(*args)
        begun = time.perf_counter()
        for _ in range(20):
            gradient(*args)
        best["tape"] = (time.perf_counter() - begun) / 20
    return {key: 1e9 * value for key, value in best.items()} | {"compile": seconds}


def main(names):
    heads = [
        ("primal", 10),
        ("pullback", 10),
        ("ratio", 7),
        ("hand", 10),
        ("/hand", 7),
        ("tape", 12),
        ("compile s", 11),
    ]
    print(f"{'ns per unit':16}" + "".join(f"{head:>{width}}" for head, width in heads))
    for name in names:
        t = measure(name)
        hand, tape = t.get("hand"), t.get("tape")
        cells = [f"{t['primal']:10.3g}{t['pullback']:10.3g}{t['pullback'] / t['primal']:7.2f}"]
        cells.append(f"{hand:10.3g}{t['pullback'] / hand:7.2f}" if hand else " " * 17)
        cells.append(f"{tape:12.4g}" if tape else " " * 12)
        print(f"{name:16}{''.join(cells)}{t['compile']:11.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    main(parser.parse_args().cases or list(CASES))
