"""How a chat speaks: languages, scripts, emotes, emoji, habits, repeated messages and questions.

Chat is short, and a wrong guess in a thousand messages looks like a group of viewers that does
not exist: so a message whose language is not clear is counted as such. (Detectors from PyPI were
measured against these word lists: they guess wrong more often where both answer.)
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from pathlib import Path

import pandas as pd

from chatlib.text import EMOJI, is_emote, normalize_text, read_emotes, split_words

__all__ = [
    "count_commands",
    "count_emoji",
    "count_emotes",
    "count_languages",
    "count_repeats",
    "count_scripts",
    "find_chat_languages",
    "find_questions",
    "guess_language",
    "guess_script",
    "hide_mentions",
    "summarize_habits",
]

_UNKNOWN = "too short to tell"
# A letter, and the marks upon it, which are none in themselves.
_MENTION = re.compile(r"[@＠](?:[\w.·\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u109f\u3099\u309a-]+|…)")
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
# Common words of languages in Latin script. A word that n of them have votes for each with 1/n;
# so the English list also holds its names and words that are common in others.
_WORDS_PATH = Path(__file__).with_name("common_words.json")
# Letters that few of these languages use.
_LETTERS = {
    "Spanish": "ñ¿¡", "Portuguese": "ãõ", "German": "ß", "Polish": "łąęśźżń", "Turkish": "ğşı",
    "French": "œ", "Swedish": "å", "Danish or Norwegian": "æøå", "Czech": "ěřů",
    "Vietnamese": "ăđơưãõạảấầậắẹẻếềểễệọỏốồổộớờởợụủứừửữự",
}  # fmt: skip
_LANGUAGE_OF_SCRIPT = {
    "Hiragana": "Japanese",
    "Katakana": "Japanese",
    "Hangul": "Korean",
    "Cyrillic": "Russian and other Cyrillic",
    "Thai": "Thai",
    "Arabic": "Arabic script",
    "Greek": "Greek",
    "Hebrew": "Hebrew",
    "Devanagari": "Hindi and other Devanagari",
}
_SIMPLIFIED = frozenset("这们说对时过为么让还进开关请输单选择须码账户发见车马鸟鱼长门问间电")
_KAOMOJI = frozenset("ツつシノﾉｼﾂ")
# First word of a letter's Unicode name -> script.
_SCRIPTS = {name.upper(): name for name in ("Latin", *_LANGUAGE_OF_SCRIPT)} | {
    "CJK": "Han",
    "IDEOGRAPHIC": "Han",
    "FULLWIDTH": "Latin",
    "HALFWIDTH": "Katakana",
    "KATAKANA-HIRAGANA": "Katakana",
}
_ADDRESS = re.compile(r"\S*\w\.[a-z]{2,4}\b\S*")
_LEAST_SCORE = 1.0  # one word that no other language has
_LEAST_LEAD = 0.5
_LEAST_SHARE = 0.2  # of a message's words
_LEAST_OF_CHAT = 0.02


def count_languages(messages: pd.DataFrame) -> pd.DataFrame:
    """Return how many messages are in each language. Columns: language, messages, share.

    Messages too short to tell are counted as such. A single word counts as evidence only for a
    language that more of the chat is in.
    """
    expected = find_chat_languages(messages["text"].dropna())
    return _count_texts(
        messages, "language", lambda text: guess_language(text, expected=expected) or _UNKNOWN
    )


def count_scripts(messages: pd.DataFrame) -> pd.DataFrame:
    """Return how many messages are mostly in each script. Columns: script, messages, share."""
    return _count_texts(messages, "script", lambda text: guess_script(text) or "no letters")


def count_emotes(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the emotes used most. Columns: emote, uses, people."""
    return _count_uses(
        "emote", map(read_emotes, messages["emotes"], messages["text"]), messages["author"], top
    )


