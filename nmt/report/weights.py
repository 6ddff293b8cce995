"""Attention weights as data: any number of sentences in an Arrow file, or one in an npz."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from math import isnan, nan, prod
from pathlib import Path
from typing import Any, NamedTuple, overload
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from nmt.attention.place import Place
from nmt.errors import UserError
from nmt.runs.files import replacing

PLACES = (Place.CROSS.value, Place.ENCODER.value, Place.DECODER.value)
FIELDS = {
    "line": pa.int64(),
    "source": pa.string(),
    "target": pa.string(),
    "source_pieces": pa.list_(pa.string()),
    "target_pieces": pa.list_(pa.string()),
    "score": pa.float64(),
    "log_p": pa.list_(pa.float64()),
    "source_language": pa.string(),
    "target_language": pa.string(),
    "of": pa.string(),
}
FLOAT16S, SHAPE = pa.large_list(pa.float16()), pa.list_(pa.int32())
COLUMNS = [(place, FLOAT16S) for place in PLACES] + [(f"{place}_shape", SHAPE) for place in PLACES]
FORMAT = {b"nmt.weights": b"1"}  # grows when the columns change
SCHEMA = pa.schema([*FIELDS.items(), *COLUMNS], FORMAT)
HELD = 1 << 22  # weights that are held before they are written
ARROW, ZIP = b"ARROW1", b"PK"  # how the files begin

Write = Callable[[Iterable["Weights"]], None]


class Weights(NamedTuple):
    """All attention weights of a model over a sentence and its target.

    ``weights`` has an array for each place where the model attends, of L layers (hops are layers of
    their own) and H heads; no weight is above 1:

    - ``cross`` (L,H,T,S): where the model looked in the source when it predicted a target piece;
    - ``encoder`` (L,H,S,S): from source pieces at source pieces;
    - ``decoder`` (L,H,T,T): from what was read of the target at what was read before. Row and
      column 0 are ``<s>``, row and column t are target piece t - 1.
    """

    line: int  # its number in the text, from 1
    source: str
    target: str
    source_pieces: list[str]  # S, ``</s>`` is the last
    target_pieces: list[str]  # T, as they are predicted: ``</s>`` is the last
    score: float | None  # log P / lp(Y), which the search gave; None: the target was given
    log_p: np.ndarray  # (T,) ln P of each target piece, when the model is forced to write them
    weights: dict[str, np.ndarray]
    source_language: str = ""  # codes, which say what a word is; "": not known
    target_language: str = ""
    of: str = "weights"  # what the arrays measure; norms and gradients may be above 1

    def sizes(self, place: str) -> tuple[int, int]:
        """Return the numbers of queries and of keys in a place."""
        source, target = len(self.source_pieces), len(self.target_pieces)
        queries = source if place == Place.ENCODER else target
        return queries, target if place == Place.DECODER else source


def require_format(key: str, path: str) -> None:
    """Raise UserError for a file whose name has another ending."""
    if Path(path).suffix not in (".arrow", ".npz"):
        raise UserError(
            f"{key}={path}: must end in .arrow, or in .npz for the weights of a single sentence"
        )


@contextmanager
def writing(path: Path) -> Iterator[Write]:
    """Open a file for weights, as float16; it appears when it is whole.

    UserError, where its name ends in .npz, for any number of sentences but one.
    """
    with npz_file(path) if path.suffix == ".npz" else arrow_file(path) as write:
        yield write


@contextmanager
def arrow_file(path: Path) -> Iterator[Write]:
    """Write rows into an Arrow file, few of them held at a time."""
    with (
        replacing(path) as partial,
        partial.open("wb") as file,
        pa.ipc.new_file(file, SCHEMA) as writer,
    ):

        def write(rows: Iterable[Weights]) -> None:
            held: list[Weights] = []
            for row in rows:
                held.append(row)
                if sum(array.size for one in held for array in one.weights.values()) > HELD:
                    writer.write_batch(as_batch(held))
                    held.clear()
            if held:
                writer.write_batch(as_batch(held))

        yield write


def as_batch(rows: Sequence[Weights]) -> pa.RecordBatch:
    """Stack rows; the weights of a place are one list per row, beside their shape."""
    columns = [pa.array([getattr(row, name) for row in rows], FIELDS[name]) for name in FIELDS]
    weights: list[pa.Array] = []
    shapes: list[pa.Array] = []
    for place in PLACES:
        arrays = [row.weights[place] for row in rows if place in row.weights]
        if not arrays:  # the model does not attend there
            weights.append(pa.nulls(len(rows), FLOAT16S))
            shapes.append(pa.nulls(len(rows), SHAPE))
            continue
        flat = np.concatenate([array.astype(np.float16).ravel() for array in arrays])
        ends = list(accumulate((array.size for array in arrays), initial=0))
        weights.append(pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), flat))
        shapes.append(pa.array([array.shape for array in arrays], SHAPE))
    return pa.record_batch([*columns, *weights, *shapes], schema=SCHEMA)


@contextmanager
def npz_file(path: Path) -> Iterator[Write]:
    """Write one row into a file of numpy's."""
    found: list[Weights] = []

    def write(rows: Iterable[Weights]) -> None:
        for row in rows:
            found.append(row)
            if len(found) > 1:
                raise not_one("more")

    yield write
    if not found:
        raise not_one("none")
    save_npz(found[0], path)


