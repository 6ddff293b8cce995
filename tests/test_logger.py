"""What a run writes down, and what a resumed run forgets; tables."""

import argparse
import io
import json
import re
from pathlib import Path
from time import sleep

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from nmt.metrics.bleu import score
from nmt.report.heatmap import Axis, heatmap, pixels
from nmt.report.hparams import write_columns
from nmt.report.logger import METRICS, Logger
from nmt.runs.folder import EVENT_FILES
from nmt.terminal.table import SCORES, markdown, sample_rows, score_rows, table


def metrics(folder: Path) -> list[dict]:
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_metrics_are_there_while_the_run_goes_on(tmp_path):
    with Logger(tmp_path) as logger:
        logger.log(3, {"train/loss": 5.5, "train/lr": 0.25})
        logger.log(7, {"dev/bleu": 11.0})
        assert metrics(tmp_path) == [
            {"step": 3, "train/loss": 5.5, "train/lr": 0.25},
            {"step": 7, "dev/bleu": 11.0},
        ]
    found = events(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("loss/train")] == [(3, 5.5)]
    assert [(e.step, e.value) for e in found.Scalars("BLEU/dev")] == [(7, 11.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_null(tmp_path, value):
    with Logger(tmp_path) as logger:
        logger.log(3, {"train/loss": value})
    assert (tmp_path / METRICS).read_text() == '{"step": 3, "train/loss": null}\n'


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path):
    with Logger(tmp_path) as logger:
        for step in (3, 5, 7, 11):
            logger.log(step, {"train/loss": float(step)})
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 13, "train/lo')  # killed while it wrote
    sleep(1)  # files of one second and process are read by their number as text: 10 before 9
    with Logger(tmp_path, step=5) as logger:
        logger.log(7, {"train/loss": -7.0})
    assert [(m["step"], m["train/loss"]) for m in metrics(tmp_path)] == [(3, 3), (5, 5), (7, -7)]
    scalars = events(tmp_path).Scalars("loss/train")
    assert [(e.step, e.value) for e in scalars] == [(3, 3), (5, 5), (7, -7)]


def test_figures_text_and_configuration(tmp_path):
    with Logger(tmp_path) as logger:
        for step in (3, 7):
            figure = heatmap(torch.eye(2), Axis(["a", "b"]), Axis(["c", "d"]), "Sentence 1", [])
            logger.image(step, "attention/1", pixels(figure))
        logger.text(7, "samples", "| a |\n| --- |\n| Hündin |")
        logger.config("model:\n  width: 3")
    found = events(tmp_path)
    images = found.Images("attention/1")
    assert [image.step for image in images] == [3, 7]
    assert images[0].encoded_image_string.startswith(b"\x89PNG")
    text = {tag: found.Tensors(f"{tag}/text_summary")[0] for tag in ("samples", "settings")}
    assert text["samples"].tensor_proto.string_val[0].decode().endswith("| Hündin |")
    assert list(text) == sorted(text), "TensorBoard sorts them: what the model writes comes first"
    assert text["settings"].tensor_proto.string_val[0] == b"    model:\n      width: 3"


ROOT = Path(__file__).parent.parent


@pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")  # when it is imported
@pytest.mark.parametrize("file", ["Makefile", "docs/tutorial.md"])
def test_a_picture_of_every_evaluation_is_served(file, tmp_path):
    """TensorBoard keeps ten of a tag, drawn at random, unless its command says otherwise."""
    from tensorboard.plugins.core.core_plugin import CorePluginLoader

    steps = list(range(1, 31))
    with Logger(tmp_path) as logger:
        for step in steps:
            logger.image(step, "attention/1", np.zeros((1, 1, 4), np.uint8))
            logger.text(step, "samples", "text")
    told = re.search(r"tensorboard --logdir runs (.*? .*?)( |$)", (ROOT / file).read_text(), re.M)
    assert told
    parser = argparse.ArgumentParser()
    CorePluginLoader().define_flags(parser)
    once = ["--reload_interval=0", "--reload_task=blocking"]
    flags = parser.parse_args(["--logdir", str(tmp_path), *once, *told[1].split()])
    ingester = LocalDataIngester(flags)
    ingester.start()
    provider = ingester.data_provider
    all_of = {"experiment_id": "", "downsample": 10_000}
    images = provider.read_blob_sequences(RequestContext(), plugin_name="images", **all_of)
    texts = provider.read_tensors(RequestContext(), plugin_name="text", **all_of)
    assert [one.step for one in images["."]["attention/1"]] == steps
    assert [one.step for one in texts["."]["samples/text_summary"]] == steps


def test_an_older_run_keeps_its_folder_of_events(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    with Logger(tmp_path) as logger:
        logger.log(3, {"train/loss": 3.0})
    assert [e.step for e in events(tmp_path / "tensorboard").Scalars("loss/train")] == [3]
    assert not list(tmp_path.glob(EVENT_FILES))


def test_a_seed_is_text_in_hparams_but_not_beside_rows_of_older_runs(tmp_path):
    runs = {tmp_path / name: {"attention": "none", "seed": n} for n, name in enumerate("ab", 1)}
    for folder, settings in runs.items():
        with Logger(make(folder)) as logger:
            logger.hparams(11, settings, {"test/bleu": 20.5})
    write_columns(make(tmp_path / "sweep"), runs)
    assert seeds_of(tmp_path / "sweep") == ["1", "2"]
    content = events(tmp_path / "a").SummaryMetadata("_hparams_/session_start_info").plugin_data
    row = HParamsPluginData.FromString(content.content).session_start_info.hparams
    assert row["seed"].string_value == "1"
    (tmp_path / "b" / "tensorboard").mkdir()
    write_columns(tmp_path / "sweep", runs)
    assert seeds_of(tmp_path / "sweep") == [], "an interval of numbers"


def test_columns_of_hparams_are_what_was_chosen(tmp_path):
    """Not what a choice implies: the bias of bahdanau, where no other attention has one."""
    rows = [
        {"model": "rnn", "attention": "bahdanau", "attention.bias": False, "seed": 1},
        {"model": "rnn", "attention": "luong_dot", "seed": 1},
        {"model": "rnn", "attention": "luong_dot", "model.dropout": 0.2, "order.feed": True},
        {"model": "rnn", "attention": "luong_dot", "model.dropout": 0.3, "order.feed": False},
    ]
    runs = {tmp_path / str(n): row for n, row in enumerate(rows)}
    write_columns(make(tmp_path / "sweep"), runs)
    content = events(tmp_path / "sweep").SummaryMetadata("_hparams_/experiment").plugin_data
    infos = HParamsPluginData.FromString(content.content).experiment.hparam_infos
    found = {info.name: [one.string_value for one in info.domain_discrete.values] for info in infos}
    assert list(found) == ["model", "attention", "seed", "model.dropout", "order.feed"]
    assert found["order.feed"] == ["false", "true"], "not 0.0000 and 1.0000"


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def seeds_of(folder: Path) -> list[str]:
    content = events(folder).SummaryMetadata("_hparams_/experiment").plugin_data.content
    infos = HParamsPluginData.FromString(content).experiment.hparam_infos
    (seed,) = [info for info in infos if info.name == "seed"]
    return [value.string_value for value in seed.domain_discrete.values]


def test_hparams_are_in_the_run_itself(tmp_path):
    with Logger(tmp_path) as logger:
        settings = {"attention": "bahdanau", "model.width": 3}
        logger.hparams(11, settings, {"test/bleu": 20.5})
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [], "no second run"
    found = events(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("test/bleu")] == [(11, 20.5)]
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    values = HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["attention"].string_value == "bahdanau"
    assert values["model.width"].number_value == 3
    assert "_hparams_/experiment" not in found.Tags()["tensors"], "the columns of one run alone"


def rendered(renderable) -> str:
    console = Console(width=70, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


def test_tables_say_every_cell_as_it_is():
    text = rendered(
        table(("what", "pairs"), [("[bold]read", 29000), ("kept", 7)], title="Cleaning")
    )
    assert "Cleaning" in text
    assert "[bold]read   29,000" in text
    assert "kept              7" in text


def test_score_table_has_signatures_in_full():
    found = score(["a b c d e"], ["a b c d f"], "en")
    text = rendered(table(SCORES, score_rows(found)))
    together = "".join(text.split())
    for name in ("bleu", "chrf", "ter", "bleu_tok_lc"):
        assert name in text
        assert f"{found[name]:.2f}" in text
        assert found["signatures"][name].split("|")[-2] in together


def test_markdown_of_samples():
    rows = sample_rows([3], ["ein | Hund"], ["a dog"], ["the dog"])
    assert markdown(("sentence", "", "text"), rows).splitlines() == [
        "| sentence |  | text |",
        "| --- | --- | --- |",
        "| 3 | source | ein \\| Hund |",
        "|  | translation | a dog |",
        "|  | reference | the dog |",
    ]


def test_samples_are_cells_whatever_the_text_holds():
    rows = sample_rows([3], ["a\nb\x1b[31m"], ["c\u2028d"], ["e" * 3000])
    assert [row[2] for row in rows] == ["a b [31m", "c d", "e" * 2000 + "…"]
