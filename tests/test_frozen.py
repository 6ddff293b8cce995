"""Parts whose weights stay as they are in training."""

import pytest
import torch
from command import mistake, nmt
from safetensors.torch import load_file
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn, small_transformer

from nmt.batches.batch import Batch
from nmt.errors import UserError
from nmt.training.frozen import freeze, frozen_weights
from nmt.training.loss import batch_loss

BATCH = Batch(
    torch.randint(4, SOURCE_VOCABULARY, (3, 7)), torch.randint(4, TARGET_VOCABULARY, (3, 6))
)
PARTS = {
    "rnn": (small_rnn, ["encoder", "bridge"]),
    "rnn attention": (small_rnn, ["attend", "output.bias"]),
    "transformer": (small_transformer, ["encoder", "source_embedding"]),
    "transformer layer": (small_transformer, ["decoder.0.cross_attention", "output"]),
}


@pytest.mark.parametrize(("make", "parts"), PARTS.values(), ids=PARTS)
def test_the_gradient_of_all_others_is_that_without_freezing(make, parts):
    gradients = []
    for names in (None, parts):
        torch.manual_seed(1)
        model = make(freeze=names)
        freeze(model)
        model.train()
        torch.manual_seed(2)  # dropout
        batch_loss(model, BATCH, 0.1).objective.backward()
        gradients.append({name: one.grad for name, one in model.named_parameters()})
    whole, rest = gradients
    frozen = {name for name in whole if rest[name] is None}
    assert frozen == set(frozen_weights(model))
    assert frozen == {
        name
        for name in whole
        for part in parts
        if name.startswith((f"{part}.", f"{part}_norm.", f"decoder.{part}.")) or name == part
    }
    for name in whole.keys() - frozen:
        torch.testing.assert_close(rest[name], whole[name])


def test_a_shared_matrix_is_frozen_under_each_of_its_names():
    model = small_transformer(
        share_embeddings=True,
        tie_output=True,
        source_vocabulary=TARGET_VOCABULARY,
        freeze=["target_embedding"],
    )
    freeze(model)
    assert frozen_weights(model) == ["source_embedding.weight"]
    assert not model.output.weight.requires_grad


def test_what_is_no_part_is_refused_and_so_is_a_model_that_cannot_learn():
    with pytest.raises(UserError, match=r"freeze=\[encodr\].* Did you mean encoder.* output"):
        freeze(small_transformer(freeze=["encodr"]))
    parts = {name.partition(".")[0] for name, _ in small_rnn().named_parameters()}
    with pytest.raises(UserError, match=r"leaves no weight to train"):
        freeze(small_rnn(freeze=sorted(parts)))


def test_a_run_trains_all_but_the_frozen_parts_and_resumes(tiny, trained, tmp_path):
    run = tmp_path / "run"
    words = [*tiny, f"init={trained}", f"hydra.run.dir={run}", "optimizer=adamw", "train.ema=0.9"]
    answer = nmt("train", *words, "model.freeze=[encoder,bridge]")
    assert answer.code == 0, answer.err
    assert "weights frozen: encoder." in answer.err + answer.out
    answer = nmt("train", f"resume={run}", "train.max_steps=6")
    assert answer.code == 0, answer.err
    before, after = (load_file(one / "model.safetensors") for one in (trained, run))
    for name in before:
        frozen = name.startswith(("encoder.", "bridge."))
        assert before[name].equal(after[name]) == frozen, name


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("[encodre]", "model.freeze=[encodre]: the model has no such part. Did you mean encoder"),
        ("encoder", "model.freeze=encoder: must be a list or null"),
    ],
)
def test_a_wrong_part_is_refused_before_data_is_read(value, told, tiny, tmp_path):
    answer = mistake(nmt("train", *tiny, f"model.freeze={value}", f"hydra.run.dir={tmp_path}/run"))
    assert told in answer
    assert "reading" not in answer
