import json

import numpy as np
import pandas as pd
import pytest

from chatlib.errors import DataError, NotEnoughData
from chatlib.predict import ARRIVAL, FORECAST, NEXT_STREAM, QUESTIONS, RETROSPECTIVE, Question
from chatlib.predict.viewers.past import build_badges
from chatlib.predict.viewers.people import FEATURE_GROUPS, NEXT, PEOPLE_COLUMNS, load_people
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import SMALL, make_channel, save, say


def rows_of(db, people, video_id):
    """The rows asked about one stream, by name."""
    streams = db.load_streams().set_index("video_id")["stream_id"]
    stream_id = NEXT if video_id is None else streams[video_id]
    table = people.table[people.table["stream_id"] == stream_id]
    names = db.load_authors().set_index("author")["name"]
    return table.set_index(names.loc[table["author"]].to_numpy()).sort_index()


def test_a_small_channel_is_as_computed_by_hand(small):
    people = load_people(small, Question(days=60))
    assert rows_of(small, people, "a").empty  # nobody was seen before the first stream
    second = rows_of(small, people, "b")
    assert second["came"].to_dict() == {"ann": False, "bob": True}  # absent ones too, the owner never
    assert not second["paid"].any()
    third = rows_of(small, people, "c")
    assert third["paid"].to_dict() == {"ann": True, "bob": False, "cyd": False}
    ann, bob, cyd = (third.loc[name] for name in ("ann", "bob", "cyd"))
    assert ann[["days_since_paid", "visits_since_paid", "streams_since_paid"]].tolist() == [21, 0, 2]
    assert ann[["visits", "visits_of_last_1", "visits_of_last_2", "visit_share"]].tolist() == [1, 0, 1, 0.5]
    assert ann["visits_half_life_3"] == pytest.approx(0.5 ** (1 / 3))
    assert ann[["member", "visits_as_member", "days_since_member"]].tolist() == [1, 1, 21]
    assert bob[["visits", "visits_in_a_row", "visits_of_last_10"]].tolist() == [2, 2, 2]
    assert bob[["last_messages", "messages_per_visit", "paid_visits", "moderator"]].tolist() == [2, 2, 0, 0]
    assert bob["days_since_visit"] == 14
    assert np.isnan(bob["days_since_paid"]) and bob["days_since_stream"] == 14
    assert cyd[["paid_visits", "days_since_paid", "usual_first_s"]].tolist() == [1, 14, 20]


def test_the_next_stream_begins_after_the_usual_pause(small):
    ahead = rows_of(small, load_people(small), None)
    assert list(ahead.index) == ["ann", "bob", "cyd", "dan", "eve"]
    assert set(ahead["started_at"]) == {"2026-02-02T08:00:00+00:00"}  # pauses of 7 and 14 days
    assert not ahead["came"].any() and not ahead["paid"].any()
    assert ahead.loc["ann", ["paid_visits", "days_between_last_payments", "gift_n"]].tolist() == [2, 21, 1]
    assert ahead.loc["dan", ["paid_visits", "tip_n"]].tolist() == [1, 1]
    # Who becomes a member of a YouTube channel has a notice, and has paid nothing in the chat.
    eve = ahead.loc["eve", ["months", "new_n", "days_since_notice", "paid_visits", "n_payments", "renewal_n"]]
    assert eve.tolist() == pytest.approx([1, 1, 10.5, 0, 0, 0])


def test_who_was_not_seen_lately_is_not_asked_about(small):
    with pytest.raises(NotEnoughData, match="seen before and then paid"):
        load_people(small, Question(days=15))  # ann, who pays on day 22, was last seen on day 1


def test_what_was_paid_is_summed_by_stream(small):
    small.connection.execute("UPDATE messages SET currency = 'USD' WHERE amount IS NOT NULL")
    amounts = load_people(small).amounts
    assert amounts["amount"].tolist() == [5.0, 2.0]
    assert set(amounts["currency"]) == {"USD"}


def test_features_equal_a_plain_recomputation(channel):
    people = load_people(channel)
    table = people.table[people.table["stream_id"] != NEXT]
    streams = channel.load_streams()
    order = {stream: k for k, stream in enumerate(streams["stream_id"])}
    seen = channel.load_attendance()
    paid = channel.load_notices().query("pays == 1")[["stream_id", "author"]].drop_duplicates()
    visits = {(order[s], a) for s, a in seen[["stream_id", "author"]].itertuples(index=False)}
    payments = {(order[s], a) for s, a in paid.itertuples(index=False)}
    assert set(table["paid"]) == {True, False}
    for row in table.sample(60, random_state=0).to_dict("records"):
        k, author = order[row["stream_id"]], row["author"]
        were = [j for j in range(k) if (j, author) in visits]
        payed = [j for j in were if (j, author) in payments]  # one stream a day
        assert row["visits"] == len(were) and row["paid_visits"] == len(payed)
        assert row["visits_of_last_5"] == sum(j >= k - 5 for j in were)
        assert row["days_since_visit"] == pytest.approx(k - were[-1], abs=1e-3)
        assert row["visits_half_life_10"] == pytest.approx(
            sum(0.5 ** ((k - 1 - j) / 10) for j in were), rel=1e-5
        )
        assert row["visits_since_paid"] == sum(j > max(payed, default=-1) for j in were)
        assert (row["came"], row["paid"]) == ((k, author) in visits, (k, author) in payments)


