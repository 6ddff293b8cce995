"""Text to ids and back with SentencePiece (Kudo and Richardson 2018)."""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as protos

from nmt.data.sampling import Sampler
from nmt.errors import UserError, at_least, at_most

PAD, UNK, BOS, EOS = 0, 1, 2, 3
OWN_PIECE = re.compile("<(pad|unk|s|/s|0x[0-9A-F]{2})>")
RESERVED = frozenset(" ▁▅")  # SentencePiece writes the latter two for a space and a symbol

KINDS = ("unigram", "bpe", "char", "word")
SAMPLED_KINDS = ("unigram", "bpe")
NORMALIZATIONS = ("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")

# More than a piece has: SentencePiece makes pieces of 16, and one of what it does not know. A line
# with more characters for each piece that may be is not cut into pieces: 10 MB take BPE 20 s.
PIECE_CHARACTERS = 64
MAX_LINE = 1 << 16  # bytes; longer lines are not sentences, and nothing is learned from them


@dataclass
class TokenizerConfig:
    """How text is cut into pieces."""

    kind: str = "unigram"  # unigram | bpe | char | word
    size: int = 8000  # pieces in all; char and word take fewer where the text has fewer
    joint: bool = True  # one model for both sides, or one per side
    max_lines: int = 200_000  # to learn from: beyond, every n-th line (of both sides where joint)
    # Characters of the text that become pieces of their own, by share of the running text; the
    # others are spelt in bytes, or are unknown where byte_fallback is off.
    character_coverage: float = 0.9998
    byte_fallback: bool = True  # unknown characters are spelt in bytes
    # What is done to the text first. The references of a test set are raw text, so the default does
    # nothing, and decode gives back what encode got but for runs of spaces.
    normalization: str = "identity"  # identity | nfkc | nmt_nfkc | nfkc_cf | nmt_nfkc_cf
    # Texts that are one piece each, wherever they stand, such as <2de>; null: none. Each takes two
    # of the pieces: one begins a word. With kind=word each has to be a word by itself.
    symbols: list[str] | None = None
    # Subword sampling in training, 0: off. unigram: the exponent of the probabilities of the
    # segmentations (Kudo 2018, section 3.2: 0.1 to 0.5); bpe: dropout (Provilkov et al. 2020: 0.1).
    sample: float = 0.0
    run: str | None = None  # a run folder whose tokenizers are used; null: they are trained
    # SentencePiece models that are used: FILE for both sides, or [SOURCE,TARGET]; null: trained
    model: Any = None

    def check(self) -> None:
        """Raise UserError for a setting that has an invalid value."""
        for key, value, known in (
            ("kind", self.kind, KINDS),
            ("normalization", self.normalization, NORMALIZATIONS),
        ):
            if value not in known:
                raise UserError(f"tokenizer.{key}={value}: choose one of {', '.join(known)}")
        at_least(1, {"tokenizer.size": self.size, "tokenizer.max_lines": self.max_lines})
        at_most(1_000_000, {"tokenizer.size": self.size})
        for symbol in self.symbols or ():
            _check_symbol(symbol)
        if len(set(self.symbols or ())) < len(self.symbols or ()):
            raise UserError(f"tokenizer.symbols={self.symbols}: one occurs twice")
        if self.sample and self.kind not in SAMPLED_KINDS:
            raise UserError(
                f"tokenizer.sample={self.sample}: kind={self.kind} has only one segmentation; "
                f"sample with {' or '.join(SAMPLED_KINDS)}, or set tokenizer.sample=0"
            )
        if not 0 <= self.sample <= 1:
            raise UserError(f"tokenizer.sample={self.sample} is not between 0 and 1")
        if not 0.9 <= self.character_coverage <= 1:
            raise UserError(
                f"tokenizer.character_coverage={self.character_coverage} is not between 0.9 and 1"
            )


def _check_symbol(symbol: str) -> None:
    """UserError for symbols that SentencePiece cannot find in a text, and for its own pieces."""
    if not symbol or not symbol.isprintable() or not RESERVED.isdisjoint(symbol):
        raise UserError(
            f"tokenizer.symbols: {symbol!r} must have one or more characters, and none of them may "
            "be a space, a control character, ▁ or ▅"
        )
    if OWN_PIECE.fullmatch(symbol):
        raise UserError(f"tokenizer.symbols: {symbol} is a piece of every tokenizer: remove it")


class Pieces(NamedTuple):
    """A line in pieces, and the characters of the line that each stands for: from, to before."""

    ids: list[int]
    spans: list[tuple[int, int]]


