"""From pieces to words, and from attention to links."""

import pytest
import torch
from small_model import small_rnn, small_transformer
from small_translator import translator_of
from toy_text import text

from nmt.alignment.attention import (
    Reading,
    argmax_links,
    attention_links,
    shape,
    threshold_links,
    word_weights,
)
from nmt.alignment.choice import BEST, Asked, best_reading, described
from nmt.alignment.load import load, load_dev, load_source, read
from nmt.alignment.model import from_attention
from nmt.data.tokenizer import BOS, EOS, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError
from nmt.links.bitext import Bitext, BitextFiles, Side, with_gold, with_words
from nmt.links.links import sure_only
from nmt.links.words import NOWHERE, members, merge, split_words, word_of_characters, words_of
from nmt.models.attention_maps import attention_maps
from nmt.models.seq2seq import Kind

OUT = NOWHERE


def side(lines: list[str], language: str = "de") -> Side:
    return Side(language, lines, words_of(lines, language), f"{language}.txt")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(text(200), TokenizerConfig(size=400))


@pytest.fixture(scope="module")
def lines() -> tuple[list[str], list[str]]:
    source, target = text(7, seed=3), text(7, seed=5)
    source[2], target[4] = "", ""
    source[5] = "kato 犬 mine,  shu-to"
    return source, target


# words of a text


def test_words_stand_between_ascii_spaces():
    assert split_words(" ein  Haus\u3000x , ") == ["ein", "Haus\u3000x", ","]
    assert words_of(["ein Haus.", ""], "de") == [["ein", "Haus."], []]


def test_a_language_without_spaces_has_the_words_that_its_scores_count():
    for code in ("ja", "jpn_Jpan"):
        assert words_of(["犬が走る。"], code) == [["犬", "が", "走る", "。"]]
    assert words_of(["犬が a1"], "zh-CN") == [["犬", "が", "a1"]]


@pytest.mark.parametrize(
    ("line", "words", "found"),
    [
        ("ab c", "ab c", [0, 0, OUT, 1]),
        ("ab, c.", "ab , c .", [0, 0, 1, OUT, 2, 3]),
        ("cannot", "can not", [0, 0, 0, 1, 1, 1]),
        ("“ab”, c", "ab c", [OUT, 0, 0, OUT, OUT, OUT, 1]),  # marks left out
        ("a\u3000b", "a \u3000 b", [0, 1, 2]),  # a word that is a space
        ("１a", "1a", [0, 0]),  # another form of the same character
        ("ab ½", "ab 1 / 2", [0, 0, OUT, 3]),
        ('"ab" c', "`` ab '' c", [0, 1, 1, 2, OUT, 3]),  # other characters in their place
        ("ab (cd) e", "ab -LRB- cd -RRB- e", [0, 0, OUT, 1, 2, 2, 3, OUT, 4]),
        ("Ab", "ab", [0, 0]),
        ("", "", []),
        ("...", "", [OUT, OUT, OUT]),
    ],
)
def test_characters_find_their_words(line, words, found):
    assert word_of_characters(line, words.split(" ") if words else [], "file, line 1") == found


@pytest.mark.parametrize("words", ["Something else", "", "xyz"])
def test_words_of_another_text_are_refused(words):
    with pytest.raises(UserError) as error:
        word_of_characters("Der Hund schläft.", split_words(words), "words.de, line 3")

    assert all(part in str(error.value) for part in ("words.de, line 3", "Der Hund", words))


def test_repeated_words_keep_their_order():
    line, words = "no, no no; no!", ["no", "no", "no", "no"]
    found = word_of_characters(line, words, "")
    assert [found.index(number) for number in range(4)] == [0, 4, 7, 11]


# pieces of words


def test_spans_of_pieces_are_characters_of_the_line(tokenizer):
    line = "Kato  犬 mine."
    ids, spans = tokenizer.encode_with_spans([line, ""])[0]

    assert ids == tokenizer.encode([line])[0]
    assert len(spans) == len(ids)
    assert "".join(line[start:end] for start, end in spans) == line
    assert tokenizer.encode_with_spans([line, ""])[1] == ([], [])


