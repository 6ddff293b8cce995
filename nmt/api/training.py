"""Training from Python: the arguments of the command, and the run that they give."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict, read_write

from nmt.api.undisturbed import undisturbed
from nmt.commands.folders import claimed, known_to_hydra
from nmt.commands.paths import for_hydra
from nmt.commands.train import choices, resuming_new, train_again
from nmt.config.own import name_modules
from nmt.config.schema import register_schema
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.experiment.experiment import train as train_run
from nmt.report.logger import read_metrics
from nmt.runs.folder import RESULT, stored_config
from nmt.runs.foreign import read_json

if TYPE_CHECKING:
    from nmt.api.model import Model

SWEEPS = ("-m", "--multirun")


@dataclass(frozen=True)
class Run:
    """A run folder: what :func:`train` leaves. ``nmt.Run("runs/…")`` opens an older one."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))
        stored_config(self.path)  # UserError where it is not a run folder

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration, as ``config.yaml`` has it."""
        return stored_config(self.path)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The training log, one dictionary per logged step."""
        return read_metrics(self.path)

    @property
    def result(self) -> dict[str, Any]:
        """The content of ``result.json``: BLEU and other test scores, signatures, versions.

        UserError if training is not finished.
        """
        path = self.path / RESULT
        if not path.is_file():
            raise UserError(
                f"{self.path} has no {RESULT}: its training is not finished. To resume: "
                f'nmt.train("resume={self.path}")'
            )
        return read_json(path)

    def load(self, **settings: Any) -> "Model":
        """Load the trained model, see :func:`nmt.load`."""
        from nmt.api.model import load

        return load(self, **settings)

    def __fspath__(self) -> str:
        """Return the path, so that a run can stand where a path can."""
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


def train(*words: str, quiet: bool = False) -> Run:
    """Train a model, as ``nmt train`` does with the same arguments, and return its run.

    Args:
        words: as on the command line, one string each: ``"attention=bahdanau"``,
            ``"train.max_steps=500"``, ``"resume=runs/…"``. ``nmt train --help`` lists them.
        quiet: show nothing. By default progress is written to ``sys.stderr``.

    Raises:
        UserError: for settings that cannot be used, and for data that cannot be read.
        KeyboardInterrupt: training was interrupted. It can be resumed: the run folder has
            checkpoints, and the last line that was shown has the word to resume with.

    The process stays as it was, see :mod:`nmt.api.undisturbed`. The command keeps freed memory in
    its process, which a library must not decide; for long trainings the command is faster.

    >>> run = nmt.train("attention=bahdanau", "train.max_steps=500")  # doctest: +SKIP
    >>> run.result["bleu"]  # doctest: +SKIP
    27.5
    """
    for word in words:
        if not isinstance(word, str):
            raise UserError(
                f"nmt.train({word!r}): each string is one argument of the command, such as "
                '"attention=bahdanau"'
            )
        if word in SWEEPS:
            raise UserError(
                f"{word} is for the command `nmt train`: here, call nmt.train once per run"
            )
    with undisturbed(), ExitStack() as until:
        if quiet:
            silent = until.enter_context(open(os.devnull, "w", encoding="utf-8"))
            until.enter_context(redirect_stderr(silent))
        until.enter_context(interruptible())
        typed = for_hydra(name_modules(list(words)))
        return Run(train_again(typed) or new_run(typed))


def new_run(words: list[str]) -> Path:
    """Train a new run and return its folder."""
    register_schema()
    with initialize_config_dir(str(config_folder().resolve()), version_base="1.3"):
        cfg = compose("train", choices(words), return_hydra_config=True)
    with known_to_hydra(cfg):
        place = Path(cfg.hydra.run.dir)
        typed = any(word.startswith("hydra.run.dir=") for word in words)
        run = place if typed else claimed(place)
        train_run(without_hydra(cfg), run, None, resuming_new(run))
    return run


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return the configuration of a run, without that of Hydra itself."""
    own = cfg.copy()
    with read_write(own), open_dict(own):
        del own["hydra"]
    return own


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where a command would end its process."""
    try:
        yield
    except SystemExit as end:
        raise KeyboardInterrupt from end
