"""Sentence pairs in JSON: one object per line, or one list of objects."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from nmt.data.columns import NESTED, Columns
from nmt.data.corpus import BLOCK
from nmt.data.lines import without_blank_end
from nmt.data.text import shortened
from nmt.errors import UserError

SURROGATE = re.compile(r"[\ud800-\udfff]")  # \u escapes can name them


def json_pairs(lines: Iterable[str], columns: Columns, where: str) -> Iterator[tuple[str, str]]:
    """The pairs of a file, whose sides are fields of its objects, or of their `translation`.

    A side that is null or missing is an empty line. UserError, with the record, for a side that is
    not text.
    """
    records = _objects(without_blank_end(lines), where)
    head = list(islice(records, BLOCK))
    inner = [record[NESTED] for record in head if isinstance(record.get(NESTED), dict)]
    nested = columns.nested(_keys(head), of_languages=bool(inner))
    names = columns.find(_keys(inner if nested else head), where)
    for number, record in enumerate(chain(head, records), 1):
        place = f"{where}, record {number}"
        sides = _translation(record, names, place) if nested else record
        if not sides.keys() & set(names):
            raise UserError(f"{place} has neither '{names[0]}' nor '{names[1]}'")
        source, target = (_text(sides, name, place) for name in names)
        yield source, target


def _objects(lines: Iterator[str], where: str) -> Iterator[dict[str, Any]]:
    first = next(lines)
    rest = chain([first], lines)
    if first.lstrip().startswith("["):
        found = _parsed("\n".join(rest), where, 1)
    else:
        found = (_parsed(line, where, number) for number, line in enumerate(rest, 1))
    number = 0
    for number, record in enumerate(found, 1):
        if not isinstance(record, dict):
            raise UserError(f"{where}, record {number} is not an object with named columns")
        yield record
    if not number:
        raise UserError(f"{where} is empty")


def _parsed(text: str, where: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, reason = line + error.lineno - 1, error.msg
    except (ValueError, RecursionError) as error:  # endless numbers and nesting
        reason = str(error)
    raise UserError(f"{where}, line {line} is not JSON ({reason})")


def _keys(records: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(records)))


def _translation(record: dict[str, Any], names: tuple[str, str], place: str) -> dict[str, Any]:
    """The languages of a record; null has none of them."""
    found = record.get(NESTED, {})
    if found is None:
        return dict.fromkeys(names)
    if not isinstance(found, dict):
        raise UserError(f"{place}: '{NESTED}' is not an object")
    return found


def _text(record: dict[str, Any], name: str, place: str) -> str:
    """One side of a record."""
    found = record.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise UserError(f"{place}: '{name}' is not text: {shortened(json.dumps(found), 40)}")
    if SURROGATE.search(found):
        raise UserError(f"{place}: '{name}' has an incomplete character (a lone surrogate)")
    return found
