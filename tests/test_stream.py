"""A stream gives every pair once an epoch, mixed, and goes on exactly where it stood."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command import mistake, nmt
from datasets import Dataset, Features, IterableDataset, Translation
from toy_text import CONFIG, text

from nmt.batches.batch import Batch
from nmt.batches.stream_loader import StreamLoader
from nmt.data.clean import Clean
from nmt.data.prepare import Prepared, prepare
from nmt.data.stream import Stream
from nmt.data.tokenizer import EOS, PAD
from nmt.errors import UserError

SHARDS = [70, 30, 90, 1, 59]  # pairs
PAIRS = list(zip(text(250, 1), text(250, 2), strict=True))
OTHERS = list(zip(text(9, 3), text(9, 4), strict=True))


@pytest.fixture(autouse=True)
def hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("huggingface")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder)


def write_shards(folder: Path) -> None:
    """PAIRS in shards of unequal size; OTHERS as validation."""
    folder.mkdir()
    rows = iter(PAIRS)
    for number, size in enumerate(SHARDS):
        lines = [dict(zip(("source", "target"), next(rows), strict=True)) for _ in range(size)]
        content = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"train-{number}.jsonl").write_text(content)
    content = "".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in OTHERS)
    (folder / "validation.jsonl").write_text(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stream") / "shards"
    write_shards(place)
    return place


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def stream(folder: Path, **changes) -> Stream:
    given = {"dev": "validation", "test_size": 0, "first": 120, "buffer": 40}
    return Stream("en", "ne", **{"name": str(folder), **given, **changes})


def loader(
    corpus: Stream, cache: Path, sample: float = 0.0, clean: Clean | None = None, seed: int = 1
) -> StreamLoader:
    limits = clean or Clean(max_ratio=99)
    prepared = prepare(corpus, limits, replace(CONFIG, sample=sample), cache)
    return StreamLoader(corpus, prepared, limits, max_tokens=200, seed=seed)


def pairs_of(served: StreamLoader, batches: list[Batch]) -> list[tuple[str, str]]:
    return served.sentences(batches)


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.source, b.source) and torch.equal(a.target, b.target)
        for a, b in zip(one, other, strict=True)
    )


def test_every_pair_comes_once_an_epoch_in_another_order(folder: Path, cache: Path) -> None:
    served = loader(stream(folder), cache)
    first, second = (pairs_of(served, list(served.epoch(epoch))) for epoch in (0, 1))
    assert Counter(first) == Counter(second) == Counter(PAIRS)
    assert first != second
    other = loader(stream(folder), cache, seed=2)
    assert pairs_of(other, list(other.epoch(0))) != first


def test_a_block_mixes_its_pairs_and_blocks_take_shards_in_an_order(
    folder: Path, cache: Path
) -> None:
    served = loader(stream(folder), cache)
    number = {pair: place for place, pair in enumerate(PAIRS)}
    order = [number[pair] for pair in pairs_of(served, list(served.epoch(0)))]
    assert sorted(order[:70]) != list(range(70))  # not the first shard first
    assert order != sorted(order)
    assert loader(stream(folder, buffer=250), cache).num_batches(0) is None


def test_a_folder_is_read_again_when_a_file_has_changed(tmp_path: Path, cache: Path) -> None:
    write_shards(tmp_path / "shards")
    corpus = stream(tmp_path / "shards")
    key = corpus.key(cache)
    assert stream(tmp_path / "shards").key(cache) == key
    with (tmp_path / "shards" / "train-0.jsonl").open("a") as file:
        file.write('{"source": "a", "target": "b"}\n')
    assert stream(tmp_path / "shards").key(cache) != key
    write_shards(tmp_path / "others")
    assert stream(tmp_path / "others").key(cache) != key, "two places are two texts"


def test_batches_keep_the_budget(folder: Path, cache: Path) -> None:
    for batch in loader(stream(folder), cache, sample=0.2).epoch(0):
        rows, width = batch.source.shape
        assert rows * max(width, batch.target.shape[1] - 1) <= 200
        assert all(EOS in line and line[-1] in (EOS, PAD) for line in batch.target.tolist())


@pytest.mark.parametrize("sample", [0.0, 0.2])
def test_an_epoch_goes_on_from_any_batch(folder: Path, cache: Path, sample: float) -> None:
    one = loader(stream(folder), cache, sample)
    whole: list[Batch] = []
    states = [{}]
    for batch in one.epoch(1):
        whole.append(batch)
        states.append(one.state(1, len(whole)))
    assert len(whole) > 10
    for start in (0, 1, 6, len(whole) // 2, len(whole) - 1):
        other = loader(stream(folder), cache, sample)
        other.restore(json.loads(json.dumps(states[start])))
        assert equal(list(other.epoch(1, start)), whole[start:])
        assert other.ends(1, len(whole))
        assert not other.ends(1, len(whole) - 1)


def test_going_on_does_not_read_the_shards_before(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = loader(stream(folder), cache)
    batches = list(served.epoch(0))
    state = served.state(0, len(batches) - 1)
    assert state["shard"] >= 2
    opened: list[int] = []
    shard = IterableDataset.shard

    def spy(self: IterableDataset, num_shards: int, index: int) -> IterableDataset:
        opened.append(index)
        return shard(self, num_shards, index)

    monkeypatch.setattr(IterableDataset, "shard", spy)
    again = loader(stream(folder), cache)
    again.restore(state)
    assert equal(list(again.epoch(0, len(batches) - 1)), batches[-1:])
    assert len(opened) == len(SHARDS) - state["shard"]


def test_dev_and_test_are_the_first_pairs_and_never_trained_on(folder: Path, cache: Path) -> None:
    corpus = stream(folder, dev=None, dev_size=80, test_size=5)
    served = loader(corpus, cache, clean=Clean(drop_held_out=False, max_ratio=99))
    prepared: Prepared = prepare(corpus, Clean(drop_held_out=False, max_ratio=99), CONFIG, cache)
    assert prepared.test is not None
    held = [
        pair
        for split in (prepared.dev, prepared.test)
        for pair in zip(split["source"], split["target"], strict=True)
    ]
    assert held == PAIRS[:85]
    assert len(prepared.train) == 120
    assert Counter(pairs_of(served, list(served.epoch(0)))) == Counter(PAIRS[85:])


def test_a_stream_is_cleaned_as_it_comes(tmp_path: Path, cache: Path) -> None:
    write_shards(tmp_path / "shards")
    bad = [("", "a"), ("b\0", "c"), PAIRS[249], PAIRS[249], OTHERS[0], ("ka " * 300, "mi")]
    with (tmp_path / "shards" / "train-4.jsonl").open("a") as file:
        for source, target in bad:
            file.write(json.dumps({"source": source, "target": target}) + "\n")
    served = loader(stream(tmp_path / "shards", buffer=300), cache)
    assert Counter(pairs_of(served, list(served.epoch(0)))) == Counter(PAIRS)


def test_a_translation_feature_in_parquet_streams_too(tmp_path: Path, cache: Path) -> None:
    feature = Features({"translation": Translation(languages=["de", "en"])})
    (tmp_path / "shards").mkdir()
    for number in range(2):
        rows = [{"de": a, "en": b} for a, b in PAIRS[number * 125 :][:125]]
        dataset = Dataset.from_dict({"translation": rows}, features=feature)
        dataset.to_parquet(tmp_path / "shards" / f"train-{number}.parquet")
    corpus = Stream("en", "de", name=str(tmp_path / "shards"), first=100, buffer=50, dev_size=10)
    served = loader(replace(corpus, test_size=0), cache)
    swapped = Counter((b, a) for a, b in PAIRS[10:])
    assert Counter(pairs_of(served, list(served.epoch(0)))) == swapped


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"buffer": 0}, r"data\.buffer=0: must be at least 1"),
        ({"train": None}, r"data\.train=null: a stream needs a split for training"),
        ({"dev": None, "dev_size": 300}, r"data\.dev_size=300 .*ends after 250 pairs"),
        ({"name": "shards"}, r"data\.name=shards: use owner/dataset, or a folder"),
        ({"dev": "valid"}, r"split valid\) cannot be read from that folder: Bad split: valid"),
        (
            {"source_column": "text"},
            r"no column for data\.source_column=text: the columns are source, target\.",
        ),
    ],
)
def test_what_cannot_be_streamed_is_told(changes, told, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        prepare(stream(folder, **changes), Clean(), CONFIG, tmp_path)


def test_the_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards")
    with (tmp_path / "shards" / "validation.jsonl").open("a") as file:
        file.write("no json\n")
    with pytest.raises(UserError, match=r"shards/validation\.jsonl, line 10 is not JSON"):
        stream(tmp_path / "shards").load(tmp_path / "cache")


def test_a_place_of_another_stream_is_told(folder: Path, cache: Path) -> None:
    whole = {"epoch": 0, "batch": 1, "block": 1, "shard": 2, "row": 0}
    for state in ({"block": 1}, {**whole, "shard": 6}, {**whole, "row": -1}, {**whole, "row": 0.5}):
        with pytest.raises(UserError, match="not a position in this stream of 5 files"):
            loader(stream(folder), cache).restore(state)


def test_a_budget_below_the_longest_pair_is_told(folder: Path, cache: Path) -> None:
    with pytest.raises(UserError, match=r"train\.max_tokens=200: .* up to 251 tokens"):
        loader(stream(folder), cache, clean=Clean(max_pieces=250))


def test_nothing_left_is_told(folder: Path, cache: Path) -> None:
    served = loader(stream(folder), cache)
    served.judge = replace(served.judge, clean=Clean(max_pieces=1))
    with pytest.raises(UserError, match="no pair of the stream is left"):
        list(served.epoch(0))


# --- the command


def words(folder: Path, tiny: list[str]) -> list[str]:
    model = [word for word in tiny if word.startswith(("model.", "decode.", "train."))]
    return [
        *("data=stream", f"data.name={folder}", "data.source=en", "data.target=ne"),
        *("data.dev=validation", "data.test_size=0", "data.first=120", "data.buffer=40"),
        *("tokenizer.size=360", "tokenizer.sample=0.1", *model, "train.max_tokens=150"),
        *("train.max_steps=40", "train.evaluate_every=10", "train.accumulate=2"),
        *("train.heatmaps=0", "decode.beam=1", "model.dropout=0.1"),
    ]


@pytest.fixture(scope="module")
def whole(folder: Path, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to, with all of its checkpoints."""
    run = tmp_path_factory.mktemp("whole") / "run"
    answer = nmt("train", *words(folder, tiny), "train.keep_last=99", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    states = [json.loads(path.read_text()) for path in run.glob("checkpoints/*/state.json")]
    assert {state["epoch"] for state in states} == {0, 1}
    return run


def tensors(run: Path) -> dict[str, bytes]:
    return {str(f.relative_to(run)): f.read_bytes() for f in run.rglob("*.safetensors")}


@pytest.mark.parametrize("step", [10, 30])
def test_a_run_on_a_stream_goes_on_as_if_nothing_had_happened(
    step: int, folder: Path, tiny: list[str], whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for name in ("result.json", "model.safetensors"):
        (run / name).unlink()
    for checkpoint in (run / "checkpoints").iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)
    answer = nmt("train", f"resume={run}")
    assert answer.code == 0, answer.err
    assert tensors(run) == tensors(whole)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            ["schedule=cosine", "train.max_epochs=2"],
            "train.max_epochs=2: the learning rate cannot decay with the epochs of a stream",
        ),
        (["guide=file", "guide.path=links"], "guide=… needs links for every line"),
    ],
)
def test_what_cannot_be_done_with_a_stream_is_told(
    more: list[str], told: str, folder: Path, tiny: list[str], tmp_path: Path
) -> None:
    typed = [word for word in words(folder, tiny) if "sample" not in word]
    assert told in mistake(nmt("train", *typed, *more, f"hydra.run.dir={tmp_path / 'run'}"))


def test_epochs_end_a_training_without_such_a_rate(
    folder: Path, tiny: list[str], tmp_path: Path
) -> None:
    typed = [word for word in words(folder, tiny) if "max_steps" not in word]
    run = tmp_path / "run"
    answer = nmt("train", *typed, "train.max_epochs=1", "schedule=constant", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    state = json.loads((sorted((run / "checkpoints").iterdir())[-1] / "state.json").read_text())
    assert (state["epoch"], state["batch"], state["data"]) == (1, 0, {})
