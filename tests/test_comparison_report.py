"""The report: what it prints, the page of HTML, the figures, the atlas, TensorBoard's events."""

import base64
import json
import re
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from browser import needs_browser
from command import files, mistake, nmt
from comparison_runs import DOT, NONE, RESULT, configured, text, write_run
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from nmt.commands.compare import as_settings
from nmt.comparison.atlas import page, words
from nmt.comparison.comparison import compare
from nmt.comparison.disagreement import sentences
from nmt.comparison.explorer import CHRF_DIFFERS, DIFFER, LENGTH, interleaved, ranked
from nmt.comparison.plots import label, plots, style
from nmt.comparison.runs import find_runs
from nmt.data.corpus import Lines
from nmt.errors import UserError
from nmt.runs.files import write_json

PLOTS = ["bleu_by_length", "dev_bleu_by_minute", "dev_bleu_by_step", "entropy", "quality_by_speed"]
ATTACK = '<script>alert("1")</script> & co'


def test_tables_fit_a_hundred_columns_whatever_the_names(tmp_path):
    long = configured(DOT, model__dropout=0.123456789, optimizer__lr=0.000123456)
    write_run(tmp_path / "a", configured(), RESULT)
    write_run(tmp_path / "b", long, {**RESULT, "bleu": 19.123})
    write_run(tmp_path / "c", None)
    (tmp_path / "c" / "failure.txt").write_text("x" * 300)

    answer = nmt("compare", tmp_path, "num_sentences=0")

    assert answer.code == 0, answer.err
    assert max(map(len, answer.out.splitlines())) <= 100
    for heading in ("BLEU", "p boot.", "p rand.", "Δ chrF", "TER", "tokens/s", "MiB"):
        assert heading in answer.out
    assert "20.00" in answer.out
    assert "4,960,000" in answer.out


def test_a_terminal_without_greek_letters_gets_the_table(tmp_path):
    write_run(tmp_path / "a", configured(), RESULT)
    write_run(tmp_path / "b", configured(NONE), {**RESULT, "bleu": 21.0})

    answer = nmt("compare", tmp_path, "num_sentences=0", encoding="latin-1")

    assert answer.code == 0, answer.err
    assert "? is the difference of mean BLEU" in answer.out
    assert "+1.00" in answer.out


def test_what_is_not_a_number_is_blank_and_no_file_has_nan(tmp_path):
    odd = {"chrf": nan, "loss": inf, "tested_weights": {"perplexity": -inf}}
    run = write_run(tmp_path / "a", configured(), {**RESULT, **odd})

    assert nmt("compare", tmp_path, "num_sentences=0").code == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (tmp_path / "comparison" / "comparison.json").read_text()
    measures = json.loads(text, parse_constant=refuse)["variants"][0]["measures"]
    assert measures["bleu"]["mean"] == 20
    assert not measures.keys() & {"chrf", "loss", "dev_perplexity"}
    write_json(run / "out.json", {"a": nan, "b": [inf, (1.5, -inf)], "c": {"d": nan}})
    written = json.loads((run / "out.json").read_text(), parse_constant=refuse)
    assert written == {"a": None, "b": [None, [1.5, None]], "c": {"d": None}}


def test_what_people_wrote_is_text_in_the_page_and_nothing_is_loaded(tmp_path):
    lines = [ATTACK, *text(0)[1:]]
    write_run(tmp_path / "a", configured(), RESULT, lines)
    write_run(tmp_path / "b", configured(NONE, model__dropout=ATTACK), RESULT)
    for name in ("c", '<script>alert("name")'):
        write_run(tmp_path / name, None)
        (tmp_path / name / "failure.txt").write_text(ATTACK)

    answer = nmt("compare", tmp_path, "sentences=[1]")

    assert answer.code == 0, answer.err
    html = (tmp_path / "comparison" / "index.html").read_text()
    assert re.findall("<script[^>]*>", html) == ["<script>"], "the one that sorts tables"
    assert "&lt;script&gt;alert(&#34;name&#34;)" in html
    assert html.count("&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; co") >= 4
    assert re.findall(r'src="(.{10})', html) == ["data:image"] * html.count("<img")
    assert not re.search("https?:", re.sub(r"data:[^\"]*", "", html))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("allow=bugdet", ["allow=bugdet", "budget"]),
        ("baseline=x, y=2", ["baseline=x, y=2", "attention=bahdanau"]),
        ("sentences=99", ["sentences=[99]", "1 to 40"]),
        ("num_sentences=-1", ["num_sentences=-1"]),
        ("nowhere", ["nowhere", "no such folder"]),
        ("bsaeline=x", ["bsaeline", "baseline"]),
        ("output={run}", ["is a run folder"]),
        ("output={run}/result.json", ["is a file"]),
    ],
)
def test_mistakes_of_compare_are_told(word, told, tmp_path):
    run = write_run(tmp_path / "runs" / "attention=bahdanau", configured(), RESULT)

    message = mistake(nmt("compare", tmp_path / "runs", word.format(run=run)))

    assert all(part in message for part in told), message
    assert not (tmp_path / "runs" / "comparison").exists()


