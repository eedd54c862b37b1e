"""What people write: words, scripts, languages, and what is special about a moment."""

import pandas as pd
import pytest

from chatlib.analyze.moments import (
    Moment,
    clips_as_table,
    describe_moments,
    format_chapters,
    moments_as_table,
)
from chatlib.analyze.people import speech
from chatlib.text import (
    compare_words,
    find_typical_messages,
    is_emote,
    normalize_text,
    split_words,
)


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


def test_the_words_of_a_moment_are_those_the_rest_does_not_have():
    rest = ["nice stream", "hello", "nice one", "what a nice day"] * 25
    inside = ["clip it", "CLIP CLIP CLIP", "nice clip", "wow"]
    table = compare_words(inside, inside + rest)
    assert table["word"].iloc[0] == "clip"
    assert table["texts"].iloc[0] == 3
    assert table.set_index("word")["z"]["nice"] < 0
    assert compare_words([], rest).empty


def test_what_many_wrote_is_typical_and_a_spammer_is_one_person():
    inside = ["F", "f", "F", "buy now", "buy now", "buy now", "buy now", "what happened"]
    who = [1, 2, 3, 9, 9, 9, 9, 4]
    words = compare_words(inside, inside + ["hello there"] * 50)
    assert find_typical_messages(inside, who, words=words, top=1) == ["F"]
    assert find_typical_messages([], [], words=words) == []


MESSAGES = pd.DataFrame(
    {
        "offset_s": [1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0, 200.0],
        "author": [1, 2, 3, 1, 2, 3, 3, 4],
        "text": ["hello", "hi all", "hello", "CLIP IT", "clip it!", "that was clean", None, "bye <b>"],
        "emotes": [None, None, None, '["PogChamp", "PogChamp"]', None, None, None, None],
    }
)
MOMENTS = [Moment(1, 100.0, 105.0, 0.6, 0.6, None), Moment(2, 4.0, 9.0, 0.2, 0.2, None)]


def test_a_moment_is_described_by_what_was_written_in_it():
    first, second = describe_moments(MESSAGES, MOMENTS)
    assert (first.n_messages, first.n_people) == (3, 3)
    assert set(first.messages) == {"CLIP IT", "clip it!", "that was clean"}
    assert (second.n_messages, second.words, second.messages) == (0, [], [])


def test_chapters_are_as_youtube_accepts_them():
    def at(*starts):
        return [Moment(i, start, start + 5.0, 1.0, 1.0, None) for i, start in enumerate(starts, 1)]

    three = at(100.0, 40.0, 4.0, 47.0, 195.0)  # too close to the start, the one before, the end
    lines = ["0:00 Start", "0:40 Highlight", "1:40 Highlight"]
    assert format_chapters(three, duration_s=200.0).splitlines() == lines
    alone = [Moment(1, 100.9, 130.0, 1.0, 1.0, None)]
    lines = ["0:00 Start", "1:40 Highlight", "2:10 And on"]
    assert format_chapters(alone, duration_s=3600.0).splitlines() == lines
    assert format_chapters([], duration_s=3600.0) == ""


def test_a_title_is_a_readable_message_of_several_people():
    def title_of(*texts, emotes=None):
        texts *= 4
        rows = {"offset_s": 1.0, "author": range(len(texts)), "text": texts, "emotes": emotes}
        rest = {"offset_s": 9.0, "author": 1, "text": ["hello there", "how are you"] * 50, "emotes": None}
        chat = pd.concat([pd.DataFrame(rows), pd.DataFrame(rest)])
        return describe_moments(chat, [Moment(1, 0.0, 5.0, 1.0, 1.0, None)])[0].title

    assert title_of("what a goal", "What a GOAL", "lol", "lol", "lol") == "what a goal"
    assert title_of("草草草草", "草草草草") == "草草草草"
    assert title_of("hello there", "hello there", "a goal") != "hello there"
    unreadable = ["https://a.b what now", "@bob hi there", "!drop it now", "at 1:23 he did", "<b> so bold"]
    assert title_of(*unreadable * 2) not in unreadable
    assert title_of("PogChamp PogChamp now", "PogChamp PogChamp now", emotes='["PogChamp"]') != (
        "PogChamp PogChamp now"
    )
    assert title_of("monkaS catJAM", "monkaS catJAM") != "monkaS catJAM"
    assert title_of() == "Highlight"


