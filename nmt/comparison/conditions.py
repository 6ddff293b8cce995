"""What must be the same in runs that are compared: data, test set, tokenizer, budget, scores."""

from collections.abc import Callable
from dataclasses import dataclass

from nmt.comparison.runs import Run
from nmt.comparison.variants import Variant
from nmt.errors import UserError, one_of

SCORES = ("bleu", "chrf", "ter", "bleu_tok_lc")
BUDGET = ("max_steps", "max_minutes", "max_epochs", "max_pieces", "patience")
BUDGET += ("max_tokens", "accumulate")


@dataclass(frozen=True)
class Condition:
    """One condition that has to be the same, by its name in `allow=`."""

    name: str
    read: Callable[[Run], dict[str, object]]  # its values in a run, by key; None: not known


def below(*prefixes: str) -> Callable[[Run], dict[str, object]]:
    """Return the settings at and below keys."""
    starts = tuple(f"{prefix}." for prefix in prefixes)
    return lambda run: {
        key: value
        for key, value in run.settings.items()
        if key in prefixes or key.startswith(starts)
    }


def scored_on(run: Run) -> dict[str, object]:
    """Return the test set, and the fingerprint of its sources and references."""
    return {"split": run.result.get("split"), "sources.txt and references.txt": run.test_set}


def budget(run: Run) -> dict[str, object]:
    """Return the budget of training and the batch size; limits that are not set are left out."""
    return {f"train.{key}": run.settings.get(f"train.{key}", "none") for key in BUDGET}


def signature(run: Run) -> dict[str, object]:
    """Return the signatures of the scores."""
    found = run.result.get("signatures", {})
    return {f"the signature of {name}": found.get(name) for name in SCORES}


def aligned(run: Run) -> dict[str, object]:
    """Return the name of the text whose alignment was scored."""
    return {"the aligned text": run.alignment.get("text")}


CONDITIONS = (
    Condition("data", below("data", "clean", "synthetic")),
    Condition("test", scored_on),
    Condition("tokenizer", below("tokenizer")),
    Condition("budget", budget),
    Condition("signature", signature),
    Condition("alignment", aligned),
)


def require_same(runs: list[Run], allow: list[str]) -> None:
    """Raise UserError for runs that differ in a condition that is not allowed to differ."""
    for name in allow:
        one_of(tuple(condition.name for condition in CONDITIONS), {"allow": name})
    for condition in CONDITIONS:
        if condition.name in allow:
            continue
        for run in runs[1:]:
            found = difference(condition, runs[0], run)
            if found:
                key, first, other = found
                raise UserError(
                    f"the runs differ in {condition.name}: {key} is {first} in {runs[0].folder} "
                    f"and {other} in {run.folder}. Compare fewer of them, or add "
                    f"'allow=[{','.join([*allow, condition.name])}]' to mark them"
                )


def difference(condition: Condition, one: Run, other: Run) -> tuple[str, object, object] | None:
    """Return the first key in which two runs differ, and both values.

    A key that one lacks is "none" there; an unknown value equals any other.
    """
    ours, theirs = condition.read(one), condition.read(other)
    for key in {**ours, **theirs}:
        first, second = ours.get(key, "none"), theirs.get(key, "none")
        if first is not None and second is not None and first != second:
            return key, first, second
    return None


def deviations(variant: Variant, baseline: Variant) -> list[str]:
    """Describe the conditions in which a variant differs from the baseline."""
    return [
        f"{condition.name}: {found[0]} is {found[1]}, and {found[2]} in the baseline"
        for condition in CONDITIONS
        if (found := difference(condition, variant.runs[0], baseline.runs[0]))
    ]
