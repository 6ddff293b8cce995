"""nmt align: word alignments out of a trained model's attention, and how good they are."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.alignment.attention import LinkRule, argmax_links, threshold_links
from nmt.alignment.choice import Asked
from nmt.alignment.directions import Direction, FromModels, from_models, from_statistics
from nmt.alignment.explorer import best_head, of_bitext
from nmt.alignment.load import asking, load, load_dev, load_source, translated
from nmt.commands.beside import weights_place
from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import (
    check_languages,
    given_run,
    one_best,
    split_names,
    take_languages,
)
from nmt.commands.output import folder_of_text, require_folder, require_unread
from nmt.commands.paths import for_shell
from nmt.config.check import check
from nmt.config.languages import with_first_pair
from nmt.config.schema import Align, register_schema
from nmt.config.yamls import config_folder
from nmt.data.cache import cache_folder
from nmt.data.corpus import Corpus
from nmt.data.pairs import sources_of, targets_of
from nmt.errors import UserError
from nmt.evaluation.explorer import EXPLORER, Shown, as_page
from nmt.evaluation.weights import given as given_texts
from nmt.evaluation.weights import weights_of
from nmt.links.bitext import Bitext
from nmt.links.links import written
from nmt.links.result import LINKS, SCORED, Found, row, scores
from nmt.links.statistical import require_eflomal
from nmt.report.gold import draw_alignments
from nmt.report.next_steps import nmt_command, show_next
from nmt.report.weights import writing
from nmt.run import Translator, open_run
from nmt.runs.files import write, write_json
from nmt.runs.folder import RESULT, read_config
from nmt.runs.sample import results_folder
from nmt.runs.versions import commit, versions
from nmt.terminal.console import console
from nmt.terminal.progress import showing
from nmt.terminal.table import table

PICTURES = ("heatmaps", "heatmap_scale")
ALIGNMENTS, SOURCE, TARGET = "alignments.txt", "source.txt", "target.txt"


def main() -> None:
    """Run `nmt align`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="align")
@reporting_mistakes
def run(cfg: DictConfig) -> float | None:
    """Write alignments.txt, result.json and pictures; return the alignment error, if any."""
    folder = given_run(cfg)
    trained = read_config(folder)
    take_languages(cfg, trained)
    cfg = with_first_pair(cfg)
    check(cfg)
    asked: Align = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    if asked.statistical:
        require_eflomal()
    check_reverse(asked, folder, cfg.data or trained.data)
    given = given_output(asked)
    weights = weights_place(asked.weights, files_of(asked))
    with showing("reading the text"):
        material = read_material(cfg, asked, folder, trained)
    text = material.text
    with showing(f"aligning {len(text.source.lines):,} sentences"):
        models, *others = [align(asked, of, folder, material) for of in asked.measures()]
    if weights:
        sides = text.source.lines, text.target.lines
        forced = given_texts(material.translator, *sides, max_pieces=None)
        with showing("writing attention weights"), writing(weights) as write:
            write(weights_of(material.translator, forced, asked.measures()[0]))
    read = [reading for one in (models, *others) for reading in one.readings]
    console().print("\n".join(read), markup=False)
    found = [row for one in (models, *others) for row in one.found]
    if asked.statistical:
        cache = cache_folder(asked.cache)
        with showing("aligning with eflomal, which takes minutes"):
            train = hydra.utils.instantiate(trained.data).lines(cache, "train")
            found = [*found, *from_statistics(train, text, cache)]
    scored = [scores(one, text.gold) for one in found]
    chosen = scored[found.index(models.chosen)]
    output = given or folder_of_text(
        results_folder(folder) / "alignment",
        names_of(asked, material.data),
        as_kept(text, asked.hypothesis),
    )
    output.mkdir(parents=True, exist_ok=True)
    write_words(output, text, models.chosen)
    result = settings(cfg, folder, output, material) | models.about | chosen | {"table": scored}
    write_json(
        output / RESULT, result | {"versions": versions(packages(asked)), "commit": commit()}
    )
    links = models.chosen.links
    drawn = asked.heatmaps, asked.heatmap_scale
    with showing("drawing attention"):
        draw_alignments(output / "heatmaps", text, models.weights, links, *drawn)
    with showing(f"writing {EXPLORER}"):
        best = best_head(material.translator, folder, trained)
        shown = of_bitext(material.translator, text, folder.resolve().name, best)
        write_explorer(output, shown)
    console().print(table(LINKS if text.gold is None else SCORED, map(row, scored)))
    console().print(f"{ALIGNMENTS} has: {models.chosen.aligner}\n{output}", markup=False)
    show_next(console(), better(asked, material))
    return chosen.get("aer")


class Material(NamedTuple):
    """What is aligned, and by which model."""

    translator: Translator
    text: Bitext
    dev: Bitext | None  # with gold links
    data: DictConfig


def read_material(cfg: DictConfig, asked: Align, folder: Path, trained: DictConfig) -> Material:
    """Read the text before the model, which takes longer; translate it where that is asked for."""
    data = chosen_data(cfg, folder, trained)
    corpus: Corpus = hydra.utils.instantiate(data)
    language = asked.to or (data.target if cfg.data and not data.get("pairs") else None)
    where = cache_folder(asked.cache), languages(asked, data)
    dev = load_dev(asked.dev, corpus, *where)
    if asked.hypothesis:
        decode = one_best(trained, cfg)
        source = load_source(asked, corpus, asked.split, *where)
        translator = open_run(folder, asked.device, asked.precision).into(language)
        text = translated(translator, asking(source, translator, language), decode)
    else:
        text = load(asked, corpus, asked.split, *where)
        translator = open_run(folder, asked.device, asked.precision).into(language)
        text = text._replace(source=asking(text.source, translator, language))
    if dev:
        dev = dev._replace(source=asking(dev.source, translator, language))
    return Material(translator, text, dev, data)


