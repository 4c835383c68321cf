"""What is found in the cache folder was made by the same tool chain, for this Python and this NumPy."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import llvmlite
import numba
import numpy as np
import pytest

import sciad
from sciad.native.cache_folders import cache_folder

KERNEL = """
from sciad.native.kernels import kernel, link

@kernel
def scaled(x):
    return A * B * x

def make():
    return link(scaled, "float64(float64)", {"A": 2.0, "B": 3.0})
"""


def run(code, folder, first=()):
    path = os.pathsep.join([*map(str, first), str(folder), *sys.path])
    environment = {**os.environ, "SCIAD_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=folder
    )


def test_a_changed_tool_chain_makes_kernels_anew(tmp_path):
    (tmp_path / "some_kernel.py").write_text(KERNEL)
    copy = tmp_path / "copy"
    shutil.copytree(Path(sciad.__file__).parent, copy / "sciad", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sciad, some_kernel; print(sciad.__file__, some_kernel.make()(1.0))"
    specialize = copy / "sciad" / "native" / "specialize.py"
    text = specialize.read_text()
    assert text.count("ast.Mult: operator.mul") == 1
    for product, value in (("mul", 6.0), ("add", 5.0), ("mul", 6.0)):
        specialize.write_text(text.replace("ast.Mult: operator.mul", f"ast.Mult: operator.{product}"))
        done = run(code, tmp_path, [copy])
        where, found = done.stdout.split()
        assert where.startswith(str(copy)) and float(found) == value, done.stderr


@pytest.mark.parametrize("file", ["native/specialize.py", "native/llvm.py", "private_interfaces.py"])
def test_every_file_of_the_tool_chain_counts(file, tmp_path):
    copy = tmp_path / "sciad"
    shutil.copytree(Path(sciad.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from sciad.native import cache; print(cache.digest('text'))"
    before = run(code, tmp_path, [tmp_path]).stdout
    with open(copy / file, "a") as changed:
        changed.write("# changed\n")
    after = run(code, tmp_path, [tmp_path]).stdout
    assert before and after and before != after


def test_the_folder_is_for_these_libraries_and_this_interpreter(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))
    name = cache_folder().name
    for part in (
        f"numba{numba.__version__}",
        f"llvmlite{llvmlite.__version__}",
        f"numpy{np.__version__}",
        sysconfig.get_config_var("SOABI"),
    ):
        assert part in name


def test_a_process_that_only_loads_looks_how_arrays_lie_in_memory(tmp_path):
    (tmp_path / "some_kernel.py").write_text(KERNEL)
    assert run("import some_kernel; print(some_kernel.make()(1.0))", tmp_path).stdout.split() == ["6.0"]
    strange = (
        "import sciad.private_interfaces as p; p.DATA += 8\n"
        "import some_kernel, sys\n"
        "try: print(some_kernel.make()(1.0))\n"
        "except ImportError as error: print('numba' in sys.modules, error)"
    )
    found = run(strange, tmp_path).stdout
    assert found.startswith("False NumPy") and "lays out arrays" in found
