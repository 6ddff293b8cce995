"""The training loop: what an update is, where it stops, and how it goes on."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from choices import in_turns
from rich.console import Console
from small_model import small_rnn, small_transformer
from toy_text import CONFIG, text

from nmt.batches.batch import Batch
from nmt.batches.train_loader import TrainLoader
from nmt.batches.updates import Work
from nmt.config.schema import Train
from nmt.data.clean import CleaningReport
from nmt.data.prepare import Prepared, encode
from nmt.data.tokenizer import Tokenizer, train_tokenizer
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.metrics.bleu import score
from nmt.models.seq2seq import Seq2Seq
from nmt.report.logger import Logger
from nmt.run import Translator
from nmt.runs.checkpoint import average, better_first, checkpoints, optimizer_tensors
from nmt.terminal.progress import Progress
from nmt.training.consistency import RDrop, SimCut
from nmt.training.gradients import Gradients
from nmt.training.graphs import PassRecorder
from nmt.training.loss import BatchLoss, Loss, batch_loss
from nmt.training.schedule import Constant, Linear, Plateau, Schedule
from nmt.training.signals import Stop
from nmt.training.tally import Tally, Update
from nmt.training.trainer import Trainer

CPU = torch.device("cpu")
LINES = 44
MODELS = {"rnn": small_rnn, "transformer": small_transformer}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Sentences of made-up words, said backwards by the target."""
    source = text(LINES)
    target = [" ".join(reversed(line.split())) for line in source]
    tokenizer = train_tokenizer(source + target, CONFIG)
    path = tmp_path_factory.mktemp("data") / "train.arrow"
    train = encode([(source, target)], tokenizer, tokenizer, path)
    return Prepared(train, train, None, tokenizer, tokenizer, CleaningReport(LINES))


class Bench:
    """Trainers in run folders; each begins as a new process would."""

    def __init__(self, folder: Path, prepared: Prepared, until: ExitStack) -> None:
        self.folder = folder
        self.prepared = prepared
        self.until = until  # the test has ended

    def trainer(
        self,
        config: Train,
        *,
        schedule: Schedule | None = None,
        evaluate: Callable[[int], dict[str, float]] | None = None,
        make_optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        lr: float = 0.01,
        max_tokens: int = 80,
        run: str = "run",
        step: int = 0,  # where the run stands
        loss: BatchLoss = batch_loss,
        make_model: Callable[..., Seq2Seq] = small_rnn,
        **model: Any,
    ) -> Trainer:
        folder = self.folder / run
        folder.mkdir(exist_ok=True)
        torch.manual_seed(1)
        size = len(self.prepared.source_tokenizer)
        new = make_model(source_vocabulary=size, target_vocabulary=size, **model)
        return Trainer(
            gradients=Gradients(new, loss, config, CPU, torch.float32),
            optimizer=make_optimizer(new.parameters(), lr=lr),
            schedule=schedule or Constant(warmup=0),
            loader=TrainLoader(self.prepared, max_tokens, seed=1),
            evaluate=evaluate or (lambda step: self.dev(new)),
            logger=self.until.enter_context(Logger(folder, step)),
            progress=Progress(Console(quiet=True)),
            config=config,
            run=folder,
        )

    def dev(self, model: Any) -> dict[str, float]:
        """The loss, and what stands for BLEU."""
        (batch,) = TrainLoader(self.prepared, 10_000, seed=0).epoch(0)
        model.eval()
        with torch.no_grad():
            loss = batch_loss(model, batch, 0.0).likelihood.item() / batch.num_pieces
        model.train()
        return {"loss": loss, "bleu": -loss, "chrf": 0.0}


@pytest.fixture
def bench(tmp_path: Path, prepared: Prepared):
    with ExitStack() as until:
        yield Bench(tmp_path, prepared, until)


