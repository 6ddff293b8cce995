"""SentencePiece models that were trained elsewhere."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
import sentencepiece
from command import mistake, nmt
from omegaconf import OmegaConf
from toy_text import CONFIG, text

from nmt.data.lines import read_lines
from nmt.data.sentencepiece_file import read_sentencepiece
from nmt.data.tokenizer import BOS, EOS, PAD, UNK, train_tokenizer
from nmt.errors import UserError

OURS = [PAD, UNK, BOS, EOS]
ELSEWHERE: dict[str, dict[str, Any]] = {
    "spm_train": {},  # its flags' defaults: no padding
    "T5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "Gemma": {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "byte_fallback": True},
    "symbols": {"user_defined_symbols": ["<mask>", "▁▁"], "remove_extra_whitespaces": False},
    "BPE": {"model_type": "bpe", "pad_id": 3, "pad_piece": "<blank>", "unk_piece": "?!"},
}


def trained(lines: Sequence[str] = tuple(text(300)), **flags: Any) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        **{"vocab_size": 400, "hard_vocab_limit": False, "minloglevel": 2, **flags},
    )
    return model.getvalue()


@pytest.mark.parametrize("flags", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_four_special_pieces_get_our_ids_and_text_is_cut_as_before(flags, tmp_path):
    path = tmp_path / "their.model"
    path.write_bytes(trained(**flags))
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = read_sentencepiece(path)
    ours = found.processor
    assert [ours.pad_id(), ours.unk_id(), ours.bos_id(), ours.eos_id()] == OURS
    for line in [*text(40, 1), "猫 <mask> a  b  ", "", "</s> ?!"]:
        (ids,) = found.encode([line])
        before = theirs.encode(line)
        assert found.pieces(ids) == [theirs.id_to_piece(index) for index in before]
        assert found.decode([BOS, *ids, EOS, PAD]) == theirs.decode(before).strip(" ")
    added = len(found) - theirs.get_piece_size()
    assert added == [theirs.pad_id(), theirs.bos_id()].count(-1)


def test_a_model_with_our_ids_stays_as_it_is(tmp_path):
    tokenizer = train_tokenizer(text(300), CONFIG)
    tokenizer.save(tmp_path, "our")
    assert read_sentencepiece(tmp_path / "our.model").model == tokenizer.model


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a SentencePiece model"),
        (b"no model", "is not a SentencePiece model"),
        (None, "no such file"),
        (trained(user_defined_symbols=["<pad>"]), "<pad> is another piece, too. Train it .*--pad_"),
        (trained(pad_piece="</s>", eos_id=-1), "0, 1, -1.*cannot be moved"),
        (trained(user_defined_symbols=["x" * 65]), "has a piece of 65 characters"),
    ],
)
def test_what_is_none_and_what_cannot_be_moved_is_refused(content, told, tmp_path):
    path = tmp_path / "x.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"x.model.*{told}"):
        read_sentencepiece(path)


def test_a_run_with_a_model_of_ones_own_has_it_in_its_folder(tiny, numbers, tmp_path):
    plain = [word for word in tiny if not word.startswith("tokenizer.")]
    lines = [line for side in ("de", "en") for line in read_lines(numbers / f"train.{side}")]
    path, run = tmp_path / "its.model", tmp_path / "run"
    path.write_bytes(trained(lines, vocab_size=45, model_type="bpe"))
    words = [f"tokenizer.model={path}", "tokenizer.sample=0.1", "model.share_embeddings=true"]
    answer = nmt("train", *plain, *words, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    expected = read_sentencepiece(path)
    for side in ("source", "target"):
        assert (run / "tokenizer" / f"{side}.model").read_bytes() == expected.model
    said = OmegaConf.load(run / "config.yaml").tokenizer
    assert (said.kind, said.size, said.joint) == ("bpe", len(expected), True)

    path.unlink()
    answer = nmt("train", f"resume={run}", "train.max_steps=5")
    assert answer.code == 0, answer.err
    again = [f"from={run}", f"hydra.run.dir={tmp_path / 'again'}"]
    assert "its.model: no such file" in mistake(nmt("train", *again))


def test_words_that_contradict_a_model_of_ones_own_are_refused(tiny, tmp_path):
    path = tmp_path / "x.model"
    across = tmp_path / "across.model"
    path.write_bytes(trained(model_type="char"))
    across.write_bytes(trained(split_by_whitespace=False))
    plain = [word for word in tiny if not word.startswith("tokenizer.")]
    no = {
        f"tokenizer.model={path} tokenizer.size=60": "tokenizer.size=60 beside tokenizer.model=",
        f"tokenizer.model={path} tokenizer.sample=0.1": "(kind char)",
        f"tokenizer.model={across} tokenizer.sample=0.1": "(its pieces cross spaces)",
        f"tokenizer.model={path} tokenizer.run={tmp_path}": "tokenizer.run=.* beside",
        f"tokenizer.model=[{path},{path},{path}]": "one SentencePiece model for both sides",
    }
    for words, told in no.items():
        answer = mistake(nmt("train", *plain, *words.split(), f"hydra.run.dir={tmp_path / 'run'}"))
        assert told.replace(".*", f"{tmp_path}") in answer
    assert not (tmp_path / "run").exists()
