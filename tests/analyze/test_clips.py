"""Moments in the words of the chat, as chapters and as clips."""

import pandas as pd

from chatlib.analyze.clips import (
    clips_as_table,
    compare_words,
    describe_moments,
    find_typical_messages,
    format_chapters,
    moments_as_table,
)
from chatlib.analyze.moments import Moment


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
