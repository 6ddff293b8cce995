"""The two SentencePiece models of an exported model, as one tokenizer of transformers."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizer

from nmt.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

FILES = {"source_model": "source.model", "target_model": "target.model"}


class NmtTokenizer(PreTrainedTokenizer):
    """Cuts sources, with ``text_target=`` targets, and joins the pieces of targets to text.

    ``</s>`` stands behind each, as the model wants it. A special piece such as ``</s>`` that occurs
    in a text is text.
    """

    vocab_files_names = FILES
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012
    padding_side = "right"

    def __init__(self, source_model: str, target_model: str, **settings: Any) -> None:
        self.source = Tokenizer(Path(source_model).read_bytes())
        self.target = Tokenizer(Path(target_model).read_bytes())
        self.current = self.source
        special = self.source.pieces([PAD, UNK, BOS, EOS])
        names = ("pad_token", "unk_token", "bos_token", "eos_token")
        given = dict(zip(names, special, strict=True)) | {"split_special_tokens": True} | settings
        super().__init__(**given)

    @property
    def vocab_size(self) -> int:
        """The number of pieces, of the source or of the target."""
        return len(self.current)

    def get_vocab(self) -> dict[str, int]:
        """Return the ids of all pieces."""
        return {piece: index for index, piece in enumerate(self.current.pieces(range(len(self))))}

    def __len__(self) -> int:
        return len(self.current)

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return self.current.processor.encode(text, out_type=str)

    def _convert_token_to_id(self, token: str) -> int:
        return self.current.processor.piece_to_id(token)

    def _convert_id_to_token(self, index: int) -> str:
        return self.current.processor.id_to_piece(index)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Put ``</s>`` behind a line."""
        return [*token_ids_0, *(token_ids_1 or []), EOS]

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        *_: Any,
        **__: Any,
    ) -> str:
        """Join the pieces of a target; with ``skip_special_tokens`` as `nmt translate` does."""
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if skip_special_tokens:
            return self.target.decode(ids)
        return self.convert_tokens_to_string(self.target.pieces(ids))

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Join the pieces of a target, and write special ones as they are."""
        special = {PAD, BOS, EOS}
        parts: list[str] = []
        line: list[int] = []
        for index in map(self.target.processor.piece_to_id, tokens):
            if index in special:
                parts += [self.target.decode(line), *self.target.pieces([index])]
                line = []
            else:
                line.append(index)
        return " ".join(part for part in [*parts, self.target.decode(line)] if part)

    def _switch_to_input_mode(self) -> None:
        self.current = self.source

    def _switch_to_target_mode(self) -> None:
        self.current = self.target

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write both models."""
        written: list[str] = []
        for (_, name), tokenizer in zip(FILES.items(), (self.source, self.target), strict=True):
            path = Path(save_directory, f"{filename_prefix}-{name}" if filename_prefix else name)
            path.write_bytes(tokenizer.model)
            written.append(str(path))
        return tuple(written)
