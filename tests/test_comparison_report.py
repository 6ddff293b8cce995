"""The report: what it prints, the page of HTML, the figures, the atlas, TensorBoard's events."""

import json
import re
from html import escape
from math import inf, nan
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from browser import Page, needs_browser
from command import files, mistake, nmt
from comparison_runs import DOT, NONE, RESULT, configured, text, write_run, write_scored
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from nmt.commands.compare import as_settings
from nmt.comparison.cells import p_value, spread
from nmt.comparison.comparison import compare
from nmt.comparison.disagreement import sentences
from nmt.comparison.explorer import CHRF_DIFFERS, DIFFER, LENGTH, interleaved, ranked
from nmt.comparison.files import to_latex, to_markdown
from nmt.comparison.headline import headline, subtitle
from nmt.comparison.plots import label, plots
from nmt.comparison.runs import find_runs
from nmt.comparison.tables import grids
from nmt.comparison.variants import Naming, shown_at
from nmt.data.corpus import Lines
from nmt.errors import UserError
from nmt.report.palette import style
from nmt.runs.files import write_json

PLOTS = ["bleu_by_length", "dev_bleu_by_minute", "dev_bleu_by_step", "entropy", "quality_by_speed"]
ATTACK = '<script>alert("1")</script> & co'


@pytest.mark.usefixtures("without_plots")
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


def test_a_probability_is_never_rounded_to_the_level():
    assert [p_value(p) for p in (0.0496, 0.0504, 0.2, 1e-9)] == [
        "0.0496",
        "0.0504",
        "0.200",
        "<0.001",
    ]


@pytest.mark.usefixtures("without_plots")
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


@pytest.fixture(scope="module")
def two(tiny, tmp_path_factory) -> Path:
    """A sweep over two attentions, through the command."""
    folder = tmp_path_factory.mktemp("two") / "grid"
    grid = ["attention=none,bahdanau", "-m", f"hydra.sweep.dir={folder}"]
    answer = nmt("train", *tiny, "model.heads=1", *grid)
    assert answer.code == 0, answer.err
    return folder


COMPARED = ("baseline=none", "sentences=1,3")


@pytest.fixture(scope="module")
def compared(two) -> str:
    """What is printed when these runs are compared; the report is beside them."""
    answer = nmt("compare", two, *COMPARED)
    assert answer.code == 0, answer.err
    return answer.out


def test_from_a_sweep_to_a_report(two, compared):
    rows = [line.split() for line in compared.splitlines()]
    assert ["attention", "seeds", "BLEU"] in [row[:3] for row in rows]
    assert {"bahdanau", "none"} <= {row[0] for row in rows if row}
    report = two / "comparison"
    names = [name for name in files(report) if "tfevents" not in name]
    assert names == sorted(
        [
            *("comparison.csv", "comparison.json", "comparison.md", "comparison.tex"),
            *("figures", "index.html", "sentences.tsv"),
            *(f"figures/{name}.{kind}" for name in PLOTS for kind in ("png", "svg")),
            *("figures/sentence-1.png", "figures/sentence-3.png"),
        ]
    )
    found = json.loads((report / "comparison.json").read_text())
    assert found["baseline"] == "attention=none"
    assert found["variants"][0]["these_two_runs"].keys() == {"bootstrap", "randomisation"}
    tests = found["variants"][0]["tests"]
    assert list(tests)[:5] == ["bleu", "chrf", "loss", "rep", "drop"]
    assert all("only one seed" in one["untested"] for one in tests.values())
    measures = found["variants"][0]["measures"]
    assert measures["attention_entropy"]["mean"] > 0
    assert "attention_entropy" not in found["variants"][1]["measures"], "none attends to nothing"
    with Image.open(report / "figures" / "entropy.png") as image:
        assert len(np.unique(np.asarray(image)[..., :3].reshape(-1, 3), axis=0)) > 20, "drawn"
    svg = (report / "figures" / "entropy.svg").read_text()
    assert "</svg>" in svg
    html = (report / "index.html").read_text()
    (alike,) = re.findall(r"grey is all pieces alike", html)
    assert alike
    assert "all pieces alike" in svg, "the entropy of equal weights is a line"
    variants = (two / "attention=bahdanau", two / "attention=none")
    texts = [(run / "hypotheses.txt").read_text().splitlines() for run in variants]
    images = len(PLOTS) + 2 + 2 * 1  # variants in the legend, sentences of the one that attends
    assert html.count("<img") == html.count('src="data:image') == images
    assert html.count("(attends to nothing)") == 2
    still = html.partition('<div class="still">')[2].partition('<section id="plots">')[0]
    for one in texts:
        assert still.count(f'<span dir="auto">{escape(one[0])}</span>') == 1, "once"
    assert html.index('id="sentences"') < html.index('id="plots"')


