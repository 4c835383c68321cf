"""What is installed: a wheel has every module, and a user's files of the same names do not get in the way."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import numpy as np
import adjoints, solvers  # the user's
import sciad as ad
from sciad.solvers import solve_ivp

def end(k):
    sol = solve_ivp(lambda t, y, k: -k * y, (0, 1), np.ones(1), "Tsit5", args=(k,), rtol=1e-9, atol=1e-9)
    return sol.y[0, -1]

assert abs(ad.grad(end)(2.0) + np.exp(-2.0)) < 1e-7
print(ad.__file__, solvers.__file__, adjoints.__file__, sep="\\n")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools writes beside what it builds
    source.mkdir()
    for name in ("sciad", "solvers", "adjoints", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run = subprocess.run([*build, "-w", folder, source], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(folder.glob("*.whl"))


def test_a_wheel_has_every_module_under_its_name(wheel):
    wanted = {
        ("" if folder == "sciad" else "sciad/") + str(file.relative_to(ROOT))
        for folder in ("sciad", "solvers", "adjoints")
        for file in (ROOT / folder).rglob("*.py")
    }
    found = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    assert found == wanted


@pytest.mark.parametrize("installed", ["editable", "wheel"])
def test_modules_of_the_user_may_be_called_solvers_and_adjoints(tmp_path, request, installed):
    environment = dict(os.environ)
    site = ROOT
    if installed == "wheel":
        site = tmp_path / "site"
        zipfile.ZipFile(request.getfixturevalue("wheel")).extractall(site)
        environment["PYTHONPATH"] = str(site)
    own = tmp_path / "own"
    own.mkdir()
    for name in ("solvers", "adjoints"):
        (own / f"{name}.py").write_text("mine = True\n")
    (own / "program.py").write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "program.py"], cwd=own, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    expected = site / "sciad" / "__init__.py", own / "solvers.py", own / "adjoints.py"
    assert [Path(line).resolve() for line in run.stdout.split()] == [path.resolve() for path in expected]
