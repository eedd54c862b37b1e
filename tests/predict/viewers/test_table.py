import numpy as np
import pandas as pd
import pytest

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict import QUESTIONS, Question
from chatlib.predict.audits import check_inputs
from chatlib.predict.viewers.table import count_periods, load_viewers, require_donors, select_inputs
from chatlib.records import DONATION_KINDS
from chatlib.store import open_store
from chatlib.times import DateSplit
from tests.predict.channels import SMALL, day, save, say

HONEST = {
    "message_id": "1", "kind": "text_message", "author": 7, "offset_s": 5.0, "bits": None,
    "amount_text": None, "notice": None,
}  # fmt: skip


def make_rows(*changes):
    """Messages, and a mask of those that pay."""
    table = pd.DataFrame([HONEST | change for change in changes])
    return table, (table["kind"].isin(DONATION_KINDS) | (table["bits"].astype(float) > 0)).to_numpy()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "paid_message"},
        {"kind": "membership_item"},
        {"kind": "ticker_paid_message_item"},
        {"kind": "sponsorships_gift_redemption_announcement"},
        {"bits": 100},
        {"amount_text": "$5.00"},
        {"notice": "ann subscribed at Tier 1."},
        {"author": None},
        {"offset_s": None},
    ],
)
def test_one_thing_wrong_keeps_a_row_out(change):
    assert select_inputs(*make_rows({}, {"message_id": "2"} | change)).tolist() == [True, False]


def test_plain_words_of_either_platform_pass():
    kinds = ("text_message", "highlighted_message", "send_message_in_subscriber_only_mode")
    assert select_inputs(*make_rows(*({"kind": kind} for kind in kinds))).all()


def test_what_shares_the_id_of_a_payment_is_its_echo():
    chat = make_rows({}, {"message_id": "2"}, {"message_id": "2", "kind": "paid_sticker"})
    assert select_inputs(*chat).tolist() == [True, False, False]


def texts_of(viewers):
    """What each viewer says, by (stream, author), with offsets."""
    names = viewers.table[["stream_id", "author"]].itertuples(index=False, name=None)
    result = {}
    for i, key in enumerate(names):
        span = slice(viewers.starts[i], viewers.starts[i + 1])
        said = [viewers.texts[c] for c in viewers.text_codes[span]]
        result[key] = list(zip(viewers.offsets_s[span].tolist(), said, strict=True))
    return result


def named(db, viewers):
    """Rows of the table of viewers under (video id, author id)."""
    streams = dict(db.query("SELECT stream_id, video_id FROM streams").itertuples(index=False, name=None))
    authors = dict(db.query("SELECT author, author_id FROM authors").itertuples(index=False, name=None))
    table = viewers.table
    keys = [(streams[s], authors[a]) for s, a in zip(table["stream_id"], table["author"], strict=True)]
    return dict(zip(keys, table.to_dict("records"), strict=True)), {
        keys[i]: said for i, said in enumerate(texts_of(viewers).values())
    }


def test_who_is_a_viewer_and_who_paid(small):
    rows, _ = named(small, load_viewers(small))
    assert {key: row["paid"] for key, row in rows.items()} == {
        ("a", "ann"): True,
        ("a", "bob"): False,
        ("b", "bob"): False,
        ("c", "ann"): True,
        ("c", "bob"): False,
        ("c", "dan"): True,
    }


def test_inputs_are_what_was_said_without_any_payment(small):
    _, said = named(small, load_viewers(small))
    assert said == {
        ("a", "ann"): [(-5.0, "early"), (60.0, "bye")],
        ("a", "bob"): [(10.0, "hi"), (100.0, "bye")],
        ("b", "bob"): [(10.0, "hi"), (100.0, "hi")],
        ("c", "ann"): [(10.0, "hello again")],
        ("c", "bob"): [(20.0, "hi"), (100.0, "hi")],
        ("c", "dan"): [(40.0, "nice")],
    }


def test_who_is_left_out_is_counted_by_reason(small):
    assert load_viewers(small).exclusions == {
        "streams without a date": 1,
        "the channel's owner": 1,
        "in a stream that ends before the landmark": 0,
        "paid by then": 0,
        "paid, but no other message": 1,
        "no message of their own": 1,
    }


