"""What a simulated viewer writes: sentences filled by topic, by what happens, and by who writes.

A viewer's traits tilt both which intention a message has and which of several words of
similar meaning it uses, so that every message says a little about its writer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatlib.collect import simulate_japanese as ja
from chatlib.collect import simulate_phrases as en
from chatlib.collect import simulate_words as words

__all__ = ["EVENT_KINDS", "INTENTS", "TILTS", "TOPIC_NAMES", "Talker", "Voice"]

INTENTS = tuple(en.PHRASES)
EVENT_KINDS = tuple(en.EVENT_PHRASES)
TILTS = ("affinity", "wealth", "mood", "humour", "warmth")
TOPIC_NAMES = tuple(words.TOPICS)

_SPREAD = 0.5  # how far a tilted choice strays from the writer's own place in the list
_TOPIC_SLOTS = {"n": 0, "v": 1, "ving": 2, "a": 3, "p": 4, "ph": 5}
_MENTION, _PLAIN = -2, -1
_OWNER_LINES = (
    "welcome everyone, we are {ving} today",
    "okay one more try at the {n}",
    "short break, back in two minutes",
    "thank you all for being here",
    "chat, which {n} should we take",
    "{laugh} you are all terrible",
)
_BOT_LINES = (
    "The schedule: Fridays 19:00 UTC. Type !schedule for more.",
    "Please be kind to each other and keep spoilers out of chat.",
    "Type !song to see what is playing, !boat to board the boat.",
)

Template = tuple[str, tuple[tuple[object, int, str], ...]]


class Voice(NamedTuple):
    """How one viewer writes in one stream. `tilts` are places between 0 and 1, as in `TILTS`."""

    japanese: bool
    member: bool
    intents: list[float]  # cumulative shares, as in `INTENTS`
    tilts: tuple[float, ...]
    style: int
    emoji_share: float


class _Grammar(NamedTuple):
    phrases: tuple[tuple[Template, ...], ...]
    events: tuple[tuple[Template, ...], ...]
    paid: tuple[Template, ...]
    owner: tuple[Template, ...]
    topics: tuple[tuple[tuple[str, ...], ...], ...]


class Talker:
    """Writes messages with the random numbers of `draw`, a function of numbers in [0, 1)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._grammars = (_ENGLISH, _JAPANESE)

    def say(self, voice: Voice, topic: int, *, intent: int, mention: str) -> str:
        """Return a message with this intention about this topic."""
        grammar = self._grammars[voice.japanese]
        template = self._pick(grammar.phrases[intent])
        return self._finish(self._fill(template, voice, grammar.topics[topic], mention), voice)

    def react(self, voice: Voice, topic: int, *, kind: int) -> str:
        """Return an answer to an event of this kind; often the one that everybody writes."""
        grammar = self._grammars[voice.japanese]
        template = self._pick(grammar.events[kind])
        return self._finish(self._fill(template, voice, grammar.topics[topic], ""), voice)

    def say_paid(self, voice: Voice, topic: int) -> str:
        """Return the text of a Super Chat."""
        grammar = self._grammars[voice.japanese]
        return self._fill(self._pick(grammar.paid), voice, grammar.topics[topic], "")

    def say_as_owner(self, voice: Voice, topic: int) -> str:
        """Return what the streamer writes into the own chat."""
        return self._fill(self._pick(_ENGLISH.owner), voice, _ENGLISH.topics[topic], "")

    def say_as_bot(self) -> str:
        """Return one of the channel bot's fixed lines."""
        return self._pick(_BOT_LINES)

    def _pick(self, items: Sequence):
        place = self._draw()
        return items[int(len(items) * place * (0.4 + 0.6 * place))]  # earlier ones are more frequent

    def _fill(self, template: Template, voice: Voice, topic: tuple, mention: str) -> str:
        draw = self._draw
        text, parts = template
        for source, tilt, literal in parts:
            if tilt == _PLAIN:
                options = topic[source] if source.__class__ is int else source
                place = draw()
                text += options[int(len(options) * place * (0.3 + 0.7 * place))] + literal
            elif tilt == _MENTION:
                text += mention + literal
            else:
                options = source[voice.member] if tilt == 4 and source.__class__ is dict else source
                place = voice.tilts[tilt] + _SPREAD * (draw() - 0.5)
                place = 0.0 if place < 0.0 else 0.9999 if place > 0.9999 else place
                text += options[int(len(options) * place)] + literal
        return text

    def _finish(self, text: str, voice: Voice) -> str:
        draw = self._draw
        if draw() < voice.emoji_share:
            options = words.EMOTES if voice.member and draw() < 0.5 else words.EMOJI
            place = voice.tilts[4] + _SPREAD * (draw() - 0.5)
            place = 0.0 if place < 0.0 else 0.9999 if place > 0.9999 else place
            text += " " + options[int(len(options) * place)]
        style = voice.style
        if style == 0 or voice.japanese:
            return text
        if style == 1:
            return text[:1].upper() + text[1:]
        if style == 2:
            return text[:1].upper() + text[1:] + ("." if text[-1:].isalnum() else "")
        if style == 3:
            return text.upper() if draw() < 0.3 else text + "!"
        if draw() < 0.15 and len(text) > 6:  # a letter doubled or lost, as fingers do
            at = int(draw() * (len(text) - 2)) + 1
            return text[:at] + text[at] * int(draw() * 3) + text[at + 1 :]
        return text


