"""Time runs one way."""

import pandas as pd
import pytest

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.times import split_by_date


def make_streams(dates):
    return pd.DataFrame(
        {"stream_id": range(len(dates)), "video_id": map(str, range(len(dates))), "started_at": dates}
    )


def test_shares_are_of_streams_in_order_of_date():
    streams = make_streams([f"2026-01-{day:02}" for day in range(20, 0, -1)])
    split = split_by_date(streams, train=0.6, validation=0.15)
    assert split.train == list(range(19, 7, -1))
    assert split.validation == [7, 6, 5]
    assert split.test == [4, 3, 2, 1, 0]


def test_streams_of_one_date_stay_together():
    streams = make_streams(
        ["2026-01-01", "2026-01-02", "2026-01-02", "2026-01-02", "2026-01-03", "2026-01-04"]
    )
    assert split_by_date(streams, train=0.4, validation=0.2) == ([0, 1, 2, 3], [4], [5])


def test_streams_without_a_date_are_left_out():
    streams = make_streams(["2026-01-01", None, "2026-01-02", "2026-01-03"])
    assert split_by_date(streams, train=0.34, validation=0.33) == ([0], [2], [3])


def test_what_cannot_be_split_is_told():
    with pytest.raises(NotEnoughData, match="dates to streams"):
        split_by_date(make_streams(["2026-01-01"] * 5))
    with pytest.raises(ParameterError, match="leave a test"):
        split_by_date(make_streams(["2026-01-01"]), train=0.9, validation=0.1)
