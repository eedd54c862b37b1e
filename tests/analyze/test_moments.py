"""Moments: found where many people react, bounded and linked."""

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze.analytics.readers import Talk, select_talk
from chatlib.analyze.moments import (
    ReactionWords,
    find_clipped,
    find_moments,
    learn_reactions,
    link_to_moment,
    measure_reaction,
)
from chatlib.columns import TextParts
from chatlib.errors import ParameterError
from chatlib.records import Message

HOUR = 3600.0
NO_WORDS = ReactionWords({})
TALK = ["i think so", "what game is this", "nice one", "he did it before", "where is the map", "ok then"]


def talk_of(rows, hype_s=()):
    """Rows are (offset_s, author, text)."""
    spoken = pd.DataFrame(rows, columns=["offset_s", "author", "text"]).assign(emotes=None)
    spoken = spoken.sort_values("offset_s", kind="stable", ignore_index=True)
    return Talk(spoken, np.array(hype_s, dtype=float), np.array([]))


def make_rows(seed=0, per_min=20, duration_s=HOUR):
    """Rows of a chat in which nothing happens."""
    rng = np.random.default_rng(seed)
    n = int(duration_s / 60 * per_min)
    at, who = np.sort(rng.uniform(0, duration_s, n)), rng.integers(0, 200, n)
    return [
        (float(t), int(a), f"{TALK[i % 6]} {i % 7}") for i, (t, a) in enumerate(zip(at, who, strict=True))
    ]


def burst(at_s, n=30, *, text="look at that", length_s=15.0, people=None):
    """Rows of n messages, by as many people unless their number is given."""
    return [(at_s + i * length_s / n, 1000 + i % (people or n), text) for i in range(n)]


def find(rows, *, top=3, words=NO_WORDS, **kwargs):
    return find_moments(talk_of(rows, **kwargs), duration_s=HOUR, top=top, words=words)


def covers(moment, at_s):
    return moment.start_s < at_s < moment.end_s


def test_a_burst_of_people_is_the_best_moment_and_lies_within_it():
    best, *others = find(make_rows() + burst(1500))
    assert best.rank == 1
    assert 1500 <= best.peak_s <= 1515
    assert best.start_s <= 1495  # what they react to
    assert best.end_s >= 1530
    assert best.people >= 30
    assert 35 <= best.end_s - best.start_s <= 60
    assert all(other.score < best.score for other in others)


def test_one_person_who_writes_much_is_no_burst_and_commands_are_none():
    rows = make_rows() + burst(1500, 60, people=1) + burst(2500, 40, text="!song")
    assert not [m for m in find(rows) if covers(m, 1505) or covers(m, 2505)]


def test_a_slow_rise_is_found_where_it_is_highest():
    slow = [(1200 + 300 * (i / 60) ** 0.25, 1000 + i, "wait for it") for i in range(60)]
    assert 1440 <= find(make_rows() + slow)[0].peak_s <= 1510


def test_laughter_counts_more_than_applause_in_a_chat_that_laughs():
    rows = make_rows()
    for i in range(12):  # the chat laughs, and dances, equally often
        rows += burst(200 + 250 * i, 14, text="LUL") + burst(210 + 250 * i, 8, text="oh my god")
        rows += burst(325 + 250 * i, 22, text="danceJam danceJam")
    words = learn_reactions([talk_of(rows)])
    assert words.ratios["lul"] > 1 > 0.5 > words.ratios["dancejam"]
    assert words.ratios["god"] > 0.5
    funny, dance = burst(3350, 12, text="LUL god"), burst(3450, 16, text="danceJam")
    best = find(make_rows(1) + funny + dance, top=1, words=words)[0]
    assert covers(best, 3355)
    assert covers(find(make_rows(1) + funny + dance, top=1)[0], 3455)  # by people alone


def test_weights_stay_within_bounds_and_a_chat_without_laughter_weighs_nothing():
    words = ReactionWords({"lol": 9.0, "ty": -9.0})
    texts = ["lol", "ty", "lol ty", "never seen", ""]
    assert words.weigh(TextParts.from_texts(texts)) == pytest.approx([4, 0.2, 1, 1, 1])
    silent = learn_reactions([talk_of(make_rows())])
    assert set(silent.weigh(TextParts.from_texts(["nice one", "i think so"]))) == {1.0}
    assert learn_reactions([]).ratios == {}


