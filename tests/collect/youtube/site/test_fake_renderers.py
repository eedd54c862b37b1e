"""Simulated rows become renderers without losing anything that a reader may know."""

import gzip
import json

import pytest

from chatlib.collect.files.chat_downloader import read_rows
from chatlib.collect.files.innertube import find_actions, find_stream_ids, read_actions
from chatlib.collect.files.rows import Notes
from chatlib.simulate import ChannelSettings
from chatlib.simulate.channel import simulate_channel
from tests.collect.youtube.site.renderers import replay_action, text_runs

CHANNEL = "UCfakeHarbor0000000000aa"
SAME = (
    "kind",
    "author_id",
    "author_name",
    "notice",
    "badges",
    "amount_text",
    "amount",
    "currency",
    "target_id",
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of two simulated streams, of every kind that there is."""
    folder = tmp_path_factory.mktemp("simulated")
    settings = ChannelSettings(n_streams=2, n_viewers=200, n_messages=1200, seed=5)
    simulate_channel(folder, settings, progress=False)
    found = []
    for path in sorted(folder.glob("chat/*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += map(json.loads, lines)
    return found


def test_what_a_reader_sees_is_what_was_simulated(rows):
    items = [replay_action(row, channel_id=CHANNEL, video_id="simulated00") for row in rows]
    notes = Notes()
    shown = read_actions(find_actions(items), notes)
    said = [
        message._replace(kind=message.kind.replace("mark_chat_item_as_deleted_action", "deleted_message"))
        for message in read_rows(rows, Notes())
    ]
    assert len(shown) == len(said) == len(rows)
    assert not notes
    assert len({message.kind for message in said}) == 11
    for name in SAME:
        assert [getattr(message, name) for message in shown] == [getattr(message, name) for message in said]
    ids = [(new.message_id, old.message_id) for new, old in zip(shown, said, strict=True)]
    assert all(new == old for (new, old), message in zip(ids, said, strict=True) if message.target_id is None)
    for new, old in zip(shown, said, strict=True):
        if old.offset_s >= 0:
            assert new.offset_s == old.offset_s
        elif old.kind != "placeholder_item":  # it has no clock, so on YouTube it stands at 0
            assert abs(new.offset_s - old.offset_s) <= 1
        if (old.text or "").isascii() and (old.text or "").strip():
            assert new.text == old.text
    assert find_stream_ids(find_actions(items)) == (CHANNEL, "simulated00")


def test_a_text_in_runs():
    assert text_runs("just words", CHANNEL) == {"runs": [{"text": "just words"}]}
    runs = text_runs("hi \U0001fae0\U0001f44d\U0001f3fd:_pellLove:!", CHANNEL)["runs"]
    assert [run.get("text") for run in runs] == ["hi ", None, None, None, "!"]
    emoji = [run["emoji"] for run in runs[1:4]]
    assert [(one["emojiId"], one["shortcuts"]) for one in emoji[:2]] == [
        ("\U0001fae0", [":melting_face:"]),
        ("\U0001f44d\U0001f3fd", [":thumbs_up_sign:"]),
    ]
    assert emoji[2]["shortcuts"] == [":_pellLove:", ":pellLove:"]
    assert emoji[2]["isCustomEmoji"] and emoji[2]["emojiId"].startswith(CHANNEL)


def test_what_was_said_before_the_start():
    row = {
        "message_type": "text_message",
        "message": "early",
        "message_id": "m1",
        "author": {"id": "UCsimaaaaaaaaaaaaaaaaaaa", "name": "@ann"},
        "time_in_seconds": -516.9,
        "time_text": "-8:36",
        "timestamp": 1767984683190457,
    }
    replay = replay_action(row, channel_id=CHANNEL, video_id="simulated00")["replayChatItemAction"]
    shown = replay["actions"][0]["addChatItemAction"]["item"]["liveChatTextMessageRenderer"]
    assert (replay["videoOffsetTimeMsec"], shown["timestampText"]) == ("0", {"simpleText": "-8:36"})
