"""What the README shows runs as written and tells the truth."""

import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    """Names that the Python blocks define, run in order as one script from the project folder."""
    script = tmp_path_factory.mktemp("readme") / "readme.py"
    script.write_text("\n".join(blocks("python")))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")  # a model that cannot be compiled would warn
        patch.chdir(ROOT)
        return runpy.run_path(str(script))


def test_gradient_of_the_example(namespace):
    loss, p0 = namespace["loss"], namespace["p0"]
    assert namespace["value"] == loss(p0)
    for i, direction in enumerate(np.diag(1e-4 * p0)):
        slope = (loss(p0 + direction) - loss(p0 - direction)) / (2 * direction[i])
        # The tolerance of the example's solves, seen through the difference quotient.
        assert abs(namespace["gradient"][i] - slope) <= 1e-3 * np.abs(namespace["gradient"]).max(), i


def test_commands_are_targets():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    shown = re.findall(r"^make ([a-z-]+)", "".join(blocks("sh")), flags=re.MULTILINE)
    assert shown and set(shown) <= set(targets)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
