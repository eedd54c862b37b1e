"""The figures of notebook 05 show what the analytics say."""

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import make_analytics
from chatlib.analyze.moments import Moment
from chatlib.analyze.streams import summarize_stream
from chatlib.plots.analyze import (
    plot_activity,
    plot_channel,
    plot_detection,
    plot_income,
    plot_months,
    plot_retention,
    plot_speech,
    plot_stream_income,
)
from chatlib.records import Message


def analyze(n=300, duration_s=900.0, title="$a_b$ 配信 <b>"):
    settings = ProcessSettings(print_interval=0)
    analytics = make_analytics("youtube", duration_s=duration_s, settings=settings)
    analytics.mediaTitle = title
    messages = [Message(str(i), "text_message", i * 3.0, f"u{i % 20}") for i in range(n)]
    messages += [Message(f"x{i}", "text_message", 600.5 + i * 0.2, f"v{i}") for i in range(60 * bool(n))]
    analytics.process_chatlog(messages, "https://youtu.be/x", settings)
    return analytics


def test_the_activity_shows_messages_per_minute_and_marks_sections():
    analytics = analyze()
    figure = plot_activity(analytics, [Moment(1, 590.0, 645.0, 610.0, 60, 3.0, None)], note="simulated")
    main, strip = figure.axes
    assert figure.alt_text() == "Figure: $a_b$ 配信 <b> (simulated)"
    (area,) = main.collections
    # The busiest 5 s hold 25 of the burst, one each 0.2 s, and 2 of the others, one each 3 s.
    assert area.get_paths()[0].vertices[:, 1].max() == (25 + 2) * 12
    assert [text.get_text() for text in strip.get_yticklabels()] == [
        f"spikes ({len(analytics.spikes)})",
        f"highlights ({len(analytics.highlights)})",
    ]
    assert {"1"} <= {text.get_text() for text in main.texts}
    assert strip.get_xlim() == (0, 900)
    assert plot_activity(analytics, title="of its own").alt_text() == "Figure: of its own"
    figure.canvas.draw()


@pytest.mark.parametrize("duration_s", [0, 3, 40_000])
def test_a_stream_with_nothing_in_it_can_be_drawn(duration_s):
    figure = plot_activity(analyze(0, duration_s))
    figure.canvas.draw()


def test_a_long_stream_is_put_together_to_points_that_can_be_told_apart():
    figure = plot_activity(analyze(duration_s=20 * 3600))
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 10]
    assert len(line.get_xdata()) <= 300
    first = line.get_xdata()[0]
    assert np.allclose(np.diff(line.get_xdata()), 2 * first)


@pytest.mark.parametrize("n_streams", [0, 1, 40])
def test_a_channel_of_any_size_can_be_drawn(n_streams):
    rows = [summarize_stream(analyze(), video_id=str(i), started_at=None) for i in range(n_streams)]
    columns = ["started_at", "chats_per_min", "best_minute", "users"]
    figure = plot_channel(pd.DataFrame(rows, columns=columns), note="simulated")
    assert len(figure.axes[1].patches) == n_streams
    assert figure.axes[1].get_xlim() == (-0.6, max(n_streams, 6) - 0.4)
    assert "simulated" in figure.alt_text()
    figure.canvas.draw()


RETENTION = pd.DataFrame(
    {"started_at": ["2026-01-01", None], "new": [5, 1], "returning": [0, 4]}
    | {"returning_share": [0.0, 0.8], "members_share": [0.1, 0.2]}
)
INCOME = pd.DataFrame(
    {"started_at": ["2026-01-01", None], "value": [12.5, 0], "memberships": [1, 2], "gifts": [0, 3]}
)


@pytest.mark.parametrize("n", [0, 2])
def test_retention_stacks_new_people_on_returning_ones(n):
    figure = plot_retention(RETENTION.head(n), note="simulated")
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert heights == [0, 4, 5, 1][: 2 * n]
    figure.canvas.draw()


def test_income_has_money_only_where_there_is_some():
    assert len(plot_income(INCOME, currency="EUR").axes) == 2
    assert "EUR" in plot_income(INCOME, currency="EUR").axes[0].get_ylabel()
    without = plot_income(INCOME.assign(value=0.0), currency="EUR")
    assert [axes.get_ylabel() for axes in without.axes] == ["events"]
    plot_income(INCOME.head(0), currency="EUR").canvas.draw()
    nothing = INCOME.assign(value=0.0, memberships=0, gifts=0)
    assert plot_income(nothing, currency="EUR").axes[0].get_ylim() == (0, 1)


def test_speech_draws_shares_and_takes_hostile_names_literally():
    table = pd.DataFrame({"language": ["$x$", "日本語"], "messages": [3, 1], "share": [0.75, 0.25]})
    figure = plot_speech(table, table.head(1), table.head(0))
    assert [patch.get_width() for patch in figure.axes[0].patches] == [75, 25]
    assert [len(axes.patches) for axes in figure.axes] == [2, 0, 1]
    figure.canvas.draw()


def test_months_are_stacked_by_currency_and_a_month_without_donations_has_its_place():
    months = pd.DataFrame(
        [("2026-01", "USD", 10.0), ("2026-01", "$x$", 5.0), ("2026-03", "USD", 1.0), ("no date", "USD", 9.0)],
        columns=["month", "currency", "value"],
    )
    (axes,) = plot_months(months, currency="EUR", note="simulated").axes
    assert [bar.get_height() for bar in axes.patches] == [10, 0, 1, 5, 0, 0]
    assert [bar.get_y() for bar in axes.patches][3] == 10
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["USD", "$x$"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2026-01", "2026-02", "2026-03"]
    many = pd.DataFrame({"month": "2026-01", "currency": list("ABCDEFGH"), "value": range(8, 0, -1)})
    (axes,) = plot_months(many, currency="EUR").axes
    assert axes.get_legend().get_texts()[-1].get_text() == "others"
    assert axes.patches[-1].get_height() == 2 + 1
    plot_months(months.head(0), currency="EUR").canvas.draw()


def test_what_was_paid_in_a_stream_adds_up():
    trace = pd.DataFrame(
        [(-5.0, "donations", 2.0, 2.0), (30.0, "raids", 0.0, 2.0), (50.0, "donations", 3.0, 5.0)],
        columns=["offset_s", "what", "value", "total"],
    )
    upper, lower = plot_stream_income(trace, duration_s=100.0, currency="USD").axes
    assert upper.lines[0].get_ydata().tolist() == [0, 2, 5, 5]
    assert lower.get_xlim() == (-5, 100)
    assert "raids (1)" in [tick.get_text() for tick in lower.get_yticklabels()]
    for without in (trace.head(0), trace[trace["what"] == "raids"], trace.assign(value=0.0)):
        assert len(plot_stream_income(without, duration_s=0.0, currency="USD").axes) == 1


def test_detection_draws_each_setting():
    scores = pd.DataFrame(
        {"detector": ["spikes", "spikes", "highlights"], "setting": [1, 2, 93]}
        | {"recall": [0.5, 1.0, 1.0], "false_alarms_per_h": [0.0, 2.0, 40.0]}
    )
    figure = plot_detection(scores, note="simulated")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "93"]
    figure.canvas.draw()
