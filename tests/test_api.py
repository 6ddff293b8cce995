"""`import nmt`: what Python programs use."""

import doctest
import html
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from command import nmt as command
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from matplotlib.figure import Figure
from matplotlib.text import Text
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from small_translator import translator_of
from toy_text import text

import nmt
from nmt.api import training
from nmt.api.attention import Attention, of_weights
from nmt.api.model import Model
from nmt.data.tokenizer import TokenizerConfig, train_tokenizer
from nmt.decoding.decode import Decode
from nmt.evaluation.score import score_ids
from nmt.hardware import process
from nmt.report.weights import Weights, writing

LINES = ["eins zwei drei", "vier", "sieben sieben eins"]


@pytest.fixture(scope="module")
def model(trained) -> nmt.Model:
    return nmt.load(trained, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def transformer() -> nmt.Model:
    """A Transformer that has learned nothing: two layers, several heads, three places."""
    tokenizer = train_tokenizer(text(200), TokenizerConfig(size=400))
    return Model(Path("nowhere"), translator_of(tokenizer), Decode())


def state() -> dict[str, object]:
    """What belongs to the whole process."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    root = logging.getLogger()
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "words": list(sys.argv),
        "random": (random.getstate(), torch.get_rng_state().tolist()),
        "numpy": np.random.get_state()[1].tolist(),
        "products": torch.backends.mkldnn.matmul.fp32_precision,
        "attention": (cuda.flash_sdp_enabled(), cuda.cudnn_sdp_enabled()),
        "tf32": (cuda.matmul.allow_tf32, cudnn.allow_tf32),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), cudnn.deterministic),
        "threads": torch.get_num_threads(),
        "singletons": {kind: id(one) for kind, one in Singleton._instances.items()},
        "resolvers": dict(BaseContainer._resolvers),
        "loggers": (root.level, list(root.handlers), list(logging.lastResort.filters)),
        "signals": [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)],
    }


def test_the_package_is_imported_at_once():
    told = (
        "import sys, nmt; assert 'torch' not in sys.modules; assert nmt.__version__; nmt.UserError"
    )
    answer = subprocess.run([sys.executable, "-c", told], capture_output=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")


def test_public_names_are_there_and_say_what_they_are():
    for name in nmt.__all__:
        found = getattr(nmt, name)
        assert found.__doc__ or name == "__version__", name
    assert set(nmt.__all__) <= set(dir(nmt))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        nmt.trian  # noqa: B018


@pytest.mark.parametrize("name", sorted(nmt.PLACES))
def test_examples_of_docstrings(name, model, tmp_path):
    found = doctest.testmod(
        import_module(name),
        extraglobs={"nmt": nmt, "model": model, "folder": tmp_path},
        optionflags=doctest.ELLIPSIS,
    )
    assert not found.failed


def test_a_training_is_that_of_the_command(tiny, trained, tmp_path, capsys, monkeypatch):
    def refuse() -> None:
        raise AssertionError("the heap belongs to the program that calls us")

    monkeypatch.setattr(process, "keep_heap", refuse)
    monkeypatch.chdir(tmp_path)
    before = state()
    run = nmt.train(*tiny, "train.heatmaps=1", f"hydra.run.dir={tmp_path}/run", quiet=True)
    assert state() == before
    assert capsys.readouterr() == ("", "")
    assert run.path == tmp_path / "run"
    for name in ("model.safetensors", "hypotheses.txt", "config.yaml"):
        assert (run.path / name).read_bytes() == (trained / name).read_bytes()
    assert run.result["steps"] == run.metrics[-1]["step"] == 4
    assert run.config["model"]["decoder_width"] == 16
    assert nmt.train(f"resume={run}", quiet=True) == run, "which has ended"

    second = nmt.train(*tiny, "train.max_steps=1", "attention=none", "seed=2")
    assert "step 1" in capsys.readouterr().err
    assert second.path.parent.name == "files-rnn_small-none"
    assert [one.name for one in nmt.load_all(tmp_path)] == ["run", second.path.name]
    assert second.load().translate("eins") is not None
    again = nmt.train(f"from={second}", "seed=3", quiet=True)
    assert again.config["seed"] == 3


def test_one_call_does_not_disturb_the_program(model, trained, monkeypatch):
    """Not even one that uses Hydra, with a resolver of the same name."""
    monkeypatch.setattr(BaseContainer, "_resolvers", dict(BaseContainer._resolvers))
    GlobalHydra.instance().clear()
    OmegaConf.register_new_resolver("swept", lambda: "theirs", replace=True)
    with hydra.initialize(version_base="1.3"):
        before = state()
        loaded = nmt.load(trained)
        loaded.translate(LINES)
        loaded.score(LINES, LINES)
        loaded.attention(LINES)
        nmt.compare(trained).html()
        assert state() == before
        assert OmegaConf.create({"a": "${swept:}"}).a == "theirs"


def test_it_works_in_threads(model):
    found: list[list[str]] = []
    work = [threading.Thread(target=lambda: found.append(model.translate(LINES))) for _ in "ab"]
    for one in work:
        one.start()
    for one in work:
        one.join()
    assert found == [model.translate(LINES)] * 2


def test_translations_are_those_of_the_command(model, trained):
    words = f"run={trained}", "device=cpu", "precision=fp32", "n_best=2"
    stdin = "".join(f"{line}\n" for line in LINES).encode()
    told = command("translate", *words, "decode.beam=3", stdin=stdin).out
    found = model(LINES, beam=3, n_best=2)
    rows = [
        f"{number}\t{rank}\t{each.score:.4f}\t{each.text}\n"
        for number, one in enumerate(found, start=1)
        for rank, each in enumerate([one, *one.alternatives], start=1)
    ]
    assert "".join(rows) == told
    assert [str(one) for one in found] == model.translate(tuple(LINES), beam=3)
    assert model.translate(LINES[0], beam=3) == found[0].text
    assert model([]) == []
    assert found[0].source == LINES[0]
    assert model("").text == ""


def test_a_score_is_that_of_the_search(model):
    made = model(LINES[0], beam=1, length_penalty=0)
    source = model.translator.source_tokenizer.encode([made.source])
    (forced,) = score_ids(model.translator, source, [made._ids])  # its text may be cut otherwise
    assert forced.sum() == pytest.approx(made.score, rel=1e-5)
    found = model.score(made.source, made.text)
    cut = model.translator.target_tokenizer.encode([made.text])
    (of_text,) = score_ids(model.translator, source, cut)
    assert found.log_p == pytest.approx(of_text.sum())
    (one,) = model.score([made.source], [made.text])
    assert np.array_equal(one.log_ps, found.log_ps)


# attention


@pytest.fixture(scope="module")
def attention(transformer) -> Attention:
    return transformer.attention("kato mine shuto", "mi kato")


def test_attention_has_all_places_with_labels(attention):
    assert sorted(attention.places) == ["cross", "decoder", "encoder"]
    for place in attention.places:
        one = attention.of(place)
        layers, heads, queries, keys = one.weights.shape
        assert (queries, keys) == (len(one.queries), len(one.keys))
        np.testing.assert_allclose(one.weights.sum(-1), 1, atol=1e-5)
        assert one.entropy().shape == (layers, heads, queries)
        assert (one.entropy() <= np.log(keys) + 1e-5).all()
    assert attention.of("decoder").keys[0] == "<s>"


def test_layers_and_heads_are_chosen(attention):
    one = attention[-1, 0]
    np.testing.assert_array_equal(one.weights, attention.weights[-1:, :1])
    np.testing.assert_array_equal(attention[0].weights, attention.weights[:1])
    np.testing.assert_array_equal(attention[:, 1:].weights, attention.weights[:, 1:])
    assert attention[9:].weights.shape[0] == 0
    np.testing.assert_allclose(
        attention.mean().weights[0, 0], attention.weights.mean((0, 1)), rtol=1e-6
    )


def test_what_was_chosen_keeps_its_name_in_pictures(attention):
    chosen = attention[1:, 1:][:, :1]
    said = {one.get_text() for one in chosen.plot().findobj(Text)}
    assert {"layer 2", "head 2"} <= said
    assert not {"layer 1", "head 1"} & said
    page = chosen.html()
    names = [re.findall(rf'"{axis}":(\[[^]]*\])', page) for axis in ("rows", "heads")]
    assert [json.loads(found[0])[0] for found in names] == ["layer 2", "head 2"]


def test_words_have_the_weights_of_their_pieces(attention):
    merged = attention.words()
    assert [one for one in merged.source if one != "</s>"] == ["kato", "mine", "shuto"]
    assert [one for one in merged.target if one != "</s>"] == ["mi", "kato"]
    for place in merged.places:
        assert merged.of(place).weights.shape[2:] == (
            len(merged.of(place).queries),
            len(merged.of(place).keys),
        )
        np.testing.assert_allclose(merged.of(place).weights.sum(-1), 1, atol=1e-5)
    assert merged.sentence.log_p.sum() == pytest.approx(attention.sentence.log_p.sum())


def by_hand(matrix: list[list[float]], source: list[str], target: list[str]) -> Attention:
    weights = {"cross": np.array(matrix, np.float32)[None, None]}
    return of_weights(Weights(1, "", "", source, target, None, np.zeros(len(target)), weights))


def test_links_are_the_largest_weights():
    found = by_hand(
        [[0.1, 0.9, 0.0], [0.4, 0.3, 0.3], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        ["a", "b", "</s>"],
        ["x", "y", "z", "</s>"],
    )
    assert found.links() == [(1, 0), (0, 1)]
    assert found.links(threshold=0.3) == [(1, 0), (0, 1), (1, 1)]


def test_text_is_data():
    """Labels of a corpus are shown as they are: in a terminal, in a page, in a frame of a page."""
    labels = ["<script>alert(1)</script>", "\x1b[2J", '"&</s>']
    found = by_hand([[1.0, 0.5, 0.0]], labels, ["</s>"])
    page = found.html()
    assert page.count("<script") == page.count("</script>") == 2, "the data and the program"
    assert "&lt;script&gt;" in page.partition("<noscript>")[2].partition("</noscript>")[0]
    frame = found._repr_html_()
    assert frame.count("<") == 2, "the frame and its end"
    assert html.unescape(frame.partition('srcdoc="')[2].partition('" style')[0]) == page
    assert "\x1b" not in str(found)
    assert str(found).splitlines()[-1] == "</s> ██▒▒"


def test_text_tells_what_begins_a_word_from_what_continues_it():
    """As in the pictures: without ▁, and what is grey there has a mark here, or is grey, too."""
    pieces = ["▁sit", "ting", "▁", "7", "</s>"]
    found = by_hand(np.eye(5).tolist(), pieces, pieces)
    rows = [line.split()[0] for line in str(found).splitlines()[-5:]]
    assert rows == ["sit", "##ting", "␣", "7", "</s>"]
    above = list(zip(*(line.ljust(17) for line in str(found).splitlines()[:-5]), strict=True))
    assert ["".join(one).strip() for one in above[7::2]] == rows
    written = found.html().partition("<noscript>")[2].partition("</noscript>")[0]
    assert re.findall(r"<th class=continues>(.*?)</th>", written) == ["ting", "␣"]
    assert "▁" not in str(found) + written
    assert [line.split()[0] for line in str(found.words()).splitlines()[-3:]] == [
        "sitting",
        "7",
        "</s>",
    ]


def test_pictures(attention):
    assert isinstance(attention.plot(), Figure)
    axes = Figure().add_subplot()
    assert attention.plot(axes) is axes
    labels = [one.get_text() for one in axes.get_yticklabels()]
    assert labels == [piece.removeprefix("▁") for piece in attention.target]


def test_files(attention, tmp_path):
    path = attention.save(tmp_path / "one.npz")
    found = nmt.load_attention(path)
    assert isinstance(found, Attention)
    assert found.target == attention.target
    for place in attention.places:
        np.testing.assert_allclose(found.of(place).weights, attention.of(place).weights, atol=1e-3)
    assert found.words().source == attention.words().source

    with writing(tmp_path / "some.arrow") as write:
        write([attention.sentence, attention.sentence])
    several = nmt.load_attention(tmp_path / "some.arrow")
    assert len(several) == 2
    assert [one.source for one in several[:]] == [attention.source] * 2
    assert several[-1].weights.shape == attention.weights.shape


def test_the_attention_of_a_translation_is_over_the_source_that_was_read(model):
    whole, cut = (model("eins zwei drei", max_source=most) for most in (100, 2))
    assert cut.attention.source == [*whole.attention.source[:2], "</s>"]


# comparing


@pytest.mark.usefixtures("without_plots")
def test_a_comparison_is_that_of_the_command(tiny, trained, tmp_path):
    other = nmt.train(*tiny, "attention=none", f"hydra.run.dir={tmp_path}/none", quiet=True)
    found = nmt.compare([trained, other], baseline="none")
    out = tmp_path / "report"
    words = trained, other, "baseline=none", "num_sentences=0", f"output={out}"
    assert command("compare", *words).code == 0
    assert found.csv() == (out / "comparison.csv").read_text()
    assert found.baseline.endswith("attention=none")
    assert [row["measures"]["bleu"]["number"] for row in found.rows] == [1, 1]
    assert found.markdown().startswith("# Comparison")
    assert found.write(tmp_path / "ours").is_file()
    with pytest.raises(nmt.UserError, match="is a run folder, whose files would be lost"):
        found.write(trained)
    assert found.p_values["bleu"] == {}, "of one seed there is none"


# mistakes


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda m: nmt.train("attention=bahdanu", quiet=True), "Did you mean bahdanau"),
        (lambda m: nmt.train("train.max_stepz=3", quiet=True), "Did you mean train.max_steps"),
        (lambda m: nmt.train("-m"), "call nmt.train once per run"),
        (lambda m: nmt.train(3), "one argument of the command"),
        (lambda m: nmt.load("nowhere"), "there is no such folder"),
        (lambda m: nmt.load_all("nowhere"), "nowhere has no runs. nmt.train(…) makes one"),
        (lambda m: nmt.Run("nowhere"), "not a run folder"),
        (lambda m: nmt.compare("nowhere"), "there is no such folder"),
        (lambda m: m.translate(3), "text 1 is a int"),
        (lambda m: m.translate(["a", None]), "text 2 is a NoneType"),
        (lambda m: m.translate("a", beem=3), "Did you mean beam"),
        (lambda m: m.translate("a", beam=0), "decode.beam=0: must be at least 1"),
        (lambda m: m.score("a", ["b"]), "two strings, or two lists"),
        (lambda m: m.score(["a"], ["b", "c"]), "source has 1 strings, but target has 2"),
        (lambda m: m.score("eins " * 2000, "one"), "at most 1,024"),
        (lambda m: m.attention("eins")[7], "layer 7: there are 1"),
        (lambda m: m.attention("eins")[0, 5], "head 5: there are 1"),
        (lambda m: m.attention("eins")[0, 0, 0], "use a layer, or a layer and a head"),
        (lambda m: m.attention("eins").of("encoder"), "this model attends in cross"),
        (lambda m: m.attention("eins").of("no"), "this model attends in cross"),
        (lambda m: nmt.load_attention("nowhere.npz"), "nowhere.npz"),
        (lambda m: nmt.load_attention(__file__), "test_api.py"),
    ],
)
def test_mistakes_are_told_in_words(mistake, told, model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nmt.UserError) as error:
        mistake(model)
    assert told in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_without_attention_has_none(tiny, tmp_path):
    run = nmt.train(
        *tiny, "attention=none", "train.max_steps=1", f"hydra.run.dir={tmp_path}/run", quiet=True
    )
    with pytest.raises(nmt.UserError, match="attention=none"):
        run.load().attention("eins")


def test_what_ends_a_command_interrupts_a_program(tiny, monkeypatch):
    monkeypatch.setattr(training, "new_run", lambda words: sys.exit(130))
    with pytest.raises(KeyboardInterrupt):
        nmt.train(*tiny, quiet=True)


def test_the_examples_of_the_page_run(trained, tmp_path, monkeypatch):
    """Every block of docs/python.md but those that train, or export, for which others are."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "runs" / "run")
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for block in blocks:
        if "nmt.train" not in block and ".export(" not in block:
            exec(block, names)
    assert isinstance(names["attention"], Attention)
    assert isinstance(names["reader"], torch.nn.Module)


def test_norms_and_gradients_are_drawn_and_linked_as_shares(transformer):
    weights = transformer.attention("kato mine shuto", "mi kato")
    for of in ("norms", "gradients"):
        found = transformer.attention("kato mine shuto", "mi kato", of=of)

        assert found.sentence.of == of
        assert found.weights.shape[2:] == weights.weights.shape[2:]
        assert not np.allclose(found.weights.sum(-1), 1)
        assert (found.entropy() >= 0).all()
        np.testing.assert_array_less(found.entropy(), np.log(len(found.source)) + 1e-6)
        every = [(s, t) for t in range(len(found.target) - 1) for s in range(len(found.source) - 1)]
        assert found.links(threshold=1e-9) == every
        assert len(found.links(threshold=0.5)) <= len(found.target) - 1, "rows are shares"
        assert isinstance(found.plot(), Figure)
        assert str(found) != str(weights)
    with pytest.raises(nmt.UserError, match="of=heads: choose one of weights, norms, gradients"):
        transformer.attention("kato", of="heads")
