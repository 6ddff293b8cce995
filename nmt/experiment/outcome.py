"""What comes of a training: the final model, its test, and result.json."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from nmt.alignment.explorer import best_head
from nmt.config.schema import Train
from nmt.config.settings import settings
from nmt.data.cache import cache_folder
from nmt.data.corpus import Lines
from nmt.data.prepare import Prepared
from nmt.decoding.decode import Decode
from nmt.evaluation.dev import DevEvaluation
from nmt.evaluation.evaluate import evaluate, show
from nmt.evaluation.explorer import EXPLORER, as_page, of_run
from nmt.evaluation.likelihood import sentence_losses
from nmt.evaluation.training_words import keep_training_words, read_training_words
from nmt.experiment.build import Parts
from nmt.hardware.runtime import peak_memory
from nmt.models.attention_maps import attends
from nmt.models.open_heads import in_words, open_heads
from nmt.report.hparams import measured
from nmt.report.logger import read_metrics
from nmt.run import Translator
from nmt.runs import checkpoint
from nmt.runs.files import write, write_json
from nmt.runs.folder import RESULT, stored
from nmt.training.trainer import Trainer


def conclude(
    parts: Parts, prepared: Prepared, trainer: Trainer, evaluation: DevEvaluation, console: Console
) -> None:
    """Make the final model, draw and test it, and write down what came of the training."""
    ranks, progress, run, step = trainer.ranks, trainer.progress, trainer.run, trainer.position.step
    translator, gallery = evaluation.translator, evaluation.gallery
    with ranks.unsharded():
        if ranks.first:
            finish(translator, run, step, parts.train, progress.say)
        ranks.copy_first(translator.model)
        if gallery.sentences:
            progress.stage(f"drawing the attention over {len(gallery.sentences)} references")
        gallery.draw_references(step)
        if ranks.first:
            progress.stage("counting the words of the training text")
            languages = translator.source_language, translator.target_language
            cache = cache_folder(parts.config.cache)
            keep_training_words(prepared.train, languages, cache, run)
        progress.stage(f"testing {tested(prepared, parts.decode)}")
        result = test(parts, prepared, translator, run, console)
        progress.stage("measuring the loss of the tested weights on dev")
        result["tested_weights"] = evaluation.forced()
        if heads := open_heads(translator.model):
            result["open_heads"] = heads
            progress.say(in_words(heads))
        if ranks.first:
            write_result(parts.config, run, trainer, result)
            if attends(translator.model):
                progress.stage(f"writing {EXPLORER}")
                best = best_head(translator, run, parts.config)
                write(run / EXPLORER, as_page([of_run(translator, run, run.name, best)]))


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
    parts: Parts, prepared: Prepared, translator: Translator, run: Path, console: Console
) -> dict[str, Any]:
    """Translate and score the test split, or dev where there is none, and show it."""
    decode = replace(parts.decode, n_best=1)
    name, split = ("test", prepared.test) if prepared.test is not None else ("dev", prepared.dev)
    lines = Lines(list(split["source"]), list(split["target"]), parts.places(name))
    if not translator.ranks.first:
        translator(lines.source, decode)  # its share
        sentence_losses(translator, lines, decode.batch_tokens)
        return {}
    result = evaluate(translator, lines, decode, run, read_training_words(run))
    show(console, result, lines, run, num=4)
    return {"split": name, **result}


def tested(prepared: Prepared, decode: Decode) -> str:
    """Say what a test translates, and how."""
    number = len(prepared.dev if prepared.test is None else prepared.test)
    beam = f"with a beam of {decode.beam}, which takes longer than dev"
    how = beam if decode.method == "beam" else f"with decode.method={decode.method}"
    return f"on {number:,} sentences {how}"


def write_result(cfg: DictConfig, run: Path, trainer: Trainer, result: dict[str, Any]) -> None:
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
    trainer.logger.hparams(position.step, settings(config), measured(result))
    trainer.logger.flush()
    write_json(run / RESULT, result)  # last: what has a result has ended
