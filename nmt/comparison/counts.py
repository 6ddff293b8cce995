"""What BLEU counts, sentence by sentence, and the BLEU of sums of it."""

import numpy as np
from sacrebleu.metrics.bleu import BLEU


def counts(hypotheses: list[str], references: list[str], tokenizer: str) -> np.ndarray:
    """Return what BLEU counts in each sentence, (N,10): 4 matches, 4 n-grams, both lengths."""
    metric = BLEU(tokenize=tokenizer, effective_order=True)  # else it warns; counts are the same
    scores = [
        metric.sentence_score(hypothesis, [reference])
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    return np.array([[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in scores])


def bleu(summed: np.ndarray) -> float:
    """Return the BLEU of summed counts, (10,)."""
    numbers = [int(number) for number in summed]
    found = BLEU.compute_bleu(
        numbers[:4], numbers[4:8], numbers[8], numbers[9], smooth_method="exp"
    )
    return found.score
