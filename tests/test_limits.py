"""Where training ends, and what schedules fall with."""

from dataclasses import replace

import pytest

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.runs.checkpoint import Position
from nmt.training.limits import Limits
from nmt.training.schedule import Constant, Cosine, Linear

BATCHES = 10  # of an epoch


def at(
    step: int = 0, epoch: int = 0, batch: int = 0, minutes: float = 0.0, pieces: int = 0
) -> Position:
    return Position(step=step, epoch=epoch, batch=batch, seconds=60 * minutes, pieces=pieces)


@pytest.mark.parametrize(
    ("config", "half", "end", "reason"),
    [
        (Train(max_steps=8), at(step=4), at(step=8), "train.max_steps reached"),
        (Train(max_epochs=3), at(epoch=1, batch=5), at(epoch=3), "train.max_epochs reached"),
        (Train(max_minutes=5.0), at(minutes=2.5), at(minutes=5.1), "train.max_minutes reached"),
        (Train(max_pieces=100), at(pieces=50), at(pieces=104), "train.max_pieces reached"),
    ],
)
@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_a_fall_ends_at_zero_where_the_budget_ends(kind, config, half, end, reason):
    schedule = kind(warmup=0)
    limits = Limits(config, schedule)

    def factor(position: Position) -> float:
        return schedule(position.step, limits.progress(position, BATCHES))

    assert factor(at()) == 1.0
    assert factor(half) == pytest.approx(0.5)
    assert factor(end) == 0.0
    assert limits.reached(half, BATCHES) is None
    assert limits.reached(end, BATCHES) == reason


def test_the_first_limit_ends_training():
    limits = Limits(Train(max_steps=8, max_epochs=3, max_minutes=5.0), Constant(0))
    assert limits.reached(at(step=7, epoch=2, batch=9, minutes=4.9), BATCHES) is None
    assert limits.reached(at(step=7, epoch=3, minutes=4.9), BATCHES) == "train.max_epochs reached"
    assert limits.reached(at(step=7, epoch=2, minutes=5.1), BATCHES) == "train.max_minutes reached"


def test_an_epoch_with_more_batches_than_the_first_is_read_to_its_end():
    limits = Limits(Train(max_epochs=2), Constant(0))
    assert limits.reached(at(epoch=1, batch=BATCHES + 1), BATCHES) is None
    assert limits.reached(at(epoch=2), BATCHES) == "train.max_epochs reached"


def test_a_schedule_falls_with_the_limit_that_comes_first():
    limits = Limits(Train(max_steps=8, max_epochs=3), Linear(0))
    assert limits.progress(at(step=6, epoch=1), BATCHES) == 0.75
    assert limits.progress(at(step=2, epoch=2), BATCHES) == pytest.approx(2 / 3)


def test_minutes_do_not_move_a_schedule_that_can_count():
    """So that a run in steps can be repeated exactly, with minutes as its emergency exit."""
    limits = Limits(Train(max_steps=8, max_minutes=5.0), Linear(0))
    assert limits.progress(at(step=2, minutes=4.0), BATCHES) == 0.25


def test_patience_ends_training_without_a_better_evaluation():
    limits = Limits(Train(patience=3, watch="loss"), Constant(0))
    assert limits.reached(Position(bad_evaluations=2), BATCHES) is None
    reason = limits.reached(Position(bad_evaluations=3), BATCHES)
    assert reason == "no better dev loss in 3 evaluations"
    assert limits.progress(at(step=4), BATCHES) == 0.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Train(max_steps=8), ["train.max_steps=16"]),
        (Train(max_steps=4), ["train.max_steps=16"]),  # lowered for a run that was past it
        (Train(max_steps=9, max_epochs=3), ["train.max_epochs=6"]),
        (Train(max_epochs=2, patience=2), ["train.max_epochs=6", "train.patience=6"]),
        (Train(max_minutes=0.5), ["train.max_minutes=12"]),
        (Train(max_pieces=800), ["train.max_pieces=1800"]),
    ],
)
def test_limits_that_are_reached_can_be_raised(config, words):
    position = at(step=8, epoch=3, minutes=333.3 / 60, pieces=900)
    position.bad_evaluations = 3
    limits = Limits(config, Constant(0))
    assert limits.reached(position, BATCHES)
    assert limits.raised(position, BATCHES) == words
    higher = {key.removeprefix("train."): int(end) for key, end in (w.split("=") for w in words)}
    assert Limits(replace(config, **higher), Constant(0)).reached(position, BATCHES) is None


@pytest.mark.parametrize(
    ("config", "schedule", "reason"),
    [
        (Train(), Constant(0), "train.patience"),
        (Train(), Linear(0), "Linear falls to zero where it ends"),
        (Train(patience=3), Cosine(0), "Cosine falls to zero where it ends"),
    ],
)
def test_a_training_without_an_end_is_refused(config, schedule, reason):
    with pytest.raises(UserError, match=rf"train\.max_steps, .*max_minutes.*{reason}"):
        Limits(config, schedule)


def test_minutes_that_cut_a_falling_rate_are_named():
    limits = Limits(Train(max_steps=100, max_minutes=3), Linear(warmup=0))
    reached = limits.reached(at(step=50, minutes=3.0), num_batches=7)
    assert reached is not None
    assert "train.max_steps=null" in reached
    alone = Limits(Train(max_minutes=3), Linear(warmup=0))
    assert alone.reached(at(step=50, minutes=3.0), num_batches=7) == ("train.max_minutes reached")


def test_a_training_of_no_updates_has_ended_and_can_be_trained_on():
    limits = Limits(Train(max_steps=0), Linear(0))
    assert limits.reached(at(), BATCHES) == "train.max_steps reached"
    assert limits.raised(at(), BATCHES) == ["train.max_steps=2"]
