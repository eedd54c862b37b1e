"""Streams in the database: one, and all of a channel."""

import json

import pandas as pd
import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.chat_analytics import load
from chatlib.analyze.analytics.readers import analyze_stream, load_talk, pick_stream
from chatlib.analyze.streams import describe_streams, rank_streams, summarize_stream
from chatlib.errors import NotEnoughData, ParameterError
from chatlib.pipeline.explorer import write_explorer
from chatlib.records import Message, Stream
from chatlib.store import open_store
from tests.places import CHANNEL_2023


def fill(db, video_id="abc", n=20, platform="youtube", **more):
    stream = Stream(platform, video_id, f"https://www.youtube.com/watch?v={video_id}", "A title", **more)
    messages = [Message(str(i), "text_message", i * 3.0, f"u{i % 4}", text="hi") for i in range(n)]
    paid = [Message("p", kind, 9.0, "u1") for kind in ("paid_message", "ticker_paid_message_item")]
    db.save_chat(stream, messages + paid * bool(n))


def test_a_stream_of_the_database_has_the_totals_of_its_rows(db):
    fill(db)
    analytics = analyze_stream(db, pick_stream(db))
    assert (analytics.totalActivity, analytics.totalChatMessages, analytics.totalUniqueUsers) == (22, 20, 4)
    assert (analytics.totalSuperchats, analytics.duration, analytics.platform) == (1, 57.0, "www.youtube.com")
    assert (analytics.mediaTitle, analytics.mediaSource) == ("A title", "https://www.youtube.com/watch?v=abc")


@pytest.mark.parametrize(("duration_s", "chats", "end"), [(100.0, 20, 100), (30.0, 11, 30)])
def test_the_duration_is_the_streams_own_and_messages_after_it_are_left_out(db, duration_s, chats, end):
    fill(db, duration_s=duration_s)
    analytics = analyze_stream(db, pick_stream(db))
    assert (analytics.duration, len(analytics.samples)) == (duration_s, duration_s / 5)
    assert (analytics.totalChatMessages, analytics.samples[-1].endTime) == (chats, end)


def test_streams_without_address_title_or_date_stand_beside_others(db, tmp_path):
    fill(db, "known", started_at="2026-01-01")
    messages = [Message(str(i), "text_message", i * 3.0, f"u{i % 4}", text="hi") for i in range(20)]
    db.save_chat(Stream("youtube", "unknown"), messages)
    table = write_explorer(tmp_path, chat=db)[1].set_index("video_id")
    assert table["title"].to_dict() == {"known": "A title", "unknown": "unknown"}
    assert table["link"].notna().to_dict() == {"known": True, "unknown": False}
    ranked = rank_streams(table.reset_index())
    assert ranked["date"].fillna("").tolist() == ["2026-01-01", ""]
    assert ranked["title"].tolist() == ["A title", "unknown"]
    said = ["The liveliest stream is “A title”, with 21 chat messages a minute.",
            "On average 50 % of the people of a stream had written in an earlier one."]  # fmt: skip
    assert describe_streams(table.reset_index(), pd.Series([0.0, 0.5])) == said  # nobody returns to the first
    assert describe_streams(table.reset_index(), pd.Series([0.0])) == said[:1]
    assert describe_streams(table.reset_index().head(1), pd.Series([0.0])) == []
    unknown = pick_stream(db, "unknown")
    assert analyze_stream(db, unknown).mediaSource == "youtube:unknown"


def test_break_takes_the_first_rows_in_source_order(db):
    fill(db)
    analytics = analyze_stream(db, pick_stream(db), ProcessSettings(msg_break=5))
    assert (analytics.totalActivity, analytics.totalChatMessages, analytics.duration) == (5, 5, 57.0)
    assert analytics.samples[4].activity == 0  # from 20 s on: nothing of the first five


def test_the_largest_stream_is_picked_or_the_one_that_is_named(db):
    fill(db, "small", 3)
    fill(db, "large", 9)
    db.save_chat(Stream("youtube", "no times"), [Message(str(i), "text_message") for i in range(50)])
    assert pick_stream(db).video_id == "large"
    assert pick_stream(db, "small").video_id == "small"
    with pytest.raises(ParameterError, match="'other'"):
        pick_stream(db, "other")


def test_nothing_to_pick_is_one_clear_error(db):
    with pytest.raises(NotEnoughData, match="none of 0"):
        pick_stream(db)


