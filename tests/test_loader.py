"""The road from a corpus to batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from local_corpora import corpus_folder
from toy_text import CONFIG, text

from nmt.batches.ragged import Ragged
from nmt.batches.train_loader import TrainLoader
from nmt.data.clean import Clean
from nmt.data.corpus import Corpus, Splits, pairs
from nmt.data.multi30k import Multi30k
from nmt.data.prepare import Prepared, prepare
from nmt.data.tokenizer import BOS, EOS, PAD, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError


@dataclass
class Toy(Corpus):
    """Sentences of a few words; the target says them backwards."""

    source: str = "en"
    target: str = "ne"
    lines: int = 300

    def content(self) -> object:
        return self.lines

    def read(self, scratch: Path) -> Splits:
        sides = [text(size, seed) for seed, size in ((1, self.lines), (2, 11), (3, 7))]
        return Splits(*(pairs(side, [line[::-1] for line in side]) for side in sides))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def prepared(cache: Path) -> Prepared:
    return prepare(Toy(), Clean(), CONFIG, cache)


def test_ids_spell_the_text(prepared: Prepared) -> None:
    assert prepared.test is not None
    for split in (prepared.train, prepared.dev, prepared.test):
        for row in split:
            *source, last = row["source_ids"]
            assert last == EOS
            assert prepared.source_tokenizer.decode(source) == row["source"]
            first, *target, last = row["target_ids"]
            assert (first, last) == (BOS, EOS)
            assert prepared.target_tokenizer.decode(target) == row["target"]


def test_dev_and_test_are_whole(cache: Path) -> None:
    prepared = prepare(Toy(), Clean(max_pieces=20), CONFIG, cache)
    assert prepared.test is not None
    assert (len(prepared.dev), len(prepared.test)) == (11, 7)
    assert max(map(len, prepared.dev["source_ids"])) > 21
    assert max(map(len, prepared.train["source_ids"])) <= 21
    assert {name: n for name, n, _ in prepared.report.rows()}["kept"] == len(prepared.train)


def test_everything_is_memory_mapped_and_made_once(
    cache: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(Path(file["filename"]).is_relative_to(cache) for file in prepared.train.cache_files)
    assert prepared.train.cache_files
    monkeypatch.setattr("nmt.data.prepare._build", lambda *args: pytest.fail("made again"))
    again = prepare(Toy(), Clean(), replace(CONFIG, sample=0.1), cache)
    assert again.train["source_ids"][:] == prepared.train["source_ids"][:]
    assert again.report == prepared.report


def test_a_tokenizer_is_trained_once_on_the_same_text(
    cache: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nmt.data.prepare.train_tokenizer", lambda *args: pytest.fail("trained again")
    )
    other = prepare(Toy(), Clean(max_pieces=50), CONFIG, cache)
    assert other.source_tokenizer.model == prepared.source_tokenizer.model


def test_the_tokenizer_sees_train_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(lines, config):
        seen.extend(lines)
        return train_tokenizer(lines, config)

    monkeypatch.setattr("nmt.data.prepare.train_tokenizer", spy)
    prepared = prepare(Toy(), Clean(), CONFIG, tmp_path)
    assert sorted(seen) == sorted([*prepared.train["source"], *prepared.train["target"]])
    seen.clear()
    prepare(Toy(), Clean(), replace(CONFIG, max_lines=100), tmp_path)
    assert 90 < len(seen) <= 100


def test_separate_tokenizers(cache: Path) -> None:
    prepared = prepare(Toy(), Clean(), replace(CONFIG, joint=False), cache)
    assert prepared.source_tokenizer.model != prepared.target_tokenizer.model
    row = prepared.dev[0]
    assert prepared.target_tokenizer.decode(row["target_ids"]) == row["target"]


def test_batches_hold_every_train_line_once(prepared: Prepared) -> None:
    batches = list(TrainLoader(prepared, 200, seed=1).epoch(0))
    sources: list[str] = []
    for batch in batches:
        assert batch.source.dtype == batch.target.dtype == torch.int64
        rows, width = batch.source.shape
        assert rows * max(width, batch.target.shape[1] - 1) <= 200
        for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True):
            line = prepared.source_tokenizer.decode(source)
            assert prepared.target_tokenizer.decode(target) == line[::-1]
            assert target[0] == BOS
            assert set(source[source.index(EOS) + 1 :]) <= {PAD}
            assert set(target[target.index(EOS) + 1 :]) <= {PAD}
            sources.append(line)
        assert (batch.source != PAD).any(0).all(), "a column of padding alone"
        assert (batch.target != PAD).any(0).all()
    assert sorted(sources) == sorted(prepared.train["source"])


@pytest.mark.parametrize("sample", [0.0, 0.2])
def test_an_epoch_goes_on_from_any_batch(cache: Path, sample: float) -> None:
    prepared = prepare(Toy(), Clean(), replace(CONFIG, sample=sample), cache)
    one, other = (TrainLoader(prepared, 300, seed=3) for _ in range(2))
    list(one.epoch(0))
    whole = list(one.epoch(1))
    assert len(whole) == one.num_batches(1) == other.num_batches(1)
    rest = list(other.epoch(1, start=5))
    assert len(rest) == len(whole) - 5
    for batch, again in zip(whole[5:], rest, strict=True):
        assert torch.equal(batch.source, again.source)
        assert torch.equal(batch.target, again.target)


def test_sampling_cuts_anew_every_epoch_within_the_budget(cache: Path) -> None:
    prepared = prepare(Toy(), Clean(), replace(CONFIG, sample=0.2), cache)
    served = TrainLoader(prepared, 60, seed=1)

    def segmentations(epoch: int) -> set[tuple[int, ...]]:
        found = set()
        for batch in served.epoch(epoch):
            rows, width = batch.source.shape
            assert rows * max(width, batch.target.shape[1] - 1) <= 60
            found |= {tuple(row) for row in batch.source.tolist()}
        return found

    def lines(epoch: int) -> list[str]:
        return sorted(prepared.source_tokenizer.decode(list(row)) for row in segmentations(epoch))

    assert segmentations(0) != segmentations(1)
    assert lines(0) == lines(1) == sorted(prepared.train["source"])


def test_sampling_cuts_once_an_epoch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(Toy(), Clean(), replace(CONFIG, sample=0.2), cache)
    cut: list[str] = []
    sample = Tokenizer.sample

    def spy(self: Tokenizer, lines: Sequence[str], seed: int) -> list[list[int]]:
        cut.extend(lines)
        return sample(self, lines, seed)

    monkeypatch.setattr(Tokenizer, "sample", spy)
    served = TrainLoader(prepared, 300, seed=3)
    share = served.padding_share()
    first, second = served.epoch(0), served.epoch(1)
    size = len(list(first))
    next(second)  # a batch is made ahead
    assert served.ends(0, size)
    assert served.ends(1, 1 + len(list(second)))
    assert served.padding_share() == share
    assert sorted(cut) == sorted([*prepared.train["source"], *prepared.train["target"]] * 2)


def test_a_pair_longer_than_the_budget_is_refused(prepared: Prepared) -> None:
    with pytest.raises(
        UserError, match=r"train\.max_tokens=11: the longest training pair has \d\d"
    ):
        TrainLoader(prepared, 11, seed=1)


def test_a_corpus_without_dev_cannot_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "read", lambda self, scratch: Splits(test=pairs(["a"], ["b"])))
    with pytest.raises(UserError, match="has no train split, but training needs"):
        prepare(Toy(), Clean(), CONFIG, tmp_path)


def test_ragged_rows() -> None:
    ragged = Ragged.of_blocks([[[5], [7, 8, 9]], [[3, 4]]])
    assert ragged.row(1) == [7, 8, 9]
    assert ragged.padded([2, 1]).tolist() == [[3, 4, 0], [7, 8, 9]]
    assert np.array_equal(ragged.lengths, [1, 3, 2])


def test_padding_on_multi30k_is_at_most_a_tenth(tmp_path: Path) -> None:
    corpus = Multi30k(dir=corpus_folder("multi30k"))
    prepared = prepare(corpus, Clean(), TokenizerConfig(kind="bpe"), tmp_path)
    assert TrainLoader(prepared, 4096, seed=1).padding_share() < 0.1
