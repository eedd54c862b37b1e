"""The documented classes: a chat of five messages whose analytics can be counted by eye; and their JSON."""

import json

import jsonschema
import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.chat_analytics import (
    SCHEMA_PATH,
    ChatAnalytics,
    YoutubeChatAnalytics,
    load,
    save,
)
from chatlib.analyze.analytics.columns import make_analytics
from chatlib.analyze.analytics.sections import Sample, YoutubeSample
from chatlib.errors import DataError, ParameterError, UnknownFormat
from chatlib.files import make_safe_name
from chatlib.records import Message

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


SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def analyze_some(platform="youtube", duration_s=1000.5, title="配信 <b>"):
    settings = ProcessSettings(print_interval=0)
    analytics = make_analytics(platform, duration_s=duration_s, settings=settings)
    analytics.mediaTitle = title
    messages = [Message(str(i), "text_message", i * 7.0, f"u{i % 9}") for i in range(100)]
    messages += [Message(f"b{i}", "text_message", 500 + i / 10, f"v{i}") for i in range(100)]
    messages += [Message("p", "paid_message", 30.0, "u1"), Message("s", "resubscription", 30.0, "u1")]
    analytics.process_chatlog(messages, "chat.json", settings)
    return analytics


@pytest.mark.parametrize("duration_s", [1000.5, 0])
@pytest.mark.parametrize("platform", ["youtube", "twitch"])
def test_what_is_saved_loads_as_the_same_analytics(platform, duration_s, tmp_path):
    analytics = analyze_some(platform, duration_s)
    assert bool(analytics.spikes) is bool(duration_s)
    assert load(save(analytics, tmp_path / "a.json")) == analytics
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == analytics.to_dict()


@pytest.mark.parametrize("platform", ["youtube", "twitch", "youtu.be"])
@pytest.mark.parametrize("duration_s", [0, 3, 1000, 4000.5])
def test_what_is_saved_follows_the_published_schema_in_its_order(platform, duration_s, tmp_path):
    path = save(analyze_some(platform, duration_s), tmp_path / "a.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)
    kind = "Twitch" if platform == "twitch" else "Youtube"
    definitions = SCHEMA["$defs"]
    assert list(content) == list(definitions[f"{kind}ChatAnalytics"]["properties"])
    for sample in content["samples"]:
        assert list(sample) == list(definitions[f"{kind}Sample"]["properties"])
    for section in content["highlights"] + content["spikes"]:
        assert list(section) == list(definitions["section"]["properties"])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda content: content.pop("samples"),
        lambda content: content["samples"][0].update(activity=-1),
        lambda content: content["samples"][0].pop("superchats"),
        lambda content: content.update(platform="www.twitch.tv"),
        lambda content: content.update(totalSubscriptions=1),
        lambda content: content["samples"][0].update(startTime_text="1:2"),
    ],
)
def test_the_schema_refuses_what_is_not_of_the_format(break_it):
    content = analyze_some().to_dict()
    break_it(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_reanalyzing_what_was_loaded_gives_the_file_again(tmp_path):
    first = save(analyze_some(), tmp_path / "a.json")
    analytics = load(first)
    analytics.chatlog_post_process(ProcessSettings())
    second = save(analytics, tmp_path / "b.json")
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not"),
        ("[1, 2]", "platform"),
        ('{"chat": []}', "platform"),
        ('{"platform": "www.youtube.com"}', "samples.* missing"),
        ('{"platform": "kick.com", "samples": []}', "kick.com"),
        ('{"platform": ["youtu.be"]}', "unhashable"),
    ],
)
def test_another_programs_json_is_one_clear_error(content, says, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(UnknownFormat, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["samples"].append(7),
        lambda content: content["samples"][0].update(activity="3"),
        lambda content: content.update(duration="long"),
        lambda content: content.update(totalActivity=None),
        lambda content: content["highlights"][0].update(peak="high"),
        lambda content: content.update(samples=None),
        lambda content: content.update(mediaSource=["https://youtu.be/x"]),
        lambda content: content.update(mediaTitle=7),
        lambda content: content["samples"][0].update(endTime_text=True),
        lambda content: content["highlights"][0].update(description=1.5),
    ],
)
def test_a_damaged_json_is_refused(damage, tmp_path):
    content = analyze_some().to_dict()
    damage(content)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UnknownFormat):
        load(path)


def test_safe_names_are_safe_and_tell_ids_apart():
    assert make_safe_name("dQw4-_9WgXcQ") == "dQw4-_9WgXcQ"
    names = {make_safe_name(text) for text in ("../x", ".._x", "a/b", "a_b", "", "x" * 500, "x" * 501)}
    assert len(names) == 7
    assert all(name.strip("abcdefghijklmnopqrstuvwxyz0123456789_-") == "" for name in names)
    assert max(map(len, names)) < 100
