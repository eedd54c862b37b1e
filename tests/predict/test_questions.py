import numpy as np
import pytest

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict import ARRIVAL, FORECAST, QUESTIONS, Question
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import SMALL, day, save, say


def ask(db, question):
    """Who is asked about, by (stream, name), and whether they pay."""
    viewers = load_viewers(db, question)
    names = db.load_authors().set_index("author")["name"]
    keys = zip(viewers.table["stream_id"], names[viewers.table["author"]], strict=True)
    return dict(zip(keys, viewers.paid.tolist(), strict=True)), viewers


def test_an_unknown_question_names_the_nearest():
    with pytest.raises(ParameterError, match=r"next_steam'. Did you mean next_stream\?$"):
        Question("next_steam")
    with pytest.raises(ParameterError, match=r"retrospective, got 'x'\.$"):
        Question("x")


def test_the_terms_hold_the_numbers():
    assert Question(FORECAST, landmark_min=45).terms.moment == "45 minutes after the start"
    assert all(len(Question(name).terms.asks) > 20 for name in QUESTIONS)


def test_at_arrival_one_message_is_known_and_later_payments_are_asked_about(small):
    asked, viewers = ask(small, Question(ARRIVAL))
    assert asked == {
        (1, "ann"): True,
        (1, "bob"): False,
        (2, "bob"): False,
        (3, "ann"): True,
        (3, "bob"): False,
    }, "dan had paid before the first message, cyd wrote none"
    assert np.diff(viewers.starts).tolist() == [1] * 5
    assert viewers.offsets_s.tolist() == viewers.table["input_end_s"].tolist() == [-5, 10, 10, 10, 20]


def test_of_two_messages_in_one_second_the_first_is_the_arrival(tmp_path):
    rows = [say(5, "ann", "one", message_id="1"), say(5, "ann", "two", message_id="2")]
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        viewers = load_viewers(db, Question(ARRIVAL))
    assert [viewers.texts[code] for code in viewers.text_codes] == ["one"]


def test_streams_that_end_before_the_landmark_are_left_out_and_counted(tmp_path):
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"short": SMALL["a"], "long": (day(2), [say(1, "ann", "hi"), say(119, "bob", "hi")])})
        asked, viewers = ask(db, Question(FORECAST, landmark_min=110 / 60))
        assert asked == {(2, "ann"): False}
        assert viewers.exclusions["in a stream that ends before the landmark"] == 3
        with pytest.raises(NotEnoughData, match="must be a viewer with a message"):
            load_viewers(db, Question(FORECAST))
