"""What the tests of exports share: a small trained Transformer, and models with random weights."""

from pathlib import Path
from random import Random

import torch
from choices import CONFIGS
from hydra import compose, initialize_config_dir
from number_language import corpus_words
from omegaconf import DictConfig

from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.data.tokenizer import EOS, Tokenizer
from nmt.decoding.decode import Decode
from nmt.export.original import Original
from nmt.run import Translator, build_model
from nmt.runs.folder import stored

SMALL = [
    *("model=transformer_tiny", "model.width=16", "model.heads=2", "model.feed_forward_width=16"),
    *("model.encoder_layers=1", "model.decoder_layers=2", "model.dropout=0"),
]


def training_words(numbers: Path) -> list[str]:
    """What is typed to train a small Transformer for a moment, which then searches greedily."""
    return [
        *(*corpus_words(numbers), *SMALL, "train.max_tokens=512", "train.max_steps=4"),
        *("train.evaluate_every=4", "train.heatmaps=0", "decode.beam=1", "device=cpu"),
    ]


def composed(*words: str) -> DictConfig:
    """The configuration of `nmt train WORDS` with a Transformer."""
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", [as_choice(word) for word in ("model=transformer_tiny", *words)])


def random_original(tokenizer: Tokenizer, words: str = "") -> Original:
    """A model that has learned nothing, with every weight random, so that each of them counts.

    ``words`` are those of `nmt train`, between spaces.
    """
    cfg = composed(*SMALL, "model.width=24", "model.heads=3", *words.split())
    torch.manual_seed(3)
    model = build_model(cfg, tokenizer, tokenizer).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            size = 0.1 if parameter.dim() < 2 else parameter.size(-1) ** -0.5
            parameter += size * torch.randn(parameter.shape, generator=generator)
        for embedding in (model.source_embedding, model.target_embedding):
            embedding.weight[0] = 0
    where = torch.device("cpu"), torch.float32
    translator = Translator(model, tokenizer, tokenizer, "de", "en", *where)
    return Original(Path("run"), translator, stored(cfg), Decode(), {})


def sentences(tokenizer: Tokenizer) -> list[list[int]]:
    """Ids of sentences of several lengths."""
    random = Random(5)
    return [
        [random.randrange(EOS + 1, len(tokenizer)) for _ in range(length)]
        for length in (7, 1, 12, 3, 20)
    ]
