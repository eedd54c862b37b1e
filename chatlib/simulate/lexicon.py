"""The words and sentences that the simulated chat is made of, read from `lexicon_*.txt`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "COPYPASTA",
    "EVENT_KINDS",
    "HANDLES",
    "HOSTILE",
    "INTENTS",
    "N_COLUMNS",
    "PAIRED",
    "TILTS",
    "TOPIC_NAMES",
    "Grammar",
    "Slot",
    "Template",
    "load_grammar",
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
N_COLUMNS = len(_TOPIC_SLOTS)
PAIRED = {5: 0, 6: 1}  # plurals come in the order of the nouns, -ing forms in that of the verbs
_FOLDER = Path(__file__).parent


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
    names = load_grammar("en").topics[topic][_TOPIC_SLOTS["p"]]
    return f"{TOPIC_NAMES[topic].capitalize()} night: {names[number % len(names)]} (no. {number + 1})"


@cache
def load_grammar(language: str) -> Grammar:
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