def test_a_channel_is_written_stream_by_stream_and_says_what_it_left_out(db, tmp_path):
    fill(db, "one", started_at="2026-01-02")
    fill(db, "../two", started_at="2026-01-01")
    fill(db, "empty", 0)
    db.save_chat(Stream("twitch", "no times"), [Message("1", "text_message")])
    db.save_chat(Stream("twitch", "years"), [Message("1", "text_message", 9e7)])
    facts, streams = write_explorer(tmp_path, chat=db, analytics=True)
    assert streams["video_id"].tolist() == ["../two", "one"]
    assert streams["totalSuperchats"].tolist() == [1, 1]
    assert list(streams)[-2:] == ["totalSuperchats", "totalMemberships"]
    assert len(facts["skipped"]) == 3
    assert "empty" in "".join(facts["skipped"])
    ranked = rank_streams(streams, top=1)
    assert ranked[["date", "title", "people"]].values.tolist() == [["2026-01-01", "A title", 4]]
    out = tmp_path / "results" / "chat_analytics"
    written = sorted(path.name for path in out.iterdir())
    assert len(written) == 2
    assert written[1] == "one.json"
    assert load(out / "one.json").totalActivity == 22


def test_what_was_said_leaves_out_bots_and_hides_names(db):
    rows = [
        Message("1", "text_message", 2.0, "a", "Ann", text="hi @bob"),
        Message("2", "text_message", 1.0, "n", "@Nightbot", text="follow us"),
        Message("3", "text_message", 3.0, "a", "Ann"),
        Message("4", "paid_message", 4.0, "a", "Ann", text="take this"),
        Message("5", "text_message", None, None, None, text="no time"),
    ]
    db.save_chat(Stream("youtube", "x"), rows)
    stream = pick_stream(db)
    said = load_talk(db, stream, hide_names=True, leave_out=["nightbot", ""]).spoken
    assert list(said.columns) == ["offset_s", "author", "text", "emotes"]
    assert said["text"].tolist() == ["no time", "hi @…"]
    assert load_talk(db, stream).spoken["text"].tolist() == ["no time", "follow us", "hi @bob"]


def test_an_empty_channel_is_an_empty_table(db, tmp_path):
    streams = write_explorer(tmp_path, chat=db)[1]
    assert streams.empty
    assert rank_streams(streams).empty
    assert "chats_per_min" in streams.columns


def test_the_summary_of_a_stream_can_be_counted(db):
    fill(db, n=41, duration_s=130.0)
    summary = summarize_stream(analyze_stream(db, pick_stream(db)), video_id="abc")
    # A message every 3 s: 20 in a minute, and the grid's best minute has one at both ends.
    assert summary["best_minute"] == 20
    assert summary["chats_per_min"] == pytest.approx(41 / 130 * 60)
    assert (summary["chats"], summary["users"], summary["duration"]) == (41, 4, "2:10")


@pytest.mark.real
@pytest.mark.skipif(not CHANNEL_2023.is_dir(), reason="needs ../shared/data")
def test_every_stream_of_the_real_channel_agrees_with_sql(tmp_path):
    from chatlib.collect.files.importing import import_chats

    with open_store(tmp_path / "c.db", create=True) as db:
        import_chats(db, [CHANNEL_2023])
        facts, streams = write_explorer(tmp_path, chat=db, analytics=True)
        counts = db.query(
            """SELECT video_id, count(*) AS activity,
                      sum(kind IN ('text_message', 'highlighted_message',
                                   'send_message_in_subscriber_only_mode')) AS chats,
                      count(DISTINCT CASE WHEN kind IN ('text_message', 'highlighted_message',
                                   'send_message_in_subscriber_only_mode') THEN author END) AS users,
                      sum(kind IN ('subscription', 'resubscription', 'extend_subscription',
                                   'standard_pay_forward', 'community_pay_forward')) AS totalSubscriptions,
                      sum(kind LIKE '%subscription_gift') AS totalGiftSubscriptions
               FROM messages JOIN streams USING (stream_id)
               WHERE offset_s BETWEEN 0 AND last_offset_s GROUP BY stream_id"""
        ).set_index("video_id")
    found = streams.set_index("video_id")
    assert len(found) == 162
    assert facts["skipped"] == []
    assert found[list(counts.columns)].astype(int).sort_index().equals(counts.astype(int).sort_index())
    a_file = json.loads(next((tmp_path / "results" / "chat_analytics").iterdir()).read_text(encoding="utf-8"))
    assert sum(s["activity"] for s in a_file["samples"]) == a_file["totalActivity"]
