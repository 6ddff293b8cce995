"""What a language code tells."""

# Written without spaces between words.
SPACELESS = ("zh", "ja", "th", "lo", "km", "my")


def primary(code: str) -> str:
    """The language of a code with a region or script: pt of pt-BR, zh of zh_Hant."""
    return code.lower().replace("_", "-").split("-")[0]
