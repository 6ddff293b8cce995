"""The test of two methods: against tables written out, and against tests that it contains."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from nmt.comparison.crossed import against, difference, holm
from nmt.comparison.influence import influence
from nmt.comparison.seeds import seed_variances
from nmt.comparison.values import Values, values_of
from nmt.errors import UserError

DRAW = np.random.default_rng(3)


def values(name: str, *tables: np.ndarray, kind: str = "") -> Values:
    """The values of a variant on test sets called 0, 1, …"""
    return Values(name, tables, tuple(map(str, range(len(tables)))), kind)


def crossed(seeds: int, sentences: int = 7) -> np.ndarray:
    """A table with effects of seeds, of sentences, and of both, (R,N)."""
    both = DRAW.normal(size=(seeds, sentences))
    return 30 + DRAW.normal(size=(seeds, 1)) + 3 * DRAW.normal(size=sentences) + both


def seeds_of(name: str, *scores: float, kind: str = "") -> Values:
    """Runs whose scores are given, each the same on all sentences."""
    return values(name, np.array(scores)[:, None] * np.ones(5), kind=kind)


def test_it_is_clarks_quasi_f():
    """F' = MS(methods) / (MS(seeds) + MS(methods × sentences) − MS(rest)); F' is t²."""
    a, b = crossed(3), crossed(3) + 1
    num_seeds, num = a.shape
    both = np.stack([a, b])  # (2,R,N)
    grand = both.mean()
    methods = seeds = interaction = rest = 0.0
    for v in range(2):
        for r in range(num_seeds):
            for i in range(num):
                v_mean, i_mean = both[v].mean(), both[:, :, i].mean()
                vr_mean, vi_mean = both[v, r].mean(), both[v, :, i].mean()
                methods += (v_mean - grand) ** 2
                seeds += (vr_mean - v_mean) ** 2
                interaction += (vi_mean - v_mean - i_mean + grand) ** 2
                rest += (both[v, r, i] - vr_mean - vi_mean + v_mean) ** 2
    ms_seeds = seeds / (2 * (num_seeds - 1))
    ms_interaction = interaction / (num - 1)
    ms_rest = rest / (2 * (num_seeds - 1) * (num - 1))
    assert ms_interaction > ms_rest  # else I is cut off at 0

    found = difference(values("a", a), values("b", b))

    quasi_f = methods / (ms_seeds + ms_interaction - ms_rest)
    assert (found.delta / found.error) ** 2 == pytest.approx(quasi_f)


def test_unequal_seeds_and_two_test_sets_written_out():
    """Every component by loops; the score is the mean of the test sets' scores."""
    tables = {"a": (crossed(2, 7), crossed(2, 5)), "b": (crossed(4, 7), crossed(4, 5))}
    found = difference(values("a", *tables["a"]), values("b", *tables["b"]))

    parts = []
    means = {}
    for name, of_sets in tables.items():
        scores = [np.mean([of_set[r].mean() for of_set in of_sets]) for r in range(len(of_sets[0]))]
        means[name] = np.mean(scores)
        squares = sum((score - means[name]) ** 2 for score in scores)
        parts.append((squares / (len(scores) - 1) / len(scores), len(scores) - 1))
    assert found.delta == pytest.approx(means["b"] - means["a"])
    assert found.seeds == pytest.approx(sum(part for part, _ in parts))

    seen, noise = [], 0.0
    for a, b in zip(*tables.values(), strict=True):
        gains = [b[:, i].mean() - a[:, i].mean() for i in range(a.shape[1])]
        seen.append((np.var(gains, ddof=1) / len(gains) / 4, len(gains) - 1))
        for table in (a, b):
            left = 0.0
            for r, row in enumerate(table):
                for i, value in enumerate(row):
                    expected = table[r].mean() + table[:, i].mean() - table.mean()
                    left += (value - expected) ** 2
            mean_square = left / ((len(table) - 1) * (len(gains) - 1))
            noise += mean_square / len(table) / len(gains) / 4
    total = sum(part for part, _ in seen)
    assert found.noise == pytest.approx(noise)
    assert found.sentences == pytest.approx(max(0.0, total - noise))
    df_seen = total**2 / sum(part**2 / df for part, df in seen)
    parts.append((found.sentences, df_seen))
    df = sum(part for part, _ in parts) ** 2 / sum(part**2 / df for part, df in parts)
    assert found.df == pytest.approx(df)


