"""What people write: cleaned for storing and showing; its words, emotes and emoji.

Everything here is a function of texts; nothing is looked up elsewhere.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, overload

__all__ = [
    "EMOJI",
    "PEOPLE",
    "clean_json",
    "clean_text",
    "disarm_cell",
    "disarm_formula",
    "dump_names",
    "format_count",
    "hide_mentions",
    "is_emote",
    "normalize_text",
    "one_line",
    "read_emotes",
    "read_name",
    "read_number",
    "rearm_cell",
    "remove_controls",
    "split_part",
    "split_words",
    "suggest_name",
]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"\s*[-+]?\d{1,18}(\.\d*)?\s*")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINERS = "\u200c\u200d"  # within an emoji, and within words of Persian or Hindi
_FORMULA_STARTS = tuple("=+-@＝＋－＠")

_LINK = re.compile(r"https?://\S+|www\.\S+")
_EMOJI = (
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a\u231b\u23e9-\u23fa]"
    "[\ufe0f\u20e3\U0001f3fb-\U0001f3ff]*(?:\u200d[\U0001f300-\U0001faff\u2600-\u27bf][\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
EMOJI = re.compile(_EMOJI)
# An emoji, an emote as YouTube writes it, a word; of Chinese and Japanese, which leave no
# spaces, a run of one script.
_TOKEN = re.compile(
    rf"{_EMOJI}|:[\w-]+:|@[\w-]+|[\u4e00-\u9fff\u3005]+|[\u3041-\u309f]+|[\u30a1-\u30ff\u31f0-\u31ff]+"
    r"|(?:(?![\u3005\u3041-\u30ff\u31f0-\u31ff\u4e00-\u9fff])[\w'’])+"
)
# Twitch emotes of a channel: the channel's lower-case prefix, then a capital.
_TWITCH_EMOTE = re.compile(r"[a-z][a-z0-9]{2,}[A-Z][A-Za-z0-9]+")
_YOUTUBE_EMOTE = re.compile(r":[\w-]+:")
_MENTION = re.compile(r"[@＠][^\s@＠]+")
_NO_WIDTH = re.compile("[\u200b\u2060\ufeff\U000e0000]")
_STRETCHED = re.compile(r"(.)\1{2,}")


# ---------------------------------------------------------------- cleaning


@overload
def clean_text(value: str) -> str: ...
@overload
def clean_text(value: object) -> str | None: ...
def clean_text(value: object) -> str | None:
    """Return text that SQLite and UTF-8 can hold, or None if it is no text.

    NUL is dropped, a lone surrogate becomes U+FFFD.
    """
    if not isinstance(value, str):
        return None
    if _UNSTORABLE.search(value):
        value = value.replace("\x00", "")
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def clean_json(value: Any) -> Any:
    """Return parsed JSON whose texts and numbers SQLite and orjson can hold (see `clean_text`)."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, int) and abs(value) >= 2**63:
        return float(value) if abs(value) < 10**300 else None
    return value


def read_name(value: object) -> str | None:
    """Return an id or a name, which may come as a whole number; None if it is empty or something else."""
    if type(value) is int:  # not a bool
        value = str(value) if abs(value) < 10**30 else None
    return clean_text(value) or None


def read_number(value: object) -> float | None:
    """Return a finite number, which may come as text; None for anything else, booleans too."""
    if type(value) is str and _NUMBER.fullmatch(value):
        value = float(value.strip())
    if not (type(value) is int or type(value) is float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def one_line(text: object, width: int = 1000) -> str:
    """Return text as one line for a terminal: no control or direction characters, at most `width` long."""
    shown = (c if c in _JOINERS or unicodedata.category(c)[0] != "C" else " " for c in str(text or ""))
    plain = " ".join("".join(shown).split())
    return plain if len(plain) <= width else plain[: width - 1] + "…"


def hide_mentions(text: str) -> str:
    """Return text with `@…` for everything that may name somebody after an `@`."""
    return _MENTION.sub("@…", text)


def remove_controls(text: str) -> str:
    """Return text with blanks for control characters, line breaks too, and without direction characters."""
    return _BIDIRECTIONAL.sub("", _CONTROLS.sub(" ", text))


def disarm_cell(text: str) -> str:
    """Return text as a cell that a spreadsheet only shows.

    Control characters become blanks, direction characters go; what would then begin a formula
    gets an apostrophe in front.
    """
    return disarm_formula(remove_controls(text))


def disarm_formula(text: str) -> str:
    """Return text with an apostrophe in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def rearm_cell(text: str) -> str:
    """Return a spreadsheet's cell without the apostrophe that `disarm_formula` put before a formula."""
    return text[1:] if text[:1] == "'" and text[1:].lstrip().startswith(_FORMULA_STARTS) else text


# ------------------------------------------------------------------ wording


def split_words(text: str) -> list[str]:
    """Return words, emotes and emoji of a text, words in lower case; links and @names are left out."""
    return [word for part in text.split() for word in split_part(part)]  # no token contains a blank


@lru_cache(maxsize=2**18)
def split_part(part: str) -> tuple[str, ...]:
    """Return the words of a text without blanks, as `split_words` does."""
    tokens = _TOKEN.findall(_LINK.sub(" ", part) if "." in part or "/" in part else part)
    return tuple(token if is_emote(token) else token.casefold() for token in tokens if token[0] != "@")


PEOPLE = ("person", "people")  # for `format_count`


def format_count(number: float, what: str, several: str = "") -> str:
    """Return a number with its noun, such as `1 message` or `1,200 people`; `several` is an odd plural."""
    return f"{number:,.0f} {what if round(number) == 1 else several or what + 's'}"


def normalize_text(text: str) -> str:
    """Return a text with case, spaces (also invisible ones) and stretched letters made alike."""
    text = text if text.isascii() else _NO_WIDTH.sub("", text)
    return _STRETCHED.sub(r"\1\1", " ".join(text.casefold().split()))


@lru_cache(maxsize=65536)
def is_emote(token: str) -> bool:
    """Return whether a token looks like an emote: `:name:`, or a Twitch channel's `prefixName`."""
    return bool(_YOUTUBE_EMOTE.fullmatch(token) or _TWITCH_EMOTE.fullmatch(token))


def read_emotes(emotes: object, text: object) -> list[str]:
    """Return a message's emotes: those that the source lists, a JSON array, else what looks like one in it.

    Whatever is no text counts as absent.
    """
    if isinstance(emotes, str):
        return [str(name) for name in json.loads(emotes)]
    return [token for token in _TOKEN.findall(text) if is_emote(token)] if isinstance(text, str) else []


@lru_cache(maxsize=65536)
def dump_names(names: tuple[str, ...]) -> str:
    """Return names as a JSON array; the same names always as the same text."""
    return json.dumps(names, ensure_ascii=False)


def suggest_name(given: str, known: Iterable[str]) -> str:
    """Return `Did you mean NAME?` for the known name that is closest to a mistyped one, or ""."""
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""
