"""A simulated stream as rows of a chat file, in chat-downloader's nested schema.

Beside the plain messages stand money, memberships, gifts, the bot's messages and deletions.
"""

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

from chatlib.simulate.crowd import TRAITS, Audience, Crowd
from chatlib.simulate.stream import ANY, PASTA, REACT, Timeline, Writing, intent_shares
from chatlib.simulate.talk import COPYPASTA, EVENT_KINDS, HANDLES, INTENTS, TILTS, Talker, Topic, Voice
from chatlib.simulate.talk import HOSTILE as HOSTILE_LINES

__all__ = ["BOT", "CHANNEL_NAME", "OWNER", "Guest", "Scene", "draw_bundles", "iter_rows", "make_person",
           "make_scene", "pays_later"]  # fmt: skip

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

CHANNEL_NAME = "Pell's Harbor (simulated)"

# Currency, symbol, how YouTube writes an amount (a tilde: with a decimal comma), amounts that
# people choose, share of viewers.
_CURRENCIES = (
    ("USD", "$", ("${:,.2f}",), (1.99, 2, 4.99, 5, 9.99, 10, 20, 49.99, 50, 100), 38),
    ("EUR", "€", ("€{:,.2f}", "~{:,.2f}\u00a0€"), (1.99, 2, 5, 9.99, 10, 20, 50, 100), 12),
    ("GBP", "£", ("£{:,.2f}",), (1.79, 2, 4.99, 5, 10, 20, 50), 9),
    ("CAD", "CA$", ("CA${:,.2f}",), (2.79, 5, 6.99, 10, 20, 50), 7),
    ("AUD", "A$", ("A${:,.2f}",), (2.99, 5, 7.99, 10, 25, 50), 5),
    ("MXN", "MX$", ("MX${:,.2f}",), (20, 25, 50, 100, 200), 4),
    ("BRL", "R$", ("R${:,.2f}", "~R$\u00a0{:,.2f}"), (5, 10, 20, 50, 100), 4),
    ("TWD", "NT$", ("NT${:,.2f}",), (30, 75, 150, 300), 3),
    ("KRW", "₩", ("₩{:,.0f}",), (2000, 5000, 10000, 50000), 3),
    ("INR", "₹", ("₹{:,.2f}",), (40, 100, 200, 500), 3),
    ("PHP", "PHP", ("PHP\u00a0{:,.2f}", "₱{:,.2f}"), (50, 100, 250, 500), 3),
    ("PLN", "PLN", ("PLN\u00a0{:,.2f}", "~{:,.2f}\u00a0zł"), (5, 10, 20, 50), 2),
    ("CHF", "CHF", ("CHF\u00a0{:,.2f}",), (2, 5, 10, 20), 2),
    ("CLP", "CLP", ("CLP\u00a0{:,.0f}",), (1000, 2000, 5000, 10000), 2),
    ("NZD", "NZ$", ("NZ${:,.2f}",), (2.99, 5, 10), 1),
    ("HKD", "HK$", ("HK${:,.2f}",), (25, 50, 100), 1),
    ("SEK", "SEK", ("SEK\u00a0{:,.2f}", "~{:,.2f}\u00a0kr"), (20, 50, 100), 1),
)
_YEN = ("JPY", "¥", ("¥{:,.0f}", "￥{:,.0f}"), (200, 500, 1000, 2000, 5000, 10000))
_SPREAD = np.cumsum([currency[-1] for currency in _CURRENCIES])
_COMMA = str.maketrans(",.", ".,")
_AGAIN = (0.22, 0.06)  # probabilities of a payer's second and third payment, each by itself
_AT_EVENTS = 0.4  # share of payments soon after an event, where there is one
_AFTER_EVENT_S = (4, 50)  # at least, and so much more at most


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


