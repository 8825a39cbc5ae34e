"""The line about long work: on a terminal only, only after a while, and gone at the end."""

import io
import sys
from threading import Event

import pytest

from etl_platform.engine.check_progress import CheckProgress


class Terminal(io.StringIO):
    """A terminal that says when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        done = super().write(text)
        self.written.set()
        return done


def test_long_work_shows_its_stage_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = CheckProgress("checking", before="2 of 3 files, ", after_s=0)
    progress("rows", 120_000)
    with progress:
        assert screen.written.wait(30)
    assert "2 of 3 files, checking: 120,000 rows, 0 s\r" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_it_ends_with_the_work_also_by_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    def fail() -> None:
        with CheckProgress(after_s=0):
            assert screen.written.wait(30)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with CheckProgress(after_s=600) as progress:
        progress("rows", 1)
    assert screen.getvalue() == ""


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with CheckProgress(after_s=0) as progress:
        progress("rows", 1)
    assert pipe.getvalue() == ""


def test_a_narrow_terminal_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "30")
    with CheckProgress("looking through everything that there is", after_s=0):
        assert screen.written.wait(30)
    assert max(len(part.removeprefix("\x1b[K")) for part in screen.getvalue().split("\r")) < 30
