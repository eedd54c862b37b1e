"""The script and the language of a message, by its letters and its commonest words.

Chat is short, and a wrong guess in a thousand messages looks like a group of viewers that is
not there: so a message that does not tell is left open.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable
from functools import lru_cache
from pathlib import Path

from chatlib.text import is_emote, normalize_text, split_words

__all__ = ["find_expected", "guess_language", "guess_script"]

# Common words of languages in Latin script. A word that several of them have votes for each, by
# halves or less; so English holds what others have in common with its names and words, too.
_WORDS_PATH = Path(__file__).with_name("common_words.json")
# Letters that few of these languages have.
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
# How Unicode names of letters begin -> script.
_SCRIPTS = {
    "ARABIC": "Arabic",
    "CJK": "Han",
    "CYRILLIC": "Cyrillic",
    "DEVANAGARI": "Devanagari",
    "FULLWIDTH": "Latin",
    "GREEK": "Greek",
    "HALFWIDTH": "Katakana",
    "HANGUL": "Hangul",
    "HEBREW": "Hebrew",
    "HIRAGANA": "Hiragana",
    "IDEOGRAPHIC": "Han",
    "KATAKANA": "Katakana",
    "KATAKANA-HIRAGANA": "Katakana",
    "LATIN": "Latin",
    "THAI": "Thai",
}
_ADDRESS = re.compile(r"\S*\w\.[a-z]{2,4}\b\S*")
_LEAST_SCORE = 1.0  # one word that no other language has
_LEAST_LEAD = 0.5
_LEAST_SHARE = 0.2  # of a message's words
_LEAST_OF_CHAT = 0.02


def guess_script(text: str) -> str | None:
    """Return the script that most letters of a text have, or None for a text without letters.

    Kana win over Han, since Japanese mixes them. A face drawn with kana is no letter.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if not letters or (len(letters) <= 2 and _KAOMOJI.issuperset(letters) and len(text.strip()) > 4):
        return None
    scripts = Counter(map(_script_of, letters))
    kana = [script for script in ("Hiragana", "Katakana") if script in scripts]
    top = scripts.most_common(1)[0][0]
    return kana[0] if kana and top in ("Han", "Hiragana", "Katakana") else top


def guess_language(text: str, *, expected: Container[str] | None = None) -> str | None:
    """Return the language of a text, or None where a short text does not tell.

    By the script, where one language mostly has it. In Latin script a word votes for every
    language that it is common in, the less the more they are, and some letters for few. The best
    needs a lead, a fifth of the text's words, and a word of its own: two if it is not `expected`
    (None: all are), for among many messages a few are like any language by chance.
    """
    script = guess_script(text)
    if script in _LANGUAGE_OF_SCRIPT:
        return _LANGUAGE_OF_SCRIPT[script]
    if script == "Han":
        return "Chinese" if not _SIMPLIFIED.isdisjoint(text) else "Chinese or Japanese"
    return _guess_by_words(text, expected) if script == "Latin" else None


def find_expected(texts: Iterable[str]) -> set[str]:
    """Return the languages that a chat is in: that of 2 % of the texts that tell theirs for certain."""
    certain = Counter(guess_language(text, expected=()) for text in texts)
    del certain[None]
    return {language for language, n in certain.items() if n >= _LEAST_OF_CHAT * certain.total()}


def _guess_by_words(text: str, expected: Container[str] | None) -> str | None:
    words = {word for word in split_words(_ADDRESS.sub(" ", normalize_text(text))) if not is_emote(word)}
    words = {word for word in words if word[0].isalpha()}
    votes: Counter[str] = Counter()
    for word in words:
        for language in (languages := _languages_of_word().get(word, ())):
            votes[language] += 1 / len(languages)
    for language, letters in _LETTERS.items():
        votes[language] += not set(letters).isdisjoint(text.casefold())
    (first, score), (_, second) = votes.most_common(2)
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
