import numpy as np
import pandas as pd

from chatlib.predict.viewers.history import HISTORY_COLUMNS, build_history, rank_dates


def attend(author, *, n_rows=1, n_paid=0, n_gifts=0, badges="[]"):
    return {
        "author": author,
        "n_rows": n_rows,
        "n_paid": n_paid,
        "n_gifts": n_gifts,
        "last_badges": badges,
    }


def test_one_author_over_four_days():
    rows = [
        attend(1, n_rows=5, n_paid=2, n_gifts=1, badges='["VIP"]'),
        attend(1, n_rows=3),
        attend(1, n_rows=2, n_paid=1),
        attend(1, n_rows=7),
    ]
    history = build_history(pd.DataFrame(rows), dates=(d := np.array([0.0, 2.0, 5.0, 9.0])), stream_dates=d)
    assert history["past_streams"].tolist() == [0, 1, 2, 3]
    assert history["past_messages"].tolist() == [0, 5, 8, 10]
    assert history["past_paid_streams"].tolist() == [0, 1, 1, 2]
    assert history["past_payments"].tolist() == [0, 2, 2, 3]
    assert history["past_gifts"].tolist() == [0, 1, 1, 1]
    assert history["past_streams_of_channel"].tolist() == [0, 1, 2, 3]
    same = np.testing.assert_array_equal
    same(history["days_since_first_seen"], [np.nan, 2, 5, 9])
    same(history["days_since_seen"], [np.nan, 2, 3, 4])
    same(history["days_since_paid"], [np.nan, 2, 5, 4])
    same(history["days_between_payments"], [np.nan, np.nan, np.nan, 5])
    assert history["badges"].iloc[1:].tolist() == ['["VIP"]', "[]", "[]"]


def test_streams_of_one_day_know_nothing_of_each_other():
    rows = [attend(1, n_paid=1), attend(1), attend(1)]
    history = build_history(pd.DataFrame(rows), dates=(d := np.array([3.0, 3.0, 4.0])), stream_dates=d)
    assert history["past_streams"].tolist() == [0, 0, 2]
    assert history["past_payments"].tolist() == [0, 0, 1]


def test_authors_are_kept_apart_whatever_the_order_of_rows():
    rows = [attend(2), attend(1, n_paid=4), attend(2, n_rows=9), attend(1)]
    history = build_history(pd.DataFrame(rows), dates=(d := np.array([7.0, 1.0, 1.0, 7.0])), stream_dates=d)
    assert history["past_payments"].tolist() == [0, 0, 0, 4]
    assert history["past_messages"].tolist() == [9, 0, 0, 1]


def test_no_row_at_all():
    empty = pd.DataFrame([attend(1)]).iloc[:0]
    history = build_history(empty, dates=np.array([]), stream_dates=np.array([]))
    assert len(history) == 0 and list(history.columns) == [*HISTORY_COLUMNS, "badges"]


def test_dates_with_and_without_time_are_days():
    dates = pd.Series(["1970-01-02", "1970-01-02T12:00:00+00:00", "1970-01-02T12:00:00+12:00"])
    assert rank_dates(dates).tolist() == [1.0, 1.5, 1.0]
