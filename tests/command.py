"""The command `nmt` in this process: a second Python would import torch once more."""

import io
import sys
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from nmt.__main__ import main

STAGES = (
    *("reading the corpus", "cleaning the corpus", "training the tokenizer", "segmenting"),
    # Where it takes more than a second, as it may on a busy machine.
    *("opening the model", "translating from line"),
)


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


def nmt(*words: object, stdin: bytes = b"", encoding: str = "utf-8") -> Answer:
    """`nmt WORDS` as typed in the current folder."""
    streams = [io.TextIOWrapper(io.BytesIO(given), encoding) for given in (stdin, b"", b"")]
    argv = ["nmt", *map(str, words)]
    names = ("stdin", "stdout", "stderr")
    with patch.multiple(sys, argv=argv, **dict(zip(names, streams, strict=True))):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in streams[1:]:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])
    return Answer(code, out, err)


def mistake(answer: Answer) -> str:
    """The one message of a command that the user got wrong, maybe after what was done before it."""
    assert answer.code == 1, answer
    assert not answer.out
    before, _, message = answer.err.partition("nmt: ")
    assert all(line.startswith(STAGES) for line in before.splitlines()), answer.err
    assert "Traceback" not in answer.err
    assert "HYDRA_FULL_ERROR" not in answer.err
    return message


def told(err: str) -> list[str]:
    """Lines of standard error, but for those which say what a command is doing meanwhile."""
    return [line for line in err.splitlines() if not line.startswith(STAGES)]


def files(folder: Path) -> list[str]:
    """Everything below a folder, by relative name."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
