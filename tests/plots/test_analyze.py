"""The figures of notebook 05 show what the analytics say."""

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.channel import summarize_stream
from chatlib.analyze.columns import make_analytics
from chatlib.analyze.moments import find_moments
from chatlib.plots.analyze import plot_activity, plot_channel
from chatlib.records import Message


def analyze(n=300, duration_s=900.0, title="$a_b$ 配信 <b>"):
    analytics = make_analytics("youtube", duration_s=duration_s, interval_s=5)
    analytics.mediaTitle = title
    messages = [Message(str(i), "text_message", i * 3.0, f"u{i % 20}") for i in range(n)]
    messages += [Message(f"x{i}", "text_message", 600.5 + i * 0.2, f"v{i}") for i in range(60 * bool(n))]
    analytics.process_chatlog(messages, "https://youtu.be/x", ProcessSettings(print_interval=0))
    return analytics


def test_the_activity_shows_messages_per_minute_and_marks_sections():
    analytics = analyze()
    figure = plot_activity(analytics, find_moments(analytics, top=3), note="simulated")
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
    assert "simulated" in figure.alt_text()
    figure.canvas.draw()
