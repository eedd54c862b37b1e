"""What simulated viewers write: sentences filled by topic, by what happens, and by who writes.

The words and sentences are read from `lexicon_*.txt`. A viewer's traits tilt both which intention
a message has and which of several words of similar meaning it uses, so that every message says a
little about its writer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = [
    "COPYPASTA",
    "EVENT_KINDS",
    "HANDLES",
    "HOSTILE",
    "INTENTS",
    "TILTS",
    "TOPIC_NAMES",
    "Subject",
    "Talker",
    "Voice",
    "topic_title",
]

# Traits along which lists of words are ordered; warmth is affinity and mood together.
TILTS = ("affinity", "wealth", "mood", "humour", "warmth")

# What real chat throws at a program that shows it.
HOSTILE = (
    '<script>alert("ahoy")</script>',
    "<img src=x onerror=alert(1)>",
    "</td></tr></table><h1>free boats</h1>",
    "$x$ costs $5 and $\\frac{1}{0}$ is $$ nothing",
    "\\textbf{loud} _sub_ ^sup^ %s {0} {{name}}",
    "\u202egnola peels era uoy esruoc fo\u202c ok",
    "z\u0335\u0321a\u0334\u0327l\u0336\u0328g\u0338o\u0337 was here",
    "A" * 190,
    "ha" * 95,
    "!?" * 60,
    "Robert'); DROP TABLE messages;--",
    "=1+1 and +cmd and @SUM(A1:A9)",
    "NULL",
    "nan",
    "\u200b\u200b\u200b",
    "line one\nline two\tand a tab",
    "&lt;b&gt; &amp;amp; &#128512;",
    "https://example.com/?q=<b>&x=%00",
)

_TOPIC_SLOTS = {"n": 0, "v": 1, "a": 2, "p": 3, "ph": 4, "ns": 5, "ving": 6}
_N_COLUMNS = len(_TOPIC_SLOTS)
_PAIRED = {5: 0, 6: 1}  # plurals come in the order of the nouns, -ing forms in that of the verbs
_FOLDER = Path(__file__).parent

_TAIL_SHARE = 0.4  # of messages that end in a little word of feeling
_SPREAD = 0.25  # how far a tilted choice strays from the writer's own place in the list
_WARMTH = TILTS.index("warmth")

_T = TypeVar("_T")


class Slot(NamedTuple):
    """A gap in a sentence and the text that follows it.

    `column` is a column of the topic, or -1; `words` the choices if it is -1, or none for a
    mention; `for_members` replaces them for members. `tilt` is an index into `TILTS`, or -1.
    """

    column: int
    words: tuple[str, ...]
    for_members: tuple[str, ...]
    tilt: int
    literal: str


Template = tuple[str, tuple[Slot, ...]]


class Grammar(NamedTuple):
    """All that can be said in a language, in the order of `INTENTS`, `EVENT_KINDS`, `TOPIC_NAMES`."""

    phrases: tuple[tuple[Template, ...], ...]
    events: tuple[tuple[Template, ...], ...]
    paid: tuple[Template, ...]
    owner: tuple[Template, ...]
    bot: tuple[str, ...]
    topics: tuple[tuple[tuple[str, ...], ...], ...]
    emotes: tuple[str, ...]
    emoji: tuple[str, ...]
    tails: tuple[str, ...]


Sections = dict[str, list[str]]


@cache
def _read_sections(language: str) -> Sections:
    sections: Sections = {}
    lines: list[str] = []
    for line in (_FOLDER / f"lexicon_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            lines = sections[line[3:]] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def _names(sections: Sections, kind: str) -> tuple[str, ...]:
    return tuple(title.split()[1] for title in sections if title.startswith(kind + " "))


def _split(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.strip() for line in lines for word in line.split("|"))


INTENTS = _names(_read_sections("en"), "say")
EVENT_KINDS = _names(_read_sections("en"), "event")
TOPIC_NAMES = _names(_read_sections("en"), "topic")
COPYPASTA = tuple(_read_sections("en")["copypasta"])
HANDLES = {
    language: tuple(_split(_read_sections(language)[f"list {part}"]) for part in parts)
    for language, parts in (("en", ("heads", "tails")), ("ja", ("heads",)))
}


def topic_title(topic: int, number: int) -> str:
    """Return a title for a stream about this topic."""
    names = _load_grammar("en").topics[topic][_TOPIC_SLOTS["p"]]
    return f"{TOPIC_NAMES[topic].capitalize()} night: {names[number % len(names)]} (no. {number + 1})"


@cache
def _load_grammar(language: str) -> Grammar:
    """Return the compiled sentences of `en` or `ja`; what Japanese has no words for is English."""
    sections = _read_sections("en") | _read_sections(language)
    lists = _read_lists(_read_sections("en")) | _read_lists(sections)

    def compiled(title: str) -> tuple[Template, ...]:
        return tuple(_compile(line, lists) for line in sections[title])

    return Grammar(
        tuple(compiled(f"say {intent}") for intent in INTENTS),
        tuple(compiled(f"event {kind}") for kind in EVENT_KINDS),
        compiled("paid"),
        compiled("owner"),
        tuple(sections["bot"]),
        tuple(_read_topic(sections[f"topic {name}"]) for name in TOPIC_NAMES),
        lists["emo"][1],
        lists["emj"][1],
        lists["tail"][1],
    )


def _read_lists(sections: Sections) -> dict[str, tuple[int, tuple[str, ...]]]:
    lists = {}
    for title, lines in sections.items():
        kind, _, rest = title.partition(" ")
        name, _, tilt = rest.partition(" by ")
        if kind == "list":
            lists[name] = (TILTS.index(tilt) if tilt else -1, _split(lines))
    return lists


def _read_topic(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    rows = [_split([line.partition(":")[2]]) for line in lines]
    plurals = tuple(_make_plural(noun) for noun in rows[0])
    return (*rows, plurals, tuple(_make_ing(verb) for verb in rows[1]))


def _compile(line: str, lists: dict[str, tuple[int, tuple[str, ...]]]) -> Template:
    pieces = re.split(r"\{([^}]+)\}", line)
    slots = []
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in _TOPIC_SLOTS:
            slots.append(Slot(_TOPIC_SLOTS[name], (), (), -1, literal))
        elif name == "@":
            slots.append(Slot(-1, (), (), -1, literal))
        elif name == "emo":
            tilt, emotes = lists["emo"]
            slots.append(Slot(-1, lists["emj"][1], emotes, tilt, literal))
        else:
            tilt, words = lists[name]
            slots.append(Slot(-1, words, words, tilt, literal))
    return pieces[0], tuple(slots)


def _make_ing(verb: str) -> str:
    if not verb.isascii():
        return verb
    head, _, rest = verb.partition(" ")
    if head.endswith("e") and not head.endswith(("ee", "oe", "ye")):
        head = head[:-1]
    elif re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", head):
        head += head[-1]
    return f"{head}ing {rest}".rstrip()


def _make_plural(noun: str) -> str:
    if not noun.isascii():
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


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
        self._grammars = (_load_grammar("en"), _load_grammar("ja"))

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

    def _pick(self, items: tuple[_T, ...]) -> _T:
        place = self._draw()
        return items[int(len(items) * place * (0.4 + 0.6 * place))]  # earlier ones are more frequent

    def _focus(self, columns: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        orders = {}
        for column in range(_N_COLUMNS):
            key = _PAIRED.get(column, column)
            if key not in orders:
                orders[key] = sorted(range(len(columns[column])), key=lambda _: self._draw())
        return tuple(
            tuple(words[i] for i in orders[_PAIRED.get(column, column)])
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
