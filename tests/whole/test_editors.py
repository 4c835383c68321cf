"""What editors and type checkers see: stubs that name what there is, complete hints, typical use without
errors, and `dir` without internals.
"""

import ast
import importlib
import inspect
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import sciad

ROOT = Path(__file__).parents[2]
FOLDERS = {"sciad": "sciad", "sciad.solvers": "solvers", "sciad.adjoints": "adjoints"}

TYPICAL = """
import numpy as np
import sciad as ad
from sciad import adjoints, solvers
from sciad.adjoints import GaussAdjoint, check, gauss_newton
from sciad.solvers import BrownianMotion, Solution, Tsit5, solve_ivp, solve_sde, steady_state

def model(t: float, y: np.ndarray, k: float) -> np.ndarray:
    return -k * y

def loss(k: float) -> float:
    sol = solve_ivp(model, (0, 1), np.ones(2), "Tsit5", t_eval=[0.5, 1.0], args=(k,), adjoint=GaussAdjoint())
    return float(np.sum(sol.y**2))

@ad.jit
def square(x: float) -> float:
    return x * x

sol: Solution = ad.solve_ivp(model, (0, 1), [1.0, 2.0], method=Tsit5, dense_output=True, args=(1.0,))
times: np.ndarray = sol.t
if sol.sol is not None:
    print(sol.sol(0.5), sol.integral(lambda t, y: y[0]), sol.success, sol["y"])
value, gradient = ad.value_and_grad(loss, argnums=0)(2.0)
print(ad.grad(loss)(2.0), ad.hessian(square)(2.0), ad.vmap(square)(np.ones(3)), ad.source(square))
path = BrownianMotion((0, 1), 2, seed=1)
sde = solve_sde(model, model, (0, 1), np.ones(2), dt=0.01, args=(1.0,), brownian=path)
mean: np.ndarray = sde.y.mean(axis=0)
print(steady_state(model, np.ones(2), (1.0,)).y, solvers.Rodas5P.order, adjoints.explain(sol))
print(check(loss, 1.0))
print(gauss_newton(lambda k: k - 1.0, 2.0))
try:
    square("text")
except ad.UnsupportedSyntax as error:
    print(error.hint)
"""
WRONG = """
import sciad as ad
from sciad.solvers import solve_ivp

sol = solve_ivp(lambda t, y: -y, (0, 1), [1.0], max_steps="many")
print(sol.no_such_field)
print(ad.no_such_name)
"""


@pytest.mark.parametrize("name", FOLDERS)
def test_stubs_name_what_there_is(name):
    module, tree = (
        importlib.import_module(name),
        ast.parse((ROOT / FOLDERS[name] / "__init__.pyi").read_text()),
    )
    found = {a.asname: a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    found |= {n.name: n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert all(key == value for key, value in found.items())
    assert set(found) == {n for n in dir(module) if not n.startswith("__")}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != "sciad":
            for a in node.names:
                assert getattr(importlib.import_module(node.module), a.name) is getattr(module, a.name)


@pytest.mark.parametrize("name", FOLDERS)
def test_dir_has_no_internals(name):
    module = importlib.import_module(name)
    shown = [n for n in dir(module) if not n.startswith("__")]
    assert not any(n.startswith("_") for n in shown)
    for n in shown:
        value = getattr(module, n)
        if isinstance(value, types.ModuleType):
            assert (
                value.__name__ in sciad._PACKAGES or value.__name__.removeprefix("sciad.") in sciad._PACKAGES
            )
        assert value.__doc__, n


def _public():
    for name in FOLDERS:
        module = importlib.import_module(name)
        for n in dir(module):
            value = getattr(module, n)
            if inspect.isfunction(value):
                yield f"{name}.{n}", value
            elif inspect.isclass(value) and value.__module__.startswith("sciad"):
                for key, f in vars(value).items():
                    if (
                        inspect.isfunction(f)
                        and (not key.startswith("_") or key == "__init__")
                        and key != "pullback"
                    ):
                        yield f"{name}.{n}.{key}", f


@pytest.mark.parametrize("name, function", [pytest.param(*item, id=item[0]) for item in _public()])
def test_hints_are_complete(name, function):
    if "ode.solution" in function.__module__ or "sde_solution" in function.__module__:
        pytest.skip("what solves return is not made by users")
    signature = inspect.signature(function)
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
    assert not bare
    assert signature.return_annotation is not signature.empty or function.__name__ == "__init__"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The packages as they are when installed."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "sciad", site / "sciad")
    for name in ("solvers", "adjoints"):
        shutil.copytree(ROOT / name, site / "sciad" / name)
    return site


def _checked(checker: str, site: Path, text: str) -> subprocess.CompletedProcess:
    pytest.importorskip(checker)
    file = site / "use.py"
    file.write_text(text)
    command = [sys.executable, "-m", checker]
    if checker == "mypy":
        command += ["--follow-imports=silent", "--cache-dir", str(site / "cache")]
    return subprocess.run([*command, str(file)], cwd=site, capture_output=True, text=True, timeout=400)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_typical_use_has_no_errors(checker, installed):
    ran = _checked(checker, installed, TYPICAL)
    if checker == "pyright" and "error:" not in ran.stdout and ran.returncode not in (0, 1):
        pytest.skip("pyright needs node")
    assert ran.returncode == 0, ran.stdout


def test_mistakes_are_seen(installed):
    ran = _checked("mypy", installed, WRONG)
    assert ran.returncode == 1 and ran.stdout.count("error:") >= 3, ran.stdout
