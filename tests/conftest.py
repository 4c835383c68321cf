"""What holds for every test."""

import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_name_for_each_module():
    """The folders `solvers` and `adjoints` of the repository are imported as parts of `sciad` only."""
    yield
    twice = [name for name in sys.modules if name.partition(".")[0] in ("solvers", "adjoints")]
    assert not twice, f"imported under a second name: {twice}"
