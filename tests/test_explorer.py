"""The explorer: its data, `nmt explore`, and the page as a reader uses it, in a browser."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import Page, needs_browser
from command import mistake, nmt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nmt as library
from nmt.api.attention import of_weights
from nmt.evaluation.explorer import as_page, evenly, fitting, of_rows
from nmt.report.explorer import document
from nmt.report.explorer.page import page
from nmt.report.heatmap import colored
from nmt.report.palette import CONTINUES, triples
from nmt.report.weights import Weights, load_weights
from nmt.report.words import MARK, in_words

ATTACK = "<script>document.title='taken'</script><img src=x onerror=alert(1)>\"'&</s><!--"
EXPLORER = "document.querySelector('.attention').explorer"
SIZES = {"cross": (2, 3), "encoder": (2, 3), "decoder": (1, 2)}


def shares(rng: np.random.Generator, *shape: int) -> np.ndarray:
    found = rng.random(shape) ** 4
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


def by_hand(line: int = 1, source: str = "▁die ▁Kat ze </s>", target: str = "▁the ▁cat s </s>"):
    """The weights of a sentence that no model has seen."""
    rng = np.random.default_rng(line)
    pieces = source.split(" "), target.split(" ")
    S, T = map(len, pieces)
    ends = {"cross": (T, S), "encoder": (S, S), "decoder": (T, T)}
    weights = {place: shares(rng, *SIZES[place], *ends[place]) for place in SIZES}
    log_p = -rng.random(T) * 5
    texts = ["".join(side[:-1]).replace("▁", " ").strip() for side in pieces]
    return Weights(line, *texts, *pieces, None, log_p, weights, "de", "en")


def shown_of(*sentences: dict) -> dict:
    """A document of one run and one text, seen once."""
    return document.run("run", {"text": [document.moment(0, sentences)]})


def opened(tab: Page, folder: Path, content: dict) -> Page:
    """A page with a document, ready."""
    path = folder / "explorer.html"
    path.write_text(page(content), encoding="utf-8")
    return ready(tab.open(path))


def ready(tab: Page) -> Page:
    tab.until("Boolean(document.querySelector('.attention')?.explorer)")
    tab.run(f"{EXPLORER}.ready.then(() => null)")
    return tab


def texts(tab: Page, selector: str) -> list[str]:
    query = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"
    return tab.run(query)


def value(tab: Page, panel: int = 0) -> str:
    return texts(tab, "output.value")[panel]


def choose(tab: Page, label: str, option: str, panel: str = "") -> None:
    """Choose an option by its text, in the select with this label."""
    tab.run(
        f"(() => {{ const label = [...document.querySelectorAll('{panel} label')]"
        f".find((one) => one.firstChild.textContent.trim() === {json.dumps(label)});"
        "const select = label.querySelector('select');"
        f"select.value = [...select.options].find((o) => o.textContent === {json.dumps(option)})"
        ".value; select.dispatchEvent(new Event('change')); })()"
    )
    ready(tab)


# ---- data ----------------------------------------------------------------------------------------


@given(arrays(np.float32, (2, 1, 3, 4), elements=st.floats(0, 1, width=32)))
def test_a_packed_weight_is_within_its_error(array):
    found = document.unpack(document.pack(array))

    assert np.abs(found - array).max() <= 0.004
    assert (np.abs(found - array) <= np.sqrt(array) / 255 + 0.3 / 255**2).all()


@given(arrays(np.float32, (1, 2, 3, 4), elements=st.floats(-3, 50, width=32)))
def test_other_values_are_packed_by_their_range(array):
    found = document.unpack(document.pack(array, is_share=False))

    low, high = min(0.0, array.min()), max(0.0, array.max()) or 1.0
    assert np.abs(found - array).max() <= (high - low) * 0.004 + 1e-6


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 200))
def test_as_many_sentences_as_fit(costs, limit):
    places = fitting(costs, limit, most=10)

    assert sum(costs[place] for place in places) <= limit
    assert len(places) <= 10
    assert len(set(places)) == len(places)
    if sum(costs) <= limit and len(costs) <= 10:
        assert places == list(range(len(costs)))
    assert places or all(cost > limit for cost in costs)


def test_moments_are_spread_with_both_ends():
    assert [evenly(5, n) for n in (5, 3, 2, 1)] == [[0, 1, 2, 3, 4], [0, 2, 4], [0, 4], [4]]
    assert evenly(0, 0) == []


def test_a_page_has_its_limit():
    rows = [by_hand(n, source="▁a " * n + "</s>") for n in range(1, 60)]
    whole, cut = of_rows("rows", rows), of_rows("rows", rows, limit=90_000)

    assert len(whole.run["texts"][0]["moments"][0]["sentences"]) == 59
    assert "of 59 sentences" in cut.notes[0]
    few = cut.run["texts"][0]["moments"][0]["sentences"]
    assert 5 < len(few) < 59
    assert len(json.dumps(few)) < 90_000
    assert len({one["number"] // 20 for one in few}) == 3, "short and long ones"


# ---- commands ------------------------------------------------------------------------------------


def data_of(path: Path) -> dict:
    """The document in a page."""
    found = re.search(r'id="explorer-data">(.*?)</script>', path.read_text(encoding="utf-8"))
    assert found
    return json.loads(found[1])


def test_a_training_leaves_a_page_with_its_evaluations(trained):
    (run,) = data_of(trained / "explorer.html")["runs"]

    assert [text["name"] for text in run["texts"]] == ["test", "dev"]
    test, dev = run["texts"]
    assert [moment["step"] for moment in dev["moments"]] == [2, 4]
    assert [len(moment["sentences"]) for moment in dev["moments"]] == [1, 1]
    hypotheses = (trained / "hypotheses.txt").read_text().splitlines()
    shown = {one["number"]: one["target"] for one in test["moments"][0]["sentences"]}
    assert shown == {n + 1: text for n, text in enumerate(hypotheses)}


def test_explore_writes_the_page_of_chosen_sentences_and_of_two_runs(trained, tmp_path):
    one, two = tmp_path / "a=1,b", tmp_path / "b"
    for copy in (one, two):
        shutil.copytree(trained, copy)
    (one / "explorer.html").unlink()

    answer = nmt("explore", one, "sentences=2,3", "of=norms", "device=cpu")

    assert answer.code == 0, answer.err
    assert "nmt align run=" in answer.err
    (run,) = data_of(one / "explorer.html")["runs"]
    assert [s["number"] for s in run["texts"][0]["moments"][0]["sentences"]] == [2, 3]
    values = run["texts"][0]["moments"][0]["sentences"][0]["places"]["cross"]["values"]
    assert list(values) == ["weights", "norms"]
    assert nmt("explore", one, f"run={two}", "device=cpu").code == 0
    both = data_of(tmp_path / "explorer.html")
    assert [run["name"] for run in both["runs"]] == ["a=1,b", "b"]


def test_explore_shows_a_file_of_weights(trained, tmp_path):
    given = tmp_path / "in.de"
    given.write_text("eins zwei\nvier\n")
    weights = tmp_path / "w.arrow"
    words = f"run={trained}", f"input={given}", f"output={tmp_path}/out", f"weights={weights}"
    assert nmt("translate", *words, "device=cpu", "precision=fp32").code == 0

    assert nmt("explore", weights).code == 0

    (run,) = data_of(tmp_path / "w.html")["runs"]
    (moment,) = run["texts"][0]["moments"]
    for shown, row in zip(moment["sentences"], load_weights(weights), strict=True):
        found = document.unpack(shown["places"]["cross"]["values"]["weights"])
        assert np.abs(found - row.weights["cross"]).max() < 0.004
        assert shown["axes"]["source"]["pieces"] == row.source_pieces


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["which run", "nmt explore RUN"]),
        (["nowhere"], ["nowhere", "no such run folder"]),
        (["{folder}"], ["is not a run folder", "nmt train"]),
        (["{folder}/text.txt"], ["text.txt", "weights=FILE.arrow"]),
        (["{run}", "sentences=99"], ["sentences=[99]", "1 to 6"]),
        (["{run}", "output={run}/result.json"], ["result.json"]),
        (["{run}", "otput=x"], ["otput", "output"]),
        (["{run}", "of=weihgts"], ["of=weihgts", "norms"]),
    ],
)
def test_mistakes_of_explore_are_told(words, told, trained, tmp_path):
    (tmp_path / "text.txt").write_text("no weights")
    before = (trained / "explorer.html").read_bytes()

    message = mistake(nmt("explore", *(w.format(run=trained, folder=tmp_path) for w in words)))

    assert all(part in message for part in told), message
    assert (trained / "explorer.html").read_bytes() == before


def test_a_run_that_looks_nowhere_is_told(tiny, tmp_path):
    run = tmp_path / "run"
    words = "attention=none", "train.max_steps=1", f"hydra.run.dir={run}"
    assert nmt("train", *tiny, *words).code == 0

    assert not (run / "explorer.html").exists()
    assert "attention=none" in mistake(nmt("explore", run))


# ---- the page in a browser -----------------------------------------------------------------------


@needs_browser
def test_pointing_marks_the_same_everywhere_and_says_the_weight(tab, tmp_path):
    row = by_hand()
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})
    mean = row.weights["cross"].mean((0, 1))

    tab.point("ol.query li", number=1)
    best = int(mean[1].argmax())
    key = row.source_pieces[best].lstrip(MARK)
    assert value(tab).startswith(f"cat → {key} {mean[1, best]:.2f}")
    assert texts(tab, "li.marked") == ["cat"]
    assert texts(tab, ".labels .marked") == ["cat"]
    lines = tab.run("[...document.querySelectorAll('line.marked')].map((one) => one.dataset.query)")
    assert set(lines) == {"1"}

    x, y = tab.run(
        "(() => { const box = document.querySelector('canvas.cells').getBoundingClientRect();"
        "return [box.x + 2.5 * 18, box.y + 0.5 * 18]; })()"
    )
    tab.point_at(x, y)
    assert value(tab).startswith(f"the → ze {mean[0, 2]:.2f} ·")
    assert texts(tab, "li.marked") == ["ze", "the"]
    assert f"ln P {row.log_p[0]:.2f}" in value(tab)
    entropy = float(-(mean[0] * np.log(mean[0])).sum())
    assert abs(float(re.search(r"H ([\d.]+)", value(tab))[1]) - entropy) < 0.02
    assert abs(float(re.search(r"sink ([\d.]+)", value(tab))[1]) - mean[0, 3]) < 0.01


@needs_browser
def test_labels_and_colours_are_those_of_the_pictures(tab, tmp_path):
    row = by_hand()
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})

    assert texts(tab, ".key.labels span") == ["die", "Kat", "ze", "</s>"]
    assert texts(tab, ".key.labels .continues") == ["ze"]
    grey = "getComputedStyle(document.querySelector('li.continues')).color"
    assert tab.run(grey) == f"rgb({triples((CONTINUES,)).replace(',', ', ')})"
    mean = document.unpack(document.pack(row.weights["cross"])).mean((0, 1))
    assert_coloured_like_pictures(tab, mean)


@needs_browser
def test_weights_below_0_have_the_colours_of_the_pictures(tab, tmp_path):
    row = by_hand()
    row.weights["cross"][..., 0] *= -1
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})

    mean = document.unpack(document.pack(row.weights["cross"])).mean((0, 1))
    assert mean.min() < -0.1
    assert_coloured_like_pictures(tab, mean)


def assert_coloured_like_pictures(tab: Page, mean: np.ndarray) -> None:
    """Compare the pixels of the matrix with the colours that heatmaps have, on both scales."""
    for scale in ("linear", "sqrt"):
        pixels = "Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
        shown = tab.run(
            f"(() => {{ const c = document.querySelector('.cells'); return {pixels} }})()"
        )
        colours = colored(scale, signed=bool((mean < 0).any()))
        wanted = colours["cmap"](colours["norm"](mean)) * 255
        assert np.abs(np.array(shown).reshape(wanted.shape) - wanted).max() < 3, scale
        tab.run("document.querySelector('.attention').focus()")
        tab.press("r")
        ready(tab)


@needs_browser
def test_an_attention_is_the_page_in_a_notebook(tab, tmp_path):
    """In the frame that a notebook shows, which is a page inside another one."""
    row = by_hand()
    frame = of_weights(row).of("encoder")._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<!doctype html><p>above</p>{frame}")
    tab.open(tmp_path / "notebook.html")
    inside = "document.querySelector('iframe').contentDocument"
    tab.until(f"Boolean({inside}.querySelector('.attention canvas'))")

    shown = f"{inside}.querySelector('.attention').explorer.panels[0].view.maps.values"
    assert (
        np.abs(np.array(tab.run(f"Array.from({shown})")) - row.weights["encoder"].ravel()).max()
        < 0.004
    )


@needs_browser
def test_another_measure_is_shown_beside_the_weights(tab, tmp_path):
    row = by_hand()
    norms = row._replace(weights={"cross": 7 * row.weights["cross"]}, of="norms")
    record = document.add_values(document.sentence(row), norms)
    opened(tab, tmp_path, {"runs": [shown_of(record)]})
    choose(tab, "values", "norms")

    shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[0].view.maps.values)"))
    assert (
        np.abs(shown - norms.weights["cross"].ravel()).max() < 0.004 * norms.weights["cross"].max()
    )
    tab.point("ol.query li", number=0)
    mean = row.weights["cross"].mean((0, 1))[0]
    entropy = float(-(mean * np.log(mean)).sum())
    assert abs(float(re.search(r"H ([\d.]+)", value(tab))[1]) - entropy) < 0.03, "of its shares"


@needs_browser
def test_a_line_marks_its_two_pieces(tab, tmp_path):
    row = by_hand()
    row.weights["cross"][:] = np.eye(4)
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})
    assert tab.run("document.querySelectorAll('line').length") == 4

    x, y = tab.run(
        "(() => { const box = document.querySelector('svg').getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + 1.5 * 18]; })()"
    )
    tab.point_at(x, y)

    assert value(tab).startswith("cat → Kat 1.00")
    assert texts(tab, "li.marked") == ["Kat", "cat"]


@needs_browser
def test_every_layer_head_and_place_has_the_weights_of_the_file(tab, tmp_path):
    row = by_hand()
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})
    names = {"cross": "target → source", "encoder": "source → source", "decoder": "target → target"}
    for place, array in row.weights.items():
        choose(tab, "kind", names[place])
        shown = tab.run(f"Array.from({EXPLORER}.panels[0].view.maps.values)")
        assert np.abs(np.array(shown).reshape(array.shape) - array).max() < 0.004
        choose(tab, "head", "2", ".panel")
        shown = tab.run(f"Array.from({EXPLORER}.panels[0].weights)")
        assert np.abs(np.array(shown) - array[:, 1].mean(0).ravel()).max() < 0.004
        choose(tab, "head", "mean", ".panel")
    assert texts(tab, "ol.query li")[0] == "<s>"


@needs_browser
def test_thumbnails_choose_layer_and_head(tab, tmp_path):
    row = by_hand()
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})
    x, y = tab.run(
        "(() => { const box = document.querySelector('.thumbs canvas').getBoundingClientRect();"
        "return [box.x + 2.5 * 48, box.y + 1.5 * 48]; })()"
    )
    tab.point_at(x, y, "click")

    assert tab.run(f"[{EXPLORER}.panels[0].layer, {EXPLORER}.panels[0].head]") == [1, 2]
    shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[0].weights)"))
    assert np.abs(shown - row.weights["cross"][1, 2].ravel()).max() < 0.004


@needs_browser
def test_words_are_those_of_the_library(tab, tmp_path):
    row = by_hand()
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})
    tab.run("document.querySelector('.attention').focus()")
    tab.press("w")
    ready(tab)
    merged = in_words(row)

    assert texts(tab, "ol.key li") == merged.source_pieces
    assert texts(tab, "ol.query li") == merged.target_pieces
    shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[0].weights)"))
    assert np.abs(shown - merged.weights["cross"].mean((0, 1)).ravel()).max() < 0.01
    first = texts(tab, ".numbers span")[: 3 * len(merged.target_pieces) : 3]
    assert np.abs(np.array(first, float) - merged.log_p).max() < 0.01


@needs_browser
def test_text_is_data_in_the_page(tab, tmp_path):
    pieces = f"{ATTACK} </s>".split(" ")
    row = by_hand()._replace(source=ATTACK, target=ATTACK)
    row = row._replace(
        source_pieces=[ATTACK, *pieces][:4], target_pieces=["</s>", ATTACK, "a", "b"]
    )
    run = shown_of(document.sentence(row, reference=ATTACK)) | {"name": ATTACK}
    opened(tab, tmp_path, {"runs": [run, run], "notes": [ATTACK]})

    assert texts(tab, "ol.query li")[:2] == ["</s>", ATTACK]
    assert texts(tab, ".texts dd") == [ATTACK] * 3
    tab.point("ol.query li", number=1)
    assert value(tab).startswith(ATTACK)
    assert tab.run("document.title") == "Attention"
    assert tab.run("document.images.length") == 0
    assert tab.run("document.scripts.length") == 2


@needs_browser
def test_the_slider_shows_each_moment_and_plays(tab, tmp_path):
    moments = [document.moment(10 * n, [document.sentence(by_hand(n))]) for n in range(1, 5)]
    for one in moments:
        one["sentences"][0]["number"] = 1
    opened(tab, tmp_path, {"runs": [document.run("run", {"dev": moments})]})

    assert texts(tab, "output.step") == ["step 40"]
    for step in (0, 2):
        tab.run(
            f"(() => {{ const one = document.querySelector('.steps input'); one.value = {step};"
            "one.dispatchEvent(new Event('input')); })()"
        )
        ready(tab)
        assert texts(tab, "output.step") == [f"step {10 * (step + 1)}"]
        shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[0].view.maps.values)"))
        want = by_hand(step + 1).weights["cross"].ravel()
        assert np.abs(shown - want).max() < 0.004
    tab.point(".steps button", "click")
    tab.until("document.querySelector('output.step').textContent === 'step 10'")
    tab.point(".steps button", "click")
    assert texts(tab, ".steps button") == ["play"]


@needs_browser
def test_two_runs_are_beside_each_other_on_one_sentence(tab, tmp_path):
    other = by_hand(7)._replace(line=1)
    runs = [
        document.run(name, {"test": [document.moment(step, [document.sentence(row)])]})
        for name, step, row in (("a", 3, by_hand(1)), ("b", 9, other))
    ]
    opened(tab, tmp_path, {"runs": runs})
    choose(tab, "beside", "b")
    tab.point("ol.query li", number=2)

    assert len(texts(tab, "li.marked")) == 2, "once in each run"
    assert value(tab, 0) != value(tab, 1)
    mean = other.weights["cross"].mean((0, 1))[2]
    key = other.source_pieces[int(mean.argmax())].lstrip(MARK)
    assert f"{key} {mean.max():.2f}" in value(tab, 1)
    assert texts(tab, ".attention > .texts dt") == ["source"], "once for both"
    assert texts(tab, ".panel .texts dt") == ["target", "target"]


@needs_browser
def test_models_of_different_kinds_are_side_by_side(tab, tmp_path):
    """One has self-attention and three heads, the other neither."""
    plain = by_hand()._replace(weights={"cross": by_hand().weights["cross"][:1, :1]})
    runs = [
        document.run(name, {"test": [document.moment(0, [document.sentence(row)])]})
        for name, row in (("rnn", plain), ("transformer", by_hand()))
    ]
    opened(tab, tmp_path, {"runs": runs, "panels": 2})
    assert len(texts(tab, "canvas.cells")) == 2
    choose(tab, "kind", "source → source")

    assert len(texts(tab, "canvas.cells")) == 2, "the RNN's is out of sight"
    hidden = "[...document.querySelectorAll('.panel')].map((one) => one.lastChild.hidden)"
    assert tab.run(hidden) == [True, False]


@needs_browser
def test_a_search_finds_sentences(tab, tmp_path):
    rows = [
        by_hand(n)._replace(source=f"Satz {n}", target="Baum" if n == 7 else "")
        for n in range(1, 13)
    ]
    orders = {"backwards": list(range(12, 0, -1)), "some": [5, 3]}
    opened(tab, tmp_path, {"runs": [shown_of(*map(document.sentence, rows))], "orders": orders})
    number = f"{EXPLORER}.chosen.number"
    assert tab.run(number) == 12
    choose(tab, "sorted by", "some")
    assert tab.run(number) == 5
    tab.run(
        "(() => { const one = document.querySelector('input[type=search]'); one.value = 'baum';"
        "one.dispatchEvent(new Event('input')); })()"
    )
    tab.until(f"{number} === 7")


@needs_browser
def test_gold_links_are_boxes_and_choose_the_head_that_aligns_best(tab, tmp_path):
    row = by_hand()
    row.weights["cross"][1, 2] = np.eye(4)
    gold = {"pieces": [[0, 0, True], [1, 1, True], [2, 2, False]], "words": [[0, 0, True]]}
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row, gold=gold))]})

    assert tab.run("document.querySelectorAll('.gold').length") == 3
    assert tab.run("document.querySelectorAll('.gold.sure').length") == 2
    tab.point(".panel button", "click")
    assert tab.run(f"[{EXPLORER}.panels[0].layer, {EXPLORER}.panels[0].head]") == [1, 2]


@needs_browser
def test_the_keyboard_reaches_everything(tab, tmp_path):
    rows = [by_hand(1), by_hand(2)]
    opened(tab, tmp_path, {"runs": [shown_of(*map(document.sentence, rows))]})
    tab.run("document.querySelector('.attention').focus()")

    def press(*keys: str) -> None:
        for key in keys:
            tab.press(key)
            ready(tab)

    press("ArrowDown", "ArrowDown", "ArrowRight")
    assert texts(tab, "li.marked") == ["die", "cat"]
    press("Escape")
    assert texts(tab, "li.marked") == []
    press("l", "h", "h")
    assert tab.run(f"[{EXPLORER}.panels[0].layer, {EXPLORER}.panels[0].head]") == [0, 1]
    press("m", "n", "k")
    assert tab.run(f"[{EXPLORER}.panels[0].layer, {EXPLORER}.panels[0].head]") == [None, None]
    assert tab.run(f"[{EXPLORER}.chosen.number, {EXPLORER}.chosen.place]") == [2, "encoder"]


@needs_browser
def test_a_phone_has_no_page_wider_than_itself_and_all_scripts_are_shown(tab, tmp_path):
    arabic, japanese = "▁القط ▁على ▁الحصيرة </s>", "▁猫 が マット </s>"
    row = by_hand(1, arabic, japanese)._replace(source_language="ar", target_language="ja")
    tab.size(390)
    opened(tab, tmp_path, {"runs": [shown_of(document.sentence(row))]})

    assert tab.run("document.documentElement.scrollWidth") <= 390
    direction = "getComputedStyle(document.querySelectorAll('.texts dd')[{}]).direction"
    assert [tab.run(direction.format(n)) for n in (0, 1)] == ["rtl", "ltr"]
    tab.press("w")
    assert texts(tab, "ol.query li") == ["猫", "が", "マット", "</s>"], "no spaces, no words"


@needs_browser
def test_the_page_of_a_run_agrees_with_its_weights_file(tab, trained, tmp_path):
    source = (trained / "sources.txt").read_text().splitlines()[0]
    target = (trained / "hypotheses.txt").read_text().splitlines()[0]
    model = library.load(trained, device="cpu", precision="fp32")
    want = model.attention(source, target).weights
    assert (
        nmt("explore", trained, "device=cpu", "precision=fp32", f"output={tmp_path}/x.html").code
        == 0
    )
    ready(tab.open(tmp_path / "x.html"))

    shown = np.array(tab.run(f"Array.from({EXPLORER}.panels[0].view.maps.values)"))
    assert np.abs(shown - want.ravel()).max() < 0.004


def test_without_a_browser_the_page_says_what_it_needs():
    text = as_page([of_rows("rows", [by_hand()])])
    assert "<noscript>" in text
    both = as_page([of_rows(name, [by_hand()]) for name in ("one", "other")])
    panels = [re.findall('"panels":(.)', page) for page in (text, both)]
    assert panels == [[], ["2"]], "side by side"
    assert re.findall('https?:[^"]*', text) == ["http://www.w3.org/2000/svg"]
