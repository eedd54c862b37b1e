"""Hundreds of streams are drawn by week."""

import numpy as np
import pandas as pd
import pytest

from chatlib.plots.analyze import plot_channel, plot_income, plot_retention
from chatlib.plots.collect import has_many_streams, plot_streams, summarize_weeks

COLUMNS = (
    "users", "chats_per_min", "best_minute", "people", "new", "returning", "value", "memberships", "gifts",
    "stream_id", "messages", "donors",
)  # fmt: skip


def make_streams(n):
    starts = [day.isoformat() for day in pd.date_range("2026-01-05", periods=n, tz="UTC")]  # from a Monday on
    table = pd.DataFrame({"started_at": starts, **dict.fromkeys(COLUMNS, range(1, n + 1))})
    return table.assign(returning_share=0.5, members_share=0.1)


def test_a_week_has_its_median_range_and_total_and_an_empty_one_none():
    streams = make_streams(9)
    streams.loc[8, "started_at"] = "2026-01-20T00:00:00+00:00"
    weeks = summarize_weeks(streams, "users")
    assert [str(day)[:10] for day in weeks.index] == ["2026-01-05", "2026-01-12", "2026-01-19"]
    assert weeks.loc["2026-01-05"].tolist() == [4, 1, 7, 28]
    assert weeks.loc["2026-01-12"].tolist() == [8, 8, 8, 8]
    streams.loc[7, "started_at"] = None
    assert summarize_weeks(streams, "users")["total"].tolist() == [28, 0, 9]


@pytest.mark.parametrize(
    "plot", [plot_channel, plot_retention, lambda t: plot_income(t, currency="USD"), plot_streams]
)
def test_more_than_sixty_streams_are_drawn_by_week(plot):
    few, many = make_streams(60), make_streams(61)
    assert not has_many_streams(few) and has_many_streams(many)
    assert not has_many_streams(many.assign(started_at=None))
    assert "week" not in plot(few).axes[-1].get_xlabel()
    figure = plot(many)
    figure.canvas.draw()
    assert "week" in figure.axes[-1].get_xlabel() and "upload" not in figure.axes[-1].get_xlabel()
    same_day = many.assign(started_at=["2026-01-05T00:00:00+00:00"] * 30 + many["started_at"].tolist()[30:])
    assert "may be of the upload" in plot(same_day).axes[-1].get_xlabel()


def test_new_streams_stand_out_where_the_others_are_drawn_by_week():
    figure = plot_streams(make_streams(70), new=[70])
    lines = {line.get_label(): len(line.get_xdata()) for line in figure.axes[0].lines}
    assert lines == {"streams of a week": 10, "new": 1}
    assert np.ptp(plot_streams(make_streams(1)).axes[1].get_xlim()) == 8  # days around one stream
