"""docs/design.md names every function from `nmt train` to the loss and to a heatmap, no other."""

import re
import traceback
from pathlib import Path
from types import CodeType

from command import nmt

from nmt.models import attention_maps
from nmt.report import gallery
from nmt.training import rows

ROOT = Path(__file__).parent.parent
STOP = re.compile(r"^\| `(nmt/\S+\.py)` \| `([\w.]+)` \|", re.MULTILINE)
AROUND = "nmt/commands/errors.py"  # how every command ends


def stack() -> list[tuple[str, CodeType]]:
    """The functions of nmt that are being called here, the outermost first: file, code."""
    codes = [frame.f_code for frame, _ in traceback.walk_stack(None)][::-1]
    ours = [code for code in codes if code.co_filename.startswith(str(ROOT / "nmt"))]
    return [(Path(code.co_filename).relative_to(ROOT).as_posix(), code) for code in ours]


def qualified(found: list[tuple[str, CodeType]]) -> list[tuple[str, str]]:
    """With the classes of methods."""
    return [(file, code.co_qualname) for file, code in found]


def test_the_ways_of_one_batch_and_one_picture_are_those_that_are_told(tiny, tmp_path, monkeypatch):
    stacks: dict[str, list[list[tuple[str, CodeType]]]] = {}

    def watch(module, name: str) -> None:
        real = getattr(module, name)

        def watched(*given, **named):
            stacks.setdefault(name, []).append(stack())
            return real(*given, **named)

        monkeypatch.setattr(module, name, watched)

    watch(rows, "predicted")
    watch(attention_maps, "record_attention")
    watch(gallery, "heatmap")
    answer = nmt("train", *tiny, "train.heatmaps=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert answer.code == 0, answer.err

    section = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    _, section = section.split("## The way of one batch")
    batch, _, picture = section.partition("The batch itself")
    gone = [(file, code.co_name) for file, code in stacks["predicted"][0] if file != AROUND]
    assert [*gone, ("nmt/training/rows.py", "predicted")] == STOP.findall(batch)

    draw = ("nmt/report/gallery.py", "Gallery.draw")
    to_weights, to_picture = (
        next(named for named in map(qualified, stacks[name]) if draw in named)
        for name in ("record_attention", "heatmap")
    )
    first = to_weights.index(("nmt/training/trainer.py", "Trainer.measure"))
    fork = to_weights.index(draw) + 1
    assert to_weights[:fork] == to_picture[:fork]
    gone = [*to_weights[first:], *to_picture[fork:], ("nmt/report/heatmap.py", "heatmap")]
    assert gone == STOP.findall(picture.partition("This path")[0])
