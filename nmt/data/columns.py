"""Which columns of a table hold the two sides of its pairs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow.compute import struct_field  # pyright: ignore[reportAttributeAccessIssue]

from nmt.data.corpus import text_table
from nmt.data.language import primary
from nmt.errors import UserError

SIDES = {"source": ("source", "src"), "target": ("target", "tgt", "trg")}
NESTED = "translation"  # a column whose fields are the languages
# A language code, alone or with script and region: pt, pt-BR, zho_Hans. Not de_text.
CODE = re.compile(r"[A-Za-z]{2,3}([-_][A-Z][a-z]{3})?([-_]([A-Z]{2}|\d{3}))?")


@dataclass(frozen=True)
class Columns:
    """Both columns: by the name or number that is given, else by usual names."""

    source_language: str
    target_language: str
    source: str | None = None  # a name, or a number from 1
    target: str | None = None

    def find(self, present: Sequence[str], where: str) -> tuple[str, str]:
        """The names of both columns among those `present` in `where`. UserError where none fits."""
        source, target = (self._find(side, present, where) for side in SIDES)
        if source == target:
            raise UserError(
                f"{where}: '{source}' cannot be the column of both sides: set "
                "data.source_column= and data.target_column="
            )
        return source, target

    def header(self, row: Sequence[str]) -> bool:
        """Whether the first row of a table of text names columns rather than being a pair."""
        named = [name for name in (self.source, self.target) if name and not name.isdecimal()]
        source, target = self._usual(row).values()
        return bool(named) or bool(source and target and source != target)

    def nested(self, present: Iterable[str], of_languages: bool) -> bool:
        """Whether the columns are fields of `translation`, which may also be a column of text."""
        return of_languages and NESTED in present and not {self.source, self.target} & {*present}

    def paths(self, schema: pa.Schema, where: str) -> list[list[str]]:
        """Where both sides are: a column, or a field in it. UserError where they are not text."""
        nested = NESTED in schema.names and pa.types.is_struct(schema.field(NESTED).type)
        nested = self.nested(schema.names, of_languages=nested)
        fields = pa.schema(schema.field(NESTED).type) if nested else schema
        names = self.find(fields.names, where)
        for name in names:
            kind = fields.field(name).type
            if not is_text(kind):
                raise UserError(f"{where}: column '{name}' is not text but {kind}")
        return [[NESTED, name] if nested else [name] for name in names]

    def pairs(self, table: pa.Table, where: str) -> pa.Table:
        """Both sides of a table: source, target. UserError where they are not there or not text."""
        sides = [
            struct_field(table[column], field) if field else table[column]
            for column, *field in self.paths(table.schema, where)
        ]
        try:
            found = text_table(*sides)
            found.validate(full=True)  # that it is UTF-8, too
        except pa.ArrowInvalid as error:
            raise UserError(f"{where} cannot be read: {error}") from error
        return found

    def _find(self, side: str, present: Sequence[str], where: str) -> str:
        named: str | None = getattr(self, side)
        if named is None:
            found = self._usual(present)[side]
        elif named.isdecimal() and named not in present:
            found = list(present[int(named) - 1 : int(named)])
        else:
            found = [name for name in present if name.strip() == named.strip()]
        if len(found) == 1:
            return found[0]
        asked = f"data.{side}={self._language(side)}"
        if named is not None:
            asked = f"data.{side}_column={named}"
        has = f"has {len(found)} columns" if found else "has no column"
        raise UserError(
            f"{where} {has} for {asked}: the columns are {', '.join(present)}. Choose one with "
            f"data.{side}_column="
        )

    def _usual(self, present: Sequence[str]) -> dict[str, list[str]]:
        """The columns whose names fit each side, by the same rule for both if possible."""
        found = [
            {side: [name for name in present if fits(name, side)] for side in SIDES}
            for fits in (
                lambda name, side: name == side,
                lambda name, side: name == self._language(side),
                lambda name, side: folded(name) in SIDES[side],
                lambda name, side: folded(name) == folded(self._language(side)),
                lambda name, side: same_language(name, self._language(side)),
            )
        ]
        alone = {side: next((one[side] for one in found if one[side]), []) for side in SIDES}
        return next((one for one in found if all(one.values())), alone)

    def _language(self, side: str) -> str:
        return getattr(self, f"{side}_language")


def folded(name: str) -> str:
    """A name without regard to case and surrounding spaces; pt_BR is pt-BR."""
    return name.strip().lower().replace("_", "-")


def same_language(name: str, language: str) -> bool:
    """Whether a name is a code of a language, with any region."""
    name = name.strip()
    return bool(CODE.fullmatch(name)) and primary(name) == primary(language)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, plain or as a dictionary of values; null: empty lines."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type  # pyright: ignore[reportAttributeAccessIssue]
    checks = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null
    return any(check(kind) for check in checks)
