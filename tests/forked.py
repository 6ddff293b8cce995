"""Commands in processes of their own, which can be killed: one Python imports torch, then forks.

A test speaks to :class:`Forked`; run as a program, this file is the Python that forks.
"""

import fcntl
import gc
import itertools
import json
import os
import pty
import pydoc
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT = 120.0  # seconds until a process that does not end is given up


class Ended(NamedTuple):
    """How a process ended."""

    code: int  # negative: by this signal
    err: str
    seconds: float


class Forked(AbstractContextManager["Forked"]):
    """The Python that forks; ``folder`` is where commands are run, one for each file of tests."""

    def __init__(self) -> None:
        self.folder = Path()
        self.python = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __exit__(self, *error: object) -> None:
        self.python.communicate()

    def nmt(
        self,
        *words: object,
        send: signal.Signals | None = None,
        after: float = 0.0,
        once: Path | None = None,
        size: int = 1,
        first: str = "",
        stdin: Path | str = os.devnull,
        stdout: Path = Path(os.devnull),
    ) -> Ended:
        """Run `nmt WORDS`, and ``send`` a signal so many seconds after it began.

        Or after ``once`` it has put something into that folder or file. With ``size`` as many
        processes run it together, as torchrun would start them; the first one gets the signal.
        Before that they call ``first``, a function by the name of its module here and its own, and
        behind a space what it is given. They read ``stdin`` and write ``stdout``, files or pipes.
        """
        asked = {
            "words": [str(word) for word in words],
            "folder": str(self.folder),
            "signal": send,
            "after": after,
            "once": once and str(once),
            "size": size,
            "first": first,
            "stdin": str(stdin),
            "stdout": str(stdout),
        }
        assert self.python.stdin
        assert self.python.stdout
        self.python.stdin.write(json.dumps(asked) + "\n")
        self.python.stdin.flush()
        return Ended(*json.loads(self.python.stdout.readline()))


def serve() -> None:
    """Fork for every line that is asked."""
    import torch._dynamo  # noqa: F401  by every optimizer
    from fast_copies import copy_fast

    from nmt.__main__ import main
    from nmt.commands import train  # noqa: F401
    from nmt.experiment import experiment  # noqa: F401  what takes long is imported once
    from nmt.training import shards  # noqa: F401

    copy_fast()
    sys.argv = ["nmt", "train", "--cfg=job"]  # Hydra looks for its plugins
    with redirect_stdout(StringIO()):
        main()
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.monotonic()
        errors = Path(asked["folder"]) / "stderr.txt"
        errors.unlink(missing_ok=True)
        port = free_port()
        children = []
        for rank in range(asked["size"]):
            child = os.fork()
            if child:
                children.append(child)
                continue
            if asked["size"] > 1:
                several = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": asked["size"]}
                address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                os.environ |= {name: str(value) for name, value in (several | address).items()}
            os.chdir(asked["folder"])
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(asked["stdin"], os.O_RDONLY), 0)
            os.dup2(os.open(asked["stdout"], os.O_WRONLY | os.O_CREAT), 1)
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            sys.argv = ["nmt", *asked["words"]]
            code = 1
            try:
                if asked["first"]:
                    name, *given = asked["first"].split()
                    pydoc.locate(name)(*given)
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            finally:
                sys.stderr.flush()
                os._exit(code)
        statuses = [wait(children[0], asked, started)]
        statuses += [wait(child, {**asked, "signal": None}, started) for child in children[1:]]
        seconds = time.monotonic() - started
        code = next(filter(None, map(os.waitstatus_to_exitcode, statuses)), 0)
        print(json.dumps([code, errors.read_text(), seconds]))
        sys.stdout.flush()


def at_a_terminal_that_closes() -> None:
    """Sit at a terminal of its own, which is closed once the run has a checkpoint."""
    (run,) = (Path(word.partition("=")[2]) for word in sys.argv if "hydra.run.dir=" in word)
    window, terminal = pty.openpty()
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(terminal, number)
    os.close(terminal)

    def show() -> None:
        while not any(run.glob("checkpoints/step-*[0-9]")):
            if select.select([window], [], [], 0.01)[0]:
                os.read(window, 2**16)
        os.close(window)

    threading.Thread(target=show, daemon=True).start()


def killed_after_renames(number: str) -> None:
    """End by SIGKILL once so many files or folders have been renamed or replaced."""
    left = itertools.count(int(number) - 1, -1)

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def rename(*given: Any, **named: Any) -> None:
            real(*given, **named)
            if not next(left):
                os.kill(os.getpid(), signal.SIGKILL)

        return rename

    os.rename, os.replace = deadly(os.rename), deadly(os.replace)


def free_port() -> int:
    """Return the number of a port where nothing listens."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def wait(child: int, asked: dict, started: float) -> int:
    """Wait for the end of a process, and send it the signal on the way."""
    waits_for, sent = asked["once"], not asked["signal"]
    since, before = started, content(waits_for)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        now = time.monotonic()
        if waits_for and content(waits_for) > before:
            waits_for, since = None, now
        if not sent and not waits_for and now >= since + asked["after"]:
            os.kill(child, asked["signal"])
            sent = True
        if now > started + TIMEOUT:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def content(place: str | None) -> int:
    """How much there is: entries of a folder, bytes of a file."""
    path = Path(place or "")
    if not place or not path.exists():
        return 0
    return len(os.listdir(path)) if path.is_dir() else path.stat().st_size


if __name__ == "__main__":
    serve()
