"""A SentencePiece model that was trained elsewhere, with its special pieces at our ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as protos

from nmt.data.lines import require_file
from nmt.data.tokenizer import BOS, EOS, PAD, PIECE_CHARACTERS, UNK, Tokenizer
from nmt.errors import UserError

NAMES = ("pad", "unk", "bos", "eos")  # in the order of our ids
FLAGS = f"--pad_id={PAD} --unk_id={UNK} --bos_id={BOS} --eos_id={EOS}"


def read_sentencepiece(path: Path) -> Tokenizer:
    """Read a SentencePiece model; its pieces for padding, unknown, beginning and end get our ids.

    It cuts text as before: if these four have other ids they are moved to the front, and missing
    ones are added. UserError where the file is not a model, or they cannot be moved.
    """
    require_file(path)
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        pieces = [processor.id_to_piece(index) for index in range(processor.get_piece_size())]
    except (RuntimeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a SentencePiece model: {error}") from error
    if not pieces:
        raise UserError(f"{path} is not a SentencePiece model: it has no pieces")
    longest = max(pieces, key=len)
    if len(longest) > PIECE_CHARACTERS:
        raise UserError(
            f"{path} has a piece of {len(longest)} characters, {longest[:20]}…, and a piece may "
            f"have {PIECE_CHARACTERS}"
        )
    ids = [getattr(processor, f"{name}_id")() for name in NAMES]
    model = path.read_bytes()
    return Tokenizer(model if ids == [PAD, UNK, BOS, EOS] else with_our_ids(path, model, ids))


def with_new_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokenizer:
    """Return a tokenizer that has these texts as pieces, too, with the ids behind its own.

    All else it cuts as before. As with :attr:`TokenizerConfig.symbols`, a text is two pieces: one
    that begins a word, and one that stands elsewhere.
    """
    made: Any = protos  # by protobuf, at run time
    content = made.ModelProto.FromString(tokenizer.model)
    new = made.ModelProto.SentencePiece
    forms = [f"{mark}{text}" for text in texts for mark in ("▁", "")]
    content.pieces.extend(new(piece=form, score=0.0, type=new.USER_DEFINED) for form in forms)
    content.trainer_spec.vocab_size = len(content.pieces)
    return Tokenizer(content.SerializeToString(), tokenizer.smoothing)


def with_our_ids(path: Path, model: bytes, ids: list[int]) -> bytes:
    """Return a model whose special pieces, now at ``ids``, have our ids; -1: it has none."""
    made: Any = protos  # by protobuf, at run time
    content = made.ModelProto.FromString(model)
    names = [getattr(content.trainer_spec, f"{name}_piece") for name in NAMES]
    others = [piece for index, piece in enumerate(content.pieces) if index not in ids]
    taken = {piece.piece for piece in others} & set(names)
    if taken or len(set(names)) < len(names):
        raise UserError(
            f"{path}: the ids of padding, unknown, beginning and end are "
            f"{', '.join(map(str, ids))} (-1: none), and their pieces {', '.join(names)} cannot be "
            f"moved to ids 0 to 3, since {' '.join(taken) or 'one of them'} is another piece, too. "
            f"Train it with spm_train {FLAGS}"
        )
    control = made.ModelProto.SentencePiece.CONTROL
    special = [
        content.pieces[index]
        if index >= 0
        else made.ModelProto.SentencePiece(piece=name, score=0.0, type=control)
        for index, name in zip(ids, names, strict=True)
    ]
    found = made.ModelProto()
    found.CopyFrom(content)
    del found.pieces[:]
    found.pieces.extend([*special, *others])
    for index, name in enumerate(NAMES):
        setattr(found.trainer_spec, f"{name}_id", index)
    found.trainer_spec.vocab_size = len(found.pieces)
    return found.SerializeToString()
