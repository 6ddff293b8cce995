"""The page of statements: its tables are what was measured, and its pictures what models do."""

import re
from pathlib import Path

import pytest
import torch
from crossing_links import share_of_crossing
from encoder_windows import looked
from exposure_bias import next_words
from gradient_distance import distances, sizes
from hopping import LISTED, write_task
from memory_picture import look, picture
from pronouns import PAIRS, chosen, pronoun
from small_model import small_rnn
from statement_page import RESULTS, image, measured, read
from statements import STATEMENTS

from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.links.links import sure_only

PAGE = Path(__file__).parent.parent / "docs" / "statements.md"
MEASURED = [name for name in STATEMENTS if measured(name)]
SOURCE = torch.tensor([[5, 6, 7, 8, EOS], [9, 4, EOS, 0, 0]])
TARGET = torch.tensor([[BOS, 5, 6, EOS], [BOS, 7, EOS, 0]])


def test_the_readme_links_the_page_in_its_first_lines_of_prose():
    readme = (PAGE.parent.parent / "README.md").read_text("utf-8")

    assert "](docs/statements.md)" in readme.partition("\n## ")[0]


def cells(row) -> str:
    """A row of a table as the page has it."""
    return f"| {' | '.join(str(cell) for cell in row)} |".replace("|  |", "| |")


@pytest.mark.parametrize("name", MEASURED)
def test_the_tables_of_the_page_are_what_was_measured(name):
    header, *rows = STATEMENTS[name].rows(read(name))
    page = PAGE.read_text("utf-8").splitlines()

    for row in (header, *rows):
        assert cells(row) in page, name
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
    scores = found.keys @ found.query / 3**0.5

    torch.testing.assert_close(found.scores, scores)
    torch.testing.assert_close(found.weights, scores.exp() / scores.exp().sum())
    assert (found.weights @ found.values - found.context).abs().max() < 1e-6
    drawn = " ".join(text.get_text() for text in picture(found).axes[0].texts)
    for numbers in (found.query, found.keys, found.scores, found.values, found.context):
        for number in numbers.flatten().tolist():
            assert f"{number:+.2f}".replace("-", "−") in drawn
    assert all(f"{weight:.2f} $v" in drawn for weight in found.weights.tolist())


def test_what_the_page_has_of_the_memory_is_what_it_gives_now():
    for name, values in look()._asdict().items():
        torch.testing.assert_close(torch.tensor(read("memory")[name]), values)


def test_the_burden_of_one_vector_has_the_numbers_of_the_study():
    page, study = (
        (PAGE.parent / name).read_text(encoding="utf-8")
        for name in ("statements.md", "studies/multi30k_rnn.md")
    )
    section = page.split("\n## ")[1]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert all(row in study.splitlines() for row in rows)
    assert "-13.44" in study
    assert "-14.41 to -12.47" in study


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
