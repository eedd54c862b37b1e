"""Words, emotes and emoji of a text; and text from chat is inert in a spreadsheet and in a terminal."""

import pytest

from chatlib.text import disarm_cell, is_emote, normalize_text, one_line, split_words


def test_words_are_lower_case_and_emotes_and_emoji_are_words():
    text = "LOL don't @bob_1 greats8YoTrip :_hi: 見たテスト 👍🏽👩‍🚀 🇯🇵 https://a.b/c x"
    assert split_words(text) == [
        "lol", "don't", "greats8YoTrip", ":_hi:", "見", "た", "テスト", "👍🏽", "👩‍🚀", "🇯🇵", "x",
    ]  # fmt: skip


def test_texts_that_differ_in_capitals_spaces_and_stretching_are_the_same():
    assert normalize_text("  NOOOOO   way") == normalize_text("\u200bnooo way \U000e0000") == "noo way"


@pytest.mark.parametrize(
    ("token", "answer"), [("greats8YoTrip", True), (":_hi:", True), ("hello", False), ("LUL", False)]
)
def test_an_emote_is_told_by_its_look(token, answer):
    assert is_emote(token) is answer


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("fine", "fine"),
        ("=1+1", "'=1+1"),
        ("\r=1+1", "' =1+1"),
        ("a\n=b", "a =b"),
        ("\x1b[31m=x", " [31m=x"),
        ("\x00\x7f-x", "'  -x"),
        ("\u202e\u2066@x\u2069", "'@x"),
        ("＝x", "'＝x"),
        ("＋x", "'＋x"),
        ("－x", "'－x"),
        ("＠x", "'＠x"),
        ("ｗ＝x", "ｗ＝x"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_a_cell_is_only_shown(text, cell):
    assert disarm_cell(text) == cell


def test_a_line_for_a_terminal_holds_nothing_that_steers_it():
    assert one_line("a\x1b]0;x\x07\r\nb\u202ec\u2028d", 80) == "a ]0;x b c d"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"
    assert one_line("👩\u200d💻 می\u200cخواهم") == "👩\u200d💻 می\u200cخواهم"
    assert (one_line(None), one_line("")) == ("", "")
