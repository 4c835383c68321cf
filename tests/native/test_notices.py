"""A long wait for the compiler is spoken of, on stderr and to a logger; a short one is not."""

import io
import logging
import threading
import time

import pytest

from sciad.native import notices
from sciad.native.notices import compiling


class Screen(io.StringIO):
    """A terminal, or a file."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def shown(monkeypatch, request):
    screen = Screen(request.param)
    monkeypatch.delenv("SCIAD_QUIET", raising=False)
    monkeypatch.setattr(notices, "_stream", lambda: screen)
    monkeypatch.setattr(notices, "DELAY", 0.2)
    monkeypatch.setattr(notices, "PAUSE", 0.1)
    monkeypatch.setattr(notices, "_wait", notices._Wait())
    return screen


@pytest.mark.parametrize("shown", [True, False], indirect=True)
def test_a_short_wait_is_not_spoken_of(shown):
    for _ in range(3):
        with compiling("f"):
            time.sleep(0.1)
        time.sleep(0.15)
    assert shown.getvalue() == ""


@pytest.mark.parametrize("shown", [True], indirect=True)
def test_in_a_terminal_the_line_counts_and_is_erased(shown):
    with compiling("f"), compiling("the derivative of f"):
        time.sleep(0.9)
    *_, first, second, last, end = shown.getvalue().split("\r")
    assert first.rstrip() == "sciad: compiling the derivative of f ... 0 s"
    assert second.rstrip() == "sciad: compiling the derivative of f ... 1 s"
    assert last.strip() == end == "" and len(last) >= len(second)


@pytest.mark.parametrize("shown", [False], indirect=True)
def test_in_a_file_it_is_one_line_for_one_wait(shown):
    for name in "abcdefgh":
        with compiling(name):
            time.sleep(0.07)
    (line,) = shown.getvalue().splitlines()
    assert line.startswith("sciad: compiling ") and "..." in line
    time.sleep(0.2)
    with compiling("another"):
        time.sleep(0.4)
    assert shown.getvalue().splitlines()[1].startswith("sciad: compiling another ...")


@pytest.mark.parametrize("shown", [True, False], indirect=True)
def test_who_wants_quiet_has_it(shown, monkeypatch):
    monkeypatch.setenv("SCIAD_QUIET", "1")
    with compiling("f"):
        time.sleep(0.4)
    assert shown.getvalue() == ""


@pytest.mark.parametrize("shown", [True], indirect=True)
def test_without_stderr_and_with_errors_nothing_is_left_behind(shown, monkeypatch):
    before = threading.active_count()
    for stream in (None, shown):
        monkeypatch.setattr(notices, "_stream", lambda stream=stream: stream)
        with pytest.raises(ZeroDivisionError), compiling("f"):
            time.sleep(0.3)
            raise ZeroDivisionError
        time.sleep(0.15)
    shown.close()
    with compiling("f"):
        time.sleep(0.3)
    assert threading.active_count() == before and notices._wait.depth == 0


def test_the_logger_hears_of_it(caplog):
    with caplog.at_level(logging.INFO, logger="sciad"):
        with compiling("at once"):
            pass
        with compiling("f"):
            time.sleep(0.05)
    (record,) = caplog.records
    assert record.getMessage().startswith("compiled f in 0.0") and record.levelno == logging.INFO