def _make_ing(verb: str) -> str:
    head, _, rest = verb.partition(" ")
    if head.endswith("e") and not head.endswith(("ee", "oe", "ye")):
        head = head[:-1]
    elif re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", head) and not head.endswith(("ck", "nk")):
        head += head[-1]
    return f"{head}ing {rest}".rstrip()


def _compile(line: str, general: dict[str, tuple[str | None, tuple[str, ...]]]) -> Template:
    pieces = re.split(r"\{([^}]+)\}", line)
    parts: list[tuple[object, int, str]] = []
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in _TOPIC_SLOTS:
            parts.append((_TOPIC_SLOTS[name], _PLAIN, literal))
        elif name == "@":
            parts.append(("", _MENTION, literal))
        elif name == "emj":
            parts.append((words.EMOJI, TILTS.index("warmth"), literal))
        elif name == "emo":
            parts.append(({False: words.EMOJI, True: words.EMOTES}, TILTS.index("warmth"), literal))
        else:
            tilt, options = general[name]
            parts.append((options, _PLAIN if tilt is None else TILTS.index(tilt), literal))
    return pieces[0], tuple(parts)


def _make_grammar(language, general, *, suffix: str, topics) -> _Grammar:
    def compiled(lines: Sequence[str]) -> tuple[Template, ...]:
        return tuple(_compile(line, general) for line in lines)

    phrases: dict[str, tuple[str, ...]] = getattr(language, "PHRASES" + suffix)
    events: dict[str, tuple[str, ...]] = getattr(language, "EVENT_PHRASES" + suffix)
    return _Grammar(
        tuple(compiled(phrases[intent]) for intent in INTENTS),
        tuple(compiled(events[kind]) for kind in EVENT_KINDS),
        compiled(getattr(language, "PAID_PHRASES" + suffix)),
        compiled(_OWNER_LINES),
        tuple(topics),
    )


_ENGLISH = _make_grammar(
    en,
    words.GENERAL,
    suffix="",
    topics=[
        (nouns, verbs, tuple(_make_ing(verb) for verb in verbs), *rest)
        for nouns, verbs, *rest in words.TOPICS.values()
    ],
)
_JAPANESE = _make_grammar(
    ja,
    ja.GENERAL_JA,
    suffix="_JA",
    topics=[
        (nouns, verbs, verbs, *rest) for nouns, verbs, *rest in (ja.TOPICS_JA[name] for name in words.TOPICS)
    ],
)
