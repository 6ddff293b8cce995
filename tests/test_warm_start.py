"""The crossed warm start: its table, and that its commands can be trained."""

from pathlib import Path

import warm_start
from choices import CONFIGS
from hydra import compose, initialize_config_dir

from nmt.config.schema import register_schema
from nmt.experiment.build import build
from nmt.training.ranks import Ranks


def test_the_last_row_is_what_the_own_encoder_is_worth():
    scores = {
        ("a", "a"): [10.0, 12.0],
        ("a", "b"): [4.0, 4.0],
        ("b", "a"): [9.0, 9.0],
        ("b", "b"): [5.0, 7.0],
    }
    header, rows = warm_start.table(scores, 1)
    assert header == ("encoder trained with", "read by a", "read by b")
    assert rows[0] == ("a", "11.0 ± 1.4", "4.0 ± 0.0")
    assert rows[-1] == ("own − others", "2.0 ± 1.4", "2.0 ± 1.4")


def test_every_attention_reads_every_encoder(monkeypatch):
    """Without training: the words of each run compose and build."""
    typed: dict[str, list[str]] = {}

    class Run:
        def __init__(self, folder: Path, words: list[str]) -> None:
            self.folder, self.result = folder, {"bleu": 1.0}
            typed[folder.name] = words

    monkeypatch.setattr(warm_start, "Run", Run)
    found = warm_start.crossed(Path("runs"), ["data.dir=nowhere"])
    number = len(warm_start.ATTENTIONS)
    assert len(found) == number**2
    assert len(typed) == len(warm_start.SEEDS) * (number + number**2)
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        for words in (typed["none-1"], typed["none-1-bahdanau"]):
            cfg = compose("train", words)
            build(cfg, Ranks())
    assert cfg.init == "runs/none-1"
    assert cfg.model.freeze == cfg.init_parts == ["encoder", "source_embedding"]
