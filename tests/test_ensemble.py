"""Several models that translate together."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command import mistake, nmt
from small_model import small_rnn, small_transformer
from small_translator import translator_of
from toy_text import text

import nmt as library
from nmt.data.tokenizer import Tokenizer, TokenizerConfig, train_tokenizer
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.evaluation.score import score_ids
from nmt.models.ensemble import MEANS, Ensemble
from nmt.run import Translator, check_together

FP32 = ("device=cpu", "precision=fp32")
SOURCES = text(4, seed=3)
SEARCHES = [
    Decode(beam=3, n_best=2, max_ratio=0.5),
    Decode(method="sample", max_ratio=0.5, no_repeat_ngram=2),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(text(200), TokenizerConfig(size=400))


@pytest.fixture(scope="module")
def members(tokenizer) -> list[Translator]:
    """Of two architectures, with different weights."""
    return [translator_of(tokenizer, make) for make in (small_rnn, small_transformer)]


def together(members: list[Translator], mean: str = "arithmetic") -> Translator:
    one = members[0]
    model = Ensemble([member.model for member in members], MEANS[mean]).eval()
    languages = one.source_language, one.target_language
    tokenizers = one.source_tokenizer, one.target_tokenizer
    return Translator(model, *tokenizers, *languages, one.device, one.precision)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("decode", SEARCHES, ids=lambda decode: decode.method)
@pytest.mark.parametrize("times", [1, 2])
def test_a_model_with_itself_or_alone_is_the_model(members, decode, mean, times):
    for member in members:
        alone = member(SOURCES, decode)
        found = together([member] * times, mean)(SOURCES, decode)
        for one, other in zip(alone, found, strict=True):
            assert [t.ids for t in one] == [t.ids for t in other]
            assert [t.score for t in one] == pytest.approx([t.score for t in other], rel=1e-4)


@pytest.mark.parametrize("mean", MEANS)
def test_the_step_is_the_mean_by_hand_and_the_forced_pass_is_the_step(members, mean):
    ensemble = together(members, mean).model
    source, target = torch.tensor([[7, 9, 3], [8, 3, 0]]), torch.tensor([[2, 11, 12], [2, 13, 14]])
    with torch.inference_mode():
        each = [member.model.eval()(source, target).double().softmax(2) for member in members]
        if mean == "arithmetic":
            p = (each[0] + each[1]) / 2
        else:
            p = (each[0] * each[1]).sqrt()
            p = p / p.sum(2, keepdim=True)
        assert torch.allclose(ensemble(source, target).double(), p.log(), atol=1e-4)
        memory = ensemble.encode(source)
        state = ensemble.start(memory)
        for place in range(3):
            log_p, state = ensemble.step(target[:, place : place + 1], state, memory)
            assert torch.allclose(log_p[:, 0].double(), p[:, place].log(), atol=1e-4)


@pytest.mark.parametrize("mean", MEANS)
def test_the_score_of_a_search_is_that_of_the_same_pieces(members, mean):
    translator = together(members, mean)
    decode = Decode(beam=3, n_best=3, max_ratio=0.5, length_penalty=0.0)
    sources = translator.source_tokenizer.encode(SOURCES)
    for source, found in zip(sources, translator(SOURCES, decode), strict=True):
        forced = score_ids(translator, [source] * len(found), [one.ids for one in found])
        for one, log_ps in zip(found, forced, strict=True):
            assert one.score == pytest.approx(log_ps.sum(), rel=1e-4)


# nmt translate run=[A,B]

TEXT = b"eins zwei drei\nvier\n\nsieben sieben eins\n"


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory) -> list:
    """Two copies of a run, in folders named as a sweep names them."""
    folder = tmp_path_factory.mktemp("together")
    copies = [folder / "seed=1", folder / "a,b"]
    for copy in copies:
        shutil.copytree(trained, copy)
    return copies


def test_runs_translate_together_in_the_command_and_in_python(trained, runs):
    """Two copies say what one says, whatever is in their names."""
    named = f"run=[{runs[0]},'{runs[1]}']"
    alone = nmt("translate", f"run={trained}", *FP32, stdin=TEXT)
    assert alone.code == 0, alone.err
    for mean in ([], ["mean=geometric"]):
        assert nmt("translate", named, *mean, *FP32, stdin=TEXT).out == alone.out
    model = library.load(runs, device="cpu", precision="fp32")
    lines = TEXT.decode().splitlines()
    assert model.translate(lines) == alone.out.splitlines()
    assert model.name == "seed=1 + a,b"
    one = library.load(trained, device="cpu", precision="fp32")
    first = one.score("eins zwei", "one").log_p
    assert model.score("eins zwei", "one").log_p == pytest.approx(first, rel=1e-4)
    with pytest.raises(UserError, match="each has its own attention"):
        model.attention("eins")


def test_an_evaluation_of_several_runs_is_in_a_folder_of_its_own(runs, tmp_path):
    named = f"run=[{runs[0]},'{runs[1]}']"
    answer = nmt("evaluate", named, f"output={tmp_path / 'out'}", "split=dev", *FP32)
    assert answer.code == 0, answer.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [(tmp_path / "out" / run).resolve() for run in result["run"]] == runs
    assert result["mean"] == "arithmetic"
    alone = nmt("evaluate", f"run={runs[0]}", f"output={tmp_path / 'one'}", "split=dev", *FP32)
    assert alone.code == 0, alone.err
    single = json.loads((tmp_path / "one" / "result.json").read_text())
    assert result["loss"] == pytest.approx(single["loss"], rel=1e-4)
    for score in ("bleu", "chrf", "sentences"):
        assert result[score] == single[score]
    assert result["parameters"] == 2 * single["parameters"]
    assert not (tmp_path / "out" / "heatmaps").exists()


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("translate", ["heatmap=h"], "heatmap=h is about the attention of one model, but run="),
        ("translate", ["weights=w.arrow"], "weights=w.arrow is about the attention of one model"),
        ("translate", ["links=l"], "links=l is about the attention of one model"),
        ("translate", ["mean=harmonic"], "mean=harmonic: choose one of arithmetic, geometric"),
        ("evaluate", [], "an ensemble has no run folder: add output=FOLDER"),
        ("evaluate", ["heatmaps=2", "output=o"], "heatmaps=2 is about the attention of one model"),
    ],
)
def test_what_several_runs_cannot_do_is_told(command, words, told, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = f"run=[{runs[0]},'{runs[1]}']"
    assert told in mistake(nmt(command, named, *words, *FP32, stdin=TEXT))
    assert not list(tmp_path.iterdir())


def test_runs_that_do_not_fit_together_are_refused(tiny, runs, tmp_path):
    other = tmp_path / "other"
    words = ["tokenizer.size=32", "train.max_steps=1", f"hydra.run.dir={other}"]
    answer = nmt("train", *tiny, *words)
    assert answer.code == 0, answer.err
    for named, told in (
        (f"run=[{runs[0]},{other}]", "have different target vocabularies"),
        ("run=[]", "run=[] names no run folder"),
        (f"run=[{runs[0]}/no,{other}]", "there is no such folder"),
    ):
        assert told in mistake(nmt("translate", named, *FP32, stdin=TEXT)), named
    single = f"run={runs[0]}", "mean=geometric"
    assert "mean=geometric is for several runs" in mistake(nmt("translate", *single, stdin=TEXT))
    with pytest.raises(UserError, match="name at least one"):
        library.load([])


def test_other_vocabularies_are_refused_with_the_reason(tokenizer, members):
    strange = train_tokenizer(text(200, seed=9), TokenizerConfig(size=390))
    for changes, told in (
        ({"target_tokenizer": strange}, "different target vocabularies, and their prob.*run=A"),
        ({"source_tokenizer": strange}, "different source vocabularies, and an ensemble segments"),
        ({"target_language": "fr"}, "translate de to en and de to fr"),
    ):
        with pytest.raises(UserError, match=told):
            check_together(members[0], replace(members[0], **changes), "A and B", Path("A"))