def draw_bundles(scene: Scene, *, seed: int, crowd: Crowd, day: int) -> tuple[list[Bundle], list[Guest]]:
    """Return everything that is no plain message, and who appears by money or a gift alone."""
    welcome = "Welcome to live chat! Remember to guard your privacy and abide by our community guidelines."
    icon: Json = {"icon": "YOUTUBE_ROUND"}
    bundles = [Bundle(0, (("viewer_engagement_message", None, welcome, icon),))]
    guests: list[Guest] = []
    for viewer in np.flatnonzero(scene.audience.pays).tolist():
        for _ in range(1 + sum(scene.draw.random() < p for p in _AGAIN)):
            if scene.draw.random() < 0.12:
                bundles += _draw_gift(scene, viewer, seed=seed, crowd=crowd, day=day, guests=guests)
            else:
                bundles.append(_draw_payment(scene, viewer, scene.authors[viewer]))
    if scene.draw.random() < 0.5:  # somebody pays who never writes a plain message
        person = make_person(seed, int(crowd.take_serials(1)[0]))
        guests.append(Guest(person, True))
        bundles.append(_draw_payment(scene, 0, make_author(person)))
    for viewer in np.flatnonzero(scene.audience.announces >= 0).tolist():
        bundles.append(_draw_membership(scene, viewer))
    bundles += _draw_staff(scene, seed)
    bundles += _draw_deletions(scene)
    return bundles, guests


def _draw_moment(scene: Scene, viewer: int) -> int:
    """Return when a viewer pays, in ms: soon after an event, or any time while there."""
    draw, writing = scene.draw.random, scene.writing
    first, last = float(writing.arrives_s[viewer]), float(writing.leaves_s[viewer])
    events = [event for event in scene.timeline.events if first < event.offset_s < last]
    if events and draw() < _AT_EVENTS:
        event, (least, more) = events[int(draw() * len(events))], _AFTER_EVENT_S
        return round(1000 * min(event.offset_s + least + more * draw(), scene.timeline.duration_s))
    return round(1000 * (first + (last - first) * draw()))