@pytest.mark.parametrize("k", [1, 5, 11])
def test_nothing_of_the_stream_or_later_changes_what_is_known_before_it(channel_path, tmp_path, k):
    streams, others = make_channel(), make_channel(seed=1)
    changed = {
        video: (start, messages if i < k else [*others[video][1], say(9.0, "new", "x", kind="paid_message")])
        for i, (video, (start, messages)) in enumerate(streams.items())
    }
    tables = []
    for name, content in (("as", streams), ("changed", changed)):
        with open_store(tmp_path / f"{name}.dbs", create=True) as db:
            save(db, content)
            tables.append(rows_of(db, load_people(db), f"stream-{k:02d}"))
    assert len(tables[0]) > 10
    pd.testing.assert_frame_equal(*(table[["author", *PEOPLE_COLUMNS]] for table in tables))
    assert not tables[0]["paid"].equals(tables[1]["paid"])


def test_streams_at_the_same_time_know_nothing_of_each_other(tmp_path):
    with open_store(tmp_path / "tie.dbs", create=True) as db:
        start = SMALL["c"][0]
        save(db, {name: SMALL[name] for name in "ab"} | {"c": SMALL["c"], "e": (start, SMALL["c"][1])})
        people = load_people(db)
        pd.testing.assert_frame_equal(
            *(rows_of(db, people, name)[list(PEOPLE_COLUMNS)] for name in ("c", "e"))
        )


def test_channels_are_asked_about_by_themselves(small):
    small.connection.execute("UPDATE streams SET channel_name = 'other' WHERE video_id IN ('b', 'd')")
    small.connection.execute("UPDATE streams SET channel_name = 'one' WHERE video_id IN ('a', 'c')")
    people = load_people(small)
    assert list(rows_of(small, people, "c").index) == ["ann", "bob"]
    assert people.table.groupby("channel")["author"].nunique().tolist() == [4, 2]


def test_each_feature_has_one_group():
    assert len(set(PEOPLE_COLUMNS)) == len(PEOPLE_COLUMNS) == sum(map(len, FEATURE_GROUPS.values()))


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({"d": SMALL["d"]}, "none of 1 has both"),
        ({"a": SMALL["a"]}, "there is one alone"),
        ({"b": SMALL["b"], "d": SMALL["d"]}, "there is one alone"),
        ({"a": SMALL["a"], "b": SMALL["b"]}, "seen before and then paid"),
    ],
)
def test_what_allows_no_forecast_is_one_sentence(tmp_path, streams, message):
    with open_store(tmp_path / "few.dbs", create=True) as db:
        save(db, streams)
        with pytest.raises(NotEnoughData, match=message):
            load_people(db)


def test_badges_of_both_platforms():
    ours, others = ["Member (6 months)", "Moderator"], ["subscriber", "sub-gift-leader"]
    titles = ["Mitglied (2 Jahre)", "會員 (2 個月)", "新規メンバー", "14-Month Subscriber (Tier 3)"]
    badges = pd.Series([json.dumps(ours), json.dumps(others), "[]", None, *(f'["{t}"]' for t in titles)])
    table = build_badges(badges)
    assert table.iloc[0].to_dict() == {
        "member": 1, "member_months": 6, "moderator": 1, "vip": 0, "verified": 0, "premium": 0,
        "gifter": 0, "bits": 0, "n_badges": 2,
    }  # fmt: skip
    assert (table["gifter"][1], table["member"][1]) == (1, 1)
    assert table.iloc[2].eq(0).all()
    assert table.iloc[3].isna().all()
    assert table["member"][4:].eq(1).all() and table["member_months"][4:].tolist() == [24, 2, 0, 14]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_stream_alone_gives_the_same_rows(channel, name):
    question = Question(name, landmark_min=20)
    stream_id = NEXT if name == NEXT_STREAM else 8
    everybody = load_people(channel, question).table
    alone = load_people(channel, question, only=[stream_id]).table
    expected = everybody[everybody["stream_id"] == stream_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


@pytest.mark.parametrize("name", [ARRIVAL, FORECAST, RETROSPECTIVE])
def test_numbers_and_texts_are_of_the_same_people(channel, small, name):
    for db, minutes in ((channel, 20), (small, 0.5)):
        question = Question(name, landmark_min=minutes)
        people, viewers = load_people(db, question), load_viewers(db, question)
        keys = ["stream_id", "author", "paid"]
        assert viewers.align(people.table)[keys].equals(viewers.table[keys])
        assert len(people.table) == len(viewers)


def test_a_stream_that_is_not_there_is_one_clear_error(small):
    for stream_id in (99, 4):  # unknown, and without a date
        with pytest.raises(DataError, match=f"stream {stream_id} is not"):
            load_people(small, Question(ARRIVAL), only=[stream_id])
