"""One run of a study: train it, or finish it, and write its line into the ledger."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nmt.commands.changes import with_values
from nmt.commands.errors import reporting_mistakes
from nmt.commands.sweep import attempt, note
from nmt.config.settings import settings
from nmt.config.study import Study
from nmt.errors import UserError
from nmt.experiment.experiment import train
from nmt.experiment.opening import written_config
from nmt.hardware.process import prepare_process
from nmt.runs.checkpoint import FOLDER as CHECKPOINTS
from nmt.runs.folder import FAILURE, RESULT, trained_on
from nmt.study.jobs import Job
from nmt.study.ledger import Ledger
from nmt.study.measure import measure
from nmt.study.pins import Pins, pinned
from nmt.terminal.console import tell
from nmt.terminal.progress import showing


def study_of(cfg: DictConfig) -> tuple[Study, Ledger, Pins]:
    """Return the study that a command names, its ledger and its pinned settings."""
    study: Study = OmegaConf.to_object(cfg.study)  # type: ignore[assignment]
    study.check()
    ledger = Ledger(Path(cfg.ledger), study_name())
    return study, ledger, pinned(study, ledger.pins)


def study_name() -> str:
    """Return the name of the study, which is that of its file."""
    return str(HydraConfig.get().runtime.choices["study"])


@reporting_mistakes
def run_job(cfg: DictConfig) -> None:
    """Train one run and add it to the ledger, in a process that Hydra's launcher chose."""
    prepare_process()  # where a launcher has made a process of its own
    os.setpriority(os.PRIO_PROCESS, 0, max(cfg.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    torch.set_num_threads(cfg.threads)
    study, ledger, pins = study_of(cfg)
    job = Job(cfg.job.variant, cfg.job.value, cfg.job.seed)
    if any(row.job == job for row in ledger.rows()):
        return  # another process was there first
    run = run_folder(cfg, study, job)
    config = job_config(cfg, study, pins, job)
    again = f"nmt study {ledger.study}, with the same arguments"
    attempt(config, run, lambda: train(config, run, written_config(run), again))
    if not (run / RESULT).is_file() or (run / FAILURE).exists() or trained_on(run):
        return  # the reason has been told
    try:
        with showing("measuring on the test sets"):
            measured, arrays = measure(study, run, config)
        ledger.add({**about(study, pins, job), **measured}, arrays)
    except Exception as error:
        note(error, run)  # the other runs of the study are trained
        return
    with suppress(OSError):
        shutil.rmtree(run / CHECKPOINTS)  # the final model stays
    tests = ", ".join(f"{one['bleu']:.2f} on {name}" for name, one in measured["tests"].items())
    tell(f"{job.name(study.tuned_key)} is in {ledger.path}: BLEU {tests}", "nmt study")


def run_folder(cfg: DictConfig, study: Study, job: Job) -> Path:
    """Return where a run is trained."""
    return Path(cfg.runs, study_name(), job.name(study.tuned_key))


def job_config(cfg: DictConfig, study: Study, pins: Pins, job: Job) -> DictConfig:
    """Return the configuration of a run: what is pinned, its seed, and where things are here.

    It is tested on the first test set of the study. UserError for a key that the corpus lacks.
    """
    config = pins.config(job.variant)
    if study.tune:
        config = with_values(config, [f"{study.tune.key}={job.value}"])
    config.seed, config.device, config.cache = job.seed, cfg.device, cfg.cache
    test = next(iter(study.tests.values()))
    for name, value in {**cfg.data, "test": test}.items():
        if value is None:
            continue
        if name not in config.data:
            raise UserError(f"data.{name}={value}: the corpus of this study has no data.{name}")
        config.data[name] = value
    return config


def about(study: Study, pins: Pins, job: Job) -> dict[str, Any]:
    """Return what a line says of a run before anything is measured."""
    base, own = settings(pins.base), settings(pins.variants[job.variant])
    keys = sorted(base.keys() | own.keys())
    differ = {one: own.get(one) for one in keys if base.get(one) != own.get(one)}
    if study.tune:
        differ[study.tune.key] = job.value
    return {
        "variant": job.variant,
        "seed": job.seed,
        "tuned": job.value,
        "settings": differ,
        "model": pins.variants[job.variant]["model"]["_target_"],
        "pinned": pins.digests[job.variant],
        "arrays": job.name(study.tuned_key),
    }
