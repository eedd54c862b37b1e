"""The same analytics by messages, as the specification says it, by columns, and by chat-analyzer 1.0.6b3.

`reference/*.json` hold made-up chats and what the package wrote for them (chat_analyzer CHAT
--mode chatfile -ep 80). It is equal in every key where the package is right, and else a test says why not.
Whatever the chat, two keys differ: `program_version`, and `overallAvgUniqueUsersPerSecond`, which the package
takes before the last sample is counted and as a mean over samples of unequal length.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.chat_analytics import load
from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import TWITCH_RULES, YOUTUBE_RULES
from chatlib.analyze.analytics.readers import analyze_chat, read_file
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


def by_dictionaries(chat):
    analytics = make_empty(chat)
    for offset, kind, author, message_id in chat["rows"]:
        message = {"message_id": message_id, "message_type": kind}
        message |= {} if offset is None else {"time_in_seconds": offset}
        message |= {} if author is None else {"author": {"id": author, "name": "same name"}}
        analytics.process_message(message)
    analytics.chatlog_post_process(make_settings(chat))
    return analytics.to_dict()


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(chats())
def test_columns_messages_and_dictionaries_agree_in_every_key(chat):
    assert by_columns(chat) == by_messages(chat) == by_dictionaries(chat)


FOLDER = Path(__file__).with_name("reference")
ALWAYS = {"program_version", "overallAvgUniqueUsersPerSecond"}
SETTINGS = ProcessSettings(highlight_percentile=80)


@pytest.fixture
def compare(tmp_path, monkeypatch):
    def analyze(name):
        monkeypatch.chdir(tmp_path)
        case = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        Path("c.json").write_text(json.dumps(case["chat"]))
        settings = replace(SETTINGS, description=name)
        ours = analyze_chat(read_file("c.json", platform=case["platform"]), settings)
        return ours.to_dict(), case["chat_analyzer"]

    return analyze


def rounded(value):
    """The same value with floats to 12 digits: since Python 3.12 `sum` rounds its last digit otherwise."""
    return json.loads(json.dumps(value), parse_float=lambda digits: float(f"{float(digits):.12g}"))


def differing(ours, theirs):
    assert list(ours) == list(theirs)
    return {key for key in ours if rounded(ours[key]) != rounded(theirs[key])} - ALWAYS


@pytest.mark.parametrize("name", ["right_youtube", "right_twitch"])
def test_equal_in_every_key_where_the_package_is_right(name, compare):
    ours, theirs = compare(name)
    assert differing(ours, theirs) == set()
    assert [list(sample) for sample in ours["samples"]] == [list(sample) for sample in theirs["samples"]]
    assert [list(part) for part in ours["highlights"]] == [list(part) for part in theirs["highlights"]]
    assert len(ours["samples"]) == 21
    assert ours["highlights"]
    totals = [value for key, value in ours.items() if key.startswith("total")]
    assert all(totals)


def test_after_a_silence_the_package_places_messages_too_early(compare):
    ours, theirs = compare("silence")
    assert differing(ours, theirs) == {"samples"}
    # From 20 s to 37 s nothing was written.
    assert [s["activity"] for s in ours["samples"]][4:8] == [0, 0, 0, 2]
    assert [s["activity"] for s in theirs["samples"]][4:8] == [1, 1, 1, 1]


def test_the_package_drops_a_highlight_that_is_open_at_the_end(compare):
    ours, theirs = compare("open_at_end")
    assert differing(ours, theirs) == {"highlights", "highlights_duration", "highlights_duration_text"}
    assert theirs["highlights"] == []
    assert [(h["startTime"], h["endTime"]) for h in ours["highlights"]] == [(40, 50.6)]


def test_the_package_gives_the_last_message_a_sample_of_no_length(compare):
    ours, theirs = compare("not_alone_at_end")
    assert theirs["samples"][-1]["sampleDuration"] == 0
    assert ours["samples"][-1]["sampleDuration"] > 0
    assert len(theirs["samples"]) == len(ours["samples"]) + 1
    last, without = ours["samples"][-1], theirs["samples"][-2]
    assert (last["endTime"], last["activity"]) == (without["endTime"], without["activity"] + 1)
    assert ours["samples"][:-1] == theirs["samples"][:-2]


def test_the_package_counts_a_superchat_again_with_its_ticker_and_a_sponsor_as_one(compare):
    ours, theirs = compare("tickers")
    assert differing(ours, theirs) == {"samples", "totalSuperchats"}
    assert (ours["totalSuperchats"], theirs["totalSuperchats"]) == (1, 3)
    pairs = enumerate(zip(ours["samples"], theirs["samples"], strict=True))
    assert {(i, key) for i, (a, b) in pairs for key in a if a[key] != b[key]} == {(14, "superchats")}


@pytest.mark.parametrize("missing", ["time_in_seconds", "author"])
def test_the_package_stops_at_a_message_without_time_or_author(missing, tmp_path, compare):
    """The package ends with a KeyError, so there is nothing of its to compare with."""
    whole, _ = compare("right_youtube")
    chat = json.loads((FOLDER / "right_youtube.json").read_text(encoding="utf-8"))["chat"]
    row = next(i for i, row in enumerate(chat) if i > 5 and row["message_type"] == "text_message")
    del chat[row][missing]
    (tmp_path / "cut.json").write_text(json.dumps(chat))
    ours = analyze_chat(read_file(tmp_path / "cut.json"), SETTINGS).to_dict()
    assert whole["totalActivity"] - ours["totalActivity"] == (missing == "time_in_seconds")


def test_the_package_forgets_users_and_adds_highlights_when_it_reanalyzes(tmp_path):
    case = json.loads((FOLDER / "right_youtube.json").read_text(encoding="utf-8"))
    first, again = case["chat_analyzer"], case["chat_analyzer_reanalyzed"]
    assert again["totalUniqueUsers"] == 0
    assert again["highlights_duration"] == 2 * first["highlights_duration"]
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(first))
    ours = load(path)
    ours.chatlog_post_process(SETTINGS)
    assert rounded(ours.to_dict()) == rounded(first | {"spikes": ours.to_dict()["spikes"]})
