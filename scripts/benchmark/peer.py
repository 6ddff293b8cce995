"""The toolkits, and how each of them is asked for an update and for translations."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

import torch
from shape import Shape
from torch import Tensor

from nmt.batches.batch import Batch

Update = Callable[[Batch], object]  # trains on one batch
Search = Callable[[Tensor], list[list[int]]]  # ids (B,S) to the best translation of each
Of = TypeVar("Of", bound=Shape)

RNNS = ("rnn-mlp", "rnn-general")
TRANSFORMERS = ("tiny", "small")


@dataclass(frozen=True)
class Setup(Generic[Of]):
    """What a toolkit is to do, and on ``until`` what it leaves open while it does it."""

    shape: Of
    precision: torch.dtype
    until: ExitStack


@dataclass(frozen=True)
class Peer:
    """A toolkit. Its file ``module`` in peers/ has what is asked for.

    trainer(setup) -> Update, where it ``trains``
    decoder(setup) -> Search, where it ``decodes``
    """

    name: str
    module: str
    package: str  # as it is installed
    install: str  # what to type, with the versions that this was written for
    trains: tuple[str, ...]  # names of shapes
    decodes: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32",)

    @property
    def version(self) -> str | None:
        """The installed version; None: it is not there."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def shapes(self, task: str) -> tuple[str, ...]:
        """Return the shapes that it does a task with."""
        return {"training": self.trains, "decoding": self.decodes}[task]

    def trainer(self, setup: Setup[Shape]) -> Update:
        """Build a model in training."""
        return import_module(f"peers.{self.module}").trainer(setup)

    def decoder(self, setup: Setup[Shape]) -> Search:
        """Build a model that translates."""
        return import_module(f"peers.{self.module}").decoder(setup)


PEERS = [
    Peer(
        name="nmt",
        module="ours",
        package="nmt-attention",
        install="pip install .",
        trains=RNNS + TRANSFORMERS,
        decodes=RNNS + TRANSFORMERS,
        precisions=("fp32", "bf16"),
    ),
    Peer(
        name="JoeyNMT",
        module="joey",
        package="joeynmt",
        install="pip install --no-deps joeynmt==2.3.0 && pip install subword-nmt packaging "
        "importlib_metadata",
        trains=RNNS + TRANSFORMERS,
        decodes=RNNS + TRANSFORMERS,
    ),
    Peer(
        name="OpenNMT-py",
        module="opennmt",
        package="OpenNMT-py",
        install="pip install --no-deps OpenNMT-py==3.5.1 && pip install pyonmttok==1.38.1 "
        "configargparse six rapidfuzz pyahocorasick fasttext-wheel spacy flask waitress",
        trains=RNNS + TRANSFORMERS,
        decodes=RNNS + TRANSFORMERS,
    ),
    Peer(
        name="transformers (Marian)",
        module="marian",
        package="transformers",
        install="pip install transformers==5.24.0",
        trains=TRANSFORMERS,
        decodes=TRANSFORMERS,
        precisions=("fp32", "bf16"),
    ),
    Peer(
        name="CTranslate2",
        module="ct2",
        package="ctranslate2",
        install="pip install ctranslate2==4.8.5 transformers==5.24.0",
        trains=(),
        decodes=TRANSFORMERS,
    ),
]
