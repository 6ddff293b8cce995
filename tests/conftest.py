"""What several tests share: a cache of their own, a tiny corpus and a training on it."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import Page, browsing
from command import nmt
from fast_copies import copy_fast
from forked import Forked
from hypothesis import settings
from matplotlib.figure import Figure
from number_language import corpus_words, write_numbers
from small_model import small_rnn, small_transformer
from small_translator import translator_of
from toy_text import text

from nmt.commands.hydra_changes import compose_fast
from nmt.data.tokenizer import Tokenizer, TokenizerConfig, train_tokenizer
from nmt.hardware.products import fused_from
from nmt.run import Translator
from nmt.terminal.progress import Late, LateLines

LONG = {  # twenty seconds and more
    *("test_comparison_report.py", "test_no_wait.py", "test_notebook.py", "test_pairs.py"),
    *("test_ranks.py", "test_real_text.py", "test_resume.py", "test_shards.py", "test_study.py"),
}
gc.disable()  # until all is imported
# On a busy machine an example may take long, and each run is to try the same ones.
settings.register_profile("nmt", deadline=None, derandomize=True, database=None)
settings.load_profile("nmt")
PRECISION = torch.backends.mkldnn.matmul.fp32_precision

pytest.register_assert_rewrite("loss_laws", "model_laws")
compose_fast()
copy_fast()


def pytest_collectstart() -> None:
    """Have the random numbers of a file not depend on the files before it."""
    draw_anew()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have long files come first: xdist hands out whole files, and the last one should be short."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish() -> None:
    """Have the garbage collector not search all of torch: not while it is imported, nor later.

    And seldom what is old: what is imported later is large, too, and each time takes 0.2 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 50)
    gc.enable()


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Have those of a test not depend on the tests before it."""
    draw_anew()


def draw_anew() -> None:
    """Seed torch. Without a GPU, `torch.manual_seed` keeps a stack trace for when there is one."""
    if torch.cuda.is_available():
        torch.manual_seed(0)
    else:
        torch.default_generator.manual_seed(0)


@pytest.fixture(autouse=True)
def same_products():
    """Have who multiplies in a test not depend on the tests before it."""
    torch.backends.mkldnn.matmul.fp32_precision = PRECISION


@pytest.fixture
def kernel_calls(monkeypatch) -> Iterator[list[tuple[tuple, dict]]]:
    """The arguments of every call of torch's fused attention, which takes all that it can."""
    calls: list[tuple[tuple, dict]] = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def spy(*args, **named):
        calls.append((args, named))
        return kernel(*args, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    with fused_from(0):
        yield calls


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A tokenizer of the toy text."""
    return train_tokenizer(text(200), TokenizerConfig(size=400))


@pytest.fixture(scope="module", params=[small_rnn, small_transformer])
def translator(request, tokenizer) -> Translator:
    """A translator around a small model of each kind, untrained."""
    return translator_of(tokenizer, request.param)


@pytest.fixture
def blank_pictures(monkeypatch):
    """Have the pictures of weights be there and be blank: to draw one takes 0.15 s."""
    monkeypatch.setattr("nmt.report.gallery.heatmap", lambda *_: Figure(figsize=(1, 1)))


@pytest.fixture
def without_plots(monkeypatch):
    """Have no plots drawn, which takes two seconds, if a test is about words and numbers."""
    monkeypatch.setattr("nmt.comparison.report.plots", lambda _: [])


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """No test reads or fills the cache of the person at the keyboard."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NMT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk():
    """Nobody cuts the power. A training of four updates waits for the disk more than forty times.

    Processes of their own, see `forked`, wait.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_is_late():
    """On a busy machine commands would say what they are doing, sometimes; see test_stages.py."""
    with pytest.MonkeyPatch.context() as patch:
        for late in (Late, LateLines):
            patch.setattr(late.__init__, "__defaults__", (10_000.0,))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_search_for_garbage():
    """To forget the peak of memory is to search all objects of a large process: 0.1 s a training.

    test_runtime.py asks for it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for place in ("experiment.experiment", "bench.training", "bench.decoding"):
            patch.setattr(f"nmt.{place}.forget_peak_memory", lambda _: None)
        yield


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser, which starts when it is used for the first time."""
    with browsing(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def tab(browser):
    """A page in which nothing goes wrong, and which asks for nothing that is elsewhere."""
    page = Page(browser)
    yield page
    assert page.said() == []
    places = ("file:", "data:", "about:", "blob:", "http://127.0.0.1:", "http://localhost:")
    assert all(url.startswith(places) for url in page.asked()), page.asked()
    page.close()


@pytest.fixture(scope="session")
def scratch(tmp_path_factory) -> Path:
    """A folder for what a corpus has no memory for."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def python():
    """The Python that forks, see `forked`."""
    with Forked() as python:
        yield python


@pytest.fixture(scope="module")
def forked(python, tmp_path_factory) -> Forked:
    """Commands in processes of their own, in a folder of this file."""
    python.folder = tmp_path_factory.mktemp("forked")
    return python


@pytest.fixture(scope="session")
def numbers(tmp_path_factory) -> Path:
    """Files of the language of numbers: train.de, train.en, dev.de …"""
    folder = tmp_path_factory.mktemp("numbers")
    write_numbers(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(numbers) -> list[str]:
    """The words of a training that takes a second."""
    return [
        *corpus_words(numbers),
        *("model.embedding_width=8", "model.encoder_width=8", "model.decoder_width=16"),
        *("train.max_tokens=128", "train.max_steps=4", "train.evaluate_every=2"),
        *("train.log_every=1", "train.heatmaps=0", "decode.beam=2", "decode.max_ratio=1"),
    ]


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory) -> Path:
    """The run folder of such a training, with pictures."""
    run = tmp_path_factory.mktemp("trained") / "run"
    answer = nmt("train", *tiny, "train.heatmaps=1", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run
