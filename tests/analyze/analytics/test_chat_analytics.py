"""The documented classes: a chat of five messages whose analytics can be counted by eye."""

import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.chat_analytics import ChatAnalytics, YoutubeChatAnalytics
from chatlib.analyze.analytics.sections import Sample, YoutubeSample
from chatlib.errors import DataError, ParameterError

QUIET = ProcessSettings(print_interval=0)


def chat_message(offset_s, author, kind="text_message", **more):
    return {"time_in_seconds": offset_s, "message_type": kind, "author": {"id": author}, **more}


FIVE = [
    chat_message(0.5, "ann", message_id="1"),
    chat_message(1, "bob", message_id="2"),
    chat_message(4.9, "ann", message_id="3"),
    chat_message(5, "ann", "paid_message", message_id="4"),
    chat_message(12, "cleo", message_id="5"),
]


def make_youtube(duration=12, interval=5, **more):
    return YoutubeChatAnalytics(duration, interval, "d", "0", "www.youtube.com", **more)


def test_five_messages_make_three_samples():
    analytics = make_youtube()
    analytics.process_chatlog(FIVE, "https://youtu.be/x", QUIET)
    first, second, third = analytics.samples
    assert first == YoutubeSample(
        startTime=0,
        endTime=5,
        sampleDuration=5,
        startTime_text="0:00",
        endTime_text="0:05",
        activity=3,
        chatMessages=3,
        firstTimeChatters=2,
        uniqueUsers=2,
        avgActivityPerSecond=0.6,
        avgChatMessagesPerSecond=0.6,
        avgUniqueUsersPerSecond=0.4,
    )
    assert (second.activity, second.chatMessages, second.superchats, second.uniqueUsers) == (1, 0, 1, 0)
    assert (third.startTime, third.endTime, third.sampleDuration, third.activity) == (10, 12, 2, 1)
    assert (analytics.totalActivity, analytics.totalChatMessages, analytics.totalUniqueUsers) == (5, 4, 3)
    assert (analytics.totalSuperchats, analytics.totalMemberships) == (1, 0)
    assert analytics.overallAvgActivityPerSecond == 5 / 12
    assert analytics.overallAvgUniqueUsersPerSecond == 3 / 12
    assert [(h.startTime, h.endTime) for h in analytics.highlights] == [(10, 12)]
    assert (analytics.mediaSource, analytics.duration_text) == ("https://youtu.be/x", "0:12")


def test_the_base_class_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        ChatAnalytics(1, 1, "", "", "www.youtube.com")


def test_a_superchat_and_its_ticker_are_one_and_a_sponsor_ticker_is_none():
    analytics = make_youtube()
    kinds = ["ticker_paid_message_item", "paid_message", "ticker_sponsor_item", "membership_item"]
    for kind in kinds:
        analytics.process_message(chat_message(6, "a", kind, message_id="same"))
    analytics.process_message(chat_message(7, "a", "paid_message"))  # without an id it counts by itself
    analytics.chatlog_post_process(QUIET)
    assert (analytics.totalSuperchats, analytics.totalMemberships) == (2, 1)
    assert [s.superchats for s in analytics.samples] == [0, 2, 0]


def test_nobody_is_a_chat_message_but_no_user():
    analytics = make_youtube()
    analytics.process_message({"time_in_seconds": 1, "message_type": "text_message"})
    analytics.process_message({"time_in_seconds": 1, "message_type": "text_message", "author": "just a name"})
    analytics.chatlog_post_process(QUIET)
    assert (analytics.totalChatMessages, analytics.totalUniqueUsers) == (2, 1)


def test_complete_analytics_accept_no_more_messages():
    analytics = make_youtube()
    analytics.process_chatlog(FIVE, "", QUIET)
    with pytest.raises(DataError, match="chatlog_post_process"):
        analytics.process_message(FIVE[0])


def test_create_new_sample_stops_at_the_end_of_the_stream():
    analytics = make_youtube(duration=6)
    analytics.create_new_sample()
    analytics.create_new_sample()
    assert [(s.startTime, s.endTime) for s in analytics.samples] == [(0, 5), (5, 6)]
    with pytest.raises(DataError):
        analytics.create_new_sample()


def test_finding_sections_anew_changes_nothing_else_however_often():
    analytics = make_youtube()
    analytics.process_chatlog(FIVE, "", QUIET)
    before = analytics.to_dict()
    other = ProcessSettings(highlight_percentile=10, highlight_metric="chatsPSec")
    analytics.chatlog_post_process(other)
    assert analytics.highlights != before["highlights"]
    assert analytics.highlights_duration == 7
    analytics.chatlog_post_process(other)
    assert analytics.highlights_duration == 7
    analytics.chatlog_post_process(QUIET)
    assert analytics.to_dict() == before


def test_progress_is_logged_every_so_many_messages(caplog):
    caplog.set_level("INFO", logger="chatlib")
    make_youtube().process_chatlog(FIVE, "", ProcessSettings(print_interval=2))
    lines = [" ".join(record.message.split()) for record in caplog.records]
    assert lines == [
        "40.8 % | 0:04 / 0:12 | 2 messages",
        "100.0 % | 0:12 / 0:12 | 4 messages",
        "100.0 % | 0:12 / 0:12 | 5 messages",
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"interval": 0}, "interval"),
        ({"interval": 121}, "interval"),
        ({"interval": 2.5}, "interval"),
        ({"duration": -1}, "duration"),
        ({"duration": float("nan")}, "duration"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ParameterError, match=says):
        make_youtube(**{"duration": 10, "interval": 5, **wrong})


def test_a_platform_that_does_not_fit_is_refused():
    assert YoutubeChatAnalytics(1, 1, "", "", "youtu.be").platform == "youtu.be"
    with pytest.raises(ParameterError, match="platform"):
        YoutubeChatAnalytics(1, 1, "", "", "www.twitch.tv")


def test_post_processing_a_sample_twice_changes_nothing():
    sample = Sample(0, 5, _userChats={"a": 2, "b": 1})
    sample.activity = sample.chatMessages = 3
    sample.sample_post_process()
    sample.sample_post_process()
    assert (sample.uniqueUsers, sample.avgUniqueUsersPerSecond, sample._userChats) == (2, 0.4, {})
