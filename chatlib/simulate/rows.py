"""A simulated stream as rows of a chat file, in chat-downloader's nested schema."""

from __future__ import annotations

import base64
import hashlib
import heapq
import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import orjson

from chatlib.simulate.crowd import TRAITS, Audience
from chatlib.simulate.stream import ANY, PASTA, REACT, Timeline, Writing, intent_shares
from chatlib.simulate.talk import COPYPASTA, EVENT_KINDS, HANDLES, INTENTS, TILTS, Talker, Topic, Voice
from chatlib.simulate.talk import HOSTILE as HOSTILE_LINES

__all__ = [
    "BOT",
    "OWNER",
    "Bundle",
    "Guest",
    "Person",
    "Scene",
    "iter_rows",
    "make_author",
    "make_person",
    "make_scene",
    "message_id",
]

OWNER, BOT = 0, 1  # serial numbers
_BADGES = {
    0: "New member",
    1: "Member (1 month)",
    2: "Member (2 months)",
    6: "Member (6 months)",
    12: "Member (1 year)",
    24: "Member (2 years)",
    36: "Member (3 years)",
}
_CHUNK = 1 << 16


Json = dict[str, Any]


class Person(NamedTuple):
    """Who writes: the channel id and the handle."""

    author_id: str
    name: str


class Scene(NamedTuple):
    """Everything that one stream's chat is written from."""

    video_id: str
    started_us: int
    audience: Audience
    timeline: Timeline
    writing: Writing
    people: list[Person]
    authors: list[Json]
    voices: list[Voice]
    subjects: list[tuple[Topic, ...]]  # each in English and Japanese
    talker: Talker
    draw: random.Random


class Bundle(NamedTuple):
    """Rows beside the plain messages that share a time and a message id.

    A row is a kind, the author, the text, and further keys.
    """

    offset_ms: int
    rows: tuple[tuple[str, Json | None, str | None, Json], ...]


class Guest(NamedTuple):
    """Somebody who appears in a stream without a plain message: by a gift received, or by paying."""

    person: Person
    paid: bool


