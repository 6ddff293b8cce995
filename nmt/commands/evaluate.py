"""nmt evaluate: the scores of a trained model on any test set."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from nmt.alignment.explorer import best_head
from nmt.commands.beside import require_attention, weights_place
from nmt.commands.errors import reporting_mistakes
from nmt.commands.output import fingerprint, folder_of_text, require_folder, require_unread
from nmt.commands.paths import for_shell
from nmt.config.check import check
from nmt.config.languages import default_language, with_first_pair
from nmt.config.schema import HEATMAP_SCALES, changed, register_schema
from nmt.config.yamls import config_folder
from nmt.data.cache import cache_folder, expanded
from nmt.data.corpus import Corpus, Lines
from nmt.data.lines import read_lines
from nmt.data.pairs import asking_for, targets_of
from nmt.data.text import one_line
from nmt.decoding.decode import Decode
from nmt.errors import UserError, at_least, one_of
from nmt.evaluation.evaluate import REFERENCES, SOURCES, TEXTS, evaluate, more_references, show
from nmt.evaluation.explorer import EXPLORER, as_page, of_run
from nmt.evaluation.training_words import read_training_words
from nmt.models.attention_maps import attends
from nmt.models.contributions import MEASURES
from nmt.models.without import named_heads, without
from nmt.report.gallery import Gallery, Occasion, spread
from nmt.report.next_steps import nmt_command, show_next
from nmt.run import open_runs
from nmt.runs.files import write, write_json
from nmt.runs.folder import RESULT, read_config
from nmt.runs.sample import results_folder
from nmt.terminal.console import console
from nmt.terminal.progress import showing

PICTURES = ("heatmap_words", "heatmap_scale")  # how they are drawn
NOT_MEASURED = (
    "not measured: DROP, and F1 by frequency. An older nmt trained this run without keeping the "
    "words of its training text"
)
LONGEST = 100  # characters of a file's name, in that of a folder


def main() -> None:
    """Run `nmt evaluate`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="evaluate")
@reporting_mistakes
def run(cfg: DictConfig) -> float:
    """Evaluate and write result.json, hypotheses.txt and heatmaps/; return BLEU."""
    folders = given_runs(cfg)
    folder = folders[0]
    trained = read_config(folder)
    if len(folders) > 1:
        refuse_of_one(cfg, ("heatmaps", *PICTURES, "weights", "of", "without"))
        if not cfg.output:
            raise UserError("an ensemble has no run folder: add output=FOLDER")
    take_languages(cfg, trained)
    cfg = with_first_pair(cfg)
    check(cfg)
    at_least(0, {"heatmaps": cfg.heatmaps})
    one_of(tuple(MEASURES), {"of": cfg.of})
    one_of(HEATMAP_SCALES, {"heatmap_scale": cfg.heatmap_scale})
    data = cfg.data or trained.data
    check_languages(folder, trained, data)
    decode = one_best(trained, cfg)
    given = require_folder("output", cfg.output) if cfg.output else None
    corpus: Corpus = hydra.utils.instantiate(data)
    with showing("reading the corpus"):
        lines = asking_lines(trained, data, corpus.lines(cache_folder(cfg.cache), cfg.split))
    more = read_references(cfg.references, lines)
    output = given or folder_of_text(
        results_folder(folder) / ("without" if cfg.without else "evaluation"),
        [
            f"{name}{references_name(more)}{without_name(cfg.without)}"
            for name in split_names(data, cfg.split)
        ],
        as_kept(lines, more),
    )
    written = RESULT, *TEXTS, *map(more_references, range(2, 2 + len(more)))
    require_unread(output, written, [*corpus.paths(), *cfg.references])
    weights = weights_place(cfg.weights, corpus.paths())
    known = read_training_words(folder)
    with showing("opening the model"):
        translator = replace(
            open_runs(folders, cfg.device, cfg.precision, cfg.mean),
            source_language=data.source,
            target_language=data.target,
        )
    require_attention(translator, str(folder), weights=cfg.weights)
    off = named_heads(translator.model, cfg.without)
    output.mkdir(parents=True, exist_ok=True)
    with without(translator.model, off), showing(f"translating {len(lines.source):,} sentences"):
        result = evaluate(translator, lines, decode, output, known, weights, cfg.of, more)
    places = [os.path.relpath(one, output) for one in folders]  # all may move, together
    settings = {
        "run": places[0] if len(places) == 1 else places,
        "weights": translator.weights,
        **({"mean": cfg.mean or "arithmetic"} if translator.together else {}),
        "data": OmegaConf.to_container(data),
        "split": cfg.split,
        "seed": trained.seed,
        **({"without": list(cfg.without)} if cfg.without else {}),
        **({"references": list(cfg.references)} if cfg.references else {}),
    }
    write_json(output / RESULT, {**settings, **result, "decode": vars(decode)})
    if not translator.together:
        sentences = spread(lines.source, lines.target, cfg.heatmaps)
        how = {"of": cfg.of, "scale": cfg.heatmap_scale}
        folder_of = output / "heatmaps"
        gallery = Gallery(translator, decode, sentences, folder_of, cfg.heatmap_words, **how)
        with without(translator.model, off), showing("drawing attention"):
            gallery.draw_hypotheses(Occasion())
    if attends(translator.model) and not translator.together:
        with without(translator.model, off), showing(f"writing {EXPLORER}"):
            best = best_head(translator, folder, trained)
            write(output / EXPLORER, as_page([of_run(translator, output, folder.name, best)]))
    show(console(), result, lines, output, num=4)
    if known is None:
        console().print(NOT_MEASURED, markup=False)
    console().print(f"\n{output}", markup=False)
    if attends(translator.model) and not translator.together:
        show_next(console(), [nmt_command("align", *for_shell(words_of_the_text(sys.argv[1:])))])
    return result["bleu"]