def align(asked: Align, of: str, folder: Path, material: Material) -> FromModels:
    """Align the text by attention, of the run and of the one that goes the other way.

    ``of`` is what is read: weights, norms or gradients.
    """
    rule: LinkRule = argmax_links
    if asked.threshold is not None:
        rule = partial(threshold_links, threshold=asked.threshold)
    other = None
    if asked.reverse is not None:
        translator = open_run(Path(asked.reverse), asked.device, asked.precision)
        other = Direction(translator, asked.reverse)
    return from_models(
        Direction(material.translator, str(folder)),
        other,
        material.text,
        material.dev,
        Asked(asked.layer, asked.head, asked.shift),
        rule,
        asked.symmetrize,
        of,
    )


def chosen_data(cfg: DictConfig, folder: Path, trained: DictConfig) -> DictConfig:
    """Return the corpus asked for, else the run's. UserError for one that does not fit."""
    if not cfg.data:
        return trained.data
    if cfg.source:
        raise UserError(f"source={cfg.source} and data=… are two texts: remove one of them")
    check_languages(folder, trained, cfg.data)
    return cfg.data


def languages(asked: Align, data: DictConfig) -> tuple[str, str]:
    """Return source and target of a text; of several pairs those of the target, or the first."""
    target = asked.to or data.target
    sources = sources_of(data.get("pairs") or [], target)
    return sources[0] if len(sources) == 1 else data.source, target


def check_reverse(asked: Align, folder: Path, data: DictConfig) -> None:
    """Raise UserError where the other run does not translate the other way."""
    if asked.reverse is None:
        return
    pairs = data.get("pairs") or []
    source, target = languages(asked, data)
    of_one = f"{source}-{target}" in pairs and asked.source and len(sources_of(pairs, target)) == 1
    if len(pairs) > 1 and not of_one:
        raise UserError(
            f"reverse={asked.reverse} is for a text of one pair of languages, and this may be of "
            f"any of {' '.join(pairs)}: add data=… data.source=… data.target=…"
        )
    other = read_config(Path(asked.reverse)).data
    targets = targets_of(other.get("pairs"))
    if source not in targets if targets else (other.source, other.target) != (target, source):
        raise UserError(
            f"reverse={asked.reverse} translates {other.source} to "
            f"{' '.join(targets) or other.target}; the opposite direction of {folder} is {target} "
            f"to {source}"
        )


def better(asked: Align, material: Material) -> list[str]:
    """Return the command that takes the best attention, where dev has links to find it by."""
    chosen = {"layer": asked.layer, "head": asked.head, "shift": asked.shift}
    if material.dev is None or any(chosen.values()):
        return []
    words = [word for word in sys.argv[1:] if word.partition("=")[0] not in chosen]
    return [nmt_command("align", *for_shell(words), *(f"{key}=best" for key in chosen))]


def given_output(asked: Align) -> Path | None:
    """Return the folder that is asked for, made. UserError for one that is not to be written."""
    if not asked.output:
        return None
    output = require_folder("output", asked.output)
    require_unread(output, (RESULT, ALIGNMENTS, SOURCE, TARGET), files_of(asked))
    output.mkdir(parents=True, exist_ok=True)
    return output


def names_of(asked: Align, data: DictConfig) -> list[str]:
    """Name the text, for the folder of its results, shortly and so that it is told from others."""
    names = split_names(data, asked.split)
    if asked.source:
        file = Path(asked.source).name
        names = [file.split(".")[0] or file, file]
    return [f"{name}-hypothesis" if asked.hypothesis else name for name in names]


def as_kept(text: Bitext, hypothesis: bool) -> dict[str, list[str]]:
    """Return the lines of the files that keep a text; a hypothesis is told by its source alone."""
    sides = {SOURCE: text.source, TARGET: text.target}
    kept = {name: [" ".join(words) for words in side.words] for name, side in sides.items()}
    return {SOURCE: kept[SOURCE]} if hypothesis else kept


def files_of(asked: Align) -> list[str | None]:
    """Return the files that are read as a text."""
    return [
        getattr(files, name)
        for files in (asked, asked.dev)
        for name in ("source", "target", "source_words", "target_words", "gold")
    ]


def settings(cfg: DictConfig, folder: Path, output: Path, material: Material) -> dict[str, Any]:
    """Return what was asked for, for result.json; runs are named as they lie from there."""
    asked: Any = OmegaConf.to_container(cfg)
    for key in ("run", "data", "device", "precision", "output", "cache", *PICTURES, "weights"):
        del asked[key]
    data = OmegaConf.to_container(material.data)
    sentences = {"sentences": len(material.text.source.lines)}
    if asked["reverse"] is not None:
        asked["reverse"] = os.path.relpath(asked["reverse"], output)
    of = {"run": os.path.relpath(folder, output), "weights": material.translator.weights}
    return {**of, "data": data, **asked, **sentences}


def write_words(output: Path, text: Bitext, found: Found) -> None:
    """Write the links, and the words that they number, one sentence pair per line."""
    write(output / ALIGNMENTS, written(found.links))
    for name, lines in as_kept(text, hypothesis=False).items():
        write(output / name, "".join(f"{line}\n" for line in lines))


def write_explorer(output: Path, shown: Shown) -> None:
    """Write the page of the references with their gold links."""
    write(output / EXPLORER, as_page([shown]))


def packages(asked: Align) -> list[str]:
    """Return the packages that the links depend on."""
    return ["nmt", "torch", "sentencepiece", *["eflomal"] * asked.statistical]
