"""A language that small models learn fast: numbers of three digits, German to English."""

from pathlib import Path

COUNTED = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben"]
COUNTS = ["one", "two", "three", "four", "five", "six", "seven"]


def write_numbers(folder: Path) -> None:
    """Write train.de, train.en, dev.de … into a folder."""
    digits = [(i, j, k) for i in range(7) for j in range(7) for k in range(7) if i != k]
    for name, rows in (("dev", digits[::49]), ("test", digits[5::49]), ("train", digits[1::3])):
        for language, words in (("de", COUNTED), ("en", COUNTS)):
            lines = [" ".join(words[digit] for digit in row) for row in rows]
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n")


def corpus_words(folder: Path) -> list[str]:
    """What is typed to train on them."""
    files = [
        f"data.{split}=[{folder}/{split}.de,{folder}/{split}.en]"
        for split in ("train", "dev", "test")
    ]
    return [
        *("data=files", "data.source=de", "data.target=en", *files),
        *("tokenizer.size=34", "tokenizer.byte_fallback=false"),
    ]
