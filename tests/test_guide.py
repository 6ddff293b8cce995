"""Attention that is guided by given links: where they come from, what the loss makes of them."""

import json
import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from choices import names
from command import mistake, nmt
from small_model import NEEDS, small_rnn, small_transformer

from nmt.alignment.guide import piece_links, pieces_of_words
from nmt.batches.batch import Batch
from nmt.batches.guide import Guide
from nmt.data.tokenizer import TokenizerConfig, train_tokenizer
from nmt.errors import UserError
from nmt.experiment import build
from nmt.links.bitext import Side
from nmt.models.attention_maps import attention_maps, inside
from nmt.models.seq2seq import Kind
from nmt.training.consistency import RDrop
from nmt.training.guided import Guided
from nmt.training.loss import batch_loss

B, S, T = 3, 5, 4


def make_batch() -> Batch:
    """Random ids, the last sentence shorter; a guide that leaves some pieces without links."""
    torch.manual_seed(1)
    source, target = torch.randint(4, 20, (B, S)), torch.randint(4, 20, (B, T + 1))
    source[2, 3:] = 0
    target[2, 3:] = 0
    guide = Guide.of_links([[(0, 1), (0, 2), (3, 4)], [], [(1, 0)]]).weights(range(B), T, S)
    return Batch(source, target, guide)


def test_a_row_of_the_guide_spreads_one_over_its_links():
    guide = Guide.of_links([[(0, 1), (0, 2), (2, 0)], [(1, 3)], []])
    assert len(guide) == 3
    found = guide.weights([2, 0], 3, 4)
    assert found.tolist() == [
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0.5, 0.5, 0], [0, 0, 0, 0], [1, 0, 0, 0]],
    ]


def test_all_pieces_of_linked_words_are_linked():
    links = frozenset({(1, 0), (0, 1)})
    assert piece_links(links, [[0, 1], [1, 2]], [[0], [1, 2]]) == [
        *((0, 1), (0, 2)),
        *((1, 0), (1, 1), (2, 0), (2, 1)),
    ]


def test_pieces_belong_to_the_words_of_their_characters():
    lines = ["ab cd", "", "ab-cd"]
    words = [["ab", "cd"], [], ["ab", "cd"]]
    tokenizer = train_tokenizer(["ab cd ab-cd"] * 3, TokenizerConfig("char", byte_fallback=False))
    assert tokenizer.pieces(tokenizer.encode(lines)[2]) == ["▁", "a", "b", "-", "c", "d"]
    found = list(pieces_of_words(tokenizer, Side("de", lines, words, "here")))
    assert found == [[[0, 1, 2], [3, 4, 5]], [], [[0, 1, 2], [4, 5]]]


MODELS = {
    "rnn": (small_rnn(), 0),
    "rnn that loops": (small_rnn({"order.input_feed": True}), 0),
    "rnn with hops": (small_rnn(hops=2), 1),
    "transformer": (small_transformer(), 1),  # of three layers the last but one
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("head", "shift"), [(1, False), (None, False), (1, True)])
def test_the_loss_is_the_cross_entropy_of_the_weights_with_the_links(name, head, shift):
    model, row = MODELS[name]
    model.eval()
    batch = make_batch()
    assert batch.guide is not None
    loss = Guided(batch_loss, 0.25, None, head, shift)(model, batch, 0.1)

    plain = batch_loss(model, batch, 0.1)
    maps = attention_maps(model, batch.source, batch.target)
    weights = next(one.weights for one in maps if one.kind == Kind.SOURCE_TARGET)[:, row]
    looked = weights.mean(1) if head is None else weights[:, head - 1]
    expected = 0.0
    for b in range(B):
        for t in range(T - shift):
            for s in range(S):
                if batch.guide[b, t, s]:
                    expected -= batch.guide[b, t, s].item() * math.log(looked[b, t + shift, s])
    assert loss.guided is not None
    torch.testing.assert_close(loss.guided, torch.tensor(expected))
    torch.testing.assert_close(loss.objective, plain.objective + 0.25 * loss.guided)
    torch.testing.assert_close(loss.smoothed, plain.smoothed)


def test_two_passes_count_once():
    model = small_rnn().eval()
    batch = make_batch()
    one, two = (Guided(kind, 1.0, None, 1)(model, batch, 0.1) for kind in (batch_loss, RDrop(1.0)))
    torch.testing.assert_close(one.guided, two.guided)


