"""Text to text: tokenize, search in batches, detokenize; the order of the lines is kept."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.data.text import one_line
from nmt.data.tokenizer import BOS, EOS, PAD, PIECE_CHARACTERS, Tokenizer
from nmt.decoding import steering
from nmt.decoding.candidates import MostProbable
from nmt.decoding.decode import Decode
from nmt.decoding.long_lines import LongLines
from nmt.decoding.search import Hypothesis, RecordSteps, Step, beam_search, wants_shapes_again
from nmt.decoding.steering import Steered
from nmt.errors import UserError

SPACES = re.compile(" +")
# A chunk of a stream ends here if not before: constant memory whatever the lines are.
CHUNK_CHARACTERS = 1 << 22
# On a GPU sources are padded to a multiple of PIECES, and the longest translation that there may be
# has a multiple of ROOM, so that shapes come again.
PIECES, ROOM = 16, 32


class Translation(NamedTuple):
    """One translation of a line: text, its token ids without bos and eos, log P(Y|X) / lp(Y)."""

    text: str
    ids: list[int]
    score: float


class TranslationModel(Protocol):
    """What is asked of a model; see `nmt.models.seq2seq`."""

    training: bool
    reads_padding: bool

    def train(self, mode: bool = True) -> Any: ...
    def encode(self, source: Tensor) -> Any: ...
    def start(self, memory: Any, room: int = 0) -> Any: ...
    def step(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]: ...


def translate(
    model: TranslationModel,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    lines: list[str],
    decode: Decode,
    device: torch.device | str,
    record: RecordSteps | None = None,
    long: LongLines | None = None,
    prefixes: list[str] | None = None,
) -> list[list[Translation]]:
    """The `decode.n_best` best translations of each line, best first; `record` as in `beam_search`.

    No text stands twice in a list, which is shorter where the beam holds fewer texts. Lines are
    searched sorted by length, and given back in their order. A line without any token has the empty
    translation alone; one longer than `decode.max_source` is cut there. `long` warns of such lines,
    and counts on in the next part of a text.

    `prefixes` are texts that the translations begin with, one per line, where they are not empty.
    UserError for a prefix of a line without any token, and for one longer than `decode.max_source`.
    """
    long = long or LongLines()
    before = long.number
    sources = source_ids(source_tokenizer, lines, decode.max_source, long)
    begun = target_tokenizer.encode(prefixes) if prefixes else [[] for _ in lines]
    check_prefixes(begun, sources, decode.max_source, before)
    translations = [[Translation("", [], 0.0)] for _ in lines]
    lengths = [len(source) for source in sources]
    with torch.inference_mode(), evaluating(model):
        for batch in batches(lengths, decode.batch_size, decode.batch_tokens):
            some, prefix = [sources[i] for i in batch], [begun[i] for i in batch]
            found = search(model, some, decode, device, record, prefix)
            for i, hypotheses in zip(batch, found, strict=True):
                translations[i] = different(hypotheses, target_tokenizer, decode.n_best)
    return translations


def check_prefixes(
    prefixes: list[list[int]], sources: list[list[int]], most: int, before: int
) -> None:
    """UserError for what cannot begin a translation, with its line; `before` lines came earlier."""
    for number, (prefix, source) in enumerate(zip(prefixes, sources, strict=True), before + 1):
        if prefix and not source:
            raise UserError(f"line {number:,}: there is a prefix, and no text to translate")
        if len(prefix) > most:
            raise UserError(
                f"line {number:,}: the prefix has {len(prefix):,} pieces, and at most {most:,} are "
                "read (decode.max_source)"
            )


def different(hypotheses: list[Hypothesis], tokenizer: Tokenizer, most: int) -> list[Translation]:
    """Return the translations of a line, at most so many, each text once with its best score.

    Other pieces may make the same text, and a model that learned from sampled pieces says so.
    """
    found: dict[str, Translation] = {}
    for ids, score in hypotheses:
        text = one_line(tokenizer.decode(ids))
        found.setdefault(text, Translation(text, ids, score))
        if len(found) == most:
            break
    return list(found.values())


def chunks(lines: Iterable[str], most_lines: int) -> Iterator[list[str]]:
    """Lines some at a time: `most_lines`, fewer where they are long.

    Where reading fails, what could be read comes first.
    """
    held: list[str] = []
    num_characters = 0
    try:
        for line in lines:
            held.append(line)
            num_characters += len(line)
            if len(held) == most_lines or num_characters > CHUNK_CHARACTERS:
                yield held
                held, num_characters = [], 0
    except UserError:
        yield held
        raise
    if held:
        yield held


def source_ids(
    tokenizer: Tokenizer, lines: list[str], max_source: int, long: LongLines | None = None
) -> list[list[int]]:
    """The rows a model reads: tokens, at most `max_source`, and eos; empty for white space.

    `long` is told the lengths.
    """
    most = max_source * PIECE_CHARACTERS
    texts = [beginning(line, most + 1) if line.strip() else "" for line in lines]
    sources = tokenizer.encode(texts)
    if long:
        rows = zip(texts, sources, strict=True)
        lengths = [max_source + 1 if len(text) > most else len(ids) for text, ids in rows]
        long.look(lengths, max_source)
    return [[*ids[:max_source], EOS] if ids else [] for ids in sources]


def beginning(line: str, most: int) -> str:
    """A line, or that many characters of it, runs of spaces being one as they are in tokens."""
    return line if len(line) <= most else SPACES.sub(" ", line.strip(" "))[:most]


def search(
    model: TranslationModel,
    sources: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    record: RecordSteps | None = None,
    prefixes: list[list[int]] | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of a batch of sources, see `beam_search`.

    Where several translations are wanted, the search is for a whole beam: some may be one text. A
    prefix is no part of what `decode.max_ratio` and `decode.max_extra` limit.
    """
    source = padded(sources)  # (B,S)
    prefix = padded(prefixes or [[] for _ in sources])  # (B,P)
    length = torch.tensor([len(ids) for ids in sources])  # (B,)
    limit = (decode.max_ratio * length).long() + decode.max_extra + (prefix != PAD).sum(1)  # (B,)
    room = 0
    if wants_shapes_again(torch.device(device)):
        room = ROOM * (int(limit.max()) // ROOM + 1)
        if not model.reads_padding:
            source = F.pad(source, (0, -source.size(1) % PIECES), value=PAD)
    step: Step[Any, Any] = model.step
    memory = model.encode(source.to(device))
    state = model.start(memory, room)
    steered = decode.steers or prefix.size(1) > 0
    if steered:
        step = Steered(model, decode.no_repeat_ngram)
        least = limit.clamp(max=decode.min_length)
        memory = steering.Memory(prefix.to(device), least.to(device), memory)
        state = step.start(memory, state)
    return beam_search(
        step,
        memory,
        state,
        beam=decode.beam,
        max_length=limit.to(device),
        length_norm=decode.lp,
        n_best=1 if decode.n_best == 1 else decode.beam,
        bos=BOS,
        eos=EOS,
        choose=MostProbable(2 * decode.beam, PAD, BOS, EOS, normalized=steered),
        record=record,
    )


def padded(rows: list[list[int]]) -> Tensor:
    """Ids of several lines side by side, padded on the right: (B,S)."""
    tensors = [torch.tensor(ids, dtype=torch.long) for ids in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD)


def batches(lengths: list[int], max_rows: int, max_tokens: int) -> Iterator[list[int]]:
    """Places of the non-empty lines, longest first, in batches within both limits.

    `max_tokens` counts padding; a line that is longer by itself has a batch of its own.
    """
    places = sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i])
    while places:
        num = max(1, min(max_rows, max_tokens // lengths[places[0]]))
        yield places[:num]
        places = places[num:]


@contextmanager
def evaluating(model: TranslationModel) -> Iterator[None]:
    """The model in evaluation mode inside the block, and as it was after it."""
    training = model.training
    model.train(False)
    try:
        yield
    finally:
        model.train(training)
