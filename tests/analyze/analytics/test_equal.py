"""The same analytics message by message, as the specification says it, and by columns."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import TWITCH_RULES, YOUTUBE_RULES
from chatlib.columns import ChatColumns, Codes
from chatlib.records import Message

KINDS = sorted(
    {*TWITCH_RULES.chat_kinds, *TWITCH_RULES.events, *YOUTUBE_RULES.events}
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
    return make_analytics(chat["platform"], duration_s=chat["duration"], settings=make_settings(chat))


def make_settings(chat):
    return ProcessSettings(
        print_interval=0,
        interval_s=chat["interval"],
        highlight_percentile=chat["percentile"],
        highlight_metric=chat["metric"],
        spike_metric=chat["metric"],
    )


def by_columns(chat):
    offset, kind, author, ids = zip(*chat["rows"], strict=True) if chat["rows"] else ((), (), (), ())
    codes, kinds = {None: -1, "a": 40, "b": 7, "c": 8, "d": 9}, Codes()
    columns = ChatColumns(
        offset_s=np.array(offset, dtype=float),
        kind=kinds.encode(kind),
        kinds=list(kinds),
        author=np.array([codes[a] for a in author], dtype=int),
        message_ids=dict(enumerate(ids)),
    )
    return analyze_columns(columns, make_empty(chat), make_settings(chat)).to_dict()


def by_messages(chat):
    analytics = make_empty(chat)
    messages = [Message(row[3], row[1], row[0], row[2]) for row in chat["rows"]]
    analytics.process_chatlog(messages, "No Media Source", make_settings(chat))
    return analytics.to_dict()


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(chats())
def test_columns_and_messages_agree_in_every_key(chat):
    assert by_columns(chat) == by_messages(chat)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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