@needs_browser
@pytest.mark.usefixtures("compared")
def test_the_page_can_be_touched(two, tab):
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
    speed = [one for one in titles if "target pieces per second" in one]
    assert any(one.startswith("bahdanau") or f"{result['bleu']:.4g}" in one for one in speed)
    tab.point(".point")
    assert tab.run("document.querySelector('.point:hover') !== null"), "over its plot"


@needs_browser
@pytest.mark.usefixtures("compared")
def test_without_scripts_the_page_is_what_it_was(two, tab):
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(two / "comparison" / "index.html")

    assert tab.run("document.querySelectorAll('.plot img, .looks img').length") == len(PLOTS) + 2
    shown = (
        "[...document.querySelectorAll('.plot img, .looks img')].every((one) => one.width > 100)"
    )
    assert tab.run(shown)
    assert tab.run("document.querySelectorAll('table').length") > 3
    assert tab.run("document.querySelector('.attention')") is None


@needs_browser
@pytest.mark.usefixtures("compared")
def test_the_page_fits_a_phone_and_paper_has_all_of_it(two, tab):
    """And its text can be read there in light and in the dark."""
    tab.size(390)
    tab.open(two / "comparison" / "index.html")
    tab.until("Boolean(document.querySelector('.attention canvas'))")
    tab.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")

    assert tab.run("document.documentElement.scrollWidth") == 390, "nothing scrolls sideways"
    assert_readable(tab, dark=False)
    tab.dark()
    assert_readable(tab, dark=True)
    visible = "[...document.querySelectorAll('{}')].map((one) => one.offsetHeight > 0)"
    assert tab.run(visible.format(".attention")) == [True]
    assert tab.run(visible.format(".still")) == [False], "translations stand there once"
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert tab.run(visible.format(".attention")) == [False]
    assert tab.run(visible.format(".still")) == [True]


def assert_readable(tab: Page, dark: bool) -> None:
    """Text and what is behind it differ enough, and which of them is lighter is as asked."""
    for one in ("h1", ".about", "td", ".base td", ".note", "nav a"):
        text, behind = (
            luminance(tab.run(f"getComputedStyle(document.querySelector('{of}')).{what}"))
            for of, what in ((one, "color"), ("body", "backgroundColor"))
        )
        low, high = sorted((text, behind))
        assert (high + 0.05) / (low + 0.05) > 4.5, f"{one}: WCAG 2.1, AA"
        assert (behind < text) == dark


