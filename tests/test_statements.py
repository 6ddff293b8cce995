"""The page of statements: its tables are what was measured, and its pictures what models do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import statement_page
import torch
from crossing_links import marks_apart, share_of_crossing
from encoder_windows import looked
from exposure_bias import next_words
from gradient_distance import distances, sizes
from hopping import LISTED, write_task
from memory_picture import SHOWN, look, measure, picture, written
from pronouns import PAIRS, chosen, pronoun
from small_model import small_rnn
from statement_page import PAGE, RESULTS, came_from, image, line_of, measured, read, renew
from statements import STATEMENTS

from nmt.attention.cosine import Cosine
from nmt.batches.batch import Batch
from nmt.comparison.testing import Counted, all_against
from nmt.data.tokenizer import BOS, EOS
from nmt.links.links import sure_only
from nmt.report.words import merge_words
from nmt.study.findings import Findings
from nmt.study.ledger import Ledger

MEASURED = [name for name in STATEMENTS if measured(name)]
SOURCE = torch.tensor([[5, 6, 7, 8, EOS], [9, 4, EOS, 0, 0]])
TARGET = torch.tensor([[BOS, 5, 6, EOS], [BOS, 7, EOS, 0]])


def test_the_readme_links_the_page_in_its_first_lines_of_prose():
    readme = (PAGE.parent.parent / "README.md").read_text("utf-8")

    assert "](docs/statements.md)" in readme.partition("\n## ")[0]


@pytest.mark.parametrize("name", MEASURED)
def test_the_tables_of_the_page_are_what_was_measured(name):
    header, *rows = STATEMENTS[name].rows(read(name))
    page = PAGE.read_text("utf-8").splitlines()

    start = page.index(line_of(header))
    table = [line_of(row) for row in rows]
    assert page[start + 2 :][: len(rows) + 2] == [*table, "", came_from(name)]
    assert f"]({image(name).relative_to(PAGE.parent).as_posix()})" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", MEASURED)
def test_every_figure_can_be_drawn_again(name, tmp_path):
    STATEMENTS[name].draw(read(name)).savefig(tmp_path / "figure.png")

    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert image(name).is_file()


def test_every_result_has_a_statement_and_the_page_says_what_is_not_measured_yet():
    assert {path.stem for path in RESULTS.iterdir()} <= set(STATEMENTS)
    page = PAGE.read_text("utf-8")
    for name in set(STATEMENTS) - set(MEASURED):
        assert f"`python scripts/statements.py {name} --measure`" in page


def test_the_mixture_is_the_values_weighed_and_every_number_of_it_is_drawn():
    found = look()
    query, keys = (x / x.norm(dim=-1, keepdim=True) for x in (found.query, found.states))
    scores = found.factor * keys @ query

    torch.testing.assert_close(found.scores, scores)
    torch.testing.assert_close(found.weights, scores.exp() / scores.exp().sum())
    assert (found.weights @ found.states - found.context).abs().max() < 1e-6
    drawn = " ".join(text.get_text() for text in picture(found).axes[0].texts)
    assert all(written(piece) in drawn for piece in found.pieces)
    vectors = [vector[..., :SHOWN] for vector in (found.query, found.states, found.context)]
    for numbers in (*vectors, found.scores):
        for number in numbers.flatten().tolist():
            assert f"{number:+.2f}".replace("-", "−") in drawn
    assert all(f"{weight:.2f} $v" in drawn for weight in found.weights.tolist())


def test_what_the_page_has_of_the_memory_is_what_it_gives_now():
    kept, found = read("memory"), measure(Path())
    assert kept.pop("pieces") == found.pop("pieces")
    assert kept.keys() == found.keys()
    for name, values in found.items():
        torch.testing.assert_close(torch.tensor(kept[name]), torch.tensor(values))


@pytest.mark.parametrize("name", ["fixed_vector", "scores", "basic_unit", "normalizers"])
def test_what_the_page_has_of_a_study_is_what_its_ledger_has_now(name, tmp_path):
    found = STATEMENTS[name].measure(tmp_path)

    assert_close(read(name), json.loads(json.dumps(found)), f"statements.py {name} --measure")


def assert_close(one: Any, other: Any, told: str) -> None:
    """Compare what was read from JSON; processors differ in the last digits of a number."""
    assert type(one) is type(other), told
    if isinstance(one, dict):
        assert one.keys() == other.keys(), told
        one, other = list(one.values()), [other[key] for key in one]
    if isinstance(one, list):
        assert len(one) == len(other), told
        for a, b in zip(one, other, strict=True):
            assert_close(a, b, told)
    else:
        assert one == (pytest.approx(other, rel=1e-5) if isinstance(one, float) else other), told


def test_a_table_of_the_page_is_renewed_with_the_line_on_where_it_comes_from():
    page = "text\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\nMeasured before.\n\nmore"
    rows = [("a", "b"), (3, ""), ("4", 5)]

    renewed = renew(page, rows, "Measured now.")

    assert renewed == (
        "text\n\n| a | b |\n| --- | ---: |\n| 3 | |\n| 4 | 5 |\n\nMeasured now.\n\nmore"
    )
    assert renew(renewed, rows, "Measured now.") == renewed
    with pytest.raises(ValueError, match=r"\| c \|\n\| --- \|"):
        renew(page, [("c",), ("6",)], "")


def test_results_keep_where_they_come_from_and_older_ones_say_that_they_do_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(statement_page, "RESULTS", tmp_path)
    monkeypatch.setattr(statement_page, "USED", [])
    run = {"device": "a CPU, 1 threads", "precision": "bfloat16", "commit": "abc"}
    for seed in (2, 1):
        statement_page.use({"seed": seed, **run})
    statement_page.write("new", {"bleu": [1.0, 2.0]}, "def")
    (tmp_path / "old.json").write_text('{"bleu": [1.0]}')

    assert read("new") == {"bleu": [1.0, 2.0]}
    assert re.fullmatch(
        r"Measured on \d{4}-\d\d-\d\d by def; runs with seeds 1, 2, bfloat16, on a CPU, 1 thread\.",
        came_from("new"),
    )
    assert statement_page.whole("new")["measured"]["runs"]["commit"] == ["abc"]
    assert (read("old"), came_from("old")) == ({"bleu": [1.0]}, statement_page.OLDER)


def test_the_burden_of_one_vector_has_the_numbers_of_the_study():
    page, study = (
        (PAGE.parent / name).read_text(encoding="utf-8")
        for name in ("statements.md", "studies/multi30k_rnn.md")
    )
    section = page.split("\n## ")[1]
    bands = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [re.sub(r" \[[^]]*\]", "", line) for line in bands]
    assert len(rows) == 4
    assert all(row in study.splitlines() for row in rows)
    found = Findings.of(Ledger(PAGE.parent / "studies", "multi30k_rnn"))
    runs = [Counted(one.name, "RNN", [row.counts for row in one.rows]) for one in found.results]
    gain = all_against(runs, "bahdanau", ["bleu"])["bleu"].differences["none"]
    low, high = gain.interval
    told = f"attention gains {-gain.delta:.2f} BLEU (95 % interval {-high:.2f} to {-low:.2f})"
    assert told in " ".join(section.split())
    assert f"{gain.delta:+.2f}" in study


def test_the_distance_of_a_source_piece_is_the_steps_to_the_end_of_the_source():
    found = distances(Batch(SOURCE, TARGET))

    one, other, padding = [5, 4, 3, 2, 1], [3, 2, 1, 0, 0], [0, 0, 0, 0, 0]
    assert found.tolist() == [[one, one, one], [other, other, padding]]


def test_the_size_of_a_gradient_is_how_much_a_small_change_of_a_piece_changes_what_is_said():
    model = small_rnn(scale_embeddings=False).double().eval()
    found = sizes(model, Batch(SOURCE, TARGET))
    weight, step = model.source_embedding.weight, 1e-6

    def log_p(row: int, place: int) -> torch.Tensor:
        return model(SOURCE, TARGET[:, :-1]).log_softmax(-1)[row, place, TARGET[row, place + 1]]

    with torch.no_grad():
        before, slopes = log_p(0, 1), []
        for number in range(weight.size(1)):
            weight[7, number] += step  # 7 is the third piece of the first source
            slopes.append((log_p(0, 1) - before) / step)
            weight[7, number] -= step
    torch.testing.assert_close(found[0, 1, 2], torch.stack(slopes).norm(), rtol=1e-4, atol=0)


def test_a_prefix_uses_up_the_words_of_the_reference():
    reference = ["a dog runs and a cat sleeps"]

    assert next_words(["a dog runs and a"], reference, 2) == 1
    assert next_words(["a dog dog dog dog"], reference, 2) == 0
    assert next_words(["a bird runs and dog"], reference, 2) == 1
    assert next_words(["a dog a a cat"], reference, 2) == pytest.approx(2 / 3)


def test_the_word_that_follows_the_word_named_first_is_the_answer(tmp_path):
    write_task(tmp_path)
    sources, targets = (
        (tmp_path / f"test.{side}").read_text().splitlines() for side in ("source", "target")
    )

    for source, target in zip(sources, targets, strict=True):
        named, listed = re.fullmatch(r"\? (.) : (.*)", source).groups()
        words = listed.split()
        assert len(set(words)) == LISTED
        assert words[words.index(named) + 1] == target
    assert len({source[2] for source in sources}) == 10


def test_a_head_that_looks_two_places_back_looks_at_a_distance_of_two():
    weights = torch.zeros(5, 5)
    weights[range(5), [0, 0, 0, 1, 2]] = 1.0

    assert looked(weights).tolist() == [0, 1, 2, 2, 2]


def test_a_mark_is_a_word_of_its_own_and_keeps_its_weight():
    pieces = ["▁liest", ".", "</s>"]
    weights = torch.tensor([[0.2, 0.7, 0.1]])

    assert marks_apart(pieces) == ["▁liest", "▁.", "</s>"]
    merged, words, _ = merge_words(weights, marks_apart(pieces), ["▁on"], ("de", "en"))
    assert words == ["liest", ".", "</s>"]
    torch.testing.assert_close(merged, weights)


def test_the_gradient_of_a_cosine_is_orthogonal_to_the_query():
    """What the page says of dividing by the norms: the smaller q, the larger its gradient."""
    torch.manual_seed(0)
    query, keys = torch.randn(1, 1, 8, dtype=torch.float64), torch.randn(1, 1, 8).double()
    score, norms = Cosine(8, 8, scale=1.0).double(), []
    for factor in (1.0, 0.1):
        small = (factor * query).requires_grad_()
        score(small, score.prepare(keys)).sum().backward()
        assert abs((small.grad * small).sum().item()) < 1e-12
        norms.append(small.grad.norm())
    torch.testing.assert_close(norms[1], 10 * norms[0])


def test_links_cross_where_the_order_of_two_words_differs():
    straight = sure_only(frozenset({(0, 0), (1, 1), (2, 2)}))
    verb_last = sure_only(frozenset({(0, 0), (1, 2), (2, 1)}))
    one_word = sure_only(frozenset({(0, 1), (1, 1), (1, 0)}))

    assert share_of_crossing([straight]) == 0
    assert share_of_crossing([straight, verb_last]) == 1 / 6
    assert share_of_crossing([one_word]) == 1


def test_fifty_sentences_differ_in_a_pronoun_that_its_antecedent_decides():
    gender = {"er": r"\b([Dd]er|ein[emn]{2}|[Dd]en) ", "sie": r"\b([Dd]ie|einer?) "}
    gender["es"] = r"\b([Dd]as|ein|einem) "
    lines = [line.split("\t") for line in PAIRS.read_text("utf-8").splitlines()]

    assert len(lines) == 50
    for source, right, *wrong in lines:
        assert re.search(r"\bit\b", source)
        targets = [right, *wrong]
        assert {pronoun(targets, place) for place in range(3)} == {"er", "sie", "es"}
        assert re.search(gender[pronoun(targets, 0)], right), right


def test_the_pronoun_that_is_most_probable_is_chosen():
    targets = [{"text": f"{one} ist rot", "log_p": p} for one, p in (("sie", -3.0), ("er", -1.0))]
    targets.append({"text": "es ist rot", "log_p": -2.0})

    assert chosen([{"targets": targets}])["sie"] == {"er": 1, "sie": 0, "es": 0}
