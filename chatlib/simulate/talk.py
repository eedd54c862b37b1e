"""What a simulated viewer writes: sentences filled by topic, by what happens, and by who writes.

A viewer's traits tilt both which intention a message has and which of several words of
similar meaning it uses, so that every message says a little about its writer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from chatlib.simulate.lexicon import N_COLUMNS, PAIRED, TILTS, TOPIC_NAMES, Template, load_grammar

__all__ = ["Subject", "Talker", "Voice"]

_TAIL_SHARE = 0.4  # of messages that end in a little word of feeling
_SPREAD = 0.25  # how far a tilted choice strays from the writer's own place in the list
T = TypeVar("T")
_WARMTH = TILTS.index("warmth")


class Subject(NamedTuple):
    """The words of a topic by language (English, Japanese); the first of each column are in focus."""

    english: tuple[tuple[str, ...], ...]
    japanese: tuple[tuple[str, ...], ...]


class Voice(NamedTuple):
    """How one viewer writes in one stream. `tilts` are places between 0 and 1, as in `TILTS`."""

    japanese: bool
    member: bool
    intents: list[float]  # cumulative shares, as in `INTENTS`
    tilts: tuple[float, ...]
    style: int
    emoji_share: float


class Talker:
    """Writes messages with the random numbers of `draw`, a function of numbers in [0, 1)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._grammars = (load_grammar("en"), load_grammar("ja"))

    def choose_subject(self, topic: int) -> Subject:
        """Return a topic with some of its words in focus: what is on screen in these minutes."""
        return Subject(*(self._focus(grammar.topics[topic]) for grammar in self._grammars))

    def list_subjects(self) -> list[Subject]:
        """Return every topic with no particular focus."""
        english, japanese = self._grammars
        return [Subject(english.topics[i], japanese.topics[i]) for i in range(len(TOPIC_NAMES))]

    def write(self, voice: Voice, subject: Subject, *, intent: int, mention: str) -> str:
        """Return a message with this intention on this subject."""
        template = self._pick(self._grammars[voice.japanese].phrases[intent])
        return self._finish(self._fill(template, voice, subject[voice.japanese], mention), voice)

    def write_reaction(self, voice: Voice, subject: Subject, *, kind: int) -> str:
        """Return a reaction to an event of this kind; often the one that everybody writes."""
        template = self._pick(self._grammars[voice.japanese].events[kind])
        return self._finish(self._fill(template, voice, subject[voice.japanese], ""), voice)

    def write_paid(self, voice: Voice, subject: Subject) -> str:
        """Return the text of a Super Chat."""
        template = self._pick(self._grammars[voice.japanese].paid)
        return self._fill(template, voice, subject[voice.japanese], "")

    def write_as_owner(self, voice: Voice, subject: Subject) -> str:
        """Return a message by the streamer."""
        return self._fill(self._pick(self._grammars[0].owner), voice, subject.english, "")

    def write_as_bot(self) -> str:
        """Return one of the channel bot's fixed lines."""
        return self._pick(self._grammars[0].bot)

    def _pick(self, items: tuple[T, ...]) -> T:
        place = self._draw()
        return items[int(len(items) * place * (0.4 + 0.6 * place))]  # earlier ones are more frequent

    def _focus(self, columns: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        orders = {}
        for column in range(N_COLUMNS):
            key = PAIRED.get(column, column)
            if key not in orders:
                orders[key] = sorted(range(len(columns[column])), key=lambda _: self._draw())
        return tuple(
            tuple(words[i] for i in orders[PAIRED.get(column, column)])
            for column, words in enumerate(columns)
        )

    def _pick_tilted(self, words: tuple[str, ...], place: float) -> str:
        place += _SPREAD * (self._draw() - 0.5)
        return words[0 if place <= 0.0 else -1 if place >= 1.0 else int(len(words) * place)]

    def _fill(self, template: Template, voice: Voice, topic: tuple, mention: str) -> str:
        draw = self._draw
        text, slots = template
        for column, words, for_members, tilt, literal in slots:
            if tilt >= 0:
                words = for_members if voice.member else words
                text += self._pick_tilted(words, voice.tilts[tilt]) + literal
                continue
            place = draw()
            if column >= 0:
                words = topic[column]
                text += words[int(len(words) * place * place)] + literal
            elif words:
                text += words[int(len(words) * place * (0.3 + 0.7 * place))] + literal
            else:
                text += mention + literal
        return text

    def _finish(self, text: str, voice: Voice) -> str:
        draw = self._draw
        grammar = self._grammars[voice.japanese]
        if draw() < _TAIL_SHARE:
            text += " " + self._pick_tilted(grammar.tails, voice.tilts[_WARMTH])
        if draw() < voice.emoji_share:
            words = grammar.emotes if voice.member and draw() < 0.5 else grammar.emoji
            text += " " + self._pick_tilted(words, voice.tilts[_WARMTH])
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
