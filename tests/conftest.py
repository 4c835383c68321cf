"""What holds for every test: each module of the repository is imported under one name only."""

import os
import sys
from pathlib import Path

import pytest

os.environ["SCIAD_STRICT"] = "1"  # mistakes of the compiler are raised as what they are

ROOT = Path(__file__).parents[1]
OURS = [ROOT / name for name in ("sciad", "solvers", "adjoints", "tests", "benchmarks", "examples", "docs")]


class OneName:
    """Refuses `solvers` and `adjoints` at the top: they are parts of `sciad`, a copy has its own state."""

    def find_spec(self, name, path=None, target=None):
        if name in ("solvers", "adjoints"):
            raise AssertionError(f"`import {name}` imports the repository's folder twice; it is sciad.{name}")


sys.meta_path.insert(0, OneName())


@pytest.fixture(scope="session", autouse=True)
def one_name_for_each_file():
    yield
    names = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and file and any(map(Path(file).is_relative_to, OURS)):
            names.setdefault(file, []).append(name)
    assert not [found for found in names.values() if len(found) > 1]


@pytest.fixture(scope="session", autouse=True)
def translated_by_ourselves():
    """Nothing that the tests compile is left to numba."""
    yield
    from sciad.native.backend import fallbacks

    assert not fallbacks
