"""nmt study: train what the ledger of a study lacks, one run after the other or many at a time."""

import sys
from functools import partial
from pathlib import Path

import hydra
import torch
from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from nmt.commands.bench import measure
from nmt.commands.errors import reporting_mistakes
from nmt.commands.job import job_config, run_job, study_of
from nmt.config.grammar import quoted
from nmt.config.schema import register_schema
from nmt.config.study import Study
from nmt.config.yamls import config_folder
from nmt.errors import UserError, at_least
from nmt.experiment.build import build
from nmt.report.next_steps import nmt_command, show_next
from nmt.runs.files import as_typed
from nmt.runs.versions import commit
from nmt.stages import counted, stage
from nmt.study.jobs import Job, known, missing, number_of_runs, part_of
from nmt.study.ledger import Ledger, require_same_pins
from nmt.study.measure import test_lines
from nmt.study.own_links import own_gold, own_words
from nmt.study.speed import measure_speeds, speed_path
from nmt.terminal.console import console, tell
from nmt.terminal.progress import showing
from nmt.training.ranks import Ranks

DIRTY = "-dirty"  # behind a commit, by git describe
ONE_AT_A_TIME = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def main() -> None:
    """Run `nmt study`."""
    sys.argv[1:] = as_settings(sys.argv[1:])
    register_schema()
    run()


def as_settings(words: list[str]) -> list[str]:
    """Write the name of a study as a setting."""
    typed = get_args_parser().parse_known_args(words)[0].overrides
    names = [word for word in typed if "=" not in word]
    if not names and not any(word.startswith("study=") for word in typed):
        studies = ", ".join(
            sorted(file.stem for file in (config_folder() / "study").glob("*.yaml"))
        )
        raise UserError(f"which study? nmt study NAME, one of {studies}")
    if len(names) > 1:
        raise UserError(f"{' '.join(names)}: one study at a time")
    return [f"study={word}" if word in names else word for word in words]


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="study")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Train the runs that are missing, and say where the study stands."""
    at_least(1, {"threads": cfg.threads})
    at_least(0, {"speed": cfg.speed})
    at_least(1, {"limit": cfg.limit})
    study, ledger, pins = study_of(cfg)
    variants = part_of(study, cfg.part)
    if cfg.speed and cfg.part:
        raise UserError(f"part={cfg.part}: speed= measures all variants in turn: remove part=")
    if cfg.merge:
        number = ledger.merge(Ledger.at(Path(cfg.merge) / ledger.path.name))
        tell(f"{ledger.path}: added {number} runs of {cfg.merge}", "nmt study")
        return
    require_same_pins(ledger.rows())
    if cfg.list:
        show(study, ledger, variants)
        return
    configs = {
        name: job_config(cfg, study, pins, Job(name, study.tried[0], study.seeds[0]))
        for name in variants
    }
    with showing("checking every variant"):
        refuse(study, configs)
    if cfg.speed:
        path = speed_path(ledger.path)
        torch.set_num_threads(cfg.threads)
        measure_speeds(configs, cfg.speed, measure, partial(tell, speaker="nmt study"), path)
        show_next(console(), [nmt_command("compare", as_typed(ledger.path))])
        return
    warn_of_changes()
    failed = train_missing(cfg, study, ledger, variants)
    show_next(console(), [nmt_command("compare", as_typed(ledger.path))])
    if failed:
        names = "; ".join(job.name(study.tuned_key) for job in failed)
        raise UserError(
            f"{len(failed)} runs are not in {ledger.path}: {names}. failure.txt in their "
            f"folders below {cfg.runs} says why; the same command tries them again"
        )


def warn_of_changes() -> None:
    """Say so where the ledger is going to name code that nobody else has."""
    found = commit() or ""
    if found.endswith(DIRTY):
        tell(
            f"warning: the checkout has uncommitted changes. Lines of the ledger will name {found},"
            " whose code cannot be fetched: commit first",
            "nmt study",
        )


def refuse(study: Study, configs: dict[str, DictConfig]) -> None:
    """Build every variant and read the test sets: UserError before anything trains."""
    for name, config in counted(configs.items(), len(configs)):
        try:
            build(config, Ranks())
        except UserError as error:
            raise UserError(f"variant {name}: {error}") from error
    stage("reading the test sets")
    first = next(iter(configs.values()))
    if study.links:
        own_gold(study, own_words(study, first.data))
    for test in study.tests.values():
        test_lines(first, test)


def train_missing(cfg: DictConfig, study: Study, ledger: Ledger, variants: list[str]) -> list[Job]:
    """Train until nothing is missing that can be trained; return the runs that failed.

    Hydra's launcher decides where they run. Its own trains one run at a time, so that the next is
    chosen when one has ended; others are given all runs that are known.
    """
    launcher, typed = the_launcher(cfg)
    one_at_a_time = HydraConfig.get().launcher["_target_"] == ONE_AT_A_TIME
    tried: set[Job] = set()
    number = number_of_runs(study, variants)
    while True:
        rows = ledger.rows()
        todo = [job for job in missing(study, variants, rows) if job not in tried]
        if cfg.limit is not None:
            todo = todo[: cfg.limit - len(tried)]
        batch = todo[:1] if one_at_a_time else todo
        if not batch:
            break
        done = sum(row.job.variant in variants for row in rows)
        for place, job in enumerate(batch, done + 1):
            tell(f"{place}/{number} {job.name(study.tuned_key)}", "nmt study")
        launcher.launch([[*typed, *as_words(job)] for job in batch], len(tried))
        tried |= set(batch)
    ended = {row.job for row in ledger.rows()}
    return sorted(job for job in tried if job not in ended)


def the_launcher(cfg: DictConfig) -> tuple[Launcher, list[str]]:
    """Return Hydra's launcher, and the arguments that each of its jobs has besides its own."""
    full = OmegaConf.merge(HydraConfig.instance().cfg, cfg)
    assert isinstance(full, DictConfig)
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(full))
    typed = list(HydraConfig.get().overrides.task)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=run_job, config=full
    )
    return launcher, [*typed, "hydra.mode=MULTIRUN"]


def as_words(job: Job) -> list[str]:
    """Return the arguments of a run for Hydra."""
    value = [] if job.value is None else [f"job.value={job.value}"]
    return [f"job.variant={quoted(job.variant)}", f"job.seed={job.seed}", *value]


def show(study: Study, ledger: Ledger, variants: list[str]) -> None:
    """Print which runs have ended and which have not."""
    rows = {row.job: row for row in ledger.rows() if row.job.variant in variants}
    lines = [
        f"{len(rows)} of {number_of_runs(study, variants)} runs are in {ledger.path}",
        *(
            f"  {job.name(study.tuned_key)}: "
            + (f"dev BLEU {rows[job].best_dev:.2f}" if job in rows else "missing")
            for name in variants
            for job in known(study, name, list(rows.values()))
        ),
    ]
    console().print("\n".join(lines), markup=False)
