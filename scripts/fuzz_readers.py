"""Damages valid files at random and reads them: every outcome is text or a message for the user.

    python scripts/fuzz_readers.py --minutes 5

A file is damaged by flipped bits, bytes put in, taken out or repeated, and by its end being cut
off. Whatever is raised but `UserError` is printed with the seed and the round that repeat it
(--seed S --first R --rounds 1), and the exit code is 1. A reader that crashes Python ends the
script with the crash; the round is the last line of standard error.
"""

import argparse
import bz2
import csv
import gzip
import io
import itertools
import json
import lzma
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet
import zstandard

from nmt.data.clean import Clean, Judge, clean_text
from nmt.data.corpus import tables, texts
from nmt.data.files import Files
from nmt.data.lines import Repaired, read_lines, stream_lines
from nmt.errors import UserError
from nmt.links.links import read_links, written

SOURCE = ["ein Hund", "zwei Katzen, drei Vögel", 'er sagte: "nein"', "猫が好き", "fünf"] * 9
TARGET = ["a dog", "two cats, three birds", 'he said: "no"', "I like cats", "five"] * 9
LINKS = [frozenset({(0, 0), (1, 1)}), frozenset(), frozenset({(2, 0), (0, 3)})] * 9
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".bz2": bz2.compress,
}


class Subject(NamedTuple):
    """A valid file and what reads it."""

    name: str
    content: bytes
    read: Callable[[Path], object]


def subjects() -> list[Subject]:
    """Every format that a reader knows, plain and compressed."""
    rows = list(zip(SOURCE, TARGET, strict=True))
    gold = "".join(f"{n % 5 + 1}-{n % 3 + 1} {n % 4 + 1}p2\n" for n in range(9))
    plain = {
        "lines.txt": ("".join(f"{line}\n" for line in SOURCE), read_text),
        "table.tsv": ("".join(f"{a}\t{b}\n" for a, b in rows), read_corpus),
        "table.csv": (comma_separated(rows), read_corpus),
        "table.jsonl": ("".join(json_line(row) for row in rows), read_corpus),
        "list.json": (json.dumps([{"translation": two_sides(row)} for row in rows]), read_corpus),
        "links.pharaoh": (written(LINKS), lambda path: read_links(path, base=0)),
        "links.gold": (gold, lambda path: read_links(path, 1, [(5, 3)] * 9)),
    }
    found = [
        Subject(name + ending, compress(text.encode()), read)
        for name, (text, read) in plain.items()
        for ending, compress in COMPRESS.items()
    ]
    table = pa.table({"source": pa.array(SOURCE).dictionary_encode(), "target": TARGET})
    nested = pa.table({"translation": pa.array(map(two_sides, rows))})
    for compression, content in (("none", table), ("snappy", nested), ("zstd", table)):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(content, sink, compression=compression)
        found.append(Subject(f"{compression}.parquet", sink.getvalue(), read_corpus))
    return found


def comma_separated(rows: list[tuple[str, str]]) -> str:
    """The rows as CSV with a header."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("source", "target"), *rows])
    return file.getvalue()


def json_line(row: tuple[str, str]) -> str:
    """A row as a line of JSONL, half of them with escapes."""
    return json.dumps(two_sides(row), ensure_ascii=len(row[0]) % 2 == 0) + "\n"


def two_sides(row: tuple[str, str]) -> dict[str, str]:
    """The row as a record."""
    return dict(zip(("source", "target"), row, strict=True))


def read_text(path: Path) -> None:
    """Reads a file of lines as a corpus does and as `nmt translate` does."""
    lines = Repaired(stream_lines(path))
    try:
        repaired = list(lines)
    except UserError:
        repaired = None
    strict = read_lines(path)
    assert repaired == strict, "the two readers disagree"
    assert not lines.num_broken


def read_corpus(path: Path) -> None:
    """Reads a table as a training does, as far as its text is cleaned."""
    corpus = Files("de", "en", train=[str(path)], dev_size=0, test_size=0)
    train = corpus.load(path.parent / "cache").train
    assert train is not None
    judge = Judge.of(Clean(), [])
    clean_text(judge, map(judge, map(texts, tables(train))))


def damaged(content: bytes, draw: random.Random) -> bytes:
    """One to four things happen to the bytes."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        place = draw.randrange(len(data) + 1)
        size = draw.choice([1, 1, 2, 8, 64])
        match draw.randrange(6):
            case 0 if place < len(data):
                data[place] ^= 1 << draw.randrange(8)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + size]
            case 3:
                text = draw.randbytes(size)
                data[place:place] = text if draw.random() < 0.5 else text.hex().encode()
            case 4:
                data[place:place] = data[place : place + size] * draw.choice([1, 2, 500])
            case _:
                odd = [
                    b"\0",
                    b"\n",
                    b"\r",
                    b'"',
                    b"\\ud800",
                    b"\t",
                    b"\xff",
                    b"\xe2\x80\xa8",
                    b"[" * 999,
                ]
                data[place:place] = draw.choice(odd)
    return bytes(data)


def rounds(first: int, num: int | None, minutes: float | None) -> Iterator[int]:
    """Yields the numbers of the rounds until a limit is reached."""
    end = time.monotonic() + 60 * minutes if minutes else None
    for number in itertools.count(first) if num is None else range(first, first + num):
        if end and time.monotonic() > end:
            return
        yield number


def fuzz(seed: int, first: int, num: int | None, minutes: float | None) -> int:
    """Damages each file once a round and counts what becomes of it; the number of bugs."""
    outcomes: Counter[str] = Counter()
    files = subjects()
    for number in rounds(first, num, minutes):
        print(f"\rround {number}", end="", file=sys.stderr, flush=True)
        for subject in files:
            draw = random.Random(f"{seed} {number} {subject.name}")
            outcomes[outcome(subject, damaged(subject.content, draw), seed, number)] += 1
    print(f"\n{outcomes.total():,} files: {dict(outcomes)}")
    return outcomes["bug"]


def outcome(subject: Subject, content: bytes, seed: int, number: int) -> str:
    """Reads a damaged file: read, refused, or a bug, which is printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / subject.name
        path.write_bytes(content)
        try:
            subject.read(path)
        except UserError:
            return "refused"
        except Exception:
            print(f"\n{subject.name}: --seed {seed} --first {number} --rounds 1")
            traceback.print_exc(file=sys.stdout)
            return "bug"
    return "read"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first round")
    parser.add_argument("--rounds", type=int, help="how many; in each every file is damaged once")
    parser.add_argument("--minutes", type=float, help="at most; 1 where --rounds is not given")
    given = parser.parse_args()
    minutes = 1.0 if given.rounds is None and given.minutes is None else given.minutes
    sys.exit(1 if fuzz(given.seed, given.first, given.rounds, minutes) else 0)
