"""What a language code says: the language, its script, and whether it has spaces between words.

Codes of ISO 639-1 and 639-3, BCP 47, FLORES and NLLB are known: de, deu, pt-BR, zho_Hans.
"""

import re
from collections.abc import Mapping
from functools import cache

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from nmt.errors import UserError

# Scripts without spaces between words, by their names in ISO 15924.
CHINESE: tuple[str, ...] = ("Hans", "Hant", "Hani")
JAPANESE: tuple[str, ...] = ("Jpan", "Hira", "Kana", "Hrkt")
SPACELESS = (*CHINESE, *JAPANESE, "Thai", "Laoo", "Khmr", "Mymr", "Tibt")


def primary(code: str) -> str:
    """Return the language of a code, in two letters if possible: pt for pt-BR, zh for cmn_Hans."""
    found = parsed(code)
    if found is None:  # a run of an older nmt may have any
        return code.lower().replace("_", "-").split("-")[0]
    return found.prefer_macrolanguage().language or "und"


def script(code: str) -> str:
    """Return the script of a code, or the likely one: Hant for zh_TW, Jpan for ja.

    Empty for a code that is in no standard.
    """
    found = parsed(code)
    return (found.maximize().script or "") if found else ""


def spaceless(code: str) -> bool:
    """Tell whether a language is written without spaces between words."""
    return script(code) in SPACELESS


def require_known(codes: Mapping[str, str]) -> None:
    """Raise UserError for the first of the codes, by key, that is in no standard."""
    for key, code in codes.items():
        if parsed(code) is None:
            meant = likely(code)
            raise UserError(
                f"{key}={code} is not a language "
                f"code{f': did you mean {meant}?' if meant else '.'} Use an ISO 639 or BCP 47 "
                "code, such as de, jpn, pt-BR or zho_Hans. For a language without a code use "
                "qaa to qtz"
            )


@cache
def parsed(code: str) -> Language | None:
    """Read a code; None: its language or script is in no standard."""
    try:
        found = Language.get(code)
    except LanguageTagError:
        return None
    return found if Language.make(found.language, script=found.script).is_valid() else None


def likely(code: str) -> str | None:
    """Return the code that is probably meant: ja for jp, de for de_AT@euro; None: not known."""
    first = re.split("[-_.@]", code)[0]
    if parsed(first):
        return first
    country = Language.make(territory=first.upper())
    if not re.fullmatch("[A-Za-z]{2}", first) or not country.is_valid():
        return None
    found = country.maximize().language
    return None if found == "en" else found  # the answer for an unknown country
