"""Several pairs of languages in one corpus, and the piece that names the language to write.

Johnson et al. 2017, section 3: one model translates between several languages if each source begins
with a token for the target language, such as <2en>.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
from datasets import Dataset

from nmt.data.arrow import write_arrow
from nmt.data.cache import cached, code_digest, digest
from nmt.data.corpus import PAIR, Corpus, Splits, tables, texts
from nmt.errors import UserError

PIECE = re.compile(r"<2[^<>\s]+> ")  # at the beginning of a line
NAMED = pa.schema([*PAIR.arrow_schema, pa.field("pair", pa.string())])


class Pair(NamedTuple):
    """A direction of translation, by the codes of its languages."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"

    @classmethod
    def of(cls, name: str) -> Self:
        """The pair with a name such as de-en. UserError for another name."""
        source, dash, target = name.partition("-")
        if not dash or not source or not target or "-" in target:
            raise UserError(
                f"data.pairs: {name} is not a pair of languages: write SOURCE-TARGET, as in de-en"
            )
        return cls(source, target)


def targets_of(pairs: Sequence[str] | None) -> list[str]:
    """The languages that pairs are translated into, each once."""
    return list(dict.fromkeys(Pair.of(name).target for name in pairs or ()))


def sources_of(pairs: Sequence[str], target: str) -> list[str]:
    """The languages that pairs translate into one, in their order."""
    return [pair.source for pair in map(Pair.of, pairs) if pair.target == target]


def piece_of(language: str) -> str:
    """The piece that names the target language."""
    return f"<2{language}>"


def asking_for(language: str, lines: Sequence[str]) -> list[str]:
    """Put the piece of a language before lines; blank lines stay blank."""
    return [f"{piece_of(language)} {line}" if line.strip() else line for line in lines]


def without_asking(line: str) -> str:
    """A line without the piece of a target language, if it begins with one."""
    found = PIECE.match(line)
    return line[found.end() :] if found else line


def asked_for(line: str, languages: Sequence[str]) -> str | None:
    """The language whose piece a line begins with; None: with none of these."""
    first = line.lstrip(" ").partition(" ")[0]
    return next((one for one in languages if first == piece_of(one)), None)


@dataclass
class Multilingual(Corpus):
    """A corpus that has any pair of some languages, and several of them at once."""

    # Such as [de-en,fr-en]; a source then begins with the piece of its target language, and
    # source and target are those of the first pair. null: the one pair of source and target.
    pairs: list[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """UserError for names that are not pairs, and for the same one twice."""
        super().__post_init__()
        if self.pairs is None:
            return
        found = [Pair.of(name) for name in self.pairs]
        if not found:
            raise UserError("data.pairs=[] names no pair: write [de-en,fr-en], or leave it out")
        for pair in found:
            if found.count(pair) > 1:
                raise UserError(f"data.pairs has {pair} twice: leave one of them out")
        self.source, self.target = found[0]

    def key(self, cache: Path) -> str:
        each = self._each()
        if not each:
            return super().key(cache)
        return digest(list(each), [one.key(cache) for one in each.values()], code_digest())

    def load(self, cache: Path) -> Splits:
        each = self._each()
        if not each:
            return super().load(cache)
        parts = {name: one.load(cache).present() for name, one in each.items()}

        def build(folder: Path) -> None:
            for split in Splits._fields:
                some = {name: part[split] for name, part in parts.items() if split in part}
                if some:
                    write_arrow(folder / f"{split}.arrow", NAMED, joined(some))

        return Splits.load(cached(cache / "corpora" / self.key(cache), build))

    def symbols(self) -> list[str]:
        return [piece_of(language) for language in targets_of(self.pairs)]

    def places(self, cache: Path, split: str) -> dict[str, range]:
        if not self.pairs:
            return {}
        found: dict[str, range] = {}
        end = 0
        for name, lines in groupby(self.load(cache).present()[split]["pair"]):
            start, end = end, end + sum(1 for _ in lines)
            found[name] = range(start, end)
        return found

    def _each(self) -> dict[str, Self]:
        """The corpus of each pair, by its name; empty where there is a single pair."""
        named = {name: Pair.of(name) for name in self.pairs or ()}
        return {name: replace(self, **one._asdict(), pairs=None) for name, one in named.items()}


def joined(parts: Mapping[str, Dataset]) -> Iterator[pa.Table]:
    """A split of several pairs: one pair after the other; each source names its target language."""
    for name, part in parts.items():
        for source, target in map(texts, tables(part)):
            lines = asking_for(Pair.of(name).target, source)
            yield pa.table([lines, target, [name] * len(lines)], schema=NAMED)
