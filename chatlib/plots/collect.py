"""Figures of notebooks 01 and 02: what is in the chat database; hundreds of streams are drawn by week."""

from __future__ import annotations

from collections.abc import Collection

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from chatlib.plots.style import COLORS, house_style, label, new_panels, place_legend_above
from chatlib.text import format_count

__all__ = [
    "draw_week_bars",
    "draw_weeks",
    "has_many_streams",
    "label_weeks",
    "plot_kinds",
    "plot_money",
    "plot_streams",
    "summarize_weeks",
]


@house_style
def plot_streams(streams: pd.DataFrame, *, new: Collection[int] = ()) -> Figure:
    """Draw messages and donors of each stream over time, from `summarize_streams`.

    Streams whose `stream_id` is in `new` have another colour. Streams without a date are left out; where
    none has one, they stand in their order. More than 60 are drawn by week.
    """
    dated = streams[streams["started_at"].notna()]
    dates: pd.Series = pd.to_datetime(dated["started_at"], utc=True, format="ISO8601").dt.tz_localize(None)
    if undated := dated.empty:
        dated, dates = streams, pd.Series(range(1, len(streams) + 1))
    is_new = dated["stream_id"].isin(new).to_numpy()
    many = has_many_streams(streams)
    figure, (top, bottom) = new_panels(2, 1, height_in=4.6, sharex=True)
    for axes, column, unit in ((top, "messages", "Messages"), (bottom, "donors", "Donors")):
        points = [(is_new, "orange", "new")]
        if many:
            draw_weeks(axes, streams, column, color="blue", name="streams of a week")
        else:
            points.insert(0, (~is_new, "blue", "in the database before"))
        for mask, color, name in points:
            values = dated[column].to_numpy()
            axes.vlines(dates[mask], 0, values[mask], color=COLORS[color], linewidth=1.2)
            axes.plot(dates[mask], values[mask], "o", color=COLORS[color], markersize=4, label=name)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set(ylabel=f"{unit} per stream", ylim=(0, None))
    top.set_title(f"{format_count(len(dated), 'stream')}: messages and donors of each")
    label_weeks(bottom, streams)
    if not many:
        bottom.set_xlabel("Stream, none has a date" if undated else "Date of the stream (UTC)")
    if not undated and dates.nunique() == 1:  # else the axis has years
        bottom.set_xlim(dates.iloc[0] - pd.Timedelta(days=4), dates.iloc[0] + pd.Timedelta(days=4))
    if is_new.any():
        top.set_ylim(top=1.3 * dated["messages"].max())  # room for the legend
        top.legend(loc="upper left", ncols=2)
    return figure


@house_style
def plot_kinds(kinds: pd.DataFrame, *, n_largest: int = 12) -> Figure:
    """Draw how many messages there are of each kind, on a log axis; kinds that pay stand out."""
    shown = kinds.head(n_largest)[::-1]
    figure, (axes,) = new_panels(1, 1, height_in=1.2 + 0.34 * max(len(shown), 1))
    for pays, color, name in ((False, "sky", "does not pay"), (True, "orange", "a payment")):
        part = (shown["pays"] == pays).to_numpy()
        rows = np.arange(len(shown))[part]
        axes.barh(rows, shown["messages"][part], color=COLORS[color], label=name)
    for row, count in enumerate(shown["messages"]):
        axes.annotate(f" {count:,}", (count, row), va="center", fontsize=8)
    names = [label(kind.replace("_", " "), max_chars=60) for kind in shown["kind"]]
    axes.set_yticks(np.arange(len(shown)), names, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(0.8, max(shown["messages"].max() * 6, 10) if len(shown) else 10)
    axes.set_xlabel("Messages (logarithmic)")
    axes.set_title("What the rows of the chat are", pad=24)
    place_legend_above(axes)
    return figure


@house_style
def plot_money(money: pd.DataFrame) -> Figure:
    """Draw the value of paid messages by currency, from `summarize_money`; 0 where there is no rate."""
    column = next(c for c in money.columns if c.startswith("value_"))
    shown = money.head(12)[::-1]
    figure, (axes,) = new_panels(1, 1, height_in=0.9 + 0.27 * max(len(shown), 1))
    axes.barh(range(len(shown)), shown[column].fillna(0), color=COLORS["green"])
    for row, (value, payments) in enumerate(zip(shown[column], shown["payments"], strict=True)):
        worth, at = ("no rate,", 0) if np.isnan(value) else (f"{value:,.0f} from", value)
        axes.annotate(f" {worth} {format_count(payments, 'payment')}", (at, row), va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), shown["currency"])
    axes.margins(x=0.25)
    unit = column.removeprefix("value_").upper()
    axes.set_xlabel(f"Value at the day's rate ({unit})")
    axes.set_title("What was paid, by currency")
    return figure


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
