"""One experiment: from a configuration to a run folder with a trained and evaluated model."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hydra.utils
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from nmt.config.schema import Train
from nmt.config.settings import settings
from nmt.data.corpus import Lines
from nmt.data.language import require_known
from nmt.data.prepare import Prepared
from nmt.decoding.translate import Decode
from nmt.evaluation.dev import DevEvaluation
from nmt.evaluation.evaluate import evaluate, show
from nmt.evaluation.likelihood import sentence_losses
from nmt.experiment import ends
from nmt.experiment.build import (
    build_loader,
    build_loss,
    build_optimizer,
    new_translator,
    num_parameters,
    prepare_data,
    rehearse,
)
from nmt.experiment.opening import opened, write_config
from nmt.hardware.runtime import (
    forget_peak_memory,
    peak_memory,
    pick_device,
    prepare_process,
    seed_everything,
)
from nmt.metrics.watch import worst
from nmt.models.open_heads import in_words, open_heads
from nmt.report.gallery import Gallery, spread
from nmt.report.hparams import measured
from nmt.report.logger import Logger, read_metrics
from nmt.report.next_steps import show_after_training
from nmt.run import Translator
from nmt.runs import checkpoint
from nmt.runs.files import write_json
from nmt.runs.folder import CONFIG, RESULT, stored
from nmt.terminal.progress import Progress, clock
from nmt.terminal.table import table
from nmt.training.gradients import Gradients
from nmt.training.guided import Guided
from nmt.training.ranks import Ranks
from nmt.training.room import checkpoint_room
from nmt.training.signals import Signals
from nmt.training.trainer import Trainer


def train(
    cfg: DictConfig,
    run: Path,
    before: bytes | None,
    console: Console,
    signals: Signals,
    ranks: Ranks,
) -> float:
    """Train in a run folder, from its last checkpoint if it has one; evaluate; the best dev score.

    All ``ranks`` do the same, and the first one writes. UserError for a configuration that cannot
    be built, before any data is read, and for data that cannot be used, before anything is written.
    Taken where the folder no longer has the config.yaml that was found there ``before``, see
    :func:`nmt.experiment.opening.written_config`. Stop where ``signals`` ask for it.
    """
    rehearse(cfg, ranks)
    if not (run / CONFIG).exists():  # one that is resumed keeps the codes that it has
        require_known({f"data.{side}": str(cfg.data[side]) for side in ("source", "target")})
    config: Train = OmegaConf.to_object(cfg.train)  # type: ignore[assignment]
    decode: Decode = OmegaConf.to_object(cfg.decode)  # type: ignore[assignment]
    device = pick_device(cfg.device)
    prepare_process(device)
    forget_peak_memory(device)
    with ranks.in_turn():
        prepared = prepare_data(cfg, partial(console.print, markup=False))
        loader = build_loader(cfg, prepared)
    seed_everything(cfg.seed, device, cfg.deterministic)
    translator = new_translator(cfg, prepared, device, ranks)
    loss = build_loss(cfg)
    if isinstance(loss, Guided):
        loss.check(translator.model)
    model = ranks.shard(translator.model)
    with (
        Progress(console) as progress,
        opened(cfg, run, before, prepared, progress, ranks) as (log, found),
    ):
        gallery = new_gallery(config, decode, run, translator, prepared, log)
        quick = replace(decode, beam=config.dev_beam, n_best=1)
        evaluation = DevEvaluation(translator, prepared.dev, quick, config.max_tokens, gallery, log)
        trainer = Trainer(
            gradients=Gradients(model, loss, config, device, translator.precision, ranks),
            optimizer=build_optimizer(cfg.optimizer, model, device),
            schedule=hydra.utils.instantiate(cfg.schedule),
            loader=loader,
            evaluate=evaluation,
            logger=log,
            progress=progress,
            config=config,
            run=run,
            signals=signals,
        )
        introduce(console, prepared, trainer, run)
        if found:
            resume(cfg, trainer, found[-1])
        else:
            progress.say(f"begins with new weights, seed={cfg.seed}")
            log.config((run / CONFIG).read_text(encoding="utf-8"))
        reached = trainer.fit()
        progress.say(f"{reached} after {clock(trainer.position.seconds)}")
        log.check()
        with ranks.unsharded():
            if ranks.first:
                finish(translator, run, trainer.position.step, config, progress.say)
            ranks.copy_first(translator.model)
            if gallery.sentences:
                progress.stage(f"drawing the attention over {len(gallery.sentences)} references")
            gallery.draw_references(trainer.position.step)
            progress.stage(f"testing {tested(prepared, decode)}")
            result = test(translator, prepared, replace(decode, n_best=1), run, console)
            progress.stage("measuring the loss of the tested weights on dev")
            result["tested_weights"] = evaluation.forced()
            if heads := open_heads(translator.model):
                result["open_heads"] = heads
                progress.say(in_words(heads))
        if ranks.first:
            conclude(cfg, run, trainer, result, log)
    console.print(f"\nrun folder  {run}", markup=False)
    show_after_training(console, run)
    best = trainer.position.best
    return worst(config.watch) if best is None else best


def resume(cfg: DictConfig, trainer: Trainer, last: checkpoint.Checkpoint) -> None:
    """Stand where a checkpoint stood, with another configuration, maybe.

    Before that is written, what is of an end that training goes past is set aside, so that no
    result lies beside the settings of another.
    """
    trainer.resume(last)
    say, step = trainer.progress.say, trainer.position.step
    say(f"goes on at step {step:,}")
    if trainer.ranks.first:
        for place in ends.leave(trainer.run, step, trains_on=not trainer.reached()):
            say(f"what the run had come to is now in {place}")
        write_config(cfg, trainer.run)


def new_gallery(
    config: Train,
    decode: Decode,
    run: Path,
    translator: Translator,
    prepared: Prepared,
    logger: Logger,
) -> Gallery:
    """Choose the dev sentences that are drawn; of several processes the first one draws."""
    number = config.heatmaps if translator.ranks.first else 0
    sentences = spread(prepared.dev["source"], prepared.dev["target"], number)
    alone = replace(translator, ranks=Ranks())
    return Gallery(alone, decode, sentences, run / "heatmaps", config.heatmap_words, logger)


def introduce(console: Console, prepared: Prepared, trainer: Trainer, run: Path) -> None:
    """Print what is going to be trained, on what."""
    console.print(table(("train pairs", "number", "share"), shares(prepared)))
    loader, model, gradients = trainer.loader, trainer.model, trainer.gradients
    number = trainer.num_batches
    size = checkpoint.size(model, trainer.optimizer, ema=trainer.ema is not None)
    splits = f"{len(prepared.train):,} train, {len(prepared.dev):,} dev"
    if prepared.test is not None:
        splits += f", {len(prepared.test):,} test pairs"
    console.print(
        f"{splits}; vocabulary {len(prepared.source_tokenizer):,} → "
        f"{len(prepared.target_tokenizer):,} pieces\n"
        f"{f'{number:,} batches an epoch' if number else 'a stream'}, "
        f"{loader.padding_share():.1%} padding\n"
        f"{num_parameters(model):,} parameters on {trainer.ranks.in_words()}{gradients.device} in "
        f"{str(gradients.precision).removeprefix('torch.')}\n"
        f"{checkpoint_room(run / checkpoint.FOLDER, size, trainer.config)}\n{run}",
        markup=False,
    )


def shares(prepared: Prepared) -> list[tuple[str, int, str]]:
    """Return the rows of the cleaning table."""
    return [(name, count, f"{share:.2%}") for name, count, share in prepared.report.rows()]


def finish(
    translator: Translator, run: Path, step: int, config: Train, warn: Callable[[str], None]
) -> None:
    """Make the final model of a step, the mean of the best or the last checkpoints, and keep it."""
    found = checkpoint.measured(checkpoint.repaired(run, warn))
    if config.average == "best":
        chosen = checkpoint.better_first(found, config.watch)[: max(config.keep_best, 1)]
    else:
        chosen = found[-config.keep_last :]
    checkpoint.put(translator.model, checkpoint.average(chosen))
    checkpoint.save_tensors(translator.model, run / checkpoint.MODEL, step)


def test(
    translator: Translator, prepared: Prepared, decode: Decode, run: Path, console: Console
) -> dict[str, Any]:
    """Translate and score the test split, or dev where there is none, and show it."""
    name, split = ("test", prepared.test) if prepared.test is not None else ("dev", prepared.dev)
    lines = Lines(list(split["source"]), list(split["target"]))
    if not translator.ranks.first:
        translator(lines.source, decode)  # its share
        sentence_losses(translator, lines, decode.batch_tokens)
        return {}
    result = evaluate(translator, lines, decode, run)
    show(console, result, lines, run, num=4)
    return {"split": name, **result}


def tested(prepared: Prepared, decode: Decode) -> str:
    """Say what a test translates, and how."""
    number = len(prepared.dev if prepared.test is None else prepared.test)
    return f"on {number:,} sentences with a beam of {decode.beam}, which takes longer than dev"


def conclude(
    cfg: DictConfig, run: Path, trainer: Trainer, result: dict[str, Any], logger: Logger
) -> None:
    """Write the run's row in TensorBoard's HParams, and result.json.

    ``dev`` is of the last evaluation (empty: training ended without one), ``best_dev`` the best of
    all, ``tested_weights`` what the tested weights have on dev under teacher forcing.
    """
    position = trainer.position
    seconds = position.update_seconds  # none where all updates were left out
    logged = [line["dev/bleu"] for line in read_metrics(run) if line.get("dev/bleu") is not None]
    result = {
        **result,
        "seed": cfg.seed,
        "processes": trainer.ranks.size,
        "steps": position.step,
        "skipped_updates": position.skipped,
        "seconds": round(position.seconds, 3),
        "tokens": position.tokens,
        **({"tokens_per_s": round(position.tokens / seconds, 1)} if seconds else {}),
        "padding_share": round(trainer.loader.padding_share(), 4),
        "dev": position.dev,
        "best_dev": {"bleu": max(logged, default=None), trainer.config.watch: position.best},
        "peak_memory_bytes": peak_memory(trainer.gradients.device),
        "decode": OmegaConf.to_container(cfg.decode),
        "config": stored(cfg),
    }
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    logger.hparams(position.step, settings(config), measured(result))
    logger.flush()
    write_json(run / RESULT, result)  # last: what has a result has ended
