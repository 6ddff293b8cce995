"""A run that is exported, with all that is known of it."""

from pathlib import Path
from typing import Any, NamedTuple, Self

from omegaconf import OmegaConf

from nmt.config.settings import Setting, settings
from nmt.decoding.decode import Decode
from nmt.run import Translator
from nmt.runs.folder import RESULT, read_config, stored_config
from nmt.runs.foreign import read_json


class Original(NamedTuple):
    """A run folder, opened."""

    run: Path
    translator: Translator
    config: dict[str, Any]  # that of the folder, as plain values
    decode: Decode
    result: dict[str, Any]  # of the test; empty: there was none

    @classmethod
    def of(cls, run: Path, translator: Translator) -> Self:
        """Read the rest of an opened run's folder."""
        decode: Any = OmegaConf.to_object(read_config(run).decode)
        path = run / RESULT
        result = read_json(path) if path.is_file() else {}
        return cls(run, translator, stored_config(run), decode, result)

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings of the run in the words they are typed with."""
        return settings(self.config)
