"""Three ways to the same analytics: a literal reading, message by message, and by columns."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import ChatColumns, Codes, analyze_columns, make_analytics
from chatlib.analyze.analytics.settings import PROGRESS_LOGGER
from chatlib.analyze.analytics.words import TWITCH_WORDS, YOUTUBE_WORDS
from chatlib.records import Message

_spec = importlib.util.spec_from_file_location("brute_force", Path(__file__).with_name("brute_force.py"))
brute_force = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brute_force)

KINDS = sorted(
    {*TWITCH_WORDS.chat_kinds, *TWITCH_WORDS.events, *YOUTUBE_WORDS.events}
    | {"ticker_sponsor_item", "banned", "raid", "membership_item"}
)
METRICS = ["usersPSec", "chatsPSec", "activityPSec"]


@st.composite
def chats(draw):
    """A chat with its settings: rows (offset, kind, author, id), out of time order as they come."""
    duration = draw(
        st.one_of(
            st.sampled_from([0, 0.0, 1, 5, 10, 60, 119, 120, 121]),
            st.integers(0, 700),
            st.floats(0, 700, allow_nan=False).map(lambda value: round(value, 3)),
        )
    )
    interval = draw(st.sampled_from([1, 2, 3, 5, 7, 60, 120]) | st.integers(1, 120))
    on_grid = st.integers(0, 30).map(lambda i: i * interval)
    edges = st.sampled_from([0, duration, -1, duration + 0.001, np.nextafter(interval, 0).item(), None])
    offsets = st.one_of(on_grid, edges, st.floats(-10, 720, allow_nan=False), st.just(0))
    kinds = st.one_of(st.just("text_message"), st.sampled_from(KINDS))
    authors = st.sampled_from([None, "a", "b", "c", "d"])
    ids = st.sampled_from(["1", "2", "3", "4", "5", "6"])
    rows = draw(st.lists(st.tuples(offsets, kinds, authors, ids), max_size=40))
    return {
        "rows": rows,
        "platform": draw(st.sampled_from(["www.youtube.com", "www.twitch.tv"])),
        "duration": duration,
        "interval": interval,
        "percentile": draw(st.sampled_from([50.0, 93.0]) | st.floats(0.5, 99.5)),
        "metric": draw(st.sampled_from(METRICS)),
    }


def make_empty(chat):
    return make_analytics(chat["platform"], duration_s=chat["duration"], interval_s=chat["interval"])


def make_settings(chat, print_interval=0):
    return ProcessSettings(
        print_interval=print_interval,
        highlight_percentile=chat["percentile"],
        highlight_metric=chat["metric"],
        spike_metric=chat["metric"],
    )


def by_columns(chat, print_interval=0):
    offset, kind, author, ids = zip(*chat["rows"], strict=True) if chat["rows"] else ((), (), (), ())
    codes, kinds = {None: -1, "a": 40, "b": 7, "c": 8, "d": 9}, Codes()
    columns = ChatColumns(
        offset_s=np.array(offset, dtype=float),
        kind=kinds.encode(kind),
        kinds=list(kinds),
        author=np.array([codes[a] for a in author], dtype=int),
        message_ids=dict(enumerate(ids)),
    )
    return analyze_columns(columns, make_empty(chat), settings=make_settings(chat, print_interval)).to_dict()


def by_messages(chat, print_interval=0):
    analytics = make_empty(chat)
    messages = [Message(row[3], row[1], row[0], row[2]) for row in chat["rows"]]
    analytics.process_chatlog(messages, "No Media Source", make_settings(chat, print_interval))
    return analytics.to_dict()


@settings(max_examples=150, deadline=None)
@given(chats())
def test_columns_and_messages_agree_in_every_key(chat):
    assert by_columns(chat) == by_messages(chat)


@settings(max_examples=150, deadline=None)
@given(chats())
def test_columns_agree_with_a_literal_reading_of_the_specification(chat):
    found = by_columns(chat)
    expected = brute_force.analyze(**chat)
    for name in ("description", "program_version", "mediaTitle", "mediaSource", "spikes"):
        del found[name]
    for highlight in found["highlights"]:
        del highlight["description"]
    for where in (found, expected):
        for highlight in where["highlights"]:
            highlight["avg"] = pytest.approx(highlight["avg"]) if where is expected else highlight["avg"]
    assert list(found) == list(expected)
    assert found == expected
    assert [list(sample) for sample in found["samples"]] == [list(s) for s in expected["samples"]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chats(), st.integers(1, 5))
def test_both_ways_show_the_same_progress(caplog, chat, print_interval):
    caplog.set_level("INFO", logger=PROGRESS_LOGGER)
    shown = []
    for analyze in (by_columns, by_messages):
        caplog.clear()
        analyze(chat, print_interval=print_interval)
        shown.append([record.message for record in caplog.records if record.name == PROGRESS_LOGGER])
    assert shown[0] == shown[1]
    assert len(shown[0]) == 1 + max(len(chat["rows"]) - 1, 0) // print_interval


@settings(max_examples=80, deadline=None)
@given(chats())
def test_a_chat_fed_as_dictionaries_is_the_same_chat(chat):
    analytics = make_empty(chat)
    for offset, kind, author, message_id in chat["rows"]:
        message = {"message_id": message_id, "message_type": kind}
        message |= {} if offset is None else {"time_in_seconds": offset}
        message |= {} if author is None else {"author": {"id": author, "name": "same name"}}
        analytics.process_message(message)
    analytics.chatlog_post_process(make_settings(chat))
    assert analytics.to_dict() == by_messages(chat)


@pytest.mark.real
@settings(max_examples=4000, deadline=None)
@given(chats())
def test_all_three_agree_on_thousands_of_chats(chat):
    test_columns_and_messages_agree_in_every_key.hypothesis.inner_test(chat)
    test_columns_agree_with_a_literal_reading_of_the_specification.hypothesis.inner_test(chat)
