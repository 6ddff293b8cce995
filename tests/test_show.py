"""nmt show: what a choice is, and what goes with it."""

import json
import re
from pathlib import Path

import attention_page
import attention_pictures
import numpy as np
import pytest
import torch
from choices import names
from command import nmt

from nmt.attention.normalize import Sparsemax
from nmt.catalog.choices import OF_ATTENTION, find, groups

ROOT = Path(__file__).parent.parent
# They follow from their names, or from what they leave out.
WITHOUT_PAPER = {"softmax", "hard", "none", "full", "zero"}


def next_words(out: str) -> list[str]:
    """The command at the end of a page, without `nmt`."""
    return out.rstrip().splitlines()[-1].split()[1:]


@pytest.mark.parametrize("group", [*OF_ATTENTION, "positions"])
def test_every_choice_of_attention_has_a_formula_or_a_sentence_and_a_paper(group):
    for name in names(group):
        choice = find(group, name)
        assert len(choice.first_line()) > 10, choice.word
        assert "``" not in choice.text()
        said = f"{choice.word}: say what it is for in a comment at the head of its yaml"
        assert choice.purpose().endswith("."), said
        if name not in WITHOUT_PAPER:
            assert re.search(r"\b(19|20)\d\d\b", choice.text()), f"{choice.word} names no paper"


def test_a_page_has_formula_settings_facts_and_a_command_that_works(monkeypatch):
    monkeypatch.setattr("nmt.catalog.models.OF_ATTENTION", ("gate", "sink"))  # fewer are tried
    answer = nmt("show", "normalize=relu", "model=rnn_tiny")

    assert answer.code == 0, answer.err
    assert "max(0, z)" in answer.out
    assert "The weights of a query need not sum to 1." in answer.out
    assert "it works with gate=rms" in answer.out
    words = next_words(answer.out)
    assert words == ["train", "model=rnn_tiny", "normalize=relu", "gate=rms"]
    assert nmt(*words, "--cfg", "job").code == 0


def test_a_setting_of_the_choice_may_be_typed_beside_it(monkeypatch):
    monkeypatch.setattr("nmt.commands.show.partners", lambda *_: ())
    answer = nmt("show", "normalize=top_k", "normalize.k=4", "model=rnn_tiny")
    assert answer.code == 0, answer.err
    assert next_words(answer.out)[1:] == ["model=rnn_tiny", "normalize=top_k", "normalize.k=4"]


def test_a_page_counts_biases_and_names_several_heads_where_these_help(monkeypatch):
    answer = nmt("show", "mix=talking_heads", "model=rnn_tiny")
    assert "alone it is refused" in answer.out
    words = next_words(answer.out)
    assert words == ["train", "model=rnn_tiny", "mix=talking_heads", "model.heads=2"]
    monkeypatch.setattr("nmt.commands.show.partners", lambda *_: ())  # tried elsewhere
    answer = nmt("show", "positions=t5", "model=transformer_tiny")
    assert re.search(r"  [1-9][\d,]* of [\d,]+ parameters", answer.out)


def test_a_page_says_what_does_not_go_together():
    answer = nmt("show", "attention=luong_location", "model=transformer_tiny", "model.heads=2")

    assert "attention.max_positions=100" in answer.out
    assert re.search(r"not with sink=key\n +sink=key is a key", answer.out)
    assert re.search(r"not with positions=.*rope", answer.out)
    assert re.search(r"  [\d,]+ of [\d,]+ parameters", answer.out)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("copy", "p(y) = g · p_vocabulary(y)"),
        ("model.soft_cap=50", "c·tanh(z/c) (Gemma Team 2024"),
        ("model.key_heads", "1 is multi-query attention (Shazeer 2019)"),
    ],
)
def test_settings_of_the_model_have_a_page_with_formula_and_command(word, told):
    answer = nmt("show", word)
    key = word.removeprefix("model.").partition("=")[0]
    assert answer.code == 0, answer.err
    assert told in answer.out
    assert re.search(
        rf"settings, with their defaults\n  model\.{key}=(null|false)   \S", answer.out
    )
    words = next_words(answer.out)
    assert words[-1].startswith(f"model.{key}=")
    assert nmt(*words, "--cfg", "job").code == 0
    assert key in nmt("show").out


def test_groups_are_listed():
    answer = nmt("show")
    assert all(name in answer.out for choices in groups().values() for name in choices)
    answer = nmt(*next_words(answer.out)[:1], "gate")
    assert all(f"gate={name} " in answer.out for name in names("gate"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["attention=bahdana"], ["mean attention=bahdanau?"]),
        (["nomalize=softmax"], ["mean normalize?"]),
        (["nomalize"], ["mean normalize?"]),
        (["--nothing"], ["--nothing"]),
    ],
)
def test_mistakes_are_told(words, told):
    answer = nmt("show", *words)
    assert answer.code in (1, 2)
    assert all(part in answer.err for part in told), answer.err
    assert "Traceback" not in answer.err


def test_a_choice_is_tried_beside_that_of_a_place(monkeypatch):
    monkeypatch.setattr("nmt.catalog.models.OF_ATTENTION", ("gate", "sink"))
    answer = nmt("show", "normalize=relu", "model=rnn_tiny", "cross.gate=sigmoid")
    assert answer.code == 0, answer.err
    assert "alone it is refused" in answer.out


def test_a_setting_that_the_model_lacks_is_told():
    answer = nmt("show", "gate=sigmoid", "model=rnn_tiny", "model.nope=2")
    assert answer.code == 1
    assert "model.nope: no such key" in answer.err


def test_the_page_of_choices_names_every_choice_of_attention():
    page = (ROOT / "docs" / "choices.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", "".join(page.split("```")[1::2])))
    missing = [
        f"{g}={name}" for g in attention_page.GROUPS for name in names(g) if name not in words
    ]
    assert not missing, "name them in docs/choices.md"


def test_every_choice_has_a_measured_cost():
    measured = json.loads(attention_page.COST.read_text(encoding="utf-8"))
    every = {one.word for one in attention_page.every()}
    assert every >= {f"{group}={name}" for group in attention_page.GROUPS for name in names(group)}
    assert measured.keys() == every, "type: python scripts/attention_cost.py"


def test_pictures_have_what_a_run_recorded_or_what_the_choice_makes_of_its_scores():
    scores = attention_pictures.scores_of()
    assert scores
    trained, was_trained = attention_pictures.picture_of(find("attention", "bahdanau"))
    assert was_trained
    np.testing.assert_allclose(trained.weights.sum(1), 1, atol=5e-3)
    sparse, was_trained = attention_pictures.picture_of(find("normalize", "sparsemax"))
    if not was_trained:
        expected = Sparsemax()(torch.from_numpy(scores.weights)[None])[0]
        np.testing.assert_allclose(sparse.weights, expected, atol=1e-6)
    assert attention_pictures.under(find("attention", "luong_general")) is None, "drawn at random"


def test_the_page_of_all_attentions_is_that_of_the_code():
    assert attention_page.PAGE.read_text(encoding="utf-8") == attention_page.page(), (
        "type: python scripts/attention_page.py"
    )
