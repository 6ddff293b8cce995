"""A translator around a small model that has learned nothing."""

import torch
from small_model import small_transformer

from nmt.data.tokenizer import Tokenizer
from nmt.run import Translator


def translator_of(tokenizer: Tokenizer, make=small_transformer, **changes) -> Translator:
    torch.manual_seed(3)
    sizes = {"source_vocabulary": len(tokenizer), "target_vocabulary": len(tokenizer)}
    model = make(**sizes, **changes)
    return Translator(model, tokenizer, tokenizer, "de", "en", torch.device("cpu"), torch.float32)
