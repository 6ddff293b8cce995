"""nmt align as it is typed, and what it leaves."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import files, mistake, nmt
from PIL import Image

from nmt.data.corpus import Lines
from nmt.data.tokenizer import Tokenizer
from nmt.links.bitext import Bitext, Side
from nmt.links.error import count
from nmt.links.links import flip, read_links
from nmt.links.statistical import statistical_links
from nmt.links.symmetrize import union

needs_eflomal = pytest.mark.skipif(
    find_spec("eflomal") is None, reason="eflomal is not installed: pip install -e '.[align]'"
)
SCORES = ("aer", "precision", "recall")


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory) -> tuple[Path, Path]:
    """Runs of both directions; they have learned nothing yet."""
    folder = tmp_path_factory.mktemp("runs")
    there, back = folder / "there", folder / "back"
    turned = [turn(word) for word in tiny if word.startswith("data.")]
    assert nmt("train", *tiny, f"hydra.run.dir={there}").code == 0
    assert nmt("train", *tiny, *turned, f"hydra.run.dir={back}").code == 0
    return there, back


def turn(word: str) -> str:
    """The same setting with source and target exchanged."""
    key, _, value = word.partition("=")
    if value.startswith("["):
        return f"{key}=[{','.join(reversed(value.strip('[]').split(',')))}]"
    return f"{key}={'en' if value == 'de' else 'de'}"


@pytest.fixture
def gold(numbers, tmp_path) -> Path:
    """Every word of the test set is linked to the one in its place, the last only possibly."""
    path = tmp_path / "gold"
    lines = (numbers / "test.de").read_text().splitlines()
    path.write_text("1-1 2-2 3p3\n" * len(lines))
    return path


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def links_of(folder: Path) -> list[frozenset]:
    return [line.sure for line in read_links(folder / "alignments.txt", base=0)]


def test_align_writes_links_words_and_pictures(runs, numbers):
    answer = nmt("align", f"run={runs[0]}", "heatmaps=2")

    assert answer.code == 0, answer.err
    folder = runs[0] / "alignment" / "files-test"
    found = [
        "alignments.txt",
        "explorer.html",
        "heatmaps",
        "result.json",
        "source.txt",
        "target.txt",
    ]
    assert files(folder) == sorted([*found, *(f"heatmaps/sentence-{n}.png" for n in (1, 2))])
    assert (folder / "source.txt").read_text() == (numbers / "test.de").read_text()
    links = links_of(folder)
    assert len(links) == 6
    assert all({j for _, j in line} == {0, 1, 2} for line in links), "argmax: each target word once"
    result = result_of(folder)
    assert result["links"] == 18
    assert result["run"] == "../.."
    assert result["reading"]["layer"] is None
    assert not any(name in result for name in SCORES)
    with Image.open(folder / "heatmaps" / "sentence-1.png") as picture:
        assert picture.width > 300


def test_gold_links_give_the_error_of_what_was_written(runs, gold, tmp_path):
    answer = nmt("align", f"run={runs[0]}", f"gold={gold}", f"output={tmp_path}/out", "heatmaps=1")

    assert answer.code == 0, answer.err
    counts = count(links_of(tmp_path / "out"), read_links(gold, base=1))
    result = result_of(tmp_path / "out")
    assert [result[name] for name in SCORES] == pytest.approx(
        [counts.error, counts.precision, counts.recall], abs=1e-6
    )
    assert "AER %" in answer.err
    assert f"{100 * counts.error:.2f}" in answer.err


def test_the_explorer_has_the_gold_links_as_boxes(runs, gold, tmp_path):
    words = f"gold={gold}", f"output={tmp_path}/out", "heatmaps=0"
    assert nmt("align", f"run={runs[0]}", *words).code == 0

    page = (tmp_path / "out" / "explorer.html").read_text()
    (run,) = json.loads(page.partition('explorer-data">')[2].partition("</script>")[0])["runs"]
    sentences = run["texts"][0]["moments"][0]["sentences"]
    links = read_links(gold, base=1)
    assert len(sentences) == len(links)
    for one, links_of_line in zip(sentences, links, strict=True):
        boxes = {(s, t): sure for s, t, sure in one["gold"]["words"]}
        assert boxes == {link: link in links_of_line.sure for link in links_of_line.possible}
        pieces, axes = one["gold"]["pieces"], one["axes"]
        words_of = {(axes["source"]["word"][s], axes["target"]["word"][t]) for s, t, _ in pieces}
        assert words_of == set(boxes)


def test_a_threshold_links_what_has_the_weight(runs, tmp_path):
    words = [f"run={runs[0]}", "heatmaps=0"]
    for threshold in (1e-9, 0.99):
        answer = nmt("align", *words, f"threshold={threshold}", f"output={tmp_path}/{threshold}")
        assert answer.code == 0, answer.err

    assert result_of(tmp_path / "1e-09")["links"] == 6 * 3 * 3
    assert result_of(tmp_path / "0.99")["links"] == 0


def test_two_directions_are_symmetrized(runs, numbers, gold, tmp_path):
    there, back = runs
    text = [f"source={numbers}/test.de", f"target={numbers}/test.en"]
    turned = [f"source={numbers}/test.en", f"target={numbers}/test.de"]
    commands = {
        "there": [f"run={there}", *text],
        "back": [f"run={back}", *turned],
        "both": [f"run={there}", *text, f"reverse={back}", "symmetrize=union", f"gold={gold}"],
    }
    for name, words in commands.items():
        answer = nmt("align", *words, f"output={tmp_path}/{name}", "heatmaps=1")
        assert answer.code == 0, answer.err

    one, other = links_of(tmp_path / "there"), [flip(x) for x in links_of(tmp_path / "back")]
    assert links_of(tmp_path / "both") == [union(a, b) for a, b in zip(one, other, strict=True)]
    result = result_of(tmp_path / "both")
    names = ["de → en", "en → de", "intersection", "union", "grow-diag-final-and"]
    assert [row["aligner"] for row in result["table"]] == [f"attention {name}" for name in names]
    assert result["aligner"] == "attention union"
    assert (tmp_path / "both" / result["reverse"]).resolve() == back
    assert result["table"][0]["links"] == result_of(tmp_path / "there")["links"]
    lines = answer.err.splitlines()
    assert all(len(line) <= 100 for line in lines if "attention" in line or "%" in line)


def test_the_best_attention_on_dev_is_named(runs, numbers, gold, tmp_path):
    dev = [f"dev.source={numbers}/test.de", f"dev.target={numbers}/test.en", f"dev.gold={gold}"]
    words = [f"run={runs[0]}", f"gold={gold}", "heatmaps=0", "threshold=0.3"]

    chosen = nmt("align", *words, *dev, "shift=best", f"output={tmp_path}/best")

    assert chosen.code == 0, chosen.err
    assert "of 2, the best on dev" in chosen.err
    errors = {}
    for shift in ("false", "true"):
        assert nmt("align", *words, f"shift={shift}", f"output={tmp_path}/{shift}").code == 0
        errors[shift == "true"] = result_of(tmp_path / shift)["aer"]
    best = result_of(tmp_path / "best")
    assert best["aer"] == best["reading"]["dev_aer"] == min(errors.values())
    assert errors[best["reading"]["shift"]] == best["aer"]


def test_weights_norms_and_gradients_stand_in_one_table(runs, gold, tmp_path):
    words = [f"gold={gold}", "heatmaps=1", f"output={tmp_path}/out"]
    dev = [f"dev.{word}" for word in (f"gold={gold}", f"source={runs[0]}/sources.txt")]
    dev += [f"dev.target={runs[0]}/references.txt", "shift=best", "precision=fp32"]

    answer = nmt("align", f"run={runs[0]}", "of=[norms,weights,gradients]", *words, *dev)

    assert answer.code == 0, answer.err
    result = result_of(tmp_path / "out")
    names = [f"{name} de → en" for name in ("norms", "attention", "gradients")]
    assert [row["aligner"] for row in result["table"]] == names
    assert result["aligner"] == names[0]
    assert result["reading"]["of"] == "norms"
    assert all(f"{name}: where a piece is" in answer.err for name in names)
    alone = nmt("align", f"run={runs[0]}", "of=gradients", *words[:1], f"output={tmp_path}/g", *dev)
    assert alone.code == 0, alone.err
    assert result_of(tmp_path / "g")["table"] == result["table"][2:]


def test_the_models_own_translation_can_be_aligned(runs, tmp_path):
    words = ["hypothesis=true", "heatmaps=1", f"output={tmp_path}/out"]

    answer = nmt("align", f"run={runs[0]}", *words)

    assert answer.code == 0, answer.err
    hypotheses = (runs[0] / "hypotheses.txt").read_text().splitlines()
    words = [line.split() for line in (tmp_path / "out" / "target.txt").read_text().splitlines()]
    assert words == [line.split() for line in hypotheses]
    assert len(links_of(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["layer=2"], ["layer=2", "has 1"]),
        (["head=best", "shift=best"], ["dev.gold=FILE"]),
        (["layer=top"], ["layer=top"]),
        (["threshold=0"], ["threshold=0"]),
        (["of=heads"], ["of=heads", "weights, norms, gradients"]),
        (["of=[weights,heads]"], ["of=heads"]),
        (["of=[weights,gradients]", "layer=1"], ["layer=1", "gradients have neither layers"]),
        (["heatmaps=-1"], ["heatmaps=-1"]),
        (["heatmap_scale=log"], ["heatmap_scale=log", "linear", "sqrt"]),
        (["symmetrize=both"], ["symmetrize=both", "grow-diag-final-and"]),
        (["reverse={run}"], ["reverse=", "de to en", "en to de"]),
        (["reverse=nowhere"], ["nowhere is not a run folder"]),
        (["gold=nowhere"], ["nowhere: no such file"]),
        (["gold={f}/test.de"], ["test.de, line 1", "is not an alignment link"]),
        (["gold={t}/far"], ["far, line 2: link 4-1 has source word 4", "3 words"]),
        (["source={f}/test.de"], ["source=", "target=FILE"]),
        (["source={f}/test.de", "target={f}/train.en"], ["test.de has 6", "train.en has 98"]),
        (["source_words={f}/train.de"], ["source_words=", "98 lines", "6"]),
        (["target_words={f}/test.de"], ["test.de, line 1", "not the words of the text"]),
        (["source={f}/test.de", "data=bible"], ["source=", "data=…"]),
        (["data=bible", "data.source=ja"], ["data.source=ja", "de to en"]),
        (["hypothesis=true", "gold={t}/far"], ["gold=", "hypothesis=true"]),
        (["dev.source={f}/dev.de", "dev.target={f}/dev.en"], ["dev.source=", "dev.gold=FILE"]),
        (["detokenize=true"], ["detokenize=true", "source=FILE"]),
        (["split=foo"], ["foo", "train, dev, test"]),
        (["layers=2"], ["layers", "layer"]),
        (["dev.glod=x"], ["dev.glod", "gold"]),
        (["output=/proc/nowhere"], ["/proc/nowhere"]),
    ],
)
def test_mistakes_of_align_are_told(words, told, runs, numbers, tmp_path, monkeypatch):
    (tmp_path / "far").write_text("1-1\n4-1\n" + "1-1\n" * 4)
    monkeypatch.chdir(tmp_path)
    words = [word.format(run=runs[0], f=numbers, t=tmp_path) for word in words]

    message = mistake(nmt("align", f"run={runs[0]}", *words))

    assert all(part in message for part in told), message
    assert message.count("\n") == 1


def test_a_run_without_attention_is_told(tiny, tmp_path):
    assert nmt("train", *tiny, "attention=none", f"hydra.run.dir={tmp_path}/run").code == 0
    assert "attention=none" in mistake(nmt("align", f"run={tmp_path}/run"))


def test_the_way_to_the_statistical_aligner_is_told(runs, monkeypatch):
    monkeypatch.setattr("nmt.links.statistical.find_spec", lambda _: None)
    message = mistake(nmt("align", f"run={runs[0]}", "statistical=true"))
    assert "pip install eflomal==" in message


@needs_eflomal
def test_the_statistical_aligner_stands_in_the_same_table(runs, gold, tmp_path):
    words = [f"gold={gold}", "statistical=true", f"output={tmp_path}/out", "heatmaps=0"]

    answer = nmt("align", f"run={runs[0]}", *words)

    assert answer.code == 0, answer.err
    result = result_of(tmp_path / "out")
    names = ["attention de → en", *(f"eflomal {way}" for way in ("de → en", "en → de"))]
    assert [row["aligner"] for row in result["table"]][:3] == names
    assert len(result["table"]) == 6
    assert result["aligner"] == "attention de → en"
    both = result["table"][-1]
    assert both["aer"] < 0.1, "word for word: nothing is easier"
    assert "eflomal" in result["versions"]


@needs_eflomal
def test_statistical_links_are_of_the_words_and_source_first(numbers, tmp_path):
    """Targets are written backwards, and each word is spelt with a comma at its end."""
    german, english = (
        (numbers / f"train.{language}").read_text().splitlines() for language in ("de", "en")
    )
    backwards = [", ".join(reversed(line.split())) + "," for line in english]
    words = [line.split(" ") for line in german]
    text = Bitext(
        Side("de", german[:7], words[:7], "de"),
        Side("en", backwards[:7], [line.split(" ") for line in backwards[:7]], "en"),
    )

    forward, backward = statistical_links(Lines(german, backwards), text, tmp_path)

    wanted = {(0, 2), (1, 1), (2, 0)}
    right = sum(len(links & wanted) for links in (*forward, *backward))
    assert right > 0.8 * 2 * 7 * 3
    assert all(j < 3 for links in forward for _, j in links)
    assert statistical_links(Lines(german, backwards), text, tmp_path) == (forward, backward)
    assert len(list((tmp_path / "links").iterdir())) == 1, "found once, though it draws at random"


def test_a_run_of_the_greek_corpus_has_gold_links(tmp_path):
    if find_spec("bible_alignments") is None:
        pytest.skip("the package bible_alignments is not installed: pip install -e '.[greek]'")
    run = tmp_path / "run"
    chapters = ["data.dev_chapters=1", "data.test_chapters=1"]
    sizes = ["train.max_steps=2", "train.evaluate_every=2", "train.heatmaps=0", "decode.beam=1"]
    small = [*sizes, "clean.max_pieces=30", "decode.max_ratio=0.1"]
    answer = nmt(
        *("train", "experiment=smoke", "data=greek_nt", *chapters, *small),
        f"hydra.run.dir={run}",
    )
    assert answer.code == 0, answer.err

    answer = nmt("align", f"run={run}", "shift=best", "heatmaps=1")

    assert answer.code == 0, answer.err
    result = result_of(run / "alignment" / "greeknt-test")
    assert 0.5 < result["aer"] < 1
    assert 0.5 < result["reading"]["dev_aer"] < 1
    assert Tokenizer.load(run / "tokenizer", "source").encode(["Βίβλος"])
    pictures = files(run / "alignment" / "greeknt-test" / "heatmaps")
    assert pictures == ["sentence-1.png"]