def without_name(heads: Sequence[str]) -> str:
    """Return what the folder of an evaluation without heads is called behind its text."""
    names = f"-{'-'.join(sorted(heads))}" if heads else ""
    return names if len(names) <= LONGEST else f"{names[:LONGEST]}-{fingerprint({'': list(heads)})}"


def read_references(paths: Sequence[str], lines: Lines) -> list[list[str]]:
    """Read further references. UserError for a file that does not have a line per sentence."""
    if paths and lines.pairs:
        raise UserError(
            "references= is for a test set of one pair of languages: name one, data.pairs=[…]"
        )
    found = [read_lines(expanded(path)) for path in paths]
    for path, references in zip(paths, found, strict=True):
        if len(references) != len(lines.source):
            raise UserError(
                f"references: {path} has {len(references):,} lines and the test set "
                f"{len(lines.source):,}: a line per sentence is needed"
            )
    return found


def references_name(more: Sequence[list[str]]) -> str:
    """Return what the folder of an evaluation with several references is called behind its text."""
    return f"-{1 + len(more)}-references" if more else ""


def as_kept(lines: Lines, more: Sequence[list[str]] = ()) -> dict[str, list[str]]:
    """Return the lines of the files that keep a text beside its result."""
    further = {more_references(number): one for number, one in enumerate(more, start=2)}
    texts = {SOURCES: lines.source, REFERENCES: lines.target, **further}
    return {name: [one_line(line) for line in text] for name, text in texts.items()}


def words_of_the_text(words: list[str]) -> list[str]:
    """Return those of the typed words that say which run, which text and where it is computed."""
    shared = ("run", "data", "split", "device", "precision", "cache")
    return [word for word in words if re.split(r"[.=]", word)[0] in shared]


def given_run(cfg: DictConfig) -> Path:
    """Return the run folder, which the user has to name."""
    if OmegaConf.is_missing(cfg, "run"):
        raise UserError(
            "which model? Type run=<folder>, the run folder of a training; run=last is the newest"
        )
    return Path(str(cfg.run))


