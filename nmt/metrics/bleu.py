"""BLEU, chrF and TER by sacreBLEU, each with the signature that says what was computed."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NotRequired, TypedDict

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacremoses import MosesTokenizer

from nmt.data.language import CHINESE, JAPANESE, SPACELESS, primary, script
from nmt.errors import UserError

# By the script of the target language, as sacreBLEU's own command chooses by the language: 13a for
# every script not named. Where no words are written and sacreBLEU has none: BLEU of characters.
TOKENIZERS = dict.fromkeys(SPACELESS, "char") | dict.fromkeys(CHINESE, "zh")
TOKENIZERS |= dict.fromkeys(JAPANESE, "ja-mecab") | {"Kore": "ko-mecab", "Hang": "ko-mecab"}
BLEU_OF = "bleu_"  # before the name of a pair of languages: its BLEU on dev, in the log


class Scores(TypedDict):
    """Corpus scores from 0 to 100 (TER: 0 is best, above 100 is possible)."""

    bleu: float
    chrf: float
    ter: NotRequired[float]  # not where `bleu` is of characters: TER has no words there
    bleu_tok_lc: float
    signatures: dict[str, str]  # by the names above


def bleu_and_chrf(
    hypotheses: list[str], references: list[str], target_language: str
) -> dict[str, float]:
    """The same `bleu` and `chrf` as :func:`score`, and no TER, whose search takes half a minute."""
    metrics = bleu_and_chrf_of(target_language)
    return {name: m.corpus_score(hypotheses, [references]).score for name, m in metrics.items()}


def bleu_and_chrf_of(target_language: str) -> dict[str, Metric]:
    """Make the metrics of these names for a language."""
    return {"bleu": bleu_of(bleu_tokenizer(target_language)), "chrf": CHRF()}


def bleu_of(tokenizer: str, lowercase: bool = False) -> BLEU:
    """Make BLEU, silent where text looks tokenized: `nmt.metrics.doubts` says that once."""
    return BLEU(tokenize=tokenizer, lowercase=lowercase, force=True)


def score(
    hypotheses: list[str],
    references: list[str],
    target_language: str,
    more: Sequence[list[str]] = (),
) -> Scores:
    """Score detokenized text against one reference per line, and ``more`` where there are several.

    Of those, an empty line does not count as a reference.
    `bleu` takes sacreBLEU's tokenizer for the script of the target language (13a, zh, ja-mecab,
    ko-mecab, char). `bleu_tok_lc` is the BLEU of the older literature, on lower-cased text in Moses
    tokens. Moses has no words for scripts of `TOKENIZERS`; there `bleu_tok_lc` keeps the tokenizer
    of `bleu` and is lower-cased alone. `ter` has the words of Tercom; Chinese and Japanese need its
    normalization and its support of Asian languages for that (`--ter-normalized
    --ter-asian-support` of sacreBLEU's command). The signatures say so.
    """
    texts = [references, *more]
    assert {len(hypotheses)} == set(map(len, texts))
    assert hypotheses
    tokenizer = bleu_tokenizer(target_language)
    metrics = bleu_and_chrf_of(target_language)
    if tokenizer != "char":
        asian = tokenizer in ("zh", "ja-mecab")
        metrics["ter"] = TER(normalized=asian, asian_support=asian)
    found = {name: against(texts, m, hypotheses) for name, m in metrics.items()}
    signatures = {name: str(m.get_signature()) for name, m in metrics.items()}
    found["bleu_tok_lc"], signatures["bleu_tok_lc"] = bleu_tok_lc(
        hypotheses, texts, target_language
    )
    return Scores(**found, signatures=signatures)  # type: ignore[typeddict-item]


def against(texts: Sequence[list[str]], metric: Metric, hypotheses: list[str]) -> float:
    """Return the score against references; behind the first text, an empty line is none."""
    first, *more = texts
    others = [[line or None for line in lines] for lines in more]
    return metric.corpus_score(hypotheses, [first, *others]).score  # type: ignore[list-item]


def bleu_tok_lc(
    hypotheses: list[str], texts: Sequence[list[str]], target_language: str
) -> tuple[float, str]:
    """Return the BLEU of lower-cased Moses tokens and its signature, see :func:`score`."""
    tokenizer = bleu_tokenizer(target_language)
    if tokenizer == "13a":
        language = primary(target_language)
        hypotheses, *texts = (moses(lines, language) for lines in (hypotheses, *texts))
        tokenizer = "none"
    metric = bleu_of(tokenizer, lowercase=True)
    found = against(texts, metric, hypotheses)
    named = f"tok:moses-{version('sacremoses')}"
    return found, str(metric.get_signature()).replace("tok:none", named)


def bleu_tokenizer(target_language: str) -> str:
    """Name the tokenizer that sacreBLEU has for a language."""
    return TOKENIZERS.get(script(target_language), "13a")


def require_one_tokenizer(target_languages: Sequence[str]) -> None:
    """UserError for languages whose BLEU cannot be that of one test set."""
    first = target_languages[0]
    for other in target_languages[1:]:
        if bleu_tokenizer(first) != bleu_tokenizer(other):
            raise UserError(
                f"data.pairs: BLEU is counted in {bleu_tokenizer(first)} tokens for {first}, and "
                f"in {bleu_tokenizer(other)} for {other}, so both cannot have one BLEU: train a "
                "model for each"
            )


def moses(lines: list[str], language: str) -> list[str]:
    """Each line as Moses tokens between spaces, nothing escaped."""
    tokenizer = MosesTokenizer(language)
    return [" ".join(tokenizer.tokenize(line, escape=False)) for line in lines]