def pays_later(scene: Scene, at_s: np.ndarray) -> np.ndarray:
    """Return the true probability that each viewer pays after an offset, given that they have not by then.

    `at_s` has an offset per viewer, within the stream. Given are also the traits with the day's mood, when
    they come and leave, and the stream's events, those to come as well: Bayes' rule on `_draw_moment`.
    """
    first, last = scene.writing.arrives_s, scene.writing.leaves_s
    events, (least, more) = np.array([each.offset_s for each in scene.timeline.events]), _AFTER_EVENT_S
    there = (first[:, None] < events) & (events < last[:, None])
    answered = np.clip((at_s[:, None] - events - least) / more, 0.0, 1.0)
    by_event = (answered * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    by_then = np.clip((at_s - first) / (last - first), 0.0, 1.0)
    later = 1.0 - by_then - _AT_EVENTS * there.any(axis=1) * (by_event - by_then)  # of one payment
    all_later = later * np.prod([1.0 - again + again * later for again in _AGAIN], axis=0)
    pays = scene.audience.probability * all_later
    return pays / (1.0 - scene.audience.probability + pays)


def _draw_payment(scene: Scene, viewer: int, author: Json) -> Bundle:
    draw = scene.draw.random
    offset_ms, money = _draw_moment(scene, viewer), _draw_money(scene, viewer)
    if draw() < 0.16:
        images = [{"url": f"https://example.invalid/sticker{int(draw() * 9)}.png"}]
        kind, text, extra = "paid_sticker", None, money | {"sticker_images": images}
    else:
        text = (
            None
            if draw() < 0.12
            else scene.talker.write("paid", scene.voices[viewer], _subject_at(scene, offset_ms))
        )
        kind, extra = "paid_message", money
    row = (kind, author, text, extra)
    if draw() >= 0.85:
        return Bundle(offset_ms, (row,))
    ticker = money | {"ticker_duration": 60 + int(draw() * 5) * 60}
    return Bundle(offset_ms, (row, (f"ticker_{kind}_item", author, text, ticker)))


def _subject_at(scene: Scene, offset_ms: int) -> tuple[Topic, ...]:
    segment = np.searchsorted(scene.timeline.starts_s, offset_ms / 1000, side="right") - 1
    return scene.subjects[max(0, int(segment))]


def _draw_money(scene: Scene, viewer: int) -> Json:
    audience, draw = scene.audience, scene.draw.random
    luck = float(audience.luck[viewer])
    at = int(np.searchsorted(_SPREAD, luck * _SPREAD[-1], side="right"))
    code, symbol, forms, amounts = _YEN if audience.japanese[viewer] else _CURRENCIES[at][:4]
    place = 0.12 + 0.6 * draw() / (1 + np.exp(-audience.traits[viewer, 2])) + 0.25 * draw()
    amount = amounts[int(len(amounts) * min(0.999, place))]
    form = forms[int(luck * 1000) % len(forms)]
    text = form.removeprefix("~").format(amount)
    if form.startswith("~"):
        text = text.translate(_COMMA)
    money = {"text": text, "amount": float(amount), "currency": code, "currency_symbol": symbol}
    return {"money": money}


def _draw_gift(
    scene: Scene, viewer: int, *, seed: int, crowd: Crowd, day: int, guests: list[Guest]
) -> list[Bundle]:
    """Memberships given away; a fifth of them goes to people who never write."""
    draw, audience = scene.draw.random, scene.audience
    offset_ms = _draw_moment(scene, viewer)
    n = (1, 5, 5, 10, 20)[int(5 * draw() * (0.5 + 0.5 * draw()))]
    there = (audience.months < 0) & (scene.writing.arrives_s * 1000 < offset_ms)
    there[viewer] = False
    candidates = np.flatnonzero(there).tolist()
    chosen = list({candidates[int(draw() * len(candidates))]: 0 for _ in range(round(n * 0.8)) if candidates})
    crowd.give_memberships(audience.slot[chosen], day)
    receivers = [scene.authors[i] for i in chosen]
    for serial in crowd.take_serials(n - len(chosen)).tolist():
        person = make_person(seed, serial)
        guests.append(Guest(person, False))
        receivers.append(make_author(person))
    title = f"Gifted {n} {CHANNEL_NAME} membership{'s' if n > 1 else ''}"
    text = f"was gifted a membership by {scene.people[viewer].name}"
    kind = "sponsorships_gift_redemption_announcement"
    return [
        Bundle(offset_ms, (("sponsorships_gift_purchase_announcement", scene.authors[viewer], title, {}),)),
        *(
            Bundle(offset_ms + 400 + 150 * i, ((kind, author, text, {}),))
            for i, author in enumerate(receivers)
        ),
    ]


def _draw_membership(scene: Scene, viewer: int) -> Bundle:
    months, draw = int(scene.audience.announces[viewer]), scene.draw.random
    first, last = scene.writing.arrives_s[viewer], scene.writing.leaves_s[viewer]
    offset_ms = round(1000 * float(first + (last - first) * draw() * 0.7))
    if months == 0:
        extra, text = {"header_secondary_text": f"Welcome to {CHANNEL_NAME}!"}, None
    else:
        length = f"Member for {months} month{'s' if months > 1 else ''}"
        extra = {"header_primary_text": length, "header_secondary_text": "Deckhands"}
        text = scene.talker.write("paid", scene.voices[viewer], scene.subjects[0])
    author = scene.authors[viewer]
    row = ("membership_item", author, text, extra)
    if draw() >= 0.6:
        return Bundle(offset_ms, (row,))
    return Bundle(offset_ms, (row, ("ticker_sponsor_item", author, text, extra | {"ticker_duration": 300})))


def _draw_staff(scene: Scene, seed: int) -> list[Bundle]:
    draw, duration_s = scene.draw.random, scene.timeline.duration_s
    owner = make_author(make_person(seed, OWNER), ["Owner"])
    bot = make_author(make_person(seed, BOT), ["Moderator"])
    voice = scene.voices[0]._replace(japanese=False)
    bundles = []
    for at_ms in range(240_000, round(duration_s * 1000), 900_000):
        text = scene.talker.write("bot", voice, scene.subjects[0])
        bundles.append(Bundle(at_ms, (("text_message", bot, text, {}),)))
    for _ in range(4 + len(scene.writing.sender) // 400):
        at = -30 + (duration_s + 30) * draw()
        text = scene.talker.write("owner", voice, _subject_at(scene, round(at * 1000)))
        bundles.append(Bundle(round(at * 1000), (("text_message", owner, text, {}),)))
    return bundles


def _draw_deletions(scene: Scene) -> list[Bundle]:
    """Messages that a moderator took away: some leave an empty place, some a mark."""
    draw, n = scene.draw.random, len(scene.writing.sender)
    bundles = []
    for _ in range(1 + n // 500):
        target = int(draw() * n)
        offset_ms = int(scene.writing.offset_ms[target]) + 3000 + int(20000 * draw())
        extra = {"target_message_id": message_id(scene.video_id, target)}
        kind = "mark_chat_item_as_deleted_action"
        bundles.append(Bundle(offset_ms, ((kind, None, "[message deleted]", extra),)))
        bundles.append(
            Bundle(int(scene.writing.offset_ms[int(draw() * n)]), (("placeholder_item", None, None, {}),))
        )
    return bundles
