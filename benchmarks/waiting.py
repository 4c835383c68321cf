"""Waits before the first result: processor seconds of new processes, here and in other libraries.

    python benchmarks/first_compile.py waits            # starts this file, once for each row
    python benchmarks/waiting.py ROW                    # one row in this process, as JSON

Each row is a process of its own, with an empty cache and with the one it left; its numbers are processor
seconds, of all threads. Peers that are not installed are left out (`pip install 'sciad[bench]'`).
"""

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

LINES = (
    "a = a*1.01 + 0.1*np.sin(b)",
    "b = b*0.99 + 0.05*a*c",
    "c = 0.9*c + 0.1*np.exp(-a*a)",
    "a = a + 0.01*b*c",
    "b = b/(1.0 + 0.1*c*c)",
)


class Clock:
    """Processor seconds between calls, by name."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self.last = time.process_time()

    def __call__(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] = round(now - self.last, 3)
        self.last = time.process_time()


def _solves(clock: Clock, label: str, fun, y0, p, method: str, end: float) -> None:
    import sciad as ad
    from sciad.solvers import solve_ivp

    def loss(p):
        options = {"method": method, "rtol": 1e-6, "atol": 1e-9, "t_eval": [0.5 * end, end]}
        return np.sum(solve_ivp(fun, (0.0, end), np.asarray(y0, float), args=(p,), **options).y ** 2)

    p = np.asarray(p, float)
    loss(p)
    clock(f"{label} solve")
    ad.grad(loss)(p)
    clock(f"{label} gradient")


def _compiled(clock: Clock, label: str, fun, y0, p, kinds: tuple[str, ...]) -> None:
    from sciad.compiler import Group, compile_function

    groups = [Group("t", 0.0, scalar=True), Group("y", np.asarray(y0, float)), Group("p", (p,), spread=True)]
    function = compile_function(fun, groups)
    for kind in kinds:
        function.address(kind)
    clock(label)


def own_lotka_volterra() -> dict:
    """Import, first solve and gradient; then another method, another size, another model."""
    clock = Clock()
    import sciad

    assert sciad
    clock("import")
    from tests.problems.ode_models import MODELS

    model = MODELS["lotka_volterra"]
    p = np.asarray(model.args[0], float)
    clock("models")
    _solves(clock, "first", model.fun, model.y0, p, "Tsit5", 10.0)
    _solves(clock, "a further method (Vern7):", model.fun, model.y0, p, "Vern7", 10.0)

    def three(t, y, p):
        return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1] * y[2], -y[2]])

    def another(t, y, p):
        u, v = y
        return np.array([p[0] * u * (1.0 - 0.1 * u) - p[1] * u * v, p[2] * u * v - p[3] * v])

    _solves(clock, "a further size (n = 3):", three, [1.0, 1.0, 1.0], p, "Tsit5", 10.0)
    _compiled(clock, "a further model: primal and pullback", another, model.y0, p, ("primal", "pullback"))
    _solves(clock, "a further model:", another, model.y0, p, "Tsit5", 10.0)
    return clock.seconds


def own_pollu() -> dict:
    """Rodas5P: first solve and gradient."""
    clock = Clock()
    import sciad

    assert sciad
    clock("import")
    from tests.problems.ode_models import MODELS

    model = MODELS["pollu"]
    p = np.asarray(model.args[0], float)
    clock("models")
    _solves(clock, "first", model.fun, model.y0, p, "Rodas5P", 60.0)

    def another(t, y, k):
        return 1.1 * model.fun(t, y, k)

    kinds = ("primal", "jacobian", "pullback")
    _compiled(clock, "a further model: primal, Jacobian, pullback", another, model.y0, p, kinds)
    return clock.seconds


def own_program(text: str) -> dict:
    """Value and gradient of a jitted function of three numbers."""
    import sciad as ad

    jitted = ad.jit(lambda x: x * 2.0)
    jitted(1.0), ad.grad(jitted)(1.0)  # LLVM and the compiler are there
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program_of_lines.py"
        path.write_text(text)
        specification = importlib.util.spec_from_file_location("program_of_lines", path)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        function, y, clock = ad.jit(module.f), np.array([0.3, 0.4, 0.5]), Clock()
        function(y)
        clock("value")
        ad.grad(function)(y)
        clock("gradient")
    return clock.seconds


def lines(count: int) -> str:
    """A program of so many straight statements."""
    body = ["    " + LINES[i % len(LINES)] for i in range(count)]
    head = ["import numpy as np", "def f(y):", "    a, b, c = y[0], y[1], y[2]"]
    return "\n".join([*head, *body, "    return a*b + c"]) + "\n"


def nest(depth: int) -> str:
    """Loops in loops, with a branch in each."""
    text = ["import numpy as np", "def f(y):", "    a, b, c = y[0], y[1], y[2]"]
    for level in range(depth):
        indent = "    " * (level + 1)
        text += [f"{indent}for i{level} in range(2):", f"{indent}    a = a*0.99 + 0.01*b"]
        text += [f"{indent}    if a > b:", f"{indent}        b = b + 0.1*c"]
    return "\n".join([*text, "    return a*b + c"]) + "\n"


def peer(name: str) -> dict:
    """Import and first forward solve and gradient of Lotka-Volterra in another library."""
    clock = Clock()
    from benchmarks import lotka_volterra_peers

    found = getattr(lotka_volterra_peers, name)()
    clock("import and set up")
    for kind in ("forward", "gradient"):
        next(iter(found[kind].values()))()
        clock(kind)
    return clock.seconds


OWN = {"sciad Lotka-Volterra, Tsit5": own_lotka_volterra, "sciad POLLU, Rodas5P": own_pollu}
OWN |= {f"sciad {n} straight lines": lambda n=n: own_program(lines(n)) for n in (50, 100, 1000)}
OWN |= {f"sciad {n} nested loops": lambda n=n: own_program(nest(n)) for n in (3, 6, 9)}
LONG = {"sciad 10000 straight lines": lambda: own_program(lines(10000))}
PEERS = {f"{name} Lotka-Volterra": lambda n=name: peer(n) for name in ("diffrax", "heyoka", "pydiffsol")}
ROWS = OWN | LONG | PEERS

if __name__ == "__main__":
    print(json.dumps(ROWS[sys.argv[1]]()))
