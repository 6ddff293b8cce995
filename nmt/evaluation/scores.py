"""BLEU, chrF and TER by sacreBLEU, each with the signature that says what was computed."""

from importlib.metadata import version
from typing import TypedDict

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacremoses import MosesTokenizer

from nmt.data.language import SPACELESS, primary

# As sacreBLEU's own command chooses by the target language; 13a for every language not named.
TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
# Where no words are written and sacreBLEU knows none: BLEU of characters.
TOKENIZERS |= {language: "char" for language in SPACELESS if language not in TOKENIZERS}


class Scores(TypedDict):
    """Corpus scores from 0 to 100 (TER: 0 is best, above 100 is possible)."""

    bleu: float
    chrf: float
    ter: float
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
    return {"bleu": BLEU(tokenize=bleu_tokenizer(target_language)), "chrf": CHRF()}


def score(hypotheses: list[str], references: list[str], target_language: str) -> Scores:
    """Score detokenized text, one reference a line.

    `bleu` takes sacreBLEU's tokenizer for the target language (13a, zh, ja-mecab, ko-mecab, char).
    `bleu_tok_lc` is the BLEU of the older literature, on lower-cased text in Moses tokens. Moses
    has no words for languages of `TOKENIZERS`; there `bleu_tok_lc` keeps the tokenizer of `bleu`
    and is lower-cased alone. The signatures say so.
    """
    assert len(hypotheses) == len(references) > 0
    language = primary(target_language)
    tokenizer = bleu_tokenizer(target_language)
    metrics = {
        **bleu_and_chrf_of(target_language),
        "ter": TER(normalized=True, asian_support=True) if language in ("zh", "ja") else TER(),
    }
    values = {name: m.corpus_score(hypotheses, [references]) for name, m in metrics.items()}
    signatures = {name: str(m.get_signature()) for name, m in metrics.items()}

    if tokenizer == "13a":
        lower = BLEU(lowercase=True, tokenize="none", force=True)
        hypotheses, references = moses(hypotheses, language), moses(references, language)
    else:
        lower = BLEU(lowercase=True, tokenize=tokenizer)
    bleu_tok_lc = lower.corpus_score(hypotheses, [references])
    signature = str(lower.get_signature())
    return Scores(
        bleu=values["bleu"].score,
        chrf=values["chrf"].score,
        ter=values["ter"].score,
        bleu_tok_lc=bleu_tok_lc.score,
        signatures={
            **signatures,
            "bleu_tok_lc": signature.replace("tok:none", f"tok:moses-{version('sacremoses')}"),
        },
    )


def bleu_tokenizer(target_language: str) -> str:
    """Name the tokenizer that sacreBLEU has for a language."""
    return TOKENIZERS.get(primary(target_language), "13a")


def moses(lines: list[str], language: str) -> list[str]:
    """Each line as Moses tokens between spaces, nothing escaped."""
    tokenizer = MosesTokenizer(language)
    return [" ".join(tokenizer.tokenize(line, escape=False)) for line in lines]
