"""The figures of notebook 05: a stream's activity, and a channel's streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.sections import Section
from chatlib.analyze.moments import Moment
from chatlib.plots.collect import draw_week_bars, draw_weeks, has_many_streams, label_weeks
from chatlib.plots.style import (
    COLORS,
    NotebookFigure,
    add_note,
    house_style,
    label,
    new_panels,
    place_legend_above,
    show_clock,
)

__all__ = [
    "plot_activity",
    "plot_channel",
    "plot_detection",
    "plot_income",
    "plot_months",
    "plot_retention",
    "plot_speech",
    "plot_stream_income",
]

_MONEY_COLORS = ("green", "blue", "orange", "purple", "sky", "vermillion")
_EVENTS = {
    "raids": ("vermillion", "raids"),
    "gifts": ("orange", "given to others"),
    "memberships": ("purple", "memberships and subscriptions"),
}
_N_POINTS = 300  # as many as are discernible over the width of a page
_MINUTE_S = 60
_LEAST_SHARE = 0.005  # less is an empty bar
_SCORED = ("setting", "false_alarms_per_h", "recall")
_LEAST_PLACES = 6  # so that one stream's bar is no wall
_LABEL_GAP = 14  # pixels between two labels of a line


@house_style
def plot_activity(
    analytics: ChatAnalytics, moments: Sequence[Moment] = (), *, title: str = "", note: str = ""
) -> Figure:
    """Draw chat messages per minute over a stream, with its highlights and spikes.

    Samples are merged until they are few enough to be seen one by one. `moments` are numbered by
    their rank. `note` follows the title, e.g. 'simulated'; without one it is the media title.
    """
    figure, (main, strip) = new_panels(2, 1, height_in=4.4, sharex=True, height_ratios=(6, 1))
    times, messages, first_timers, bin_s = _bin_samples(analytics)
    main.fill_between(times, messages, step="mid", color=COLORS["sky"], label="chat messages")
    main.step(times, first_timers, where="mid", color=COLORS["blue"], lw=1.2, label="first messages")
    _number_moments(main, moments, times, messages)
    main.set(ylabel="per minute", ylim=(0, None))
    main.set_title(add_note(label(title or analytics.mediaTitle, max_chars=70), note), pad=24)
    place_legend_above(main, n_columns=3)
    _draw_strip(strip, analytics)
    strip.set_xlabel(f"time in the stream (h:mm:ss), one step = {bin_s:g} s")
    show_clock(strip.xaxis, analytics.duration)
    strip.set_xlim(0, max(analytics.duration, 1))
    return figure


@house_style
def plot_channel(streams: pd.DataFrame, *, known: pd.DataFrame | None = None, note: str = "") -> Figure:
    """Draw a channel's streams in their order: chat per minute with the busiest minute, and people.

    `streams` is a table of `chatlib.analyze.streams.tabulate_streams`, `known` one of `Store.load_streams`:
    with it, a page tells the title of the stream at the pointer, and a click opens it.
    """
    figure, (upper, lower) = new_panels(2, 1, height_in=5.2, sharex=True)
    if has_many_streams(streams):
        draw_weeks(upper, streams, "best_minute", color="vermillion", name="busiest minute")
        draw_weeks(upper, streams, "chats_per_min", color="blue", name="mean")
        draw_weeks(lower, streams, "users", color="blue", name="people who wrote")
        label_weeks(lower, streams)
    else:
        x, best = np.arange(len(streams)), streams["best_minute"]
        upper.vlines(x, streams["chats_per_min"], best, color=COLORS["grey"], lw=1, alpha=0.7)
        upper.plot(x, best, "^", ms=5, color=COLORS["vermillion"], label="busiest minute")
        upper.plot(x, streams["chats_per_min"], "o", ms=4, color=COLORS["blue"], label="mean")
        lower.bar(x, streams["users"], color=COLORS["sky"], label="people who wrote")
        _label_streams(figure, streams, known, {upper: best, lower: streams["users"]})
    upper.set(ylabel="chat messages\nper minute", ylim=(0, None))
    upper.set_title(add_note(f"The chat of the channel's streams, {len(streams)} in all", note), pad=24)
    place_legend_above(upper)
    lower.set(ylabel="people who wrote", ylim=(0, None))
    return figure


@house_style
def plot_retention(retention: pd.DataFrame, *, known: pd.DataFrame | None = None, note: str = "") -> Figure:
    """Draw how many people of each stream are new and how many come again, and the members' share.

    `retention` is a table of `chatlib.analyze.people.summarize_retention`.
    `known` is that of `plot_channel`.
    """
    figure, (upper, lower) = new_panels(2, 1, height_in=4.8, sharex=True, height_ratios=(3, 2))
    shares = {"returning_share": ("blue", "returning"), "members_share": ("green", "members")}
    if has_many_streams(retention):
        draw_weeks(upper, retention, "returning", color="blue", name="wrote in an earlier stream")
        draw_weeks(upper, retention, "new", color="orange", name="new")
        for column, (color, name) in shares.items():
            draw_weeks(lower, retention, column, color=color, name=name, scale=100)
        label_weeks(lower, retention)
    else:
        x = np.arange(len(retention))
        upper.bar(x, retention["returning"], color=COLORS["blue"], label="wrote in an earlier stream")
        upper.bar(x, retention["new"], bottom=retention["returning"], color=COLORS["orange"], label="new")
        for column, (color, name) in shares.items():
            lower.plot(x, 100 * retention[column], "o-", ms=3, color=COLORS[color], label=name)
        people = retention["returning"] + retention["new"]
        _label_streams(figure, retention, known, {upper: people, lower: 100 * retention["returning_share"]})
    upper.set(ylabel="people who wrote", ylim=(0, None))
    upper.set_title(add_note("Who comes back", note), pad=24)
    place_legend_above(upper)
    lower.set_ylabel("% of people")
    lower.set_ylim(0, 100)
    lower.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@house_style
def plot_income(
    income: pd.DataFrame, *, currency: str, known: pd.DataFrame | None = None, note: str = ""
) -> Figure:
    """Draw what each stream brought: donations in one currency, memberships and gifts by number.

    `income` is a table of `chatlib.analyze.people.summarize_income`. Without any donation only
    the second part is drawn. `known` is that of `plot_channel`.
    """
    has_money = bool(income["value"].sum() > 0)
    n_rows, height_in, pad = (2, 4.6, 6) if has_money else (1, 2.8, 24)
    figure, panels = new_panels(n_rows, 1, height_in=height_in, sharex=True)
    counts = panels[-1]
    events = {what: _EVENTS[what] for what in ("memberships", "gifts")}
    if many := has_many_streams(income):
        if has_money:
            draw_week_bars(panels[0], income, {"value": ("green", "donations")})
        draw_week_bars(counts, income, events)
        label_weeks(counts, income, shows="totals")
    else:
        x, bottom = np.arange(len(income)), np.zeros(len(income))
        if has_money:
            panels[0].bar(x, income["value"], color=COLORS["green"])
        for column, (color, name) in events.items():
            counts.bar(x, income[column], bottom=bottom, color=COLORS[color], label=name)
            bottom = bottom + income[column].to_numpy()
        _label_streams(figure, income, known, {panels[0]: income["value"], counts: bottom})
    if has_money:
        panels[0].set_ylabel(f"donations in {currency}")
    counts.set(ylabel="events", ylim=(0, max(counts.get_ylim()[1], 1)))
    counts.yaxis.set_major_locator(MaxNLocator(integer=True))
    title = "What was paid in each week" if many else "What was paid in each stream"
    panels[0].set_title(add_note(title, note), pad=pad)
    place_legend_above(counts)
    return figure


@house_style
def plot_months(months: pd.DataFrame, *, currency: str, note: str = "") -> Figure:
    """Draw the donations of each month, converted, by the currency they were given in.

    `months` is a table of `chatlib.analyze.people.summarize_months`. Months without donations
    keep their place. The largest currencies have a colour, the others share grey.
    """
    figure, (axes,) = new_panels(1, 1, height_in=3.4)
    dated = months[months["month"] != "no date"]
    month = dated["month"]
    names = [str(m) for m in pd.period_range(month.min(), month.max(), freq="M")] if len(dated) else []
    ranked = dated.groupby("currency")["value"].sum().sort_values(ascending=False, kind="stable")
    shown = [name for name in ranked.index[: len(_MONEY_COLORS)] if ranked[name] > 0]
    bottom = np.zeros(len(names))
    for name in [*shown, "others"] if len(ranked[ranked > 0]) > len(shown) else shown:
        of_it = dated["currency"] == name if name != "others" else ~dated["currency"].isin(shown)
        values = dated[of_it].groupby("month")["value"].sum().reindex(names, fill_value=0.0).to_numpy()
        color = dict(zip(shown, _MONEY_COLORS, strict=False)).get(name, "grey")
        axes.bar(np.arange(len(names)), values, bottom=bottom, color=COLORS[color], label=label(name))
        bottom += values
    if shown:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), title="given in")
    _label_places(axes, names)
    axes.set(xlabel="month", ylabel=f"donations in {currency}", title=add_note("Donations by month", note))
    return figure


@house_style
def plot_stream_income(trace: pd.DataFrame, *, duration_s: float, currency: str, note: str = "") -> Figure:
    """Draw what was given in one stream as it added up, with memberships, gifts and raids below.

    `trace` is a table of `chatlib.analyze.people.trace_income`. Without any value only the second
    part is drawn.
    """
    given = trace[trace["what"] == "donations"]
    has_money = bool(given["value"].any())
    sizes = (3, 2) if has_money else (2,)
    figure, panels = new_panels(len(sizes), 1, height_in=0.8 * sum(sizes), sharex=True, height_ratios=sizes)
    upper, lower = panels[0], panels[-1]
    start, end = min([0.0, *trace["offset_s"]]), max([1.0, duration_s, *trace["offset_s"]])
    if has_money:
        upper.step([0, *given["offset_s"], end], [0, *given["total"], given["value"].sum()], where="post",
                   color=COLORS["green"], lw=1.8)  # fmt: skip
        upper.plot(given["offset_s"], given["total"], "o", ms=4, color=COLORS["green"])
        upper.set(ylabel=f"donations so far\nin {currency}", ylim=(0, None))
    upper.set_title(add_note("What was paid in this stream", note))
    for row, (what, (color, _)) in enumerate(_EVENTS.items()):
        at = trace.loc[trace["what"] == what, "offset_s"]
        lower.plot(at, np.full(len(at), row), "|", ms=14, mew=1.8, color=COLORS[color])
    counts = trace["what"].value_counts()
    names = [f"{name} ({counts.get(what, 0)})" for what, (_, name) in _EVENTS.items()]
    lower.set_yticks(range(len(_EVENTS)), names)
    lower.set_ylim(-0.6, len(_EVENTS) - 0.4)
    lower.set_xlabel("time in the stream (h:mm:ss)")
    show_clock(lower.xaxis, end)
    lower.set_xlim(start, end)
    return figure


@house_style
def plot_speech(
    languages: pd.DataFrame, scripts: pd.DataFrame, habits: pd.DataFrame, *, note: str = ""
) -> Figure:
    """Draw the languages, scripts and habits of a chat as shares of its messages.

    Tables of `chatlib.analyze.speech`: `count_languages`, `count_scripts` (of each the first five
    that have half a percent) and `summarize_habits`.
    """
    figure = NotebookFigure(figsize=(9.0, 4.2), layout="constrained")
    panels = figure.subplot_mosaic("LH;SH", width_ratios=(1, 1.1))
    for axes, table, title in (
        (panels["L"], languages[languages["share"] >= _LEAST_SHARE].head(5), add_note("Languages", note)),
        (panels["S"], scripts[scripts["share"] >= _LEAST_SHARE].head(5), "Scripts"),
        (panels["H"], habits, "A message is or has"),
    ):
        names = [label(name) for name in table.iloc[:, 0]]
        axes.barh(np.arange(len(table)), 100 * table["share"], color=COLORS["blue"])
        axes.set_yticks(np.arange(len(table)), names)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("% of the messages")
        axes.set_title(title)
    return figure


@house_style
def plot_detection(scores: pd.DataFrame, *, note: str = "") -> Figure:
    """Draw how many planted bursts each detector finds, against its false alarms.

    `scores` is a table of `chatlib.analyze.recall.compare_detectors`.
    """
    figure, (axes,) = new_panels(1, 1, height_in=3.4)
    looks = {
        "moments": ("D-", "vermillion", "number an hour"),
        "busiest 30 s": ("^--", "grey", "number an hour"),
        "spikes": ("o-", "purple", "sensitivity"),
        "highlights": ("s-", "orange", "percentile"),
    }
    for detector, table in scores.groupby("detector", sort=False):
        line, color, dial = looks[str(detector)]
        x, y = table["false_alarms_per_h"], 100 * table["recall"]
        axes.plot(x, y, line, ms=5, color=COLORS[color], label=f"{detector}, by {dial}")
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(left=-0.1)
    axes.set_ylim(-8, 108)
    for _, table in scores.groupby("detector", sort=False):
        last = np.full(2, -np.inf)
        for _, setting, x, recall in table[list(_SCORED)].itertuples():
            spot = (x, 100 * recall)
            place = axes.transData.transform(spot)
            if np.abs(place - last).max() >= _LABEL_GAP:
                axes.annotate(f"{setting:g}", spot, (4, -11), textcoords="offset points", fontsize=8)
                last = place
    axes.set(xlabel="false alarms per hour", ylabel="% of planted bursts found")
    axes.set_title(add_note("Bursts planted into the calmed chat", note))
    axes.legend(loc="lower right")
    return figure


def _bin_samples(analytics: ChatAnalytics) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return middles of bins, chat messages and first-time chatters per minute, and a bin's seconds."""
    samples = analytics.samples
    if not samples:
        return np.zeros(0), np.zeros(0), np.zeros(0), analytics.interval
    per_bin = max(-(-len(samples) // _N_POINTS), 1)
    starts = np.arange(0, len(samples), per_bin)
    lengths = np.add.reduceat([s.sampleDuration for s in samples], starts)
    messages = np.add.reduceat([s.chatMessages for s in samples], starts)
    first_timers = np.add.reduceat([s.firstTimeChatters for s in samples], starts)
    middles = np.array([samples[i].startTime for i in starts]) + lengths / 2
    scale = _MINUTE_S / lengths
    return middles, messages * scale, first_timers * scale, per_bin * analytics.interval


def _number_moments(axes: Axes, moments: Sequence[Moment], times: np.ndarray, heights: np.ndarray) -> None:
    if not moments or not len(times):
        return
    for moment in sorted(moments, key=lambda moment: -moment.rank):  # the best one lies on top
        first = max(int(np.searchsorted(times, moment.start_s, side="right")) - 1, 0)
        end = max(int(np.searchsorted(times, moment.end_s)), first + 1)
        top = first + int(heights[first:end].argmax())
        axes.annotate(
            str(moment.rank),
            (times[top], heights[top]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color="white",
            bbox={"boxstyle": "circle,pad=0.2", "fc": COLORS["vermillion"], "ec": "none"},
        )
    axes.plot([], [], "o", color=COLORS["vermillion"], label="best moments")
    axes.margins(y=0.15)


def _draw_strip(axes: Axes, analytics: ChatAnalytics) -> None:
    rows: list[tuple[str, Sequence[Section], str]] = [
        ("spikes", analytics.spikes, "purple"),
        ("highlights", analytics.highlights, "orange"),
    ]
    for row, (_, sections, color) in enumerate(rows):
        spans = [(section.startTime, section.duration) for section in sections]
        axes.broken_barh(spans, (row + 0.1, 0.8), facecolors=COLORS[color], edgecolors=COLORS[color], lw=0.8)
    axes.set_yticks([0.5, 1.5], [f"{name} ({len(sections)})" for name, sections, _ in rows])
    axes.set_ylim(0, 2)
    axes.grid(axis="y", visible=False)


def _label_streams(
    figure: NotebookFigure, table: pd.DataFrame, known: pd.DataFrame | None, heights: Mapping[Axes, Any]
) -> None:
    """Write the streams' dates below the last panel; let a page tell each where it is drawn, and open it."""
    dates = [date[:10] if isinstance(date, str) else "no date" for date in table["started_at"]]
    _label_places(figure.axes[-1], dates)
    figure.axes[-1].set(xlabel="start of the stream", xlim=(-0.6, max(len(table), _LEAST_PLACES) - 0.4))
    if known is None:
        return
    about = known.drop_duplicates("video_id").set_index("video_id").reindex(table["video_id"])
    titles = about["title"].fillna(about.index.to_series())
    panels = {axes: np.stack([np.arange(len(table)), y], axis=1) for axes, y in heights.items()}
    texts = [f"{date} {title}" for date, title in zip(dates, titles, strict=True)]
    figure.tell(panels, texts, streams=about["stream_id"].fillna(0).astype(int).tolist())


def _label_places(axes: Axes, names: Sequence[str]) -> None:
    """Write as many names below the axis as have room there."""
    step = max(len(names) // 8, 1)
    axes.set_xticks(np.arange(0, len(names), step), names[::step], rotation=30, ha="right")
