"""What several tests share: a cache of their own, a tiny corpus, a run of the smoke experiment."""

from pathlib import Path

import pytest
from command import nmt

pytest.register_assert_rewrite("loss_laws", "model_laws")

COUNTED = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben"]
COUNTS = ["one", "two", "three", "four", "five", "six", "seven"]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """No test reads or fills the cache of the person at the keyboard."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NMT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def numbers(tmp_path_factory) -> Path:
    """Files of a language that a small model reads and writes fast: train.de, train.en, dev.de …"""
    folder = tmp_path_factory.mktemp("numbers")
    digits = [(i, j, k) for i in range(7) for j in range(7) for k in range(7) if i != k]
    for name, rows in (("dev", digits[::49]), ("test", digits[5::49]), ("train", digits[1::3])):
        for language, words in (("de", COUNTED), ("en", COUNTS)):
            lines = [" ".join(words[digit] for digit in row) for row in rows]
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny(numbers) -> list[str]:
    """The words of a training that takes a second."""
    files = [
        f"data.{split}=[{numbers}/{split}.de,{numbers}/{split}.en]"
        for split in ("train", "dev", "test")
    ]
    return [
        *("data=files", "data.source=de", "data.target=en", *files),
        *("tokenizer.size=34", "tokenizer.byte_fallback=false"),
        *("model.embedding_width=8", "model.encoder_width=8", "model.decoder_width=16"),
        *("train.max_tokens=128", "train.max_steps=4", "train.evaluate_every=2"),
        *("train.log_every=1", "train.heatmaps=1", "decode.beam=2", "decode.max_ratio=1"),
    ]


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory) -> Path:
    """The run folder of such a training."""
    run = tmp_path_factory.mktemp("trained") / "run"
    answer = nmt("train", *tiny, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    """The run folder of `nmt train experiment=smoke`."""
    run = tmp_path_factory.mktemp("smoke") / "run"
    answer = nmt("train", "experiment=smoke", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run
