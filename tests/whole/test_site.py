"""The pages of the site: their programs run, those of other libraries give the same, every public name has a
place, and the site builds without a warning.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("coming_from", "choosing", "gradient_quality", "training", "errors", "parallel")
PEERS = ("scipy", "torchdiffeq", "diffrax", "casadi", "autograd")


def _blocks(page: str) -> list[tuple[str, str]]:
    """Python programs of a page as (title, text), those in tabs too."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    found = re.findall(
        r"^( *)```python(?: title=\"(\w+)\")?\n(.*?)^\1```$", text, flags=re.MULTILINE | re.DOTALL
    )
    return [(title, textwrap.dedent(body)) for _, title, body in found]


def _run(texts: list[str], folder: Path, name: str) -> dict:
    path = folder / f"{name}.py"
    path.write_text("\n".join(texts))
    spec = importlib.util.spec_from_file_location(f"site_{name}", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a model that cannot be compiled would warn
        spec.loader.exec_module(module)
    return vars(module)


@pytest.mark.parametrize("page", PAGES)
def test_our_programs_run(page, tmp_path):
    ours = [text for title, text in _blocks(page) if not title]
    assert ours
    _run(ours, tmp_path, page)


def test_gradients_of_the_page_are_right(tmp_path):
    page = _run([text for title, text in _blocks("coming_from") if not title], tmp_path, "coming_from")
    times = np.linspace(0, 1, 5)
    wanted = np.sum(-2 * times * 2 * np.exp(-4.0 * times))
    assert abs(page["gradient"] - wanted) < 1e-6 and abs(page["gauss_gradient"][0] - wanted) < 1e-5
    assert abs(page["end_gradient"] + 4 * np.exp(-4.0)) < 1e-6
    np.testing.assert_allclose(page["tanh_gradient"], 2 * np.tanh([0.5, 1]) / np.cosh([0.5, 1]) ** 2)


@pytest.mark.parametrize("peer", PEERS)
def test_their_program_gives_the_same(peer, tmp_path):
    pytest.importorskip(peer)
    blocks = _blocks("coming_from")
    (at,) = [k for k, (title, _) in enumerate(blocks) if title == peer]
    theirs = _run([blocks[at][1]], tmp_path, peer)
    ours = _run([text for title, text in blocks[: at + 2] if not title], tmp_path, f"beside_{peer}")
    name = {"scipy": "end", "casadi": "end_gradient", "autograd": "tanh_gradient"}.get(peer, "gradient")
    np.testing.assert_allclose(ours[name], theirs["end" if peer == "scipy" else "gradient"], 1e-4, 1e-6)


def test_all_pages_are_in_the_contents():
    listed = set(re.findall(r": ([\w]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert {p.name for p in (ROOT / "docs").glob("*.md")} <= listed


@pytest.mark.long
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    tree = tmp_path / "tree"
    for name in ("docs", "examples", "sciad", "solvers", "adjoints"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tree / name)
    packages = tree / "build" / "packages"
    shutil.copytree(tree / "sciad", packages / "sciad")
    for name in ("solvers", "adjoints"):
        shutil.copytree(tree / name, packages / "sciad" / name)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an announcement of the theme
    ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0 and "WARNING" not in ran.stderr, ran.stderr[-3000:]
    shown = "".join(p.read_text() for p in (tree / "build" / "site" / "reference").rglob("*.html"))
    import sciad
    from sciad import adjoints, solvers

    for module in (sciad, solvers, adjoints):
        for name in module.__dir__():
            if not name.startswith("_") and name not in (*sciad._PACKAGES, "serving"):
                assert re.search(rf'id="sciad\.[\w.]+\.{name}"', shown), name
    for name in sorted(sciad._PACKAGES - {"solvers", "adjoints"}):
        for one in getattr(sciad, name).__all__:
            assert f'id="sciad.{name}.{one}"' in shown, f"{name}.{one}"
    links = re.findall(r'href="(\.\./[^"#]+/|[\w/]+/)"', (tree / "build" / "site" / "index.html").read_text())
    for link in links:
        assert (tree / "build" / "site" / link).exists(), link
