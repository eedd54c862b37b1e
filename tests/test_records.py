"""A stream's capture and its replay are one stream: which messages are the same, and who had which."""

import random

import pytest

from chatlib.__main__ import main
from chatlib.records import Message, Stream, find_twins
from chatlib.store import open_store

START_US = 1_714_586_400_000_000


def make(number, at_s, text="hi", author="a", kind="text_message", **facts):
    stamp = None if at_s is None else START_US + round(at_s * 1e6)
    return Message(f"m{number}", kind, at_s, author, author, text, timestamp_us=stamp, **facts)


def pairs(captured, replayed):
    twins = find_twins(captured, replayed)
    return {replayed[i].message_id: seen.message_id for i, seen in twins.items()}


def test_the_same_id_is_the_same_message_whatever_else_it_says():
    assert pairs([make(1, 10)], [make(1, 99, "edited")]) == {"m1": "m1"}


def test_other_ids_are_matched_by_author_words_and_time():
    captured = [make(1, 10), make(2, 10, author="b"), make(3, 10, "bye"), make(4, 20)]
    replayed = [make(11, 11.9), make(12, 12.1, author="b"), make(13, 9, "bye"), make(14, 30)]
    assert pairs(captured, replayed) == {"m11": "m1", "m13": "m3"}


def test_what_a_spammer_repeats_is_matched_one_to_one():
    captured = [make(n, n) for n in range(10)]
    replayed = [make(100 + n, n + 0.4) for n in range(12)]
    found = pairs(captured, replayed)
    assert len(found) == len(set(found.values())) == 10


def test_a_payment_is_known_by_its_kind_and_amount():
    paid = {"kind": "paid_message", "amount": "5.00", "currency": "USD"}
    captured = [make(1, 10, "wow", **paid), make(2, 10, "wow", **{**paid, "amount": "7.00"})]
    assert pairs(captured, [make(11, 10, "wow", **{**paid, "amount": "7.00"})]) == {"m11": "m2"}
    assert pairs(captured, [make(11, 11, None, **paid)]) == {"m11": "m1"}


def test_an_event_that_the_replay_shows_as_plain_words_is_the_same_message():
    captured = [make(1, 10, "yay", kind="resubscription", notice="a subscribed")]
    assert pairs(captured, [make(11, 10, "a subscribed yay")]) == {"m11": "m1"}
    assert pairs(captured, [make(1, 10, "a subscribed yay")]) == {"m1": "m1"}


def test_a_ticker_is_not_the_payment_whose_id_it_repeats():
    captured = [make(1, 10, kind="paid_message"), make(1, 10, kind="ticker_paid_message_item")]
    assert pairs(captured, [make(1, 10, kind="ticker_paid_message_item")]) == {"m1": "m1"}
    twins = find_twins(captured, [make(1, 10, kind="ticker_paid_message_item")])
    assert [seen.kind for seen in twins.values()] == ["ticker_paid_message_item"]


def test_without_moments_the_offsets_are_compared():
    captured = [make(1, 10), make(2, 50)]
    replayed = [m._replace(message_id=f"r{m.message_id}", timestamp_us=None) for m in captured]
    assert pairs(captured, replayed) == {"rm1": "m1", "rm2": "m2"}
    shifted = [m._replace(offset_s=m.offset_s + 30) for m in captured]  # of another start, the same moments
    replayed = [m._replace(message_id=f"r{m.message_id}") for m in captured]
    assert pairs(shifted, replayed) == {"rm1": "m1", "rm2": "m2"}


@pytest.mark.parametrize("seed", range(5))
def test_no_message_is_matched_twice_and_none_across_more_than_two_seconds(seed):
    rng = random.Random(seed)
    captured = [make(n, rng.random() * 60, rng.choice("xyz"), rng.choice("ab")) for n in range(200)]
    replayed = []
    for m in captured[:160]:
        moved_us = m.timestamp_us + rng.randrange(-9, 9) * 10**5
        replayed.append(m._replace(message_id=f"r{m.message_id}", timestamp_us=moved_us))
    found = find_twins(captured, replayed)
    assert len({seen.message_id for seen in found.values()}) == len(found) == len(replayed)
    for i, seen in found.items():
        assert (seen.author_id, seen.text) == (replayed[i].author_id, replayed[i].text)
        assert abs(seen.timestamp_us - replayed[i].timestamp_us) <= 2e6


def test_the_store_keeps_the_union_and_who_had_which(tmp_path):
    live = [make(n, n) for n in range(6)]
    removal = Message("d1", "deleted_message", 7.0, target_id="m0")
    paid = [make(n, n, kind="paid_message", amount="5", currency="EUR") for n in (20, 21, 22)]
    captured = Stream("youtube", "v", view="captured", state="partial")
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        for part in (live[:3], live[3:], [removal, *paid]):
            db.save_chat(captured, part)
        assert len(db.count_sides()) == 0
        replay = [make(101, 1.5), *live[2:], make(30, 30), paid[0]]
        for _ in range(2):  # the second time changes nothing
            saved = db.save_chat(Stream("youtube", "v", view="live"), replay)
            sides = db.count_sides().drop(columns="stream_id").sort_values("kind").values.tolist()
            assert sides == [
                ["deleted_message", False, 0, 1, 0],
                ["paid_message", True, 1, 2, 0],
                ["text_message", False, 5, 1, 1],
            ]
        assert saved.added == 0
        (stream,) = db.load_streams().to_dict("records")
        rows = db.load_messages(columns=["message_id"])["message_id"].tolist()
        assert sorted(rows) == sorted([*(f"m{n}" for n in range(6)), "d1", "m20", "m21", "m22", "m30"])
        assert (stream["n_messages"], stream["last_offset_s"]) == (11, 30.0)
        positions = db.load_messages(columns=["position"])["position"].tolist()
        assert len(set(positions)) == 11


def test_the_list_of_streams_says_what_each_side_lacks(tmp_path, capsys):
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        paid = [make(n, n, kind="paid_message") for n in range(3)]
        db.save_chat(
            Stream("youtube", "v", title="One", view="captured", state="partial"), [*paid, make(9, 9)]
        )
        db.save_chat(Stream("youtube", "v"), paid[:1])
    assert main(["list", str(tmp_path / "chat.dbs")]) == 0
    said = capsys.readouterr().out
    assert "One: the replay lacks 2 of 3 Super Chats and 1 of 1 messages; the capture lacks nothing\n" in said


def test_a_capture_without_a_recordings_id_becomes_the_recording(tmp_path):
    capture = Stream(
        "twitch", "live-405", channel_id="7", started_at="2024-05-01T18:00:00+00:00", view="captured"
    )
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        db.save_chat(capture, [make(1, 1)])
        vod = Stream("twitch", "2001", channel_id="7", started_at="2024-05-01T18:02:00+00:00", view="live")
        db.adopt_capture(vod._replace(video_id="1999", started_at="2024-05-01T12:00:00+00:00"))
        db.adopt_capture(vod._replace(video_id="1998", channel_id="8"))
        db.adopt_capture(vod)
        assert db.load_streams()["video_id"].tolist() == ["2001"]
