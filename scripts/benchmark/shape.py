"""What all toolkits are measured with: the same models, budgets and lengths."""

from dataclasses import dataclass

VOCABULARY = 8000  # pieces of both sides
LENGTH = 15  # pieces of a sentence in the mean
MAX_TOKENS = 4096  # of an update, a side, padding included
BEAM = 5
BATCH_SIZE = 64  # sentences that are searched together
PIECES = 16  # of each translation, forced
DROPOUT = 0.1
SMOOTHING = 0.1  # of the labels
CLIP = 1.0  # norm of the gradient
RATE = 1e-3  # of Adam


@dataclass(frozen=True)
class Rnn:
    """A bidirectional LSTM encoder, an LSTM decoder with input feeding, separate embeddings."""

    attention: str  # mlp, v·tanh(Wq + Uk), or general, qWk
    embedding: int = 256
    encoder: int = 256  # of each direction
    decoder: int = 512


@dataclass(frozen=True)
class Transformer:
    """As in Vaswani et al. 2017; one matrix is both embeddings and the output layer."""

    layers: int  # of the encoder, and as many of the decoder
    width: int
    feed_forward: int
    heads: int = 4


Shape = Rnn | Transformer
SHAPES: dict[str, Shape] = {
    "rnn-mlp": Rnn("mlp"),
    "rnn-general": Rnn("general"),
    "tiny": Transformer(layers=4, width=128, feed_forward=256),
    "small": Transformer(layers=3, width=256, feed_forward=1024),
}
