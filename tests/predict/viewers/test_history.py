import numpy as np
import pandas as pd
import pytest

from chatlib.predict.viewers.history import HISTORY_COLUMNS, RHYTHM_COLUMNS, build_history, to_days


def attend(author, *, n_rows=1, n_paid=0, n_gifts=0, badges="[]"):
    return {
        "author": author,
        "n_rows": n_rows,
        "n_paid": n_paid,
        "n_gifts": n_gifts,
        "last_badges": badges,
    }


def build(rows, days):
    return build_history(pd.DataFrame(rows).assign(day=days), stream_dates=days)


def test_one_author_over_four_days():
    rows = [
        attend(1, n_rows=5, n_paid=2, n_gifts=1, badges='["VIP"]'),
        attend(1, n_rows=3),
        attend(1, n_rows=2, n_paid=1),
        attend(1, n_rows=7),
    ]
    history = build(rows, np.array([0.0, 2.0, 5.0, 9.0]))
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
    history = build(rows, np.array([3.0, 3.0, 4.0]))
    assert history["past_streams"].tolist() == [0, 0, 2]
    assert history["past_payments"].tolist() == [0, 0, 1]


def test_authors_are_kept_apart_whatever_the_order_of_rows():
    rows = [attend(2), attend(1, n_paid=4), attend(2, n_rows=9), attend(1)]
    history = build(rows, np.array([7.0, 1.0, 1.0, 7.0]))
    assert history["past_payments"].tolist() == [0, 0, 0, 4]
    assert history["past_messages"].tolist() == [9, 0, 0, 1]


def test_no_row_at_all():
    empty = pd.DataFrame([attend(1)]).iloc[:0].assign(day=0.0)
    history = build_history(empty, stream_dates=np.array([]))
    assert len(history) == 0 and list(history.columns) == [*HISTORY_COLUMNS, *RHYTHM_COLUMNS, "badges"]


def test_dates_with_and_without_time_are_days():
    dates = pd.Series(["1970-01-02", "1970-01-02T12:00:00+00:00", "1970-01-02T12:00:00+12:00"])
    assert to_days(dates).tolist() == [1.0, 1.5, 1.0]


def make(rows):
    """Rows are (author, day, paid)."""
    table = [attend(author, n_paid=int(paid)) for author, _, paid in rows]
    return build(table, np.array([float(day) for _, day, _ in rows]))


def test_a_monthly_habit_is_seen_from_the_day_of_the_next_stream():
    table = make([(1, 0, True), (1, 5, False), (1, 31, True), (1, 40, False), (1, 62, False), (2, 62, True)])
    row = table.iloc[4]
    assert row["days_since_paid_before_last"] == 62
    assert row["day_of_paid_month"] == pytest.approx((62 - 31) % 30.44)
    assert row["streams_since_paid"] == 1
    assert row["paid_last_40_days"] == 1 and row["paid_last_95_days"] == 2
    assert row["paid_per_stream"] == pytest.approx(2 / 5)
    assert row["paid_per_month"] == pytest.approx(2 / (1 + 62 / 30.44))
    assert row["attended_last_30_days"] == 1 and row["attended_last_60_days"] == 3


def test_streams_let_pass_after_the_month_count():
    table = make([(1, 0, True), (1, 29, False), (1, 30, False), (1, 44, False), (1, 50, False)])
    assert table["streams_since_paid_month"].tolist()[2:] == [0, 0, 1]  # not that of day 30 itself


def test_newcomers_and_the_same_day_know_nothing():
    table = make([(1, 3, True), (1, 3, False), (2, 3, False)])
    assert (table[["paid_last_40_days", "attended_last_week", "paid_per_stream"]] == 0).all(axis=None)
    assert (
        table[["days_since_paid_before_last", "day_of_paid_month", "streams_since_paid"]]
        .isna()
        .all(axis=None)
    )


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_counting_by_hand_gives(seed):
    rng = np.random.default_rng(seed)
    n = 120
    author, day, paid = rng.integers(0, 6, n), rng.integers(0, 90, n) * 1.0, rng.random(n) < 0.3
    table = make(list(zip(author, day, paid, strict=True)))
    for i in range(n):
        past = (author == author[i]) & (day < day[i])
        payments = np.sort(day[past & paid])
        assert table["paid_last_40_days"][i] == (payments > day[i] - 40).sum()
        assert table["attended_last_week"][i] == (day[past] > day[i] - 7.5).sum()
        assert table["paid_per_stream"][i] == pytest.approx(len(payments) / (1 + past.sum()))
        if len(payments):
            assert table["streams_since_paid"][i] == (day[past] > payments[-1]).sum()
            assert table["streams_since_paid_month"][i] == (day[past] > payments[-1] + 30).sum()
        else:
            assert np.isnan(table["streams_since_paid"][i])
