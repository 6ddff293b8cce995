"""Language codes of every standard that corpora are named by."""

import pytest
from command import files, mistake, nmt

from nmt.data.language import primary, require_known, script, spaceless
from nmt.errors import UserError


@pytest.mark.parametrize(
    ("code", "language", "written"),
    [
        ("de", "de", "Latn"),
        ("deu", "de", "Latn"),
        ("pt-BR", "pt", "Latn"),
        ("zh_TW", "zh", "Hant"),
        ("zho_Hans", "zh", "Hans"),
        ("zho_simpl", "zh", "Hans"),  # FLORES-101
        ("cmn", "zh", "Hans"),
        ("yue", "yue", "Hant"),
        ("jpn", "ja", "Jpan"),
        ("ja_Latn", "ja", "Latn"),
        ("srp_Cyrl", "sr", "Cyrl"),
        ("arb", "ar", "Arab"),
        ("qaa", "qaa", "Latn"),
        ("no_such-language", "no", ""),  # in a run of an older nmt
    ],
)
def test_what_a_code_tells(code, language, written):
    assert (primary(code), script(code)) == (language, written)
    assert spaceless(code) == (written in ("Hans", "Hant", "Jpan"))


def test_known_codes_are_known():
    for code in ("grc", "no", "tl", "iw", "zh-min-nan", "und", "x-mine", "azj_Latn", "sat_Olck"):
        require_known({"data.source": code})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("jp", "did you mean ja?"),
        ("cz_CZ", "did you mean cs?"),
        ("cn", "did you mean zh?"),
        ("german", "language code. Use"),
        ("zh_Hanz", "did you mean zh?"),
        ("de_AT@euro", "did you mean de?"),
        ("日本", "language code. Use"),
        ("False", "language code. Use"),
    ],
)
def test_a_code_that_no_standard_knows_is_refused_with_the_likely_one(code, told):
    with pytest.raises(UserError, match=f"data.target={code} is not a .*") as found:
        require_known({"data.source": "de", "data.target": code})
    assert told in str(found.value)


def test_a_training_with_an_unknown_code_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    words = ["data=files", "data.source=en", "data.target=jp", "data.train=[nowhere.en,nowhere.ja]"]
    message = mistake(nmt("train", *words, "train.max_steps=1"))

    assert message.startswith("data.target=jp is not a language code: did you mean ja?")
    assert files(tmp_path) == []
