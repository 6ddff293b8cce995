"""docs/design.md names every function from `nmt train` to the loss, and no other."""

import re
import traceback
from pathlib import Path

from command import nmt

from nmt.training import rows

ROOT = Path(__file__).parent.parent
STOP = re.compile(r"^\| `(nmt/\S+\.py)` \| `(\w+)` \|", re.MULTILINE)
AROUND = "nmt/commands/errors.py"  # how every command ends


def test_the_way_of_one_batch_is_the_one_that_is_told(tiny, tmp_path, monkeypatch):
    stacks: list[list[tuple[str, str]]] = []
    real = rows.predicted

    def predicted(*given):
        stack = [(frame.filename, frame.name) for frame in traceback.extract_stack()]
        ours = [(Path(file), name) for file, name in stack if file.startswith(str(ROOT / "nmt"))]
        stacks.append([(file.relative_to(ROOT).as_posix(), name) for file, name in ours])
        return real(*given)

    monkeypatch.setattr(rows, "predicted", predicted)
    answer = nmt("train", *tiny, f"hydra.run.dir={tmp_path / 'run'}")
    assert answer.code == 0, answer.err

    section = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    _, section = section.split("## The way of one batch")
    told = STOP.findall(section.partition("The batch itself")[0])
    gone = [stop for stop in stacks[0] if stop[0] != AROUND]
    assert [*gone, ("nmt/training/rows.py", "predicted")] == told
