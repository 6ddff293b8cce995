"""What commands write beside their results: pictures, attention weights, word links."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

from omegaconf import DictConfig

from nmt.alignment.choice import Asked
from nmt.alignment.translation import Choice, Known, choose, translation_links
from nmt.commands.output import require_file, require_folder, text_file
from nmt.config.schema import HEATMAP_SCALES
from nmt.decoding.decode import Decode
from nmt.decoding.translate import Translation
from nmt.errors import UserError, one_of
from nmt.evaluation.weights import found, weights_of
from nmt.links.links import written
from nmt.models.attention_maps import attends
from nmt.models.contributions import MEASURES
from nmt.report.gallery import Drawn, Gallery, Occasion
from nmt.report.weights import Write as WriteWeights
from nmt.report.weights import require_format, writing
from nmt.run import Translator
from nmt.stages import counted
from nmt.terminal.console import console
from nmt.terminal.progress import showing

CHOICE = ("layer", "head", "shift")


class Translated(NamedTuple):
    """A line, by its number from 1, and its translations, the best one first."""

    number: int
    source: str
    translations: list[Translation]


Write = Callable[[list[Translated]], None]


class Places(NamedTuple):
    """Files to write; None: not asked for."""

    weights: Path | None
    links: Path | None


def check_beside(cfg: DictConfig, read: Sequence[str | None]) -> Places:
    """Return the files that `nmt translate` writes beside the translations.

    UserError for a place where nothing can be written, or that another key names, too.
    """
    one_of(tuple(MEASURES), {"of": cfg.of})
    one_of(HEATMAP_SCALES, {"heatmap_scale": cfg.heatmap_scale})
    if cfg.heatmap:
        require_folder("heatmap", cfg.heatmap)
    weights = weights_place(cfg.weights, read)
    links = new_file("links", cfg.links, [*read, cfg.weights]) if cfg.links else None
    chosen = [key for key in CHOICE if cfg[key] is not None]
    if chosen and not links:
        raise UserError(f"{chosen[0]}={cfg[chosen[0]]} is for word links: add links=FILE")
    return Places(weights, links)


def weights_place(path: str | None, read: Sequence[str | Path | None]) -> Path | None:
    """Return the file that ``weights=`` names. UserError where it cannot be written."""
    if path is None:
        return None
    require_format("weights", path)
    return new_file("weights", path, read)


def new_file(key: str, path: str, read: Sequence[str | Path | None]) -> Path:
    """Return the file that a key names. UserError as in `require_file`, and without a folder."""
    place = require_file(key, path, read)
    if not place.parent.is_dir():
        raise UserError(f"{key}={path} cannot be written: there is no folder {place.parent}")
    return place


def require_attention(translator: Translator, run: str, **asked: str | None) -> None:
    """Raise UserError for what shows the attention of a model that has none."""
    for key, value in asked.items():
        if value and not attends(translator.model):
            raise UserError(f"{key}={value}: {run} has attention=none, there is nothing to show")


@contextmanager
def beside(
    cfg: DictConfig, places: Places, translator: Translator, trained: DictConfig, decode: Decode
) -> Iterator[Write]:
    """Open what is asked for beside translations; give what writes it, some lines at a time."""
    require_attention(
        translator, cfg.run, heatmap=cfg.heatmap, weights=cfg.weights, links=cfg.links
    )
    with ExitStack() as files:
        writers: dict[str, Write] = {}
        if cfg.heatmap:
            folder = Path(cfg.heatmap)
            folder.mkdir(parents=True, exist_ok=True)
            how = {"of": cfg.of, "scale": cfg.heatmap_scale}
            gallery = Gallery(translator, decode, [], folder, cfg.heatmap_words, **how)
            writers["drawing attention"] = partial(draw, gallery)
        if places.weights:
            weights = files.enter_context(writing(places.weights))
            writers["writing attention weights"] = partial(
                write_weights, translator, decode.max_source, cfg.of, weights
            )
        if places.links:
            asked = Known(Asked(cfg.layer, cfg.head, cfg.shift or False), "as asked for", cfg.of)
            given = cfg.of != "weights" or any(cfg[key] is not None for key in CHOICE)
            choice = choose(translator, Path(cfg.run), trained, asked if given else None)
            console().print(f"word links from {choice.words}", markup=False)
            links = files.enter_context(text_file("links", places.links))
            writers["linking words"] = partial(
                write_links, translator, choice, decode.max_source, links
            )

        def write(block: list[Translated]) -> None:
            for doing, writer in writers.items():
                with showing(f"{doing} from line {block[0].number:,} on"):
                    writer(block)

        yield write


def draw(gallery: Gallery, block: list[Translated]) -> None:
    """Draw the attention of each line over its best translation."""
    for number, source, (best, *_) in counted(block, len(block)):
        gallery.draw(Drawn(number, source), best.ids, best.text, Occasion())


def write_weights(
    translator: Translator, max_source: int, of: str, write: WriteWeights, block: list[Translated]
) -> None:
    """Write all weights of each line and its best translation."""
    forced = (
        found(translator, number, source, best, max_source) for number, source, (best, *_) in block
    )
    write(weights_of(translator, forced, of))


def write_links(
    translator: Translator,
    choice: Choice,
    max_source: int,
    file: TextIO,
    block: list[Translated],
) -> None:
    """Write the word links of each translation, a line each."""
    pairs = [(source, one.text) for _, source, translations in block for one in translations]
    sources, texts = zip(*pairs, strict=True)
    file.write(written(translation_links(translator, sources, texts, choice, max_source)))
