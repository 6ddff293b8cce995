"""A Transformer for Hugging Face transformers: a folder that `from_pretrained` reads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from nmt.config.own import own_choices
from nmt.config.settings import Setting
from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.export.original import Original
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import Transformer
from nmt.runs.lifting import FORMAT

NOT_OF_A_MODEL = ("data", "optimizer", "schedule", "tokenizer")  # a folder does without them
NEW_PIECES = 512  # of a translation, where the longest sentence of the training is not known


def misfits(found: Mapping[str, Setting], model: Seq2Seq) -> list[str]:
    """Say what of a run `nmt.hf` cannot express: it has every Transformer of nmt's own parts."""
    if not isinstance(model, Transformer):
        return [f"model={found['model']} (it has only Transformers)"]
    words = [f"{k}={v}" for k, v in found.items() if k.partition(".")[0] not in NOT_OF_A_MODEL]
    return [
        f"{word} (a class of your own, which is not in nmt, where the folder is used)"
        for word in words
        if own_choices(word)
    ]


def save(original: Original, folder: Path, quantization: str) -> None:
    """Write the model, its tokenizer and how it searches into a folder that is there.

    Of the configuration of the run, what makes the model is kept.
    """
    assert quantization == "float32"
    from transformers import GenerationConfig

    from nmt.hf import NmtConfig, NmtForConditionalGeneration, NmtTokenizer

    translator, decode = original.translator, original.decode
    source, target = translator.source_tokenizer, translator.target_tokenizer
    of_run = original.config["model"]
    parts = {key: value for key, value in original.config.items() if key in ("model", *of_run)}
    kept = NmtConfig(
        run={"format": FORMAT, **parts},
        source_vocab_size=len(source),
        vocab_size=len(target),
        hidden_size=of_run["width"],
        num_hidden_layers=of_run["decoder_layers"],
        num_attention_heads=of_run["heads"],
    )
    model = NmtForConditionalGeneration(kept).eval()
    model.transformer.load_state_dict(translator.model.state_dict())
    trained = translator.long.trained
    longest = NEW_PIECES if trained is None else decode.max_ratio * trained + decode.max_extra
    beams = decode.beam if decode.method == "beam" else 1
    model.generation_config = GenerationConfig(
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        suppress_tokens=[PAD, BOS],
        num_beams=beams,
        length_penalty=float(decode.length_penalty) if beams > 1 else None,
        max_new_tokens=int(longest),
    )
    with quiet():
        model.save_pretrained(folder)
    for side, tokenizer in (("source", source), ("target", target)):
        tokenizer.save(folder, side)
    files = (str(folder / f"{side}.model") for side in ("source", "target"))
    made = NmtTokenizer(*files, model_max_length=decode.max_source)
    made.save_pretrained(folder)


def log_ps(
    folder: Path, sources: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[np.ndarray]:
    """Force what :func:`save` wrote: ln P of each target piece and of </s>, (N,) a sentence.

    Ids are without <s> and </s>.
    """
    from transformers import AutoModelForSeq2SeqLM

    import nmt.hf  # noqa: F401

    with quiet():
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    found: list[np.ndarray] = []
    for source, target in zip(sources, targets, strict=True):
        labels = torch.tensor([[*target, EOS]])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*source, EOS]]), labels=labels).logits
        log_p = logits.log_softmax(-1).gather(-1, labels.unsqueeze(-1))
        found.append(log_p[0, :, 0].double().numpy())
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Have transformers draw no bars inside the block: `nmt export` says what it does."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
