import numpy as np
import pytest

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict.audits import check_inputs
from chatlib.predict.questions import Question
from chatlib.predict.viewers.table import count_periods, load_viewers, require_donors
from chatlib.store import open_store
from chatlib.times import DateSplit
from tests.predict.channels import day, save, say


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


def test_who_paid_by_the_landmark_is_out(small):
    rows, _ = named(small, load_viewers(small, Question("forecast", landmark_min=35 / 60)))
    assert rows["a", "ann"]["paid"] and rows["c", "ann"]["paid"]
    assert ("c", "dan") not in rows, "dan paid before the landmark"


def test_a_payment_without_a_time_puts_a_viewer_out_of_the_forecast(tmp_path):
    rows = [
        say(1, "ann", "hi"),
        say(None, "ann", "x", kind="paid_message"),
        say(2, "bob", "hi"),
        say(9, "bob", "?"),
    ]
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        assert named(db, load_viewers(db, Question("forecast", landmark_min=0.05)))[0].keys() == {
            ("a", "bob")
        }
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
