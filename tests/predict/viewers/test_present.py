import numpy as np
import pandas as pd
import pytest

from chatlib.predict import Question
from chatlib.predict.viewers.people import load_people
from chatlib.predict.viewers.present import PRESENT_COLUMNS
from chatlib.store import open_store
from tests.predict.channels import SMALL, make_channel, save, say


def ask(db, question, video_id, **settings):
    """The rows of one stream, by name."""
    people = load_people(db, Question(question, **settings))
    stream_id = db.load_streams().set_index("video_id")["stream_id"][video_id]
    table = people.table[people.table["stream_id"] == stream_id]
    names = db.load_authors().set_index("author")["name"]
    return table.set_index(names.loc[table["author"]].to_numpy()).sort_index()


def test_at_arrival_the_first_message_alone_is_known(small):
    third = ask(small, "arrival", "c")
    # eve joined and wrote nothing; dan's first message of his own comes after he has paid.
    assert third["paid"].to_dict() == {"ann": True, "bob": False}
    assert third["moment_s"].to_dict() == {"ann": 10, "bob": 20}
    assert third["chars_mean"].to_dict() == {"ann": len("hello again"), "bob": 2}
    assert third.loc["bob", ["n_viewers", "payments_so_far"]].tolist() == [2, 0]
    assert third.loc["ann", ["paid_visits", "days_since_paid", "visits"]].tolist() == [1, 21, 1]
    first = ask(small, "arrival", "a")
    assert first.loc["ann", ["visits", "paid_visits"]].tolist() == [0, 0] and first.loc["ann", "paid"]
    assert first.loc["ann", ["days_since_paid", "last_messages", "member"]].isna().all()
    assert "owner" not in first.index


def test_at_the_landmark_who_has_paid_is_not_asked_about(small):
    third = ask(small, "forecast", "c", landmark_min=0.5)
    assert third["paid"].to_dict() == {"ann": True, "bob": False} and set(third["moment_s"]) == {30}
    assert third.loc["bob", ["n_messages", "since_first_s", "payments_so_far"]].tolist() == [1, 10, 1]
    assert third.loc["bob", "since_payment_s"] == 0  # dan's cheer at 30 s
    second = ask(small, "forecast", "b", landmark_min=0.5)
    assert list(second.index) == ["bob"]
    with pytest.raises(KeyError):  # cyd's sticker is no message of hers
        second.loc["cyd"]


def test_a_stream_shorter_than_the_landmark_asks_nobody(tmp_path):
    with open_store(tmp_path / "short.dbs", create=True) as db:
        save(db, {name: SMALL[name] for name in "ab"})
        longer = [say(100.0, "ann", "hi"), say(4000.0, "ann", "take it", kind="paid_message")]
        save(db, {"c": (SMALL["c"][0], longer)})
        people = load_people(db, Question("forecast", landmark_min=60))
    assert len(people.table) == 1 and people.table["paid"].all()


def test_emotes_that_members_alone_use_are_counted_on_both_sites(tmp_path):
    badge = {"badges": ["6-Month Subscriber"]}
    rows = [say(float(i), f"v{i}", "abcHello there", **badge) for i in range(5)]
    rows += [say(10.0 + i, f"v{i}", "xyzLaugh") for i in range(5)]  # which everybody may use
    rows += [say(15.0 + i, f"w{i}", "xyzLaugh") for i in range(6)]
    rows += [
        say(20.0, "new", "abcHello abcBye"),
        say(21.0, "new", "my first sub"),
        say(22.0, "v", ":_Hello:"),
    ]
    with open_store(tmp_path / "emotes.dbs", create=True) as db:
        save(db, {"a": (SMALL["a"][0], [*rows, say(30.0, "new", "took it", kind="paid_message")])})
        save(db, {"b": (SMALL["b"][0], rows)})
        table = ask(db, "retrospective", "a")
    emotes, money = table["member_emotes_mean"], table["money_words_sum"]
    assert emotes[emotes > 0].to_dict() == {**{f"v{i}": 0.5 for i in range(5)}, "new": 1, "v": 1}
    assert money[money > 0].to_dict() == {"new": 1} and len(table) == 13


def test_in_retrospect_all_that_is_no_payment_is_known(small):
    first = ask(small, "retrospective", "a")
    assert first["paid"].to_dict() == {"ann": True, "bob": False}
    assert first["n_messages"].to_dict() == {"ann": 2, "bob": 2}
    assert first["longest_gap_s"].to_dict() == {"ann": 65, "bob": 90}
    assert first["moment_s"].isin([np.inf]).all()


@pytest.mark.parametrize("question", PRESENT_COLUMNS)
def test_what_comes_after_the_moment_asked_about_changes_no_number(tmp_path, question):
    streams = make_channel()
    last = max(streams)
    start, rows = streams[last]
    changed = []
    for row in rows:
        late = question != "retrospective" and row.offset_s > 1800
        changed.append(row._replace(text="other words", badges='["Member (2 years)"]') if late else row)
    new = [say(3599.5, "nobody", "!"), say(3599.6, "someone", "x", kind="paid_message")]
    tables = []
    for name, content in (
        ("as", rows),
        ("changed", [*changed, *(new if question != "retrospective" else [])]),
    ):
        with open_store(tmp_path / f"{name}.dbs", create=True) as db:
            save(db, streams | {last: (start, content)})
            table = ask(db, question, last, landmark_min=30)
        tables.append(table[table["moment_s"] <= 1800] if question == "arrival" else table)
    columns = list(load_columns(question))
    assert len(tables[0]) > 10
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])


def load_columns(question):
    return ("paid", *PRESENT_COLUMNS[question])
