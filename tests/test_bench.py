"""What `nmt bench` measures is what `nmt train` and `nmt translate` do, and is counted rightly."""

import json
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml
from choices import CONFIGS
from command import mistake, nmt
from rich.console import Console
from small_model import small_rnn, small_transformer
from torch import nn

from nmt.attention.additive import additive
from nmt.attention.attention import record_attention
from nmt.batches.batch import Batch
from nmt.batches.train_loader import TrainLoader
from nmt.bench.clock import Clock
from nmt.bench.decoding import Forced
from nmt.bench.flops import count, cudnn_rnn, cudnn_rnn_backward
from nmt.bench.profile import operators
from nmt.bench.sentences import random_corpus
from nmt.bench.training import PARTS, TimedGradients, TimedTrainer, padding_share
from nmt.config.schema import Train
from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.decoding.decode import Decode
from nmt.decoding.translate import search
from nmt.hardware.products import fused_from
from nmt.report.logger import Logger
from nmt.terminal.progress import Progress
from nmt.training.gradients import Gradients
from nmt.training.loss import batch_loss
from nmt.training.schedule import Constant
from nmt.training.trainer import Trainer

SMALL = (
    *("train.max_tokens=64", "bench.updates=2", "bench.warmup=1", "bench.vocabulary=50"),
    *("bench.length=8", "bench.sentences=5", "bench.pieces=3", "decode.batch_size=4"),
    *("device=cpu", "precision=fp32"),
)
TRANSFORMER = (
    *("model=transformer_tiny", "model.width=8", "model.feed_forward_width=16"),
    *("model.encoder_layers=1", "model.decoder_layers=1", "model.heads=2"),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """One product of a small matrix, not seconds of large ones."""
    monkeypatch.setattr("nmt.bench.gemm.SECONDS", 1e-4)


@pytest.mark.parametrize("model", [("model=rnn_tiny",), TRANSFORMER], ids=["rnn", "transformer"])
def test_a_configuration_is_measured(model, tmp_path):
    path = tmp_path / "speed.json"

    answer = nmt("bench", *model, *SMALL, f"output={path}")

    assert answer.code == 0, answer.err
    assert not answer.err
    for told in (
        "target pieces per second",
        "GFLOP/s",
        "padding",
        "backward",
        "sentences per second",
    ):
        assert told in answer.out
    found = json.loads(path.read_text())
    training, decoding = found["training"], found["decoding"]
    assert training["updates"] == 2
    assert 0 < training["tokens"] <= 2 * 64
    assert training["tokens_per_s"] == training["tokens"] / training["seconds"]
    assert training["operations_per_s"] == training["operations"] / training["seconds"]
    rate = found["machine"]["gemm_rate"]
    assert training["share_of_gemm_rate"] == training["operations_per_s"] / rate
    assert list(training["parts"]) == list(PARTS)
    assert all(seconds > 0 for seconds in training["parts"].values())
    assert 0 <= training["padding_share"] < 0.5
    assert (decoding["sentences"], decoding["beam"], decoding["pieces"]) == (5, 5, 3)
    assert found["machine"]["precision"] == found["config"]["precision"].replace("fp", "float")
    assert [file.name for file in tmp_path.iterdir()] == ["speed.json"]


@pytest.mark.parametrize(
    ("word", "left", "gone"),
    [
        ("bench.updates=0", "sentences per second", "target pieces"),
        ("bench.sentences=0", "target pieces", "sentences per second"),
    ],
)
def test_one_of_both_can_be_left_out(word, left, gone):
    answer = nmt("bench", "model=rnn_tiny", *SMALL, word)

    assert answer.code == 0, answer.err
    assert left in answer.out
    assert gone not in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("bench.updates=-1", ["bench.updates=-1"]),
        ("bench.updates=0 bench.sentences=0", ["nothing to measure"]),
        ("bench.vocabulary=4", ["bench.vocabulary=4"]),
        ("bench.pieces=0", ["bench.pieces=0"]),
        ("bench.length=65", ["bench.length=65", "train.max_tokens=64"]),
        ("bench.size=3", ["bench.size", "vocabulary"]),
        ("guide=gold data=greek_nt", ["guide", "remove it"]),
        ("decode.method=mbr", ["decode.method=mbr", "beam search"]),
        ("train.max_epochs=1", ["train.max_epochs=1", "no last epoch"]),
        ("output=.", ["output=.", "folder"]),
        ("output=nowhere/speed.json", ["output=nowhere/speed.json", "no folder"]),
        ("precision=fp8", ["precision=fp8", "bf16"]),
        ("attention=nope", ["attention=nope", "bahdanau"]),
    ],
)
def test_a_mistake_is_answered_in_one_line(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    message = mistake(nmt("bench", "model=rnn_tiny", *SMALL, *words.split()))

    assert message.count("\n") == 1
    assert all(word in message for word in told)
    assert not list(tmp_path.iterdir())


def test_a_profile_says_which_operators_the_time_goes_to(tmp_path):
    path = tmp_path / "speed.json"

    answer = nmt("bench", "model=rnn_tiny", *SMALL, "bench.profile=4", f"output={path}")

    assert answer.code == 0, answer.err
    assert answer.out.count("its own time") == 2
    found = json.loads(path.read_text())
    for part in ("training", "decoding"):
        operators = found[part]["operators"]
        assert len(operators) == 4
        seconds, shares = ([one[name] for one in operators] for name in ("seconds", "share"))
        assert seconds == sorted(seconds, reverse=True)
        assert 0 < sum(shares) < 1
        assert operators[0]["name"] in answer.out


def test_what_takes_longest_comes_first():
    wide = torch.ones(300, 300)

    def work() -> None:
        for _ in range(20):
            wide @ wide
        torch.ones(2).exp()

    (first, *others) = operators(work, torch.device("cpu"), 50)
    assert (first.name, first.calls) == ("aten::mm", 20)
    assert first.share > 0.5
    assert "aten::exp" in [one.name for one in others]


def test_an_update_that_is_not_finite_ends_it():
    message = mistake(nmt("bench", "model=rnn_tiny", *SMALL, "optimizer.lr=1e38"))

    assert "not finite" in message
    assert "optimizer.lr" in message


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("nmt.bench.decoding.search", "decode.batch_size"),
        ("nmt.training.gradients.autocast", "train.max_tokens=64"),
    ],
)
def test_too_little_memory_names_what_to_lower(place, key, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(place, full)

    assert key in mistake(nmt("bench", "model=rnn_tiny", *SMALL))


def test_bench_has_the_choices_of_train():
    def groups(name: str) -> list:
        entries = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["defaults"]
        return [entry for entry in entries if "schema" not in str(entry)]

    assert groups("bench") == groups("train")


def test_random_sentences_are_like_those_of_a_corpus():
    corpus = random_corpus(vocabulary=11, length=9, max_tokens=200, num=7, seed=3)

    assert len(corpus.source_tokenizer) == 11
    lengths = [len(row) for row in corpus.train["source_ids"]]
    assert abs(sum(lengths) / len(lengths) - 9) < 0.3
    assert max(lengths) > 14
    for source, target in zip(corpus.train["source_ids"], corpus.train["target_ids"], strict=True):
        assert source[-1] == target[-1] == EOS
        assert target[0] == BOS
        assert all(EOS < piece < 11 for piece in [*source[:-1], *target[1:-1]])
    batch = next(TrainLoader(corpus, 200, seed=1).epoch(0))
    assert max(batch.source.numel(), batch.target[:, 1:].numel()) <= 200


def test_a_part_inside_another_one_counts_for_itself():
    times = iter([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])
    clock = Clock(lambda: next(times))

    with clock.part("outer"), clock.part("inner"):
        pass
    with clock.part("outer"):
        pass

    assert clock.seconds == {"outer": 1 + 4 + 16, "inner": 2}


def test_timing_changes_nothing_and_finds_every_part(tmp_path):
    weights = []
    turns: list[str] = []

    class Listening(Clock):
        def part(self, name: str):
            turns.append(name)
            return super().part(name)

    for kind, of in ((Trainer, Gradients), (TimedTrainer, TimedGradients)):
        torch.manual_seed(1)
        with Logger(tmp_path) as logger:
            trainer = small_trainer(kind, of, logger, tmp_path)
            if isinstance(trainer, TimedTrainer):
                trainer.gradients.clock = Listening(lambda: 0.0)
            trainer.train_step(next(trainer.work()))
        weights.append([weight.detach().clone() for weight in trainer.model.parameters()])

    assert turns == ["data", "update", "data", "backward", "forward"]
    assert all(one.equal(other) for one, other in zip(*weights, strict=True))


def small_trainer(
    kind: type[Trainer], gradients: type[Gradients], logger: Logger, folder: Path
) -> Trainer:
    """A trainer of a small RNN on random sentences."""
    model = small_rnn(source_vocabulary=30, target_vocabulary=30)
    corpus = random_corpus(vocabulary=30, length=6, max_tokens=40, num=1, seed=1)
    config = Train(max_steps=5)
    return kind(
        gradients=gradients(model, batch_loss, config, torch.device("cpu"), torch.float32),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        schedule=Constant(warmup=0),
        loader=TrainLoader(corpus, 40, seed=1),
        evaluate=lambda _: {},
        logger=logger,
        progress=Progress(Console(file=StringIO())),
        config=config,
        run=folder,
    )


def test_forced_translations_have_their_length():
    model = small_rnn().eval()
    decode = Decode(beam=3, max_ratio=0.0, max_extra=4)

    with torch.inference_mode():
        found = search(Forced(model, 4), [[5, 6, EOS], [7, EOS]], decode, "cpu")

    assert [{len(hypothesis.ids) for hypothesis in row} for row in found] == [{4}, {4}]


# Counting


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(4, 20, shape, generator=torch.Generator().manual_seed(1))


def update(model: nn.Module) -> int:
    """What an update's forward and backward count."""
    batch = Batch(ids(3, 7), ids(3, 6))
    return count(lambda: batch_loss(model, batch, 0.1).smoothed.backward())  # type: ignore[arg-type]


def test_products_of_vectors_are_counted():
    matrix, vector = torch.ones(3, 5), torch.ones(5)

    assert count(lambda: matrix @ vector) == 2 * 3 * 5
    assert count(lambda: matrix @ torch.ones(5, 7)) == 2 * 3 * 5 * 7


def test_a_whole_sequence_counts_as_its_steps_do():
    """Batch 3, 7 steps, 5 numbers in, 11 out: 4 gates read input and state."""
    network = nn.LSTM(5, 11, batch_first=True)
    x = torch.randn(3, 7, 5, requires_grad=True)
    forward = 2 * 3 * 7 * 4 * 11 * (5 + 11)

    assert count(lambda: network(x)) == forward
    assert count(lambda: network(x)[0].sum().backward()) == 3 * forward


def test_both_libraries_kernels_count_the_same():
    network = nn.LSTM(5, 11, batch_first=True)
    x = torch.randn(3, 7, 5)
    shapes = [tuple(weight.shape) for weight in network.parameters()]

    assert cudnn_rnn((3, 7, 5), shapes, 4) == count(lambda: network(x))
    assert cudnn_rnn_backward((3, 7, 5), shapes, 4) == 2 * count(lambda: network(x))


def test_a_fused_attention_counts_as_the_plain_one():
    model = small_transformer().eval()
    source, target = ids(3, 7), ids(3, 6)

    def plain() -> None:
        with record_attention(model):
            model(source, target)

    with torch.no_grad():
        assert count(lambda: model(source, target)) == count(plain)


@pytest.mark.parametrize(("least", "again"), [(0, 1), (8, 0)], ids=["fused", "by products"])
def test_an_rnns_update_is_three_forwards_and_with_the_kernel_the_scores_again(least, again):
    """Every product has two gradients, those of the output layer too; 3 sentences, 7 and 5 pieces.

    What reads a source piece, a target piece or a sentence is a matrix each.
    """
    model = small_rnn()
    source, sentence = matrices(model.encoder), matrices(model.bridge)
    target = matrices(model.decoder.cells, model.decoder.combine, model.output)
    keys = matrices(model.attend)
    scores = 7 * 5 * 10
    forward = 7 * (source + keys) + 5 * target + sentence + 2 * scores

    with fused_from(least):
        assert update(model) == 2 * 3 * (3 * forward + again * scores)


def matrices(*modules: nn.Module) -> int:
    """The numbers of all matrices."""
    weights = [weight for module in modules for weight in module.parameters()]
    return sum(weight.numel() for weight in weights if weight.dim() == 2)


def test_the_products_of_an_additive_score_are_counted():
    """3 sentences, 5 by 7 pairs of 10 numbers: v with all of them, and its gradient."""
    shapes = ((3, 5, 10), (3, 7, 10), (10,))
    query, keys, v = (torch.rand(*shape, requires_grad=True) for shape in shapes)

    assert count(lambda: additive(query, keys, v).sum().backward()) == 2 * 2 * 3 * 5 * 7 * 10


def test_padding_is_no_piece():
    batch = Batch(ids(2, 4), torch.tensor([[BOS, 5, EOS], [BOS, EOS, PAD]]))

    assert padding_share([batch]) == 1 / 12