@pytest.mark.parametrize("name", MODELS)
def test_the_chosen_attention_learns_to_look_there(name):
    model, _ = MODELS[name]
    model.train()
    batch, guided = make_batch(), Guided(batch_loss, 5.0, None, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    missed: list[float] = []
    for _ in range(30):
        loss = guided(model, batch, 0.0)
        assert loss.guided is not None
        missed.append(loss.guided.item())
        optimizer.zero_grad()
        loss.objective.backward()
        optimizer.step()
    assert missed[-1] < missed[0] / 2


@pytest.mark.parametrize("normalize", names("normalize"))
def test_a_link_teaches_however_little_weight_it_has(normalize):
    """As much as under the softmax, also where its weight is 0 and has no gradient."""
    needed = NEEDS.get(("normalize", normalize), {})  # the softmax has the same gate
    model, dense = (small_rnn(normalize=one, **needed).eval() for one in (normalize, "softmax"))
    dense.load_state_dict(model.state_dict(), strict=False)  # but for the normalizer's own
    batch = make_batch()
    assert batch.guide is not None
    weights = [inside(one.attend)[0].score.W.weight for one in (model, dense)]
    for factor in (1, 4000):  # undecided, and looking at one piece with all its weight
        for weight in weights:
            weight.data.mul_(factor)
        for link in batch.guide.nonzero().tolist():
            guide = torch.zeros_like(batch.guide)
            guide[tuple(link)] = 1.0
            taught = []
            for one, weight in zip((model, dense), weights, strict=True):
                loss = Guided(batch_loss, 1.0, None, 1)(one, Batch(*batch[:2], guide), 0.0)
                taught.append(torch.autograd.grad(loss.guided, weight)[0])
            assert loss.guided is not None
            assert taught[0].any() or loss.guided < 1e-6, link
            torch.testing.assert_close(*taught)


@pytest.mark.parametrize(
    ("model", "layer", "head", "reason"),
    [
        (small_rnn(attention="none"), None, 1, "guide=… needs attention"),
        (small_transformer(), 4, 1, "guide.layer=4: the model's decoder has 3"),
        (small_transformer(), 3, 4, "guide.head=4: the attention has 3"),
        (small_rnn(), 1, 2, "guide.head=2: the attention has 1"),
        (small_rnn(attention="gaussian"), None, 1, "nothing to supervise: the weights of Gaussian"),
        (small_transformer(window="fixed"), 1, 1, "guide.head=1 has a fixed .* guide.head=2"),
    ],
)
def test_an_attention_that_is_not_there_or_does_not_learn_is_refused(model, layer, head, reason):
    with pytest.raises(UserError, match=reason):
        Guided(batch_loss, 1.0, layer, head).check(model)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("guide.layer=2", "guide.layer=2"),
        ("guide.head=2", "guide.head=2"),
        ("attention=none", "needs attention"),
        ("model.heads=2 mix=talking_heads", "may be negative"),
        ("tokenizer.sample=0.2", "tokenizer.sample=0.2 samples others"),
    ],
)
def test_what_cannot_be_guided_is_refused_before_any_data_is_read(
    words, reason, tiny, links, tmp_path, monkeypatch
):
    def prepare(*_: object) -> None:
        raise AssertionError("data was read")

    monkeypatch.setattr(build, "prepare", prepare)
    typed = ["guide=file", f"guide.path={links}", *words.split()]
    assert reason in mistake(nmt("train", *tiny, *typed, f"hydra.run.dir={tmp_path / 'run'}"))


def test_the_head_that_learns_beside_fixed_ones_is_taught():
    Guided(batch_loss, 1.0, None, 2).check(small_transformer(window="fixed"))


def guided(run: Path) -> list[float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line["train/guided"] for line in lines if "train/guided" in line]


@pytest.fixture
def links(numbers, tmp_path) -> Path:
    """Each word is linked to the one in its place."""
    path = tmp_path / "links"
    lines = (numbers / "train.de").read_text().splitlines()
    linked = [" ".join(f"{n}-{n}" for n, _ in enumerate(line.split())) for line in lines]
    path.write_text("".join(f"{line}\n" for line in linked))
    return path


def test_training_is_guided_by_a_file(tiny, links, tmp_path):
    run = tmp_path / "run"
    words = ["guide=file", f"guide.path={links}", "guide.weight=5", "train.log_every=1"]
    answer = nmt("train", *tiny, *words, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    found = guided(run)
    assert len(found) >= 4
    assert all(value > 0 for value in found)


@pytest.mark.skipif(find_spec("eflomal") is None, reason="eflomal is not installed")
def test_training_is_guided_by_a_statistical_aligner(tiny, tmp_path):
    run = tmp_path / "run"
    answer = nmt("train", *tiny, "guide=statistical", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    assert guided(run)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["guide=gold"], ["guide=gold", "no gold links", "data=greek_nt"]),
        (["guide=file"], ["guide.path is missing"]),
        (["guide=file", "guide.path=nowhere"], ["nowhere"]),
        (["guide=file", "guide.path={short}"], ["links of 1", "sentence pairs"]),
        (["guide=file", "guide.path={links}", "guide.head=2"], ["guide.head=2", "has 1"]),
        (["guide=file", "guide.path={links}", "guide.weight=0"], ["guide.weight=0"]),
        (["guide=file", "guide.path={links}", "attention=none"], ["needs attention"]),
        (["guide=statistical", "guide.symmetrize=no"], ["guide.symmetrize=no", "union"]),
        (["guide.weight=1"], ["guide.weight", "guide=…"]),
    ],
)
def test_mistakes(words, parts, tiny, links, tmp_path):
    short = tmp_path / "short"
    short.write_text("0-0\n")
    typed = [word.format(links=links, short=short) for word in words]
    run = tmp_path / "run"
    message = mistake(nmt("train", *tiny, *typed, f"hydra.run.dir={run}"))
    for part in parts:
        assert part in message
    assert not (run / "config.yaml").exists()
