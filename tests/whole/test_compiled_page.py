"""The programs of docs/compiled.md run as written and tell the truth."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "compiled.md").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What the programs define."""
    script = tmp_path_factory.mktemp("compiled") / "compiled.py"
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    script.write_text("\n".join(blocks))
    return runpy.run_path(str(script))


def test_training(page):
    """The network fits, and the run is that of Python for its first steps."""
    assert page["error"] < 1e-3
    assert set(page["fitted"]) == {"w", "b", "v"}
    np.testing.assert_array_equal(page["start"]["v"], 0.0)  # arguments are not written


def test_rules_and_equations(page):
    """What the comments say."""
    assert page["largest"] == 1.0
    z = page["eccentric"](1.0, 0.3)
    np.testing.assert_allclose(z - 0.3 * np.sin(z), 1.0, rtol=1e-14)
    np.testing.assert_allclose(page["slope"], 1.0 / (1.0 - 0.3 * np.cos(z)), rtol=1e-12)
