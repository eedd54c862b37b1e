import numpy as np
import pandas as pd
import pytest

from chatlib.predict.viewers.history import AsOf, to_days


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
