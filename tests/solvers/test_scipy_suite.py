"""SciPy's own tests of `solve_ivp`, run with this one: the file that SciPy installs, names exchanged."""

import inspect
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

from sciad.solvers import solve_ivp

METHODS = {"Radau": "Rodas5P", "BDF": "Rosenbrock23", "LSODA": "auto"}
NAMES = {
    getattr(scipy.integrate, name): METHODS.get(name, name)
    for name in ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
}

# Tests of SciPy's classes and helpers, not of solve_ivp.
INTERNAL = {
    "test_classes",
    "test_no_integration_class",
    "test_OdeSolution",
    "test_ConstantDenseOutput",
    "test_num_jac",
    "test_num_jac_sparse",
}
DOCUMENTED = Path(__file__).parents[2] / "docs" / "scipy_differences.md"


def as_scipy(fun, t_span, y0, method="RK45", *args, **options):
    """`solvers.solve_ivp` called as SciPy's is."""
    method = METHODS.get(method, NAMES.get(method, method)) if isinstance(method, str | type) else method
    return solve_ivp(fun, t_span, y0, method, *args, **options)


def suite() -> dict:
    """Name to (function, arguments) of all of SciPy's cases."""
    folder = resources.files("scipy.integrate") / "_ivp" / "tests"
    path = folder / "test_ivp.py"
    namespace = {"__name__": "scipy_suite", "__file__": str(path)}
    text = re.sub(r"^@pytest\.mark\.(?!parametrize).*$", "", path.read_text(), flags=re.MULTILINE)
    exec(compile(text, str(path), "exec"), namespace)
    namespace["solve_ivp"] = as_scipy
    cases = {}
    for name, function in namespace.items():
        if not name.startswith("test_") or not inspect.isfunction(function) or name in INTERNAL:
            continue
        marks = [m for m in getattr(function, "pytestmark", ()) if m.name == "parametrize"]
        choices = [{}]
        for mark in marks:
            choices = [{**c, mark.args[0]: value} for c in choices for value in mark.args[1]]
        for choice in choices:
            label = "-".join(str(value) for value in choice.values())
            arguments = dict(choice)
            if "num_parallel_threads" in inspect.signature(function).parameters:
                arguments["num_parallel_threads"] = 1
            cases[f"{name}[{label}]" if label else name] = (function, arguments)
    return cases


CASES = suite()


def differences() -> set[str]:
    """Cases that the page on differences lists with a reason."""
    cells = re.findall(r"^\| (`test_.*?`) \|", DOCUMENTED.read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+(?:\[[\w.]+\])?)`", cell)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_as_scipy_expects(name):
    function, arguments = CASES[name]
    if name in differences():
        pytest.skip("see docs/scipy_differences.md")
    function(**arguments)


def test_differences_are_cases():
    assert differences() <= CASES.keys()
    assert len(CASES) - len(differences()) >= 45
    assert np.all([name.startswith("test_") for name in CASES])
