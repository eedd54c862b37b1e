"""A stream's timeline: what it counts, says and marks."""

from chatlib.analyze.analytics.readers import analyze_stream, load_talk
from chatlib.analyze.streams import add_texts, make_timeline
from chatlib.records import Message, Stream
from chatlib.store import open_store

PAID = {"amount_text": "$5.00", "amount": "5.0", "currency": "USD"}


def load_timeline(db, *, hide_names=True):
    (stream,) = db.list_streams()
    talk = load_talk(db, stream, hide_names=hide_names)
    return add_texts(make_timeline(stream, analyze_stream(db, stream), talk, clips=db.load_clips()), talk)


def test_a_step_says_what_was_written_in_it(tmp_path):
    messages = [
        Message("1", "text_message", 1.0, "a", "Ann", "hello @bob"),
        Message("2", "text_message", 12.0, "a", "Ann", "GOAL !!"),
        Message("3", "text_message", 13.0, "b", "Bob", "goal !!"),
        Message("4", "text_message", 14.0, "b", "Bob", "well"),
        Message("5", "paid_message", 13.0, "b", "Bob", "take it", **PAID),
        Message("6", "text_message", -3.0, "b", "Bob", "before the start"),
    ]
    address = "https://www.twitch.tv/videos/7"
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        db.save_chat(Stream("twitch", "7", address, "A <b>title</b>", duration_s=20.0), messages)
        timeline, named = load_timeline(db), load_timeline(db, hide_names=False)
    assert timeline.messages == [1, 0, 3, 0] and timeline.people == [1, 0, 2, 0]
    assert timeline.payments == [0, 0, 1, 0]
    assert timeline.said == ["hello @…", "", "GOAL !!", ""] and timeline.top == ["", "", "GOAL", ""]
    assert named.said[0] == "hello @bob"
    assert (timeline.step_s, timeline.duration_s, timeline.address) == (5, 20.0, address)


def test_a_moment_is_marked_with_its_title_and_link(tmp_path):
    crowd = [
        Message(f"{i}", "text_message", 300.0 + i / 10, f"{i}", f"{i}", "what a goal") for i in range(60)
    ]
    talk = [Message(f"t{i}", "text_message", 9.0 * i, f"{i}", f"{i}", "how is it going") for i in range(99)]
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        address = "https://www.twitch.tv/videos/7"
        db.save_chat(Stream("twitch", "7", address, "A title", duration_s=900.0), crowd + talk)
        best = load_timeline(db).marks[0]
    assert (best.kind, best.rank, best.title) == ("moment", 1, "what a goal")
    assert best.start_s <= 300 < best.end_s and best.link.startswith(f"{address}?t=0h4m")


def test_a_simulated_stream_has_no_links(tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        stream = Stream("youtube", "x", "https://www.youtube.com/watch?v=x", simulated=True)
        db.save_chat(stream, [Message("1", "paid_message", 1.0, "a", "Ann")])
        assert load_timeline(db).said == [""]  # nobody wrote anything
        db.save_chat(stream, [Message("2", "text_message", 1.0, "a", "Ann", "hi")])
        timeline = load_timeline(db)
    assert timeline.address is None and {mark.link for mark in timeline.marks} <= {None}
