"""Beside chat-analyzer 1.0.6b3: equal in every key where the package is right, and else why not.

`reference/*.json` hold made-up chats and what the package wrote for them (chat_analyzer CHAT
--mode chatfile -ep 80). Whatever the chat, two keys differ: `program_version`, and
`overallAvgUniqueUsersPerSecond`, which the package takes before the last sample is counted and
as a mean over samples of unequal length.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.chat_analytics import load
from chatlib.analyze.analytics.readers import analyze_chat, read_file

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
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def differing(ours, theirs):
    assert list(ours) == list(theirs)
    return {key for key in ours if rounded(ours[key]) != rounded(theirs[key])} - ALWAYS


def differing_samples(ours, theirs):
    pairs = zip(ours["samples"], theirs["samples"], strict=True)
    return {
        i: {k for k in ours if ours[k] != theirs[k]}
        for i, (ours, theirs) in enumerate(pairs)
        if ours != theirs
    }


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
    assert differing_samples(ours, theirs) == {14: {"superchats"}}


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
