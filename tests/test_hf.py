"""nmt.hf: what transformers makes of an exported model is what nmt makes of it."""

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from exported_runs import random_original, sentences
from toy_text import text

from nmt.data.tokenizer import BOS, EOS, PAD, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError
from nmt.models.attention_maps import attention_maps
from nmt.models.seq2seq import Kind

if find_spec("transformers") is None:
    pytest.skip(
        "transformers is not installed: pip install -e '.[export]'", allow_module_level=True
    )

from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

from nmt.export import huggingface
from nmt.hf import NmtForConditionalGeneration, NmtTokenizer

LENGTH = 12  # pieces of a translation, at most
MODELS = [
    "encoder.window=local_m model.tie_output=false model.share_embeddings=false",
    "positions=rope feed_forward=swiglu norm=rms residual=post",
    "positions=t5 attention=cosine gate=sigmoid model.share_embeddings=false",
    "positions=alibi normalize=sparsemax model.hops=2",
    "positions=shaw sink=key model.heads=4 model.key_heads=2",
    "positions=forgetting mix=talking_heads",
    "model.copy=true window=local_p",
]


@pytest.fixture(scope="module", params=MODELS)
def original(request, tokenizer):
    return random_original(tokenizer, request.param)


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    made = tmp_path_factory.mktemp("exported")
    huggingface.save(original, made, "float32")
    return made


@pytest.fixture
def texts(tokenizer) -> list[str]:
    return [tokenizer.decode(line) for line in sentences(tokenizer)]


@pytest.fixture(scope="session")
def toy_targets() -> Tokenizer:
    """Another tokenizer than the one of the sources."""
    return train_tokenizer(text(200), TokenizerConfig(size=300))


one = pytest.mark.parametrize("original", [MODELS[1]], indirect=True)


def padded(lines: list[list[int]]) -> torch.Tensor:
    rows = [torch.tensor(line) for line in lines]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


def test_every_transformer_loads_and_says_the_same(original, folder, tokenizer):
    """After `from_pretrained`, and once more after transformers itself has written it."""
    lines = sentences(tokenizer)
    source, target = (padded([[*line, EOS] for line in rows]) for rows in (lines, lines[::-1]))
    read = torch.cat([torch.full((len(target), 1), BOS), target[:, :-1]], 1)
    with torch.no_grad():
        wanted = original.translator.model(source, read)

    loaded, report = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True)
    loaded.save_pretrained(folder / "again")
    again = AutoModelForSeq2SeqLM.from_pretrained(folder / "again")

    assert not any(report.values()), report
    assert loaded.num_parameters() == sum(
        weight.numel() for weight in original.translator.model.parameters()
    )
    for model in (loaded, again):
        assert isinstance(model, NmtForConditionalGeneration)
        with torch.no_grad():
            found = model(
                input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=read
            )
        real = target != PAD
        torch.testing.assert_close(
            found.logits.log_softmax(-1)[real], wanted.log_softmax(-1)[real], atol=1e-5, rtol=0
        )


