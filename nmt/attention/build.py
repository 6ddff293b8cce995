"""From the choices of the configuration to something that attends."""

from collections.abc import Callable
from functools import partial
from typing import Any

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention
from nmt.attention.bias import Bias, EachMap
from nmt.attention.fixed import Fixed
from nmt.attention.gate import Gate, Gated, NoGate
from nmt.attention.heads import MultiHead, Rotate
from nmt.attention.history import Historic
from nmt.attention.hops import Hops
from nmt.attention.mix import Mix, NoMix, maps_of
from nmt.attention.monotonic import Monotonic
from nmt.attention.none import FixedContext
from nmt.attention.normalize import Normalizer, Softmax
from nmt.attention.place import Place, told
from nmt.attention.position_bias import MakeBias
from nmt.attention.score import Score
from nmt.attention.sink import NoSink, Sink
from nmt.attention.window import Full, Window
from nmt.errors import UserError, above_zero, at_least, at_most


def build_attention(
    query_width: int,
    key_width: int,
    value_width: int,
    score: Callable[..., Any],
    normalize: Callable[[int], Normalizer],
    window: Callable[[int], Window],
    heads: int = 1,
    hops: int = 1,
    sink: Callable[[int, Score, int], Sink] = NoSink,
    gate: Callable[[int, int, int], Gate] = NoGate,
    mix: Callable[[int, int], Mix] = NoMix,
    dropout: float = 0.0,
    project: bool = False,
    head_width: int | None = None,
    turn: Rotate | None = None,
    tie_keys_values: bool = False,
    key_heads: int | None = None,
    bias: MakeBias | None = None,
    soft_cap: float | None = None,
    in_turn: bool = False,
    place: Place = Place.CROSS,
    layer: int = 1,
) -> Attend:
    """Attention with this score, normalizer and window, `hops` times, with `heads`.

    `score` makes a score for the widths of query and key, or is FixedContext: no attention;
    `normalize` makes a normalizer for a number of heads, `sink` a sink, `gate` a gate and `mix` a
    mix. One head is attention itself, without projections, unless `project` is true. `head_width`,
    `turn`, `tie_keys_values` and `key_heads` are those of MultiHead; `bias` makes the position
    bias, for a number of heads and the score. A part or bias whose constructor has a parameter
    `place` or `layer` is told where it is. `in_turn`: positions are computed one after the other,
    so it may have a history. UserError for choices that cannot be combined.
    """
    if heads < 1 or hops < 1:
        raise UserError(f"model.heads={heads} and model.hops={hops}: both start at 1.")
    at_least(1, {"model.head_width": head_width})
    above_zero({"model.soft_cap": soft_cap})
    at_most(1024, {"model.heads": heads, "model.hops": hops})
    if project and _makes(score, FixedContext):
        raise UserError(
            "attention=none does not apply to a Transformer or to an RNN's self-attention, which "
            "need a score: choose another attention=, or one for self-attention only, "
            "encoder.attention= decoder.attention=; or model=rnn with "
            "model.encoder_self_attention=false and model.decoder_self_attention=false"
        )
    if _makes(score, FixedContext):
        _refuse_without_attention(
            *(normalize, window, sink, gate, mix, heads, hops, tie_keys_values, key_heads, soft_cap)
        )
        return FixedContext(value_width)
    maps = maps_of(mix)
    projects = project or heads > 1 or maps > 1  # two maps need two queries
    if key_heads is not None:
        _refuse_key_heads(key_heads, heads, projects)
    tell = partial(told, place=place, layer=layer)
    if _makes(window, Fixed):
        _refuse_without_heads(heads, sink, mix)
    attention = partial(
        Attention,
        score=tell(score),
        normalize=partial(tell(normalize), heads * maps),
        window=tell(window),
        sink=partial(tell(sink), heads * maps),
        mix=partial(tell(mix), heads),
        dropout=dropout,
        bias=partial(_bias, tell(bias) if bias else None, heads, maps),
        shared=heads // (key_heads or heads),
        soft_cap=soft_cap,
    )
    attend: Attend
    if projects:
        attend = MultiHead(
            *(query_width, key_width, value_width, heads, attention),
            *(head_width, turn, tie_keys_values, tell(gate), key_heads, maps),
        )
    else:
        attend = attention(query_width, key_width, value_width)
        if not _makes(gate, NoGate):
            attend = Gated(attend, tell(gate)(1, query_width, value_width))
    if project and place == Place.CROSS:
        _refuse_unread(attend)
    _refuse_without_scale(attend)
    if attend.has_history:
        _refuse_history(attend, mix, place, in_turn, hops)
    if not _makes(sink, NoSink):
        _refuse_needless_sink(attend)
    if not _makes(window, Full):
        _refuse_second_window(attend)
    if hops > 1:
        _refuse_hops(attend, hops)
        return Hops(attend, query_width, hops)
    return attend


def _bias(given: MakeBias | None, heads: int, maps: int, score: Score) -> Bias | None:
    """Make the position bias: the score's own, or that of `positions=`.

    The maps of a head share one that is not learned.
    """
    own = score.bias(heads * maps)
    if own and given:
        raise UserError(
            f"{type(score).__name__} is itself a position bias, and positions= would add another "
            "one: choose positions=none or sinusoidal, or another attention="
        )
    bias = given(heads * maps, score) if given else own
    if bias is None or bias.learns or maps == 1:
        return bias
    of_heads = given(heads, score) if given else score.bias(heads)
    assert of_heads
    return EachMap(of_heads, maps)


def _makes(factory: Callable[..., object], kind: type) -> bool:
    return getattr(factory, "func", factory) is kind


