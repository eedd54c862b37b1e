"""How a stream's chat speaks: languages, scripts, emotes, emoji, habits, what is said again and again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

import pandas as pd

from chatlib.analyze.people.languages import find_expected, guess_language, guess_script
from chatlib.text import EMOJI, normalize_text, read_emotes

__all__ = [
    "count_commands",
    "count_emoji",
    "count_emotes",
    "count_languages",
    "count_repeats",
    "count_scripts",
    "find_questions",
    "hide_mentions",
    "summarize_habits",
]

_UNKNOWN = "too short to tell"
_MENTION = re.compile(r"@(?:[\w.-]+|…)")
_QUESTION = re.compile(r"[?？](?:\s|$|[!?？])")
_COMMAND = re.compile(r"!\w+")
_HABITS: dict[str, Callable[[str], object]] = {
    "a question": _QUESTION.search,
    "a command": _COMMAND.match,
    "a mention of somebody": _MENTION.search,
    "a link": re.compile(r"https?://|www\.").search,
    "an emoji": EMOJI.search,
    "capitals only": re.compile(r"(?=(?:[^A-Z]*[A-Z]){3})[^a-z]*\Z").match,
    "a single word": re.compile(r"\S+\Z").match,
}


def count_languages(messages: pd.DataFrame) -> pd.DataFrame:
    """Return how many messages are in each language. Columns: language, messages, share.

    Short messages often do not tell; they are counted as such. A single word tells only a
    language that more of the chat is in.
    """
    expected = find_expected(messages["text"].dropna())
    return _count_texts(
        messages, "language", lambda text: guess_language(text, expected=expected) or _UNKNOWN
    )


def count_scripts(messages: pd.DataFrame) -> pd.DataFrame:
    """Return how many messages are mostly in each script. Columns: script, messages, share."""
    return _count_texts(messages, "script", lambda text: guess_script(text) or "no letters")


def count_emotes(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the emotes used most. Columns: emote, uses, people."""
    columns = (messages["text"], messages["emotes"], messages["author"])
    found = [
        (emote, author)
        for text, emotes, author in zip(*columns, strict=True)
        for emote in read_emotes(emotes, text)
    ]
    return _count_uses(found, "emote", top)


def count_emoji(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the emoji used most. Columns: emoji, uses, people."""
    spoken = messages[messages["text"].notna()]
    pairs = zip(spoken["text"], spoken["author"], strict=True)
    found = [(emoji, author) for text, author in pairs for emoji in EMOJI.findall(text)]
    return _count_uses(found, "emoji", top)


def count_repeats(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return what is said most often, capitals and stretched letters aside. Columns: text, times, people."""
    spoken = messages[messages["text"].notna()]
    keys = spoken["text"].map(normalize_text)
    table = (
        spoken.assign(key=keys)[keys != ""]
        .groupby("key")
        .agg(text=("text", "first"), times=("text", "size"), people=("author", "nunique"))
    )
    table = table[table["times"] > 1].sort_values(["times", "people"], ascending=False, kind="stable")
    return table.head(top).reset_index(drop=True)


def count_commands(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the commands that are called most. Columns: command, uses, people."""
    spoken = messages[messages["text"].notna()]
    found = [
        (command[0].casefold(), author)
        for text, author in zip(spoken["text"], spoken["author"], strict=True)
        if (command := _COMMAND.match(text))
    ]
    return _count_uses(found, "command", top)


def find_questions(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the questions that most people ask, of three words or more, or without spaces at all.

    Columns: question, people, first_s (when it was first asked). Capitals, stretched letters and
    who is addressed make no difference.
    """
    asked = messages[messages["text"].notna()]
    asked = asked[asked["text"].map(lambda text: bool(_QUESTION.search(text))).astype(bool)]
    plain = asked["text"].map(lambda text: " ".join(_MENTION.sub(" ", text).split()))
    keys = plain.map(lambda text: normalize_text(text).rstrip("?？! "))
    enough = keys.map(lambda key: len(key.split()) >= 3 or (not key.isascii() and len(key) >= 4)).astype(bool)
    table = (
        asked.assign(question=plain, key=keys)[enough]
        .groupby("key")
        .agg(question=("question", "first"), people=("author", "nunique"), first_s=("offset_s", "min"))
    )
    table = table.sort_values(["people", "first_s"], ascending=[False, True], kind="stable")
    return table.head(top).reset_index(drop=True)


def summarize_habits(messages: pd.DataFrame) -> pd.DataFrame:
    """Return which share of the messages is or has what. Columns: message is or has, messages, share."""
    texts = messages["text"].dropna()
    counts = {name: int(sum(map(bool, map(find, texts)))) for name, find in _HABITS.items()}
    keys = texts.map(normalize_text)
    counts["what somebody said before"] = int(keys.duplicated().sum())
    table = pd.DataFrame({"message is or has": list(counts), "messages": list(counts.values())})
    table["share"] = table["messages"] / max(len(texts), 1)
    return table.sort_values("messages", ascending=False, kind="stable", ignore_index=True)


def hide_mentions(texts: Iterable[str]) -> list[str]:
    """Return texts in which every @name is `@…`."""
    return [_MENTION.sub("@…", text) for text in texts]


def _count_texts(messages: pd.DataFrame, name: str, classify: Callable[[str], str]) -> pd.DataFrame:
    times = Counter(messages["text"].dropna())
    found: Counter[str] = Counter()
    for text, n in times.items():  # each distinct text once
        found[classify(text)] += n
    rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    table = pd.DataFrame(rows, columns=[name, "messages"])
    table["share"] = table["messages"] / max(sum(found.values()), 1)
    return table


def _count_uses(found: list[tuple[str, object]], name: str, top: int) -> pd.DataFrame:
    uses = pd.DataFrame(found, columns=[name, "author"])
    table = uses.groupby(name).agg(uses=("author", "size"), people=("author", "nunique"))
    table = table.sort_values(["uses", "people"], ascending=False, kind="stable").head(top)
    return table.reset_index()
