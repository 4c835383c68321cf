"""The interface between the tracer and what is below it holds in both directions."""

import ast
import inspect
from pathlib import Path

import pytest

import sciad.compiler
from sciad.compiler.ir.nodes import Block, Program
from sciad.compiler.objects.trace_services import TraceServices
from sciad.compiler.tracing.tracer import Tracer

COMPILER = Path(sciad.compiler.__file__).parent
FILES = [path for folder in ("objects", "functions") for path in sorted((COMPILER / folder).glob("*.py"))]
METHODS = {name for name, value in vars(TraceServices).items() if inspect.isfunction(value)} - {"__init__"}
METHODS = {name for name in METHODS if not name.startswith("_")}
OFFERED = METHODS | set(TraceServices.__annotations__)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_lowerings_use_of_a_trace_only_what_is_listed(path):
    tree = ast.parse(path.read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "t"
    }
    assert not used - OFFERED


def test_the_tracer_offers_all_that_is_listed():
    t = Tracer(Program("f", [], 0, Block()), None, {})
    assert all(hasattr(t, name) for name in OFFERED)
    for name in METHODS:
        listed = inspect.signature(getattr(TraceServices, name)).parameters
        assert list(listed) == list(inspect.signature(getattr(Tracer, name)).parameters), name
    assert {"builder", "as_array", "settled"} <= OFFERED
