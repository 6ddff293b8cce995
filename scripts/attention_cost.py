"""Measure what each choice of an attention costs: parameters, and CPU time against the usual one.

python scripts/attention_cost.py                       # choices that are not in the file yet
python scripts/attention_cost.py normalize=top_k       # these, anew

It writes docs/attentions.cost.json, which scripts/attention_page.py reads. The model with the
choice and the same model without it take turns, a forward and a backward pass each, on one thread,
and CPU time is counted: so the machine may be shared, though numbers within 0.05 say little. `nmt
bench` measures one configuration in seconds of a clock, for which a machine has to be quiet.
"""

import json
import sys
import time
from datetime import date
from statistics import median
from typing import Any

import torch
from attention_page import COST, ROUNDS, every

from nmt.attention.bias import Bias
from nmt.batches.batch import Batch
from nmt.catalog.choices import Choice
from nmt.catalog.model_settings import ModelSetting
from nmt.catalog.models import MODELS, PIECES, build, composed, num_parameters, words_for
from nmt.data.tokenizer import BOS, EOS
from nmt.evaluation.evaluate import hardware
from nmt.models.seq2seq import Seq2Seq
from nmt.run import build_model
from nmt.runs.files import write_json
from nmt.terminal.console import tell
from nmt.training.loss import batch_loss

SENTENCES, LENGTH = 16, 20  # of a batch, in pieces on both sides


def main() -> None:
    """Measure, and write after each choice."""
    torch.set_num_threads(1)
    known: dict[str, Any] = json.loads(COST.read_text()) if COST.is_file() else {}
    choices = every()
    asked = sys.argv[1:] or [one.word for one in choices if one.word not in known]
    for choice in choices:
        if choice.word in asked:
            known[choice.word] = measured(choice)
            ordered = {one.word: known[one.word] for one in choices if one.word in known}
            write_json(COST, ordered)
            tell(f"{choice.word}: {known[choice.word]}", "attention_cost.py")


def measured(choice: Choice | ModelSetting) -> dict[str, Any]:
    """Return what a choice costs in the first model that can have it."""
    if isinstance(choice, ModelSetting):
        words = [*choice.beside, choice.word]
    else:
        words = next(found for model in MODELS if (found := words_for(model, choice)))
    assert choice.kind
    kinds = (choice.kind, Bias) if choice.group == "positions" else (choice.kind,)
    model = build(composed(words))  # without memory
    without = [word for word in words if word != choice.word]
    without += ["attention=scaled_dot"] if choice.group == "attention" else []
    number, total = num_parameters(model, *kinds), num_parameters(model, type(model))
    if isinstance(choice, ModelSetting):
        plain = build(composed(without))
        number = total - num_parameters(plain, type(plain))
    return {
        "words": words,
        "without": without,
        "parameters": number,
        "of": total,
        "ratio": round(ratio(words, without), 2),
        "machine": hardware(torch.device("cpu")),
        "date": f"{date.today():%Y-%m-%d}",
    }


def ratio(words: list[str], without: list[str]) -> float:
    """Return the CPU time of a model as a multiple of another one's: the median of all rounds."""
    batch = random_batch()
    both = [made(words), made(without)]
    for model in both:
        seconds(model, batch)  # the first pass also makes kernels
    rounds = [[seconds(model, batch) for model in both] for _ in range(ROUNDS)]
    return median(one / other for one, other in rounds)


def made(words: list[str]) -> Seq2Seq:
    """Build a model in float32."""
    torch.manual_seed(1)
    return build_model(composed(words), range(PIECES), range(PIECES)).train()


def random_batch() -> Batch:
    """Draw a batch of sentences of one length."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(EOS + 1, PIECES, (2, SENTENCES, LENGTH + 1), generator=draw)
    ids[:, :, -1] = EOS
    source, target = ids
    target[:, 0] = BOS
    return Batch(source[:, 1:], target)


def seconds(model: Seq2Seq, batch: Batch) -> float:
    """Return the CPU time of a forward and a backward pass."""
    model.zero_grad()
    start = time.process_time()
    batch_loss(model, batch, smoothing=0.0).objective.backward()
    return time.process_time() - start


if __name__ == "__main__":
    main()