def luminance(color: str) -> float:
    """Relative luminance of a colour "rgb(r, g, b)", WCAG 2.1."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(share * one for share, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """Three attentions, each better than the one before, with three seeds."""
    folder = tmp_path_factory.mktemp("graded")
    for wrong, attention in ((0.4, NONE), (0.3, None), (0.1, DOT)):
        for seed in (1, 2, 3):
            config = configured(attention, seed=seed)
            write_scored(folder / f"{wrong}-{seed}", config, wrong)
    return folder


def test_the_headline_says_what_is_best_by_how_much_and_how_surely(graded):
    found = compare(find_runs([graded]), "none", [])
    delta = found.tests["bleu"].differences["attention=luong_dot"].delta
    p = p_value(found.tests["bleu"].corrected["attention=luong_dot"])
    p = f"p < {p[1:]}" if p.startswith("<") else f"p = {p}"
    assert headline(found) == f"luong_dot is best: +{delta:.2f} BLEU over none, {p}, 3 seeds"
    assert subtitle(found)[:2] == ["de→en", "files"]
    assert subtitle(found)[2:4] == ["40 test sentences", "9 runs"]

    found = compare(find_runs([graded]), "luong_dot", [])
    delta = -found.tests["bleu"].differences["attention=bahdanau"].delta
    assert headline(found).startswith(
        f"luong_dot, the baseline, is best: +{delta:.2f} BLEU over bahdanau, p "
    )


def test_a_headline_does_not_call_chance_the_best(tmp_path):
    for name, attention, bleu in (("a", NONE, 20.0), ("b", DOT, 21.5)):
        write_run(tmp_path / name, configured(attention), {**RESULT, "bleu": bleu})
    assert headline(compare(find_runs([tmp_path]), "none", [])) == (
        "luong_dot has the highest BLEU: +1.50 BLEU over none; one seed, so it may be chance"
    )
    for seed in (2, 3):
        for name, attention, wrong in (("a", NONE, 0.31), ("b", DOT, 0.3)):
            write_scored(tmp_path / f"{name}{seed}", configured(attention, seed=seed), wrong)
    for name in ("a", "b"):
        rmtree(tmp_path / name)
    assert re.fullmatch(
        r"\w+ has the highest BLEU: \+\d.\d\d BLEU over \w+, which may be chance "
        r"\(p = 0\.\d{3}, 2 seeds\)|\w+, the baseline, has .*",
        headline(compare(find_runs([tmp_path]), "none", [])),
    )


@pytest.mark.usefixtures("without_plots")
def test_rows_are_sorted_the_best_is_bold_and_the_baseline_tinted(graded):
    assert nmt("compare", graded, "baseline=none", "num_sentences=0").code == 0
    html = (graded / "comparison" / "index.html").read_text()
    table = html.partition("<table")[2].partition("</table>")[0]
    rows = re.findall(r"<tr( class=\"base\")?><td class=\"text\">(\w+)<.*?</tr>", table, re.S)
    assert rows == [("", "luong_dot"), ("", "bahdanau"), (' class="base"', "none")]
    (best,) = re.findall(r'class="number best">([^<]*)', table)
    found = compare(find_runs([graded]), "none", [])
    assert best == spread(found.rows[0].statistics["bleu"])
    assert f"| luong_dot | 1 2 3 | **{best}** |" in to_markdown(found, [])
    assert rf"\textbf{{{best.replace(' ± ', ' $' + chr(92) + 'pm$ ')}}}" in to_latex(found)
    others = next(grid for grid in grids(found) if grid.title == "Other scores of the test set")
    assert (0, others.header.index("loss")) in others.best, "the lowest"
    legend = html.partition("What is measured")[2]
    assert "<td>p Holm</td>" in legend
    assert "<td>AER</td>" not in legend, "no run has it"


def test_values_are_named_and_what_goes_with_a_part_is_not():
    feed = {"order": "luong", "order.input_feed": True}
    one = {"model": "rnn", "attention": "bahdanau", **feed, "optimizer.lr": 0.002}
    two = {**one, "order.input_feed": False}
    three = {"model": "transformer", "attention": "scaled_dot", "optimizer.lr": 0.004}
    naming = Naming([one, two, three])
    shorts = [naming.short(identity) for identity in (one, two, three)]
    assert shorts == [
        "rnn, bahdanau, input_feed=true",
        "rnn, bahdanau, input_feed=false",
        "transformer, scaled_dot",
    ]
    assert naming.implied == ["optimizer.lr"]
    assert shown_at(three, "order.input_feed") == "–"
    first, other = {"model.dropout": 0.1}, {"model.dropout": 0.2}
    assert Naming([first, other]).short(first) == "dropout=0.1"


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


@pytest.mark.usefixtures("compared")
def test_tensorboard_has_the_figures_and_the_columns_of_its_hparams(two):
    assert nmt("compare", two, *COMPARED).code == 0, "twice into one folder"

    events = EventAccumulator(str(two / "comparison")).Reload()
    images = events.Tags()["images"]
    looks = [f"where_they_looked/sentence-{number}" for number in (1, 3)]
    assert sorted(images) == [*(f"variants/{name}" for name in PLOTS), *looks]
    assert sorted(["train/loss", *images])[0] == "train/loss", "pictures come after the curves"
    assert all(len(events.Images(name)) == 1 for name in images)
    for folder in (two / "comparison", two):
        events = EventAccumulator(str(folder)).Reload()
        content = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
        experiment = HParamsPluginData.FromString(content).experiment
        columns = {info.name for info in experiment.hparam_infos}
        assert columns == {"model", "attention", "seed"}
        assert experiment.metric_infos[0].display_name == "BLEU"
        own = EventAccumulator(str(two / "attention=none")).Reload()
        logged = {info.name.tag for info in experiment.metric_infos} - {"final/entropy"}
        assert logged <= set(own.Tags()["scalars"])
