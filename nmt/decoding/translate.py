"""Text to text: tokenize, search in batches, detokenize; the order of the lines is kept."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import torch

from nmt.data.text import one_line
from nmt.data.tokenizer import BOS, EOS, PAD, PIECE_CHARACTERS, UNK, Tokenizer
from nmt.decoding.begin import TranslationModel, begin
from nmt.decoding.candidates import MostProbable
from nmt.decoding.decode import Decode
from nmt.decoding.long_lines import LongLines
from nmt.decoding.mbr import Utility, expected_utilities, probabilities
from nmt.decoding.sampling import Distribution, sample, uniforms
from nmt.decoding.search import Hypothesis, RecordSteps, beam_search
from nmt.errors import UserError
from nmt.hardware.runtime import widest
from nmt.stages import counted

SPACES = re.compile(" +")
# A chunk of a stream ends here if not before: constant memory whatever the lines are.
CHUNK_CHARACTERS = 1 << 22
WIDE = 8  # hypotheses of a sentence, with which decode.batch_size sentences are searched together
ROUNDS = 10  # in which samples are drawn until enough of them are different


class Translation(NamedTuple):
    """One translation of a line: text, its token ids without bos and eos, log P(Y|X) / lp(Y)."""

    text: str
    ids: list[int]
    score: float


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
    utility: Utility | None = None,
) -> list[list[Translation]]:
    """The `decode.n_best` best translations of each line, best first; `record` as in `beam_search`.

    Samples are in the order in which they were drawn. The texts of a list are all different; it is
    shorter if the beam, or ROUNDS of samples, have fewer. Lines are searched sorted by length, and
    returned in their order. A line without any token has only the empty translation; one longer
    than `decode.max_source` is cut there. `long` warns of such lines, and continues its count in
    the next part of a text.

    `prefixes` are texts that the translations begin with, one per line, where they are not empty.
    UserError for a prefix of a line without any token, for one longer than `decode.max_source`, and
    for one with characters that the target tokenizer does not know.
    `utility` is what `decode.method=mbr` compares texts by; a score is then the expected utility.
    """
    long = long or LongLines()
    before = long.number
    sources = source_ids(source_tokenizer, lines, decode.max_source, long)
    begun = target_tokenizer.encode(prefixes) if prefixes else [[] for _ in lines]
    check_prefixes(begun, sources, decode.max_source, before)
    translations = [[Translation("", [], 0.0)] for _ in lines]
    lengths = [len(source) for source in sources]
    with torch.inference_mode(), evaluating(model):
        rows = decode.batch_size
        if decode.source == "samples":
            rows = max(1, rows * WIDE // max(WIDE, decode.samples))
        planned = batches(lengths, rows, decode.batch_tokens)
        for batch in counted(planned, sum(map(bool, lengths)), len):
            some, prefix = [sources[i] for i in batch], [begun[i] for i in batch]
            found = hypotheses_of(model, some, decode, device, record, prefix, target_tokenizer)
            for i, hypotheses in zip(batch, found, strict=True):
                if decode.method == "mbr":
                    assert utility, "minimum Bayes risk needs a utility"
                    translations[i] = least_risk(hypotheses, target_tokenizer, decode, utility)
                else:
                    translations[i] = different(hypotheses, target_tokenizer, decode.n_best)
    return translations


def check_prefixes(
    prefixes: list[list[int]], sources: list[list[int]], most: int, before: int
) -> None:
    """UserError for what cannot begin a translation, with its line; `before` lines came earlier."""
    for number, (prefix, source) in enumerate(zip(prefixes, sources, strict=True), before + 1):
        if prefix and not source:
            raise UserError(f"line {number:,}: there is a prefix, but no text to translate")
        if UNK in prefix:
            raise UserError(
                f"line {number:,}: the prefix has characters that are not in the target "
                "vocabulary, so no translation can begin with it"
            )
        if len(prefix) > most:
            raise UserError(
                f"line {number:,}: the prefix has {len(prefix):,} pieces, but at most {most:,} "
                "are read (decode.max_source)"
            )


def different(hypotheses: list[Hypothesis], tokenizer: Tokenizer, most: int) -> list[Translation]:
    """Return the translations of a line, at most so many, each text once with its best score.

    Different pieces may spell the same text; a model trained on sampled pieces writes such.
    """
    found: dict[str, Translation] = {}
    for ids, score in hypotheses:
        text = one_line(tokenizer.decode(ids))
        found.setdefault(text, Translation(text, ids, score))
        if len(found) == most:
            break
    return list(found.values())


def chunks(lines: Iterable[str], most_lines: int) -> Iterator[list[str]]:
    """Lines in chunks of `most_lines`, fewer where they are long.

    If reading fails, the lines that could be read come first.
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

    `long` gets the lengths.
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
    """The first characters of a line, with runs of spaces made one, as tokens have them."""
    return line if len(line) <= most else SPACES.sub(" ", line.strip(" "))[:most]


