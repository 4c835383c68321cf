"""The examples of docstrings run, module by module, under the names that users import."""

import doctest
import importlib
import pkgutil

import pytest

import sciad

MODULES = sorted(
    module.name
    for package in (
        sciad,
        importlib.import_module("sciad.solvers"),
        importlib.import_module("sciad.adjoints"),
    )
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
)
BRIDGES = {"sciad.torch", "sciad.jax", "sciad.pytensor"}  # to libraries that may be absent


@pytest.mark.parametrize("name", ["sciad", *MODULES])
def test_examples_run(name):
    if name in BRIDGES:
        pytest.importorskip(name.removeprefix("sciad."))
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert not failed
