"""What the ledger keeps of a run that has ended."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from omegaconf import DictConfig, OmegaConf

from nmt.alignment.attention import argmax_links, shape
from nmt.alignment.choice import Asked
from nmt.alignment.load import load
from nmt.alignment.model import from_attention
from nmt.batches.batch import Batch
from nmt.batches.ids import Ids
from nmt.comparison.counts import counts_of
from nmt.comparison.runs import Run
from nmt.config.study import Study
from nmt.data.aligned import Aligned
from nmt.data.cache import cache_folder
from nmt.data.corpus import Corpus, Lines
from nmt.data.encode import Encoder
from nmt.evaluation.evaluate import evaluate
from nmt.evaluation.focus import focus
from nmt.evaluation.likelihood import batches_of
from nmt.evaluation.training_words import read_training_words
from nmt.links.bitext import BitextFiles
from nmt.links.result import Found
from nmt.links.result import scores as scores_of_links
from nmt.metrics.bleu import bleu_and_chrf_of
from nmt.metrics.words import WORD_SCORES
from nmt.report.logger import read_metrics
from nmt.run import Translator, open_run
from nmt.runs.files import write_json
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json

SCORED = ("bleu", "chrf", "ter", "bleu_tok_lc", "loss", "sentences", "signatures")
MACHINE = ("device", "precision", "versions")
CURVE = ("dev/", "attention/")  # what is logged at an evaluation begins with these

Arrays = dict[str, np.ndarray]


def measure(study: Study, run: Path, cfg: DictConfig) -> tuple[dict[str, Any], Arrays]:
    """Return what a line of the ledger says of a run that has ended, and its arrays."""
    result = read_json(run / RESULT)
    translator = open_run(run, cfg.device, cfg.precision)
    tests, arrays = test_sets(study, run, cfg, translator)
    sources = [source for source, _ in study.sentences]
    own = Lines(sources, [target for _, target in study.sentences])
    content = {
        "commit": result["commit"],
        "golden": golden_digest(),
        "date": f"{date.today():%Y-%m-%d}",
        "machine": {key: result[key] for key in MACHINE},
        "steps": result["steps"],
        "pieces": result["tokens"],
        "minutes": round(result["seconds"] / 60, 2),
        "parameters": result["parameters"],
        "best_dev_bleu": result["best_dev"]["bleu"],
        "dev": curve(run),
        "tests": tests,
        "attention": spread(translator, test_lines(cfg, next(iter(study.tests.values())))),
    }
    error = alignment_error(translator, run, cfg)
    if error is not None:
        content["aer"] = error
    if sources:
        found = translator(sources, decode_of(cfg))
        content["translations"] = [best[0].text for best in found]
        arrays |= looks(translator, own)
    return content, arrays


def golden_digest() -> str | None:
    """Return a fingerprint of the losses in tests/golden, which say what training computes.

    None: there is no checkout.
    """
    files = sorted((Path(__file__).parents[2] / "tests" / "golden").glob("*.json"))
    recorded = {file.stem: read_json(file).get("losses") for file in files}
    text = json.dumps(recorded, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if files else None


def test_sets(
    study: Study, run: Path, cfg: DictConfig, translator: Translator
) -> tuple[dict[str, Any], Arrays]:
    """Return the results on all test sets and what is kept of their sentences.

    The first is the one that the run was tested with at its end, see
    :func:`nmt.commands.job.job_config`.
    """
    tests: dict[str, Any] = {}
    arrays: Arrays = {}
    for number, (name, value) in enumerate(study.tests.items()):
        folder = run / "evaluation" / name if number else run
        if not (folder / RESULT).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            lines = test_lines(cfg, value)
            known = read_training_words(run)
            result = evaluate(translator, lines, decode_of(cfg), folder, known)
            write_json(folder / RESULT, result)
        scored = Run(folder, {}, read_json(folder / RESULT))
        scores = (*SCORED, *WORD_SCORES)
        kept = {key: scored.result[key] for key in scores if key in scored.result}
        tests[name] = {"fingerprint": scored.test_set, **kept}
        counted = counts_of(scored, bleu_and_chrf_of(cfg.data.target))
        arrays |= {f"{name}/{score}": small(value) for score, value in counted.items()}
    return tests, arrays


def test_lines(cfg: DictConfig, value: Any) -> Lines:
    """Read a test set of the run's corpus; ``value`` is data.test, None: the corpus's own."""
    data = cfg.data if value is None else OmegaConf.merge(cfg.data, {"test": value})
    return hydra.utils.instantiate(data).lines(cache_folder(cfg.cache), "test")


def decode_of(cfg: DictConfig) -> Any:
    """Return how a run searches."""
    return OmegaConf.to_object(cfg.decode)


def small(counted: np.ndarray) -> np.ndarray:
    """Return counts in as few bytes as they need, and losses in float32."""
    if counted.dtype.kind == "f":
        return counted.astype(np.float32)
    return counted.astype(np.min_scalar_type(int(counted.max())))


def curve(run: Path) -> list[dict[str, Any]]:
    """Return what was measured on dev while the run was trained, one entry per evaluation."""
    return [
        {"step": line["step"], **{key: line[key] for key in line if key.startswith(CURVE)}}
        for line in read_metrics(run)
        if any(key.startswith(CURVE) for key in line)
    ]


def spread(translator: Translator, lines: Lines) -> dict[str, dict[str, float]]:
    """Measure how attention is spread over a test set, see :func:`focus`."""
    found = focus(translator, batches_of(ids_of(translator, lines), 4096))
    return {
        kind: {name: round(value, 4) for name, value in one.items()} for kind, one in found.items()
    }


def alignment_error(translator: Translator, run: Path, cfg: DictConfig) -> float | None:
    """Return the alignment error rate on the run's test set, as `nmt align` reads it by default.

    From 0 to 1; Och and Ney 2003. None: the corpus has no gold links, or nobody attends.
    """
    corpus: Corpus = hydra.utils.instantiate(cfg.data)
    if not isinstance(corpus, Aligned) or shape(translator) is None:
        return None
    languages = cfg.data.source, cfg.data.target
    text = load(BitextFiles(), corpus, "test", cache_folder(cfg.cache), languages)
    if text.gold is None:
        return None
    asked = Asked(layer=None, head=None, shift=False)
    found = from_attention(translator, str(run), text, None, asked, argmax_links)
    return scores_of_links(Found("attention", found.links), text.gold)["aer"]


def looks(translator: Translator, lines: Lines) -> Arrays:
    """Return where a model looks when it is forced to write given translations.

    For sentence n and each kind of attention ``attention/n/KIND`` (L,H,T,S) in float16, and the
    pieces ``pieces/n/source`` (S,) and ``pieces/n/target`` (T,).
    """
    ids = ids_of(translator, lines)
    found: Arrays = {}
    tokenizers = {"source": translator.source_tokenizer, "target": translator.target_tokenizer}
    for number in range(len(lines.source)):
        batch = Batch(ids.source.padded([number]), ids.target.padded([number]))
        sides = {"source": batch.source[0], "target": batch.target[0, 1:]}
        for side, one in sides.items():
            found[f"pieces/{number}/{side}"] = np.array(tokenizers[side].pieces(one.tolist()))
        for one in translator.attention(batch.source, batch.target):
            weights = one.weights[0].to("cpu").half().numpy()
            found[f"attention/{number}/{one.kind.value}"] = weights
    return found


def ids_of(translator: Translator, lines: Lines) -> Ids:
    """Return the ids of lines."""
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    return Ids.of_table(encode((lines.source, lines.target)))
