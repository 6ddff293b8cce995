"""JSON, CSV and TSV of the hub: text stays text, what is not text is refused.

A folder stands for a repository.
"""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.data.corpus import Splits
from nmt.data.hub import Hub
from nmt.data.stream import Place, Stream
from nmt.errors import UserError

# What a library takes for a number, for nothing, for a date, for JSON or for a quote.
SOURCE = ["ein Hund", "3", "007", "None", "2009-01-01", '["a"]', 'er sagt "nein"', "{}", "ja, ja"]
TARGET = ["a dog", "null", "1.50", "NA", "nan", "true", '"no", he says', "", "a\u2028b"]
ROWS = list(zip(SOURCE, TARGET, strict=True))
EXTRA = {"id": 7, "fr": ["un", {"chien": None}], "note": "x"}


def objects(names: tuple[str, str] = ("de", "en")) -> list[dict[str, object]]:
    """The rows as objects, with more columns, which are not the same in all."""
    found: list[dict[str, object]] = [dict(zip(names, row, strict=True)) for row in ROWS]
    return [{**record, **EXTRA} if place % 2 else record for place, record in enumerate(found)]


def csv_of(separator: str) -> str:
    rows = [("de", "en"), *ROWS]
    cells = ([cell.replace('"', '""') for cell in row] for row in rows)
    return "".join(f'"{a}"{separator}"{b}"\n' for a, b in cells)


def lines_of(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


FORMATS: dict[str, Callable[[], str]] = {
    "jsonl": lambda: lines_of(objects()),
    "json": lambda: json.dumps(objects(("source", "target"))),
    "nested.jsonl": lambda: lines_of([{"translation": record, "id": "3"} for record in objects()]),
    "csv": lambda: csv_of(","),
    "tsv": lambda: "".join(f"{a}\t{b}\n" for a, b in [("EN", "DE"), *(row[::-1] for row in ROWS)]),
}


@pytest.fixture(autouse=True)
def no_hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing can be written to the library's cache, which no folder of one's own needs."""
    file = tmp_path_factory.mktemp("huggingface") / "file"
    file.write_text("")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", file / "datasets")


def read(folder: Path, kind: str, scratch: Path, **more: str) -> Splits:
    given = {"name": str(folder), "train": "train", "dev": "validation", "test": None, **more}
    if kind == "hub":
        return Hub("de", "en", **given).read(scratch)
    return Stream("de", "en", **given, test_size=0).read(scratch)


@pytest.mark.parametrize("kind", ["hub", "stream"])
@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
@pytest.mark.parametrize("ending", FORMATS)
def test_text_stays_as_it_is(
    tmp_path: Path, scratch: Path, ending: str, packed: str, kind: str
) -> None:
    (tmp_path / "data").mkdir()
    for split in ("train", "validation"):
        content = FORMATS[ending]().encode()
        path = tmp_path / "data" / f"{split}.{ending}"
        if packed == ".zip":
            (tmp_path / split).mkdir()
            (tmp_path / split / path.name).write_bytes(content)
            shutil.make_archive(str(path), "zip", tmp_path / split)
        else:
            path = path.with_name(path.name + packed)
            path.write_bytes(gzip.compress(content) if packed else content)
    splits = read(tmp_path / "data", kind, scratch)
    for split in (splits.train, splits.dev):
        assert split is not None
        assert (list(split["source"]), list(split["target"])) == (SOURCE, TARGET)


def test_a_stream_goes_on_within_a_file(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(FORMATS["jsonl"]())
    corpus = Stream("de", "en", name=str(tmp_path))
    ((texts, after),) = corpus.blocks([0], Place(0, 4))
    assert texts == [(SOURCE[4:], TARGET[4:])]
    assert after == Place(1)


@pytest.mark.parametrize("kind", ["hub", "stream"])
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("validation.jsonl", '{"de": "a", "en": 3}', "record 1: 'en' is not text: 3"),
        ("validation.jsonl", '{"de": "", "en": ""}\n{"en": ["a"]}', "record 2: 'en' is not text: "),
        (
            "validation.jsonl",
            '{"de": "a", "fr": "b"}',
            r"no column for data\.target=en: the columns are",
        ),
        ("validation.csv", "de,en\nJa, gut.,Yes.\n", "row 2: 3 columns, but 2 are needed: text"),
        ("validation.csv", "de,en\nJa.\n", "row 2: 1 column, but 2 are needed"),
    ],
)
def test_what_is_not_text_is_refused_with_file_and_record(
    tmp_path: Path, scratch: Path, name: str, content: str, told: str, kind: str
) -> None:
    suffix = Path(name).suffix
    (tmp_path / f"train{suffix}").write_text(FORMATS[suffix[1:]]())
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}[, ].*{told}"):
        read(tmp_path, kind, scratch)


def test_a_side_that_is_missing_is_empty(tmp_path: Path, scratch: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.jsonl").write_text('{"de": "a"}\n{"en": null, "de": "b", "fr": "c"}')
    train = read(tmp_path, "hub", scratch).train
    assert train is not None
    assert (train["source"][:], train["target"][:]) == (["a", "b"], ["", ""])


def card(folder: Path, setting: str) -> None:
    """Write a dataset's card, which says how its files are read."""
    files = ", ".join(f"{{split: {name}, path: {name}.csv}}" for name in ("train", "validation"))
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: [{files}]\n  {setting}\n---\n"
    )


def test_a_card_may_name_the_separator_and_nothing_that_is_not_known(
    tmp_path: Path, scratch: Path
) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text(csv_of(";"))
    card(tmp_path, 'sep: ";"')
    train = read(tmp_path, "hub", scratch).train
    assert train is not None
    assert (train["source"][:], train["target"][:]) == (SOURCE, TARGET)
    card(tmp_path, "skiprows: 1")
    with pytest.raises(UserError, match=r"card of .* its files with skiprows: 1, .*data=files"):
        read(tmp_path, "hub", scratch)


def test_a_stream_without_a_header_says_once_what_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "train.csv").write_text("eins,one\nzwei,two\n")
    corpus = Stream("de", "en", name=str(tmp_path))
    for _ in range(2):
        ((texts, _),) = corpus.blocks([0], Place())
        assert texts == [(["eins", "zwei"], ["one", "two"])]
    (told,) = caplog.messages
    assert told.startswith(f"{tmp_path}/train.csv has no header: column 1 is source (de), ")
    assert told.endswith("First pair: eins | one")


def test_columns_may_be_named_or_numbered(tmp_path: Path, scratch: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text("Id,English,German\n1,one,eins\n")
    for columns in (("German", "English"), ("3", "English"), ("German", "2")):
        named = {"source_column": columns[0], "target_column": columns[1]}
        train = read(tmp_path, "stream", scratch, **named).train
        assert train is not None
        assert (train["source"][:], train["target"][:]) == (["eins"], ["one"])
