"""What a process spends on compiling two models: the script that `compiled_ad.py` starts, twice on one cache.

Prints JSON: seconds (wall and processor time) of starting numba, of Lotka-Volterra's primal and pullback, and
of POLLU's primal, Jacobian and pullback.  With the argument "again" numba is not started: nothing needs it.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from tests.problems.ode_models import MODELS

KINDS = {"lotka_volterra": ("primal", "pullback"), "pollu": ("primal", "jacobian", "pullback")}


def start_numba() -> None:
    from numba import cfunc, types

    from sciad.native import llvm

    pointer = types.CPointer(types.float64)
    cfunc(types.int64(types.float64, pointer))(lambda x, out: 0)
    llvm.emit(llvm.parse(""))


def first_use(name: str) -> None:
    from sciad.compiler import Group, compile_function

    model = MODELS[name]
    groups = [
        Group("t", 0.0, scalar=True),
        Group("y", np.asarray(model.y0, float)),
        Group("p", tuple(model.args), spread=True),
    ]
    compiled = compile_function(model.fun, groups)
    for kind in KINDS[name]:
        compiled.address(kind)


def timed(what, *args) -> tuple[float, float]:
    wall, used = time.perf_counter(), time.process_time()
    what(*args)
    return time.perf_counter() - wall, time.process_time() - used


if __name__ == "__main__":
    seconds = {} if "again" in sys.argv else {"numba": timed(start_numba)}
    print(json.dumps(seconds | {name: timed(first_use, name) for name in KINDS}))
