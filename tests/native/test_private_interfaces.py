"""What is used of other packages without their promise stands in one file, and is there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from sciad import private_interfaces

ROOT = Path(private_interfaces.__file__).parent
FOLDERS = [ROOT, ROOT.parent / "solvers", ROOT.parent / "adjoints"]
OWNERS = {"numba", "llvmlite", "numpy", "np", "scipy", "sp", "sys", "opcode"}
PUBLIC = {"numba.extending"}  # and what numba itself exports


def test_nothing_is_gone():
    gone = private_interfaces.missing()
    assert not gone, f"interfaces of other packages that are not there any more: {gone}"


@pytest.mark.parametrize("name", ["Intrinsic", "cpu_target", "hurwitz_zeta"])
def test_what_is_gone_is_named(name, monkeypatch):
    home = private_interfaces._LATER[name].partition(":")[0]
    monkeypatch.setitem(private_interfaces._LATER, name, f"{home}:_renamed_meanwhile")
    monkeypatch.delitem(vars(private_interfaces), name, raising=False)
    assert private_interfaces.missing() == [f"{home}._renamed_meanwhile"]
    with pytest.raises(ImportError, match=rf"{home.split('.')[0]} [\d.]+ has no {home}._renamed_meanwhile"):
        getattr(private_interfaces, name)


def private_names(path):
    """Lines of a file with a name that its owner does not promise."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                names = [f"{module}.{alias.name}" for alias in node.names]
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.Attribute():
                names = [ast.unparse(node)]
        for name in names:
            owner, *rest = name.split(".")
            if owner not in OWNERS:
                continue
            hidden = any(part.startswith("_") and not part.startswith("__") for part in rest)
            inner = owner == "numba" and len(rest) > 1 and ".".join(name.split(".")[:2]) not in PUBLIC
            if hidden or (inner and not isinstance(node, ast.Attribute)) or rest[-1:] == ["getrefcount"]:
                yield f"{path.name}:{node.lineno}: {name}"
        if isinstance(node, ast.Attribute) and node.attr in ("f_lasti", "pythonapi", "__pyx_capi__"):
            yield f"{path.name}:{node.lineno}: {node.attr}"


def test_private_names_stand_in_one_file():
    assert any(private_names(Path(private_interfaces.__file__)))
    found = [
        line
        for folder in FOLDERS
        for path in sorted(folder.rglob("*.py"))
        if path != Path(private_interfaces.__file__)
        for line in private_names(path)
    ]
    assert not found, "\n".join(found)


def test_they_cost_no_import():
    code = (
        "import sys, sciad.private_interfaces; print(*(x in sys.modules for x in ('numba', 'scipy.special')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
