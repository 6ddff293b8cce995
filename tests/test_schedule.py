"""Schedules against their formulas."""

from math import cos, inf, nan, pi

import pytest
from choices import choose, names

from nmt.errors import UserError
from nmt.training.schedule import (
    Constant,
    Cosine,
    InverseSqrt,
    Linear,
    Noam,
    Plateau,
    StableDecay,
)

STEPS = [1, 2, 3, 4, 5, 7, 20, 1000]


def test_warm_up_is_linear():
    constant = Constant(warmup=4)
    assert [constant(step, 0.0) for step in STEPS] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert [Constant(warmup=0)(step, 0.5) for step in STEPS] == [1.0] * len(STEPS)


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.8, 1.0])
def test_linear_and_cosine_fall_with_the_budget(progress):
    for step in STEPS:
        warm = min(1.0, step / 4)
        assert Linear(4)(step, progress) == warm * (1 - progress)
        assert Cosine(4)(step, progress) == pytest.approx(warm * (1 + cos(pi * progress)) / 2)


def test_stable_decay_stays_and_then_falls():
    schedule = StableDecay(4, decay=0.25)
    assert [schedule(9, share) for share in (0.0, 0.5, 0.75)] == [1.0, 1.0, 1.0]
    assert schedule(9, 0.875) == 0.5
    assert schedule(9, 1.0) == 0.0
    assert schedule(1, 0.875) == 0.125
    with pytest.raises(UserError, match="decay=0"):
        StableDecay(4, decay=0.0)


def test_inverse_square_root_is_1_at_the_end_of_the_warm_up():
    for step in STEPS:
        expected = step / 4 if step <= 4 else (4 / step) ** 0.5
        assert InverseSqrt(4)(step, 0.0) == pytest.approx(expected)


def test_noam_is_equation_3():
    for step in STEPS:
        expected = 64**-0.5 * min(step**-0.5, step * 4**-1.5)
        assert Noam(4, 64)(step, 0.0) == pytest.approx(expected)


def test_plateau_falls_when_dev_loss_has_not():
    plateau = Plateau(0, factor=0.5, patience=2)
    now = []
    for loss in [3.0, 2.0, 2.5, 2.0, 1.9, 2.2, 2.1, 2.0, 2.0]:
        plateau.observe(loss)
        now.append(plateau(1000, 0.9))
    #               best  best  wait  fall  best  wait  fall  wait  fall
    assert now == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_loss_that_is_not_a_number_is_an_evaluation_without_a_better_one():
    plateau = Plateau(0, factor=0.5, patience=2)
    now = []
    for loss in [nan, 3.0, nan, 2.0, 2.5, nan]:
        plateau.observe(loss)
        now.append((plateau(1000, 0.9), plateau.best))
    best = [inf, 3.0, 3.0, 2.0, 2.0, 2.0]
    assert now == list(zip([1.0, 1.0, 1.0, 1.0, 1.0, 0.5], best, strict=True))


def test_plateau_goes_on_where_it_stood():
    whole, first, second = (Plateau(0, factor=0.5, patience=2) for _ in range(3))
    for loss in [3.0, 3.1]:
        whole.observe(loss)
        first.observe(loss)
    second.restore(first.state())
    for loss in [3.2, 2.9, 3.0, 3.1]:
        whole.observe(loss)
        second.observe(loss)
        assert second(7, 0.0) == whole(7, 0.0)
        assert second.state() == whole.state()


@pytest.mark.parametrize("name", names("schedule"))
def test_every_schedule_stays_between_0_and_1_and_goes_on_from_its_state(name):
    schedule, other = (choose("schedule", name, width=64) for _ in range(2))
    schedule.observe(2.0)
    other.restore(schedule.state())
    for step in STEPS:
        assert 0 < schedule(step, 0.5) <= 1
        assert other(step, 0.5) == schedule(step, 0.5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Linear(warmup=-1), "schedule.warmup=-1"),
        (lambda: Noam(warmup=4, width=0), "schedule.width=0"),
        (lambda: Plateau(0, factor=1.0, patience=2), "schedule.factor=1.0"),
        (lambda: Plateau(0, factor=0.5, patience=0), "schedule.patience=0"),
    ],
)
def test_values_without_meaning_are_refused(make, reason):
    with pytest.raises(UserError, match=reason):
        make()