def test_a_raid_is_not_content():
    rows = make_rows() + burst(1500, 30) + burst(2500, 22)
    assert covers(find(rows)[0], 1505)
    assert covers(find(rows, hype_s=[1495.0])[0], 2505)


def test_what_viewers_clip_counts_twice_but_is_never_the_best_by_that_alone():
    rows = [*make_rows(), *burst(1500, 40), *burst(2500, 16), *burst(3200, 24)]
    link, request = (2590.0, 7, "https://clips.twitch.tv/FunnySlug-x"), (2525.0, 7, "CLIP THAT")
    old = (40.0, 7, "see https://www.twitch.tv/us/clip/FUNNYslug-x")
    for said, second in (([], 3205), ([link], 2505), ([request], 2505), ([old, link], 3205)):
        best, runner_up, *_ = find([*rows, *said])
        assert covers(best, 1505) and covers(runner_up, second)


def test_requests_and_new_links_are_told_from_talk_about_clips():
    texts = [
        "clip it pls",
        "Clip!",
        "clip",
        "the audio is clipping",
        "clipped that",
        "clip art",
        "youtube.com/clip/Ab1",
    ]
    texts.append("again youtube.com/clip/Ab1")
    places = find_clipped(talk_of([(100.0 + i, i, text) for i, text in enumerate(texts)]))
    assert [kind for kind, *_ in places] == ["request"] * 4 + ["link"]
    assert places[0] == ("request", 65, 100)
    assert places[-1] == ("link", -44, 61)


def test_the_minutes_around_count_but_not_wholly():
    busy = [(600 + i, 5000 + i % 400, "nice one") for i in np.linspace(0, 900, 1500)]
    rows = make_rows() + busy + burst(2700, 25) + burst(1000, 45)
    moments = find(rows, top=2)
    assert sorted(covers(m, 2705) or covers(m, 1005) for m in moments) == [True, True]


def test_moments_are_ranked_apart_and_at_most_as_many_as_asked_for():
    moments = find(make_rows(), top=12)
    assert [m.rank for m in moments] == list(range(1, 13))
    assert [m.score for m in moments] == sorted((m.score for m in moments), reverse=True)
    assert np.diff(sorted(m.peak_s for m in moments)).min() > 60
    assert sum(m.end_s - m.start_s for m in moments[:3]) <= 0.05 * HOUR


def test_the_edges_of_a_stream():
    assert find([]) == []
    assert find([(5.0, 1, "hi"), (6.0, 2, "hello")]) == []  # two people are no crowd
    assert find([(-50.0 + i, i, "early") for i in range(40)]) == []
    nameless = [(100.0 + i / 10, None, "x") for i in range(40)]
    assert find(nameless) == []
    (first,) = find(burst(2, 10), top=1)
    assert first.start_s == 0
    (last,) = find(burst(3585, 10), top=1)
    assert last.end_s == HOUR
    reaction = measure_reaction(talk_of(make_rows()), duration_s=HOUR, words=NO_WORDS)
    assert len(reaction.score) == len(reaction.people) == 3601
    assert reaction.score.min() >= 0


def test_talk_tells_chat_hype_and_payments_apart():
    talk = select_talk(
        [
            Message("3", "text_message", 9.0, "a", text="later"),
            Message("1", "text_message", 1.0, "a", text="hi", bits=100),
            Message("2", "raid", 5.0, "b", text="we come"),
            Message("4", "subscription", 6.0, "c"),
            Message("5", "text_message", None, "c", text="no time"),
            Message("6", "text_message", 7.0, "c"),
        ]
    )
    assert talk.spoken["text"].tolist() == ["hi", "later", "no time"]
    assert (talk.hype_s.tolist(), talk.paid_s.tolist()) == ([5.0], [1.0, 6.0])


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
        (None, None),
        ("https://[broken", None),
    ],
)
def test_a_link_opens_a_recording_at_the_moment(address, link):
    assert link_to_moment(address, 3725.9) == link


def test_a_link_never_starts_before_the_stream():
    assert link_to_moment("https://youtu.be/abc", -4) == "https://youtu.be/abc?t=0s"


@pytest.mark.parametrize("top", [0, -1])
def test_no_moments_cannot_be_asked_for(top):
    with pytest.raises(ParameterError, match=f"TOP must be 1 or more moments, got {top}"):
        find_moments(talk_of([]), duration_s=10.0, top=top)
