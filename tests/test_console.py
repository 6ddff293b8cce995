"""What is printed where nobody reads any more."""

import os
import pty
import sys
from contextlib import suppress

import pytest

from nmt.terminal.console import console


@pytest.mark.parametrize("open_two", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_what_nobody_can_read_is_lost_and_nothing_else(open_two, monkeypatch):
    reader, writer = open_two()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        out = console()
        out.print("read")
        assert os.read(reader, 100).split() == [b"read"]
        os.close(reader)
        for _ in range(3):
            out.print("lost")
        print("lost too", file=stream, flush=True)


def test_what_cannot_be_written_for_another_reason_is_told(monkeypatch):
    with suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        with pytest.raises(OSError, match="No space left"):
            console().print("told")