def test_generate_searches_with_the_model(original, folder, texts):
    """A greedy piece is the most probable one, and a beam's score is log P of what it found."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    batch = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    settings = {"max_new_tokens": LENGTH, "return_dict_in_generate": True}

    greedy = model.generate(**batch, num_beams=1, **settings).sequences
    beams = model.generate(
        **batch,
        **settings,
        num_beams=3,
        num_return_sequences=2,
        output_scores=True,
        length_penalty=0.0,
    )

    log_p, chosen = log_ps_of(original, batch["input_ids"], greedy)
    log_p[..., [PAD, BOS]] = -torch.inf
    assert (log_p.amax(2) - chosen)[chosen != 0].max() < 1e-4
    sources = batch["input_ids"].repeat_interleave(2, 0)
    _, chosen = log_ps_of(original, sources, beams.sequences)
    torch.testing.assert_close(beams.sequences_scores, chosen.sum(1), atol=1e-4, rtol=0)
    without = model.generate(**batch, num_beams=1, use_cache=False, **settings).sequences
    assert torch.equal(greedy, without)


def log_ps_of(original, source, found):
    """Log P of all pieces at each place (B,T,V), and of those found (B,T): 0 behind </s>."""
    with torch.no_grad():
        log_p = original.translator.model(source, found[:, :-1]).log_softmax(-1)
    pieces = found[:, 1:]
    ended = (pieces == EOS).cumsum(1) - (pieces == EOS).long() > 0
    return log_p, log_p.gather(2, pieces[..., None])[..., 0].masked_fill(ended, 0.0)


@one
def test_a_prefix_is_read_at_once_and_gone_on_from(original, folder, tokenizer):
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    source = torch.tensor([[7, 5, 8, EOS]])
    prefix = torch.tensor([[BOS, 9, 6]])

    found = model.generate(source, decoder_input_ids=prefix, num_beams=2, max_new_tokens=4)

    assert found[:, :3].equal(prefix)
    whole = original.translator.model(source, found[:, :-1]).log_softmax(-1)
    assert found.size(1) == 7 or found[0, -1] == EOS
    assert whole.isfinite().all()


@one
def test_its_loss_is_that_of_the_labels_and_reaches_every_weight(original, folder, tokenizer):
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).train()
    source = padded([[5, 6, 7, EOS], [8, EOS]])
    labels = torch.tensor([[6, 7, EOS, -100], [9, 5, 8, EOS]])

    loss = model(input_ids=source, labels=labels).loss
    loss.backward()

    read = torch.tensor([[BOS, 6, 7, EOS], [BOS, 9, 5, 8]])
    model.eval()
    log_p = original.translator.model(source, read).log_softmax(-1)
    real = labels != -100
    wanted = -log_p[real].gather(1, labels[real].unsqueeze(1)).mean()
    torch.testing.assert_close(model(input_ids=source, labels=labels).loss, wanted)
    assert all(weight.grad is not None for weight in model.parameters())


@one
def test_it_gives_attention_weights(original, folder):
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    source, target = torch.tensor([[7, 5, 8, EOS]]), torch.tensor([[BOS, 9, 6, EOS]])

    found = model(input_ids=source, decoder_input_ids=target[:, :-1], output_attentions=True)

    maps = {
        one.kind: one.weights for one in attention_maps(original.translator.model, source, target)
    }
    given = {
        Kind.SOURCE_TARGET: found.cross_attentions,
        Kind.ENCODER: found.encoder_attentions,
        Kind.DECODER: found.decoder_attentions,
    }
    for kind, layers in given.items():
        torch.testing.assert_close(torch.stack(layers, 1), maps[kind])
    assert model(input_ids=source, decoder_input_ids=target).cross_attentions is None


@one
def test_the_tokenizer_cuts_and_joins_as_nmt_does(original, folder, texts, tokenizer):
    loaded = AutoTokenizer.from_pretrained(folder)
    texts = [*texts, "", "  two   spaces ", "a </s> and <s> as text", "☃ unknown"]

    assert isinstance(loaded, NmtTokenizer)
    ids = loaded(texts, text_target=texts)
    assert ids["input_ids"] == [[*line, EOS] for line in tokenizer.encode(texts)]
    assert ids["labels"] == ids["input_ids"]
    assert loaded.batch_decode(ids["labels"], skip_special_tokens=True) == [
        tokenizer.decode(line) for line in tokenizer.encode(texts)
    ]
    assert (
        loaded.decode([BOS, *tokenizer.encode(texts)[0], EOS, PAD]) == f"<s> {texts[0]} </s> <pad>"
    )
    assert len(loaded) == len(loaded.get_vocab()) == len(tokenizer)
    loaded.save_pretrained(folder / "again")
    assert AutoTokenizer.from_pretrained(folder / "again")(texts) == loaded(texts)


@one
def test_the_tokenizer_has_two_vocabularies_where_the_model_has(
    folder, tokenizer, toy_targets, tmp_path
):
    folder = shutil.copytree(folder, tmp_path / "two")
    (folder / "target.model").write_bytes(toy_targets.model)

    loaded = AutoTokenizer.from_pretrained(folder)

    (line,) = text(1)
    ids = loaded(line, text_target=line)
    assert ids["input_ids"][:-1] == tokenizer.encode([line])[0]
    assert ids["labels"][:-1] == toy_targets.encode([line])[0]
    assert ids["labels"] != ids["input_ids"]
    assert loaded.decode(ids["labels"], skip_special_tokens=True) == line


@one
def test_padding_on_the_left_is_refused(folder):
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)

    with pytest.raises(ValueError, match="padding_side"):
        model.generate(torch.tensor([[PAD, 5, EOS]]))


@one
def test_how_the_run_searches_is_kept(folder):
    found = AutoModelForSeq2SeqLM.from_pretrained(folder).generation_config

    assert (found.num_beams, found.length_penalty) == (5, 1.0)
    assert found.suppress_tokens == [PAD, BOS]
    assert not NmtForConditionalGeneration.accepts_loss_kwargs, "of a mean Trainer takes the mean"
    assert (found.decoder_start_token_id, found.eos_token_id, found.pad_token_id) == (BOS, EOS, PAD)


@one
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_target_": "os.system"}, "os.system"),
        ({"width": "${oc.env:HOME}"}, "is not followed"),
        ({"_target_": "nmt.models.rnn.RNN"}, "nmt.models.rnn"),
    ],
)
def test_a_folder_from_anywhere_names_no_code(change, said, folder, tmp_path):
    foreign = shutil.copytree(folder, tmp_path / "foreign")
    path = foreign / "config.json"
    content = json.loads(path.read_text())
    content["run"]["model"] |= change
    path.write_text(json.dumps(content))

    with pytest.raises(UserError, match=said.replace("$", r"\$")):
        AutoModelForSeq2SeqLM.from_pretrained(foreign)


def test_a_model_without_a_configuration_is_refused():
    with pytest.raises(UserError, match="no `run`"):
        AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model("nmt"))
