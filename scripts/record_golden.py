"""Record the golden runs anew: the losses of the first steps, which tests compare with.

    python scripts/record_golden.py [NAME ...]

Without names all of tests/golden. To add one, write tests/golden/NAME.json with its "words" alone.
Only a change that is meant to train otherwise is a reason to record. The golden run of the studies
is then trained again: remove docs/studies/golden.jsonl and type `nmt study golden`.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from golden_runs import GOLDEN, golden, losses, made_with, names


def record(name: str) -> str:
    """Write what comes of one now, and say what has changed."""
    before = golden(name)
    with tempfile.TemporaryDirectory() as folder:
        found = losses(before["words"], Path(folder))
    now = {"words": before["words"], "made_with": made_with(), "losses": found}
    text = json.dumps(now, indent=2, ensure_ascii=False)
    (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return difference(before, now["losses"])


def difference(before: dict, found: list[float]) -> str:
    """Say where losses differ from those that were recorded."""
    old = before.get("losses", [])
    if len(old) != len(found):
        return f"new: {found[0]:.6f} at step 1, {found[-1]:.6f} at step {len(found)}"
    shares = [abs(b - a) / abs(a) for a, b in zip(old, found, strict=True)]
    if not any(shares):
        return "unchanged"
    first = next(step for step, share in enumerate(shares, 1) if share)
    return f"changed from step {first} on, by at most {max(shares):.2g} of the loss"


def main() -> None:
    """Record those that are named."""
    unknown = set(sys.argv[1:]) - set(names())
    if unknown:
        sys.exit(
            f"no such golden run: {', '.join(sorted(unknown))}; there are {', '.join(names())}"
        )
    for name in sys.argv[1:] or names():
        print(f"{name}: {record(name)}")


if __name__ == "__main__":
    main()
