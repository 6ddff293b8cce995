"""Several pairs of languages in one model: data.pairs=[de-en,fr-en]."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import mistake, nmt
from local_corpora import shorten_bible
from number_language import COUNTED, COUNTS

import nmt as api
from nmt.comparison.counts import counts_of_all
from nmt.comparison.influence import corpus_score
from nmt.comparison.runs import read_run
from nmt.data.bible import Bible
from nmt.data.multi30k import Multi30k
from nmt.data.pairs import Pair, asked_for, asking_for
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.evaluation.score import score
from nmt.links.links import read_links
from nmt.metrics.bleu import bleu_and_chrf
from nmt.runs.tensors import read_tensors

NUMBERS = {
    "de": COUNTED,
    "en": COUNTS,
    "fr": ["un", "deux", "trois", "quatre", "cinq", "six", "sept"],
}
PAIRS = "data.pairs=[de-en,fr-en,en-de]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The files of Multi30k, with numbers in them."""
    place = tmp_path_factory.mktemp("multi30k")
    digits = [(i, j, k) for i in range(7) for j in range(7) for k in range(7) if i != k]
    splits = {"val": digits[::49], "test_2016_flickr": digits[5::49], "train": digits[1::3]}
    for name, rows in splits.items():
        for language, words in NUMBERS.items():
            text = "".join(" ".join(words[digit] for digit in row) + "\n" for row in rows)
            (place / f"{name}.{language}.gz").write_bytes(gzip.compress(text.encode()))
    return place


@pytest.fixture(scope="module")
def tiny(folder) -> list[str]:
    """The words of a training that takes a second, but for the pairs."""
    return [
        *("data=multi30k", f"data.dir={folder}", "tokenizer.size=46", "clean.drop_equal=false"),
        *("tokenizer.byte_fallback=false", "model.embedding_width=8", "model.encoder_width=8"),
        *("model.decoder_width=16", "train.max_tokens=128", "train.max_steps=4"),
        *("train.evaluate_every=2", "train.log_every=1", "train.heatmaps=1"),
        *("decode.beam=2", "decode.max_ratio=1"),
    ]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> tuple[Path, str]:
    """The run folder of a training on several pairs, and what it said."""
    run = tmp_path_factory.mktemp("trained") / "run"
    answer = nmt("train", *tiny, PAIRS, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run, answer.err + answer.out


@pytest.fixture(scope="module")
def run(trained) -> Path:
    return trained[0]


def test_a_corpus_has_its_pairs_one_behind_the_other(folder, cache):
    corpus = Multi30k(dir=str(folder), pairs=["de-en", "fr-en", "en-de"])
    for split in ("train", "dev", "test"):
        lines = corpus.lines(cache, split)
        assert list(lines.pairs) == corpus.pairs
        assert sum(map(len, lines.pairs.values())) == len(lines.source)
        for name, place in lines.pairs.items():
            pair = Pair.of(name)
            alone = Multi30k(*pair, dir=str(folder)).lines(cache, split)
            rows = slice(place.start, place.stop)
            assert lines.source[rows] == [f"<2{pair.target}> {line}" for line in alone.source]
            assert lines.target[rows] == alone.target
    assert corpus.symbols() == ["<2en>", "<2de>"]
    assert (corpus.source, corpus.target) == ("de", "en")


def test_held_out_chapters_are_those_of_every_pair(tmp_path, monkeypatch):
    """So no verse of a test is in the training text, in whatever language."""
    shorten_bible(monkeypatch, tmp_path)
    corpus = Bible(pairs=["de-en", "en-fr"])
    test = corpus.lines(tmp_path, "test")
    first, second = (
        (test.source[one.start], test.target[one.start]) for one in test.pairs.values()
    )
    assert first[1] == second[0].removeprefix("<2fr> ")
    assert first[0].startswith("<2en> ")


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("<2en> Haus", "en"),
        ("<2fr> Haus", None),
        ("Haus <2en>", None),
        ("<2en>Haus", None),
        ("", None),
    ],
)
def test_a_line_asks_for_a_language_by_its_first_piece(line, language):
    assert asked_for(line, ["en", "de"]) == language


