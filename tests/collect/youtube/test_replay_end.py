"""Whether a replay is whole, judged by where it ended."""

import pytest

from chatlib.collect.youtube.replay_end import judge_end, say_clock


@pytest.mark.parametrize(
    ("offsets", "duration_s", "ended", "state", "reason"),
    [
        ([], None, True, "complete", None),
        ([], None, False, "partial", "the replay broke off at 0:00:00"),
        ([1, 2, 3], None, True, "complete", None),
        ([3, 1, 2], 3600, False, "partial", "the replay broke off at 0:00:03 of 1:00:00"),
        # a short stream: two minutes of silence say nothing
        ([5], 125, True, "complete", None),
        ([5], 125.5, True, "partial", "the replay ends at 0:00:05 of 0:02:05"),
        ([], 120, True, "complete", None),
        ([], 121, True, "partial", "the replay ends at 0:00:00 of 0:02:01"),
        # a long one: five in a hundred
        (range(0, 9501, 50), 10_000, True, "complete", None),
        ([*range(0, 9499, 50), 9499], 10_000, True, "partial", "the replay ends at 2:38:19 of 2:46:40"),
        # a quiet one: three times the longest silence before
        ([0, 300], 1200, True, "complete", None),
        ([0, 300], 1201, True, "partial", "the replay ends at 0:05:00 of 0:20:01"),
        ([300], 1200, True, "complete", None),  # silence counts from the start
        ([-5000, 0, 100], 401, True, "partial", "the replay ends at 0:01:40 of 0:06:41"),  # not before it
        ([0, 5000], 3600, True, "complete", None),  # longer than the stream
    ],
)
def test_the_end_is_judged(offsets, duration_s, ended, state, reason):
    assert judge_end(list(offsets), duration_s, ended=ended) == (state, reason)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00:00"), (59.9, "0:00:59"), (3661, "1:01:01"), (360_000, "100:00:00")]
)
def test_clocks(seconds, said):
    assert say_clock(seconds) == said
