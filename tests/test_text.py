"""Words, emotes and emoji of a text."""

import pytest

from chatlib.text import is_emote, normalize_text, split_words


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
