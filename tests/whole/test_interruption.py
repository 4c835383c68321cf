"""Ctrl-C, and other signals with handlers, in long native calls: a real signal in a process of its own."""

import signal
import subprocess
import sys

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")

HEAD = """
import math, os, signal, threading, time
import numpy as np
import sciad as ad
from sciad.solvers import solve_ivp, solve_sde

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in what they start with &

main = threading.main_thread()  # of which rules that run later have no copy of their own
main.sent, main.armed = None, False

def later(seconds=0.4):
    def send():
        time.sleep(seconds)
        main.sent = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=send, daemon=True).start()

def oscillator(t, y, w):
    return np.array([w * y[1], -w * y[0]])

def noise(t, y, w):
    return 0.1 * y

@ad.jit
def forever(x, limit):
    total = 0.0
    while total < limit:
        total = total + x
        if total > 1e6:
            total = 0.0
    return total

@ad.jit
def nest(x):
    total = 0.0
    for i in range(10000):
        for j in range(10000):
            for k in range(10000):
                total = total + np.sin(x * i + j * k)
    return total

@ad.jit
def counted(x, steps):
    for k in range(int(steps)):
        x = x - 1e-9 * np.sin(x)
    return x

@ad.custom
def warned(y):
    return y

@warned.def_pullback
def _pull(args):
    def pull(g):
        if main.armed:
            main.armed = False
            later(0.1)  # the way back begins
        return (g,)
    return args[0], pull

def slow(t, y, w):  # some tenths of a millisecond
    total = 0.0
    for k in range(10000):
        total = total + np.sin(k * w)
    return np.array([w * y[1], -w * y[0] + 1e-9 * total])

def loss(w, end, model=oscillator):
    sol = solve_ivp(model, (0, end), np.ones(2), args=(w,), method="Tsit5", t_eval=np.array([end]), rtol=1e-8)
    return np.sum(warned(sol.y) ** 2)

def solve(end, method="Tsit5", **options):
    options = {"t_eval": np.array([end]), "max_steps": math.inf, "rtol": 1e-8, **options}
    return solve_ivp(oscillator, (0, end), np.ones(2), args=(1.0,), method=method, **options).y
"""

# name -> (a long call, a short one that gives the same before and after)
CALLS = {
    "explicit solve": ("solve(1e9)", "solve(1.0)"),
    "stiff solve": ("solve(1e9, 'Rodas5P')", "solve(1.0, 'Rodas5P')"),
    "implicit Runge-Kutta": ("solve(1e9, 'KenCarp4')", "solve(1.0, 'KenCarp4')"),
    "solve with events": (
        "solve(1e9, events=lambda t, y, w: y[0])",
        "solve(1.0, events=lambda t, y, w: y[0])",
    ),
    "way back of a gradient": ("ad.grad(loss)(1.0, 300.0, slow)", "ad.grad(loss)(1.0, 0.1, slow)"),
    "jitted while": ("forever(1.0, 2e6)", "forever(1.0, 5.0)"),
    "jitted nest of loops": ("nest(1.0)", "forever(1.0, 5.0)"),
    "jitted range": ("counted(1.0, 1e12)", "counted(1.0, 5.0)"),
    "vmap of a jitted while": (
        "ad.vmap(forever, (0, None))(np.ones(100), 2e6)",
        "ad.vmap(forever, (0, None))(np.ones(100), 5.0)",
    ),
    "stochastic ensemble": (
        "solve_sde(oscillator, noise, (0, 1e4), np.ones(2), args=(1.0,), dt=1e-3, paths=10000, seed=1, "
        "t_eval=[1e4]).y",
        "solve_sde(oscillator, noise, (0, 1), np.ones(2), args=(1.0,), dt=1e-2, paths=100, seed=1).y",
    ),
}


def _as_file(tmp_path, text: str) -> str:
    path = tmp_path / "script.py"
    path.write_text(text)
    ran = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.strip()


@pytest.mark.parametrize("name", CALLS)
def test_control_c_ends_a_native_call_and_breaks_nothing(name, tmp_path):
    long, short = CALLS[name]
    starts = "" if "grad(loss" in long else "later()"
    script = f"""{HEAD}
before = {short}
waits = []
for attempt in range(8):  # the machine may be busy
    main.armed = True
    try:
        {starts}
        {long}
    except KeyboardInterrupt:
        waits.append(time.perf_counter() - main.sent)
    main.armed = False
    assert np.asarray({short}).tobytes() == np.asarray(before).tobytes()
    if not waits:
        print("nothing was interrupted")
        break
    if attempt and waits[-1] < 0.3:
        break
time.sleep(0.5)
print("interrupted", min(waits))
"""
    word, seconds = _as_file(tmp_path, script).split()
    assert word == "interrupted" and float(seconds) < 0.3


def test_a_handler_that_raises_something_else_is_heard(tmp_path):
    script = f"""{HEAD}
def late(*_):
    raise TimeoutError("too long")
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    forever(1.0, 2e6)
except TimeoutError as error:
    print(error)
"""
    assert _as_file(tmp_path, script) == "too long"


def test_a_handler_that_returns_changes_nothing(tmp_path):
    script = f"""{HEAD}
heard = []
signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
plain = solve(2e5)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.02)
again = solve(2e5)
while not heard:
    solve(2e5)
signal.setitimer(signal.ITIMER_REAL, 0)
print(plain.tobytes() == again.tobytes(), bool(heard))
"""
    assert _as_file(tmp_path, script) == "True True"


def test_a_solve_without_end_stops_and_says_what_to_do():
    def model(t, y):
        return np.array([np.sin(1e7 * t)])

    sol = solve_ivp(model, (0, 1e9), np.zeros(1), "Tsit5", t_eval=np.array([1e9]))
    assert not sol.success and sol.accepted + sol.rejected == 1_000_000
    assert "max_steps=1000000" in sol.message and "max_steps=math.inf" in sol.message
    with pytest.raises(ad.SolverError, match=r"max_steps=math\.inf"):
        ad.grad(
            lambda k: np.sum(
                solve_ivp(lambda t, y: k * model(t, y), (0, 1e9), np.zeros(1), "Tsit5", t_eval=[1e9]).y
            )
        )(1.0)
    assert solve_ivp(lambda t, y: -y, (0, 1), np.ones(1), "Tsit5", max_steps=np.inf).success


def test_signals_are_as_they_were():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