def test_what_runs_do_to_sentences_is_not_counted_twice():
    """Here sentences vary by nothing else: less than nothing is left for the methods."""
    runs = np.array([[1.0, -1, 1, -1], [-1, 1, -1, 1]])

    found = difference(values("a", 30 + runs), values("b", 31 + runs + [[0.5], [-0.5]]))

    assert found.noise > 0
    assert found.sentences == 0
    assert found.seeds == pytest.approx(0.25)  # (0.5 + 0.5)/(2 - 1)/2


def test_where_all_seeds_are_the_same_it_is_the_paired_t_test():
    a, b = crossed(1, 9)[0], crossed(1, 9)[0]

    found = difference(values("a", np.stack([a, a])), values("b", np.stack([b, b, b])))

    assert found.seeds == 0
    expected = stats.ttest_rel(b, a)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(expected.confidence_interval())
    reach = stats.t.ppf(0.975, 8) + stats.t.ppf(0.8, 8)
    assert found.visible == pytest.approx(reach * found.error)


def test_where_all_sentences_are_alike_it_is_the_t_test_of_seeds():
    """Welch's with variances of their own, Student's with the variance of both."""
    scores = {"a": (30.0, 31.0, 32.5), "b": (33.0, 33.25)}
    a, b = (seeds_of(name, *found) for name, found in scores.items())

    for equal, seeds in ((False, None), (True, seed_variances([a, b]))):
        found = difference(a, b, seeds)
        expected = stats.ttest_ind(scores["b"], scores["a"], equal_var=equal)
        assert found.sentences == 0
        assert (found.df, found.p) == pytest.approx((expected.df, expected.pvalue))


@pytest.mark.parametrize("seeds", [(2, 2), (3, 2), (7, 6)])
def test_equal_files_are_no_difference(seeds):
    row = crossed(1, 31) / 3  # means of 7 and of 6 such rows differ by rounding
    first, second = (values(str(number), np.repeat(row, number, 0)) for number in seeds)

    found = difference(first, second)

    assert (found.delta, found.seeds, found.sentences, found.p) == (0, 0, 0, 1)
    assert found.interval == (0, 0)


def test_a_difference_without_any_variance_is_certain():
    found = difference(seeds_of("a", 3, 3), seeds_of("b", 4, 4))

    assert (found.delta, found.error, found.p, found.interval) == (1, 0, 0, (1, 1))


def test_the_seeds_variance_is_pooled_within_a_kind():
    rnns = [seeds_of(f"r{k}", 30, 30 + gap, kind="RNN") for k, gap in enumerate((1.0, 2.0, 1.5))]
    others = [seeds_of(f"t{k}", 30, 30 + gap, 31, kind="T") for k, gap in enumerate((4.0, 5.0))]

    found = seed_variances([*rnns, *others])

    shared = np.mean([np.var([0, gap], ddof=1) for gap in (1.0, 2.0, 1.5)])
    assert [found[one.name].value for one in rnns] == pytest.approx([shared] * 3)
    assert [found[one.name].df for one in (*rnns, *others)] == [3, 3, 3, 4, 4]
    test = against([*rnns, *others], "r0").differences
    assert against([*rnns, others[0]], "r0").own_variance == []  # the only one of its kind
    assert test["r2"].df == pytest.approx(3)  # one variance for both sides
    assert 3 < test["t0"].df < 7  # two independent ones


