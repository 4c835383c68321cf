"""The cache as users meet it: bounded, listed and cleared, in folders that are full, read-only or shared."""

import errno
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from sciad.__main__ import main
from sciad.native import cache, cache_folders, cache_upkeep, code, llvm
from sciad.native import kernels as native
from sciad.native.cache_folders import cache_folder

ROOT = Path(__file__).parents[2]
FOLDER = "numba0.68.1-llvmlite0.50.0-numpy2.4.6-cpython-311-x86_64-linux-gnu-somecpu-0123ab"


@native.kernel
def tripled(x):
    return FACTOR * x[0]  # noqa: F821 (a constant of the linker)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SCIAD_CACHE_SIZE", raising=False)
    monkeypatch.setattr(cache, "_in_memory", {})
    monkeypatch.setattr(cache, "_warned", [])
    monkeypatch.setattr(cache, "_modules", {})
    for name in ("_codes", "_makers", "_finishers"):
        monkeypatch.setattr(code, name, {})
    monkeypatch.setattr(cache_upkeep, "_unreported", {})
    return tmp_path / "cache"


def tripled_by(factor):
    """Compile a kernel of one's own and use it."""
    return native.link(tripled, "float64(float64[::1])", {"FACTOR": factor})(np.array([2.0]))


def an_entry(root, number, size, age, folder=FOLDER):
    """Files as of one module that was last used ``age`` seconds ago."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for ending, part in (("py", 0.5), ("o", 0.5), ("lock", 0.0)):
        path = root / folder / f"some_name_{number:020x}.{ending}"
        path.write_bytes(bytes(int(part * size)))
        os.utime(path, (time.time() - age,) * 2)


def names(root):
    return [int(entry.name.rpartition("_")[2], 16) for entry in cache_upkeep.entries(root)]


# -- bounded size ------------------------------------------------------------------------------------------


def test_the_longest_unused_entries_are_deleted_first(empty):
    for number, age in ((1, 500.0), (2, 9000.0), (3, 10.0), (4, 2000.0)):
        an_entry(empty, number, 1 << 20, age, FOLDER if number % 2 else FOLDER.replace("0.68.1", "0.66.0"))
    assert names(empty) == [2, 4, 1, 3]
    deleted = cache_upkeep.prune(to=(5 << 20) // 2)
    assert [entry.size for entry in deleted] == [1 << 20] * 2
    assert names(empty) == [1, 3]
    assert [entry.size for entry in cache_upkeep.prune(unused_since=time.time() - 100.0)] == [1 << 20]
    assert names(empty) == [3]


def test_a_use_counts(empty):
    an_entry(empty, 1, 8192, 90000.0)
    an_entry(empty, 2, 8192, 80000.0)
    assert names(empty) == [1, 2]
    assert cache.read_file(empty / FOLDER / f"some_name_{1:020x}.o") == bytes(4096)
    assert names(empty) == [2, 1]


@pytest.mark.parametrize("bound, kept", [("4M", 3), ("none", 8), (None, 8), ("nonsense", 8)])
def test_what_is_written_is_cut_to_the_limit(bound, kept, empty, monkeypatch):
    if bound is not None:
        monkeypatch.setenv("SCIAD_CACHE_SIZE", bound)
    for number in range(8):
        path = empty / FOLDER / f"some_name_{number:020x}.o"
        cache.write_file(path, bytes(1 << 20))
        os.utime(path, (time.time() - 100.0 + number,) * 2)
    cache_upkeep._report_all()
    assert names(empty)[-3:] == [5, 6, 7] and len(names(empty)) == kept


def test_processes_count_together(empty):
    """None of them writes as much as the limit."""
    script = (
        "import sys, pathlib; from sciad.native import cache\n"
        f"folder = pathlib.Path({str(empty)!r}) / {FOLDER!r}\n"
        "cache.write_file(folder / ('some_name_%020x.o' % int(sys.argv[1])), bytes(1 << 20))"
    )
    environment = os.environ | {"SCIAD_CACHE_SIZE": "3M", "PYTHONPATH": str(ROOT)}
    for number in range(5):
        subprocess.run([sys.executable, "-c", script, str(number)], env=environment, check=True)
        assert sum(entry.size for entry in cache_upkeep.entries(empty)) <= 3 << 20
    assert 4 in names(empty)


@pytest.mark.parametrize(
    "text, size", [("100", 100), ("1k", 1024), ("2M", 2 << 20), ("1.5 GB", 3 << 29), ("3MiB", 3 << 20)]
)
def test_sizes_are_read(text, size):
    assert cache_upkeep.size_in_bytes(text) == size


# -- the commands ------------------------------------------------------------------------------------------


def test_commands(empty, capsys):
    an_entry(empty, 1, 1 << 20, 90000.0)
    an_entry(empty, 2, 1 << 20, 10.0)
    others = [empty / "notes.txt", empty / FOLDER / "thesis.py", empty / "data" / "y_0123456789abcdef0123.o"]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_text("mine")
    tripled_by(31.0)
    assert main(["cache", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"some_name_{1:020x}" in lines[0] and FOLDER in lines[0] and "1.0 MB" in lines[0]
    assert any("tripled_" in line and FOLDER not in line for line in lines)
    assert str(empty) in lines[-1] and "at most 1.00 GB" in lines[-1]
    assert main(["cache", "size"]) == 0 and capsys.readouterr().out.splitlines() == lines[-1:]
    assert main(["cache", "prune", "--unused", "1"]) == 0
    assert capsys.readouterr().out.startswith("1 entries deleted, 1.0 MB")
    assert main(["cache", "prune"]) == 0 and capsys.readouterr().out.startswith("0 entries deleted")
    assert main(["cache", "prune", "--to", "500K"]) == 0
    assert f"some_name_{2:020x}" not in capsys.readouterr().out
    assert names(empty) and main(["cache", "clear"]) == 0
    assert "0 entries" in capsys.readouterr().out and not cache_upkeep.entries()
    assert all(other.read_text() == "mine" for other in others)
    assert tripled_by(31.0) == 62.0


def test_a_wrong_limit_is_said(empty, capsys, monkeypatch):
    monkeypatch.setenv("SCIAD_CACHE_SIZE", "much")
    assert main(["cache", "size"]) == 1
    assert "SCIAD_CACHE_SIZE='much'" in capsys.readouterr().err


# -- what can go wrong -------------------------------------------------------------------------------------


def one_warning_and_right_values(factors):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for factor in factors:
            assert tripled_by(factor) == 2.0 * factor
        assert cache.load_module("answer = 42\n", "plain").answer == 42
    assert [w.category for w in said] == [RuntimeWarning]
    return str(said[0].message)


def test_a_full_disk(empty, monkeypatch):
    tripled_by(41.0)
    before = cache_folder()

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", full)
    message = one_warning_and_right_values([42.0, 43.0])
    assert "No space left" in message and str(before) in message and "SCIAD_CACHE_DIR" in message
    assert not list(before.glob("*.tmp"))


def test_a_folder_that_cannot_be_made(empty, monkeypatch):
    blocker = empty.parent / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("SCIAD_CACHE_DIR", str(blocker / "below"))
    assert "Not a directory" in one_warning_and_right_values([51.0, 52.0])


def test_a_read_only_folder_serves_what_it_has(empty, monkeypatch):
    """Root may write anywhere, so the refusal is put in where files are made."""
    tripled_by(61.0)
    for remembered in (code._codes, code._makers, code._finishers):
        remembered.clear()

    def refused(*_args, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(cache.tempfile, "mkstemp", refused)
    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(cache, "RECENT", -1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tripled_by(61.0) == 122.0
    assert "Permission denied" in one_warning_and_right_values([62.0, 63.0])


def test_machines_of_other_processors_have_other_folders(empty, monkeypatch):
    tripled_by(71.0)
    here = cache_folder()
    monkeypatch.setattr(cache_folders, "_folders", {})
    monkeypatch.setattr(llvm, "host", lambda: (llvm.llvm.get_host_cpu_name(), "+sse2"))
    there = cache_folder()
    assert there != here and not there.exists()
    assert cache_upkeep._folders(empty) == [here]  # and the names of both are known as folders of the cache
    there.mkdir()
    assert sorted(cache_upkeep._folders(empty)) == sorted([here, there])


@pytest.mark.long  # a race that deletes without pause: it is lost now and then on a busy machine
def test_processes_go_on_while_others_delete(empty):
    """Each compiles and loads kernels one after the other, with new names and with common ones."""
    script = (
        "import sys, time, warnings; warnings.simplefilter('error')\n"
        "from sciad.native import code\n"
        "import tests.native.test_cache_upkeep as t\n"
        "for k in range(12):\n"
        "    for factor in (float(k), float(100 * int(sys.argv[1]) + k)):\n"
        "        assert t.tripled_by(factor) == 2.0 * factor\n"
        "print('right')"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    runs = [
        subprocess.Popen([*command, str(k)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for k in (1, 2)
    ]
    deleted = 0
    while any(run.poll() is None for run in runs):
        deleted += len(cache_upkeep.prune(to=0))
    ends = [run.communicate() for run in runs]
    assert [out.split() for out, _ in ends] == [[b"right"]] * 2, ends
    assert deleted > 10
