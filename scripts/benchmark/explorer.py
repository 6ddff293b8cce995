"""How long the explorer takes to open a large page, and to show the next step of a training.

    PYTHONPATH=tests python scripts/benchmark/explorer.py

Chromium's main thread: processor time, which does not count what else the machine does, and by the
clock. The weights are random.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from browser import Page, browsing

from nmt.report.explorer import document
from nmt.report.explorer.page import page
from nmt.report.weights import Weights

STEPS = 40
NEXT = """(async () => {
  const explorer = document.querySelector(".attention").explorer, found = [];
  for (let step = 0; step < %d; step++) {
    const start = performance.now();
    await explorer.choose({ step });
    document.body.offsetHeight; // lays the page out
    found.push(performance.now() - start);
  }
  return found.sort((a, b) => a - b);
})()"""


def sentence(seed: int, layers: int, heads: int, pieces: int) -> document.Json:
    """Make a sentence with random weights in all places."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(3, layers, heads, pieces, pieces))
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = [*(f"▁piece{n}" for n in range(pieces - 1)), "</s>"]
    names = "cross", "encoder", "decoder"
    places: dict[str, np.ndarray] = dict(zip(names, weights.astype(np.float32), strict=True))
    text = " ".join(labels)
    return document.sentence(
        Weights(1, text, text, labels, labels, None, -rng.random(pieces), places, "de", "en")
    )


def measure(tab: Page, path: Path, steps: int) -> str:
    """Open a page, move its slider, and say how long it took."""
    tab.call("Performance.enable", timeDomain="threadTicks")

    def busy() -> float:
        metrics = tab.call("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    tab.open(path)
    tab.until("document.querySelector('.attention canvas') !== null")
    opened, clock = busy(), tab.run("performance.now()")
    said = f"opened in {opened:.2f} s of processor time, {clock / 1000:.2f} s by the clock"
    if steps > 1:
        found = tab.run(NEXT % steps)
        each = 1000 * (busy() - opened) / steps
        said += f"; a step {each:.0f} ms of processor time, {found[steps // 2]:.0f} ms by the clock"
    return f"{path.stem} ({path.stat().st_size / 1e6:.1f} MB): {said}"


def main() -> None:
    """Measure both pages three times."""
    contents = {
        "large": [document.moment(0, [sentence(0, 12, 16, 60)])],
        "steps": [document.moment(s, [sentence(s, 4, 4, 30)]) for s in range(1, STEPS + 1)],
    }
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, browsing(Path(folder)) as found:
        for name, moments in contents.items():
            path = Path(folder, f"{name}.html")
            run = document.run("random", {"text": moments})
            path.write_text(page({"runs": [run]}), encoding="utf-8")
            for _ in range(3):
                print(measure(Page(found), path, len(moments)))


if __name__ == "__main__":
    main()