def test_runs_have_to_be_named():
    assert "nmt compare runs/" in mistake(nmt("compare"))


def test_folders_with_an_equals_sign_are_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a=1,b=it's").mkdir()

    found = as_settings(["a=1,b=it's", "x", "baseline=a=1, b=2", "allow=data,test", "device=cpu"])

    assert found == [
        *("baseline='a=1, b=2'", "allow=[data,test]", "device=cpu"),
        "folders=['a=1,b=it\\'s','x']",
    ]


def test_a_variant_looks_the_same_in_every_plot_and_like_no_other():
    looks = [tuple(style(place).items()) for place in range(32)]

    assert len(set(looks)) == 32
    assert label("attention=bahdanau, model.dropout=0.25, seed=1") == (
        "attention=bahdanau\nmodel.dropout=0.25, seed=1"
    )


def test_plots_are_drawn_of_what_there_is(tmp_path):
    run = write_run(tmp_path / "a", configured(), RESULT)
    found = plots(compare(find_runs([tmp_path]), None, []))
    assert sorted(plot.name for plot in found) == PLOTS

    (run / "metrics.jsonl").unlink()
    (run / "sources.txt").unlink()
    found = plots(compare(find_runs([tmp_path]), None, []))
    assert [plot.name for plot in found] == ["quality_by_speed"]


def test_sentences_are_those_that_differ_most_or_those_that_are_named():
    sources = [f"one two three four five six {number}" for number in range(30)]
    same = list(sources)
    other = list(sources)
    other[7], other[20] = "nothing alike", "one two three four five six"
    other[9] = "and so on" * 99
    lines = Lines(sources, sources)

    assert sentences([], 2, lines, [same, other], "en") == [8, 21]
    assert sentences([9, 3], 2, lines, [same, other], "en") == [9, 3]
    with pytest.raises(UserError, match="1 to 30"):
        sentences([31], 2, lines, [same, other], "en")


def test_panels_are_put_in_rows_below_the_text():
    panels = [np.zeros((50, width, 4), np.uint8) for width in (900, 1200, 800)]

    image = page("sentence 3", ["source"], panels)

    head = words("sentence 3", ["source"], image.shape[1] / 110)
    assert image.shape == (len(head) + 100, 900 + 1200 + 48, 4)
    assert (image[-1, 10, 0], image[-1, 1500, 0]) == (0, 255)


@pytest.fixture(scope="module")
def two(tiny, tmp_path_factory) -> Path:
    """A sweep over two attentions, through the command."""
    folder = tmp_path_factory.mktemp("two") / "grid"
    grid = ["attention=none,bahdanau", "-m", f"hydra.sweep.dir={folder}"]
    answer = nmt("train", *tiny, "model.heads=1", *grid)
    assert answer.code == 0, answer.err
    return folder


def test_from_a_sweep_to_a_report(two):
    answer = nmt("compare", two, "baseline=none", "sentences=1,3")

    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert ["attention", "seeds", "BLEU"] in [row[:3] for row in rows]
    assert {"bahdanau", "none"} <= {row[0] for row in rows if row}
    report = two / "comparison"
    names = [name for name in files(report) if not name.startswith("tensorboard/")]
    assert names == sorted(
        [
            *("comparison.csv", "comparison.json", "comparison.md", "comparison.tex"),
            *("figures", "index.html", "sentences.tsv", "tensorboard"),
            *(f"figures/{name}.{kind}" for name in PLOTS for kind in ("png", "svg")),
            *("figures/sentence-1.png", "figures/sentence-3.png"),
        ]
    )
    found = json.loads((report / "comparison.json").read_text())
    assert found["baseline"] == "attention=none"
    assert found["variants"][0]["these_two_runs"].keys() == {"bootstrap", "randomisation"}
    tests = found["variants"][0]["tests"]
    assert list(tests)[:5] == ["bleu", "chrf", "loss", "rep", "drop"]
    assert all("one seed only" in one["untested"] for one in tests.values())
    measures = found["variants"][0]["measures"]
    assert measures["attention_entropy"]["mean"] > 0
    assert "attention_entropy" not in found["variants"][1]["measures"], "none attends to nothing"
    with Image.open(report / "figures" / "entropy.png") as image:
        assert len(np.unique(np.asarray(image)[..., :3].reshape(-1, 3), axis=0)) > 20, "drawn"
    svg = (report / "figures" / "entropy.svg").read_text()
    assert "</svg>" in svg
    assert base64.b64encode(svg.encode()).decode() in (report / "index.html").read_text()
    with Image.open(report / "figures" / "sentence-1.png") as image:
        assert image.width > 1000, "two panels"
    html = (report / "index.html").read_text()
    assert html.count("<img") == html.count('src="data:image') == len(PLOTS) + 2


