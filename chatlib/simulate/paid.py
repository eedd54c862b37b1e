"""Rows of a simulated chat beside the plain messages: money, memberships, gifts, bot, deletions."""

from __future__ import annotations

import numpy as np

from chatlib.simulate.crowd import Crowd
from chatlib.simulate.rows import BOT, OWNER, Bundle, Guest, Json, Scene, make_author, make_person, message_id
from chatlib.simulate.talk import Topic

__all__ = ["CHANNEL_NAME", "draw_bundles", "pays_later"]

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