def save_npz(row: Weights, path: Path) -> Path:
    """Write one sentence into a file of numpy's; return its path."""
    fields: dict[str, Any] = row._asdict()
    del fields["weights"]
    fields["score"] = nan if row.score is None else row.score
    fields |= {place: array.astype(np.float16) for place, array in row.weights.items()}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **fields)
    return path


def not_one(number: str) -> UserError:
    """Return what is wrong with a text for an npz."""
    return UserError(
        f"an npz has the weights of one sentence, but the text has {number}: use a file name "
        "that ends in .arrow"
    )


def load_weights(path: Path) -> "Weights | ArrowWeights":
    """Open a file of weights: of an npz the one sentence, else all; arrays become float32.

    A row of an Arrow file is read when it is asked for. UserError for a file that is missing or has
    no weights, and, when it is read, for a row whose arrays do not fit its pieces.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(ARROW))
        if start == ARROW:
            return ArrowWeights(path)
        if start.startswith(ZIP):
            return read_npz(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise not_weights(path) from error
    raise not_weights(path)


def not_weights(path: Path) -> UserError:
    """Return the error for a file of another kind."""
    return UserError(
        f"{path} is not a whole file of attention weights: `nmt translate run=RUN "
        "weights=FILE.arrow` writes one"
    )


class ArrowWeights(Sequence[Weights]):
    """The rows of an Arrow file, which stay on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = pa.ipc.open_file(pa.memory_map(str(path)))
        if not self.file.schema.equals(SCHEMA, check_metadata=True):
            raise ValueError("other columns")
        batches = range(self.file.num_record_batches)
        self.ends = list(accumulate(self.file.get_batch(n).num_rows for n in batches))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    @overload
    def __getitem__(self, index: int) -> Weights: ...
    @overload
    def __getitem__(self, index: slice) -> list[Weights]: ...
    def __getitem__(self, index: int | slice) -> Weights | list[Weights]:
        """Read a row, from 0 on, or several."""
        rows = range(len(self))[index]  # IndexError for one that is not there
        return [self.row(row) for row in rows] if isinstance(rows, range) else self.row(rows)

    def row(self, number: int) -> Weights:
        """Read a row."""
        place = bisect_right(self.ends, number)
        batch = self.file.get_batch(place)
        at = number - (self.ends[place] - batch.num_rows)
        fields: dict[str, Any] = {name: batch.column(name)[at].as_py() for name in FIELDS}
        fields["log_p"] = np.array(fields["log_p"])
        flat = {name: batch.column(name)[at] for name in PLACES}
        shapes = {name: batch.column(f"{name}_shape")[at].as_py() for name in PLACES}
        arrays = {name: (flat[name].values, shapes[name]) for name in PLACES if shapes[name]}
        for name, (values, shape) in arrays.items():
            if values is None or len(values) != prod(shape):
                raise not_fitting(self.path, name, fields["line"])
        weights = {name: one.to_numpy().reshape(shape) for name, (one, shape) in arrays.items()}
        return checked(Weights(**fields, weights=weights), self.path)


def read_npz(path: Path) -> Weights:
    """Read the one row of an npz."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        fields: dict[str, Any] = {name: found[name].tolist() for name in FIELDS}
        weights = {place: found[place] for place in PLACES if place in found}
    fields["score"] = None if isnan(fields["score"]) else fields["score"]
    fields["log_p"] = np.array(fields["log_p"])
    return checked(Weights(**fields, weights=weights), path)


def checked(row: Weights, path: Path) -> Weights:
    """Return a row with float32 arrays. UserError where they do not fit the pieces."""
    for place, array in row.weights.items():
        if array.ndim != 4 or array.shape[2:] != row.sizes(place):
            raise not_fitting(path, place, row.line)
    arrays = {place: array.astype(np.float32) for place, array in row.weights.items()}
    return row._replace(weights=arrays)


def not_fitting(path: Path, place: str, line: int) -> UserError:
    """Return the error for an array that does not fit."""
    return UserError(
        f"{path}, line {line}: the shape of {place} does not match the pieces: write the file again"
    )