@needs_browser
def test_the_page_can_be_touched(two, tab):
    assert nmt("compare", two, "num_sentences=1", "device=cpu").code == 0
    tab.open(two / "comparison" / "index.html")
    tab.until("Boolean(document.querySelector('.attention canvas'))")
    explorer = "document.querySelector('.attention').explorer"
    tab.run(f"{explorer}.ready.then(() => null)")

    orders = tab.run("[...document.querySelectorAll('.attention select')].map((s) => s.value)")
    assert "difference in chrF" in orders
    shown = tab.run(
        "[...document.querySelectorAll('.attention .texts dd')].map(d => d.textContent)"
    )
    number = tab.run(f"{explorer}.chosen.number")
    hypotheses = (two / "attention=bahdanau" / "hypotheses.txt").read_text().splitlines()
    assert hypotheses[number - 1].strip() in shown or not hypotheses[number - 1]

    column = (
        "[...document.querySelector('table.sorts').rows].slice(1).map(r => r.cells[{}].innerText)"
    )
    heading = "document.querySelector('table.sorts th:nth-child({})')"
    headings = tab.run(
        "[...document.querySelector('table.sorts').rows[0].cells].map(c => c.innerText.trim())"
    )
    place = headings.index("BLEU")
    for _ in range(2):
        tab.run(f"{heading.format(place + 1)}.click()")
        cells = [float(cell.split()[0]) for cell in tab.run(column.format(place)) if cell.strip()]
        direction = tab.run(f"{heading.format(place + 1)}.getAttribute('aria-sort')")
        assert cells == sorted(cells, reverse=direction == "descending")
    titles = tab.run("[...document.querySelectorAll('.point')].map((one) => one.title)")
    result = json.loads((two / "attention=bahdanau" / "result.json").read_text())
    speed = [one for one in titles if "target pieces a second" in one]
    assert any(one.startswith("bahdanau") or f"{result['bleu']:.4g}" in one for one in speed)
    tab.point(".point")
    assert tab.run("document.querySelector('.point:hover') !== null"), "over its plot"


@needs_browser
def test_without_scripts_the_page_is_what_it_was(two, tab):
    assert nmt("compare", two, "num_sentences=1", "device=cpu").code == 0
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(two / "comparison" / "index.html")

    assert tab.run("document.images.length") == len(PLOTS) + 1
    assert tab.run("[...document.images].every((one) => one.naturalWidth > 100)")
    assert tab.run("document.querySelectorAll('table').length") > 3
    assert tab.run("document.querySelector('.attention')") is None


def test_sentences_are_ranked_by_what_tells_variants_apart():
    lines = Lines(["a b c", "a", "", "a b"], ["x y z", "x", "q", "x y"])
    hypotheses = [["x y z", "x", "q", "k k"], ["x y z", "u", "r", "x y"]]

    orders = ranked([], lines, hypotheses)

    assert orders[LENGTH] == [2, 4, 1], "no empty source"
    assert set(orders[CHRF_DIFFERS][:2]) == {2, 4}
    assert orders[DIFFER][-1] == 1, "the same translation"
    assert set(interleaved(orders, [3])[:3]) == {3, 2, 4}
    assert interleaved(orders, [3])[0] == 3
    assert ranked([4], lines, hypotheses)[LENGTH] == [4]


def test_tensorboard_has_the_figures_and_the_columns_of_its_hparams(two):
    assert nmt("compare", two, "num_sentences=1").code == 0
    assert nmt("compare", two, "num_sentences=1").code == 0, "twice into one folder"

    events = EventAccumulator(str(two / "comparison" / "tensorboard")).Reload()
    images = events.Tags()["images"]
    assert [f"comparison/{name}" for name in PLOTS] == sorted(images)[1:]
    assert all(len(events.Images(name)) == 1 for name in images)
    for folder in (two / "comparison" / "tensorboard", two / "tensorboard"):
        events = EventAccumulator(str(folder)).Reload()
        content = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
        experiment = HParamsPluginData.FromString(content).experiment
        columns = {info.name for info in experiment.hparam_infos}
        assert columns == {"model", "attention", "attention.bias", "seed"}
        assert experiment.metric_infos[0].display_name == "BLEU"
        own = EventAccumulator(str(two / "attention=none" / "tensorboard")).Reload()
        logged = {info.name.tag for info in experiment.metric_infos} - {"final/entropy"}
        assert logged <= set(own.Tags()["scalars"])
