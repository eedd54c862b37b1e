"""Moments in the words of the chat, as chapters and as clips."""

import re

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze.analytics.readers import Talk
from chatlib.analyze.clips import (
    MomentWords,
    clips_as_table,
    compare_words,
    describe_moments,
    find_typical_messages,
    format_chapters,
    format_edl,
    make_clip_kit,
    moments_as_table,
)
from chatlib.analyze.moments import Moment
from chatlib.columns import TextParts
from chatlib.errors import ParameterError
from chatlib.text import split_words
from tests.pipeline.stubs import HOSTILE


def talk_of(rows):
    return Talk(pd.DataFrame(rows), np.array([]), np.array([]))


def count(texts):
    return TextParts.from_texts(texts).count_words(split_words)


def make_moment(rank, start_s, end_s, link=None):
    return Moment(rank, start_s, end_s, peak_s=start_s, people=5, score=1.0, link=link)


def test_the_words_of_a_moment_are_those_the_rest_does_not_have():
    rest = ["nice stream", "hello", "nice one", "what a nice day"] * 25
    inside = ["clip it", "CLIP CLIP CLIP", "nice clip", "wow"]
    words = compare_words(inside, count(inside + rest))
    assert next(iter(words)) == "clip"
    assert words["nice"] < 0
    assert compare_words([], count(rest)) == {}


def test_a_nul_in_a_text_is_a_blank_and_moves_nothing():
    parts = TextParts.from_texts(["a \0 b", "\0", "b\0c"])
    assert [(row, parts.names[code]) for row, code in zip(parts.row, parts.code, strict=True)] == [
        (0, "a"), (0, "b"), (2, "b"), (2, "c"),
    ]  # fmt: skip


def test_words_are_counted_once_a_text_however_it_is_cut():
    texts = ["a b a", "", "  c\u3000B ", "草草 lol@x", "B\na"] * 3000
    assert count(texts) == {"a": 6000, "b": 9000, "c": 3000, "草草": 3000, "lol": 3000}
    parts = TextParts.from_texts(texts)
    assert parts.count_words(split_words, texts=np.array([0, 2, 14_999])) == {"a": 2, "b": 3, "c": 1}
    assert parts.sum_values([len(name) for name in parts.names])[:4].tolist() == [3, 0, 2, 7]
    assert count([]) == count([""]) == {}


def test_what_many_wrote_is_typical_and_a_spammer_is_one_person():
    inside = ["F", "f", "F", "buy now", "buy now", "buy now", "buy now", "what happened"]
    who = [1, 2, 3, 9, 9, 9, 9, 4]
    words = compare_words(inside, count(inside + ["hello there"] * 50))
    assert find_typical_messages(inside, who, words=words, top=1) == ["F"]
    assert find_typical_messages([], [], words=words) == []


MESSAGES = talk_of(
    {
        "offset_s": [1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0, 200.0],
        "author": [1, 2, 3, 1, 2, 3, 3, 4],
        "text": ["hello", "hi all", "hello", "CLIP IT", "clip it!", "that was clean", "", "bye <b>"],
        "emotes": [None, None, None, '["PogChamp", "PogChamp"]', None, None, None, None],
    }
)
MOMENTS = [make_moment(1, 100.0, 105.0), make_moment(2, 4.0, 9.0)]


def test_a_moment_is_described_by_what_was_written_in_it():
    first, second = describe_moments(MESSAGES, MOMENTS)
    assert (first.n_messages, first.n_people) == (3, 3)
    assert set(first.messages) == {"CLIP IT", "clip it!", "that was clean"}
    assert (second.n_messages, second.words, second.messages) == (0, [], [])


def test_chapters_are_as_youtube_accepts_them():
    def at(*starts):
        return [make_moment(i, start, start + 5.0) for i, start in enumerate(starts, 1)]

    three = at(100.0, 40.0, 4.0, 47.0, 195.0)  # too close to the start, the one before, the end
    lines = ["0:00 Start", "0:40 Highlight", "1:40 Highlight"]
    assert format_chapters(three, [MomentWords()] * 5, duration_s=200.0).splitlines() == lines
    alone = [make_moment(1, 100.9, 130.0)]
    lines = ["0:00 Start", "1:40 Highlight", "2:10 And on"]
    assert format_chapters(alone, [MomentWords()], duration_s=3600.0).splitlines() == lines
    assert format_chapters([], [], duration_s=3600.0) == ""


