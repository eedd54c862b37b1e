"""What happens in a simulated stream: topics, events, and who writes when with which intention."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chatlib.simulate.crowd import TRAITS, Audience
from chatlib.simulate.talk import EVENT_KINDS, INTENTS, TOPIC_NAMES, read_attributes

__all__ = [
    "HELLO",
    "HOSTILE",
    "PASTA",
    "REACT",
    "Event",
    "Timeline",
    "Writing",
    "draw_timeline",
    "draw_writing",
]

HELLO, BYE = INTENTS.index("hello"), INTENTS.index("bye")
REACT, PASTA, HOSTILE = -1, -2, -3  # in place of an intention
ANY = -4  # whatever the writer's habit says

_EVENT_SHARE = 0.36  # of messages that answer an event
_HALF_LIFE_S = [float(added[0]) for added in read_attributes("event").values()]
_WAITING_ROOM_S = 600.0
_RANK_SHIFT = 3.5  # of 300 viewers; keeps the share of one-message viewers alike at any size


_Pair = tuple[np.ndarray, np.ndarray]


class Event(NamedTuple):
    """Something that happens on screen; the chat answers it for a while."""

    offset_s: float
    kind: int
    topic: int
    strength: float
    half_life_s: float


class Timeline(NamedTuple):
    """The hidden course of a stream: `starts_s` and `topics` of its segments, and its events."""

    duration_s: float
    starts_s: np.ndarray
    topics: np.ndarray
    pace: np.ndarray
    events: list[Event]


class Writing(NamedTuple):
    """Messages in time order, as arrays of one length: when, by whom, about what, meaning what.

    `subject` is the segment of the timeline that a message is about, or the number of segments
    plus the topic for a message that is off topic.
    """

    offset_ms: np.ndarray
    sender: np.ndarray
    subject: np.ndarray
    intent: np.ndarray
    event: np.ndarray  # index of the event answered, or -1
    arrives_s: np.ndarray  # per viewer
    leaves_s: np.ndarray


def intent_shares(traits: np.ndarray) -> np.ndarray:
    """Return how often each viewer has each intention, shape (n, len(INTENTS)), cumulative."""
    logits = np.zeros((len(traits), len(INTENTS)))
    for column, (log_odds, *shifts) in enumerate(read_attributes("say").values()):
        logits[:, column] = float(log_odds)
        for trait, shift in zip(shifts[::2], shifts[1::2], strict=True):
            logits[:, column] += float(shift) * traits[:, TRAITS.index(trait)]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    shares[:, -1] = 1.0
    return shares


def draw_timeline(rng: np.random.Generator) -> Timeline:
    """Return a stream's segments of three to ten minutes and its 10 to 20 events."""
    duration_s = float(np.round(4500 + 4500 * rng.random()))
    themes = np.argsort(rng.random(len(TOPIC_NAMES)))[:7]
    starts, topics, at = [0.0], [int(themes[0])], 0.0
    while True:
        at += 170 + 140 * float(rng.standard_exponential())
        if at > duration_s - 60:
            break
        main = rng.random() < 0.35 and topics[-1] != themes[0]
        choices = [int(topic) for topic in themes[1:] if topic != topics[-1]]
        topics.append(int(themes[0]) if main else choices[int(rng.random() * len(choices))])
        starts.append(round(at, 1))
    pace = np.exp(0.25 * rng.standard_normal(len(starts)))
    timeline = Timeline(duration_s, np.array(starts), np.array(topics), pace, [])
    return timeline._replace(events=_draw_events(rng, timeline))


def _draw_events(rng: np.random.Generator, timeline: Timeline) -> list[Event]:
    events: list[Event] = []
    at = 90.0
    while True:
        at += 110 + 330 * float(rng.standard_exponential())
        if at > timeline.duration_s - 90:
            return events
        topic = int(timeline.topics[np.searchsorted(timeline.starts_s, at, side="right") - 1])
        kind = _event_kind(rng.random(), TOPIC_NAMES[topic])
        strength = float(np.exp(0.6 * rng.standard_normal()))
        half_life_s = _HALF_LIFE_S[kind] * (0.7 + 0.6 * float(rng.random()))
        events.append(Event(round(at, 1), kind, topic, round(strength, 3), round(half_life_s, 1)))


def _event_kind(place: float, topic: str) -> int:
    special = {"horror": "scare", "karaoke": "song"}.get(topic)
    if special and place < 0.7:
        return EVENT_KINDS.index(special)
    usual = ("fail", "funny", "victory", "funny", "fail", "reveal", "victory", "raid")
    return EVENT_KINDS.index(usual[int(place * len(usual))])


