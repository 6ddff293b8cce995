"""What a training takes from another run: its tokenizers, and the weights to start with."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from nmt.data.cache import expanded
from nmt.data.language import require_known
from nmt.data.pairs import Pair, targets_of
from nmt.data.sentencepiece_file import read_sentencepiece
from nmt.data.tokenizer import NORMALIZATIONS, SAMPLED_KINDS, Tokenizer, TokenizerConfig
from nmt.errors import UserError
from nmt.metrics.bleu import require_one_tokenizer
from nmt.run import Translator
from nmt.runs.checkpoint import MODEL, newest_intact
from nmt.runs.folder import CONFIG, load_tokenizers, read_config, trained_on
from nmt.runs.tensors import read_tensors
from nmt.training.frozen import part_weights

OWN = ("run", "model", "sample")  # settings of a tokenizer that do not make its pieces
VOCABULARY = tuple(key.name for key in fields(TokenizerConfig) if key.name not in OWN)


def with_tokenizer_settings(cfg: DictConfig) -> DictConfig:
    """Return a configuration that says how the tokenizers it is given were made.

    UserError for a run or a SentencePiece model that cannot be read, and for a run of other
    languages.
    """
    run, model = cfg.tokenizer.run, cfg.tokenizer.model
    if run and model:
        raise UserError(
            f"tokenizer.run={run} beside tokenizer.model={model}: leave one of them out"
        )
    if not run and not model:
        return cfg
    made = settings_of_run(cfg) if run else settings_of_models(cfg.tokenizer)
    merged = OmegaConf.merge(cfg, {"tokenizer": made})
    assert isinstance(merged, DictConfig)
    return merged


def settings_of_run(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings that the pieces of ``tokenizer.run`` were made with."""
    theirs = read_config(Path(cfg.tokenizer.run))
    known, asked = pairs_of(theirs.data), pairs_of(cfg.data) if cfg.data else []
    if asked and not set(known) & set(asked):
        raise UserError(
            f"tokenizer.run={cfg.tokenizer.run} has pieces for {' '.join(map(str, known))}, but "
            f"this training is of {' '.join(map(str, asked))}: choose a run with the same "
            "languages, or remove tokenizer.run"
        )
    return {key: theirs.tokenizer[key] for key in VOCABULARY}


def pairs_of(data: DictConfig) -> list[Pair]:
    """Return the pairs of languages of a corpus."""
    named = list(map(Pair.of, data.get("pairs") or ()))
    return named or [Pair(data.source, data.target)]


def settings_of_models(config: DictConfig) -> dict[str, Any]:
    """Return what ``tokenizer.model`` says of itself, where a setting has a name for it.

    UserError where segmentations are to be drawn from a model that does not allow it.
    """
    tokenizers = read_models(config.model)
    for one in tokenizers if config.sample else ():
        if not one.can_be_sampled:
            why = "its pieces cross spaces" if one.kind in SAMPLED_KINDS else f"kind {one.kind}"
            raise UserError(
                f"tokenizer.sample={config.sample}: other pieces cannot be drawn from "
                f"tokenizer.model={config.model} ({why}): set tokenizer.sample=0"
            )
    source, target = tokenizers
    normalization = source.proto.normalizer_spec.name
    return {
        "kind": source.kind,
        "size": max(len(source), len(target)),
        "joint": source.model == target.model,
        "byte_fallback": source.proto.trainer_spec.byte_fallback,
        **({"normalization": normalization} if normalization in NORMALIZATIONS else {}),
    }


def read_models(model: Any) -> tuple[Tokenizer, Tokenizer]:
    """Read what ``tokenizer.model`` names: FILE for both sides, or [SOURCE,TARGET]."""
    paths = [model] if isinstance(model, str) else model
    listed = isinstance(paths, Sequence) and all(isinstance(one, str) for one in paths)
    if not listed or len(paths) not in (1, 2):
        raise UserError(
            f"tokenizer.model={model}: give one SentencePiece model for both sides, or "
            "[SOURCE,TARGET]"
        )
    source, *others = (read_sentencepiece(expanded(path)) for path in paths)
    return source, others[0] if others else source


