"""From a corpus to ids: clean, cut into pieces, keep on disk."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sentencepiece
from datasets import Dataset

from nmt.data.arrow import write_arrow
from nmt.data.cache import cached, digest
from nmt.data.clean import Clean, CleaningReport, Judge, clean_lengths, clean_text
from nmt.data.corpus import Corpus, Splits, tables, texts
from nmt.data.encode import IDS, Encoder, pair_lengths
from nmt.data.parallel import in_order
from nmt.data.sentencepiece_file import with_new_pieces
from nmt.data.synthetic import Synthetic, TrainText, text_of_train
from nmt.data.text import Text
from nmt.data.tokenizer import UNK, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError
from nmt.stages import counted, stage


@dataclass
class Prepared:
    """A corpus ready for training. Columns of a split: source, target, source_ids, target_ids."""

    train: Dataset
    dev: Dataset
    test: Dataset | None
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    report: CleaningReport  # of train; dev and test are never filtered


Tokenizers = tuple[Tokenizer, Tokenizer]  # of source and target
NOTHING = Synthetic()


def made_by(config: TokenizerConfig) -> dict[str, Any]:
    """What the pieces depend on beside the text, in the form that older versions had."""
    given = ("run", "model")
    made = {key: value for key, value in asdict(config).items() if key not in given}
    return {key: value for key, value in made.items() if value not in (None, [])}


def prepare(
    corpus: Corpus,
    clean: Clean,
    config: TokenizerConfig,
    cache: Path,
    given: Tokenizers | None = None,
    synthetic: Synthetic = NOTHING,
) -> Prepared:
    """Cleans train, trains the tokenizer on it only, encodes all splits; later reads `cache`.

    Train is that of the corpus and what is `synthetic`. The tags of both become pieces.
    Tokenizers that are `given` are not trained; then only `config.sample` matters, and tags that
    they do not have become pieces behind theirs.
    Raises UserError where the corpus cannot be read, has no train or dev, where nothing is left
    after cleaning, where the tokenizer's size does not fit the text, and where those that are given
    cannot have a piece for a tag.
    """
    symbols = [*corpus.symbols(), *([synthetic.tag] if synthetic.tag else [])]
    config = with_symbols(config, symbols)
    config.check()
    if given:
        given = with_pieces(given, symbols)
        require_pieces(given[0], symbols)
    model = replace(config, sample=0.0)  # sampling does not change the model
    pieces = [sha256(one.model).hexdigest() for one in given] if given else made_by(model)
    more = synthetic.of(corpus.source, corpus.target)
    beside = [more.key(cache), synthetic.tag] if more else []
    name = digest(corpus.key(cache), asdict(clean), pieces, sentencepiece.__version__, *beside)
    folder = cached(
        cache / "prepared" / name,
        lambda partial: _build(corpus, clean, model, cache, partial, given, synthetic),
    )
    train, dev, test = Splits.load(folder)
    assert train is not None
    assert dev is not None
    return Prepared(
        train,
        dev,
        test,
        Tokenizer.load(folder, "source", config.sample),
        Tokenizer.load(folder, "target", config.sample),
        CleaningReport(**json.loads((folder / "report.json").read_text())),
    )


def _build(
    corpus: Corpus,
    clean: Clean,
    config: TokenizerConfig,
    cache: Path,
    folder: Path,
    given: Tokenizers | None,
    synthetic: Synthetic,
) -> None:
    stage("reading the corpus")
    splits = corpus.load(cache)
    if splits.train is None or splits.dev is None:
        missing = "train" if splits.train is None else "dev"
        raise UserError(f"the corpus has no {missing} split, but training needs train and dev")
    train = text_of_train(splits.train, synthetic, (corpus.source, corpus.target), cache)
    if train.synthetic is None:
        stage("cleaning the corpus")
    else:
        stage(
            f"cleaning: {len(train.synthetic):,} synthetic pairs beside the {len(train.real):,} of "
            "the corpus"
        )
    judge = Judge.of(clean, held_out(splits.dev, splits.test))
    total = len(train.real) + len(train.synthetic or ())
    kept, report = clean_text(judge, in_order(judge, counted(train.blocks(), total, num_pairs)))
    report.require_some()
    if not given:
        stage(
            f"training the tokenizer ({config.kind}, {config.size:,} pieces) on {len(kept):,} pairs"
        )
    source, target = given or train_tokenizers(train, kept, config, cache)
    stage("segmenting the corpus into pieces")
    for name, split in splits._replace(train=None).present().items():
        encode(map(texts, tables(split)), source, target, folder / f"{name}.arrow")
    kept_text = counted(train.chosen(kept), len(kept), num_pairs)
    encoded = in_order(Encoder(source, target), kept_text)
    write_arrow(folder / "train.arrow", IDS, within(encoded, clean, report))
    report.require_some()
    source.save(folder, "source")
    target.save(folder, "target")
    (folder / "report.json").write_text(json.dumps(asdict(report)))


def with_symbols(config: TokenizerConfig, needed: Sequence[str]) -> TokenizerConfig:
    """Add texts that must be pieces to the symbols of a tokenizer."""
    missing = [one for one in needed if one not in (config.symbols or ())]
    return replace(config, symbols=[*(config.symbols or ()), *missing]) if missing else config


def with_pieces(given: Tokenizers, symbols: Sequence[str]) -> Tokenizers:
    """Tokenizers whose source has a piece for each text that stands in front of others."""
    source, target = given
    missing = [symbol for symbol in symbols if not is_piece(source, symbol)]
    if not missing:
        return given
    grown = with_new_pieces(source, missing)
    return grown, grown if target.model == source.model else target


def is_piece(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a text is one piece, and a known one."""
    (ids,) = tokenizer.encode([text])
    return len(ids) == 1 and ids != [UNK]


