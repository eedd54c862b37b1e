"""Who writes, who comes back, and what was paid: two streams that can be counted by eye."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from chatlib.analyze import people
from chatlib.errors import ParameterError
from chatlib.records import Message, Stream
from chatlib.store import open_store

MEMBER = '["Member (6 months)"]'
DAY_US = 1_700_000_000_000_000  # 14 November 2023


def say(i, who, offset_s=1.0, **more):
    return Message(str(i), "text_message", offset_s, who and f"id-{who}", who, text="hi", **more)


def pay(i, who, amount, currency, kind="paid_message", **more):
    return Message(
        str(i), kind, 5.0, who and f"id-{who}", who, amount_text=f"{currency} {amount}", amount=amount,
        currency=currency, **more,
    )  # fmt: skip


@pytest.fixture
def db(tmp_path):
    with open_store(tmp_path / "chat.db", create=True) as store:
        first = [
            say(1, "ann"), say(2, "ann", 2.0), say(3, "bob", badges=MEMBER), say(4, "Nightbot"), say(5, None),
            pay(6, "ann", "10", "USD"), pay(6, "ann", "10", "USD", "ticker_paid_message_item"),
            pay(7, "eve", "1000", "JPY", timestamp_us=DAY_US), pay(8, "eve", "9", "XYZ"),
            Message("9", "membership_item", 6.0, "id-bob", "bob"),
        ]  # fmt: skip
        second = [
            say(1, "ann"),
            say(2, "cleo"),
            Message("3", "raid", 2.0),
            pay(4, "eve", "5", "USD", "paid_sticker"),
        ]
        store.save_chat(Stream("youtube", "one", started_at="2023-11-14T10:00:00+00:00"), first)
        store.save_chat(Stream("youtube", "two", started_at="2023-11-15T10:00:00+00:00"), second)
        store.save_chat(Stream("youtube", "silent", started_at="2023-11-16"))
        yield store


def test_viewers_are_people_with_a_chat_message(db):
    viewers = people.load_viewers(db, leave_out=["@nightBot"])
    rows = viewers[["stream_id", "name", "chats", "first_s", "member"]].values.tolist()
    assert rows == [
        [1, "ann", 2, 1.0, False],
        [1, "bob", 1, 1.0, True],
        [2, "ann", 1, 1.0, False],
        [2, "cleo", 1, 1.0, False],
    ]
    assert len(people.load_viewers(db)) == 5


def test_retention_tells_new_people_from_returning_ones(db):
    table = people.summarize_retention(people.load_viewers(db), db.load_streams())
    assert table[["video_id", "people", "new", "returning", "returning_share"]].values.tolist() == [
        ["one", 3, 3, 0, 0.0],
        ["two", 2, 1, 1, 0.5],
    ]
    assert table["members_share"].tolist() == [pytest.approx(1 / 3), 0.0]
    assert table["chats"].tolist() == [4, 2]


def test_loyalty_counts_streams_per_person(db):
    table = people.summarize_loyalty(people.load_viewers(db))
    assert table.values.tolist() == [["1", 3, 0.75, 0.5], ["2-4", 1, 0.25, 0.5]]


def test_talkers_bear_their_names_or_numbers(db):
    viewers = people.load_viewers(db)
    names = people.label_people(viewers, anonymize=False)
    assert people.find_talkers(viewers, names, top=1).values.tolist() == [["ann", 3, 0.5, 2, False]]
    numbers = people.label_people(viewers, anonymize=True)
    table = people.find_talkers(viewers, numbers)
    assert table["who"].tolist() == ["viewer 1", "viewer 2", "viewer 3", "viewer 4"]


def test_nobody_is_an_empty_table_everywhere(db):
    viewers = people.load_viewers(db).head(0)
    assert people.summarize_retention(viewers, db.load_streams()).empty
    assert people.summarize_loyalty(viewers).empty
    assert people.find_talkers(viewers, {}).empty
    assert people.label_people(viewers, anonymize=True) == {}


def test_concentration_is_the_share_of_the_largest_tenth():
    assert people.measure_concentration([91, *[1] * 9]) == 0.91
    assert np.isnan(people.measure_concentration([5] * 9)), "no tenth of nine people"


def test_payments_are_loaded_once_each_with_their_day(db):
    events = people.load_events(db)
    assert events["kind"].tolist() == [
        "paid_message", "paid_message", "paid_message", "membership_item", "raid", "paid_sticker",
    ]  # fmt: skip
    assert events["day"].tolist()[:2] == [dt.date(2023, 11, 14)] * 2


def test_donations_are_converted_at_the_rate_of_their_day(db):
    events = people.convert_events(people.load_events(db), to="USD")
    assert events["value"].tolist()[0] == 10
    assert events["value"].tolist()[1] == pytest.approx(6.6, abs=0.2)  # 1,000 yen on that day
    assert events["value"].isna().tolist() == [False, False, True, True, True, False]
    table = people.summarize_currencies(events).set_index("currency")
    assert table.loc["USD", ["donations", "amount", "value"]].tolist() == [2, Decimal(15), 15.0]
    assert table.loc["XYZ", ["donations", "rate_missing"]].tolist() == [1, 1]


def test_bits_are_a_cent_each(db):
    db.save_chat(Stream("twitch", "t", started_at="2023-11-17"), [say(1, "dan", bits=150)])
    events = people.convert_events(people.load_events(db), to="USD")
    assert events["value"].iloc[-1] == 1.5
    assert people.summarize_events(events)["what"].tolist()[-1] == "messages with bits (150 bits)"


def test_income_has_a_row_for_every_stream(db):
    events = people.convert_events(people.load_events(db), to="USD")
    table = people.summarize_income(events, db.load_streams()).set_index("video_id")
    assert table.loc["one", ["donations", "donors", "memberships", "gifts"]].tolist() == [2, 2, 1, 0]
    assert table.loc["two", "value"] == 5
    assert table.loc["silent", ["value", "donations"]].tolist() == [0, 0]


def test_months_have_a_row_for_every_currency(db):
    db.save_chat(Stream("twitch", "t", started_at="2023-12-01"), [say(1, "dan", bits=150)])
    db.save_chat(Stream("youtube", "undated"), [pay(1, "ann", "3", "EUR")])
    events = people.convert_events(people.load_events(db), to="USD")
    table = people.summarize_months(events)
    rows = table[["month", "currency", "donations", "amount", "rate_missing"]].values.tolist()
    assert rows == [
        ["2023-11", "USD", 2, Decimal(15), 0],
        ["2023-11", "JPY", 1, Decimal(1000), 0],
        ["2023-11", "XYZ", 1, Decimal(9), 1],
        ["2023-12", "bits", 1, Decimal(150), 0],
        ["no date", "EUR", 1, Decimal(3), 0],
    ]
    assert table["value"].sum() == pytest.approx(events["value"].sum())
    assert people.summarize_currencies(events)["currency"].tolist() == ["USD", "JPY", "EUR", "bits", "XYZ"]


def test_the_payments_of_one_stream_add_up_in_time_order(db):
    db.save_chat(
        Stream("twitch", "t", started_at="2023-12-01"),
        [
            say(1, "dan", 9.0, bits=150),
            say(2, "dan", 3.0, bits=50),
            Message("3", "mystery_subscription_gift", 4.0, "id-dan"),
            Message("4", "resubscription", 5.0, "id-dan"),
            Message("5", "raid", 1.0, "id-dan"),
            Message("6", "raid", None, "id-dan"),
        ],
    )
    events = people.convert_events(people.load_events(db), to="USD")
    assert people.trace_income(events, 4).values.tolist() == [
        [1.0, "raids", 0.0, 0.0],
        [3.0, "donations", 0.5, 0.5],
        [4.0, "gifts", 0.0, 0.5],
        [5.0, "memberships", 0.0, 0.5],
        [9.0, "donations", 1.5, 2.0],
    ]
    first = people.trace_income(events, 1)
    assert first["what"].tolist() == ["donations"] * 3 + ["memberships"]
    assert first["value"].iloc[2] == 0  # XYZ has no rate
    assert people.trace_income(events, 3).empty


def test_the_crowd_of_a_stream_is_new_or_was_here_before(db):
    viewers = people.load_viewers(db)
    table = people.summarize_crowd(viewers, db.load_streams(), 2)
    assert table.values.tolist() == [
        ["new here", 1, 0.5, 1, 0.5],
        ["been here before", 1, 0.5, 1, 0.5],
        ["members", 0, 0.0, 0, 0.0],
        ["everybody", 2, 1.0, 2, 1.0],
    ]
    assert people.summarize_crowd(viewers, db.load_streams(), 3)["people"].tolist() == [0, 0, 0, 0]


def test_donors_are_ranked_by_what_they_gave(db):
    events = people.convert_events(people.load_events(db), to="USD")
    labels = people.label_people(people.load_viewers(db), anonymize=False)
    table = people.summarize_donors(events, labels)
    assert table["who"].tolist() == ["somebody who wrote nothing else", "ann"]
    assert table["streams"].tolist() == [2, 1]
    assert table["value_share"].sum() == pytest.approx(1)


def test_concentration_is_said_in_words(db):
    events = people.convert_events(people.load_events(db), to="USD")
    values = events.set_index("author")["value"]
    assert people.describe_concentration(people.load_viewers(db), values).startswith("Too few wrote")
    db.save_chat(Stream("youtube", "busy"), [say(n, f"w{n % 16}") for n in range(95)])
    said = people.describe_concentration(people.load_viewers(db), values)
    assert said == "The tenth of the people who write most wrote 12 % of the messages."


def test_a_currency_without_a_rate_is_refused(db):
    with pytest.raises(ParameterError, match="'DOGE'"):
        people.convert_events(people.load_events(db), to="DOGE")


def test_no_payment_at_all_is_empty_tables(db):
    events = people.convert_events(people.load_events(db).head(0), to="EUR")
    assert people.summarize_currencies(events).empty
    assert people.summarize_months(events).empty
    assert people.summarize_events(events).empty
    assert people.summarize_donors(events, {}).empty
    assert people.summarize_income(events, db.load_streams())["value"].tolist() == [0, 0, 0]


def test_a_small_chat_is_warned_of():
    assert "40 messages by 9 people" in people.format_small_chat_warning(n_messages=40, n_people=9)
    assert "(1 message by 1 person)" in people.format_small_chat_warning(n_messages=1, n_people=1)
    assert people.format_small_chat_warning(n_messages=4000, n_people=900) == ""
