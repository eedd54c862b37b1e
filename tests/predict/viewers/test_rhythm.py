import numpy as np
import pytest

from chatlib.predict.viewers.rhythm import RHYTHM_COLUMNS, build_rhythm


def make(rows):
    """Rows are (author, day, paid)."""
    author, day, paid = (np.array(column) for column in zip(*rows, strict=True))
    return build_rhythm(author, day.astype(float), paid.astype(bool))


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
    table = build_rhythm(author, day, paid)
    assert list(table) == list(RHYTHM_COLUMNS)
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


def test_no_rows_are_no_rows():
    assert len(build_rhythm(np.empty(0, int), np.empty(0), np.empty(0, bool))) == 0