def test_an_unsteady_variant_keeps_its_own_variance_and_is_named():
    steady = [seeds_of(str(k), 30, 30.1 + k / 100, 30.2) for k in range(5)]
    unsteady = seeds_of("none", 20, 25, 30)

    found = against([*steady, unsteady], "0")

    assert found.own_variance == ["none"]
    assert found.differences["1"].df == 10
    assert found.differences["none"].df == pytest.approx(2, abs=0.01)
    assert against(steady, "0").own_variance == []
    same = [seeds_of("a", 30, 30), seeds_of("b", 31, 31)]
    assert against([*same, unsteady], "a").own_variance == ["none"]
    assert against(same, "a").own_variance == []
    wide = seeds_of("wide", *range(20, 40, 4))
    narrow = seeds_of("narrow", 30, 30.1, 30.2, 30.1, 30.2)
    assert against([narrow, wide], "narrow").own_variance == ["wide"]


def test_several_comparisons_are_corrected_by_holm():
    p = {"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.6}

    assert holm(p) == pytest.approx({"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.6})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1, "b": 1}
    found = against([values(str(k), crossed(3)) for k in range(4)], "0")
    assert found.corrected == holm({name: one.p for name, one in found.differences.items()})
    assert found.visible == sorted(one.visible for one in found.differences.values())[1]


def test_what_cannot_be_tested_says_why():
    base, other = values("base", crossed(2)), values("other", crossed(3))
    one_seed = values("single", crossed(1))
    elsewhere = Values("elsewhere", (crossed(2),), ("another",))
    longer = values("longer", crossed(2, 8))

    found = against([one_seed, base, elsewhere, other, longer], "base")

    assert found.differences == against([base, other], "base").differences
    assert found.untested["single"].startswith("only one seed, and one run")
    assert "train it with another seed" in found.untested["single"]
    for name in ("elsewhere", "longer"):
        assert found.untested[name].startswith("not scored on the same sentences as base")
    single = against([one_seed, base, other], "single")
    assert single.visible is None
    assert single.untested.keys() == {"base", "other"}
    assert all(why.startswith("single has only one seed") for why in single.untested.values())
    with pytest.raises(UserError, match="single cannot be tested against base: only one seed"):
        difference(base, one_seed)
    with pytest.raises(UserError, match="on one sentence"):
        difference(values("a", crossed(2, 1)), values("b", crossed(2, 1)))
    with pytest.raises(UserError, match="base is the name of two variants"):
        against([base, other, values("base", crossed(2))], "base")
    with pytest.raises(UserError, match=r"a, run 2, sentence 3 of 0: .* not a finite number"):
        values("a", np.where(np.arange(8).reshape(2, 4) == 6, np.nan, 1))


def test_values_come_from_the_counts_of_runs():
    """A ledger keeps counts by test set and score; the order of test sets does not matter."""
    counts = [{"loss": np.abs(crossed(2, num)).T} for num in (4, 4, 6, 6)]
    runs = [{"y": counts[2], "x": counts[0]}, {"x": counts[1], "y": counts[3]}]

    found = values_of("a", "loss", runs, "RNN")

    assert (found.test_sets, found.sizes, found.kind) == (("x", "y"), [4, 6], "RNN")
    assert found.tables[1][1] == pytest.approx(influence("loss", counts[3]["loss"]))
    ratios = [one["loss"][:, 0].sum() / one["loss"][:, 1].sum() for one in counts]
    expected = [(ratios[0] + ratios[2]) / 2, (ratios[1] + ratios[3]) / 2]
    assert found.seed_scores == pytest.approx(np.array(expected))
    for wrong, message in (
        ({"x": counts[0]}, "run 2 was scored on x, run 1 on x, y"),
        ({"x": counts[2], "y": counts[2]}, "6 sentences of x, and 4 in run 1"),
        ({"x": {}, "y": counts[2]}, "run 2, x: loss was not kept for each sentence"),
    ):
        with pytest.raises(UserError, match=message):
            values_of("a", "loss", [runs[0], wrong])


def test_what_is_visible_is_found_four_times_in_five():
    """With known variances it is (1.96 + 0.84) standard errors."""
    steady = [values(str(k), crossed(40, 60)) for k in range(20)]

    found = against(steady, "0").differences["1"]

    assert found.visible == pytest.approx(2.8 * sqrt(found.seeds + found.sentences), rel=0.02)
