"""Scores against sacreBLEU's own, and what the signatures say."""

import pytest
import sacrebleu

from nmt.metrics.bleu import bleu_and_chrf, score
from nmt.metrics.doubts import doubts, warn_of_doubts, warn_once
from nmt.terminal.table import score_rows

ENGLISH = (
    ["A dog sleeps in the garden, quietly.", 'He said: "Come here!"', "It isn't so."],
    ["The dog is sleeping in the garden, quietly.", 'He said: "Come here!"', "It is not so."],
)
JAPANESE = (
    ["犬が庭で静かに眠っている。", "子供たちは学校へ行った。"],
    ["犬は庭で静かに眠っています。", "子供たちは学校へ行った。"],
)
KOREAN = (
    ["개가 정원에서 조용히 잠을 잔다.", "아이들은 학교에 갔다."],
    ["개는 정원에서 조용히 자고 있다.", "아이들은 학교에 갔다."],
)
CHINESE = (
    ["狗在花园里安静地睡觉。", "孩子们去上学了。"],
    ["狗正在花园里静静地睡觉。", "孩子们去上学了。"],
)


def test_english_is_what_sacrebleu_says():
    found = score(*ENGLISH, "en")
    hypotheses, references = ENGLISH
    assert found["bleu"] == sacrebleu.corpus_bleu(hypotheses, [references]).score
    assert found["chrf"] == sacrebleu.corpus_chrf(hypotheses, [references]).score
    assert found["ter"] == sacrebleu.corpus_ter(hypotheses, [references]).score
    v = f"version:{sacrebleu.__version__}"
    assert found["signatures"]["bleu"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{v}"
    assert found["signatures"]["chrf"] == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{v}"
    assert found["signatures"]["ter"].startswith("nrefs:1|case:lc|tok:tercom|norm:no")


@pytest.mark.parametrize(
    ("pair", "language", "tokenizer", "named"),
    [
        (JAPANESE, "ja", "ja-mecab", "tok:ja-mecab-"),
        (KOREAN, "ko", "ko-mecab", "tok:ko-mecab-"),
        (CHINESE, "zh", "zh", "tok:zh|"),
        (CHINESE, "zh_TW", "zh", "tok:zh|"),
        (CHINESE, "th", "char", "tok:char|"),
        (ENGLISH, "pt-BR", "13a", "tok:13a|"),
        (CHINESE, "zho_Hans", "zh", "tok:zh|"),
        (CHINESE, "cmn", "zh", "tok:zh|"),
        (CHINESE, "yue_Hant", "zh", "tok:zh|"),
        (JAPANESE, "jpn_Jpan", "ja-mecab", "tok:ja-mecab-"),
        (KOREAN, "kor_Hang", "ko-mecab", "tok:ko-mecab-"),
        (CHINESE, "tha_Thai", "char", "tok:char|"),
        (CHINESE, "lao", "char", "tok:char|"),
        (CHINESE, "khm", "char", "tok:char|"),
        (CHINESE, "mya_Mymr", "char", "tok:char|"),
        (CHINESE, "bo", "char", "tok:char|"),
        (CHINESE, "dz", "char", "tok:char|"),
        (ENGLISH, "jpn_Latn", "13a", "tok:13a|"),
        (ENGLISH, "deu_Latn", "13a", "tok:13a|"),
    ],
)
def test_tokenizer_follows_the_target_language(pair, language, tokenizer, named):
    hypotheses, references = pair
    found = score(hypotheses, references, language)
    expected = sacrebleu.corpus_bleu(hypotheses, [references], tokenize=tokenizer).score
    assert found["bleu"] == expected
    assert 0 < expected < 100
    assert named in found["signatures"]["bleu"]


def test_bleu_tok_lc_is_lower_cased_moses():
    """By hand: the Moses tokens of these sentences, between spaces."""
    hypotheses = ["The dog's tail, it IS long.", "z.B. heute"]
    references = ["the DOG's tail, it was long!", "z.B. heute"]
    tokens = ["the dog 's tail , it is long .", "z.b. heute"]
    wanted = ["the dog 's tail , it was long !", "z.b. heute"]
    expected = sacrebleu.corpus_bleu(tokens, [wanted], tokenize="none", force=True).score
    found = score(hypotheses, references, "en")
    assert found["bleu_tok_lc"] == expected
    assert "case:lc" in found["signatures"]["bleu_tok_lc"]
    assert "tok:moses-" in found["signatures"]["bleu_tok_lc"]
    assert "tok:none" not in found["signatures"]["bleu_tok_lc"]


@pytest.mark.parametrize(("pair", "language"), [(JAPANESE, "ja"), (KOREAN, "ko"), (CHINESE, "zh")])
def test_where_moses_has_no_words_bleu_tok_lc_says_what_it_took(pair, language):
    found = score(*pair, language)
    assert found["bleu_tok_lc"] == found["bleu"], "these have no case"
    signature = found["signatures"]["bleu_tok_lc"]
    assert signature == found["signatures"]["bleu"].replace("case:mixed", "case:lc")


@pytest.mark.parametrize(("pair", "language"), [(JAPANESE, "jpn_Jpan"), (CHINESE, "cmn_Hant")])
def test_ter_counts_edits_and_not_lines(pair, language):
    """Without Asian tokens a line would be one word: wholly wrong or wholly right."""
    found = score(*pair, language)
    assert 0 < found["ter"] < 60
    assert "asian:yes" in found["signatures"]["ter"]


def test_there_is_no_ter_where_it_has_no_words():
    found = score(*CHINESE, "th")
    assert "ter" not in found
    assert [name for name, _, _ in score_rows(found)] == ["bleu", "chrf", "bleu_tok_lc"]


@pytest.mark.parametrize(
    ("lines", "language"),
    [(ENGLISH[1], "en"), (JAPANESE[1], "ja"), (KOREAN[1], "ko"), (CHINESE[1], "zh")],
)
def test_the_reference_itself_is_perfect(lines, language):
    found = score(lines, lines, language)
    for name in ("bleu", "chrf", "bleu_tok_lc"):
        assert found[name] == pytest.approx(100)
    assert found["ter"] == 0


def test_empty_hypotheses_score_nothing():
    found = score(["", "", ""], ENGLISH[1], "en")
    assert (found["bleu"], found["chrf"], found["ter"], found["bleu_tok_lc"]) == (0, 0, 100, 0)


@pytest.mark.parametrize(("pair", "language"), [(ENGLISH, "en"), (JAPANESE, "ja"), (CHINESE, "th")])
def test_what_is_scored_while_it_trains_is_of_all_scores(pair, language):
    found = score(*pair, language)
    assert bleu_and_chrf(*pair, language) == {"bleu": found["bleu"], "chrf": found["chrf"]}


THAI = ["ประเทศไทยมีชื่ออย่างเป็นทางการว่าราชอาณาจักรไทย เป็นรัฐชาติในเอเชียตะวันออกเฉียงใต้"]


@pytest.mark.parametrize(
    ("references", "language", "doubtful"),
    [
        (CHINESE[1], "jv", True),
        (JAPANESE[1], "en", True),
        (THAI, "id", True),
        (["我喜欢猫。", "你好吗？", "他昨天去了学校。"], "en", True),
        (CHINESE[1], "zho_Hans", False),
        (THAI, "th", False),
        (["我 喜欢 猫 。", "他 昨天 去 了 学校 。"], "en", False),  # words stand apart
        (KOREAN[1], "kr", False),
        (["Donaudampfschifffahrtsgesellschaftskapitän"], "de", False),
        (["..."], "de", False),
    ],
)
def test_text_without_spaces_that_is_scored_by_words_is_told(references, language, doubtful):
    found = doubts(references, references, language)
    assert len(found) == doubtful
    assert all(f"data.target={language} is scored in words" in text for text in found)


def test_tokenized_text_is_told_once_and_in_words_of_this_program(caplog):
    warn_once.cache_clear()
    lines = ["a tokenized line ."] * 100

    assert doubts(lines[:99], lines[:99], "en") == []
    score(lines, lines, "en")
    assert not caplog.records, "sacreBLEU's own warning"
    for hypotheses in ([], lines, lines):
        warn_of_doubts(hypotheses, lines, "en")

    (record,) = caplog.records
    assert '100 or more translations or references end in " ."' in record.message
    assert "force" not in record.message