def test_forecast_reads_until_the_landmark_and_asks_what_comes_after(small):
    rows, said = named(small, load_viewers(small, Question("forecast", landmark_min=1)))
    assert {key: row["paid"] for key, row in rows.items()} == {
        ("a", "bob"): False,
        ("b", "bob"): False,
        ("c", "ann"): True,
        ("c", "bob"): False,
    }
    assert said["a", "bob"] == [(10.0, "hi")]
    assert {row["input_end_s"] for row in rows.values()} == {60.0}, "the end of the stream is not known yet"


def test_a_payment_without_a_time_puts_a_viewer_out_of_the_forecast(tmp_path):
    rows = [
        say(1, "ann", "hi"),
        say(None, "ann", "x", kind="paid_message"),
        say(2, "bob", "hi"),
        say(9, "bob", "?"),
    ]
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        asked, _ = named(db, load_viewers(db, Question("forecast", landmark_min=0.05)))
        assert asked.keys() == {("a", "bob")}
        assert named(db, load_viewers(db))[0]["a", "ann"]["paid"]


def test_no_input_is_a_payment(small, channel):
    for db in (small, channel):
        for question in (Question("retrospective"), Question("forecast", landmark_min=0.05)):
            viewers = load_viewers(db, question)
            assert check_inputs(db, viewers) == len(viewers.positions) > 0


def test_an_empty_stream_changes_nothing(small):
    before = load_viewers(small).table
    save(small, {"empty": (day(9), [])})
    assert load_viewers(small).table.equals(before)


def test_no_viewer_at_all_is_one_clear_error(tmp_path):
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), []), "b": (day(2), [say(1, "ann", "x", kind="paid_message")])})
        with pytest.raises(NotEnoughData, match="must be a viewer with a message"):
            load_viewers(db)


def test_periods_are_counted(small):
    counts = count_periods(load_viewers(small), DateSplit([1], [2], [3]))
    assert counts[["viewers", "donors", "messages"]].to_dict("index") == {
        "train": {"viewers": 2, "donors": 1, "messages": 4},
        "validation": {"viewers": 1, "donors": 0, "messages": 2},
        "test": {"viewers": 3, "donors": 2, "messages": 4},
    }


def test_a_period_without_a_donor_is_one_clear_error(small):
    with pytest.raises(NotEnoughData, match=r"train 1 of 2 viewers, validation 0 of 1 viewers, test 2 of 3"):
        require_donors(load_viewers(small), DateSplit([1], [2], [3]))


@pytest.mark.parametrize(
    "wrong", [{"name": "both"}, {"landmark_min": np.nan}, {"landmark_min": 0.0}, {"days": -1}]
)
def test_a_question_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        Question(**wrong)


def test_an_unknown_question_names_the_nearest():
    with pytest.raises(ParameterError, match=r"next_steam'. Did you mean next_stream\?$"):
        Question("next_steam")
    with pytest.raises(ParameterError, match=r"retrospective, got 'x'\.$"):
        Question("x")


def test_the_terms_hold_the_numbers():
    assert Question("forecast", landmark_min=45).terms.moment == "45 minutes after the start"
    assert all(len(Question(name).terms.asks) > 20 for name in QUESTIONS)


def test_at_arrival_one_message_is_known_and_later_payments_are_asked_about(small):
    viewers = load_viewers(small, Question("arrival"))
    asked = [(*key, row["paid"]) for key, row in named(small, viewers)[0].items()]
    known = ["a ann True", "a bob False", "b bob False", "c ann True", "c bob False"]
    assert [" ".join(map(str, row)) for row in asked] == known, "dan had paid before, cyd wrote none"
    assert np.diff(viewers.starts).tolist() == [1] * 5
    assert viewers.offsets_s.tolist() == viewers.table["input_end_s"].tolist() == [-5, 10, 10, 10, 20]


def test_of_two_messages_in_one_second_the_first_is_the_arrival(tmp_path):
    rows = [say(5, "ann", "one", message_id="1"), say(5, "ann", "two", message_id="2")]
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        viewers = load_viewers(db, Question("arrival"))
    assert [viewers.texts[code] for code in viewers.text_codes] == ["one"]


def test_streams_that_end_before_the_landmark_are_left_out_and_counted(tmp_path):
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"short": SMALL["a"], "long": (day(2), [say(1, "ann", "hi"), say(119, "bob", "hi")])})
        viewers = load_viewers(db, Question("forecast", landmark_min=110 / 60))
        assert viewers.paid.tolist() == [False] and set(viewers.table["stream_id"]) == {2}
        assert viewers.exclusions["in a stream that ends before the landmark"] == 3
        with pytest.raises(NotEnoughData, match="must be a viewer with a message"):
            load_viewers(db, Question("forecast"))
