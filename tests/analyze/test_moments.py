"""Moments: highlights merged, ranked and linked."""

import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import make_analytics
from chatlib.analyze.moments import find_best_windows, find_moments, link_to_moment
from chatlib.records import Message


def analyze_users(per_sample, url="https://www.twitch.tv/videos/12", interval=5):
    """Analytics in whose samples so many people write."""
    duration = len(per_sample) * interval
    settings = ProcessSettings(print_interval=0, highlight_percentile=60, interval_s=interval)
    analytics = make_analytics("twitch", duration_s=duration, settings=settings)
    messages = [
        Message(f"{i}-{user}", "text_message", i * interval, f"u{user}")
        for i, n in enumerate(per_sample)
        for user in range(n)
    ]
    analytics.process_chatlog(messages, url, settings)
    return analytics


def test_moments_are_ranked_by_peak_then_mean_then_time():
    analytics = analyze_users([0, 5, 0, 5, 4, 0, 9, 0, 5, 0, 0, 0])
    moments = find_moments(analytics, lead_s=15)
    assert [(m.rank, m.start_s, m.end_s, m.peak) for m in moments] == [
        (1, 30, 35, 1.8),
        (2, 5, 10, 1.0),
        (3, 40, 45, 1.0),
        (4, 15, 25, 1.0),
    ]
    assert moments[3].avg == pytest.approx(0.9)
    assert [m.link[-7:] for m in moments] == ["0h0m15s", "=0h0m0s", "0h0m25s", "=0h0m0s"]
    assert find_moments(analytics, top=2, lead_s=15) == moments[:2]


def test_highlights_over_a_short_gap_are_one_moment():
    analytics = analyze_users([0, 5, 0, 5, 4, 0, 9, 0, 0, 0, 0, 5])
    (first, second) = find_moments(analytics, gap_s=5)
    assert (first.start_s, first.end_s, first.peak) == (5, 35, 1.8)
    assert first.avg == pytest.approx((5 + 0 + 5 + 4 + 0 + 9) / 6 / 5)
    assert (second.start_s, second.end_s) == (55, 60)


def test_a_stream_without_highlights_has_no_moments():
    assert find_moments(analyze_users([0, 0])) == []


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch?v=abc&t=3725s"),
        ("https://www.youtube.com/watch?v=abc&t=9s", "https://www.youtube.com/watch?v=abc&t=3725s"),
        ("http://youtu.be/abc", "https://youtu.be/abc?t=3725s"),
        ("https://www.twitch.tv/videos/12", "https://www.twitch.tv/videos/12?t=1h2m5s"),
        ("https://evil.example/www.twitch.tv", None),
        ("javascript:alert(1)//www.youtube.com", None),
        ("chat.json", None),
        ("https://[broken", None),
    ],
)
def test_a_link_opens_a_recording_at_the_moment(address, link):
    assert link_to_moment(address, 3725.9) == link


def test_a_link_never_starts_before_the_stream():
    assert link_to_moment("https://youtu.be/abc", -4) == "https://youtu.be/abc?t=0s"


def test_the_best_minutes_are_the_busiest_and_earliest():
    # Ten samples of 30 s; a minute is two of them.
    analytics = analyze_users([1, 1, 4, 3, 1, 4, 3, 1, 1, 1], interval=30)
    table = find_best_windows(analytics, lengths_s=(60, 150, 600), lead_s=10)
    assert table.drop(columns="link").values.tolist() == [
        [1.0, "1:00", "2:00", 7, 7.0],
        [2.5, "1:00", "3:30", 15, 6.0],
    ]
    assert table["link"].tolist() == ["https://www.twitch.tv/videos/12?t=0h0m50s"] * 2


def test_a_simulated_stream_has_no_links():
    analytics = analyze_users([0, 5, 0, 0])
    assert find_moments(analytics, linked=False)[0].link is None
    assert find_best_windows(analytics, lengths_s=(5,), linked=False)["link"].isna().all()
