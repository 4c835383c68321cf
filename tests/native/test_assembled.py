"""Machine code of assembly that is written here: kept like all code, and made anew if damaged."""

import ctypes

import pytest

from sciad.native import code
from sciad.native.cache_folders import cache_folder

TEXT = """
define internal double @inner(double %x) noinline {
  %y = fmul double %x, 3.0
  ret double %y
}
define double @triple(double %x) {
  %y = call double @inner(double %x)
  ret double %y
}
define double @plus_one(double %x) {
  %y = fadd double %x, 1.0
  ret double %y
}
"""


def call(address, x):
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)(x)


@pytest.mark.parametrize("damage", [None, b"", b"\0" * 100])
def test_assembly_is_compiled_once_and_made_anew_if_damaged(damage, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(code, "_codes", {})
    text = TEXT + f"; {damage!r}\n"
    found = code.assembled(text, "some", ("triple", "plus_one"))
    (path,) = cache_folder().glob("some_*.o")
    before = path.read_bytes()
    if damage is not None:
        path.write_bytes(damage)
        code._codes.clear()
        found = code.assembled(text, "some", ("triple", "plus_one"))
    assert call(found.address_of("triple"), 2.0) == 6.0 and call(found.address_of("plus_one"), 2.0) == 3.0
    assert path.read_bytes() == before