def count_emoji(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the emoji used most. Columns: emoji, uses, people."""
    spoken = messages[messages["text"].notna()]
    return _count_uses("emoji", map(EMOJI.findall, spoken["text"]), spoken["author"], top)


def count_repeats(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the most repeated messages, ignoring case and stretched letters.

    Columns: text, times, people.
    """
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
    called = (_COMMAND.match(text) for text in spoken["text"])
    found = ([command[0].casefold()] if command else [] for command in called)
    return _count_uses("command", found, spoken["author"], top)


def find_questions(messages: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the questions that most people ask, of three words or more, or without spaces at all.

    Columns: question, people, first_s (when it was first asked). Case, stretched letters and
    mentions are ignored.
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
    """Return the share of messages with each habit. Columns: message is or has, messages, share."""
    texts = messages["text"].dropna()
    counts = {name: int(sum(map(bool, map(find, texts)))) for name, find in _HABITS.items()}
    keys = texts.map(normalize_text)
    counts["what somebody said before"] = int(keys.duplicated().sum())
    table = pd.DataFrame({"message is or has": list(counts), "messages": list(counts.values())})
    table["share"] = table["messages"] / max(len(texts), 1)
    return table.sort_values("messages", ascending=False, kind="stable", ignore_index=True)


def hide_mentions(texts: Iterable[str]) -> list[str]:
    """Return texts in which every @name is `@…`."""
    return [_MENTION.sub("@…", text) if "@" in text or "＠" in text else text for text in texts]


def guess_script(text: str) -> str | None:
    """Return the script that most letters of a text have, or None for a text without letters.

    Kana win over Han, since Japanese mixes them. The kana of a kaomoji do not count.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if not letters or (len(letters) <= 2 and _KAOMOJI.issuperset(letters) and len(text.strip()) > 4):
        return None
    scripts = Counter(map(_script_of, letters))
    kana = [script for script in ("Hiragana", "Katakana") if script in scripts]
    top = scripts.most_common(1)[0][0]
    return kana[0] if kana and top in ("Han", "Hiragana", "Katakana") else top


def guess_language(text: str, *, expected: Container[str] | None = None) -> str | None:
    """Return the language of a text, or None if it is not clear.

    The script decides where one language mostly uses it. In Latin script each common word votes
    for its languages, and some letters do. The best language needs a lead, the votes of a fifth of
    the words, and a whole vote: two if it is not `expected` (None: all are), since among many
    messages a few resemble any language by chance.
    """
    script = guess_script(text)
    if script in _LANGUAGE_OF_SCRIPT:
        return _LANGUAGE_OF_SCRIPT[script]
    if script == "Han":
        return "Chinese" if not _SIMPLIFIED.isdisjoint(text) else "Chinese or Japanese"
    return _guess_by_words(text, expected) if script == "Latin" else None


def find_chat_languages(texts: Iterable[str]) -> set[str]:
    """Return the languages of at least 2 % of the texts whose language is certain."""
    guesses = (guess_language(text, expected=()) for text in texts)
    certain = Counter(language for language in guesses if language)
    return {language for language, n in certain.items() if n >= _LEAST_OF_CHAT * certain.total()}


def _guess_by_words(text: str, expected: Container[str] | None) -> str | None:
    words = {word for word in split_words(_ADDRESS.sub(" ", normalize_text(text))) if not is_emote(word)}
    words = {word for word in words if word[0].isalpha()}
    votes: dict[str, float] = defaultdict(float)
    for word in words:
        for language in (languages := _languages_of_word().get(word, ())):
            votes[language] += 1 / len(languages)
    for language, letters in _LETTERS.items():
        votes[language] += not set(letters).isdisjoint(text.casefold())
    (first, score), (_, second) = sorted(votes.items(), key=lambda item: -item[1])[:2]
    least = _LEAST_SCORE if expected is None or first in expected else 2 * _LEAST_SCORE
    enough = max(least, _LEAST_SHARE * len(words))
    return first if score >= enough and score - second >= _LEAST_LEAD else None


@lru_cache(maxsize=65536)
def _script_of(letter: str) -> str:
    first = unicodedata.name(letter, "OTHER").split()[0]
    return _SCRIPTS.get(first, "another script")


@lru_cache(maxsize=1)
def _languages_of_word() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for language, words in json.loads(_WORDS_PATH.read_text(encoding="utf-8")).items():
        for word in set(words.split()):
            found.setdefault(word, []).append(language)
    return found


def _count_texts(messages: pd.DataFrame, name: str, classify: Callable[[str], str]) -> pd.DataFrame:
    times = Counter(messages["text"].dropna())
    found: Counter[str] = Counter()
    for text, n in times.items():  # each distinct text once
        found[classify(text)] += n
    rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    table = pd.DataFrame(rows, columns=[name, "messages"])
    table["share"] = table["messages"] / max(sum(found.values()), 1)
    return table


def _count_uses(
    name: str, found: Iterable[Iterable[str]], authors: Iterable[object], top: int
) -> pd.DataFrame:
    """Return what was found most, in each message and by its author. Columns: `name`, uses, people."""
    pairs = [(item, author) for items, author in zip(found, authors, strict=True) for item in items]
    uses = pd.DataFrame(pairs, columns=[name, "author"])
    table = uses.groupby(name).agg(uses=("author", "size"), people=("author", "nunique"))
    table = table.sort_values(["uses", "people"], ascending=False, kind="stable").head(top)
    return table.reset_index()
