"""Functions whose text cannot be read: one message for them, wherever they are met; and texts that are
registered without a file.
"""

import linecache
import subprocess
import sys

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp
from sciad.solvers.model.build_model import InterpretedModel

TEXT = "def model(t, y):\n    return -y\n\ndef square(x):\n    return x * x\n"
ADVICE = "Define it in a file, a notebook or IPython"


def _defined(name: str) -> dict:
    space = {"np": np}
    exec(compile(TEXT, name, "exec"), space)
    return space


def test_the_same_words_for_jit_and_for_a_solve():
    space = _defined("<string>")
    with pytest.raises(ad.UnsupportedSyntax, match="cannot be read") as refused:
        ad.jit(space["square"])(2.0)
    with pytest.warns(InterpretedModel) as warned:
        solve_ivp(space["model"], (0, 1), np.ones(1))
    assert ADVICE in str(refused.value) and ADVICE in str(warned[0].message)
    assert "square" in str(refused.value) and "model" in str(warned[0].message)


@pytest.mark.parametrize("time", [None, 0.0])
def test_text_that_is_registered_is_used(time):
    name = f"<made at {time}>"
    linecache.cache[name] = len(TEXT), time, TEXT.splitlines(True), name
    space = _defined(name)
    assert ad.jit(space["square"])(3.0) == 9.0
    assert ad.grad(ad.jit(space["square"]))(3.0) == 6.0


def test_python_dash_c():
    text = "import sciad as ad\n@ad.jit\ndef f(x):\n    return x * x\nprint(f(2.0))"
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=100)
    if sys.version_info >= (3, 13):  # which keeps the text
        assert ran.stdout.strip() in ("4.0", "") and (ran.stdout or ADVICE in ran.stderr)
    else:
        assert "python -c" in ran.stderr and ADVICE in ran.stderr


def odeint_style(y, t, k):
    return -k * y


class System:
    def rhs(self, state, time):
        return -state


@pytest.mark.parametrize("fun, args", [(odeint_style, (2.0,)), (System().rhs, ())])
def test_the_state_before_the_time_is_noticed(fun, args):
    with pytest.warns(UserWarning, match=r"called as fun\(t, y, \*args\): write def"):
        solve_ivp(fun, (0, 1), np.array(1.0).reshape(1), args=args)


@pytest.mark.parametrize("names", ["t, y", "t, time", "time, t", "x, u", "y, temperature"])
def test_other_names_are_left_alone(names, recwarn):
    space: dict = {}
    linecache.cache[f"<{names}>"] = (
        1,
        None,
        [f"def f({names}): return -{names.split(', ')[1]}\n"],
        f"<{names}>",
    )
    exec(compile(linecache.cache[f"<{names}>"][2][0], f"<{names}>", "exec"), space)
    solve_ivp(space["f"], (0, 1), np.ones(1))
    assert not recwarn.list