def test_a_title_is_a_readable_message_of_several_people():
    def title_of(*texts, emotes=None, times=4):
        texts *= times
        rows = {"offset_s": 1.0, "author": range(len(texts)), "text": texts, "emotes": emotes}
        rest = {"offset_s": 9.0, "author": 1, "text": ["hello there", "how are you"] * 50, "emotes": None}
        chat = pd.concat([pd.DataFrame(rows), pd.DataFrame(rest)])
        return describe_moments(talk_of(chat), [make_moment(1, 0.0, 5.0)])[0].title

    assert title_of("what a goal", "What a GOAL", "lol", "lol", "lol") == "what a goal"
    assert title_of("草草草草", "草草草草") == "草草草草"
    assert title_of("what\u202e a goal\u2066", "what a goal \U000e0000") == "what a goal"  # nothing unseen
    assert title_of("hello there", "hello there", "a goal") != "hello there"
    alone = [*["goal"] * 6, "well then ok yes"]  # nobody repeats a sentence
    assert title_of(*alone, times=1) == "goal"
    assert title_of(*alone, "that goal was good", "a goal", times=1) == "that goal was good"
    unreadable = [
        "someone clip that",
        "https://a.b what now",
        "@bob hi there",
        "!drop it now",
        "at 1:23 he did",
        "<b> so bold",
    ]
    assert title_of(*unreadable * 2) not in unreadable
    assert title_of("PogChamp PogChamp now", "PogChamp PogChamp now", emotes='["PogChamp"]') != (
        "PogChamp PogChamp now"
    )
    assert title_of("monkaS catJAM", "monkaS catJAM") != "monkaS catJAM"
    assert title_of() == title_of("o", "0", "9", "9") == ""


def test_a_clip_is_padded_and_at_least_twenty_seconds_long():
    link = "https://www.twitch.tv/videos/1?t=0h1m0s"
    moments = [make_moment(1, 100.0, 105.0, link), make_moment(2, 4.0, 6.0)]
    table = clips_as_table(moments, [MomentWords()] * 2, duration_s=110.0)
    assert table[["in", "out", "in_s", "out_s"]].values.tolist() == [
        ["0:01:25", "0:01:50", 85.0, 110.0],
        ["0:00:00", "0:00:20", 0.0, 20.0],
    ]
    assert table["link"].fillna("").tolist() == ["https://www.twitch.tv/videos/1?t=0h1m25s", ""]


def test_moments_as_a_table_have_their_words():
    described = moments_as_table(MOMENTS, describe_moments(MESSAGES, MOMENTS))
    assert described["from"].tolist() == ["0:01:40", "0:00:04"]
    assert described["people"].tolist() == [3, 0]
    assert list(moments_as_table([], []).columns)[:3] == ["rank", "from", "to"]


def test_the_kit_of_a_stream_holds_hostile_text_as_text_and_no_command():
    moments = [make_moment(i, 100.0 * i, 100.0 * i + 50) for i in range(1, len(HOSTILE) + 1)]
    written = [MomentWords(title=title) for title in HOSTILE]
    address = "https://www.twitch.tv/videos/123456?x='; reboot #"
    kit = make_clip_kit(moments, written, name="Title; rm -rf /", address=address, duration_s=3600.0)
    kinds = ["clips.csv", "markers.edl", "download.sh", "chapters.txt"]
    assert [name.split(".", 1)[1] for name in kit] == kinds
    assert all(re.fullmatch(r"[\w.-]+", name) for name in kit)
    table, edl, script, chapters = kit.values()
    commands = script.splitlines()[3:]
    pattern = r"yt-dlp --download-sections '\*\d+-\d+' --force-keyframes-at-cuts -o '123456_\d\d\.%\(ext\)s'"
    pattern += r" -- 'https://www\.twitch\.tv/videos/123456'"
    assert len(commands) == len(HOSTILE) and all(re.fullmatch(pattern, line) for line in commands)
    assert "'=cmd" in table
    markers = [line for line in edl.splitlines() if "|" in line]
    assert all(re.fullmatch(r" \|C:ResolveColorBlue \|M:\d+\. [^|]* \|D:\d+", line) for line in markers)
    assert len(markers) == len(HOSTILE)
    assert not set("\x1b\u202e\r") & set(table + edl + script + chapters)


def test_a_script_needs_a_recording_and_a_kit_has_no_empty_file():
    moments = [make_moment(1, 100.0, 150.0)]
    for address in (None, "", "chat.json", "https://evil.example/watch?v=$(id)aaaaaaa", "twitch:x"):
        kit = make_clip_kit(moments, [MomentWords()], name="a", address=address, duration_s=3600.0)
        assert list(kit) == ["a.clips.csv", "a.markers.edl", "a.chapters.txt"]
    assert make_clip_kit([], [], name="a", address=None, duration_s=3600.0) == {}


@pytest.mark.parametrize(
    ("frame_rate", "at", "frames"),
    [(30, "01:16:40:00", 750), (24, "01:16:40:00", 600), (29.97, "01:16:39:00", 749)],
)
def test_markers_stand_where_resolve_counts_them(frame_rate, at, frames):
    clips = pd.DataFrame({"rank": [1], "in_s": [1000.0], "out_s": [1025.0], "title": ["what a goal"]})
    lines = format_edl(clips, title="Stream", frame_rate=frame_rate).splitlines()
    assert lines[:3] == ["TITLE: Stream", "FCM: NON-DROP FRAME", ""]
    assert lines[3].split()[:5] == ["001", "001", "V", "C", at]
    assert lines[4] == f" |C:ResolveColorBlue |M:1. what a goal |D:{frames}"
    with pytest.raises(ParameterError):
        format_edl(clips, frame_rate=0)