def require_pieces(tokenizer: Tokenizer, symbols: Sequence[str]) -> None:
    """UserError for a text in front of others that is not one piece."""
    for symbol in symbols:
        if not is_piece(tokenizer, symbol):
            raise UserError(
                f"{symbol} cannot be one piece of the tokenizer that is given: train that with "
                f"tokenizer.symbols=['{symbol}'], or train another one here"
            )


def num_pairs(text: Text) -> int:
    """The number of sentence pairs."""
    return len(text[0])


def held_out(*splits: Dataset | None) -> Iterator[Text]:
    """The text of dev and test."""
    for split in splits:
        yield from map(texts, tables(split)) if split is not None else ()


def within(encoded: Iterable[pa.Table], clean: Clean, report: CleaningReport) -> Iterator[pa.Table]:
    """The pairs that stay by their lengths in pieces, without eos, or bos and eos."""
    for table in encoded:
        yield table.take(clean_lengths(pair_lengths(table) - [1, 2], clean, report))


def train_tokenizers(
    train: TrainText, kept: np.ndarray, config: TokenizerConfig, cache: Path
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target: the same one, or one per side. kept: rows of train."""
    pairs = max(1, config.max_lines // 2 if config.joint else config.max_lines)
    some = kept[:: -(-len(kept) // pairs)]
    text = train.chosen(some)
    source, target = (list(chain.from_iterable(side)) for side in zip(*text, strict=True))
    if config.joint:
        both = cached_tokenizer(source + target, config, cache)
        return both, both
    return cached_tokenizer(source, config, cache), cached_tokenizer(target, config, cache)


def cached_tokenizer(lines: list[str], config: TokenizerConfig, cache: Path) -> Tokenizer:
    """A tokenizer trained on `lines`, from the cache if the lines are the same."""
    name = digest(lines, made_by(config), sentencepiece.__version__)
    folder = cached(
        cache / "tokenizers" / name,
        lambda partial: train_tokenizer(lines, config).save(partial, "lines"),
    )
    return Tokenizer.load(folder, "lines")


def encode(text: Iterable[Text], source: Tokenizer, target: Tokenizer, path: Path) -> Dataset:
    """Lines with the columns source_ids (… eos) and target_ids (bos … eos), written to `path`."""
    return write_arrow(path, IDS, in_order(Encoder(source, target), text))
