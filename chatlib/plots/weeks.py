"""Hundreds of streams in one figure: by week, on a true time axis, the median and the range."""

from __future__ import annotations

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes

from chatlib.plots.style import COLORS

__all__ = ["draw_week_bars", "draw_weeks", "has_many_streams", "label_weeks", "summarize_weeks"]

_MOST_STREAMS = 60  # as many as are discernible one by one
_SAME_DAY = 4  # streams on one day are hardly broadcasts of that day
_SAME_DAY_SHARE = 0.2


def has_many_streams(streams: pd.DataFrame) -> bool:
    """Return whether streams are drawn by week: more than 60, and most of them with a date."""
    return len(streams) > _MOST_STREAMS and bool(streams["started_at"].notna().mean() > 0.5)


def summarize_weeks(streams: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column by week of `started_at`: median, low, high, total; NaN, and 0 in all, without a stream.

    The index is each week's Monday. Streams without a date are left out.
    """
    dated = streams[streams["started_at"].notna()]
    days = pd.to_datetime(dated["started_at"], utc=True, format="ISO8601").dt.tz_localize(None)
    values = pd.Series(dated[column].to_numpy(dtype=float), index=pd.DatetimeIndex(days))
    weeks = values.resample("W-MON", label="left", closed="left")
    return pd.DataFrame(
        {"median": weeks.median(), "low": weeks.min(), "high": weeks.max(), "total": weeks.sum()}
    )


def draw_weeks(
    axes: Axes, streams: pd.DataFrame, column: str, *, color: str, name: str, scale: float = 1.0
) -> None:
    """Draw a column's median by week as a line, and its range as a band."""
    weeks = scale * summarize_weeks(streams, column)
    axes.fill_between(weeks.index, weeks["low"], weeks["high"], color=COLORS[color], alpha=0.22, lw=0)
    axes.plot(weeks.index, weeks["median"], "o-", ms=3, lw=1.4, color=COLORS[color], label=name)


def draw_week_bars(axes: Axes, streams: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> None:
    """Draw the totals of columns by week, one on the other; `columns` maps each to its colour and name."""
    bottom: pd.Series | float = 0.0
    for column, (color, name) in columns.items():
        total = summarize_weeks(streams, column)["total"]
        axes.bar(total.index, total, bottom=bottom, width=5.5, align="edge", color=COLORS[color], label=name)
        bottom = total + bottom


def label_weeks(axes: Axes, streams: pd.DataFrame, *, shows: str = "line: median, band: range") -> None:
    """Label the time axis with what is drawn, and say where the dates look like those of uploads."""
    locator = mdates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    days = streams["started_at"].dropna().astype(str).str[:10]
    crowded = days.map(days.value_counts()) >= _SAME_DAY
    note = "; dates may be of the upload" if crowded.mean() > _SAME_DAY_SHARE else ""
    axes.set_xlabel(f"week of the stream, {shows}{note}")