def test_blank_lines_ask_for_nothing():
    assert asking_for("en", ["Haus", " ", ""]) == ["<2en> Haus", " ", ""]


def test_a_run_says_how_good_each_pair_is(trained):
    """In result.json, on the screen and in the log, of dev and test; from the lines of the pair."""
    run, told = trained
    result = json.loads((run / "result.json").read_text())
    texts = ("hypotheses.txt", "references.txt")
    ours, theirs = ((run / name).read_text().splitlines() for name in texts)
    losses = np.loadtxt(run / "losses.txt")
    assert list(result["pairs"]) == ["de-en", "fr-en", "en-de"]
    for name, found in result["pairs"].items():
        place = slice(found["first"] - 1, found["first"] - 1 + found["sentences"])
        expected = bleu_and_chrf(ours[place], theirs[place], Pair.of(name).target)
        assert {key: found[key] for key in expected} == expected
        assert found["loss"] == pytest.approx(losses[place, 0].sum() / losses[place, 1].sum())
        assert found["sentences"] == len(theirs) / 3
        assert f"bleu_{name}" in result["dev"]
        assert f"dev/bleu_{name}" in (run / "metrics.jsonl").read_text()
        assert told.count(name) >= 3
    config = (run / "config.yaml").read_text()
    assert "source: de\n" in config
    assert "target: en\n" in config
    sources = (run / "sources.txt").read_text().splitlines()
    assert {line[:6] for line in sources} == {"<2en> ", "<2de> "}


@pytest.mark.usefixtures("without_plots")
def test_a_comparison_has_the_bleu_of_each_pair(run, tmp_path):
    other, output = tmp_path / "other", tmp_path / "comparison"
    shutil.copytree(run, other)
    config = (other / "config.yaml").read_text()
    assert "  clip_norm: 1.0\n" in config
    changed = config.replace("  clip_norm: 1.0\n", "  clip_norm: 2.0\n")
    (other / "config.yaml").write_text(changed)
    answer = nmt("compare", run, other, "num_sentences=0", f"output={output}")
    assert answer.code == 0, answer.err
    assert "Pairs of languages" in answer.out
    assert "BLEU fr-en" in answer.out
    assert "2 runs" in (output / "index.html").read_text()
    written = json.loads((output / "comparison.json").read_text())
    assert "bleu fr-en" in json.dumps(written)
    found = read_run(run)
    (counts,) = counts_of_all([found], found.tokenizer, [])[run].values()
    for name, one in found.result["pairs"].items():
        assert corpus_score(f"bleu {name}", counts[f"bleu {name}"]) == pytest.approx(one["bleu"])


def test_the_language_is_chosen_by_to_or_by_the_line(run):
    text = b"eins zwei drei\n\nvier sechs\n"
    by_word = nmt("translate", f"run={run}", "to=de", "decode.max_ratio=3", stdin=text)
    assert by_word.code == 0, by_word.err
    asking = b"<2de> eins zwei drei\n\n<2de> vier sechs\n"
    by_line = nmt("translate", f"run={run}", "decode.max_ratio=3", stdin=asking)
    assert by_line.out == by_word.out
    assert by_word.out.splitlines()[1] == ""
    assert "line 1 begins with none of <2en> or <2de>" in mistake(
        nmt("translate", f"run={run}", stdin=text)
    )
    translator = api.load(run).translator
    lines = [*["<2de> eins"] * 4, "zwei"]
    with pytest.raises(UserError, match="line 5 begins with none of"):
        list(translator.stream(lines, Decode(), chunk=2))
    with pytest.raises(UserError, match="line 9 begins with none of"):
        score(translator, lines, lines, lines=[1, 1, 1, 1, 9])
    assert "to=fr: this model translates into en de" in mistake(
        nmt("translate", f"run={run}", "to=fr", stdin=text)
    )


