"""The page on what can be differentiated is what the table says."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "make_rules.py"
spec = importlib.util.spec_from_file_location("make_rules", SCRIPT)
make_rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_rules)


def test_page_is_up_to_date():
    assert make_rules.PAGE.read_text() == make_rules.render(), "run python docs/make_rules.py"


@pytest.mark.parametrize("module", make_rules.AUTOGRAD, ids=lambda m: m.__name__)
def test_everything_autograd_lists(module):
    names = make_rules.AUTOGRAD[module].split()
    assert names
    assert [name for name in names if not make_rules.covered(module, name)] == []