class Tokenizer:
    """A trained SentencePiece model: pad 0, unk 1, bos 2, eos 3."""

    def __init__(self, model: bytes, smoothing: float = 0.0) -> None:
        self.model = model
        self.smoothing = smoothing  # TokenizerConfig.sample
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __len__(self) -> int:
        return self.processor.get_piece_size()

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The best segmentation of each line; no bos, no eos."""
        return self.processor.encode(list(lines))

    def encode_with_spans(self, lines: Sequence[str]) -> list[Pieces]:
        """As `encode`, with the place of each piece in its line.

        A space mark stands for the space, or for nothing. If bytes spell a character, the last byte
        stands for it.
        """
        found = self.processor.encode(list(lines), return_type="offset_mapping")
        return [Pieces(line["ids"], line["offsets"]) for line in found]

    def sample(self, lines: Sequence[str], seed: int) -> list[list[int]]:
        """A random segmentation of each line; the same for the same lines and seed."""
        random = Random(seed)
        return [self.sampler(line, random) for line in lines]

    @cached_property
    def sampler(self) -> Sampler:
        """The sampler of segmentations."""
        symbol = self.proto.SentencePiece.USER_DEFINED
        symbols = [one.piece for one in self.proto.pieces if one.type == symbol]
        return Sampler(self.processor, self.kind, self.smoothing, symbols)

    @cached_property
    def proto(self) -> Any:
        """The model as SentencePiece's protocol buffer: its pieces, and how it was trained."""
        made: Any = protos  # by protobuf, at run time
        return made.ModelProto.FromString(self.model)

    @property
    def kind(self) -> str:
        """One of KINDS."""
        spec = self.proto.trainer_spec
        return spec.ModelType.Name(spec.model_type).lower()

    @property
    def can_be_sampled(self) -> bool:
        """Whether `sample` knows all its segmentations: no piece goes across a space."""
        spec = self.proto.trainer_spec
        within_words = spec.split_by_whitespace and not spec.treat_whitespace_as_suffix
        return self.kind in SAMPLED_KINDS and within_words

    def decode(self, ids: Sequence[int]) -> str:
        """Detokenized text; pad, bos and eos are left out."""
        # The space mark is left over where a word was spelt in bytes (kind word).
        return self.processor.decode(list(ids)).replace("▁", " ").strip(" ")

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id; `▁` begins a word."""
        return [self.processor.id_to_piece(index) for index in ids]

    def save(self, folder: Path, side: str) -> None:
        """Writes `<side>.model`, a plain SentencePiece model."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{side}.model").write_bytes(self.model)

    @classmethod
    def load(cls, folder: Path, side: str, smoothing: float = 0.0) -> Self:
        """Read what `save` wrote. UserError where it is missing."""
        path = folder / f"{side}.model"
        if not path.is_file():
            raise UserError(f"{path}: no such tokenizer")
        return cls(path.read_bytes(), smoothing)


def train_tokenizer(lines: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """Train on `lines`, always to the same model. UserError where `size` does not fit them."""
    config.check()
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.kind,
            vocab_size=config.size,
            hard_vocab_limit=config.kind in SAMPLED_KINDS,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            normalization_rule_name=config.normalization,
            user_defined_symbols=_both_forms(config),
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            max_sentence_length=MAX_LINE,
            num_threads=4,  # not the machine's number: the sums of EM depend on it
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(_explain(str(error), config)) from None
    return Tokenizer(model.getvalue(), config.sample)


def _both_forms(config: TokenizerConfig) -> list[str]:
    """Each symbol in two forms: at the beginning of a word, with its space, and elsewhere.

    For whole words SentencePiece makes the first form by itself.
    """
    forms = ("",) if config.kind == "word" else ("▁", "")
    return [f"{form}{symbol}" for symbol in config.symbols or () for form in forms]


def _explain(message: str, config: TokenizerConfig) -> str:
    if most := re.search(r"Vocabulary size too high .*<= (\d+)", message):
        return f"tokenizer.size={config.size}: the training text allows at most {most[1]}"
    if least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return (
            f"tokenizer.size={config.size}: the single characters of the training text need at "
            f"least {least[1]}; raise it, or lower tokenizer.character_coverage"
        )
    if "sentences_.empty()" in message:
        return (
            f"tokenizer.kind={config.kind} has no text to train on: there are only lines longer "
            f"than {MAX_LINE:,} bytes or with U+2585 (▅), which are not used"
        )
    return f"SentencePiece could not train tokenizer.kind={config.kind}: {message}"
