"""The tables of notebook 01, on a chat that can be counted by eye."""

import pandas as pd
import pytest

from chatlib.collect.summary import (
    describe_channel,
    shorten_streams,
    show_rows,
    summarize_kinds,
    summarize_money,
    summarize_people,
    summarize_streams,
)
from chatlib.plots.collect import plot_kinds, plot_money, plot_streams
from chatlib.records import Message, Stream
from chatlib.store import open_store

MEMBER = '["Member (2 months)"]'
CHAT = [
    Message("1", "text_message", 1.0, "UC1", "Ann", text="hi", badges=MEMBER),
    Message("2", "text_message", 2.0, "UC2", "Bob", text="hi"),
    Message("3", "paid_message", 3.0, "UC2", "Bob", amount_text="$5.00", amount="5.00", currency="USD"),
    Message("3", "ticker_paid_message_item", 3.0, "UC2", "Bob", amount="5.00", currency="USD"),
    Message("4", "paid_sticker", 4.0, "UC3", "Cid", amount_text="10,00 kr", amount="10.00"),
    Message("5", "membership_item", 5.0, "UC4", "Dan"),
    Message("6", "sponsorships_gift_redemption_announcement", 6.0, "UC5", "Eve"),
    Message("7", "placeholder_item", 7.0),
]  # fmt: skip
CHEER = Message("8", "text_message", 9.0, "77", "Fay", text="cheer100", bits=100)


@pytest.fixture
def db(tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as store:
        store.save_chat(
            Stream("youtube", "a" * 11, started_at="2026-01-02T00:00:00+00:00", duration_s=7200), CHAT
        )
        store.save_chat(Stream("twitch", "9", started_at="2026-01-01"), [CHEER])
        store.save_chat(Stream("youtube", "b" * 11, state="no_replay"))
        yield store


def test_streams_are_counted_oldest_first(db):
    table = summarize_streams(db)
    assert table["video_id"].tolist() == ["9", "a" * 11, "b" * 11]
    assert table[["messages", "chatters", "donors", "payments"]].values.tolist() == [
        [1, 1, 1, 1],
        [8, 2, 2, 2],  # Bob and Cid; a ticker, a membership and a gift received pay nothing
        [0, 0, 0, 0],
    ]
    assert table["duration_s"].tolist()[:2] == [9.0, 7200.0]


def test_streams_read_well(db):
    table = shorten_streams(summarize_streams(db))
    assert table.index.tolist() == ["2026-01-01", "2026-01-02", "no date"]
    assert table["title"].tolist() == ["9", "a" * 11, "b" * 11]


def test_people_are_counted_once(db):
    assert summarize_people(db) == {"authors": 6, "chatters": 3, "members": 2, "donors": 3}


def test_kinds_say_what_pays(db):
    kinds = summarize_kinds(db).set_index("kind")
    assert kinds.loc["text_message", ["messages", "pays"]].tolist() == [3, False]
    assert kinds.loc["paid_sticker", ["messages", "pays"]].tolist() == [1, True]
    assert not kinds.loc["ticker_paid_message_item", "pays"]


def test_money_is_summed_by_currency_without_tickers(db):
    money = summarize_money(db, to="USD")
    assert money["currency"].tolist() == ["USD", "unknown"]
    assert money.loc[0, ["payments", "amount", "value_usd"]].tolist() == [1, 5.0, 5.0]
    assert pd.isna(money.loc[1, "value_usd"])


def test_figures_draw_and_an_empty_database_too(db, tmp_path):
    streams = summarize_streams(db)
    undated = plot_streams(streams.assign(started_at=None), new=[1])
    assert undated.axes[0].get_title("left").startswith("3 streams")
    assert [line.get_ydata().tolist() for line in undated.axes[0].lines] == [[1, 0], [8]]
    money = plot_money(summarize_money(db))
    assert [text.get_text() for text in money.axes[0].texts] == [" no rate, 1 payment", " 5 from 1 payment"]
    for figure in (plot_streams(streams, new=[1]), undated, plot_kinds(summarize_kinds(db)), money):
        figure._repr_mimebundle_()
    with open_store(tmp_path / "empty.dbs", create=True) as empty:
        plot_streams(summarize_streams(empty))._repr_mimebundle_()
        plot_kinds(summarize_kinds(empty))._repr_mimebundle_()
        plot_money(summarize_money(empty))._repr_mimebundle_()
        assert summarize_people(empty)["donors"] == 0


def test_rows_are_shown_around_a_payment_with_numbers_for_people(tmp_path):
    said = [
        Message(f"m{n}", "text_message", float(n), f"u{n % 3}", "@bo", f"hi @bo {n}\x1b[2J")
        for n in range(40)
    ]
    paid = Message("p", "paid_message", 20.5, "u9", "@rich", None, amount_text="$5.00")
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        assert show_rows(db).empty
        db.save_chat(Stream("youtube", "a"), said[:3])
        db.save_chat(Stream("youtube", "b"), [*said, paid])
        rows = show_rows(db)
        stream_ids = db.find_streams("youtube", ["a"])["stream_id"]
        assert len(show_rows(db, among=stream_ids)) == 3
    assert rows["time"].tolist() == [f"0:00:{n}" for n in (16, 17, 18, 19, 20, 20, 21, 22, 23, 24)]
    assert rows.iloc[5].tolist() == ["0:00:20", 4, "paid_message", "", "$5.00"]
    assert rows["viewer"].tolist() == [1, 2, 3, 1, 2, 4, 3, 1, 2, 3]
    assert rows["message"].iloc[0] == "hi @… 16 [2J"


def test_the_answer_in_sentences(tmp_path):
    live, replay = (
        Stream("youtube", "a", title="One", view="captured", state="partial"),
        Stream("youtube", "a"),
    )
    rows = [
        Message(f"m{n}", "paid_message" if n < 3 else "text_message", n, f"u{n}", f"u{n}") for n in range(9)
    ]
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        assert describe_channel(db, summarize_streams(db), summarize_people(db)) == [
            "There is no stream yet."
        ]
        db.save_chat(Stream("youtube", "a"), [rows[0]])
        assert describe_channel(db, summarize_streams(db), summarize_people(db))[0] == (
            "1 stream holds 1 row of chat by 1 person, 0 of whom typed a message."
        )
        db.save_chat(live, rows)
        db.save_chat(replay, [rows[0], *rows[4:], Message("new", "text_message", 60.0, "u1", "u1")])
        db.save_chat(Stream("youtube", "b", state="no_replay"))
        answer = describe_channel(db, summarize_streams(db), summarize_people(db))
    assert answer == [
        "2 streams hold 10 rows of chat by 9 people, 7 of whom typed a message.",
        "3 people (33 %) paid, 3 times in all.",
        "Most was written in “One”: 10 rows by 7 people.",
        "Not every chat is whole: 1 no_replay.",
        "One: the replay lacks 2 of 3 Super Chats and 1 of 7 messages; the capture lacks 1 of 7 messages.",
    ]
