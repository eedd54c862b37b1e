"""Real chat: the counts that its README tells, kinds, and a whole channel in good time."""

import csv
import time
from collections import Counter

import pytest

from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.importing import import_chats
from chatlib.records import DONATION_KINDS
from chatlib.store import open_store

KINDS_2023 = {
    "text_message": 1_163_210, "resubscription": 637, "subscription_gift": 262, "raid": 237,
    "subscription": 122, "mystery_subscription_gift": 55, "anonymous_subscription_gift": 39,
    "gift_paid_upgrade": 5,
    "anonymous_mystery_subscription_gift": 4, "standard_pay_forward": 3, "prime_paid_upgrade": 1,
}  # fmt: skip


def read(shared, path):
    chat = read_chat_file(shared / path)
    return chat, Counter(m.kind for m in chat.messages)


def test_a_flat_replay_of_750_messages_26_of_them_paid(shared):
    chat, kinds = read(shared, "youtube/chat_downloader/flat_replay_750.json")
    assert len(chat.messages) == 750
    assert sum(m.amount_text is not None for m in chat.messages) == 26
    assert kinds == {
        "text_message": 720,
        "paid_message": 15,
        "ticker_paid_message_item": 11,
        "ticker_sponsor_item": 4,
    }
    assert len({(m.message_id, m.kind) for m in chat.messages}) == 750
    assert not chat.skipped


def test_125_super_chats_in_the_flat_schema(shared):
    chat, kinds = read(shared, "youtube/chat_downloader/flat_superchats_125.json")
    assert kinds == {"paid_message": 68, "ticker_paid_message_item": 57}
    assert all(m.amount and m.currency for m in chat.messages)
    paid = {m.message_id for m in chat.messages if m.kind == "paid_message"}
    tickers = {m.message_id for m in chat.messages if m.kind == "ticker_paid_message_item"}
    assert len(paid) == 68 and len(paid | tickers) == 68  # every ticker repeats one of them


def test_early_live_captures(shared):
    chat, kinds = read(shared, "youtube/chat_downloader/early_live_484.json")
    assert (len(chat.messages), chat.stream.view) == (484, "live")
    assert kinds["placeholder_item"] == 84 and kinds["deleted_state_message"] == 8
    assert sum(m.target_id is not None for m in chat.messages) == 2
    chat, kinds = read(shared, "youtube/chat_downloader/early_live_deletions_1773.json")
    assert (len(chat.messages), kinds["text_message"]) == (1773, 1699)
    assert sum(m.target_id is not None for m in chat.messages) == 36
    assert all(m.offset_s is not None for m in chat.messages if m.timestamp_us)


def test_todays_schema_with_a_ticker_of_its_paid_message(shared):
    chat, _ = read(shared, "youtube/chat_downloader/youtube-shu-pokopia-10m-events.json")
    paid, ticker = (m for m in chat.messages if m.amount)
    assert paid.message_id == ticker.message_id
    assert paid[8:11] == ticker[8:11] == ("¥5,000", "5000", "JPY")
    chat, kinds = read(shared, "youtube/chat_downloader/youtube-shapy-crimson-desert-10m-events.json")
    assert kinds == {"banner": 2, "ban_user": 1, "viewer_engagement_message": 1}


@pytest.mark.parametrize(
    ("name", "video_id", "n_messages"),
    [
        ("chat-xhr.json", "zneybC5q3F0", 100), ("chat-xhr2.json", "zneybC5q3F0", 102),
        ("chat.json.gz", "2ScYjZ8a5k4", 77), ("chatreplay.json", "SsjCnHOk-Sk", 49),
        ("other_youtube_actions.txt", "7kdepDepMjk", 11),
        ("replay_paidChatItem.json", "zneybC5q3F0", 1), ("replay_sponserChatItem.json", "zneybC5q3F0", 1),
        ("replay_textChatItem.json", "zneybC5q3F0", 1), ("video.json.gz", "2ScYjZ8a5k4", 0),
        ("youtube_actions.json", "MoSoCDn5MBw", 15), ("newSponsor_current.json", "newSponsor_current", 1),
        ("supersticker.json", "supersticker", 1), ("markChatItemAsDeleted.json", "markChatItemAsDeleted", 1),
        ("markChatItemsByAuthorAsDeleted.json", "markChatItemsByAuthorAsDeleted", 1),
        ("unregistered_currency.json", "unregistered_currency", 1), ("superchat_0.json", "superchat_0", 52),
    ],
)  # fmt: skip
def test_raw_responses_tell_the_video(shared, name, video_id, n_messages):
    chat, _ = read(shared, f"youtube/innertube/{name}")
    assert (chat.stream.platform, chat.stream.video_id) == ("youtube", video_id)
    assert len(chat.messages) == n_messages
    assert (chat.stream.title is not None) == (name == "video.json.gz")  # a page describes its stream


def test_twitch_v5(shared):
    chat, kinds = read(shared, "twitch/v5_comments_1087079172.json.gz")
    assert kinds == {"text_message": 3069, "resubscription": 19, "subscription": 2}
    assert (chat.stream.video_id, chat.stream.duration_s) == ("1087079172", 2938.0)
    assert not any("subscribed" in (m.text or "") for m in chat.messages if m.kind in DONATION_KINDS)
    assert not chat.skipped


def test_every_file_comes_in_or_is_told(shared, tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        report = import_chats(db, [shared], limit=4)
        assert report.errors == {}
        assert [path.name for path in report.ignored] == ["README.md"]
        digest = db.digest()
        assert import_chats(db, [shared], limit=4).n_added == 0
        assert db.digest() == digest
        rest = import_chats(db, [shared / "youtube", shared / "twitch/v5_comments_1087079172.json.gz"])
        assert all("a web page" in error for error in rest.errors.values())
        assert len(rest.errors) == 2


def test_the_rows_of_a_stream_are_those_of_its_file(shared):
    with (shared / "twitch/channel_2023/streams.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))[3]
    chat, _ = read(shared, f"twitch/channel_2023/chat/{listed['video_id']}.json.gz")
    assert chat.stream[:4] == ("twitch", listed["video_id"], listed["url"], listed["title"])
    assert len(chat.messages) == int(listed["messages"])
    assert max(m.offset_s for m in chat.messages) == float(listed["last_offset_s"])


@pytest.mark.real
def test_the_whole_channel(shared, tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        started = time.monotonic()
        report = import_chats(db, [shared / "twitch/channel_2023"])
        first_s = time.monotonic() - started
        assert report.totals == {"streams": 162, "messages": 1_164_575, "authors": 3962, "paid": 1155}
        assert not report.errors and not report.skipped
        kinds = dict(db.connection.execute("SELECT kind, count(*) FROM messages GROUP BY kind"))
        assert kinds == KINDS_2023
        assert db.connection.execute("SELECT sum(bits > 0) FROM messages").fetchone() == (27,)
        digest = db.digest()
        started = time.monotonic()
        again = import_chats(db, [shared / "twitch/channel_2023"])
        assert time.monotonic() - started < first_s / 3
        assert (again.n_added, again.totals) == (0, report.totals)
        assert db.digest() == digest
