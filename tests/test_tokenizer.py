"""Text to ids and back, the same every time."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_text import CONFIG, text

from nmt.data.tokenizer import (
    BOS,
    EOS,
    KINDS,
    PAD,
    UNK,
    Tokenizer,
    train_tokenizer,
)
from nmt.errors import UserError


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train_tokenizer(text(300), replace(CONFIG, kind=request.param))


def test_special_ids_and_size(tokenizer: Tokenizer) -> None:
    assert tokenizer.pieces([PAD, UNK, BOS, EOS]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert len(tokenizer) <= CONFIG.size
    ids = [index for row in tokenizer.encode(text(50, 1)) for index in row]
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert max(ids) < len(tokenizer)


@settings(max_examples=60, deadline=None)
@given(line=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"), max_size=30))
def test_decode_inverts_encode_but_for_runs_of_spaces(tokenizer: Tokenizer, line: str) -> None:
    expected = " ".join(word for word in line.split(" ") if word)
    assert tokenizer.decode(tokenizer.encode([line])[0]) == expected


def test_decode_inverts_encode_of_every_script(tokenizer: Tokenizer) -> None:
    lines = [
        *text(20, 2),
        "猫が　好き。",
        "naïve ﬁne ½…",
        "x\u2028y",
        "<s> </s> <unk>",
        "कृपया\u200d",
    ]
    assert [tokenizer.decode(ids) for ids in tokenizer.encode(lines)] == lines


def test_special_ids_are_not_spoken() -> None:
    tokenizer = train_tokenizer(text(300), CONFIG)
    ids = tokenizer.encode(["Kato ne."])[0]
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "Kato ne."
    assert tokenizer.decode([]) == ""
    assert tokenizer.pieces(ids)[0].startswith("▁")


def test_training_is_deterministic_and_saved_whole(tmp_path: Path) -> None:
    one, two = (train_tokenizer(text(300), CONFIG) for _ in range(2))
    assert one.model == two.model
    assert train_tokenizer(text(300, 5), CONFIG).model != one.model
    one.save(tmp_path / "tokenizer", "source")
    again = Tokenizer.load(tmp_path / "tokenizer", "source")
    assert again.model == one.model
    with pytest.raises(UserError, match=r"target\.model: no such tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer", "target")


@pytest.mark.parametrize(("kind", "smoothing"), [("unigram", 0.1), ("bpe", 0.3)])
def test_sampling_depends_on_the_seed_alone(kind: str, smoothing: float) -> None:
    tokenizer = train_tokenizer(text(300), replace(CONFIG, kind=kind, sample=smoothing))
    lines = text(40, 3)
    first = tokenizer.sample(lines, 7)
    tokenizer.sample(text(11, 4), 8)
    assert tokenizer.sample(lines, 7) == first
    assert Tokenizer(tokenizer.model, smoothing).sample(lines, 7) == first
    assert tokenizer.sample(lines, 8) != first
    assert first != tokenizer.encode(lines)
    assert [tokenizer.decode(ids) for ids in first] == lines
    # The same line is not always cut the same way.
    assert len({tuple(ids) for ids in tokenizer.sample([lines[0]] * 40, 7)}) > 1


def test_without_bytes_a_strange_character_is_unknown() -> None:
    tokenizer = train_tokenizer(text(300), replace(CONFIG, byte_fallback=False, size=100))
    assert UNK in tokenizer.encode(["ka 猫"])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_is_one_piece_wherever_it_stands(kind: str) -> None:
    """Whole words: where it is a word. Normalization and texts with it leave it as it is."""
    symbols = ["<2DE>", "<2DE", "a,b"]
    config = replace(CONFIG, kind=kind, symbols=symbols, normalization="nfkc_cf", size=400)
    tokenizer = train_tokenizer([f"<2DE> {line}" for line in text(300)], config)
    line = "<2DE> kato a,b ne <2DE <2DE>"
    (ids,) = tokenizer.encode([line])
    pieces = tokenizer.pieces(ids)
    assert [one for one in pieces if one[1:] in symbols] == ["▁<2DE>", "▁a,b", "▁<2DE", "▁<2DE>"]
    assert pieces[0] == "▁<2DE>"
    assert tokenizer.decode(ids) == line
    if kind != "word":
        inside = tokenizer.pieces(tokenizer.encode(["<2DE><2DE>kato<2DEa,b"])[0])
        assert [one for one in inside if "<" in one or "," in one][1:] == ["<2DE>", "<2DE", "a,b"]
    assert not {piece for piece in pieces if piece[1:] not in symbols} & {"<", "▁<", ",", "DE"}


def test_symbols_take_pieces_and_change_no_others() -> None:
    """Without them the same model as before there were any: old caches and runs hold."""
    plain = train_tokenizer(text(300), CONFIG)
    assert train_tokenizer(text(300), replace(CONFIG, symbols=[])).model == plain.model
    more = train_tokenizer(text(300), replace(CONFIG, symbols=["<2de>"], size=CONFIG.size + 2))
    known = set(plain.pieces(range(len(plain))))
    assert set(more.pieces(range(len(more)))) - known == {"▁<2de>", "<2de>"}


def test_normalization_changes_text_only_on_request() -> None:
    nfkc = train_tokenizer(text(300), replace(CONFIG, normalization="nfkc"))
    assert nfkc.decode(nfkc.encode(["ﬁne ½"])[0]) == "fine 1⁄2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 5000}, r"tokenizer\.size=5000: the training text allows at most \d+"),
        ({"size": 5000, "kind": "bpe"}, r"tokenizer\.size=5000: the training text allows at most"),
        ({"size": 100}, r"tokenizer\.size=100: the single characters .* at least 2\d\d"),
        ({"kind": "words"}, r"tokenizer\.kind=words: choose one of unigram, bpe, char, word"),
        ({"kind": "char", "sample": 0.1}, r"tokenizer\.sample=0\.1: .* only one segmentation"),
        ({"kind": "word", "sample": 0.1}, r"tokenizer\.sample=0\.1: kind=word"),
        ({"sample": -1.0}, r"tokenizer\.sample=-1\.0 is not between 0 and 1"),
        ({"character_coverage": 2.0}, r"tokenizer\.character_coverage=2\.0 is not between"),
        ({"symbols": ["<a b>"]}, r"tokenizer\.symbols: '<a b>' must have .* a space"),
        ({"symbols": ["▁a"]}, r"tokenizer\.symbols: '▁a' must have"),
        ({"symbols": [""]}, r"tokenizer\.symbols: '' must have one or more characters"),
        ({"symbols": ["</s>"]}, r"tokenizer\.symbols: </s> is a piece of every tokenizer"),
        ({"symbols": ["<0x41>"]}, r"tokenizer\.symbols: <0x41> is a piece of every"),
        ({"symbols": ["<a>", "<a>"]}, r"tokenizer\.symbols=.*: one occurs twice"),
        ({"normalization": "nfd"}, r"tokenizer\.normalization=nfd: choose one of identity"),
    ],
)
def test_what_means_nothing_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train_tokenizer(text(300), replace(CONFIG, **changes))


def test_the_size_that_is_said_to_be_possible_is() -> None:
    with pytest.raises(UserError, match=r"at most \d+") as refused:
        train_tokenizer(text(300), replace(CONFIG, size=5000))
    most = int(str(refused.value).split()[-1])
    assert len(train_tokenizer(text(300), replace(CONFIG, size=most))) == most


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    train_tokenizer(text(300), CONFIG)
    assert capfd.readouterr() == ("", "")