def test_spans_survive_a_tokenizer_that_normalizes():
    tokenizer = train_tokenizer(text(90), TokenizerConfig(size=340, normalization="nmt_nfkc"))
    line = "ｋａｔｏ ﬁ ①"
    (pieces,) = tokenizer.encode_with_spans([line])
    member = members(line, pieces.spans, word_of_characters(line, split_words(line), ""), 3)
    torch.testing.assert_close(member.sum(1), torch.ones(len(pieces.ids)))
    assert (member.sum(0) > 0).all()


def test_members_of_words():
    line = "ab cd, e"
    spans = [(0, 0), (0, 2), (2, 3), (3, 5), (5, 6), (6, 8)]
    word_of = word_of_characters(line, ["ab", "cd,", "e"], "")

    member = members(line, spans, word_of, 3)

    assert member.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_a_piece_of_two_words_is_shared_and_one_of_none_counts_for_none():
    line = "cant, x"
    word_of = word_of_characters(line, ["ca", "n", "t", "x"], "")

    member = members(line, [(0, 4), (4, 5), (5, 7)], word_of, 4)

    assert member.tolist() == [[0.5, 0.25, 0.25, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_bytes_without_a_character_of_their_own_are_of_the_one_that_they_spell():
    line = "a 犬"
    member = members(line, [(0, 1), (1, 2), (2, 2), (2, 2), (2, 3)], [0, OUT, 1], 2)
    assert member.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]]


def test_a_source_word_sums_and_a_target_word_averages():
    weights = torch.tensor([[0.1, 0.2, 0.6], [0.3, 0.3, 0.4], [0.5, 0.5, 0.0]])
    source = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    target = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    merged = merge(weights, source, target)

    wanted = torch.tensor([[0.45, 0.5], [0.0, 0.0], [1.0, 0.0]])  # the second word has no piece
    torch.testing.assert_close(merged, wanted)


# links


def test_argmax_links_each_target_word_once():
    weights = torch.tensor([[0.1, 0.7, 0.2], [0.0, 0.0, 0.0], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]])
    assert argmax_links(weights) == {(1, 0), (0, 2), (1, 3)}
    assert argmax_links(torch.zeros(3, 0)) == argmax_links(torch.zeros(0, 5)) == frozenset()


def test_threshold_links_all_from_a_weight():
    weights = torch.tensor([[0.1, 0.7, 0.2], [0.4, 0.3, 0.3]])
    assert threshold_links(weights, 0.3) == {(1, 0), (0, 1), (1, 1), (2, 1)}
    assert threshold_links(weights, 0.8) == frozenset()


# a model's attention


def test_a_reading_takes_a_layer_and_a_head_or_their_means():
    weights = torch.rand(2, 3, 5, 8)  # (L,H,T+1,S+1)

    assert Reading(1, 2)(weights).equal(weights[1, 2, :4, :7])
    assert Reading(0, 1, shift=True)(weights).equal(weights[0, 1, 1:, :7])
    torch.testing.assert_close(Reading(None, 2)(weights), weights[:, 2, :4, :7].mean(0))
    torch.testing.assert_close(Reading(1)(weights), weights[1, :, :4, :7].mean(0))
    torch.testing.assert_close(Reading()(weights), weights[:, :, :4, :7].mean((0, 1)))
    shares = Reading(1)(weights, is_share=False)
    mean = weights[1].mean(0)
    torch.testing.assert_close(shares, (mean / mean.sum(1, keepdim=True))[:4, :7])