def test_a_clip_is_padded_and_at_least_twenty_seconds_long():
    link = "https://www.twitch.tv/videos/1?t=0h1m0s"
    moments = [Moment(1, 100.0, 105.0, 1.0, 1.0, link), Moment(2, 4.0, 6.0, 1.0, 1.0, None)]
    table = clips_as_table(moments, duration_s=110.0)
    assert table[["in", "out", "in_s", "out_s"]].values.tolist() == [
        ["1:25", "1:50", 85.0, 110.0],
        ["0:00", "0:20", 0.0, 20.0],
    ]
    assert table["link"].fillna("").tolist() == ["https://www.twitch.tv/videos/1?t=0h1m25s", ""]


def test_moments_as_a_table_have_their_words_where_they_are_known():
    plain = moments_as_table(MOMENTS)
    assert plain["from"].tolist() == ["1:40", "0:04"]
    assert "typical" not in plain
    described = moments_as_table(MOMENTS, describe_moments(MESSAGES, MOMENTS))
    assert described["people"].tolist() == [3, 0]
    assert list(moments_as_table([], []).columns)[:3] == ["rank", "from", "to"]


def test_languages_and_scripts_count_every_message_with_text():
    languages = speech.count_languages(MESSAGES)
    assert languages["messages"].sum() == 7
    assert languages["share"].sum() == pytest.approx(1)
    assert speech.count_scripts(MESSAGES).values.tolist() == [["Latin", 7, 1.0]]


def test_emotes_come_from_the_source_or_from_the_look():
    messages = pd.concat(
        [MESSAGES, pd.DataFrame({"author": [5], "text": ["greats8YoTrip"], "emotes": [None]})]
    )
    assert speech.count_emotes(messages).values.tolist() == [["PogChamp", 2, 1], ["greats8YoTrip", 1, 1]]


def test_emoji_are_counted_by_use_and_people():
    messages = pd.DataFrame({"author": [1, 1, 2], "text": ["😂😂", "😂 👍🏽", "👍🏽"]})
    assert speech.count_emoji(messages).values.tolist() == [["😂", 3, 1], ["👍🏽", 2, 2]]


def test_repeats_are_what_is_said_more_than_once():
    assert speech.count_repeats(MESSAGES).values.tolist() == [["hello", 2, 2]]


def test_commands_are_counted_without_their_arguments():
    messages = pd.DataFrame({"author": [1, 1, 2, 3], "text": ["!drop", "!Drop now", "!drop", "wow !no"]})
    assert speech.count_commands(messages).values.tolist() == [["!drop", 3, 2]]


def test_questions_are_those_that_most_people_ask():
    texts = [
        "what game is this?",
        "@bob What game is this??",
        "why?",
        "is it over? no",
        "何のゲームですか？",
        "no question",
        None,
    ]
    messages = pd.DataFrame({"offset_s": range(7), "author": range(7), "text": texts})
    assert speech.find_questions(messages).values.tolist() == [
        ["what game is this?", 2, 0],
        ["is it over? no", 1, 3],
        ["何のゲームですか？", 1, 4],
    ]
    assert speech.find_questions(messages.head(0)).empty


def test_habits_are_shares_of_the_messages():
    texts = [
        "what?",
        "WHAT???",
        "!drop",
        "@bob hi",
        "@… hi",
        "see https://a.b",
        "no 😂",
        "NO WAY",
        "no way",
        "x? y",
    ]
    habits = speech.summarize_habits(pd.DataFrame({"text": texts}))
    counts = dict(habits.iloc[:, :2].values.tolist())
    assert counts == {
        "a question": 3, "a command": 1, "a mention of somebody": 2, "a link": 1, "an emoji": 1,
        "capitals only": 2, "a single word": 3, "what somebody said before": 1,
    }  # fmt: skip
    assert habits["share"].max() == 0.3


def test_names_are_hidden_in_texts():
    assert speech.hide_mentions(["@bob_1 hi @Ann.", "mail a@b"]) == ["@… hi @…", "mail a@…"]


@pytest.mark.parametrize("count", [speech.count_languages, speech.count_emotes, speech.count_emoji])
def test_a_silent_chat_has_empty_tables(count):
    assert count(MESSAGES.iloc[:0]).empty
    assert speech.count_repeats(MESSAGES.iloc[:0]).empty
    assert speech.summarize_habits(MESSAGES.iloc[:0])["messages"].sum() == 0
