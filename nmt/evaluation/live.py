"""A typed sentence: its translations, their attention, and the next best pieces."""

from dataclasses import replace
from time import monotonic
from typing import Any

import torch

from nmt.data.text import one_line
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.decode import Decode
from nmt.decoding.long_lines import LongLines
from nmt.decoding.search import RecordSteps, Take, Turn
from nmt.errors import UserError
from nmt.evaluation.explorer import Sizes, records
from nmt.evaluation.weights import Forced, found
from nmt.run import Translator

HYPOTHESES = 5  # translations that are shown
NEXT = 5  # other pieces that are shown beside the chosen one
SHOWN = ("weights", "norms")
LONGEST = 200  # pieces of a sentence
SECONDS = 20.0  # that a search may take


def answer(translator: Translator, decode: Decode, text: str) -> list[dict[str, Any]]:
    """Translate a sentence; return the records of its best translations, the best one first.

    UserError for a sentence that is empty, has more than ``LONGEST`` pieces, or takes longer than
    ``SECONDS``.
    """
    (line,) = translator.asking([one_line(text).strip()], None)
    (ids,) = translator.source_tokenizer.encode([line])
    if not ids:
        raise UserError("type a sentence")
    if len(ids) > LONGEST:
        raise UserError(f"the sentence has {len(ids)} pieces, but at most {LONGEST} are allowed")
    beam = max(decode.beam, HYPOTHESES)
    asked = replace(decode, method="beam", beam=beam, n_best=HYPOTHESES)
    with translator.evaluating(within(SECONDS)) as limited:
        (best,) = translator.translated([line], asked, limited, LongLines())
    rows = Sizes.of(translator).rows
    forced = [found(translator, n, line, one, LONGEST) for n, one in enumerate(best, start=1)]
    shown = records(translator, forced, {}, rows, SHOWN)
    for one, record in zip(forced, shown, strict=True):
        record["label"] = f"{one.line}: {one.target} ({one.score:.3f})"
        record["next"] = beside(translator, one)
    return shown


def within(seconds: float) -> RecordSteps:
    """Return what makes a search end with a UserError once it has taken this long."""
    end = monotonic() + seconds

    def limited(take: Take, _: Any) -> Take:
        def step(now: Any, memory: Any) -> Turn:
            if monotonic() > end:
                raise UserError(
                    f"translating takes longer than {seconds:g} seconds: type a shorter sentence"
                )
            return take(now, memory)

        return step

    return limited


def beside(translator: Translator, one: Forced) -> list[list[list[str | float]]]:
    """Return the most probable pieces beside each target piece, [piece, probability]."""
    source = torch.tensor([[*one.source_ids, EOS]], device=translator.device)
    target = torch.tensor([[BOS, *one.target_ids, EOS]], device=translator.device)
    with translator.inferring():
        logits = translator.model(source, target[:, :-1])[0].float()  # (T,V)
    top = logits.softmax(-1).topk(min(NEXT + 1, logits.size(-1)))
    pieces = translator.target_tokenizer.pieces
    return [
        [
            [pieces([piece])[0], round(p, 4)]
            for piece, p in zip(ids, shares, strict=True)
            if piece != chosen
        ][:NEXT]
        for chosen, ids, shares in zip(
            target[0, 1:].tolist(), top.indices.tolist(), top.values.tolist(), strict=True
        )
    ]
