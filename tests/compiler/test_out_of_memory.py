"""A compiled program that asks for memory in vain raises, as Python would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import resource
import numpy as np
import sciad as ad

@ad.jit
def iterated(x, n):
    k = 0.0
    while k < n:  # the derivative keeps numbers of every round
        x = 0.99 * np.sin(x) + 0.001 * x * x
        k = k + 1.0
    return x

gradient = ad.grad(iterated)
expected = gradient(0.3, 1000.0)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), resource.RLIM_INFINITY))
for _ in range(2):
    try:
        gradient(0.3, 1e8)
        print("no error")
    except MemoryError as error:
        print("MemoryError", "not enough memory" in str(error))
assert gradient(0.3, 1000.0) == expected != 0.0
print(iterated(0.3, 1e5) > 0.0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of memory is set as Linux does")
def test_a_growing_program_raises_memory_error(tmp_path):
    script = tmp_path / "growing.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCIAD_BACKEND": "own"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["MemoryError True"] * 2 + ["True"], done.stderr
