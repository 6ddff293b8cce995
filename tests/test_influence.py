"""Influence values: their mean is sacreBLEU's score, their slope and their spread are its own."""

import numpy as np
import pytest
from comparison_runs import text
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.comparison.influence import corpus_score, influence, sentence_counts

REFERENCES = text(0)


def changed(words: int, drop: int = 0) -> list[str]:
    """The references with every so many words replaced, and some of the last left out."""
    lines = [line.split() for line in REFERENCES]
    kept = [line[: len(line) - (place % 3) * drop] for place, line in enumerate(lines)]
    return [
        " ".join("not" if (j + i) % words == 0 else word for j, word in enumerate(line))
        for i, line in enumerate(kept)
    ]


CORPORA = {
    "as good as it gets": (REFERENCES, REFERENCES),
    "longer": ([f"{line} and more" for line in changed(5)], REFERENCES),
    "shorter": (changed(5, drop=1), REFERENCES),
    "no four words right": (changed(3), REFERENCES),
    "no three words right": (changed(2), REFERENCES),
    "some empty": (["" if i % 4 else line for i, line in enumerate(changed(6))], REFERENCES),
    "nothing right": (["none of this is there" for _ in REFERENCES], REFERENCES),
    "no four words": ([line[:5] for line in REFERENCES], REFERENCES),
    "letters": ([line[:3] for line in REFERENCES], [line[:2] for line in REFERENCES]),
}
METRICS = {"bleu": BLEU(), "chrf": CHRF()}


@pytest.mark.parametrize("score", METRICS)
@pytest.mark.parametrize("corpus", CORPORA)
def test_values_are_sacrebleus_score_and_its_slope(score, corpus):
    """More of one sentence and less of all others changes sacreBLEU's score as its value says."""
    hypotheses, references = CORPORA[corpus]
    counts = sentence_counts(METRICS, hypotheses, references)[score]
    values = influence(score, counts)

    expected = METRICS[score].corpus_score(hypotheses, [references]).score
    assert corpus_score(score, counts) == pytest.approx(expected, rel=1e-12)
    assert values.shape == (len(hypotheses),)
    assert values.mean() == pytest.approx(expected, rel=1e-9)

    copies = 200  # so that one sentence is little
    total, num = copies * counts.sum(0), copies * len(counts)
    pairs = [(sacrebleus(score, total + one), sacrebleus(score, total - one)) for one in counts]
    slopes = np.array([num * (more - less) / 2 for more, less in pairs])
    scale = sacrebleus(score, total) / expected if expected else 1  # half a match of more
    assert scale * (values - expected) == pytest.approx(slopes - slopes.mean(), rel=1e-3, abs=1e-3)


def sacrebleus(score: str, total: np.ndarray) -> float:
    """What sacreBLEU makes of summed counts."""
    return METRICS[score]._compute_score_from_stats([int(number) for number in total]).score


@pytest.mark.parametrize("score", ["bleu", "chrf", "loss"])
def test_their_spread_is_that_of_a_bootstrap(score):
    draw = np.random.default_rng(1)
    references = [" ".join(draw.choice(list("abcdefgh"), 12)) for _ in range(400)]
    hypotheses = [
        " ".join(word if keep else "z" for word, keep in zip(line.split(), kept, strict=True))
        for line, kept in zip(references, draw.random((400, 12)) < 0.8, strict=True)
    ]
    pieces = draw.integers(3, 30, 400)
    losses = np.stack([pieces * draw.gamma(2, size=400), pieces], 1)
    counts = {"loss": losses, **sentence_counts(METRICS, hypotheses, references)}[score]

    drawn = draw.multinomial(400, np.full(400, 1 / 400), size=1000) @ counts
    bootstrap = np.std([corpus_score(score, one[None]) for one in drawn])

    assert influence(score, counts).std() / 20 == pytest.approx(bootstrap, rel=0.08)


def test_a_loss_per_piece_is_a_ratio():
    counts = np.array([[2.0, 1], [9.0, 3], [4.0, 4]])

    assert corpus_score("loss", counts) == 15 / 8
    expected = [15 / 8 + 3 * (loss - 15 / 8 * pieces) / 8 for loss, pieces in counts]
    assert influence("loss", counts) == pytest.approx(np.array(expected))


def test_a_score_per_sentence_is_its_own_value():
    scores = np.array([0.5, 0.75, -1.0])

    assert influence("people", np.stack([scores, np.ones(3)], 1)) == pytest.approx(scores)
