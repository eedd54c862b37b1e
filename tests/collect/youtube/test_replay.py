"""One stream from several sources: which one is believed, and what they have put together."""

from collections import Counter

import pytest

from chatlib.collect.files.formats import Chat
from chatlib.collect.youtube import replay_sources
from chatlib.collect.youtube.replay import Found, check_sources
from chatlib.collect.youtube.transport import Stopped
from chatlib.errors import ParameterError, SourceRefused, SourceUnreachable, StoreFull
from chatlib.records import YOUTUBE, Message, Stream
from tests.collect.youtube.replays import SOURCES, fetch

VIDEO = "aaaaaaaaaaa"


def found(*numbers, ended=True, duration_s=300.0, running=None, **facts):
    """Return what a source has: one message a minute."""
    rows = [tuple(Message(f"m{n}", "text_message", 60.0 * n, "UCx", "Ann", f"hello {n}")) for n in numbers]
    stream = Stream(YOUTUBE, VIDEO, duration_s=duration_s, view="live", **facts)
    return Found(Chat("", stream, rows, Counter()), ended, running)


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Fetch from two sources that do this; returns the replay and who was asked."""

    def run(*, sources=SOURCES, **does):
        asked = []

        def stand_in(name):
            script = does[name.replace("-", "_")]
            script = list(script) if type(script) is list else [script]

            def read(video_id, politeness, **_):
                asked.append(name)
                answer = script.pop(0) if len(script) > 1 else script[0]
                if isinstance(answer, BaseException):
                    raise answer
                return answer._replace(chat=answer.chat._replace(format=name))

            return read

        for name in sources:
            monkeypatch.setattr(replay_sources, f"read_by_{name.replace('-', '_')}", stand_in(name))
        return fetch(VIDEO, sources, tmp_path), asked

    return run


def numbers_of(replay):
    return [row[0] for row in replay.chat.rows]


def test_a_whole_chat_needs_no_second_source(play):
    replay, asked = play(chat_downloader=found(1, 4), yt_dlp=found(1, 2, 3, 4))
    assert (numbers_of(replay), asked) == (["m1", "m4"], ["chat-downloader"])
    assert (replay.chat.stream.state, replay.chat.format) == ("complete", "chat-downloader")


def test_what_broke_off_is_completed_by_the_next_source(play):
    broken = found(1, 2, ended=False, reason="HTTP 500")
    replay, asked = play(chat_downloader=broken, yt_dlp=found(2, 3, 4))
    assert asked == list(SOURCES)
    assert sorted(numbers_of(replay)) == ["m1", "m2", "m3", "m4"]
    assert replay.chat.stream.state == "complete"
    assert replay.chat.format == "chat-downloader, yt-dlp"


def test_two_that_broke_off_are_put_together_and_stay_partial(play):
    replay, _ = play(
        chat_downloader=found(1, 2, ended=False, reason="HTTP 500"),
        yt_dlp=found(2, 3, ended=False, channel_name="Harbor"),
    )
    assert sorted(numbers_of(replay)) == ["m1", "m2", "m3"]
    assert replay.chat.stream.state == "partial"
    assert "broke off at 0:02:00 of 0:05:00" in replay.chat.stream.reason
    assert replay.chat.stream.channel_name == "Harbor"


FAILURES = {
    "refused": (SourceRefused("Private video"), "failed", "chat-downloader: Private video"),
    "members": (SourceRefused("Members only", state="members_only"), "members_only", "Members only"),
    "no replay": (SourceRefused("No replay", state="no_replay"), "no_replay", "No replay"),
    "unreachable": (SourceUnreachable("no answer"), "failed", "no answer"),
    "its mistake": (KeyError("x"), "failed", "could not read the page (KeyError: 'x')"),
    "another mistake": (RuntimeError("dictionary changed size"), "failed", "RuntimeError"),
    "deep": (RecursionError("deep"), "failed", "RecursionError"),
    "disk": (OSError(5, "I/O error"), "failed", "I/O error"),
}


@pytest.mark.parametrize("why", FAILURES)
def test_a_source_that_fails_gives_way_to_the_next(play, why):
    error, state, reason = FAILURES[why]
    replay, asked = play(chat_downloader=error, yt_dlp=found(1, 2, 3, 4))
    assert (replay.chat.stream.state, asked) == ("complete", list(SOURCES))
    assert replay.chat.stream.reason is None
    replay, _ = play(chat_downloader=error, yt_dlp=SourceUnreachable("nor this"))
    assert replay.chat.stream.state == state
    assert reason in replay.chat.stream.reason
    assert replay.chat.rows == []


def test_after_a_block_no_other_source_is_asked(play):
    replay, asked = play(chat_downloader=SourceRefused("not a bot", state="blocked"), yt_dlp=found(1))
    assert (replay.chat.stream.state, asked) == ("blocked", ["chat-downloader"])


@pytest.mark.parametrize("running", ["live", "upcoming"])
def test_a_running_stream_is_told_by_the_first_source(play, running):
    replay, asked = play(chat_downloader=found(running=running), yt_dlp=found(1))
    assert (replay.running, asked) == (running, ["chat-downloader"])


def test_an_early_end_is_believed_when_two_sources_agree(play):
    replay, asked = play(chat_downloader=found(1, duration_s=3600), yt_dlp=found(1, duration_s=3600))
    assert (replay.chat.stream.state, asked) == ("complete", list(SOURCES))
    assert replay.chat.stream.reason == "the chat ends at 0:01:00 of 1:00:00; two readings agree"
    replay, _ = play(chat_downloader=found(1, duration_s=3600), yt_dlp=found(2, duration_s=3600))
    assert replay.chat.stream.state == "partial"


def test_a_single_source_is_read_twice_before_its_early_end_is_believed(play):
    early = found(1, duration_s=3600)
    replay, asked = play(sources=("yt-dlp",), yt_dlp=[early, early])
    assert (replay.chat.stream.state, asked) == ("complete", ["yt-dlp"] * 2)
    replay, asked = play(sources=("yt-dlp",), yt_dlp=[early, found(1, 55, duration_s=3600)])
    assert (replay.chat.stream.state, numbers_of(replay), asked) == (
        "complete",
        ["m1", "m55"],
        ["yt-dlp"] * 2,
    )


def test_a_single_source_that_broke_off_is_not_asked_again_at_once(play):
    replay, asked = play(sources=("yt-dlp",), yt_dlp=found(1, ended=False))
    assert (replay.chat.stream.state, asked) == ("partial", ["yt-dlp"])


@pytest.mark.parametrize("error", [Stopped(), StoreFull("full"), ParameterError("odd"), MemoryError()])
def test_what_concerns_all_streams_is_raised(play, error):
    with pytest.raises(type(error)):
        play(chat_downloader=error, yt_dlp=found(1))


def test_the_order_of_sources_is_the_users(play):
    _, asked = play(sources=("yt-dlp", "chat-downloader"), chat_downloader=found(4), yt_dlp=found(4))
    assert asked == ["yt-dlp"]


def test_sources_are_checked():
    assert check_sources("yt-dlp , chat-downloader") == ("yt-dlp", "chat-downloader")
    assert check_sources(["yt-dlp"]) == ("yt-dlp",)
    for wrong in ("", "pytchat", "yt-dlp,yt-dlp", [], "yt-dlp,"):
        with pytest.raises(ParameterError, match="CHAT_SOURCES"):
            check_sources(wrong)
