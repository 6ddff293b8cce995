"""Pairs that a model wrote, beside those of a corpus."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sentencepiece
from command import mistake, nmt
from toy_text import CONFIG, text

from nmt.data.clean import Clean
from nmt.data.corpus import Corpus, Splits, pairs
from nmt.data.prepare import prepare
from nmt.data.synthetic import Synthetic
from nmt.data.tokenizer import Tokenizer
from nmt.errors import UserError


@dataclass
class Toy(Corpus):
    """Sentences of a few words; the target says them backwards."""

    source: str = "en"
    target: str = "ne"

    def content(self) -> object:
        return None

    def read(self, scratch: Path) -> Splits:
        sides = [text(size, seed) for seed, size in ((1, 200), (2, 11), (3, 7))]
        return Splits(*(pairs(side, backwards(side)) for side in sides))


def backwards(lines: list[str]) -> list[str]:
    return [line[::-1] for line in lines]


def written(folder: Path, source: list[str], target: list[str]) -> list[str]:
    """Two files of these lines."""
    paths = [folder / "mono.en", folder / "mono.ne"]
    for path, lines in zip(paths, (source, target), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    return list(map(str, paths))


@pytest.mark.parametrize("tag", ["<bt>", None])
def test_synthetic_pairs_follow_the_real_ones_behind_their_tag(tag, tmp_path):
    """They are cleaned as text without tags: no empty line, copy, or pair that is there already."""
    plain = prepare(Toy(), Clean(), CONFIG, tmp_path)
    more = text(30, 4)
    real = plain.train["source"][:1]
    source = [*more, "", more[0], *real]
    target = [*backwards(more), "a", more[0], *backwards(real)]
    synthetic = Synthetic(written(tmp_path, source, target), tag)
    found = prepare(Toy(), Clean(), CONFIG, tmp_path, synthetic=synthetic)
    tagged = [f"{tag} {line}" if tag else line for line in more]
    assert found.train["source"] == [*plain.train["source"], *tagged]
    assert found.train["target"] == [*plain.train["target"], *backwards(more)]
    for split in ("dev", "test"):
        assert getattr(found, split)["source"] == getattr(plain, split)["source"]
    dropped = {name: number for name, number in found.report.dropped.items() if number}
    assert dropped == {"a side is empty": 1, "source equals target": 1, "duplicate": 1}
    pieces = found.source_tokenizer.pieces(found.train["source_ids"][-1])
    assert (pieces[0] == "▁<bt>") == bool(tag)
    assert "<bt>" not in "".join(pieces[1:])


@pytest.mark.parametrize("joint", [True, False])
def test_a_tag_becomes_the_last_piece_of_tokenizers_that_are_given(joint, tmp_path):
    files = written(tmp_path, text(5, 4), backwards(text(5, 4)))
    plain = prepare(Toy(), Clean(), replace(CONFIG, joint=joint), tmp_path)
    given = plain.source_tokenizer, plain.target_tokenizer
    more = Synthetic(files, "<bt>")
    found = prepare(Toy(), Clean(), CONFIG, tmp_path, given=given, synthetic=more)
    new = len(given[0])
    assert found.source_tokenizer.pieces(range(new, new + 2)) == ["▁<bt>", "<bt>"]
    assert len(found.source_tokenizer) == new + 2
    assert (found.target_tokenizer.model == found.source_tokenizer.model) == joint
    for split in ("train", "dev", "test"):
        ids, before = (getattr(one, split)["source_ids"] for one in (found, plain))
        assert ids[: len(before)] == before
    assert found.train["source_ids"][-1][0] == new
    given = found.source_tokenizer, found.target_tokenizer
    again = prepare(Toy(), Clean(), CONFIG, tmp_path, given=given, synthetic=more)
    assert again.source_tokenizer.model == found.source_tokenizer.model


def test_a_tag_that_cannot_be_a_piece_of_the_given_tokenizer_is_refused(tmp_path):
    """Its pieces have their space behind them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text(300)),
        model_writer=model,
        vocab_size=60,
        treat_whitespace_as_suffix=True,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    given = (Tokenizer(model.getvalue()),) * 2
    more = Synthetic(written(tmp_path, text(5, 4), backwards(text(5, 4))), "<bt>")
    with pytest.raises(
        UserError, match=r"<bt> cannot be one piece .*tokenizer\.symbols=\['<bt>'\]"
    ):
        prepare(Toy(), Clean(), CONFIG, tmp_path, given=given, synthetic=more)


def test_a_model_writes_the_text_that_another_one_learns_from(tiny, trained, numbers, tmp_path):
    """The recipe of docs/recipes.md, as it is typed."""
    written = tmp_path / "written.en"
    answer = nmt("translate", f"run={trained}", f"input={numbers}/test.de", f"output={written}")
    assert answer.code == 0, answer.err
    run = tmp_path / "run"
    files = [f"synthetic.files=[{written},{numbers}/test.de]", "synthetic.tag='<bt>'"]
    languages = ["data.source=en", "data.target=de", "tokenizer.size=40"]
    swapped = [
        f"data.{split}=[{numbers}/{split}.en,{numbers}/{split}.de]"
        for split in ("train", "dev", "test")
    ]
    answer = nmt("train", *tiny, *languages, *swapped, *files, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    assert "synthetic pairs beside the" in answer.err + answer.out
    answer = nmt("train", f"resume={run}", "train.max_steps=5")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["synthetic.files=[a,b,c]"], "synthetic.files has 3 files: pass [SOURCE,TARGET]"),
        (["synthetic.tag='<bt>'"], "synthetic.tag=<bt> begins the sources of synthetic.files"),
        (["synthetic.files=[no.de,no.en]"], "no.de: no such file"),
        (
            ["synthetic.files=[a,b]", "guide=file", "guide.path=links"],
            "synthetic.files=…: guide=… needs links for every line",
        ),
        (
            [
                *("synthetic.files=[a,b]", "data=stream", "data.name=a/b"),
                *("data.source=de", "data.target=en"),
            ],
            "synthetic.files=… is read beside a corpus that is kept on disk",
        ),
    ],
)
def test_what_cannot_be_put_beside_a_corpus_is_refused(words, message, tiny, tmp_path):
    run = tmp_path / "run"
    plain = [] if "data=stream" in words else tiny
    answer = nmt("train", *plain, *words, f"hydra.run.dir={run}")
    assert message in mistake(answer)
    assert not run.exists()