@pytest.mark.parametrize("make", [small_rnn, small_transformer])
def test_word_weights_in_a_batch_are_those_of_a_sentence_alone(make, tokenizer, lines):
    translator = translator_of(tokenizer, make)
    source, target = side(lines[0]), side(lines[1], "en")
    last = shape(translator)
    assert last is not None
    reading = Reading(last.layers - 1, last.heads - 1)

    found = {n: one for n, (one,) in word_weights(translator, Bitext(source, target), [reading])}

    assert sorted(found) == [0, 1, 3, 5, 6], "lines with an empty side are left out"
    for n, weights in found.items():
        ids, written = (tokenizer.encode([side.lines[n]])[0] for side in (source, target))
        with translator.evaluating():
            maps = attention_maps(
                translator.model,
                torch.tensor([[*ids, EOS]]),
                torch.tensor([[BOS, *written, EOS]]),
            )
        (alone,) = (one.weights[0, -1, -1] for one in maps if one.kind == Kind.SOURCE_TARGET)
        assert weights.shape == (len(target.words[n]), len(source.words[n]))
        for j, word in enumerate(grouped(tokenizer, written, target.words[n])):
            for i, other in enumerate(grouped(tokenizer, ids, source.words[n])):
                wanted = alone[word][:, other].sum(1).mean()
                torch.testing.assert_close(weights[j, i], wanted, rtol=1e-4, atol=1e-5)


def grouped(tokenizer: Tokenizer, ids: list[int], words: list[str]) -> list[list[int]]:
    """The places of the pieces of each word: a ▁ begins one."""
    found: list[list[int]] = []
    for place, piece in enumerate(tokenizer.pieces(ids)):
        if piece.startswith("▁"):
            found.append([])
        found[-1].append(place)
    assert len(found) == len(words)
    return found


def test_links_come_line_by_line(tokenizer, lines):
    translator = translator_of(tokenizer)
    bitext = Bitext(side(lines[0]), side(lines[1], "en"))

    links, weights = attention_links(translator, bitext, Reading(2, 0), argmax_links)

    assert [not one for one in links] == [n in (2, 4) for n in range(7)]
    for n in (0, 1, 3, 5, 6):
        assert links[n] == argmax_links(weights[n])
        assert {j for _, j in links[n]} == set(range(len(bitext.target.words[n])))
    assert weights[4].shape == (0, len(bitext.source.words[4]))


def test_the_best_attention_is_the_one_whose_links_are_the_gold_ones(tokenizer, lines):
    translator = translator_of(tokenizer)
    bitext = Bitext(side(lines[0]), side(lines[1], "en"))
    wanted = Reading(1, 2, shift=True)
    links, _ = attention_links(translator, bitext, wanted, argmax_links)
    dev = bitext._replace(gold=[sure_only(one) for one in links])
    asked = Asked(BEST, BEST, BEST)
    found = shape(translator)
    assert found == (3, 3)
    readings = asked.readings(found, "run")

    best, counts = best_reading(translator, dev, readings, argmax_links)

    assert len(readings) == len(set(readings)) == 4 * 4 * 2
    assert (best, counts.error) == (wanted, 0)
    assert described(best, found) == "layer 2, head 3, where a piece is read"
    told = from_attention(translator, "run", bitext, dev, asked, argmax_links)
    assert told.links == links
    assert told.about["dev_aer"] == 0
    assert [told.about[key] for key in ("layer", "head", "shift")] == [2, 3, True]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(4, None, False), ["layer=4", "has 3"]),
        (Asked(0, None, False), ["layer=0", "from 1"]),
        (Asked(None, -1, False), ["head=-1"]),
        (Asked(None, 4, False), ["head=4", "run has 3"]),
        (Asked("top", None, False), ["layer=top", "best"]),
        (Asked(True, None, False), ["layer=True"]),
        (Asked(1.5, None, False), ["layer=1.5"]),
        (Asked(None, None, "yes"), ["shift=yes", "true, false or best"]),
        (Asked(BEST, None, False), ["dev.gold=FILE"]),
    ],
)
def test_an_attention_that_is_not_there_is_refused(asked, told, tokenizer, lines):
    translator = translator_of(tokenizer)
    bitext = Bitext(side(lines[0]), side(lines[1], "en"))

    with pytest.raises(UserError) as error:
        from_attention(translator, "run", bitext, None, asked, argmax_links)

    assert all(part in str(error.value) for part in told), error.value


def test_a_model_without_attention_is_refused(tokenizer, lines):
    translator = translator_of(tokenizer, small_rnn, attention="none")
    bitext = Bitext(side(lines[0]), side(lines[1], "en"))
    with pytest.raises(UserError, match="attention=none"):
        from_attention(translator, "run", bitext, None, Asked(None, None, False), argmax_links)


