"""Tokenizers and weights of another run."""

import json
import shutil
from pathlib import Path

import pytest
from command import mistake, nmt
from omegaconf import OmegaConf

import nmt as nmt_package
from nmt.data.lines import read_lines
from nmt.runs.tensors import read_tensors


@pytest.fixture
def plain(tiny) -> list[str]:
    """The words of a training but for those of its tokenizers."""
    return [word for word in tiny if not word.startswith("tokenizer.")]


def tokenizers(run: Path) -> list[bytes]:
    return [(run / "tokenizer" / f"{side}.model").read_bytes() for side in ("source", "target")]


def train(*words: object) -> str:
    answer = nmt("train", *words)
    assert answer.code == 0, answer.err
    return (answer.err + answer.out).replace("\n", " ")


def translated(run: Path) -> str:
    answer = nmt("translate", f"run={run}", stdin=b"eins zwei drei\nvier\n")
    assert answer.code == 0, answer.err
    return answer.out


def test_a_run_begins_where_another_ended_and_resumes_without_it(plain, trained, tmp_path):
    """With pieces that its own text would not make; without a learning rate it stays the same."""
    other, run = tmp_path / "other", tmp_path / "run"
    shutil.copytree(trained, other)
    words = [f"init={other}", "clean.max_pieces=7", "seed=2"]
    told = train(*plain, *words, "optimizer.lr=0", f"hydra.run.dir={run}")
    assert "weights new: none" in told
    assert "weights dropped: none" in told
    assert "starting with the weights of" in told
    assert tokenizers(run) == tokenizers(trained)
    assert translated(run) == translated(trained)
    theirs, ours = (OmegaConf.load(one / "config.yaml").tokenizer for one in (trained, run))
    assert ours == {**theirs, "run": str(other)}

    shutil.rmtree(other)
    told = train(f"resume={run}", "train.max_steps=5")
    assert "weights taken" not in told
    assert json.loads((run / "result.json").read_text())["steps"] == 5


def test_a_run_that_was_killed_before_it_had_its_tokenizers_begins_anew(
    plain, trained, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    words = [*plain, f"tokenizer.run={trained}", "train.max_steps=1", f"hydra.run.dir={run}"]
    with monkeypatch.context() as patch:
        patch.setattr("nmt.data.tokenizer.Tokenizer.save", killed)
        with pytest.raises(SystemError):
            nmt("train", *words)
    train(*words)
    assert tokenizers(run) == tokenizers(trained)


def killed(*_: object) -> None:
    raise SystemError


def test_what_is_taken_new_and_dropped_is_named(tiny, trained, tmp_path):
    run = tmp_path / "run"
    words = ["attention=bahdanau", "attention.width=6", "optimizer.lr=0"]
    told = train(*tiny, *words, f"init={trained}", f"hydra.run.dir={run}")
    before, after = (read_tensors(one / "model.safetensors") for one in (trained, run))
    taken, _, rest = told.partition("weights taken from")[2].partition("weights new: ")
    new, _, dropped = rest.partition("weights dropped: ")
    same = [name for name in after if name in before and after[name].shape == before[name].shape]
    assert same
    assert after.keys() - same
    for name in after:
        assert name in (taken if name in same else new)
        assert name not in same or after[name].equal(before[name])
    for name in before.keys() - same:
        assert name in dropped


def test_after_no_update_a_run_translates_as_the_run_it_begins_with(plain, trained, tmp_path):
    """The law, from the command and from Python; and a resumed run trains as any other."""
    words = [*plain, f"init={trained}", "train.max_steps=0"]
    train(*words, f"hydra.run.dir={tmp_path / 'command'}")
    python = nmt_package.train(*words, f"hydra.run.dir={tmp_path / 'python'}", quiet=True)
    for run in (tmp_path / "command", python.path):
        result = json.loads((run / "result.json").read_text())
        assert result["steps"] == 0
        for name in ("hypotheses.txt", "losses.txt"):
            assert (run / name).read_text() == (trained / name).read_text()
    assert python.load().translate("eins zwei") == nmt_package.load(trained).translate("eins zwei")
    told = train(f"resume={python}", "train.max_steps=2")
    assert "weights taken" not in told
    assert python.result["steps"] == 2


def test_a_run_is_repeated_on_other_text_with_its_tokenizers_and_weights(
    trained, numbers, tmp_path
):
    run = tmp_path / "run"
    for side in ("de", "en"):
        some = read_lines(numbers / f"train.{side}")[:40]
        (tmp_path / f"some.{side}").write_text("\n".join(some))
    files = f"data.train=[{tmp_path}/some.de,{tmp_path}/some.en]"
    words = [f"from={trained}", f"init={trained}", files, "model.freeze=[encoder]"]
    told = train(*words, f"hydra.run.dir={run}")
    assert "weights new: none" in told
    assert "weights frozen: encoder" in told
    assert tokenizers(run) == tokenizers(trained)
    assert OmegaConf.load(run / "config.yaml").tokenizer.run == str(trained)


def test_some_parts_alone_can_be_taken(plain, trained, tmp_path):
    run = tmp_path / "run"
    words = [f"init={trained}", "init_parts=[encoder]", "train.max_steps=0", "seed=2"]
    told = train(*plain, *words, f"hydra.run.dir={run}")
    assert "weights new: source_embedding.weight" in told
    before, after = (read_tensors(one / "model.safetensors") for one in (trained, run))
    same = {name for name in before if after[name].equal(before[name])}
    assert {name for name in before if name.startswith("encoder.")} <= same
    assert "source_embedding.weight" not in same


NO = {
    "parts of nothing": (["init_parts=[encoder]"], "give init=RUN, too"),
    "no such part": (["init_parts=[encodr]", "init={run}"], "init_parts=[encodr]: the model has"),
    "size": (["tokenizer.size=60", "tokenizer.run={run}"], "tokenizer.size=60 beside"),
    "kind": (["tokenizer=bpe", "tokenizer.run={run}"], "tokenizer=bpe beside"),
    "no run": (["tokenizer.run=nowhere"], "nowhere is not a run folder"),
    "language": (["tokenizer.run={run}", "data.target=fr"], "choose a run with the same languages"),
    "no weights": (["init=nowhere"], "nowhere is not a run folder"),
    "other pieces": (
        ["tokenizer.kind=char", "tokenizer.byte_fallback=false", "init={run}"],
        "source pieces are not the",
    ),
    "other size": (
        ["tokenizer.size=33", "tokenizer.byte_fallback=false", "init={run}"],
        "tokenizer.run=",
    ),
}


@pytest.mark.parametrize(("words", "told"), NO.values(), ids=NO)
def test_what_cannot_be_taken_is_refused(words, told, plain, trained, tmp_path):
    run = tmp_path / "run"
    given = [word.format(run=trained) for word in words]
    assert told in mistake(nmt("train", *plain, *given, f"hydra.run.dir={run}"))
    assert not run.exists()
