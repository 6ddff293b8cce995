"""Scheduled sampling: what the decoder reads, and what is still to be predicted."""

import pytest
import torch
from omegaconf import OmegaConf
from small_model import small_rnn, small_transformer

from nmt.batches.batch import Batch
from nmt.config.schema import CORPORA, Train, target_of
from nmt.data.tokenizer import BOS, EOS
from nmt.errors import UserError
from nmt.experiment.refusals import of_teacher
from nmt.training.loss import batch_loss
from nmt.training.scheduled_sampling import ScheduledSampling, TwoPasses, drawn, forcing

SOURCE = torch.tensor([[5, 6, 7, EOS], [9, EOS, 0, 0]])
TARGET = torch.tensor([[BOS, 5, 6, 8, 4, EOS], [BOS, 7, 5, EOS, 0, 0]])
BATCH = Batch(SOURCE, TARGET)
ALL = 1 - 1e-9


@pytest.fixture(params=[small_rnn, small_transformer], ids=["rnn", "transformer"])
def certain(request):
    """A model that is so sure of each piece that a draw is its best one."""
    model = request.param().eval()
    with torch.no_grad():
        model.output.weight *= 1e4
    return model


@torch.no_grad()
def after(model, read):
    """The best piece after each that is read."""
    return model(SOURCE, read).argmax(-1)


def test_each_own_piece_follows_what_was_read_before_it(certain):
    read = ScheduledSampling(ALL, 0.5)(certain, BATCH, 1.0).inputs

    assert (read[:, 0] == BOS).all()
    assert torch.equal(read[:, 1:], after(certain, read)[:, :-1])
    assert not torch.equal(read, TARGET[:, :-1])


def test_in_two_passes_each_own_piece_follows_the_reference(certain):
    read = TwoPasses(ALL, 0.5)(certain, BATCH, 1.0).inputs

    assert (read[:, 0] == BOS).all()
    assert torch.equal(read[:, 1:], after(certain, TARGET[:, :-1])[:, :-1])


@pytest.mark.parametrize("kind", [ScheduledSampling, TwoPasses])
def test_the_share_grows_with_the_training_and_the_reference_stays_to_be_predicted(kind, certain):
    teacher = kind(0.6, 0.5)
    target = torch.randint(4, 9, (40, 60))
    batch = Batch(SOURCE[:1].expand(40, -1), target)

    def own(progress):
        with torch.no_grad():
            certain.output.weight.zero_()
            certain.output.bias.copy_(torch.eye(len(certain.output.bias))[3] * 1e4)
        read = teacher(certain, batch, progress)
        assert torch.equal(read.target, target)
        return (read.inputs[:, 1:] == 3).float().mean().item()

    assert teacher(certain, batch, 0.0) is batch
    assert own(0.25) == pytest.approx(0.3, abs=0.03)
    assert own(0.5) == pytest.approx(0.6, abs=0.03)
    assert own(1.0) == pytest.approx(0.6, abs=0.03)


def test_the_loss_is_that_of_the_reference_after_what_was_read(certain):
    read = torch.tensor([[BOS, 9, 6, 9, 4], [BOS, 7, 9, EOS, 0]])

    loss = batch_loss(certain, BATCH._replace(read=read), 0.0)

    log_p = certain(SOURCE, read).log_softmax(-1)
    labels = TARGET[:, 1:]
    expected = -log_p.gather(2, labels[..., None])[..., 0][labels != 0].sum()
    torch.testing.assert_close(loss.likelihood, expected)
    assert torch.equal(forcing(certain, BATCH, 1.0).inputs, TARGET[:, :-1])


def test_a_draw_has_the_probabilities_of_the_softmax():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])

    found = drawn(logits.expand(20_000, 1, 4)).flatten().bincount(minlength=4) / 20_000

    torch.testing.assert_close(found, logits.softmax(-1), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("share", "until", "told"),
    [(1.0, 0.5, "teacher.share=1"), (-0.1, 0.5, "teacher.share"), (0.5, 0.0, "teacher.until=0")],
)
def test_shares_that_are_none_are_refused(share, until, told):
    with pytest.raises(UserError, match=told):
        ScheduledSampling(share, until)


def test_a_training_whose_end_is_not_known_is_refused():
    """The share of own pieces grows towards the end, and would stay 0."""
    train = OmegaConf.create({**vars(Train()), "max_steps": None, "max_epochs": 2})
    data = {"_target_": target_of(CORPORA["stream"])}
    cfg = OmegaConf.create({"teacher": {"share": 0.5}, "train": train, "data": data})
    with pytest.raises(UserError, match=r"set train\.max_steps, train\.max_pieces"):
        of_teacher(cfg)
    of_teacher(OmegaConf.merge(cfg, {"train": {"max_minutes": 5.0}}))


@pytest.mark.parametrize("option", ["compile", "shard"])
def test_what_it_cannot_be_combined_with_is_refused(option):
    train = {"compile": False, "shard": False}
    of_teacher(OmegaConf.create({"teacher": {}, "train": {**train, option: True}}))
    cfg = OmegaConf.create({"teacher": {"share": 0.5}, "train": {**train, option: True}})

    with pytest.raises(UserError, match=rf"train.{option}=true: .*teacher=…"):
        of_teacher(cfg)
