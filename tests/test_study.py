"""Studies: which runs are missing, what is pinned, what a ledger keeps and refuses."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from choices import ALL, CONFIGS, names
from command import Answer, mistake, nmt
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nmt.commands.job import job_config
from nmt.comparison.cells import p_value
from nmt.comparison.influence import corpus_score
from nmt.comparison.significance import randomisation
from nmt.config.schema import register_schema
from nmt.config.study import MoreSeeds, Study, Tune
from nmt.data.aligned import AlignedWords
from nmt.data.corpus import Lines
from nmt.data.files import Files
from nmt.errors import UserError
from nmt.experiment.build import build
from nmt.metrics.words import WORD_SCORES
from nmt.run import open_run
from nmt.runs.folder import read_config
from nmt.runs.foreign import read_json
from nmt.study.findings import Findings
from nmt.study.jobs import Job, missing, number_of_runs, part_of
from nmt.study.ledger import Ledger
from nmt.study.measure import alignment_error, golden_digest
from nmt.study.own_links import own_error, own_gold, own_words
from nmt.study.page import to_markdown
from nmt.study.pins import Pins, pinned, transplanted
from nmt.study.report import spread
from nmt.training.ranks import Ranks
from nmt.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "docs" / "studies"


class Ended:
    """A run that has ended."""

    def __init__(self, job: Job, best_dev: float = 0.0) -> None:
        self.job = job
        self.best_dev = best_dev


def study(**changes) -> Study:
    content = {
        "pieces": 400,
        "variants": {"a": ["x=1"], "b": ["x=2"]},
        "seeds": [1, 2, 3],
        "tests": {"test": None},
        "baseline": "a",
    }
    return Study(**content | changes)


def test_all_seeds_of_all_variants_are_missing_at_first():
    jobs = missing(study(), ["a", "b"], [Ended(Job("a", None, 2))])
    assert jobs == [Job(*one) for one in [("a", None, 1), ("a", None, 3)]] + [
        Job("b", None, seed) for seed in (1, 2, 3)
    ]


def test_other_seeds_take_the_value_that_was_best_on_dev():
    tuned = study(tune=Tune("optimizer.lr", [0.1, 0.2, 0.3]))
    assert missing(tuned, ["a"], []) == [Job("a", value, 1) for value in (0.1, 0.2, 0.3)]
    tried = [Ended(Job("a", value, 1), bleu) for value, bleu in [(0.1, 5), (0.2, 9), (0.3, 9)]]
    assert missing(tuned, ["a"], tried[:2]) == [Job("a", 0.3, 1)]
    later = missing(tuned, ["a"], tried)
    assert later == [Job("a", 0.2, 2), Job("a", 0.2, 3)], "of equals the first"
    assert number_of_runs(tuned, ["a"]) == len(tried) + len(later)


def test_some_variants_have_more_seeds():
    some = study(more_seeds=MoreSeeds([4, 5], ["b"]))
    some.check()
    jobs = missing(some, ["a", "b"], [Ended(Job("b", None, 4))])
    assert [(job.variant, job.seed) for job in jobs] == [
        *(("a", seed) for seed in (1, 2, 3)),
        *(("b", seed) for seed in (1, 2, 3, 5)),
    ]
    assert number_of_runs(some, ["a", "b"]) == len(jobs) + 1
    tuned = study(seeds=[1], more_seeds=MoreSeeds([2], ["b"]), tune=Tune("x", [5, 6]))
    tried = [Ended(Job(name, value, 1), value) for name in "ab" for value in (5, 6)]
    assert missing(tuned, ["a", "b"], tried) == [Job("b", 6, 2)]
    assert number_of_runs(tuned, ["a", "b"]) == len(tried) + 1


def test_a_variant_may_take_the_value_of_another():
    tune = Tune("x", [5, 6], same_as={"c": "a"})
    shared = study(variants={name: [f"x={name}"] for name in "abc"}, seeds=[1, 2], tune=tune)
    shared.check()
    assert not missing(shared, ["c"], [Ended(Job("a", 5, 1))]), "a has no value yet"
    tried = [Ended(Job("a", 5, 1), 9), Ended(Job("a", 6, 1), 3)]
    assert missing(shared, ["c"], tried) == [Job("c", 5, 1), Job("c", 5, 2)]
    assert number_of_runs(shared, ["c"]) == 2
    assert [part_of(shared, part) for part in ("1/2", "2/2")] == [["a", "c"], ["b"]]


def test_parts_share_the_variants():
    names = study(variants={name: [f"x={name}"] for name in "abcde"})
    parts = [part_of(names, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == part_of(names, None) == list("abcde")
    for wrong in ("0/2", "3/2", "1", "a/b", "6/6"):
        with pytest.raises(UserError, match="part="):
            part_of(names, wrong)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"variants": {"a": ["x=1", "y=2"], "b": ["y=2", "x=1"]}}, "a and b have the same"),
        ({"variants": {"a/b": []}}, "'a/b' becomes the name of a folder"),
        ({"variants": {}}, "study.variants is empty"),
        ({"seeds": [1, 1]}, "a seed occurs twice"),
        ({"baseline": "c"}, "study.baseline=c: choose one of a, b"),
        ({"pieces": 0}, "study.pieces=0"),
        ({"tune": Tune("optimizer.lr", [1])}, "two or more"),
        ({"tune": Tune("x", [1, 2], {"c": "a"})}, "study.tune.same_as=c: choose one of a, b"),
        ({"tune": Tune("x", [1, 2], {"b": "c"})}, "study.tune.same_as.b=c: choose one of a, b"),
        ({"tune": Tune("x", [1, 2], {"a": "b", "b": "a"})}, "b does not choose a value itself"),
        ({"more_seeds": MoreSeeds([4], ["c"])}, "more_seeds.variants=c: choose one of a, b"),
        ({"more_seeds": MoreSeeds([3], ["a"])}, "3 occurs twice, or is in study.seeds=.1, 2, 3."),
        ({"more_seeds": MoreSeeds([], ["a"])}, "study.more_seeds.seeds is empty"),
        ({"sentences": [["one side"]]}, "source and target"),
        ({"links": ["0-0"]}, "study.links has 1 lines for 0 pairs"),
        ({"tests": {"one": "x", "two": None}}, "study.tests.two: null is the corpus's own"),
    ],
)
def test_a_study_that_cannot_be_run_is_refused(changes, told):
    with pytest.raises(UserError, match=told):
        study(**changes).check()


def test_a_later_variant_differs_from_the_pinned_base_in_its_own_arguments_alone():
    pinned = {"lr": 1, "part": {"_target_": "A", "size": 1}, "train": {"steps": 5}}
    today = {"lr": 2, "part": {"_target_": "A", "size": 9}, "train": {"steps": 5, "new": True}}
    other = {"lr": 2, "part": {"_target_": "B", "depth": 3}, "train": {"steps": 6, "new": True}}
    assert transplanted(pinned, today, today) == pinned
    assert transplanted(pinned, today, other) == {
        "lr": 1,
        "part": {"_target_": "B", "depth": 3},
        "train": {"steps": 6},
    }


def test_pinned_settings_of_a_hundred_variants_can_be_read(tmp_path):
    """A variant has five thousand bytes; a comment takes no time to read."""
    path = tmp_path / "many.pinned.yaml"
    text = (STUDIES / "golden.pinned.yaml").read_text(encoding="utf-8")
    path.write_text(f"{text}# {'x' * 500_000}\n", encoding="utf-8")
    assert list(Pins.read(path).variants) == ["bahdanau"]


@pytest.fixture(scope="module")
def typed(tiny, numbers, tmp_path_factory) -> list[str]:
    """The words of a study with two variants and two seeds, in a folder of its own.

    Its base is tested on dev, the study on test.
    """
    folder = tmp_path_factory.mktemp("study")
    of_base = f"data.test=[{numbers}/dev.de,{numbers}/dev.en]"
    content = {
        "base": [*(word for word in tiny if "max_steps" not in word), of_base],
        "pieces": 400,
        "variants": {"one": ["attention=bahdanau"], "two": ["attention=none"]},
        "baseline": "one",
        "seeds": [1, 2],
        "tests": {"test": [f"{numbers}/test.de", f"{numbers}/test.en"]},
        "sentences": [["eins zwei", "one two"]],
        "links": ["0-0 1-1"],
    }
    yamls = folder / "yamls" / "study"
    yamls.mkdir(parents=True)
    (yamls / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    places = [f"ledger={folder / 'ledgers'}", f"runs={folder / 'runs'}"]
    return ["study", "mine", "--config-dir", str(yamls.parent), *places, "nice=0"]


def folder_of(typed: list[str]) -> Path:
    return Path(typed[3]).parent


@pytest.fixture(scope="module")
def ledger(typed) -> Ledger:
    """The ledger of the study, interrupted once while it was made."""
    train_step = Trainer.train_step

    def interrupted(self, work):
        if self.position.step == 3 and "two,seed=1" in str(self.run):
            raise KeyboardInterrupt
        return train_step(self, work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        answer = nmt(*typed)
    assert answer.code == 130, answer.err
    assert "nmt study mine, with the same arguments" in answer.err
    found = Ledger(folder_of(typed) / "ledgers", "mine")
    assert [row.job for row in found.rows()] == [Job("one", None, seed) for seed in (1, 2)]
    answer = nmt(*typed)
    assert answer.code == 0, answer.err
    assert "3/4 two,seed=1" in answer.err
    assert "step 2" in answer.err, "resumed at its checkpoint"
    return found


def test_a_ledger_has_every_run_and_all_that_tests_need(ledger, typed):
    rows = ledger.rows()
    assert [row.job for row in rows] == [Job(v, None, s) for v in ("one", "two") for s in (1, 2)]
    for row in rows:
        ((counts, result),) = zip(row.counts.values(), row.tests.values(), strict=True)
        words = [score for score in WORD_SCORES if score in result]
        assert {"rep", "drop"} <= set(words)
        for score in ("bleu", "chrf", *words):
            assert corpus_score(score, counts[score]) == pytest.approx(result[score])
        assert corpus_score("loss", counts["loss"]) == pytest.approx(result["loss"], rel=1e-6)
        assert 400 <= row.content["pieces"] < 600
        assert row.content["dev"][-1]["dev/bleu"] <= row.best_dev
        assert not (folder_of(typed) / "runs/mine" / row.content["arrays"] / "checkpoints").exists()
    attention = rows[0].arrays["attention/0/source-target"]
    pieces = (rows[0].arrays[f"pieces/0/{side}"] for side in ("target", "source"))
    assert attention.shape == (1, 1, *(len(one) for one in pieces))
    np.testing.assert_allclose(attention.sum(-1), 1, atol=2e-3)
    assert rows[0].content["attention"]["source-target"]["entropy"] > 0
    assert rows[2].content["attention"] == {}, "attention=none"
    assert rows[0].content["settings"] != rows[2].content["settings"]


def test_alignment_error_on_the_sentences_of_a_study():
    """The mean of two layers, a word of two pieces, a full stop apart, which looks at </s>."""
    own = study(sentences=[["Der Hund läuft.", "The dog runs."]], links=["0-0 1p1 2-2 3-3"])
    own.check()
    pieces = {
        "source": ["▁Der", "▁Hund", "▁lä", "uft", ".", "</s>"],
        "target": ["▁The", "▁dog", "▁runs", ".", "</s>"],
    }
    weights = np.zeros((2, 1, 5, 6))
    weights[:, 0, [0, 1, 3], [0, 0, 5]] = [0.9, 0.4, 1.0]  # dog–Der, and the stop at </s> alone
    weights[0, 0, 1, 1] = 0.9
    weights[:, 0, 2, [1, 2, 3]] = [0.4, 0.3, 0.3]  # more on both pieces of a word than on another
    arrays = {f"pieces/0/{side}": np.array(one) for side, one in pieces.items()}
    arrays["attention/0/source-target"] = weights.astype(np.float16)
    data = {"source": "de", "target": "en"}
    # Found: Der–The, Hund–dog, läuft–runs; sure: those but Hund–dog, and the stop.
    assert own_error(arrays, own, data) == pytest.approx(1 - (2 + 3) / (3 + 3))
    assert own_error({}, own, data) is None
    own.links = ["0-0 1-4"]
    with pytest.raises(UserError, match=r"study.links\[0\].*target word 4.*the target has 4 words"):
        own_gold(own, own_words(own, data))


def test_a_study_may_link_the_words_of_its_sentences_or_not(retyped):
    answer = retyped(lambda text: text.replace("- 0-0 1-1", "- 0-0 1-2"))
    assert "study.links[0]: link 1-2 has target word 2" in mistake(answer)
    answer = retyped(lambda text: re.sub(r"links:\n- .*\n", "", text))
    assert answer.code == 0, answer.err


def test_runs_are_tested_on_the_first_test_set_of_the_study(ledger, numbers):
    sides = [(numbers / f"test.{one}").read_text().splitlines() for one in ("de", "en")]
    text = "\n".join([*sides[0], "", *sides[1]])
    expected = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert {row.tests["test"]["fingerprint"] for row in ledger.rows()} == {expected}


def test_a_finished_study_trains_nothing(ledger, typed):
    before = ledger.path.read_bytes()
    answer = nmt(*typed)
    assert answer.code == 0
    assert "next:" in answer.err
    assert ledger.path.read_bytes() == before
    assert "4 of 4 runs" in nmt(*typed, "list=true").err


def test_settings_are_pinned(ledger, typed):
    """What the yaml has now is not what was trained."""
    path = folder_of(typed) / "yamls/study/mine.yaml"
    before = path.read_text(encoding="utf-8")
    try:
        for old, new in [("attention=none", "attention=cosine"), ("pieces: 400", "pieces: 500")]:
            path.write_text(before.replace(old, new), encoding="utf-8")
            told = mistake(nmt(*typed))
            assert "mine.pinned.yaml" in told
            assert "another name" in told
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.fixture
def retyped(ledger, typed, tmp_path):
    """Type the study with other content; its ledger is a copy."""
    for file in (ledger.path, ledger.pins):
        shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / "mine").symlink_to(ledger.arrays)
    yamls = tmp_path / "yamls" / "study"
    yamls.mkdir(parents=True)
    before = (folder_of(typed) / "yamls/study/mine.yaml").read_text(encoding="utf-8")

    def typed_again(change: Callable[[str], str], *words: str) -> Answer:
        (yamls / "mine.yaml").write_text(change(before), encoding="utf-8")
        places = [f"ledger={tmp_path}", f"runs={tmp_path / 'runs'}"]
        return nmt("study", "mine", "--config-dir", yamls.parent, *places, "nice=0", *words)

    return typed_again


def test_more_seeds_can_be_added_to_a_study_that_has_begun(retyped):
    more = "more_seeds: {seeds: [7], variants: [two]}\n"
    answer = retyped(lambda text: text + more, "list=true")
    assert answer.code == 0, answer.err
    assert "4 of 5 runs" in answer.err
    assert "two,seed=7: missing" in answer.err
    assert "one,seed=7" not in answer.err


def test_a_variant_that_cannot_be_built_is_refused_before_anything_trains(typed, tmp_path):
    content = yaml.safe_load(
        (folder_of(typed) / "yamls/study/mine.yaml").read_text(encoding="utf-8")
    )
    content["variants"]["three"] = ["attention=bahdanau", "model.heads=3"]
    yamls = tmp_path / "yamls" / "study"
    yamls.mkdir(parents=True)
    (yamls / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    places = [f"ledger={tmp_path}", f"runs={tmp_path}"]
    words = ["study", "mine", "--config-dir", yamls.parent, *places]
    assert "variant three: " in mistake(nmt(*words, "nice=0"))
    assert not (tmp_path / "mine").exists()


def test_a_limit_holds_for_launchers_that_take_many_runs_at_once(typed, tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.commands.study.ONE_AT_A_TIME", "another launcher")
    places = [f"ledger={tmp_path}", f"runs={tmp_path / 'runs'}"]
    assert nmt(*typed[:4], *places, "nice=0", "limit=1").code == 0
    assert [row.job for row in Ledger(tmp_path, "mine").rows()] == [Job("one", None, 1)]


def test_a_run_that_cannot_be_measured_says_why_in_its_folder(typed, tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.commands.job.measure", unmeasurable)
    places = [f"ledger={tmp_path}", f"runs={tmp_path / 'runs'}"]
    answer = nmt(*typed[:4], *places, "nice=0", "limit=1")
    assert answer.code == 1
    assert "1 runs are not in" in answer.err
    (failure,) = (tmp_path / "runs").rglob("failure.txt")
    assert "ArithmeticError: no number" in failure.read_text(encoding="utf-8")


def unmeasurable(*_: object) -> None:
    raise ArithmeticError("no number")


def test_a_study_has_to_be_named():
    assert "which study? nmt study NAME, one of family_rnn, " in mistake(nmt("study"))
    assert "one study at a time" in mistake(nmt("study", "golden", "mine"))
    assert "no such choice" in mistake(nmt("study", "goldn"))


def test_a_corpus_that_is_not_there_is_one_message(tmp_path):
    words = ["study", "multi30k_hops", f"ledger={tmp_path}", f"runs={tmp_path}", "nice=0"]
    words += ["part=1/3"]
    assert str(tmp_path / "nowhere") in mistake(nmt(*words, f"data.dir={tmp_path / 'nowhere'}"))
    assert "no data.train" in mistake(nmt(*words, "data.train=[a,b]"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 5 is not JSON"),
        ('{"format": 7}', "line 5 has format 7, and this nmt reads 1: upgrade"),
        ('{"step": 3}', "not a line of a ledger"),
        ('{"format": 1, "study": "mine"}', "line 5: variant=None"),
    ],
)
def test_a_line_of_another_kind_is_refused(ledger, tmp_path, line, told):
    copy = tmp_path / "mine.jsonl"
    copy.write_text(f"{ledger.path.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match=told):
        Ledger.at(copy).rows()


def test_ledgers_of_two_machines_merge(ledger, typed, tmp_path):
    lines = ledger.path.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, part in (("a", lines[:3]), ("b", lines[2:])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.jsonl").write_text("".join(part), encoding="utf-8")
        (tmp_path / name / "mine").symlink_to(ledger.arrays)
    one, other = (Ledger(tmp_path / name, "mine") for name in "ab")
    (tmp_path / "a" / "mine").unlink()
    (tmp_path / "a" / "mine").mkdir()
    assert one.merge(other) == 1
    assert [row.job for row in one.rows()] == [row.job for row in ledger.rows()]
    kept, given = one.rows()[3].arrays, ledger.rows()[3].arrays
    assert {key: value.tolist() for key, value in kept.items()} == {
        key: value.tolist() for key, value in given.items()
    }
    (tmp_path / "a" / "mine.jsonl").write_text("\n" + "".join(lines).rstrip(), encoding="utf-8")
    one.add(json.loads(lines[0]) | {"seed": 7}, kept)
    assert [row.content["seed"] for row in one.rows()][-1] == 7, "behind a line without an end"
    assert len(one.rows()) == len(lines) + 1, "a line that was emptied is none"
    assert "there is no such ledger" in mistake(nmt(*typed, f"merge={tmp_path / 'typo'}"))
    content = json.loads(lines[3]) | {"pinned": "another", "seed": 9}
    (tmp_path / "b" / "mine.jsonl").write_text(json.dumps(content) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="do not belong to the same study"):
        one.merge(other)


def test_the_page_of_a_study_is_made_from_its_ledger_alone(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = nmt("compare", ledger.path, "output=pages")
    assert answer.code == 0, answer.err
    assert "4 of 4 runs are finished" in answer.out
    page = (tmp_path / "pages" / "mine.md").read_text(encoding="utf-8")
    figures = sorted(file.name for file in (tmp_path / "pages" / "mine").iterdir())
    assert figures == ["attention.png", "bleu.png", "learning.png"]
    assert all(f"(mine/{name})" in page for name in figures)
    for row in Findings.of(ledger).results:
        assert f"| {row.name} | 1 2 |" in page
    assert "one two" in page, "our own sentence"
    assert "such comparisons would detect a true difference of" in page
    assert "[statistics]" not in page, "that page is not beside this ledger"
    assert "| variant | REP | DROP |" in page
    assert "## BLEU by length" in page


def test_runs_that_do_not_belong_into_one_table_are_refused(ledger, tmp_path):
    lines = ledger.path.read_text(encoding="utf-8").splitlines()
    (tmp_path / "mine").symlink_to(ledger.arrays)
    (tmp_path / "mine.pinned.yaml").symlink_to(ledger.pins)
    copy = tmp_path / "mine.jsonl"

    def refused(change) -> str:
        content = json.loads(lines[3])
        change(content)
        text = [*lines[:3], json.dumps(content)]
        copy.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
        return mistake(nmt("compare", copy))

    for change, told in [
        (
            lambda row: row.update(pieces=900),
            "read 900 target pieces, but the budget of the study is 400",
        ),
        (lambda row: row["tests"]["test"].update(fingerprint="x"), "other sentences of test (x)"),
        (lambda row: row.update(pinned="x"), "two was trained with settings x, but others"),
        (lambda row: row.update(variant="three"), "has no variant three"),
        (
            lambda row: row["tests"].update(more=row["tests"]["test"]),
            "was tested on test, more, but study.tests has test: restore study.tests",
        ),
    ]:
        assert told in refused(change)


@pytest.fixture
def edited(ledger, tmp_path):
    """Return a copy of some runs of the ledger, each line and the pins changed."""

    def copied(
        change: Callable[[dict], object] = lambda _: None,
        pins: Callable[[dict], object] = lambda _: None,
        runs: slice = slice(None),
        name: str = "mine",
    ) -> Ledger:
        lines = ledger.path.read_text(encoding="utf-8").splitlines()[runs]
        rows = [json.loads(line) | {"study": name} for line in lines]
        pinned = yaml.safe_load(ledger.pins.read_text(encoding="utf-8"))
        pins(pinned)
        for row in rows:
            change(row)
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
        (tmp_path / f"{name}.pinned.yaml").write_text(yaml.safe_dump(pinned), encoding="utf-8")
        (tmp_path / name).symlink_to(ledger.arrays)
        return Ledger(tmp_path, name)

    return copied


def page_of(ledger: Ledger, baseline: str | None = None) -> str:
    return to_markdown(Findings.of(ledger, baseline), [])


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n\n")[2].partition("\n\n## ")[0]


def test_one_seed_has_no_p_and_the_page_says_why(edited):
    page = page_of(edited(runs=slice(3)))
    (reason,) = re.findall("BLEU: (no p for two: only one seed.*)", page)
    assert reason.endswith(".")
    assert "No p: only one seed" in section(page, "Words")
    assert not section(page, "These two runs"), "the baseline has two"


def test_single_runs_are_tested_against_the_single_run_of_the_baseline(edited):
    ledger = edited(runs=slice(0, 3, 2))
    first, other = ledger.rows()
    p = randomisation(
        *(row.counts[row.tests["test"]["fingerprint"]]["bleu"] for row in (first, other))
    )
    delta = other.tests["test"]["bleu"] - first.tests["test"]["bleu"]
    table = section(page_of(ledger), "These two runs")
    assert "| variant | seed | Δ BLEU | p rand. |" in table
    assert f"| two | 1 | {delta:+.2f} | {p_value(p)} |" in table
    assert "It says nothing of the methods" in table
    assert "bootstrap" not in table


def test_a_ledger_is_printed_against_another_baseline(edited):
    path = edited().path
    answer = nmt("compare", path, "baseline=two")
    assert answer.code == 0, answer.err
    assert re.search(r"^ two  +1 2 .*baseline", answer.out, re.MULTILINE)
    assert not path.with_suffix(".md").exists(), "the page has the study's own"
    told = mistake(nmt("compare", path, "baseline=three"))
    assert "baseline=three: choose one of one, two" in told
    told = mistake(nmt("compare", path, "baseline=two", f"output={path.parent / 'pages'}"))
    assert "remove output= or baseline=" in told
    assert "scores= is for run folders" in mistake(nmt("compare", path, "scores=x.tsv"))


def test_the_page_says_where_precision_is_mixed_with_the_variant(edited):
    def change(row: dict) -> None:
        row["machine"]["precision"] = "float32" if row["variant"] == "two" else "bfloat16"

    page = page_of(edited(change))
    assert "Not all runs of two had the precision of one, bfloat16" in page.split("\n\n")[1]
    assert "Precision: one in bfloat16; two in float32." in section(page, "BLEU")


def test_the_same_precision_everywhere_is_not_spoken_of(ledger):
    page = page_of(ledger)
    assert "Precision:" not in page
    assert "had the precision" not in page


def test_a_variant_is_tested_against_its_twin_in_float32(edited, monkeypatch):
    def twin(row: dict) -> None:
        """The second variant has the texts of the first."""
        if row["variant"] == "two":
            row["arrays"] = row["arrays"].replace("two", "one")
            row["tests"] = first[row["seed"]]
            row["variant"] = "one-fp32"
            row["machine"]["precision"] = "float32"
        else:
            first[row["seed"]] = row["tests"]
            row["machine"]["precision"] = "bfloat16"

    def renamed(pins: dict) -> None:
        for where in (pins["study"]["variants"], pins["digests"], pins["variants"]):
            where["one-fp32"] = where.pop("two")

    first: dict[int, dict] = {}
    ledger = edited(twin, renamed)
    begin = r"Precision: one-fp32 (float32) has +0.00 BLEU against one (bfloat16)"
    page = page_of(ledger)
    assert f"{begin}: no difference is visible" in page
    assert "had the precision of one, bfloat16" not in page, "that is what the twin is for"
    monkeypatch.setattr("nmt.study.page.LEVEL", 1.1)
    assert f"{begin}: more than chance explains" in page_of(ledger)
    lines = ledger.path.read_text(encoding="utf-8").splitlines(keepends=True)
    ledger.path.write_text("".join(lines[:3]), encoding="utf-8")
    assert f"{begin}. No p: only one seed" in page_of(ledger).replace("-0.", "+0.")


def test_a_longer_study_says_whether_the_order_holds(edited):
    def longer(row: dict) -> None:
        row["pieces"], row["steps"] = 1600, 80

    def budget(pins: dict) -> None:
        pins["study"]["pieces"] = 1600
        pins["variants"]["two"]["train"]["max_pieces"] = 1600

    short, long = edited(bleu_of(one=9, two=8)), edited(longer, budget, name="longer")
    text = long.path.read_text(encoding="utf-8")
    for one, verdict in ((7, "the order holds"), (5, "the order does not hold")):
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows:
            bleu_of(one=one, two=6)(row)
        long.path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        (told,) = re.findall("With 400 target pieces .*", page_of(long))
        assert "(`mine`) the order by mean BLEU is one, two; with 1,600 it is" in told
        assert f": {verdict}." in told
    assert "the order" not in page_of(short)
    pins = yaml.safe_load(long.pins.read_text(encoding="utf-8"))
    pins["variants"]["two"]["tokenizer"]["size"] += 1
    long.pins.write_text(yaml.safe_dump(pins), encoding="utf-8")
    assert "the order" not in page_of(long), "two differs in more than its budget"


def bleu_of(**scores: float) -> Callable[[dict], object]:
    return lambda row: row["tests"]["test"].update(bleu=scores[row["variant"]])


def test_words_are_not_tested_where_the_baseline_has_none(edited, ledger):
    assert "would find: " in section(page_of(ledger), "Words")

    def older(row: dict) -> None:
        for score in WORD_SCORES if row["variant"] == "one" else ():
            row["tests"]["test"].pop(score, None)

    words = section(page_of(edited(older)), "Words")
    assert "which did not measure them: one." in words
    assert "No tests: the baseline, one, is one of them." in words
    assert "would find" not in words


def test_alignment_error_is_that_of_nmt_align(ledger, typed, numbers, tmp_path, monkeypatch):
    run = folder_of(typed) / "runs/mine/one,seed=1"
    lines = Lines(*((numbers / f"test.{one}").read_text().splitlines() for one in ("de", "en")))
    gold = tmp_path / "gold.align"
    gold.write_text("1-1 2-2 3-1\n" * len(lines.source), encoding="utf-8")
    words = [f"source={numbers}/test.de", f"target={numbers}/test.en", f"gold={gold}"]
    answer = nmt("align", f"run={run}", *words, "heatmaps=0", f"output={tmp_path / 'out'}")
    assert answer.code == 0, answer.err
    expected = read_json(tmp_path / "out" / "result.json")["aer"]
    assert 0 < expected < 1

    class Linked(Files):
        def aligned(self, split: str) -> AlignedWords:
            assert split == "test"
            sides = [[line.split() for line in side] for side in (lines.source, lines.target)]
            return AlignedWords(*sides, [frozenset({(0, 0), (1, 1), (2, 0)})] * len(lines.source))

    cfg, translator = read_config(run), open_run(run, "auto", "auto")
    assert alignment_error(translator, run, cfg) is None, "no gold links"
    given = {key: value for key, value in cfg.data.items() if key != "_target_"}
    monkeypatch.setattr("hydra.utils.instantiate", lambda _: Linked(**given))
    assert alignment_error(translator, run, cfg) == expected


def test_the_page_has_alignment_errors_where_a_run_has_one(edited, ledger):
    page = page_of(edited(lambda row: row.update(aer=0.25) if row["variant"] == "one" else None))
    header, _, one, two = section(page, "Attention").splitlines()[:4]
    place = header.split(" | ").index("AER")
    assert one.split(" | ")[place] == "0.250"
    assert not two.split(" | ")[place].strip()
    assert "against the gold links of the first test set" in page
    assert " AER | " not in page_of(ledger).replace("own AER", "")
    assert "gold links" not in page_of(ledger)


def test_a_file_that_is_not_yaml_is_one_message(retyped):
    told = mistake(retyped(lambda text: text.replace("  two:", "  one:")))
    assert "mine.yaml, line " in told
    assert ": one is there twice: rename one of the two, or remove it" in told
    told = mistake(retyped(lambda text: text + "\tmore: 1\n"))
    assert "is not YAML: " in told
    assert "a tab" in told
    assert "while scanning" not in told


def test_uncommitted_code_is_warned_of_when_a_study_begins(retyped, monkeypatch):
    for found, number in (("25bc2aa09a62-dirty", 1), ("25bc2aa09a62", 0), (None, 0)):
        monkeypatch.setattr("nmt.commands.study.commit", lambda found=found: found)
        answer = retyped(lambda text: text)
        assert answer.err.count("uncommitted changes. Lines of the ledger will name") == number
        assert answer.code == 0


def test_speed_is_measured_by_nmt_bench(ledger, typed, monkeypatch):
    monkeypatch.setattr("nmt.bench.gemm.SECONDS", 1e-4)
    monkeypatch.setattr("nmt.study.speed.SENTENCES", 8)
    assert "part=1/2: speed= measures all" in mistake(nmt(*typed, "speed=1", "part=1/2"))
    answer = nmt(*typed, "speed=1")
    assert answer.code == 0, answer.err
    assert "round 1/1 two" in answer.err
    table = to_markdown(Findings.of(ledger), []).partition("## Speed\n\n")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| one", "| two"]


@pytest.mark.parametrize("name", names("study"))
def test_the_variants_of_every_study_can_be_built(name, tmp_path):
    """Baseline and every tenth of them; `make test-all` builds all, as `nmt study` does."""
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("study", overrides=[f"study={name}"])
        read: Study = OmegaConf.to_object(cfg.study)
        read.check()
        step = 1 if ALL else 10
        some = {read.baseline, *list(read.variants)[::-step]}
        read.variants = {one: typed for one, typed in read.variants.items() if one in some}
        if read.tune:
            read.tune.same_as = {}  # may name a variant that is left out
        pins = pinned(read, tmp_path / "pins.yaml")
    for variant in read.variants:
        build(job_config(cfg, read, pins, Job(variant, None, 1)._replace(value=1e-3)), Ranks())


LEDGERS = sorted(STUDIES.glob("*.jsonl"))


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: path.stem)
def test_committed_pages_say_what_their_ledgers_say(path):
    parts = path.with_suffix(".md").read_text(encoding="utf-8").split("\n\n")
    figures = [number for number, part in enumerate(parts) if part.startswith("![")]
    for number in figures:
        assert (path.parent / parts[number].partition("](")[2].rstrip(")")).is_file()
    captions = [number + 1 for number in figures]
    kept = [one for number, one in enumerate(parts) if number not in (*figures, *captions)]
    again = page_of(Ledger.at(path))
    assert "\n\n".join(kept) == again, f"nmt compare {path} writes the page anew"


def test_the_readme_has_the_means_of_the_ledger():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"- \*\*What attention is worth\*\*.*?\n- ", readme, re.DOTALL)
    variants = re.findall(r"`(?:attention=)?(\w+)`", told)
    means = re.findall(r"\d+\.\d\d ± \d+\.\d\d", " ".join(told.split()))
    found = Findings.of(Ledger.at(STUDIES / "multi30k_rnn.jsonl"))
    results = [found.result(variant) for variant in variants]
    assert len(means) > 3
    assert means == [spread(one.scores("bleu"), 2) for one in results if one]


def test_the_golden_run_was_trained_again_when_golden_losses_changed():
    (row,) = Ledger.at(LEDGERS[0].with_name("golden.jsonl")).rows()
    told = (
        "remove docs/studies/golden.jsonl, then: nmt study golden; nmt compare docs/studies/*.jsonl"
    )
    assert row.content["golden"] == golden_digest(), told