def make_person(seed: int, serial: int, *, japanese: bool = False) -> Person:
    """Return the id and handle of the person with this serial number; always the same."""
    digest = hashlib.blake2b(f"{seed}/{serial}".encode(), digest_size=18).digest()
    author_id = "UCsim" + base64.urlsafe_b64encode(digest[:15]).decode()[:19]
    if serial in (OWNER, BOT):
        return Person(author_id, ("@PellsHarbor", "@HarborBot")[serial])
    number = int.from_bytes(digest[15:], "big")
    if japanese:
        (heads,) = HANDLES["ja"]
        return Person(author_id, f"@{heads[number % len(heads)]}-{number % 997}")
    heads, tails = HANDLES["en"]
    name = heads[number % len(heads)] + tails[number // 131 % len(tails)]
    return Person(author_id, f"@{name}{number // 16001 % 900 + 10}")


def make_author(person: Person, titles: Iterable[str] = ()) -> Json:
    """Return a chat row's author object."""
    author = {"id": person.author_id, "name": person.name}
    badges = [{"title": title} for title in titles]
    return author | {"badges": badges} if badges else author


def make_scene(
    seed: int, index: int, *, video_id: str, started_us: int, audience: Audience, timeline: Timeline,
    writing: Writing,
) -> Scene:  # fmt: skip
    """Return the scene of the stream number `index`: people with their badges and voices."""
    draw = random.Random(f"{seed}/{index}")
    people = [
        make_person(seed, serial, japanese=japanese)
        for serial, japanese in zip(audience.serial.tolist(), audience.japanese.tolist(), strict=True)
    ]
    badges = zip(people, audience.months.tolist(), audience.moderator.tolist(), strict=True)
    authors = [make_author(person, _badge_titles(months, moderator)) for person, months, moderator in badges]
    talker = Talker(draw.random)
    subjects = [talker.choose_subject(topic) for topic in timeline.topics.tolist()] + talker.list_subjects()
    return Scene(
        video_id, started_us, audience, timeline, writing, people, authors, _make_voices(audience),
        subjects, talker, draw,
    )  # fmt: skip


def _badge_titles(months: int, moderator: bool) -> list[str]:
    titles = ["Moderator"] if moderator else []
    if months >= 0:
        titles.append(_BADGES[max(level for level in _BADGES if level <= months)])
    return titles


def _make_voices(audience: Audience) -> list[Voice]:
    traits = {name: audience.traits[:, column] for column, name in enumerate(TRAITS)}
    traits["warmth"] = (traits["affinity"] + traits["mood"]) / np.sqrt(2)
    tilts = np.column_stack([1 / (1 + np.exp(-1.7 * traits[name])) for name in TILTS])
    style = np.digitize(traits["formality"] + 0.3 * audience.luck, [-1.4, 0.4, 1.0, 1.7])
    columns = (
        audience.japanese.tolist(),
        (audience.months >= 0).tolist(),
        intent_shares(audience.traits).tolist(),
        map(tuple, tilts.tolist()),
        np.array([4, 0, 1, 2, 3])[style].tolist(),
        (0.04 + 0.2 * (audience.luck * 7 % 1) ** 3).tolist(),
    )
    return list(map(Voice, *columns))


def _time_text(offset_ms: int) -> str:
    sign, seconds = ("-", -offset_ms // 1000) if offset_ms < 0 else ("", offset_ms // 1000)
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{sign}{minutes}:{seconds:02d}"
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def message_id(scene_id: str, number: int, *, extra: bool = False) -> str:
    """Return the id of a stream's message number `number`, or of its bundle of that number."""
    return f"ChwKGkNTSU0{scene_id[3:]}{'Qx' if extra else 'Qm'}{number:06x}"


def iter_rows(scene: Scene, bundles: list[Bundle], kinds: Counter[str]) -> Iterator[str]:
    """Yield the stream's rows as JSON lines in order of time; `kinds` counts them."""
    in_time = sorted(enumerate(bundles), key=lambda item: item[1].offset_ms)
    beside = ((bundle.offset_ms, _bundle_lines(scene, number, bundle, kinds)) for number, bundle in in_time)
    for _, lines in heapq.merge(beside, _iter_messages(scene), key=itemgetter(0)):
        yield lines
    kinds["text_message"] += len(scene.writing.sender)


def _bundle_lines(scene: Scene, number: int, bundle: Bundle, kinds: Counter[str]) -> str:
    kinds.update(kind for kind, *_ in bundle.rows)
    row_id = message_id(scene.video_id, number, extra=True)
    return "".join(_make_line(scene, bundle.offset_ms, row_id, *row) for row in bundle.rows)


def _iter_messages(scene: Scene) -> Iterator[tuple[int, str]]:
    """Yield (offset in ms, JSON line) of the plain messages; the hot loop of the simulation."""
    for number, (offset_ms, sender, text) in enumerate(_iter_texts(scene)):
        row_id = message_id(scene.video_id, number)
        emotes = _find_emotes(text) if ":_" in text else {}
        author = scene.authors[sender]
        yield offset_ms, _make_line(scene, offset_ms, row_id, "text_message", author, text, emotes)


def _make_line(
    scene: Scene, offset_ms: int, row_id: str, kind: str, author: Json | None, text: str | None, extra: Json
) -> str:
    action = "add_live_chat_ticker_item" if kind.startswith("ticker_") else "add_chat_item"
    if kind.startswith("mark_"):
        action = "mark_chat_item_as_deleted"
    row = {
        "action_type": action,
        **({"author": author} if author else {}),
        **extra,
        "message": text,
        "message_id": row_id,
        "message_type": kind,
        "time_in_seconds": offset_ms / 1000,
        "time_text": _time_text(offset_ms),
        "timestamp": scene.started_us + offset_ms * 1000,
    }
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode()


def _find_emotes(text: str) -> Json:
    names = dict.fromkeys(f":{part}:" for part in text.split(":") if part.startswith("_pell"))
    emotes = [
        {"id": name[2:-1], "name": name, "shortcuts": [name], "is_custom_emoji": True} for name in names
    ]
    return {"emotes": emotes} if emotes else {}


def _iter_texts(scene: Scene) -> Iterator[tuple[int, int, str]]:
    """Yield (offset in ms, sender, text) in order of time."""
    writing, draw, talker = scene.writing, scene.draw.random, scene.talker
    voices, people, subjects = scene.voices, scene.people, scene.subjects
    habits = [f"say {intent}" for intent in INTENTS]
    reactions = [f"event {EVENT_KINDS[event.kind]}" for event in scene.timeline.events]
    pasta = COPYPASTA[int(draw() * len(COPYPASTA))]
    recent = deque([0] * 12, maxlen=12)
    columns = (writing.offset_ms, writing.sender, writing.subject, writing.intent, writing.event)
    for start in range(0, len(writing.sender), _CHUNK):
        parts = [column[start : start + _CHUNK].tolist() for column in columns]
        for offset_ms, sender, subject, intent, event in zip(*parts, strict=True):
            voice = voices[sender]
            if intent == ANY:
                intent = bisect_right(voice.intents, draw())
            if intent >= 0:
                mention = people[recent[int(draw() * 12)]].name
                text = talker.write(habits[intent], voice, subjects[subject], mention=mention)
            elif intent == REACT:
                text = talker.write(reactions[event], voice, subjects[subject])
            else:
                text = pasta if intent == PASTA else HOSTILE_LINES[int(draw() * len(HOSTILE_LINES))]
            recent.append(sender)
            yield offset_ms, sender, text
