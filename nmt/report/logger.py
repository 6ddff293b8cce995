"""The log of a run: metrics.jsonl for programs, TensorBoard for people."""

import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeGuard

import numpy as np
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_TENSOR,  # type: ignore[attr-defined]
    Summary,  # type: ignore[attr-defined]
    SummaryMetadata,  # type: ignore[attr-defined]
)
from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread
from tensorboard.util.tensor_util import make_tensor_proto
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from nmt.config.settings import Setting
from nmt.errors import UserError
from nmt.report.explorer.plugin_data import EVENTS, PLUGIN, STEPS
from nmt.runs.files import write
from nmt.runs.foreign import is_number

METRICS = "metrics.jsonl"
# Tags in TensorBoard, which sorts them, capitals first: it opens on BLEU, and the losses of dev and
# train are beside each other.
TAGS = {
    "dev/bleu": "BLEU/dev",
    "dev/chrf": "chrF/dev",
    "dev/loss": "loss/dev",
    "train/loss": "loss/train",
    "dev/perplexity": "perplexity/dev",
}


class Logger:
    """Writes `metrics.jsonl` and TensorBoard events into the folder of a run.

    `step` is the step of the run: 0 at its start, that of the checkpoint when it resumes. Later
    lines of an interrupted run are removed, in both places. UserError, at the next line or
    :meth:`flush`, if the folder was moved or deleted meanwhile.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder, self.place = folder, place_on_disk(folder)
        path = folder / METRICS
        keep_until(path, step)
        self.metrics = path.open("a", encoding="utf-8")
        self.events = SummaryWriter(str(events_of(folder)), purge_step=step + 1, flush_secs=10)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One line of numbers, such as {"train/loss": 3.2}; nan and inf become null.

        TensorBoard has other names for some of them, see TAGS.
        """
        self.check()
        line = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.metrics.write(json.dumps({"step": step, **line}) + "\n")
        self.metrics.flush()
        for name, value in metrics.items():
            self.events.add_scalar(TAGS.get(name, name), value, step)

    def text(self, step: int, name: str, markdown: str) -> None:
        """Text such as sample translations, see `nmt.terminal.table.markdown`."""
        self.events.add_text(name, markdown, step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """A picture (height, width, 4) of uint8; those of one name make a slider over the steps."""
        self.events.add_image(name, image, step, dataformats="HWC")

    def attention(self, step: int, name: str, moment: str) -> None:
        """The moment of a text as JSON, for the tab Attention; see `nmt.report.explorer.board`."""
        data = SummaryMetadata.PluginData(plugin_name=PLUGIN)
        # TensorBoard does not list data of a plugin that have no class.
        metadata = SummaryMetadata(plugin_data=data, data_class=DATA_CLASS_TENSOR)
        writer = self.events.file_writer
        assert writer, "closed already"
        for tag, text in ((name, moment), (f"{name}{STEPS}", "")):
            value = Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(text))
            writer.add_summary(Summary(value=[value]), step)

    def config(self, yaml: str) -> None:
        """The resolved configuration, kept as it is written."""
        self.events.add_text("settings", "\n".join(f"    {line}" for line in yaml.splitlines()), 0)

    def hparams(
        self, step: int, values: Mapping[str, Setting], metrics: Mapping[str, float]
    ) -> None:
        """The row of this run in the HParams tab: its settings and what came out, at the end.

        Written into the run's own events. SummaryWriter.add_hparams would begin a second run in a
        folder below, which the other tabs then show beside this one. Which columns there are is
        not written here: TensorBoard takes the columns of one run for those of all.
        """
        writer = self.events.file_writer
        assert writer, "closed already"
        _, start, end = hparams(dict(row_of(values)), dict(metrics))
        writer.add_summary(start)
        writer.add_summary(end)
        for name, value in metrics.items():
            self.events.add_scalar(name, value, step)

    def flush(self) -> None:
        """Wait until what was logged is on the disk."""
        self.check()
        self.events.flush()
        os.fsync(self.metrics.fileno())

    def check(self) -> None:
        """Raise UserError if the folder is not where it was."""
        if place_on_disk(self.folder) != self.place:
            raise UserError(
                f"{self.folder} was moved or deleted during training. Its checkpoints moved "
                "with it: nmt train resume=FOLDER"
            )

    def close(self) -> None:
        self.metrics.close()
        try:
            self.events.close()
        except OSError:
            if place_on_disk(self.folder) == self.place:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def row_of(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return settings for the HParams tab: a seed and a switch as text, not 1.0000."""
    return {
        key: str(value).lower() if key == "seed" or isinstance(value, bool) else value
        for key, value in settings.items()
    }


def events_of(folder: Path) -> Path:
    """Return the folder of a run's events, which TensorBoard names the run by.

    It is the run's own; an older nmt wrote them into one below.
    """
    old = folder / EVENTS
    return old if old.is_dir() else folder


def place_on_disk(folder: Path) -> tuple[int, int] | None:
    """Return what identifies a folder, whatever its name; None: it does not exist."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def quiet_writers() -> Iterator[None]:
    """Print no traceback of TensorBoard's threads, which fail if the folder is gone.

    Their exceptions are raised again when the next event is written.
    """
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.thread, _AsyncWriterThread):
            before(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def keep_until(path: Path, step: int) -> None:
    """Drop the lines after `step`, and an incomplete last one, in one exchange of files."""
    if not path.exists():
        return
    lines = read_lines(path)
    kept = [lines[i] for i, found in enumerate(parsed(path, lines)) if found["step"] <= step]
    write(path, "".join(kept))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a run; the last line of a killed run may be incomplete.

    UserError for one that nobody logged.
    """
    path = folder / METRICS
    return parsed(path, read_lines(path)) if path.is_file() else []


def read_lines(path: Path) -> list[str]:
    """Read lines with their line ends. UserError where they are not UTF-8."""
    try:
        return path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason}") from error


def parsed(path: Path, lines: list[str]) -> list[dict[str, Any]]:
    """Read the complete lines, which come first. UserError for a line that is not of a log."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            one = None
        if not is_line(one):
            raise UserError(f"{path}, line {number} is not a valid log line: remove it")
        found.append(one)
    return found


def is_line(content: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether something was logged: numbers, or null, at a step."""
    if not isinstance(content, dict) or type(content.get("step")) is not int:
        return False
    return all(value is None or is_number(value) for value in content.values())
