"""CTranslate2, with the weights of a Marian model of transformers."""

# CTranslate2 declares the fields of its specifications as None or as classes to be replaced.
# pyright: reportAttributeAccessIssue=false
# pyright: reportMissingImports=false

from tempfile import TemporaryDirectory

import ctranslate2
import torch
from ctranslate2.converters.transformers import MarianMTLoader
from peer import Search, Setup
from shape import BEAM, PIECES, VOCABULARY, Transformer
from torch import Tensor

from nmt.data.tokenizer import BOS, EOS, PAD, UNK
from peers.marian import model


def decoder(setup: Setup[Transformer]) -> Search:
    """Convert a model, and open it."""
    pieces = [f"piece{number}" for number in range(VOCABULARY)]
    one_more = model(setup.shape, VOCABULARY + 1)  # the loader drops the last one, its padding
    spec = MarianMTLoader().get_model_spec(one_more)
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.config.unk_token = pieces[UNK]
    spec.config.bos_token = spec.config.decoder_start_token = pieces[BOS]
    spec.config.eos_token = pieces[EOS]
    spec.config.add_source_eos = False  # it is there
    spec.validate()
    folder = setup.until.enter_context(TemporaryDirectory())
    spec.save(folder)
    threads = torch.get_num_threads()
    made = ctranslate2.Translator(folder, compute_type="float32", intra_threads=threads)
    number = {piece: place for place, piece in enumerate(pieces)}

    def translate(source: Tensor) -> list[list[int]]:
        rows = [[pieces[place] for place in row if place != PAD] for row in source.tolist()]
        found = made.translate_batch(
            rows, beam_size=BEAM, min_decoding_length=PIECES, max_decoding_length=PIECES
        )
        return [[number[piece] for piece in one.hypotheses[0]] for one in found]

    return translate
