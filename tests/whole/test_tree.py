"""The tree of files: what pages name exists, names are told apart, files are short, all are installed."""

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.exists() and page.name != "decisions.md"]  # decisions keep old names
SOURCES = sorted(f for folder in ("sciad", "solvers", "adjoints") for f in (ROOT / folder).rglob("*.py"))
CODE = [*SOURCES, *(f for d in ("tests", "benchmarks", "examples", "docs") for f in (ROOT / d).rglob("*.py"))]
SHARED_NAMES = {"__init__.py"}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "sciad" else ("sciad", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file) for file in SOURCES}


def test_no_file_is_longer_than_500_lines():
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in CODE}
    assert not {name: n for name, n in lengths.items() if n > 500}


def test_no_two_modules_of_one_name():
    found = defaultdict(list)
    for file in SOURCES:
        found[file.name].append(str(file.relative_to(ROOT)))
    assert not {name: files for name, files in found.items() if len(files) > 1 and name not in SHARED_NAMES}


def test_every_module_says_what_it_is_for():
    assert not [str(f.relative_to(ROOT)) for f in CODE if not ast.get_docstring(ast.parse(f.read_text()))]


def test_every_folder_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({module_name(f.parent / "__init__.py") for f in SOURCES})
    assert set(listed) <= MODULES  # each has an __init__.py


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_that_a_page_names_exist(page):
    text = page.read_text()
    spans = [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"\]\(([^)#\s]+)\)", text)]
    files = {s.split()[0] for s in spans if re.fullmatch(r"[\w./-]+\.(py|md|toml|c|json|csv|png)( .*)?", s)}
    missing = [f for f in files if not ((ROOT / f).exists() or (page.parent / f).exists())]
    modules = {m for s in spans for m in re.findall(r"^(sciad(?:\.[a-z_0-9]+)*\.[a-z_0-9]+)\b", s)}
    gone = [m for m in modules if not is_name(m)]
    assert not missing and not gone


@pytest.mark.parametrize("folder", ["sciad", "solvers", "adjoints"])
def test_modules_that_docstrings_and_comments_name_exist(folder):
    gone = []
    for file in (f for f in SOURCES if f.relative_to(ROOT).parts[0] == folder):
        for name in re.findall(r"`{1,2}(sciad(?:\.\w+)+)", file.read_text()):
            if not is_name(name):
                gone.append(f"{file.relative_to(ROOT)}: {name}")
    assert not gone


def is_name(dotted):
    """Whether it is a module, or what a module defines or offers."""
    parts = dotted.split(".")
    for k in range(len(parts), 0, -1):
        if ".".join(parts[:k]) in MODULES:
            rest = parts[k:]
            if not rest:
                return True
            file = next(f for f in SOURCES if module_name(f) == ".".join(parts[:k]))
            return bool(re.search(rf"\b{re.escape(rest[0])}\b", file.read_text()))
    return False


def test_every_folder_of_tests_mirrors_a_package():
    packages = {f.parent.name for f in SOURCES} | {"whole", "problems"}
    assert {f.name for f in (ROOT / "tests").iterdir() if f.is_dir() and f.name[0] != "_"} <= packages


def test_tests_take_helpers_from_modules_of_helpers():
    """Not from one another: a helper's module has no tests, a module of tests has no users."""
    takers = []
    for file in (ROOT / "tests").rglob("*.py"):
        nodes = [
            n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, (ast.Import, ast.ImportFrom))
        ]
        names = [name for n in nodes for name in (getattr(n, "module", "") or "", *(a.name for a in n.names))]
        if any(name.startswith("tests.") and ".test_" in name for name in names):
            takers.append(str(file.relative_to(ROOT)))
        if "def test_" in file.read_text() and not file.name.startswith("test_"):
            takers.append(f"{file.relative_to(ROOT)} has tests that pytest does not find")
    assert not takers


def test_nothing_that_is_made_is_in_the_tree():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    assert not [f for f in listed.stdout.split() if re.search(r"\.(pyc|so|o|egg-info|whl)$|__pycache__", f)]