def refuse_new(cfg: DictConfig) -> None:
    """Raise UserError for languages that nobody knows, and for a run without weights to begin with.

    A run that is resumed keeps the codes that it has, and needs no other run.
    """
    pairs = cfg.data.get("pairs") or []
    for language in (language for pair in pairs for language in Pair.of(pair)):
        require_known({"data.pairs": language})
    require_known({f"data.{side}": str(cfg.data[side]) for side in ("source", "target")})
    require_one_tokenizer([str(cfg.data.target), *targets_of(pairs)])
    if cfg.init:
        weights_of(Path(cfg.init))
    elif cfg.init_parts is not None:
        raise UserError(f"init_parts={list(cfg.init_parts)} are parts of a run: give init=RUN, too")


def given_tokenizers(cfg: DictConfig, run: Path) -> tuple[Tokenizer, Tokenizer] | None:
    """Return the tokenizers that a training is given; None: it makes its own.

    A run that is resumed has them in its folder, wherever they came from.
    """
    if not cfg.tokenizer.run and not cfg.tokenizer.model:
        return None
    if (run / CONFIG).exists():
        return load_tokenizers(run)
    if cfg.tokenizer.model:
        return read_models(cfg.tokenizer.model)
    return load_tokenizers(Path(cfg.tokenizer.run))


def weights_of(run: Path) -> Path:
    """Return the file of a run's final model, or of its last intact checkpoint.

    UserError without any.
    """
    read_config(run)
    if (run / MODEL).is_file() and not trained_on(run):
        return run / MODEL
    found = newest_intact(run)
    if found is None:
        raise UserError(f"init={run}: this run has neither {MODEL} nor an intact checkpoint")
    return found.weights


def take_weights(translator: Translator, run: Path, parts: Sequence[str] | None) -> list[str]:
    """Put the weights of a run into an untrained model by their names; say which.

    Taken is what has the name and the shape of a weight of the model, in all of it or in some
    ``parts``. Where the model has more pieces than the run, whose own come first, their rows stay
    new. UserError where the pieces of the run are others, and where nothing can be taken.
    """
    sizes = same_pieces(translator, run)
    path = weights_of(run)
    stored = read_tensors(path)
    parameters = dict(translator.model.named_parameters())
    wanted = set(parameters.values())
    if parts is not None:
        found = (part_weights(translator.model, part, "init_parts") for part in parts)
        wanted = set(chain.from_iterable(found))
    taken = [
        name
        for name, p in parameters.items()
        if p in wanted and name in stored and fits(stored[name].shape, p.shape, sizes)
    ]
    if not taken:
        raise UserError(f"init={run}: none of its weights matches the new model in name and shape")
    longer = [name for name in taken if stored[name].shape != parameters[name].shape]
    with torch.no_grad():
        for name in taken:
            own = parameters[name]
            (own[: len(stored[name])] if name in longer else own).copy_(stored[name])
    told = {
        f"taken from {path}": taken,
        "new": [name for name in parameters if name not in taken],
        **({"with new rows for new pieces": longer} if longer else {}),
        "dropped": sorted(name for name in stored if name not in taken),
    }
    return [f"weights {what}: {', '.join(names) or 'none'}" for what, names in told.items()]


def same_pieces(translator: Translator, run: Path) -> set[tuple[int, int]]:
    """Return how many pieces a run and the translator have, of each side; the run's come first.

    UserError, with the reason, where it has others.
    """
    ours = translator.source_tokenizer, translator.target_tokenizer
    sizes: set[tuple[int, int]] = set()
    for side, own, other in zip(("source", "target"), ours, load_tokenizers(run), strict=True):
        here, there = (one.pieces(range(len(one))) for one in (own, other))
        if here[: len(there)] != there:
            both = zip_longest(there, here, fillvalue="none")
            number, pair = next(one for one in enumerate(both) if one[1][0] != one[1][1])
            raise UserError(
                f"init={run}: its {len(other):,} {side} pieces are not the {len(own):,} of this "
                f"training (id {number} is {pair[0]} there and {pair[1]} here), so its embeddings "
                "would belong to other pieces. Use its tokenizers as well: "
                f"tokenizer.run={run}"
            )
        sizes.add((len(there), len(here)))
    return sizes


def fits(stored: Sequence[int], own: Sequence[int], sizes: set[tuple[int, int]]) -> bool:
    """Whether a weight of one shape can be taken into another: the same, or one of more pieces."""
    if not stored or not own:
        return stored == own
    return stored[1:] == own[1:] and (stored[0] == own[0] or (stored[0], own[0]) in sizes)
