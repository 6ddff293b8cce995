"""transformers: its Marian model in a plain loop of PyTorch."""
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F
from peer import Search, Setup, Update
from shape import BEAM, CLIP, DROPOUT, PIECES, RATE, SMOOTHING, VOCABULARY, Transformer
from torch import Tensor
from transformers import MarianConfig, MarianMTModel

from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.hardware.runtime import autocast

CPU = torch.device("cpu")


def model(shape: Transformer, vocabulary: int = VOCABULARY) -> MarianMTModel:
    """Build a model with random weights."""
    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=shape.width,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward,
        decoder_ffn_dim=shape.feed_forward,
        activation_function="relu",
        dropout=DROPOUT,
        scale_embedding=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
    )
    return MarianMTModel(config)


def trainer(setup: Setup[Transformer]) -> Update:
    """Build a model in training."""
    trained = model(setup.shape).train()
    optimizer = torch.optim.Adam(trained.parameters(), lr=RATE)

    def update(batch: Batch) -> None:
        source, target = batch.source, batch.target
        with autocast(CPU, setup.precision):
            logits = trained(
                input_ids=source, attention_mask=source != PAD, decoder_input_ids=target[:, :-1]
            ).logits  # (B,T,V)
            loss = F.cross_entropy(
                logits.flatten(0, 1),
                target[:, 1:].flatten(),
                ignore_index=PAD,
                label_smoothing=SMOOTHING,
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()

    return update


def decoder(setup: Setup[Transformer]) -> Search:
    """Build a model that translates."""
    made = model(setup.shape).eval()

    def translate(source: Tensor) -> list[list[int]]:
        with torch.inference_mode(), autocast(CPU, setup.precision):
            generate = made.generate  # pyright: ignore[reportAttributeAccessIssue]
            found = generate(
                source,
                attention_mask=source != PAD,
                num_beams=BEAM,
                min_new_tokens=PIECES,
                max_new_tokens=PIECES,
            )
        return found[:, 1:].tolist()

    return translate
