"""The tab "Attention" of TensorBoard: its data by both loaders, and the tab in a browser."""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from browser import needs_browser
from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
from tensorboard.plugins.base_plugin import TBContext
from test_explorer import by_hand
from werkzeug.test import Client

from nmt.report.explorer import document
from nmt.report.explorer.page import as_json
from nmt.report.logger import Logger
from nmt.report.next_steps import KEPT

with warnings.catch_warnings():  # of what TensorBoard brings along
    warnings.simplefilter("ignore")
    from nmt.report.explorer.board import AttentionPlugin

ROOT = Path(__file__).parent.parent
RUNS = {"sweep/attention=none": 1, "sweep/attention=dot": 2}
STEPS = range(10, 310, 10)


def moment(run: int, step: int) -> dict:
    record = document.sentence(by_hand(1000 * run + step), reference="<b>reference</b>")
    return document.moment(step, [record | {"number": 1}])


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for name, run in RUNS.items():
        (folder / name).mkdir(parents=True)
        with Logger(folder / name) as log:
            for step in STEPS:
                log.attention(step, "dev", as_json(moment(run, step)))
                log.log(step, {"attention/entropy": 1.0, "dev/bleu": step / 10, "train/loss": 2.0})
    return folder


@pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")  # when it is imported
def test_all_moments_of_all_runs_are_given_by_the_slow_loader(logged):
    from tensorboard.plugins.core.core_plugin import CorePluginLoader

    parser = argparse.ArgumentParser()
    CorePluginLoader().define_flags(parser)
    once = ["--reload_interval=0", "--reload_task=blocking", *KEPT.split()]
    ingester = LocalDataIngester(parser.parse_args(["--logdir", str(logged), *once]))
    ingester.start()
    apps = AttentionPlugin(TBContext(data_provider=ingester.data_provider)).get_plugin_apps()

    found = Client(apps["/document"]).get("/document").json
    assert [run["name"] for run in found["runs"]] == sorted(RUNS)
    for run in found["runs"]:
        ((text, moments),) = ((one["name"], one["moments"]) for one in run["texts"])
        assert text == "dev"
        assert [one["step"] for one in moments] == list(STEPS)
        given = Client(apps["/moment"]).get(f"/{moments[4]['url']}").json
        assert given == json.loads(as_json(moment(RUNS[run["name"]], 50)))
    assert Client(apps["/moment"]).get("/moment?run=x&text=dev&step=10").status_code == 404
    assert Client(apps["/moment"]).get("/moment?step=x").status_code == 404
    for name in ("board.js", "attention.js", "attention.css"):
        assert Client(apps[f"/{name}"]).get(f"/{name}").status_code == 200


def entry_point() -> str:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return content["project"]["entry-points"]["tensorboard_plugins"]["nmt_attention"]


def test_the_package_names_the_plugin():
    module, _, name = entry_point().partition(":")
    assert getattr(import_module(module), name) is AttentionPlugin


@pytest.fixture
def board(logged, tmp_path):
    """TensorBoard as it is typed, where this package is installed: its entry point is found."""
    if "nmt_attention" not in entry_points(group="tensorboard_plugins").names:
        installed = tmp_path / "nmt_board-0.dist-info"  # an installation older than the plugin
        installed.mkdir()
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: nmt-board\nVersion: 0\n")
        text = f"[tensorboard_plugins]\nnmt_attention = {entry_point()}\n"
        (installed / "entry_points.txt").write_text(text)
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tensorboard.main"),
            *("--logdir", str(logged), *KEPT.split(), "--port=0"),
        ],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(process.stderr.readline, "")
        yield next(found[0] for line in lines if (found := re.search(r"http://\S+/", line)))
    finally:
        process.kill()
        process.communicate()


@needs_browser
def test_the_tab_shows_two_runs_at_one_step_and_the_board_opens_on_bleu(board, tab):
    names = json.loads(urlopen(f"{board}data/plugins_listing").read())
    assert names["nmt_attention"]["tab_name"] == "Attention"
    tab.open(f"{board}#nmt_attention")
    inside = "document.querySelector('iframe')?.contentDocument"
    tab.until(f"Boolean({inside}?.querySelector('.attention canvas'))")
    explorer = f"{inside}.querySelector('.attention').explorer"

    tab.run(f"Object.assign({explorer}.panels[1], {{run: 1}}) && {explorer}.choose({{step: 4}})")
    assert tab.run(f"{inside}.querySelector('output.step').textContent") == "step 50"
    for panel, name in enumerate(sorted(RUNS)):
        shown = np.array(tab.run(f"Array.from({explorer}.panels[{panel}].view.maps.values)"))
        want = by_hand(1000 * RUNS[name] + 50).weights["cross"].ravel()
        assert np.abs(shown - want).max() < 0.004
    texts = tab.run(f"[...{inside}.querySelectorAll('.texts dd')].map((one) => one.textContent)")
    assert "<b>reference</b>" in texts

    tab.open(f"{board}#timeseries")
    tab.call("Page.reload")
    first = "Pin cards for a quick view and comparison\\nBLEU\\n"  # behind what is pinned, if any
    tab.until(f"document.body?.innerText.includes('{first}')")