# texts


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "de").write_text("Das Haus , ja .\nZwei\n")
    (tmp_path / "en").write_text("The house , yes .\nTwo of them\n")
    (tmp_path / "gold").write_text("1-1 2-2 4p4\n1-1\n")
    return tmp_path


class NoCorpus:
    """A corpus that must not be asked."""


def test_words_can_be_made_text_of(here):
    files = BitextFiles("de", "en", gold="gold", detokenize=True)

    bitext = load(files, NoCorpus(), "test", here, ("de", "en"))

    assert bitext.source.lines == ["Das Haus, ja.", "Zwei"]
    assert bitext.source.words[0] == ["Das", "Haus", ",", "ja", "."]
    assert bitext.gold is not None
    assert (bitext.gold[0].sure, len(bitext.gold[0].possible)) == ({(0, 0), (1, 1)}, 3)
    assert bitext.flipped().flipped() == bitext
    assert bitext.flipped().target == bitext.source


def test_words_come_from_files(here):
    text = Bitext(side(["Das Haus, ja.", "Zwei"]), side(["The house, yes.", "Two of them"], "en"))

    words = with_words(text.source, "source_words", "de")

    assert words.words[0] == ["Das", "Haus", ",", "ja", "."]
    assert words.word_of(0) == [0, 0, 0, OUT, 1, 1, 1, 1, 2, OUT, 3, 3, 4]
    with pytest.raises(UserError, match="gold, line 1: link 4p4 has source word 4"):
        with_gold(text, BitextFiles(gold="gold"))


def test_gold_links_of_the_other_direction_are_flipped(here):
    files = BitextFiles("en", "de", gold="gold", gold_flipped=True)
    (here / "gold").write_text("1-2 4p1\n1-3\n")

    bitext = load(files, NoCorpus(), "test", here, ("en", "de"))

    assert bitext.source.words[1] == ["Two", "of", "them"]
    assert bitext.gold is not None
    assert bitext.gold[0] == ({(1, 0)}, {(1, 0), (0, 3)})
    assert bitext.gold[1].sure == {(2, 0)}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (BitextFiles(source="de"), ["source=de", "target=FILE"]),
        (BitextFiles(target="en"), ["target=en", "source=FILE"]),
        (BitextFiles(source="de", target="short"), ["de has 2", "short has 1"]),
        (BitextFiles(source="de", target="nowhere"), ["nowhere", "no such file"]),
        (BitextFiles("de", "en", source_words="short"), ["source_words=short", "1 lines", "has 2"]),
        (BitextFiles("de", "en", gold="gold", gold_base=0), ["gold, line 2", "1-1", "0"]),
        (BitextFiles(detokenize=True), ["detokenize=true", "source=FILE"]),
    ],
)
def test_texts_that_cannot_be_are_refused(files, told, here):
    (here / "short").write_text("One\n")

    with pytest.raises(UserError) as error:
        load(files, NoCorpus(), "test", here, ("de", "en"))

    assert all(part in str(error.value) for part in told), error.value


def test_dev_needs_gold_links(here):
    assert load_dev(BitextFiles(), NoCorpus(), here, ("de", "en")) is None
    with pytest.raises(UserError, match=r"dev\.gold=FILE"):
        load_dev(BitextFiles("de", "en"), NoCorpus(), here, ("de", "en"))
    dev = load_dev(BitextFiles("de", "en", gold="gold"), NoCorpus(), here, ("de", "en"))
    assert dev is not None
    assert dev.gold is not None


def test_translations_have_no_gold(here):
    source = load_source(BitextFiles("de"), NoCorpus(), "test", here, ("de", "en"))
    assert source.words == read(BitextFiles("de", "en"), ("de", "en")).source.words
    for files in (BitextFiles("de", "en"), BitextFiles("de", gold="gold")):
        with pytest.raises(UserError, match="hypothesis=true"):
            load_source(files, NoCorpus(), "test", here, ("de", "en"))
