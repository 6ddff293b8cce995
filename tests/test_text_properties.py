"""Laws of the text path, on text that hypothesis makes up: what is written is read, once each."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy_text import CONFIG, text

from nmt.batches.batching import token_batches
from nmt.batches.ragged import Ragged
from nmt.data.columns import Columns
from nmt.data.compressed import ARCHIVES, FORMATS
from nmt.data.lines import Repaired, read_lines, stream_lines
from nmt.data.table import read_table
from nmt.data.text import has_control, one_line
from nmt.data.tokenizer import KINDS, NORMALIZATIONS, Tokenizer, train_tokenizer
from nmt.decoding.translate import batches, source_ids
from nmt.errors import UserError
from nmt.links.links import Gold, pharaoh, read_line, read_links, written

few = settings(max_examples=50, deadline=None, derandomize=True)

# Every character but halves of one, those that programs trip over more often than by chance.
CHARACTER = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "\0\t\x0b\x0c\r\x1b\x1c\x7f\x85\xa0\u200b\u200f\u2028\u2029\u202e\u3000\ufeff▁▅é😀\"'|\\"
    ),
)
TEXT = st.text(CHARACTER, max_size=20)
# A line of a file: what ends one is not in it, nor \r at its end, nor a byte-order mark before it.
LINE = TEXT.map(lambda line: line.replace("\n", " ").removeprefix("\ufeff").rstrip("\r"))
LINES = st.lists(LINE, min_size=1, max_size=8).filter(lambda lines: bool("".join(lines).strip()))
ENDINGS = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
}
NO_TEXT = (*ARCHIVES, *(one.magic for one in FORMATS.values()))
PAIRS = st.lists(st.tuples(LINE, LINE), min_size=1, max_size=6).filter(
    lambda rows: bool("".join(side for row in rows for side in row).strip())
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


# --- text


@few
@given(line=TEXT)
def test_one_line_is_one_for_every_program_and_keeps_words(line: str) -> None:
    shown = one_line(line)
    assert len(shown.splitlines()) <= 1
    assert len(f"{shown}.".split("\t")) == 1
    assert len(shown) == len(line)
    assert not has_control(shown)
    assert [c for c in shown if c.isprintable() and c != " "] == [
        c for c in line if c.isprintable() and c != " "
    ]


# --- tokenizer


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train_tokenizer(text(300), replace(CONFIG, kind=request.param))


def unspaced(line: str) -> str:
    """What a tokenizer keeps of a line: runs of spaces, and ▁, are a space."""
    return " ".join(word for word in line.replace("▁", " ").split(" ") if word)


@few
@given(line=TEXT)
def test_decode_inverts_encode_of_any_text(tokenizer: Tokenizer, line: str) -> None:
    assert tokenizer.decode(tokenizer.encode([line])[0]) == unspaced(line)


@few
@given(line=TEXT)
def test_spans_cover_the_line_in_order(tokenizer: Tokenizer, line: str) -> None:
    (found,) = tokenizer.encode_with_spans([line])
    assert found.ids == tokenizer.encode([line])[0]
    ends = [0, *(end for span in found.spans for end in span)]
    assert ends == sorted(ends)
    covered = "".join(line[start:end] for start, end in found.spans)
    assert unspaced(covered) == unspaced(line)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_normalization_is_done_once(normalization: str) -> None:
    made = train_tokenizer(text(300), replace(CONFIG, normalization=normalization))

    @few
    @given(line=TEXT)
    def holds(line: str) -> None:
        ids = made.encode([line])[0]
        again = made.decode(ids)
        assert made.decode(made.encode([again])[0]) == again

    holds()


@few
@given(lines=st.lists(TEXT, max_size=5), most=st.integers(1, 9))
def test_a_source_has_its_limit_and_its_end(
    tokenizer: Tokenizer, lines: list[str], most: int
) -> None:
    rows = source_ids(tokenizer, lines, most)
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        whole = tokenizer.encode([line])[0]
        assert row[:-1] == (whole[:most] if line.strip() else [])


@pytest.mark.parametrize("before", ["", " " * 50_000])
def test_the_characters_that_are_cut_first_are_not_missed(
    tokenizer: Tokenizer, before: str
) -> None:
    line = before + " ".join(text(400))
    (row,) = source_ids(tokenizer, [line], 20)
    assert row[:-1] == tokenizer.encode([line])[0][:20]


# --- readers


@few
@given(lines=LINES, end=st.sampled_from(["", "\n", "\r\n"]), mark=st.booleans())
@pytest.mark.parametrize("ending", ENDINGS)
def test_lines_that_are_written_are_read(
    folder: Path, lines: list[str], end: str, mark: bool, ending: str
) -> None:
    path = folder / f"lines{ending}"
    content = (end or "\n").join(lines) + (end or "\n" * (lines[-1] == ""))
    path.write_bytes(ENDINGS[ending](("\ufeff" * mark + content).encode()))
    assert read_lines(path) == lines
    assert list(Repaired(stream_lines(path))) == lines


@few
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_repaired(folder: Path, content: bytes) -> None:
    assume(not content.startswith(NO_TEXT))
    path = folder / "bytes"
    path.write_bytes(content)
    repaired = Repaired(stream_lines(path))
    lines = list(repaired)
    assert len(lines) == content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    assert not any("\n" in line for line in lines)
    if repaired.num_broken or not "".join(lines).strip():
        broken = f"line {repaired.first_broken}: invalid UTF-8"
        with pytest.raises(UserError, match=broken if repaired.num_broken else "is empty"):
            read_lines(path)
    else:
        assert read_lines(path) == lines


@few
@given(rows=PAIRS)
@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet"])
def test_tables_that_are_written_are_read(
    folder: Path, rows: list[tuple[str, str]], ending: str, scratch: Path
) -> None:
    path = folder / f"table.{ending}"
    if ending == "tsv":
        rows = [(one_line(source), one_line(target)) for source, target in rows]
    if ending == "csv":  # a lone \r must be quoted
        file = io.StringIO()
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [("source", "target"), *rows]
        )
        path.write_bytes(file.getvalue().encode())
    elif ending == "parquet":
        sides = dict(zip(("source", "target"), map(list, zip(*rows, strict=True)), strict=True))
        pa.parquet.write_table(pa.table(sides), path)
    else:
        lines = (
            ["source\ttarget", *map("\t".join, rows)]
            if ending == "tsv"
            else [json.dumps({"source": source, "target": target}) for source, target in rows]
        )
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    found = read_table(path, Columns("de", "en"), scratch)
    assert list(zip(found["source"], found["target"], strict=True)) == rows


# --- batching

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60)


@few
@given(LENGTHS, st.integers(40, 300), st.integers(0, 5), st.integers(0, 5))
def test_every_row_is_in_one_batch_within_the_budget(
    lengths: list[tuple[int, int]], budget: int, seed: int, epoch: int
) -> None:
    array = np.array(lengths)
    found = token_batches(array, budget, seed, epoch)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * array[batch].max() <= budget for batch in found)
    again = token_batches(array, budget, seed, epoch)
    assert list(map(list, again)) == list(map(list, found))


@few
@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 9), st.integers(1, 90))
def test_every_line_that_is_not_empty_is_searched_once_within_both_limits(
    lengths: list[int], rows: int, tokens: int
) -> None:
    found = list(batches(lengths, rows, tokens))
    places = [place for batch in found for place in batch]
    assert sorted(places) == [place for place, length in enumerate(lengths) if length]
    for batch in found:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= tokens


@few
@given(rows=st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=7), min_size=1, max_size=9))
def test_ragged_rows_are_padded_behind_alone(rows: list[list[int]]) -> None:
    ragged = Ragged.of_blocks([rows[:3], rows[3:]])
    assert [ragged.row(place) for place in range(len(rows))] == rows
    padded = ragged.padded(range(len(rows))).tolist()
    width = max(map(len, rows))
    assert padded == [row + [0] * (width - len(row)) for row in rows]


# --- word links

LINKS = st.frozensets(st.tuples(st.integers(0, 10**9 - 2), st.integers(0, 80)), max_size=7)


@few
@given(sentences=st.lists(LINKS, min_size=1, max_size=6).filter(any))
@pytest.mark.parametrize("ending", ENDINGS)
def test_links_that_are_written_are_read(
    folder: Path, sentences: list[frozenset[tuple[int, int]]], ending: str
) -> None:
    path = folder / f"links{ending}"
    path.write_bytes(ENDINGS[ending](written(sentences).encode()))
    assert read_links(path, base=0) == [Gold(links, links) for links in sentences]


@few
@given(sure=LINKS, possible=LINKS, base=st.integers(0, 1))
def test_a_gold_line_is_read_again(
    sure: frozenset[tuple[int, int]], possible: frozenset[tuple[int, int]], base: int
) -> None:
    def line(links: frozenset[tuple[int, int]]) -> str:
        return pharaoh(frozenset((i + base, j + base) for i, j in links))

    both = f"{line(sure)} {line(possible).replace('-', 'p')}"
    assert read_line(both, "gold, line 1", base, None) == Gold(sure, sure | possible)


@few
@given(line=st.one_of(TEXT, st.text("0123456789-p \t", max_size=12)))
def test_any_line_of_links_is_read_or_refused(line: str) -> None:
    words = line.split()
    if all(re.fullmatch("[1-9][-p][1-9]", word) for word in words):
        gold = read_line(line, "gold, line 1", 1, (9, 9))
        assert read_line(pharaoh(gold.sure), "", 0, None).sure == gold.sure
    elif any(not re.fullmatch("[0-9]+[-p][0-9]+", word) for word in words):
        with pytest.raises(UserError, match=r"^gold, line 1: "):
            read_line(line, "gold, line 1", 1, (9, 9))
    else:
        with suppress(UserError):
            read_line(line, "gold, line 1", 1, (9, 9))
