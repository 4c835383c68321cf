"""Importing and compiling for the first time while a transform runs leaves nothing behind.

Transforms bind NumPy's names to versions that know traced values; compilers know functions by identity.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FIRST = """
import warnings
warnings.simplefilter("error")  # a model that cannot be compiled would warn
import numpy as np
from numpy import array
import sciad as ad

def decay(t, y, rate):
    return np.array([-rate * y[0], rate * abs(y[0])])

def by_name(t, y, rate):
    return array([-rate * y[0], rate * abs(y[0])])

def loss(rate, fun):
    y0 = np.array([1.0, 0.0])
    return ad.solve_ivp(fun, (0, 1), y0, "Tsit5", args=(rate,), rtol=1e-8, atol=1e-8).y[0, -1]
"""

ORDERS = {
    "gradient, then solve": "ad.grad(loss)(0.5, decay); loss(0.5, decay); loss(0.5, by_name)",
    "solve, then gradient": "loss(0.5, decay); ad.grad(loss)(0.5, decay); ad.grad(loss)(0.5, by_name)",
    "tangent, then solve": "ad.jvp(lambda r: loss(r, by_name), (0.5,), (1.0,)); loss(0.5, decay)",
}


@pytest.mark.parametrize(
    "order", [pytest.param(order, marks=[pytest.mark.long] * (i > 0)) for i, order in enumerate(ORDERS)]
)
def test_first_compilation(order, tmp_path):
    check = "assert abs(ad.grad(loss)(0.5, decay) + np.exp(-0.5)) <= 1e-6\n"
    check += "assert abs(ad.grad(loss)(0.5, by_name) + np.exp(-0.5)) <= 1e-6\n"
    script = tmp_path / "script.py"
    script.write_text(FIRST + ORDERS[order].replace("; ", "\n") + "\n" + check)
    environment = {"PYTHONPATH": str(ROOT), "SCIAD_CACHE_DIR": str(tmp_path / "cache")}
    run = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
