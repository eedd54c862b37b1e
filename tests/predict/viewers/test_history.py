import numpy as np
import pandas as pd
import pytest

from chatlib.predict.viewers.history import MONTH, AsOf, Clock, to_days


def test_dates_with_and_without_time_are_days():
    dates = pd.Series(["1970-01-02", "1970-01-02T12:00:00+00:00", "1970-01-02T12:00:00+12:00"])
    assert to_days(dates).tolist() == [1.0, 1.5, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_strictly_earlier_events_are_what_counting_by_hand_gives(seed):
    rng = np.random.default_rng(seed)
    people, days = rng.integers(0, 6, 120), rng.integers(0, 90, 120) * 1.0
    past = AsOf(people, days, asked=people, when=days)
    last, n, lately = past.at(days, -1), past.count(), past.count(40.0)
    for i in range(120):
        before = np.sort(days[(people == people[i]) & (days < days[i])])
        assert n[i] == len(before) and lately[i] == (before > days[i] - 40).sum()
        assert last[i] == before[-1] if len(before) else np.isnan(last[i])


def make_notices(broadcast, *, n_people=60, share=0.8, seed=0):
    """What subscribers say at the first of these streams in each of their months."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n_people):
        began = -MONTH * rng.integers(0, 30) - rng.uniform(0, MONTH)
        said = 0
        for k, day in enumerate(broadcast):
            months = int((day - began) // MONTH) + 1
            if months > said and rng.random() < share:
                rows.append((k, person, months))
                said = months
    stream, person, months = np.array(rows).T
    return {"stream": stream, "person": person, "months": months}


def read_all(days, notices):
    """The dates of all streams, as known before one more."""
    clock = Clock(np.append(days, days[-1] + 2), **notices)
    return np.array([clock.read(k) for k in [len(days)]])[0][:-1]


@pytest.mark.parametrize("pause", [1.0, 7.0])
@pytest.mark.parametrize("share", [0.8, 0.1])  # of streams at which somebody tells of a new month
def test_right_dates_stay(pause, share):
    days = np.arange(0.0, 240.0, pause)
    np.testing.assert_array_equal(read_all(days, make_notices(days, share=share)), days)


def test_a_batch_of_uploads_moves_to_when_it_was_broadcast():
    broadcast = np.arange(0.0, 240.0, 3.0)
    dated = broadcast.copy()
    dated[50:65] = broadcast[50:65] + 45  # uploaded six weeks later
    found = read_all(dated, make_notices(broadcast))
    assert np.abs(found - broadcast)[50:65].mean() < 8 < np.abs(dated - broadcast)[50:65].mean()
    assert np.abs(found - broadcast)[5:50].max() < 4


def test_what_is_said_later_changes_no_date_asked_before():
    days = np.arange(0.0, 150.0, 3.0)
    notices = make_notices(days)
    known = notices["stream"] < 30
    early = {name: values[known] for name, values in notices.items()}
    one, two = Clock(days, **notices), Clock(days, **early)
    for k in (10, 29, 30):
        np.testing.assert_array_equal(one.read(k), two.read(k))


def test_one_stream_alone_is_dated_as_after_all_before_it():
    broadcast = np.arange(0.0, 180.0, 3.0)
    dated = np.where(np.arange(60) // 10 == 3, broadcast + 45, broadcast)
    notices = make_notices(broadcast)
    clock = Clock(dated, **notices)
    step_by_step = {k: clock.read(k) for k in sorted({*range(0, 60, 6), 25, 38, 59})}
    for k in (25, 38, 59):
        assert np.abs(Clock(dated, **notices).read(k) - step_by_step[k]).max() < 2
    assert (step_by_step[59][30:40] < dated[30:40] - 10).mean() > 0.8


def test_without_notices_dates_are_as_given():
    days, none = np.array([1.0, 2.0, 9.0]), np.zeros(0, np.int64)
    clock = Clock(days, stream=none, person=none, months=none)
    for k in range(3):
        np.testing.assert_array_equal(clock.read(k), days[: k + 1])