def draw_writing(
    rng: np.random.Generator, timeline: Timeline, audience: Audience, *, n_messages: int
) -> Writing:
    """Return the messages of a stream, about `n_messages`, each viewer writing at least once.

    How much viewers write follows Zipf-Mandelbrot by their rank in talkativeness.
    """
    arrives_s, leaves_s = _draw_presence(rng, timeline.duration_s, audience)
    sender = _draw_senders(rng, audience.traits[:, TRAITS.index("engagement")], n_messages)
    offset_s, event = _draw_offsets(rng, timeline, arrives_s[sender], leaves_s[sender])
    order = np.argsort(offset_s, kind="stable")
    offset_s, sender, event = offset_s[order], sender[order], event[order]
    writing = Writing(
        np.rint(offset_s * 1000).astype(np.int64),
        sender,
        _draw_subjects(rng, timeline, offset_s, event),
        _draw_intents(rng, sender, event),
        event,
        arrives_s,
        leaves_s,
    )
    _spread_copypasta(rng, writing)
    return writing


def _draw_presence(rng: np.random.Generator, duration_s: float, audience: Audience) -> _Pair:
    n = len(audience.serial)
    fond = audience.traits[:, TRAITS.index("affinity")]
    early = rng.random(n) < 1 / (1 + np.exp(0.9 - 0.5 * fond))
    arrives_s = np.where(
        early, -_WAITING_ROOM_S * rng.random(n) ** 2, duration_s * 0.85 * rng.random(n) ** 1.4
    )
    stays = rng.random(n) < 0.45
    leaves_s = np.where(
        stays, duration_s, arrives_s + (duration_s - arrives_s) * (0.05 + 0.95 * rng.random(n))
    )
    return arrives_s, leaves_s


def _draw_senders(rng: np.random.Generator, engagement: np.ndarray, n_messages: int) -> np.ndarray:
    n = len(engagement)
    rank = np.empty(n)
    rank[np.argsort(-(0.85 * engagement + 0.5 * rng.standard_normal(n)), kind="stable")] = np.arange(1, n + 1)
    share = np.cumsum(1 / (rank + _RANK_SHIFT * (n / 300) ** 0.8) ** 1.1)
    extra = np.searchsorted(share, share[-1] * rng.random(max(0, n_messages - n)), side="right")
    return np.concatenate([np.arange(n), np.minimum(extra, n - 1)])


def _draw_offsets(
    rng: np.random.Generator, timeline: Timeline, arrives_s: np.ndarray, leaves_s: np.ndarray
) -> _Pair:
    n = len(arrives_s)
    edges = np.concatenate([[-_WAITING_ROOM_S], timeline.starts_s, [timeline.duration_s]])
    pace = np.concatenate([[0.5], timeline.pace])
    clock = np.concatenate([[0.0], np.cumsum(pace * np.diff(edges))])
    first, last = np.interp(arrives_s, edges, clock), np.interp(leaves_s, edges, clock)
    offset_s = np.interp(first + (last - first) * rng.random(n), clock, edges)
    event = np.full(n, -1)
    if not timeline.events:
        return offset_s, event
    heat = np.cumsum([each.strength for each in timeline.events])
    chosen = np.searchsorted(heat, heat[-1] * rng.random(n), side="right").clip(max=len(heat) - 1)
    at = np.array([each.offset_s for each in timeline.events])[chosen]
    half_life_s = np.array([each.half_life_s for each in timeline.events])[chosen]
    delay_s = 1.5 + half_life_s / np.log(4) * rng.standard_exponential(n) + 1.5 * rng.standard_exponential(n)
    answers = (rng.random(n) < _EVENT_SHARE) & (at > arrives_s) & (at + delay_s < leaves_s)
    return np.where(answers, at + delay_s, offset_s), np.where(answers, chosen, event)


def _draw_subjects(
    rng: np.random.Generator, timeline: Timeline, offset_s: np.ndarray, event: np.ndarray
) -> np.ndarray:
    n = len(offset_s)
    lagged_s = offset_s - 15 * rng.standard_exponential(n)
    segment = (np.searchsorted(timeline.starts_s, lagged_s, side="right") - 1).clip(min=0)
    strays = rng.random(n) < 0.08
    subject = np.where(strays, len(timeline.topics) + (rng.random(n) * len(TOPIC_NAMES)).astype(int), segment)
    of_events = np.array([each.offset_s for each in timeline.events] + [0.0])
    at_event = np.searchsorted(timeline.starts_s, of_events[event], side="right") - 1
    return np.where(event >= 0, at_event, subject)


def _draw_intents(rng: np.random.Generator, sender: np.ndarray, event: np.ndarray) -> np.ndarray:
    n = len(sender)
    intent = np.where((event >= 0) & (rng.random(n) < 0.8), REACT, ANY)
    _, first = np.unique(sender, return_index=True)
    _, last = np.unique(sender[::-1], return_index=True)
    greets, leaves = rng.random(len(first)) < 0.4, rng.random(len(last)) < 0.15
    intent[(n - 1 - last)[leaves]] = BYE
    intent[first[greets]] = HELLO
    intent[rng.random(n) < 0.003] = HOSTILE
    return intent


def _spread_copypasta(rng: np.random.Generator, writing: Writing) -> None:
    n = len(writing.sender)
    for _ in range(1 + int(rng.random() * 2.5)):
        start = int(rng.random() * n)
        span = writing.offset_ms < writing.offset_ms[start] + 45_000
        span[:start] = False
        writing.intent[span & (rng.random(n) < 0.45)] = PASTA
