"""Everything users hold travels: through pickle, copies and cloudpickle, into other processes and threads,
and the same comes out there to the last bit.
"""

import copy
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints, solvers
from sciad.solvers import solve_ivp, solve_sde, steady_state
from sciad.solvers.stepping.controllers import PI


def decay(t, y, k):
    return -k * y


def noise(t, y, k):
    return 0.1 * y


def crossing(t, y, k):
    return y[0] - 0.5


def loss(k):
    return np.sum(solve_ivp(decay, (0, 1), np.array([1.0, 2.0]), "Tsit5", args=(k,)).y ** 2)


def product(x):
    return x * np.sin(x)


@ad.jit
def jitted(x):
    return np.sum(np.sin(x) * x)


@ad.custom
def ruled(x):
    return x**2


@ruled.def_pullback
def _pull_ruled(args):
    return args[0] ** 2, lambda g: (2 * args[0] * g,)


class Model:
    def __init__(self, k):
        self.k = k

    @ad.jit
    def scaled(self, x):
        return self.k * x * x


def _ivp(**options):
    y0 = np.array([1.0, 2.0]) * options.pop("scale", 1.0)
    return solve_ivp(decay, (0, 1), y0, args=(2.0,), **options)


def _sde(**options):
    return solve_sde(decay, noise, (0, 1), np.array([1.0, 2.0]), args=(2.0,), dt=0.05, seed=3, **options)


def _same(a, b):
    """Nested results, compared bit for bit."""
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            _same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        _same(list(a.values()), list(b.values()))
    else:
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _fields(sol):
    times = [sol.sol(np.linspace(-0.1, 1.1, 7)), sol.sol.derivative(0.3)] if sol.sol is not None else []
    counts = (sol.accepted, sol.rejected, sol.nfev, sol.status)
    return [sol.t, sol.y, counts, sol.t_events or (), sol.y_events or (), *times]


# name -> (what travels, what it is asked for)
SOLUTIONS = {
    "ode": (_ivp, _fields),
    "outputs": (lambda: _ivp(t_eval=[0.2, 0.7]), _fields),
    "dense": (lambda: _ivp(dense_output=True), _fields),
    "dense, stiff": (lambda: _ivp(method="Rodas5P", dense_output=True), _fields),
    "dense, ESDIRK": (lambda: _ivp(method="KenCarp4", dense_output=True), _fields),
    "dense, complex": (lambda: _ivp(scale=1 + 1j, dense_output=True), _fields),
    "events": (lambda: _ivp(events=crossing, dense_output=True), _fields),
    "integral": (lambda: _ivp(dense_output=True), lambda s: s.integral(lambda t, y: y[0])),
    "sde": (_sde, lambda s: (s.t, s.y, s.brownian(0.37))),
    "sde ensemble": (lambda: _sde(paths=4), lambda s: (s.t, s.y, s.seed)),
    "sde quantiles": (lambda: _sde(paths=4, quantiles=(0.1, 0.9)), lambda s: (s.mean, s.std, s.quantiles)),
    "steady": (lambda: steady_state(lambda t, y, k: k - y, np.ones(2), (2.0,)), lambda s: (s.y, s.residual)),
}
FUNCTIONS = {
    "grad": (lambda: ad.grad(loss), lambda f: f(2.0)),
    "value_and_grad": (lambda: ad.value_and_grad(loss), lambda f: f(2.0)),
    "hessian": (lambda: ad.hessian(loss), lambda f: f(2.0)),
    "jacobian": (lambda: ad.jacobian(product), lambda f: f(np.arange(3.0))),
    "sparse_jacobian": (lambda: ad.sparse_jacobian(product), lambda f: f(np.arange(3.0)).toarray()),
    "vmap": (lambda: ad.vmap(ad.grad(jitted)), lambda f: f(np.arange(6.0).reshape(2, 3))),
    "checkpoint": (lambda: ad.grad(ad.checkpoint(loss)), lambda f: f(2.0)),
    "jit": (lambda: jitted, lambda f: f(np.arange(3.0))),
    "jit of a function": (lambda: ad.jit(product), lambda f: f(np.arange(3.0))),
    "grad of jit": (lambda: ad.grad(jitted), lambda f: f(np.arange(3.0))),
    "jit of a method": (lambda: Model(3.0).scaled, lambda f: f(np.arange(3.0))),
    "custom": (lambda: ad.grad(ruled), lambda f: f(3.0)),
}


def _solve_with(options):
    def result(x):
        return ad.value_and_grad(
            lambda k: np.sum(solve_ivp(decay, (0, 1), np.ones(2), args=(k,), **options(x)).y)
        )(2.0)

    return result


METHODS = {
    name: (lambda name=name: getattr(solvers, name), _solve_with(lambda x: {"method": x}))
    for name in ("Tsit5", "DOP853", "Rodas5P", "KenCarp4")
}
METHODS["controller"] = (PI, _solve_with(lambda x: {"method": "Tsit5", "controller": x}))
METHODS |= {
    name: (getattr(adjoints, name), _solve_with(lambda x: {"method": "Tsit5", "adjoint": x}))
    for name in adjoints.serving("solve_ivp")
}
BROWNIAN = {"path": (lambda: solvers.BrownianMotion((0, 1), (2,), seed=5), lambda b: (b(0.37), b(1.0)))}
TABLE = {**SOLUTIONS, **FUNCTIONS, **METHODS, **BROWNIAN}


def _cloud(x):
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(x))


WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "old pickle": lambda x: pickle.loads(pickle.dumps(x, 2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "cloudpickle": _cloud,
}


@pytest.mark.filterwarnings("ignore:.*Complex y0")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TABLE)
def test_there_and_back(name, way):
    make, ask = TABLE[name]
    x = make()
    _same(ask(WAYS[way](x)), ask(x))
    if name in FUNCTIONS:
        _same(ask(WAYS[way](make())), ask(x))  # before it was ever called


def test_what_is_found_by_name_stays_one():
    assert pickle.loads(pickle.dumps(jitted)) is jitted
    assert pickle.loads(pickle.dumps(ruled)) is ruled
    assert copy.deepcopy([jitted, ad.grad(loss)])[0] is jitted


def test_a_deep_copy_can_be_explained_and_a_pickled_solution_says_why_not():
    sol = _ivp()
    assert "DiscreteAdjoint" in repr(adjoints.explain(copy.deepcopy(sol), measure=False))
    with pytest.raises(TypeError, match="explain it where it was made"):
        adjoints.explain(pickle.loads(pickle.dumps(sol)))


def test_a_deep_copy_shares_no_numbers():
    sol = _ivp(dense_output=True)
    before = sol.sol(0.5).copy()
    made = copy.deepcopy(sol)
    made.y[:] = 0.0
    made.sol._y[:] = 0.0
    assert np.all(sol.sol(0.5) == before) and np.any(sol.y != 0.0)


SCRIPT = """
import warnings
import numpy as np
import sciad as ad
from sciad.solvers import solve_ivp

warnings.simplefilter("error")  # a model that is not compiled warns
RATE = 2.0


def model(t, y, p):
    return np.array([-p * y[0] + y[1], -y[1] * RATE])


def loss(p):
    return np.sum(solve_ivp(model, (0, 1), np.ones(2), args=(p,), method="Tsit5").y ** 2)


@ad.jit
def series(x):
    total = 0.0
    for i in range(50):
        total = total + np.sin(x * i)
    return total


def both(p):
    return ad.grad(loss)(p), ad.value_and_grad(series)(p)


def made():
    factor = 3.0
    rhs = lambda t, y, p: -p * y
    return ad.grad(lambda p: factor * np.sum(solve_ivp(rhs, (0, 1), np.ones(2), args=(p,)).y))


points = [0.5, 1.0, 1.5]
if __name__ == "__main__":
    here = list(map(both, points))
    {body}
    assert there == here, (there, here)
    print("same")
"""
PLACES = {
    "joblib, loky": """
        import joblib
        there = joblib.Parallel(n_jobs=2)(joblib.delayed(both)(p) for p in points)
        again = joblib.Parallel(n_jobs=2)(joblib.delayed(made())(p) for p in points)
        assert again == list(map(made(), points))
        sums = joblib.Parallel(n_jobs=2)(joblib.delayed(series)(p) for p in points)
        assert sums == list(map(series, points))
    """,
}
for start in ("fork", "spawn", "forkserver"):
    PLACES[start] = f"""
        import multiprocessing
        with multiprocessing.get_context({start!r}).Pool(2) as pool:
            there = pool.map(both, points)
            assert pool.map(ad.grad(loss), points) == list(map(ad.grad(loss), points))
            assert pool.map(series, points) == list(map(series, points))
    """


@pytest.mark.parametrize("place", PLACES)
def test_functions_of_the_script_itself_are_compiled_in_other_processes(place, tmp_path):
    if "joblib" in place:
        pytest.importorskip("joblib")
    if place in ("fork", "forkserver") and sys.platform == "win32":
        pytest.skip("no such way to start a process")
    script = tmp_path / "script.py"
    body = textwrap.indent(textwrap.dedent(PLACES[place]).strip(), "    ").strip()
    script.write_text(SCRIPT.replace("{body}", body))
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=240)
    assert ran.stdout.strip() == "same", ran.stderr[-3000:]


def test_functions_of_a_notebook_are_carried_with_their_text(tmp_path):
    """Their cells are known to the first process only."""
    pytest.importorskip("cloudpickle")
    cells = (
        "def f(x):\n    return x * np.sin(x)\n",
        "g = ad.grad(lambda x: np.sum(compiled(x)))\ncompiled = ad.jit(lambda x: f(x))\n",
    )
    writer = f"""
import linecache, pickle, cloudpickle
import numpy as np
import sciad as ad
for k, cell in enumerate({cells!r}):
    name = f"<cell {{k}}>"
    linecache.cache[name] = len(cell), None, cell.splitlines(True), name
    exec(compile(cell, name, "exec"))
open({str(tmp_path / "g.pickle")!r}, "wb").write(cloudpickle.dumps(g))
print(g(np.arange(3.0)).tolist())
"""
    reader = f"""
import pickle
import numpy as np
print(pickle.load(open({str(tmp_path / "g.pickle")!r}, "rb"))(np.arange(3.0)).tolist())
"""
    out = []
    for text in (writer, reader):
        ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr[-3000:]
        out.append(ran.stdout)
    assert out[0] == out[1]


def test_threads_compute_the_same():
    functions = [ad.grad(loss), ad.value_and_grad(loss), ad.grad(jitted)]
    points = np.linspace(0.5, 2.0, 8)
    here = [[f(p) for p in points] for f in functions]
    with ThreadPoolExecutor(4) as pool:
        _same([list(pool.map(f, points)) for f in functions], here)