def test_score_and_python_choose_it_too(run):
    model = api.load(run)
    assert "de → en de" in repr(model)
    pair = "eins zwei", "one two"
    (expected,) = score(model.translator, ["<2en> eins zwei"], ["one two"])
    assert model.score(*pair, to="en").log_p == expected.log_p
    tabs = "\t".join(pair).encode() + b"\n"
    answer = nmt("score", f"run={run}", "to=en", stdin=tabs)
    assert answer.out.startswith(f"{expected.log_p:.4f}\t")
    assert model.translate("eins", to="de") == model.translate("<2de> eins")
    assert model.attention(*pair, to="en").source[0] == "▁<2en>"
    with pytest.raises(UserError, match="line 1 begins with none of"):
        model.attention(*pair)
    with pytest.raises(UserError, match="to=fr: this model translates into en de"):
        model.score(*pair, to="fr")


def test_links_count_the_words_of_the_text(run, tmp_path):
    """The piece that asks for the language is not one of them."""
    links = tmp_path / "links"
    words = ["to=de", "decode.min_length=4", "decode.max_ratio=3", f"links={links}"]
    answer = nmt("translate", f"run={run}", *words, stdin=b"eins zwei drei\n")
    assert answer.code == 0, answer.err
    sources = {int(one.partition("-")[0]) for one in links.read_text().split()}
    assert sources <= {0, 1, 2}


def test_alignments_count_the_words_of_the_text(run, tmp_path):
    """With to=, in the line, and in the other direction, in which the same run is its own reverse.

    Each is the same text, with links that gold links of these words can be held against.
    """
    texts = {"de": "eins zwei drei\n", "en": "one two three\n", "asking": "<2en> eins zwei drei\n"}
    for name, text in {**texts, "gold": "1-1 2-2 3-3\n"}.items():
        (tmp_path / name).write_text(text)
    commands = {
        "there": ["to=en", "source={}/de", "target={}/en"],
        "asked": ["source={}/asking", "target={}/en"],
        "back": ["to=de", "source={}/en", "target={}/de"],
        "both": ["to=en", "source={}/de", "target={}/en", f"reverse={run}", "gold={}/gold"],
    }
    found = {}
    for name, words in commands.items():
        given = [word.format(tmp_path) for word in words]
        folder = tmp_path / "aligned" / name
        answer = nmt("align", f"run={run}", *given, "heatmaps=0", f"output={folder}")
        if name == "both":  # fr-en asks for English, too: which language the text has is not known
            assert "of any of de-en fr-en en-de" in mistake(answer)
            given = ["data=files", "data.source=de", "data.target=en", given[-1], given[-2]]
            given.append(f"data.test=[{tmp_path}/de,{tmp_path}/en]")
            answer = nmt("align", f"run={run}", *given, "heatmaps=0", f"output={folder}")
        assert answer.code == 0, answer.err
        links = read_links(folder / "alignments.txt", base=0)[0].sure
        assert {i for i, _ in links} <= {0, 1, 2}
        found[name] = links
    assert found["there"] == found["asked"]
    table = json.loads((folder / "result.json").read_text())["table"]
    assert table[0]["links"] == len(found["there"])
    assert table[2]["links"] == len(found["there"] & {(j, i) for i, j in found["back"]})
    assert (folder / "source.txt").read_text() == texts["de"]


def test_a_run_of_several_pairs_is_evaluated_on_any_of_them(run, folder, tmp_path):
    """Also on one that was not trained on, from a language to another that it knows."""
    kept = json.loads((run / "result.json").read_text())["pairs"]["fr-en"]
    data = ["data=multi30k", f"data.dir={folder}", "heatmaps=0"]
    output = tmp_path / "fr-en"
    answer = nmt("evaluate", f"run={run}", *data, "data.pairs=[fr-en]", f"output={output}")
    assert answer.code == 0, answer.err
    found = json.loads((output / "result.json").read_text())
    assert found["bleu"] == found["pairs"]["fr-en"]["bleu"] == kept["bleu"]
    output = tmp_path / "fr-de"
    answer = nmt(
        "evaluate", f"run={run}", *data, "data.source=fr", "data.target=de", f"output={output}"
    )
    assert answer.code == 0, answer.err
    assert (output / "sources.txt").read_text().startswith("<2de> ")
    assert "data.target=fr" in mistake(
        nmt("evaluate", f"run={run}", *data, "data.source=en", "data.target=fr")
    )