def _refuse_without_heads(heads: int, sink: Callable[..., Sink], mix: Callable[..., Mix]) -> None:
    if heads < 2:
        raise UserError(
            "window=fixed needs at least one head without a fixed pattern: choose "
            "model.heads=2 or more, or another window="
        )
    if not _makes(sink, NoSink):
        raise UserError(
            "sink= other than none does not apply to window=fixed: fixed patterns give a sink no "
            "weight. Remove sink=, or choose another window="
        )
    if not _makes(mix, NoMix):
        raise UserError(
            "mix= other than none does not apply to window=fixed: the weights of its heads are the "
            "fixed patterns. Remove mix=, or choose another window="
        )


def _refuse_key_heads(key_heads: int, heads: int, projects: bool) -> None:
    if not projects:
        raise UserError(
            f"model.key_heads={key_heads} does not apply to model.heads=1: one head projects "
            "nothing, so there are no keys and values to share. Remove model.key_heads, or choose "
            "model.heads=2 or more"
        )
    if key_heads < 1 or heads % key_heads:
        fitting = [str(one) for one in range(1, heads + 1) if heads % one == 0]
        raise UserError(
            f"model.key_heads={key_heads} does not divide model.heads={heads}, so heads cannot "
            f"share keys and values evenly. Choose one of {', '.join(fitting)}"
        )


def _refuse_without_scale(attend: Attend) -> None:
    normalizers = [part for part in attend.modules() if isinstance(part, Normalizer)]
    rescaling = [part for part in attend.modules() if isinstance(part, Gate | Mix)]
    if not all(one.bounded for one in normalizers) and not any(one.rescales for one in rescaling):
        raise UserError(
            "normalize=relu has weights of any size, so the output of a head must be rescaled: "
            "add gate=rms, or choose another normalize="
        )


def _refuse_hops(attend: Attend, hops: int) -> None:
    for part in attend.modules():
        if isinstance(part, Attention) and not part.reads_query:
            raise UserError(
                f"model.hops={hops} does not apply to {type(part.score).__name__}: it "
                "does not read the query, so every hop would look at the same keys. Remove "
                "model.hops, or choose another attention="
            )


def _refuse_unread(attend: Attend) -> None:
    for part in attend.modules():
        if isinstance(part, Attention) and not part.reads_query:
            raise UserError(
                f"{type(part.score).__name__} does not read the query, so source-target attention "
                "would not depend on the target: choose another score for it, with cross.attention="
            )


def _refuse_history(
    attend: Attend, mix: Callable[..., Mix], place: Place, in_turn: bool, hops: int
) -> None:
    part = next(part for part in attend.modules() if isinstance(part, Historic))
    name, choice = type(part).__name__, "attention" if isinstance(part, Score) else "normalize"
    if not in_turn:
        raise UserError(
            f"{name} needs the weights of earlier positions, but {place} attention computes all "
            "positions at once. It is for the source-target attention of model=rnn: choose "
            f"another one for this place, with {place}.{choice}="
        )
    if hops > 1:
        raise UserError(
            f"model.hops={hops} does not apply to {name}: each position looks only "
            f"once. Remove model.hops, or choose another {choice}="
        )
    if isinstance(part, Normalizer) and not _makes(mix, NoMix):
        raise UserError(
            f"mix= other than none does not apply to {name}: it reads its own earlier weights. "
            "Remove mix=, or choose another normalize="
        )


def _refuse_needless_sink(attend: Attend) -> None:
    for part in attend.modules():
        if isinstance(part, Normalizer) and part.leaves_rest:
            raise UserError(
                f"sink= other than none does not apply to {type(part).__name__} as normalize=: "
                "a query that finds nothing already gives its weight to no key, and a sink has no "
                "place in the order of the keys. Remove sink="
            )
        if isinstance(part, Attention) and not part.normalize.yields and part.sink.value is None:
            raise UserError(
                f"sink=zero and sink=logit do not apply to {type(part.normalize).__name__} as "
                "normalize=: a sink with the score 0 takes no weight from the keys, and the "
                "learned score starts at 0, where it has no gradient. Remove sink=, or choose "
                "sink=key, which has a value"
            )


def _refuse_second_window(attend: Attend) -> None:
    if any(isinstance(part, Monotonic) for part in attend.modules()):
        raise UserError(
            "window= other than full does not apply to normalize=monotonic: it moves from key to "
            "key by itself, and could not come back from outside a window. Remove window="
        )


def _refuse_without_attention(
    normalize: Callable[[int], Normalizer],
    window: Callable[[int], Window],
    sink: Callable[..., Sink],
    gate: Callable[..., Gate],
    mix: Callable[..., Mix],
    heads: int,
    hops: int,
    tie_keys_values: bool,
    key_heads: int | None,
    soft_cap: float | None,
) -> None:
    refused = {
        f"model.heads={heads}": heads > 1,
        f"model.hops={hops}": hops > 1,
        "model.tie_keys_values=true": tie_keys_values,
        f"model.key_heads={key_heads}": key_heads is not None,
        f"model.soft_cap={soft_cap}": soft_cap is not None,
        "normalize= other than softmax": not _makes(normalize, Softmax),
        "window= other than full": not _makes(window, Full),
        "sink= other than none": not _makes(sink, NoSink),
        "gate= other than none": not _makes(gate, NoGate),
        "mix= other than none": not _makes(mix, NoMix),
    }
    for choice, is_refused in refused.items():
        if is_refused:
            raise UserError(
                f"{choice} does not apply to attention=none: the decoder gets one fixed vector "
                f"and there are no weights. Remove {choice.partition('=')[0]}, or choose "
                "another attention="
            )
