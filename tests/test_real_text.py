"""`nmt translate` on text as it comes: one line for each line, whatever the bytes are."""

import bz2
import gzip
import itertools
import lzma
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import zstandard
from choices import ALL
from command import Answer, files, nmt, told

from nmt.commands.prefixes import Prefixed
from nmt.commands.translate import with_translations
from nmt.decoding.decode import Decode
from nmt.decoding.translate import CHUNK_CHARACTERS, Translation, chunks

# How each format is read is tested in test_corpus.py and in test_text_properties.py; here two of
# them, and all in `make test-all`, go through the command.

# A line for each thing that real text has in it.
STRANGE = [
    b"eins zwei",
    b"",
    b"   ",
    "\u3000\u2028".encode(),
    b"eins\r",
    b"\xff\xfe",
    b"zw\xc3",
    b"nu\x00ll \x1b[31m \x7f",
    "eins\u2028zwei\u2029drei\x85vier\x0bf\x0cs".encode(),
    "\u200fאחת\u200e \u202eeins\u202c".encode(),
    b"a\rb",
    b"tab\ttab",
    b"<s> </s> <unk> <pad>",
    "▁ ▅ \ufeff \ufffd".encode(),
    "👩‍👩‍👧 é".encode(),
    b"eins " * 5000,
    b"x" * 100_000,
    b"vier",
]
COMPRESS = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
}


@pytest.fixture(scope="module")
def spelling(numbers, tiny, tmp_path_factory) -> Path:
    """The run folder of a model that reads and writes any bytes."""
    run = tmp_path_factory.mktemp("spelling") / "run"
    words = [word for word in tiny if not word.startswith("tokenizer.")]
    answer = nmt("train", *words, "tokenizer.size=290", "train.max_steps=1", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run


def test_training_cleans_and_counts_and_evaluation_keeps(tiny, numbers, tmp_path):
    """The lines above that are UTF-8, in all three splits."""
    lines = [line for line in STRANGE if b"\xff" not in line and b"\xc3" not in line]
    source, target = (numbers / f"train.{side}" for side in ("de", "en"))
    (tmp_path / "train.de").write_bytes(source.read_bytes() + text([*lines, b"eins " * 200_000]))
    (tmp_path / "train.en").write_bytes(target.read_bytes() + text([*lines[::-1], b"one"]))
    held = [line for line in lines if len(line) < 10_000]
    for name in ("dev.de", "dev.en", "test.de", "test.en"):
        (tmp_path / name).write_bytes(text(held))
    files = [f"data.{s}=[{tmp_path}/{s}.de,{tmp_path}/{s}.en]" for s in ("train", "dev", "test")]
    words = [word for word in tiny if not word.startswith("tokenizer.")]
    run = tmp_path / "run"

    answer = nmt("train", *words, *files, "tokenizer.size=290", f"hydra.run.dir={run}")

    assert answer.code == 0, answer.err
    table = [" ".join(line.split()[:-1]) for line in answer.err.splitlines()]
    for count in ("read 114", "a side is empty 6", "a control character 2", "over 80 pieces 1"):
        assert count in table
    for name in ("hypotheses.txt", "sources.txt", "references.txt"):
        content = (run / name).read_bytes().decode()
        assert len(content.splitlines()) == content.count("\n") == len(held)
    assert "\u200fאחת\u200e \u202eeins\u202c" in (run / "sources.txt").read_text().splitlines()


def text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("ending", COMPRESS if ALL else ["", ".zst"])
def test_one_line_for_each_line_whatever_comes(spelling, tmp_path, caplog, ending):
    path = tmp_path / f"in{ending}"
    path.write_bytes(COMPRESS[ending](text(STRANGE)))
    words = ["translate", f"run={spelling}", "decode.max_source=20", "decode.beam=1"]

    answer = nmt(*words, f"input={path}")

    assert answer.code == 0, answer.err
    assert answer.out.count("\n") == len(answer.out.splitlines()) == len(STRANGE)
    assert [bool(line) for line in answer.out.split("\n")[:5]] == [True, False, False, False, True]
    assert "line 9 was truncated to 20 pieces (decode.max_source)" in caplog.text
    assert answer.err.endswith(
        "nmt: 2 lines were not UTF-8, the first is line 6: invalid bytes were translated "
        "as U+FFFD. Convert the text first, for instance with iconv\n"
    )
    assert nmt(*words, stdin=COMPRESS[ending](text(STRANGE))) == answer


def test_any_bytes_at_all(spelling):
    noise = random.Random(1).randbytes(3000)
    words = ["translate", f"run={spelling}", "decode.beam=1", "decode.max_source=9"]

    answer = nmt(*words, stdin=noise)

    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) == answer.out.count("\n") == len(noise.split(b"\n"))


@pytest.fixture(scope="module")
def translated(trained) -> Callable[[bytes], Answer]:
    """What the command says to a text on its standard input; it is asked once."""
    return cache(lambda stdin: nmt("translate", f"run={trained}", stdin=stdin))


@pytest.mark.parametrize(
    ("stdin", "same"),
    [
        ("\ufeffeins\nzwei\n".encode(), b"eins\nzwei\n"),
        (b"eins\r\nzwei\r\n", b"eins\nzwei\n"),
        (b"eins\nzwei", b"eins\nzwei\n"),
        (b"", b""),
        (b"\n \n", b"\n\n"),
    ],
)
def test_marks_of_bytes_and_line_ends_say_nothing(trained, translated, tmp_path, stdin, same):
    (tmp_path / "in").write_bytes(stdin)

    answer = translated(stdin)

    assert answer == translated(same)
    assert answer == nmt("translate", f"run={trained}", f"input={tmp_path}/in")
    assert answer.code == 0
    assert not answer.err


