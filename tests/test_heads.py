"""Heads that are switched off: in a model, and in nmt evaluate and nmt heads."""

import json
from pathlib import Path

import pytest
import torch
from command import mistake, nmt
from PIL import Image
from small_model import small_rnn, small_transformer

from nmt.errors import UserError
from nmt.evaluation.explorer import of_run
from nmt.models.attention_maps import attention_maps
from nmt.models.seq2seq import Kind
from nmt.models.without import Head, heads_of, multi_heads, named_heads, without
from nmt.run import open_run

SOURCE, TARGET = torch.tensor([[5, 6, 7, 3]]), torch.tensor([[2, 5, 6, 8]])
FP32 = ("precision=fp32", "device=cpu")


def test_a_head_without_its_part_of_W_O_says_nothing():
    """The same as a model whose W_O has zeros for the head, in `forward` and step by step."""
    model, other = (small_transformer().eval() for _ in range(2))
    other.load_state_dict(model.state_dict())
    off = [Head(Kind.SOURCE_TARGET, 3, 2), Head(Kind.ENCODER, 1, 3), Head(Kind.DECODER, 2, 1)]
    with torch.no_grad():
        for head in off:
            weight = multi_heads(other)[head.kind, head.layer].W_O.weight  # (D,H·K)
            weight.unflatten(1, (3, -1))[:, head.head - 1] = 0
        whole = model(SOURCE, TARGET)
        with without(model, off):
            found = model(SOURCE, TARGET)
            memory = model.encode(SOURCE)
            step, _ = model.step(TARGET[:, :1], model.start(memory), memory)
        wanted = other(SOURCE, TARGET)

        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(step[:, 0], wanted[:, 0])
        assert not torch.allclose(found, whole, atol=1e-4)
        torch.testing.assert_close(model(SOURCE, TARGET), whole)


def test_every_head_has_a_name():
    model = small_rnn(heads=2, hops=2, encoder_self_attention=True)
    names = [head.name for head in heads_of(model)]
    assert names == [
        "decoder.1.cross.1",
        "decoder.1.cross.2",
        "encoder.1.self.1",
        "encoder.1.self.2",
    ]
    model = small_transformer()
    assert len(heads_of(model)) == sum(
        one.weights.size(1) * one.weights.size(2) for one in attention_maps(model, SOURCE, TARGET)
    )
    assert [head.name for head in named_heads(model, ["decoder.3.cross.2"])] == [
        "decoder.3.cross.2"
    ]


@pytest.mark.parametrize(
    "name", ["decoder.4.cross.1", "encoder.1.cross.1", "3.2", "decoder.1.self.0"]
)
def test_a_head_that_does_not_exist_is_refused(name):
    with pytest.raises(UserError) as error:
        named_heads(small_transformer(), [name])
    assert f"without={name}" in str(error.value)
    assert "decoder.1.cross.1" in str(error.value)


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("heads") / "run"
    words = [word for word in tiny if not word.startswith("model.")]
    sizes = ["model=transformer_tiny", "model.heads=2", "model.encoder_layers=1"]
    answer = nmt("train", *words, *sizes, "model.decoder_layers=2", f"hydra.run.dir={folder}")
    assert answer.code == 0, answer.err
    return folder


def test_nmt_heads_measures_each_head_and_evaluate_agrees(run, monkeypatch):
    answer = nmt("heads", f"run={run}", "split=test", *FP32)

    assert answer.code == 0, answer.err
    (folder,) = (run / "heads").iterdir()
    assert folder.name == "files-test-loss"
    result = json.loads((folder / "result.json").read_text())
    names = [one["head"] for one in result["heads"]]
    assert names == [head.name for head in heads_of(open_run(run, "cpu", "fp32").model)]
    assert len(names) == 10
    with Image.open(folder / "heads.png") as picture:
        assert min(picture.size) > 100
    for one in result["heads"]:
        assert one["lost"] == pytest.approx(one["loss"] - result["whole"])
    last = result["heads"][-1]
    words = (f"without=[{last['head']}]", "heatmaps=1")
    switched_off = []

    def looked_at(translator) -> None:
        parts = translator.model.modules()
        switched_off.append(sum(len(one._forward_pre_hooks) for one in parts))

    def explored(translator, *rest):
        looked_at(translator)
        return of_run(translator, *rest)

    monkeypatch.setattr("nmt.commands.evaluate.of_run", explored)
    drawn = "nmt.report.gallery.Gallery.draw_hypotheses"
    monkeypatch.setattr(drawn, lambda gallery, _: looked_at(gallery.translator))
    evaluated = nmt("evaluate", f"run={run}", *words, *FP32)

    assert evaluated.code == 0, evaluated.err
    (place,) = (run / "without").iterdir()
    assert place.name == f"files-test-{last['head']}"
    told = json.loads((place / "result.json").read_text())
    assert told["loss"] == pytest.approx(last["loss"], rel=1e-5)
    assert told["without"] == [last["head"]]
    assert switched_off == [1, 1], "in the pictures and the explorer, too"
    assert not (run / "evaluation").exists()


def test_bleu_can_be_measured_on_few_sentences(run, tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.evaluation.heads.heads_of", lambda model: heads_of(model)[:2])
    words = ("measure=bleu", "sentences=2", "decode.beam=1", f"output={tmp_path}/out")
    answer = nmt("heads", f"run={run}", *words, *FP32)

    assert answer.code == 0, answer.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (result["sentences"], result["measure"], result["unit"]) == (2, "bleu", "BLEU")
    assert len(result["heads"]) == 2
    for one in result["heads"]:
        assert one["lost"] == pytest.approx(result["whole"] - one["bleu"])


def test_mistakes_of_heads_are_told(run, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "only single-head attention" in mistake(nmt("heads", f"run={trained}"))
    assert "measure=chrf" in mistake(nmt("heads", f"run={run}", "measure=chrf"))
    assert "sentences=0" in mistake(nmt("heads", f"run={run}", "sentences=0"))
    assert "which model?" in mistake(nmt("heads"))
    message = mistake(nmt("evaluate", f"run={run}", "without=[decoder.9.cross.1]"))
    assert "without=decoder.9.cross.1: there is no such head" in message