def test_a_run_can_be_repeated_with_other_pairs(run, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["train.max_steps=1", "train.evaluate_every=1", "train.heatmaps=0"]
    words.append("tokenizer.size=40")
    for folder, before, pairs in ((first, run, "[fr-en,de-en]"), (second, first, "[en-fr,de-fr]")):
        answer = nmt(
            "train", f"from={before}", f"data.pairs={pairs}", *words, f"hydra.run.dir={folder}"
        )
        assert answer.code == 0, answer.err
    assert list(json.loads((second / "result.json").read_text())["pairs"]) == ["en-fr", "de-fr"]


def test_a_model_of_one_pair_becomes_one_of_several_and_that_one_of_others(tiny, tmp_path):
    """It keeps its weights; the pieces that ask for a language are new ones behind its own."""
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    words = [word for word in tiny if not word.startswith("tokenizer.")]
    words += ["train.heatmaps=0", "train.evaluate_every=4"]
    pieces = ["tokenizer.size=30", "tokenizer.byte_fallback=false"]
    assert nmt("train", *words, *pieces, f"hydra.run.dir={one}").code == 0
    words.append("train.max_steps=0")
    told = {}
    for run, before, pairs in ((two, one, "[fr-en,de-en]"), (three, two, "[en-de,de-en]")):
        given = [f"data.pairs={pairs}", f"init={before}", f"hydra.run.dir={run}"]
        answer = nmt("train", *words, *given)
        assert answer.code == 0, answer.err
        told[run] = (answer.err + answer.out).replace("\n", " ")
        old, new = (read_tensors(place / "model.safetensors") for place in (before, run))
        assert old.keys() == new.keys()
        for name, weights in old.items():
            assert new[name].flatten()[: weights.numel()].equal(weights.flatten())
        rows = len(new["source_embedding.weight"]) - len(old["source_embedding.weight"])
        assert rows == 2  # <2en>, then <2de>, which begin a word or stand elsewhere
    assert "weights with new rows for new pieces: source_embedding.weight" in told[two]
    assert "weights new: none" in told[two]
    refused = nmt("train", *words, "data.pairs=[en-fr]", f"init={one}", f"hydra.run.dir={two}-2")
    assert "has pieces for de-en, but this training is of en-fr" in mistake(refused)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.pairs=[deen]"], "data.pairs: deen is not a pair of languages: write SOURCE-TARGET"),
        (["data.pairs=[de-en,de-en]"], "data.pairs has de-en twice"),
        (["data.pairs=[]"], "data.pairs=[] names no pair"),
        (["data.pairs=[de-xx]"], "data.pairs=xx is not a language code"),
        (["data.pairs=[de-ja]"], "data.target=ja: choose one of de, en, fr"),
        (["data.pairs=[de-de]"], "data.source and data.target are both de"),
        (["data.pairs=[fr-en]", "data.source=en"], "says both languages of each pair"),
        (["data=bible", "data.pairs=[de-en,en-ja]"], "so both cannot have one BLEU"),
        (["data=files", "data.pairs=[de-en]"], "pairs"),
    ],
)
def test_bad_pairs_are_refused(words, message, tiny, tmp_path):
    run = tmp_path / "run"
    other = words[0].startswith("data=")
    given = [word for word in tiny if not (other and word.startswith("data"))]
    assert message in mistake(nmt("train", *given, *words, f"hydra.run.dir={run}"))
    assert not run.exists()