def test_a_pipe_is_a_file_to_translate(trained, translated):
    """nmt translate input=<(zcat text.gz)."""
    reading, writing = os.pipe()
    os.write(writing, b"eins\nzwei\n")
    os.close(writing)
    try:
        answer = nmt("translate", f"run={trained}", f"input=/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert answer == translated(b"eins\nzwei\n")


@pytest.mark.parametrize("ending", list(COMPRESS)[1:] if ALL else [".gz", ".zst"])
def test_a_file_that_ends_too_early_is_translated_up_to_there(trained, tmp_path, ending):
    draw = random.Random(1)
    lines = [draw.randbytes(40).hex().encode() for _ in range(60)]
    path = tmp_path / f"in{ending}"
    whole = COMPRESS[ending](text(lines))
    path.write_bytes(whole[: len(whole) // 2])
    words = ["translate", f"run={trained}", "decode.beam=1", "decode.max_source=3"]

    answer = nmt(*words, f"input={path}")

    assert answer.code == 1
    assert told(answer.err)[0].startswith(f"nmt: {path} cannot be read: ")
    assert "Traceback" not in answer.err
    # How much can be read is the format's: zst and bz2 give whole blocks alone.
    assert 20 < answer.out.count("\n") < 30 or ending in (".zst", ".bz2")
    assert nmt(*words, stdin=text(lines)).out.startswith(answer.out)

    assert nmt(*words, f"input={path}", f"output={tmp_path}/out").code == 1
    assert files(tmp_path) == [f"in{ending}"]


def test_a_line_of_ten_megabytes_is_a_line(trained, translated, tmp_path, caplog):
    (tmp_path / "in").write_bytes(b"eins zwei " * 1_000_000 + b"\n" + b" " * 10**7 + b"eins\n")

    answer = nmt("translate", f"run={trained}", f"input={tmp_path}/in", "decode.max_source=100")

    assert answer.code == 0, answer.err
    assert "line 1 was truncated to 100 pieces" in caplog.text
    assert "line 1 has more than 100 pieces, but no sentence in training had more" in caplog.text
    alone = translated(b"eins\n").out
    assert answer.out.splitlines()[1:] == alone.splitlines()


def test_no_more_than_a_chunk_is_read_ahead_of_a_million_lines():
    num = 1_000_000
    read = 0

    def lines():
        nonlocal read
        for read in range(1, num + 1):  # noqa: B007
            yield Prefixed("eins", "")

    class Fast:
        def stream(self, lines, decode, chunk, prefixes):
            for held in chunks(lines, chunk):
                assert list(itertools.islice(prefixes, len(held))) == [""] * len(held)
                yield from ([Translation(line, [], 0.0)] for line in held)

    given = 0
    for given, (line, found) in enumerate(with_translations(Fast(), Decode(), lines(), 1024), 1):
        assert read - given < 1024
        assert line == found[0].text
    assert given == num


def test_long_lines_are_few_in_a_chunk():
    read = []
    endless = (read.append(i) or "x" * (CHUNK_CHARACTERS // 3) for i in itertools.count())
    assert len(next(chunks(endless, 1024))) == len(read) == 4


@pytest.fixture
def pipe(tmp_path_factory) -> Iterator[tuple[Path, int]]:
    """A named pipe and its end for writing; who reads from it waits for more."""
    path = tmp_path_factory.mktemp("pipe") / "in"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)
    yield path, end
    os.close(end)


def test_an_endless_text_ends_with_its_reader(trained, forked, tmp_path):
    """yes | nmt translate | head -1."""
    out = tmp_path / "out"
    os.mkfifo(out)
    read = []

    def head() -> None:
        with out.open() as file:
            read.append(file.readline())

    reader = threading.Thread(target=head, daemon=True)
    reader.start()
    words = ["translate", f"run={trained}", "decode.beam=1"]
    with subprocess.Popen(["yes", "eins"], stdout=subprocess.PIPE) as yes:
        assert yes.stdout
        stdin = f"/proc/{os.getpid()}/fd/{yes.stdout.fileno()}"
        ended = forked.nmt(*words, stdin=stdin, stdout=out)
        yes.kill()
    reader.join(60)

    assert read == [nmt(*words, stdin=b"eins").out]
    assert (ended.code, told(ended.err)) == (141, [])


def test_an_interrupt_while_waiting_for_text_ends_without_a_traceback(
    trained, forked, pipe, tmp_path
):
    path, end = pipe
    os.write(end, b"eins\n" * 1024)
    out = tmp_path / "out"
    # Once the first chunk is translated, it waits for the next.
    how = {"send": signal.SIGINT, "once": out, "after": 0.3}
    words = ["translate", f"run={trained}", "decode.beam=2", "n_best=2", "decode.max_ratio=0"]

    ended = forked.nmt(*words, stdin=path, stdout=out, **how)

    assert (ended.code, told(ended.err)) == (130, ["nmt: interrupted"])


def test_an_interrupt_while_the_command_starts_is_as_quiet(monkeypatch):
    class Slow(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "nmt.commands.command", Slow("nmt.commands.command"))

    assert nmt("translate") == (130, "", "nmt: interrupted\n")


def test_an_interrupt_leaves_no_half_written_file(trained, forked, pipe, tmp_path):
    path, _ = pipe
    # The file is begun beside its place, and the model is loaded next.
    how = {"send": signal.SIGINT, "once": tmp_path}

    ended = forked.nmt("translate", f"run={trained}", f"output={tmp_path}/out", stdin=path, **how)

    assert (ended.code, told(ended.err)) == (130, ["nmt: interrupted"])
    assert files(tmp_path) == []
