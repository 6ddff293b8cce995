"""Text to ids and back with SentencePiece (Kudo and Richardson 2018)."""

import io
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from nmt.errors import UserError

PAD, UNK, BOS, EOS = 0, 1, 2, 3


@dataclass
class TokenizerConfig:
    """How text is cut into pieces."""

    kind: str = "unigram"  # unigram | bpe | char | word
    size: int = 8000  # pieces in all; for char and word at most
    joint: bool = True  # one model for both sides, or one a side
    character_coverage: float = 0.9999  # share of the text's characters that become pieces
    byte_fallback: bool = True  # the other characters in bytes, else unknown
    normalization: str = "identity"  # identity | nfkc | nmt_nfkc
    sample: float = 0.0  # subword sampling: smoothing for unigram, dropout for bpe; 0: none


class Tokenizer:
    """A trained SentencePiece model: pad 0, unk 1, bos 2, eos 3."""

    def __init__(self, model: bytes, sample: float = 0.0) -> None:
        self.model = model
        self.sample_rate = sample
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __len__(self) -> int:
        return self.processor.get_piece_size()

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The best segmentation of each line; no bos, no eos."""
        return self.processor.encode(list(lines))

    def sample(self, lines: Sequence[str], seed: int) -> list[list[int]]:
        """A segmentation of each line drawn at random, the same for the same lines and seed."""
        drawn: list[list[int]] = []

        def draw() -> None:
            sentencepiece.set_random_generator_seed(seed)
            drawn.extend(
                self.processor.encode(
                    line, enable_sampling=True, alpha=self.sample_rate, nbest_size=-1
                )
                for line in lines
            )

        thread = threading.Thread(target=draw)
        thread.start()
        thread.join()
        return drawn

    def decode(self, ids: Sequence[int]) -> str:
        """Detokenized text; bos, eos and pad say nothing."""
        return self.processor.decode(list(ids))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id as written in the model; ▁ begins a word."""
        return [self.processor.id_to_piece(index) for index in ids]

    def save(self, folder: Path, side: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{side}.model").write_bytes(self.model)

    @classmethod
    def load(cls, folder: Path, side: str, sample: float = 0.0) -> "Tokenizer":
        return cls((folder / f"{side}.model").read_bytes(), sample)


def train_tokenizer(lines: Iterable[str], config: TokenizerConfig) -> Tokenizer:
    """A model of `lines`, the same for the same lines. UserError where `size` does not fit them."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.kind,
            vocab_size=config.size,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            normalization_rule_name=config.normalization,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            max_sentence_length=1 << 16,
            num_threads=4,  # not the machine's number: the sums of EM depend on it
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(_explain(str(error), config)) from None
    return Tokenizer(model.getvalue(), config.sample)


def _explain(message: str, config: TokenizerConfig) -> str:
    if most := re.search(r"Vocabulary size too high .*<= (\d+)", message):
        return f"tokenizer.size={config.size}: the training text allows at most {most[1]}"
    if least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return (
            f"tokenizer.size={config.size}: the characters of the training text alone need {least[1]}; "
            "give more, or lower tokenizer.character_coverage"
        )
    return f"SentencePiece cannot train tokenizer.kind={config.kind}: {message}"