def given_runs(cfg: DictConfig) -> list[Path]:
    """Return the run folders, of which several translate together."""
    one = given_run(cfg)
    if not isinstance(cfg.run, ListConfig):
        return [one]
    if not cfg.run:
        raise UserError("run=[] names no run folder: type run=FOLDER, or 'run=[FOLDER,FOLDER]'")
    return [Path(str(run)) for run in cfg.run]


def refuse_of_one(cfg: DictConfig, keys: tuple[str, ...]) -> None:
    """Raise UserError for what is asked of several runs, and only one can have."""
    typed = {word.partition("=")[0].lstrip("+") for word in HydraConfig.get().overrides.task}
    for key in keys:
        if key in typed and cfg[key] is not None:
            raise UserError(
                f"{key}={cfg[key]} is about the attention of one model, but run= names "
                f"{len(cfg.run)}: remove it, or name one run"
            )


def asking_lines(trained: DictConfig, data: DictConfig, lines: Lines) -> Lines:
    """Return lines of one pair as a run of several wants them: their sources ask for the target."""
    if not trained.data.get("pairs") or data.get("pairs"):
        return lines
    return lines._replace(source=asking_for(data.target, lines.source))


def take_languages(cfg: DictConfig, trained: DictConfig) -> None:
    """Give the corpus the run's languages, a side each, where nobody has said which it has.

    Said is what is typed, and what a corpus's yaml has that is not the default of its class.
    """
    typed = {word.partition("=")[0].lstrip("+") for word in HydraConfig.get().overrides.task}
    for side in ("source", "target") if cfg.data and not cfg.data.get("pairs") else ():
        default = default_language(cfg.data, side)
        unsaid = OmegaConf.is_missing(cfg.data, side) or cfg.data.get(side) == default
        if unsaid and f"data.{side}" not in typed:
            cfg.data[side] = trained.data[side]


def check_languages(folder: Path, trained: DictConfig, data: DictConfig) -> None:
    """Raise UserError for a corpus of other languages than the run's."""
    if targets := targets_of(trained.data.get("pairs")):
        asked = targets_of(data.get("pairs")) or [data.target]
        if unknown := set(asked) - set(targets):
            raise UserError(
                f"data.target={min(unknown)}: {folder} translates into {' '.join(targets)}. Choose "
                "another language, or another run"
            )
        return
    if data.get("pairs"):
        raise UserError(
            f"data.pairs=[{','.join(data.pairs)}]: {folder} was trained on one pair of languages, "
            f"{trained.data.source} to {trained.data.target}: leave it out, or give another run"
        )
    for side in ("source", "target"):
        if data[side] != trained.data[side]:
            raise UserError(
                f"data.{side}={data[side]}: {folder} translates {trained.data.source} to "
                f"{trained.data.target}. Type data.source={trained.data.source} "
                f"data.target={trained.data.target}, or choose another run."
            )


def split_names(data: DictConfig, split: str) -> list[str]:
    """Name a split of a corpus, for the folder of what was made of it.

    A second name tells texts of a kind apart, by the first of the files, where there are such.
    """
    corpus = str(data["_target_"]).rsplit(".", 1)[-1].lower()
    name = f"{corpus}-{split}"
    given = OmegaConf.to_container(data).get(split)  # type: ignore[union-attr]
    first = given[0] if isinstance(given, list) and given else given
    return [name, f"{name}-{Path(first).name[:LONGEST]}"] if isinstance(first, str) else [name]


def run_decode(trained: DictConfig) -> Decode:
    """Return how a run searches for one translation of each line."""
    decode: Decode = OmegaConf.to_object(trained.decode)  # type: ignore[assignment]
    return replace(decode, n_best=1)


def one_best(trained: DictConfig, cfg: DictConfig) -> Decode:
    """Return how to search where the best translation alone counts. UserError for more of them."""
    if (cfg.decode.n_best or 1) > 1:
        raise UserError(
            f"decode.n_best={cfg.decode.n_best}: only the best translation of a line is used "
            "here. Remove it; `nmt translate n_best=` prints several"
        )
    return changed(run_decode(trained), cfg.decode)
