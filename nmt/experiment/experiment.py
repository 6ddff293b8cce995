"""One experiment: from a configuration to a run folder with a trained and evaluated model."""

from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console

from nmt.config.languages import with_first_pair
from nmt.data.clean import CleaningReport
from nmt.data.prepare import Prepared
from nmt.evaluation.dev import DevEvaluation
from nmt.experiment import ends
from nmt.experiment.build import Parts, build, num_parameters
from nmt.experiment.cores import fixed_cores
from nmt.experiment.inherited import (
    given_tokenizers,
    refuse_new,
    take_weights,
    with_tokenizer_settings,
)
from nmt.experiment.opening import opened, write_config
from nmt.experiment.outcome import conclude
from nmt.experiment.process import process
from nmt.hardware.runtime import forget_peak_memory, kernels, seed_everything
from nmt.metrics.watch import worst
from nmt.report.gallery import Gallery, spread
from nmt.report.logger import Logger
from nmt.report.next_steps import show_after_training
from nmt.run import Translator
from nmt.runs import checkpoint
from nmt.runs.folder import CONFIG, stored
from nmt.stages import listening, part
from nmt.terminal.console import console
from nmt.terminal.progress import Progress, clock
from nmt.terminal.table import table
from nmt.training.frozen import frozen_weights
from nmt.training.gradients import Gradients
from nmt.training.ranks import Ranks
from nmt.training.room import checkpoint_room
from nmt.training.trainer import Trainer


def train(cfg: DictConfig, run: Path, before: bytes | None, again: str) -> float:
    """Train in a run folder, from its last checkpoint if it has one; evaluate; the best dev score.

    ``before`` is the config.yaml that was found there, see
    :func:`nmt.experiment.opening.written_config`; Taken where it is another by now. ``again`` is
    what to type to resume, see :func:`nmt.experiment.process.process`. UserError for a
    configuration that cannot be built, before any data is read, and for data that cannot be used,
    before anything is written.
    """
    with (
        process(cfg, run, again) as (run, ranks, signals),
        Progress(console(quiet=not ranks.first)) as progress,
        listening(progress),
        fixed_cores(cfg, run) as cfg,
    ):
        part("building the model")
        new = not (run / CONFIG).exists()
        cfg = with_tokenizer_settings(with_first_pair(cfg)) if new else cfg
        parts = build(cfg, ranks)
        if new:
            refuse_new(cfg)
        forget_peak_memory(parts.device)
        with ranks.in_turn():
            prepared = parts.prepared(given_tokenizers(cfg, run))
            loader = parts.loader(prepared)
        part("building the model")
        seed_everything(cfg.seed, parts.device, cfg.deterministic)
        translator = parts.translator(prepared, ranks)
        inherits = cfg.init and checkpoint.newest_intact(run) is None
        if inherits:
            for line in take_weights(translator, Path(cfg.init), cfg.init_parts):
                progress.say(line)
        if frozen := frozen_weights(translator.model):
            progress.say(f"weights frozen: {', '.join(frozen)}")
        model = ranks.shard(translator.model)
        with (
            kernels(parts.device),
            opened(cfg, run, before, prepared, progress, ranks) as (log, found),
        ):
            gallery = new_gallery(parts, run, translator, prepared, log)
            evaluation = DevEvaluation(
                translator,
                prepared.dev,
                parts.dev_decode,
                parts.train.max_tokens,
                gallery,
                log,
                parts.places("dev"),
            )
            on = parts.device, parts.precision
            trainer = Trainer(
                gradients=Gradients(model, parts.loss, parts.train, *on, ranks, parts.teacher),
                optimizer=parts.optimizer(model),
                schedule=parts.schedule,
                loader=loader,
                evaluate=evaluation,
                logger=log,
                progress=progress,
                config=parts.train,
                run=run,
                signals=signals,
            )
            introduce(progress.console, prepared, trainer, run)
            if found:
                resume(cfg, trainer, found[-1])
            else:
                weights = f"the weights of {cfg.init}" if inherits else "new weights"
                progress.say(f"starting with {weights}, seed={cfg.seed}")
                log.config((run / CONFIG).read_text(encoding="utf-8"))
            part("the first update")
            reached = trainer.fit()
            progress.say(f"{reached} after {clock(trainer.position.seconds)}")
            log.check()
            conclude(parts, prepared, trainer, evaluation, progress.console)
        progress.end()
        progress.say(f"\nrun folder  {run}")
        show_after_training(progress.console, run, stored(cfg))
        best = trainer.position.best
        return worst(parts.train.watch) if best is None else best


def resume(cfg: DictConfig, trainer: Trainer, last: checkpoint.Checkpoint) -> None:
    """Stand where a checkpoint stood, with another configuration, maybe.

    Before that is written, what is of an end that training goes past is set aside, so that no
    result lies beside the settings of another.
    """
    trainer.resume(last)
    say, step = trainer.progress.say, trainer.position.step
    say(f"resuming at step {step:,}")
    if trainer.ranks.first:
        for place in ends.leave(trainer.run, step, trains_on=not trainer.reached()):
            say(f"the previous result is now in {place}")
        write_config(cfg, trainer.run)


def new_gallery(
    parts: Parts, run: Path, translator: Translator, prepared: Prepared, logger: Logger
) -> Gallery:
    """Choose the dev sentences that are drawn; of several processes the first one draws."""
    number = parts.train.heatmaps if translator.ranks.first else 0
    sentences = spread(prepared.dev["source"], prepared.dev["target"], number)
    alone = replace(translator, ranks=Ranks())
    words, scale = parts.train.heatmap_words, parts.train.heatmap_scale
    folder = run / "heatmaps"
    return Gallery(alone, parts.decode, sentences, folder, words, logger, scale=scale)


told: list[CleaningReport] = []  # the last one that this process has shown


def introduce(console: Console, prepared: Prepared, trainer: Trainer, run: Path) -> None:
    """Print what is going to be trained, on what; the cleaning of one text once."""
    if told != [prepared.report]:
        told[:] = [prepared.report]
        console.print(table(("train pairs", "number", "share"), shares(prepared)))
    loader, model, gradients = trainer.loader, trainer.model, trainer.gradients
    number = trainer.num_batches
    size = checkpoint.size(model, trainer.optimizer, ema=trainer.ema is not None)
    splits = f"{len(prepared.train):,} train, {len(prepared.dev):,} dev"
    if prepared.test is not None:
        splits += f", {len(prepared.test):,} test pairs"
    console.print(
        f"{splits}; vocabulary: {len(prepared.source_tokenizer):,} source, "
        f"{len(prepared.target_tokenizer):,} target pieces\n"
        f"{f'{number:,} batches per epoch' if number else 'a stream'}, "
        f"{loader.padding_share():.1%} padding\n{num_parameters(model):,} parameters on "
        f"{trainer.ranks.in_words()}{gradients.device}{threads_in_words(gradients.device)} in "
        f"{str(gradients.precision).removeprefix('torch.')}\n"
        f"{checkpoint_room(run / checkpoint.FOLDER, size, trainer.config)}\n{run}",
        markup=False,
    )


def threads_in_words(device: torch.device) -> str:
    """Say how many threads compute, on a CPU."""
    number = torch.get_num_threads()
    return f" with {number} thread{'s' * (number > 1)}" if device.type == "cpu" else ""


def shares(prepared: Prepared) -> list[tuple[str, int, str]]:
    """Return the rows of the cleaning table, without reasons for which no pair was left out."""
    rows = prepared.report.rows()
    return [(name, count, f"{share:.2%}") for name, count, share in rows if count]
