"""What is published: the source archive has what its tests need, the metadata are whole, and the parts that
state the same (versions, requirements, files) agree.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import sciad
from sciad.__main__ import main

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LEFT_OUT = shutil.ignore_patterns(
    ".venv*", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "site"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder that a source archive unpacks to."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("archive")
    shutil.copytree(ROOT, folder / "tree", ignore=LEFT_OUT, symlinks=True)
    text = f"from setuptools import build_meta; print(build_meta.build_sdist({str(folder)!r}))"
    ran = subprocess.run([sys.executable, "-c", text], cwd=folder / "tree", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "out", filter="data")
    return next((folder / "out").iterdir())


def test_a_source_archive_has_every_file_of_the_tree(unpacked):
    wanted = set()
    for folder in (
        "sciad",
        "solvers",
        "adjoints",
        "tests",
        "docs",
        "examples",
        "benchmarks",
        "recipe",
        ".ci",
    ):
        files = [
            file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts
        ]
        wanted |= {str(file.relative_to(ROOT)) for file in files}
    missing = sorted(name for name in wanted if not (unpacked / name).exists())
    assert not missing
    for name in ("README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", ".importlinter"):
        assert (unpacked / name).exists(), name


def test_its_tests_run(unpacked, tmp_path):
    """Against what stands beside them, laid out as an installation."""
    site = tmp_path / "site"
    shutil.copytree(unpacked / "sciad", site / "sciad")
    for name in ("solvers", "adjoints"):
        shutil.copytree(unpacked / name, site / "sciad" / name)
    tests = [
        "tests/whole/test_tree.py",
        "tests/eager/test_eager_rebind.py",
        "tests/solvers/test_bad_input.py",
    ]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    ran = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_one_version_everywhere():
    citation, recipe = (ROOT / "CITATION.cff").read_text(), (ROOT / "recipe/recipe.yaml").read_text()
    assert PROJECT["version"] == sciad.__version__
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == sciad.__version__
    assert re.search(r'^  version: "(.*)"$', recipe, re.MULTILINE)[1] == sciad.__version__
    assert f"## {sciad.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_recipe_wants_what_the_project_wants():
    recipe = (ROOT / "recipe/recipe.yaml").read_text()
    listed = dict(re.findall(r"^    - ([\w-]+) (>=\S+)$", recipe[recipe.index("  run:") :], re.MULTILINE))
    listed["matplotlib"] = listed.pop("matplotlib-base")
    listed.pop("python")
    wanted = dict(re.match(r"([\w-]+)(.*)", text).groups() for text in PROJECT["dependencies"])
    assert listed == wanted


def test_metadata():
    assert PROJECT["license"] == "MIT" and PROJECT["urls"].keys() >= {
        "Homepage",
        "Documentation",
        "Changelog",
    }
    assert not any(text.startswith("License ::") for text in PROJECT["classifiers"])  # the SPDX name says it


def test_pictures_of_the_readme_have_absolute_addresses():
    """So that they are seen where the README is shown without the files."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures
    for address in pictures:
        base, _, path = address.partition("/main/")
        assert base.startswith("https://") and (ROOT / path).exists(), address


def test_versions_and_self_check(capsys):
    assert main(["versions"]) == 0
    assert f"sciad       {sciad.__version__}" in capsys.readouterr().out
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all(line.startswith("ok") for line in lines)


def test_the_self_check_can_fail(capsys, monkeypatch):
    from sciad import self_check

    wrong = "CHECKS = {'a lie': (lambda: 1.0, 2.0, 1e-3), 'an error': (lambda: 1 / 0, 1.0, 1.0)}"
    monkeypatch.setattr(self_check, "_MODELS", wrong)
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert out.count("FAILED") == 2 and "ZeroDivisionError" in out


def test_it_can_be_asked_from_outside(tmp_path):
    ran = subprocess.run([sys.executable, "-m", "sciad"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0 and "numpy" in ran.stdout and ran.stdout.count("\nok") == 5, ran.stderr