def least_risk(
    hypotheses: list[Hypothesis], tokenizer: Tokenizer, decode: Decode, utility: Utility
) -> list[Translation]:
    """Return the translations with the highest expected utility, `decode.n_best` or fewer.

    Samples have equal weight, hypotheses of a beam their probability. A text has the pieces of its
    first hypothesis.
    """
    texts = [one_line(tokenizer.decode(one.ids)) for one in hypotheses]
    drawn = decode.source == "samples"
    weights = [1.0] * len(texts) if drawn else probabilities(hypotheses, decode.lp)
    expected = expected_utilities(texts, weights, utility)
    best = list(expected)[: decode.n_best]
    return [Translation(one, hypotheses[texts.index(one)].ids, expected[one]) for one in best]


def hypotheses_of(
    model: TranslationModel,
    sources: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    record: RecordSteps | None,
    prefixes: list[list[int]],
    tokenizer: Tokenizer,
) -> list[list[Hypothesis]]:
    """The hypotheses of a batch of sources, from which translations are chosen."""
    if decode.source == "beam":
        of_all = decode.method == "mbr"
        wanted = replace(decode, method="beam", n_best=decode.beam) if of_all else decode
        found = search(model, sources, wanted, device, record, prefixes)
        return [one[: decode.beam] for one in found] if of_all else found
    if decode.source == "samples":
        return draw(model, sources, decode, device, prefixes, range(decode.samples))
    return draw_different(model, sources, decode, device, prefixes, tokenizer)


def search(
    model: TranslationModel,
    sources: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    record: RecordSteps | None = None,
    prefixes: list[list[int]] | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of a batch of sources, see `beam_search`.

    For several translations it searches for a whole beam, because some may be the same text.
    """
    prefixes = prefixes or [[] for _ in sources]
    steered = decode.steers or any(prefixes)
    begun = begin(model, sources, prefixes, decode, device, steered)
    return beam_search(
        begun.step,
        begun.memory,
        begun.state,
        beam=decode.beam,
        max_length=begun.limit,
        length_norm=decode.lp,
        n_best=1 if decode.n_best == 1 else decode.beam,
        bos=BOS,
        eos=EOS,
        choose=MostProbable(2 * decode.beam, PAD, BOS, EOS, normalized=steered),
        record=record,
    )


def draw(
    model: TranslationModel,
    sources: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    prefixes: list[list[int]],
    samples: range,
) -> list[list[Hypothesis]]:
    """The samples of these numbers of a batch of sources, see `sample`."""
    begun = begin(model, sources, prefixes, decode, device, steered=True)
    uniform = uniforms(decode.seed, sources, samples, int(begun.limit.max()) + 1)
    return sample(
        begun.step,
        begun.memory,
        begun.state,
        uniform=uniform.to(device, widest(torch.device(device))),
        distribution=Distribution(decode.temperature, decode.top_k, decode.top_p),
        max_length=begun.limit,
        length_norm=decode.lp,
        bos=BOS,
        eos=EOS,
    )


def draw_different(
    model: TranslationModel,
    sources: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    prefixes: list[list[int]],
    tokenizer: Tokenizer,
) -> list[list[Hypothesis]]:
    """Samples of a batch of sources until `decode.n_best` of each are different texts.

    At most ROUNDS times `decode.n_best`, so that it ends even if a model has little to choose from.
    """
    found: list[list[Hypothesis]] = [[] for _ in sources]
    lacking = list(range(len(sources)))
    for turn in range(ROUNDS):
        samples = range(turn * decode.n_best, (turn + 1) * decode.n_best)
        some, begun = [sources[i] for i in lacking], [prefixes[i] for i in lacking]
        for i, drawn in zip(
            lacking, draw(model, some, decode, device, begun, samples), strict=True
        ):
            found[i] += drawn
        lacking = [
            i for i in lacking if len(different(found[i], tokenizer, decode.n_best)) < decode.n_best
        ]
        if not lacking:
            break
    return found


def batches(lengths: list[int], max_rows: int, max_tokens: int) -> Iterator[list[int]]:
    """The numbers of the non-empty lines, longest first, in batches within both limits.

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
