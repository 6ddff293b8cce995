"""How a training uses a CPU: threads and products that it keeps, and cores that others use too."""

import shutil

import pytest
import torch
from command import mistake, nmt

from nmt.errors import UserError
from nmt.experiment.cores import fixed_cores
from nmt.hardware import crowding
from nmt.hardware.products import by_onednn, exact_by_onednn
from nmt.hardware.runtime import kernels
from nmt.runs.folder import read_config


def test_a_run_keeps_the_threads_and_products_it_began_with(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    begun = read_config(run)
    assert begun.threads == torch.get_num_threads()
    assert begun.products in ("onednn", "torch")
    other = "torch" if begun.products == "onednn" or not exact_by_onednn() else "onednn"
    path = run / "config.yaml"
    text = path.read_text().replace(f"threads: {begun.threads}", "threads: 3")
    path.write_text(text.replace(f"products: {begun.products}", f"products: {other}"))

    for typed in ({}, {"threads": None, "products": "auto"}):  # resume=, a sweep typed again
        cfg = read_config(run)
        cfg.update(typed)
        with fixed_cores(cfg, run) as fixed, kernels(torch.device("cpu")):
            assert (fixed.threads, fixed.products) == (3, other)
            assert (torch.get_num_threads(), by_onednn()) == (3, other == "onednn")

    cfg.threads = 2
    with fixed_cores(cfg, run) as fixed:
        assert (fixed.threads, torch.get_num_threads()) == (2, 2)
    assert torch.get_num_threads() == begun.threads


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [("threads", 0, "threads=0"), ("threads", 2000, "threads=2000"), ("products", "mkl", "onednn")],
)
def test_what_cannot_be_used_is_refused(trained, key, value, told):
    cfg = read_config(trained)
    cfg[key] = value
    with pytest.raises(UserError, match=told), fixed_cores(cfg):
        pass


def test_onednn_is_refused_where_its_products_are_rounded(trained, monkeypatch):
    monkeypatch.setattr("nmt.hardware.products.exact_by_onednn", lambda: False)
    assert "products=torch" in mistake(nmt("train", "experiment=smoke", "products=onednn"))


def test_a_training_whose_threads_wait_for_cores_says_what_helps(tmp_path, monkeypatch):
    def tasks(waited: int, ran: int = 10**9) -> None:
        for name in ("1", "2"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "schedstat").write_text(f"{ran} {waited} 7\n")

    monkeypatch.setattr(crowding, "TASKS", tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    now = [0.0]
    tasks(0)
    watched = crowding.Crowding(lambda: now[0])
    tasks(10**12)
    assert watched.advice("again") is None  # too soon
    now[0] = crowding.SECONDS
    assert "nmt train resume=runs/a threads=1" in (watched.advice("nmt train resume=runs/a") or "")
    now[0] *= 2
    tasks(10**13)
    assert watched.advice("again") is None  # once

    tasks(0)
    quiet = crowding.Crowding(lambda: now[0])
    now[0] *= 2
    tasks(10**9, 2 * 10**9)
    assert quiet.advice("again") is None