def metrics(trainer: Trainer, name: str) -> dict[int, float]:
    """What was logged under a name, by step."""
    lines = [json.loads(x) for x in (trainer.run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


def scripted(*bleus: float) -> Callable[[int], dict[str, float]]:
    """An evaluation that gives these BLEUs in turn."""
    left = list(bleus)
    return lambda step: {"bleu": left.pop(0), "loss": 1.0, "chrf": 0.0}


def batch(prepared: Prepared, rows: list[int]) -> Batch:
    ids = TrainLoader(prepared, 10_000, seed=0)._best
    return Batch(ids.source.padded(rows), ids.target.padded(rows))


# An update


LOSSES = {
    "plain": batch_loss,
    "rdrop": RDrop(weight=5.0),
    "simcut": SimCut(weight=3.0, cutoff=1 - 1e-9),  # cuts all it may, wherever the sentence stands
}


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_an_update_is_the_same_however_it_is_cut_into_batches(loss, make_model, bench, prepared):
    """8 sentences of unequal lengths in one batch, or in four of two."""
    lengths = [len(row) for row in prepared.train["target_ids"][:8]]
    assert len(set(lengths)) > 3
    moved = []
    for cut in ([range(8)], [range(i, i + 2) for i in (0, 2, 4, 6)]):
        trainer = bench.trainer(
            Train(max_steps=1, clip_norm=None),
            make_optimizer=torch.optim.SGD,
            lr=1.0,
            dropout=0.0,
            loss=loss,
            make_model=make_model,
        )
        if isinstance(loss, RDrop):  # without dropout both passes would be the same
            trainer.model.source_embedding.register_forward_hook(second_pass_is_louder)
        before = [p.detach().clone() for p in trainer.model.parameters()]
        batches = [batch(prepared, list(rows)) for rows in cut]
        update = updated(trainer, Work(batches, 0, len(batches), {}))
        assert update.tokens == trainer.position.tokens == sum(lengths) - 8
        assert loss is batch_loss or update.loss.consistency > 0
        moved.append([p - b for p, b in zip(trainer.model.parameters(), before, strict=True)])
    for once, in_turn in zip(*moved, strict=True):
        torch.testing.assert_close(once, in_turn, rtol=1e-4, atol=1e-6)


def second_pass_is_louder(_: object, __: object, x: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2)
    return torch.cat([first, 1.5 * second])


def test_the_gradient_is_cut_to_its_norm(bench, prepared):
    norms = []
    for limit in (None, 0.1):
        trainer = bench.trainer(
            Train(max_steps=1, clip_norm=limit), make_optimizer=torch.optim.SGD, lr=1.0, dropout=0.0
        )
        before = [p.detach().clone() for p in trainer.model.parameters()]
        update = updated(trainer, Work([batch(prepared, [0, 1, 2])], 0, 1, {}))
        moves = [p - b for p, b in zip(trainer.model.parameters(), before, strict=True)]
        norms.append(
            (update.grad_norm.item(), torch.cat([m.flatten() for m in moves]).norm().item())
        )
    (before_clipping, whole), (same, cut) = norms
    assert same == before_clipping > 0.1
    assert whole == pytest.approx(before_clipping, rel=1e-3)
    assert cut == pytest.approx(0.1, rel=1e-3)


def test_an_epoch_is_cut_into_updates_and_its_rest(bench):
    trainer = bench.trainer(Train(max_epochs=1, accumulate=2))
    num_batches = trainer.num_batches
    assert num_batches % 2 == 1
    assert len(list(islice(trainer.work(), 99))) == num_batches // 2 + 1  # none beyond
    trainer.fit()
    assert trainer.position.step == num_batches // 2 + 1
    assert (trainer.position.epoch, trainer.position.batch) == (1, 0)
    pieces = sum(len(row) - 1 for row in bench.prepared.train["target_ids"])
    assert trainer.position.tokens == pieces


# The loop


def test_it_learns_8_pairs_by_heart(bench, prepared):
    eight = prepared.train.select(range(8))
    bench.prepared = replace(prepared, train=eight)
    trainer = bench.trainer(
        Train(max_steps=200, evaluate_every=1000, label_smoothing=0.0),
        lr=0.02,
        max_tokens=400,
        embedding_width=24,
        encoder_width=24,
        encoder_layers=1,
        decoder_width=48,
        decoder_layers=1,
        readout_width=24,
        dropout=0.0,
    )
    assert trainer.fit() == "train.max_steps reached"
    tokenizer = prepared.source_tokenizer
    translator = Translator(trainer.model, tokenizer, tokenizer, "x", "x", CPU, torch.float32)
    hypotheses = [best[0].text for best in translator(list(eight["source"]), Decode(beam=1))]
    assert score(hypotheses, list(eight["target"]), "en")["bleu"] == pytest.approx(100)


def test_the_learning_rate_is_that_of_the_schedule(bench):
    trainer = bench.trainer(Train(max_steps=5, log_every=1, evaluate_every=9), schedule=Linear(2))
    trainer.fit()
    factors = {1: 0.5 * 1.0, 2: 0.8, 3: 0.6, 4: 0.4, 5: 0.2}
    rates = {step: 0.01 * factor for step, factor in factors.items()}
    assert metrics(trainer, "train/lr") == pytest.approx(rates)


def test_the_schedule_hears_the_loss_of_each_evaluation(bench):
    """Not what is watched: the loss falls here, and BLEU with it."""
    trainer = bench.trainer(
        Train(max_steps=3, evaluate_every=1),
        schedule=Plateau(0, factor=0.5, patience=1),
        evaluate=lambda step: {"loss": 9.0 - step, "bleu": 30.0 - step, "chrf": 0.0},
    )
    trainer.fit()
    assert trainer.schedule.state() == {"now": 1.0, "best": 6.0, "waited": 0}


def test_what_is_logged_is_a_mean_over_pieces_updates_and_seconds():
    def update(nats: float, tokens: int, norm: float) -> Update:
        loss = Loss(*torch.tensor([9.0, nats, 2 * nats, 3 * nats, 4 * nats]).unbind())
        return Update(loss, tokens, torch.tensor(norm))

    tally = Tally(seconds=0.5)
    tally.add(update(6.0, 3, 1.0))
    tally.add(update(2.0, 1, 4.0))
    logged = tally.metrics()
    assert logged == {
        "train/loss": 2.0,
        "train/nll": 4.0,
        "train/grad_norm": 2.5,
        "train/consistency": 6.0,
        "train/guided": 8.0,
        "train/tokens_per_s": 8.0,
    }
    assert Tally.restored(tally.state()).metrics() == logged


def test_it_trains_in_training_mode_whatever_mode_it_finds(bench):
    trainer = bench.trainer(Train(max_steps=2, evaluate_every=1))
    trainer.model.eval()
    modes = []
    trainer.optimizer.register_step_pre_hook(lambda *_: modes.append(trainer.model.training))
    trainer.fit()
    assert modes == [True, True]


def test_every_update_is_logged_and_the_last_is_evaluated(bench):
    trainer = bench.trainer(Train(max_steps=7, log_every=3, evaluate_every=5))
    trainer.fit()
    assert list(metrics(trainer, "train/loss")) == [3, 5, 6, 7]
    found = checkpoints(trainer.run)
    assert [one.position.step for one in found] == [5, 7]
    assert found[-1].position == trainer.position


def test_it_stops_when_dev_gets_no_better_and_keeps_the_best_and_the_last(bench):
    trainer = bench.trainer(
        Train(patience=2, evaluate_every=1, keep_last=1, keep_best=1),
        evaluate=scripted(1.0, 5.0, 3.0, 4.0, 99.0),
    )
    assert trainer.fit() == "no better dev bleu in 2 evaluations"
    assert trainer.position.step == 4
    assert trainer.position.best == 5.0
    kept = {found.position.step: found.position.dev["bleu"] for found in checkpoints(trainer.run)}
    assert kept == {2: 5.0, 4: 4.0}


def test_a_better_evaluation_gives_patience_back(bench):
    trainer = bench.trainer(
        Train(patience=2, evaluate_every=1), evaluate=scripted(3.0, 2.0, 4.0, 4.0, 1.0)
    )
    trainer.fit()
    assert trainer.position.step == 5  # equal is not better


def test_an_evaluation_that_is_not_a_number_is_never_the_best(bench):
    losses = [nan, 3.0, nan, 2.0, nan, nan]
    trainer = bench.trainer(
        Train(patience=2, evaluate_every=1, keep_last=1, keep_best=2, watch="loss"),
        evaluate=lambda step: {"loss": losses[step - 1], "bleu": 1.0, "chrf": 0.0},
    )
    assert trainer.fit() == "no better dev loss in 2 evaluations"
    assert (trainer.position.step, trainer.position.best) == (6, 2.0)
    kept = better_first(checkpoints(trainer.run), "loss")
    assert [found.position.step for found in kept] == [4, 2, 6]


def updated(trainer: Trainer, work: Work) -> Update:
    """Do an update and return what it saw."""
    trainer.train_step(work)
    assert trainer.begun
    update = trainer.begun.update
    trainer.settle()
    return update


def spoil(trainer: Trainer, *steps: int) -> None:
    """Make the gradient of these updates infinite."""
    bias = trainer.model.output.bias
    bias.register_hook(lambda grad: grad / 0 if trainer.position.step + 1 in steps else grad)


def test_an_update_that_is_not_finite_is_left_out_and_counted(bench):
    config = Train(max_steps=6, log_every=1)
    spoiled, free = bench.trainer(config, run="spoiled"), bench.trainer(config, run="free")
    moments = []
    for trainer in (spoiled, free):
        trainer.optimizer.register_step_post_hook(
            lambda *_, t=trainer: moments.append(t.position.step)
        )
    spoil(spoiled, 2, 4)
    spoiled.fit()
    assert moments == [1, 3, 5, 6]
    assert all(p.isfinite().all() for p in spoiled.model.parameters())
    assert metrics(spoiled, "train/skipped") == {2: 1, 3: 1, 4: 2, 5: 2, 6: 2}
    assert list(metrics(spoiled, "train/loss")) == [1, 3, 5, 6]  # absent, not zero
    assert all(isfinite(loss) for loss in metrics(spoiled, "train/loss").values())
    free.fit()
    assert metrics(free, "train/skipped") == {}


def test_a_loss_that_is_not_finite_is_enough(bench, prepared):
    """Where its gradient is finite, as that of a sum that is too large for its type."""

    def too_large(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        found = batch_loss(model, batch, smoothing)
        return found._replace(objective=found.objective + torch.inf)

    trainer = bench.trainer(Train(max_steps=1), loss=too_large)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    update = updated(trainer, Work([batch(prepared, [0, 1])], 0, 1, {}))
    assert update.grad_norm.isfinite()
    assert trainer.position.skipped == 1
    for one, other in zip(before, trainer.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_fused_optimizer_leaves_out_what_others_are_kept_from(bench):
    """And the host asks for nothing until the next gradient is there, or a line of metrics."""
    weights = []
    for name, fused in (("asked", False), ("told", True)):
        optimizer = partial(torch.optim.AdamW, weight_decay=0.1, fused=fused)
        config = Train(max_steps=7, log_every=3, ema=0.5)
        trainer = bench.trainer(config, run=name, make_optimizer=optimizer)
        spoil(trainer, 2, 3, 5)
        asked: list[tuple[int, bool]] = []  # after which update; whether one was open
        settle = trainer.settle

        def listening(trainer=trainer, settle=settle, asked=asked) -> None:
            asked.append((trainer.position.step, bool(trainer.begun)))
            settle()

        trainer.settle = listening
        trainer.fit()
        assert asked[:5] == [(0, False), (1, True), (2, True), (3, True), (3, False)]
        assert trainer.position.skipped == 3
        kept = trainer.optimizer.state_dict()["state"].values()
        assert {int(one["step"]) for one in kept} == {4}
        weights.append([*trainer.model.parameters(), *trainer.ema.average.values()])
    for asked_for, left_out in zip(*weights, strict=True):
        torch.testing.assert_close(asked_for, left_out)


def test_updates_in_a_row_that_are_not_finite_end_training(bench):
    trainer = bench.trainer(Train(max_steps=9, max_skipped=3, evaluate_every=2))
    spoil(trainer, 2, 4, 5, 6)
    told = r"not finite in 3 consecutive updates \(last: step 6\).*Lower optimizer\.lr"
    with pytest.raises(UserError, match=told):
        trainer.fit()
    lines = (trainer.run / "not_finite.tsv").read_text().splitlines()
    sources = list(bench.prepared.train["source"])
    targets = list(bench.prepared.train["target"])
    assert lines
    assert {tuple(line.split("\t")) for line in lines} <= set(zip(sources, targets, strict=True))
    *_, last = checkpoints(trainer.run)
    assert last.position.step == 6
    assert same(last.model(), dict(trainer.model.named_parameters()))


def out_of_memory(rows: int, fail: Callable[[], None]) -> BatchLoss:
    """A loss whose device has memory for so many sentences, and says so for more."""

    def loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        found = batch_loss(model, batch, smoothing)
        if len(batch.source) > rows:
            fail()
        return found

    return loss


def no_memory_of_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def no_memory_of_a_cpu() -> None:
    torch.empty(2**50, dtype=torch.uint8)


def no_memory_of_numpy() -> None:
    np.empty(2**60, dtype=np.uint8)


FULL = {"gpu": no_memory_of_a_gpu, "cpu": no_memory_of_a_cpu, "numpy": no_memory_of_numpy}


def test_a_batch_without_memory_is_named_with_the_way_out(bench, prepared):
    trainer = bench.trainer(Train(max_steps=1), loss=out_of_memory(4, no_memory_of_a_gpu))
    whole = batch(prepared, list(range(8)))
    sizes = f"8 sentences, {whole.source.size(1)} source and {whole.target.size(1) - 1} target"
    with pytest.raises(UserError, match=rf"step 1: .* {sizes} .*train\.max_tokens=4096"):
        trainer.train_step(Work([whole], 0, 1, {}))
    gradients = trainer.gradients
    gradients.recorder = PassRecorder(gradients.passes, lambda passes, *_: passes)
    with pytest.raises(UserError, match=r"split_batches=true, or add train\.cuda_graphs=false$"):
        trainer.train_step(Work([whole], 0, 1, {}))


@pytest.mark.parametrize("fail", FULL.values(), ids=FULL)
@pytest.mark.parametrize("rows", [1, 3])
def test_batches_are_halved_until_they_fit(rows, fail, bench, prepared):
    """The gradient is the same, that of the first halves of a pass that failed included."""
    moved = []
    for loss in (batch_loss, out_of_memory(rows, fail)):
        trainer = bench.trainer(
            Train(max_steps=1, split_batches=True, clip_norm=None),
            make_optimizer=torch.optim.SGD,
            lr=1.0,
            dropout=0.0,
            loss=loss,
        )
        batches = [batch(prepared, [0]), batch(prepared, list(range(1, 8)))]
        update = updated(trainer, Work(batches, 0, 2, {}))
        moved.append([update.loss.likelihood, *trainer.model.parameters()])
    for one, other in zip(*moved, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_sentence_that_does_not_fit_ends_training(bench, prepared):
    loss = out_of_memory(0, no_memory_of_a_cpu)
    trainer = bench.trainer(Train(max_steps=1, split_batches=True), loss=loss)
    with pytest.raises(UserError, match=r"a batch of 1 sentences.*clean\.max_pieces"):
        trainer.train_step(Work([batch(prepared, [0, 1, 2])], 0, 1, {}))


def test_another_error_is_not_taken_for_too_little_memory(bench, prepared):
    def loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    trainer = bench.trainer(Train(max_steps=1, split_batches=True), loss=loss)
    with pytest.raises(RuntimeError, match="mat1"):
        trainer.train_step(Work([batch(prepared, [0, 1, 2])], 0, 1, {}))


def test_a_training_without_an_end_is_refused(bench):
    with pytest.raises(UserError, match=r"train\.max_steps"):
        bench.trainer(Train())


# Going on


SCHEDULES = {
    "linear": lambda: Linear(2),
    "plateau": lambda: Plateau(0, factor=0.5, patience=1),
}


@pytest.mark.parametrize(("schedule", "sample"), in_turns(SCHEDULES, [0.3, 0.0]))
def test_an_interrupted_training_goes_on_bit_for_bit(schedule, sample, bench, prepared):
    """11 updates are 8, a checkpoint, a crash in the 10th, and 3 from the checkpoint on."""
    tokenizer = Tokenizer(prepared.source_tokenizer.model, sample)
    bench.prepared = replace(prepared, source_tokenizer=tokenizer, target_tokenizer=tokenizer)
    config = Train(max_steps=11, accumulate=2, evaluate_every=4, log_every=1)

    make = partial(bench.trainer, config, evaluate=rising, dropout=0.3)
    whole = make(schedule=SCHEDULES[schedule](), run="whole")
    whole.fit()
    drawn = torch.rand(3)

    first = make(schedule=SCHEDULES[schedule](), run="parts")
    first.optimizer.register_step_pre_hook(lambda *_: interrupt(first, step=10))
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = make(schedule=SCHEDULES[schedule](), run="parts")
    *_, last = checkpoints(second.run)
    assert last.position.step == 8
    assert last.position.batch > 0, "in the middle of an epoch"
    second.resume(last)
    second.fit()

    assert torch.equal(torch.rand(3), drawn)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    states = [optimizer_tensors(trainer.optimizer) for trainer in (whole, second)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    clocks = {"seconds": 0, "update_seconds": 0}
    assert replace(whole.position, **clocks) == replace(second.position, **clocks)


@pytest.mark.parametrize(
    ("loss", "make_model"), in_turns([RDrop(5.0), SimCut(3.0, 0.2)], MODELS.values())
)
def test_a_moving_average_and_two_passes_go_on_bit_for_bit(loss, make_model, bench):
    config = Train(max_steps=6, evaluate_every=3, log_every=1, ema=0.9)
    make = partial(bench.trainer, config, loss=loss, make_model=make_model, dropout=0.3)
    whole = make(run="whole")
    whole.fit()

    first = make(run="parts")
    first.optimizer.register_step_pre_hook(lambda *_: interrupt(first, step=5))
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = make(run="parts")
    *_, last = checkpoints(second.run)
    assert last.position.step == 3
    second.resume(last)
    second.fit()

    assert same(whole.model.state_dict(), second.model.state_dict())
    assert same(whole.ema.average, second.ema.average)
    assert not same(second.ema.average, dict(second.model.named_parameters()))
    assert whole.position.dev == second.position.dev


STOPS = {
    "between-lines": (2, Constant),
    "before-any-evaluation": (3, partial(Plateau, factor=0.5, patience=1)),
    "at-an-evaluation": (4, Constant),
    "after-an-evaluation": (5, partial(Plateau, factor=0.5, patience=1)),
    "at-a-line": (6, Constant),
    "at-the-end": (10, Constant),
}


@pytest.mark.parametrize(("step", "schedule"), STOPS.values(), ids=STOPS)
def test_a_training_that_was_stopped_goes_on_bit_for_bit(step, schedule, bench):
    config = Train(max_steps=10, evaluate_every=4, log_every=3, ema=0.9)
    make = partial(bench.trainer, config, dropout=0.3)
    whole = make(run="whole", schedule=schedule(warmup=20))
    whole.fit()

    first = make(run="parts", schedule=schedule(warmup=20))
    first.optimizer.register_step_pre_hook(lambda *_: ask_to_stop(first, step))
    with pytest.raises(Stop, match=f"SIGTERM: stopped at step {step}"):
        first.fit()
    *_, last = checkpoints(first.run)
    assert last.position.step == step
    second = make(run="parts", step=step, schedule=schedule(warmup=20))
    second.resume(last)
    second.fit()

    assert same(whole.model.state_dict(), second.model.state_dict())
    assert whole.position.dev == second.position.dev
    assert whole.position.schedule == second.position.schedule
    for name in ("train/loss", "train/nll", "train/grad_norm", "train/lr", "train/epoch"):
        assert metrics(whole, name) == metrics(second, name)


def test_a_schedule_resumes_from_an_old_checkpoint_and_not_from_another_schedules(bench):
    """Older versions stored no state before the first evaluation."""
    trainer = bench.trainer(Train(max_steps=1), schedule=Plateau(0, factor=0.5, patience=1))
    trainer.fit()
    (last,) = checkpoints(trainer.run)
    begun = Plateau(0, factor=0.5, patience=1).state()
    for state, schedule in ((begun, Constant(0)), ({"waited": 1}, trainer.schedule)):
        other = bench.trainer(Train(max_steps=1), schedule=schedule, run="other")
        kept = replace(last, position=replace(last.position, schedule=state))
        with pytest.raises(UserError, match=r"state\.json: schedule=.* is from another training"):
            other.resume(kept)
    again = bench.trainer(Train(max_steps=1), schedule=Plateau(0, factor=0.5, patience=1))
    again.resume(replace(last, position=replace(last.position, schedule={})))
    assert again.schedule.state() == begun


def ask_to_stop(trainer: Trainer, step: int) -> None:
    if trainer.position.step == step:
        trainer.signals.asked = "SIGTERM"


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rising(step: int) -> dict[str, float]:
    """An evaluation that gets worse."""
    return {"loss": float(step), "bleu": -float(step), "chrf": 0.0}


def interrupt(trainer: Trainer, step: int) -> None:
    if trainer.position.step == step:
        raise KeyboardInterrupt


def test_time_before_an_interruption_counts(bench):
    trainer = bench.trainer(Train(max_minutes=60.0, max_steps=4))
    trainer.position.seconds = 3000.0
    trainer.fit()
    assert 3000 < trainer.position.seconds < 3060
    assert 50 < metrics(trainer, "train/minutes")[4] < 51


def test_time_for_evaluation_counts(bench):
    def evaluate(step: int) -> dict[str, float]:
        time.sleep(0.3)
        return rising(step)

    trainer = bench.trainer(Train(max_steps=1), evaluate=evaluate)
    trainer.fit()
    (found,) = checkpoints(trainer.run)
    assert found.position.seconds == trainer.position.seconds > 0.3


def test_a_finished_training_does_not_go_on(bench):
    config = Train(max_steps=2, evaluate_every=2)
    trainer = bench.trainer(config)
    trainer.fit()
    again = bench.trainer(config, evaluate=lambda step: pytest.fail("evaluated again"))
    again.resume(checkpoints(trainer.run)[-1])
    assert again.fit() == "train.max_steps reached"
    assert again.position.step == 2


# The moving average


def test_the_average_is_measured_and_kept_and_the_weights_are_trained(bench):
    plain = bench.trainer(Train(max_steps=4, evaluate_every=2), run="plain")
    plain.fit()

    seen = []

    def evaluate(step: int) -> dict[str, float]:
        seen.append({name: p.detach().clone() for name, p in trainer.model.named_parameters()})
        return rising(step)

    config = Train(max_steps=4, evaluate_every=2, ema=0.9, keep_best=2)
    trainer = bench.trainer(config, evaluate=evaluate, run="averaged")
    trainer.fit()

    assert same(trainer.model.state_dict(), plain.model.state_dict())
    assert same(seen[-1], trainer.ema.average)
    kept = checkpoints(trainer.run)
    assert [same(one.model(), weights) for one, weights in zip(kept, seen, strict=True)] == [
        True
    ] * 2
    final = average(kept)
    for name, tensor in final.items():
        torch.testing.assert_close(tensor, (seen[0][name] + seen[1][name]) / 2)


def test_an_average_can_begin_and_end_when_a_run_goes_on(bench):
    first = bench.trainer(Train(max_steps=2, evaluate_every=2))
    first.fit()

    second = bench.trainer(Train(max_steps=4, evaluate_every=2, ema=0.9))
    second.resume(checkpoints(second.run)[-1])
    assert same(second.ema.average, dict(first.model.named_parameters()))
    second.fit()
    last = checkpoints(second.run)[-1]
    assert last.ema() is not None

    third = bench.trainer(Train(max_steps=6, evaluate_every=2))
    third.resume(last)
    assert same(third.model.state_dict(), second.model.state_dict())
    third.fit()
    assert checkpoints(third.run)[-1].ema() is None
