"""Highlights and spikes of samples whose answer can be read off."""

import numpy as np
import pytest

from chatlib.analyze.analytics.sections import (
    Highlight,
    Sample,
    Spike,
    find_highlights,
    find_spikes,
    rank_spikes,
)

USERS = "avgUniqueUsersPerSecond"


def make_samples(users, interval=5):
    samples = [Sample(i * interval, (i + 1) * interval) for i in range(len(users))]
    for sample, n in zip(samples, users, strict=True):
        sample.uniqueUsers = n
        sample.sample_post_process()
    return samples


def spans(sections):
    return [(s.startTime, s.endTime) for s in sections]


def test_a_highlight_is_a_maximal_run_at_or_above_the_percentile():
    samples = make_samples([1, 5, 6, 1, 1, 7, 1, 1, 1, 1])
    (first, second) = find_highlights(samples, USERS, percentile=70)
    cutoff = np.percentile([s.avgUniqueUsersPerSecond for s in samples], [70])
    assert first == Highlight(5, 15, f"{USERS} sustained at or above {cutoff}", USERS, 1.2, 1.1)
    assert (first.duration, first.duration_text) == (10, "0:10")
    assert (first.startTime_text, first.endTime_text) == ("0:05", "0:15")
    assert spans([second]) == [(25, 30)]


def test_the_description_names_the_cutoff_as_numpy_prints_an_array_of_one():
    (highlight,) = find_highlights(make_samples([1, 2, 43]), USERS, percentile=90)
    assert highlight.description == "avgUniqueUsersPerSecond sustained at or above [6.96]"


def test_a_highlight_that_is_open_at_the_end_counts():
    assert spans(find_highlights(make_samples([1, 1, 1, 9]), USERS, percentile=93)) == [(15, 20)]


def test_silence_is_never_a_highlight():
    assert find_highlights(make_samples([0, 0, 0, 0]), USERS, percentile=50) == []
    assert spans(find_highlights(make_samples([0, 0, 0, 1, 0]), USERS, percentile=50)) == [(15, 20)]


def test_samples_that_are_all_equal_are_one_highlight():
    assert spans(find_highlights(make_samples([2, 2, 2]), USERS, percentile=93)) == [(0, 15)]


def test_no_samples_have_no_sections():
    assert find_highlights([], USERS, percentile=93) == []
    assert find_spikes([], USERS, sensitivity=1) == []


def test_a_burst_over_a_steady_chat_is_a_spike():
    (spike,) = find_spikes(make_samples([2] * 30 + [20, 18, 15] + [2] * 30), USERS, sensitivity=1)
    # Baseline: 2 people in 5 s, and half a one more: 0.5 a second; the burst has 4.
    assert spike == Spike(
        150, 165, f"{USERS} rose to 8.0 times its local baseline [0.5], rank 1 of 1", USERS, 4.0, 53 / 15
    )


def test_a_rise_of_a_single_sample_is_not_sustained():
    assert find_spikes(make_samples([2] * 30 + [20] + [2] * 30), USERS, sensitivity=1) == []


def test_a_slow_drift_is_no_spike():
    assert find_spikes(make_samples(list(range(5, 120))), USERS, sensitivity=1) == []


def test_a_chat_that_stays_high_is_one_spike_that_ends_only_with_it():
    assert spans(find_spikes(make_samples([2] * 30 + [20] * 100), USERS, sensitivity=1)) == [(150, 650)]
    higher_yet = [2] * 30 + [20] * 10 + [12] + [40] * 3 + [2] * 10
    assert spans(find_spikes(make_samples(higher_yet), USERS, sensitivity=1)) == [(150, 220)]


def test_a_silent_chat_needs_more_than_a_message_or_two():
    assert find_spikes(make_samples([0] * 30 + [1, 1] + [0] * 30), USERS, sensitivity=1) == []


def test_a_stream_that_starts_high_has_no_spike_before_it_has_a_baseline():
    assert find_spikes(make_samples([30, 30] + [1] * 60), USERS, sensitivity=1) == []


@pytest.mark.parametrize(("sensitivity", "found"), [(0.5, []), (1, [(150, 160)]), (4, [(150, 160)])])
def test_a_higher_sensitivity_finds_smaller_rises(sensitivity, found):
    # 10 people over a baseline of 2.5: four times; 0.5 asks for five times, 1 for three.
    samples = make_samples([2] * 30 + [10, 10] + [2] * 30)
    assert spans(find_spikes(samples, USERS, sensitivity=sensitivity)) == found


def test_spikes_stand_in_time_order_and_say_their_rank():
    samples = make_samples([2] * 30 + [10, 10] + [2] * 60 + [20, 20] + [2] * 30)
    spikes = find_spikes(samples, USERS, sensitivity=1)
    assert spans(spikes) == [(150, 160), (460, 470)]
    assert [spike.description.split(", ")[1] for spike in spikes] == ["rank 2 of 2", "rank 1 of 2"]
    assert rank_spikes(spikes) == spikes[::-1]
