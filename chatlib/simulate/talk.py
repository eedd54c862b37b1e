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
    "Talker",
    "Topic",
    "Voice",
    "read_attributes",
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

_COLUMNS = ("n", "v", "a", "p", "ph", "ns", "ving")  # of a topic; the last two are made of the first two
_PAIRED = {5: 0, 6: 1}  # plurals come in the order of the nouns, -ing forms in that of the verbs
_FOLDER = Path(__file__).parent

_TAIL_SHARE = 0.4  # of messages that end in a little word of feeling
_SPREAD = 0.25  # how far a tilted choice strays from the writer's own place in the list
_WARMTH = TILTS.index("warmth")

_T = TypeVar("_T")

Topic = tuple[tuple[str, ...], ...]  # the words of each column; the first of each are in focus


class Slot(NamedTuple):
    """A gap in a sentence and the text that follows it.

    It is filled from a `column` of the topic; or from `words`, of which members have others; or, where
    there are neither, by a mention. `tilt` is an index into `TILTS`, or -1.
    """

    literal: str
    column: int = -1
    words: tuple[str, ...] = ()
    for_members: tuple[str, ...] = ()
    tilt: int = -1


Template = tuple[str, tuple[Slot, ...]]


class Grammar(NamedTuple):
    """All that can be said in a language: templates by section, topics in the order of `TOPIC_NAMES`."""

    templates: dict[str, tuple[Template, ...]]
    topics: tuple[Topic, ...]
    words: dict[str, tuple[str, ...]]


@cache
def _read_sections(language: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return what follows each title of a lexicon in its line, and the lines below."""
    sections: dict[str, tuple[list[str], list[str]]] = {}
    lines: list[str] = []
    for line in (_FOLDER / f"lexicon_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            words = line.split()[1:]
            lines = []
            sections[" ".join(words[:2])] = words[2:], lines
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def read_attributes(kind: str) -> dict[str, list[str]]:
    """Return the names of all sections of a kind (topic, say, event), each with what its title adds."""
    titled = ((title.split(), added) for title, (added, _) in _read_sections("en").items())
    return {words[1]: added for words, added in titled if words[0] == kind}


def _split(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.strip() for line in lines for word in line.split("|"))


INTENTS = tuple(read_attributes("say"))
EVENT_KINDS = tuple(read_attributes("event"))
TOPIC_NAMES = tuple(read_attributes("topic"))
COPYPASTA = tuple(_read_sections("en")["copypasta"][1])
HANDLES = {
    language: tuple(_split(_read_sections(language)[f"list {part}"][1]) for part in parts)
    for language, parts in (("en", ("heads", "tails")), ("ja", ("heads",)))
}


def topic_title(topic: int, number: int) -> str:
    """Return a title for a stream about this topic."""
    names = _load_grammar("en").topics[topic][_COLUMNS.index("p")]
    return f"{TOPIC_NAMES[topic].capitalize()} night: {names[number % len(names)]} (no. {number + 1})"


@cache
def _load_grammar(language: str) -> Grammar:
    """Return the compiled sentences of `en` or `ja`; what Japanese has no words for is English."""
    sections = _read_sections("en") | _read_sections(language)
    lists = {title.split()[1]: section for title, section in sections.items() if title.startswith("list ")}
    words = {name: _split(lines) for name, (_, lines) in lists.items()}
    tilts = {name: TILTS.index(added[1]) if added else -1 for name, (added, _) in lists.items()}

    def make_slot(name: str, literal: str) -> Slot:
        if name in _COLUMNS:
            return Slot(literal, _COLUMNS.index(name))
        if name == "@":
            return Slot(literal)
        others = words["emj"] if name == "emo" else words[name]
        return Slot(literal, words=others, for_members=words[name], tilt=tilts[name])

    def compile_line(line: str) -> Template:
        first, *pieces = re.split(r"\{([^}]+)\}", line)
        return first, tuple(map(make_slot, pieces[::2], pieces[1::2]))

    templates = {
        title: tuple(map(compile_line, lines))
        for title, (_, lines) in sections.items()
        if not title.startswith(("list ", "topic "))
    }
    topics = []
    for name in TOPIC_NAMES:
        columns = [_split([line.partition(":")[2]]) for line in sections[f"topic {name}"][1]]
        made = tuple(map(_make_plural, columns[0])), tuple(map(_make_ing, columns[1]))
        topics.append((*columns, *made))
    return Grammar(templates, tuple(topics), words)


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

    def choose_subject(self, topic: int) -> tuple[Topic, ...]:
        """Return a topic in English and Japanese with some of its words in focus: what is on screen."""
        return tuple(self._focus(grammar.topics[topic]) for grammar in self._grammars)

    def list_subjects(self) -> list[tuple[Topic, ...]]:
        """Return every topic in English and Japanese with no particular focus."""
        return list(zip(*(grammar.topics for grammar in self._grammars), strict=True))

    def write(self, section: str, voice: Voice, subject: tuple[Topic, ...], *, mention: str = "") -> str:
        """Return a sentence of a section of the lexicon, such as `say joke`, on this subject."""
        template = self._pick(self._grammars[voice.japanese].templates[section])
        text = self._fill(template, voice, subject[voice.japanese], mention)
        return self._finish(text, voice) if section.startswith(("say ", "event ")) else text

    def _pick(self, items: tuple[_T, ...]) -> _T:
        place = self._draw()
        return items[int(len(items) * place * (0.4 + 0.6 * place))]  # earlier ones are more frequent

    def _focus(self, columns: Topic) -> Topic:
        orders: list[list[int]] = []
        for column, words in enumerate(columns):
            paired = orders[_PAIRED[column]] if column in _PAIRED else None
            orders.append(paired or sorted(range(len(words)), key=lambda _: self._draw()))
        return tuple(tuple(words[i] for i in order) for words, order in zip(columns, orders, strict=True))

    def _pick_tilted(self, words: tuple[str, ...], place: float) -> str:
        place += _SPREAD * (self._draw() - 0.5)
        return words[0 if place <= 0.0 else -1 if place >= 1.0 else int(len(words) * place)]

    def _fill(self, template: Template, voice: Voice, topic: Topic, mention: str) -> str:
        draw = self._draw
        text, slots = template
        for literal, column, words, for_members, tilt in slots:
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
        words = self._grammars[voice.japanese].words
        if draw() < _TAIL_SHARE:
            text += " " + self._pick_tilted(words["tail"], voice.tilts[_WARMTH])
        if draw() < voice.emoji_share:
            which = "emo" if voice.member and draw() < 0.5 else "emj"
            text += " " + self._pick_tilted(words[which], voice.tilts[_WARMTH])
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
