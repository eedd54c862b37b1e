"""Which column of a table holds what: by its name in many languages, by its values, or as the user says."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from chatlib.errors import UnknownFormat
from chatlib.options import ROLES
from chatlib.text import one_line, read_number
from chatlib.times import (
    MAX_OFFSET_S,
    MAX_TIMESTAMP_US,
    MIN_TIMESTAMP_US,
    read_offset,
    read_timestamp,
    read_timestamp_text,
    split_zone,
)

__all__ = [
    "Columns", "find_columns", "find_unnamed_columns", "has_heading", "is_day_first", "read_column_moment",
    "read_column_moments", "read_column_offsets",
]  # fmt: skip

_OWN = {  # chat-downloader's own names, whatever else they mean elsewhere
    "time_text", "video_offset_time_msec", "message", "message_id", "id",
    "message_type", "author", "author_id", "author_name", "author_badges", "badges", "amount", "action_type",
    "author.badges", "emotes",
    "author.id", "author.name", "author.display_name", "money.text", "money.amount", "money.currency",
    "system_message", "header_message", "header_primary_text", "header_secondary_text", "bits",
    "target_message_id", "target_id", "ticker_duration",
}  # fmt: skip
_OWN_TIMES = ("time_in_seconds", "video_offset_time_msec", "time_text", "timestamp")
_OWN_MARKS = {
    "message_id",
    "message_type",
    "action_type",
    "author.id",
    "author.name",
}  # two of them are enough
# Of two columns that say the same the better: a name as it is shown, an amount as written.
_BETTER = (
    ("amount", "amounttext"), ("author_name", "displayname"), ("author_name", "authorname"),
    ("author_name", "username"),
)  # fmt: skip
_OWN_BADGE = re.compile(r"(?:author\.badges|author_badges|badges)\.(\d{1,3})(?:\.(title|name))?")
_OWN_EMOTE = re.compile(r"emotes\.(\d{1,4})\.(name|shortcuts)(?:\.0)?")
_DATE = re.compile(
    r"\D{0,12}(\d{1,4})\D(\d{1,2})\D(\d{2,4})"
    r"(?:(\D{1,5})(\d{1,2})\D(\d\d)(?:\D(\d\d)(?:[.,](\d{1,9}))?)?)?(?:\D{0,3}?([AP]\.?\s?M\.?))?\D{0,5}",
    re.I,
)
_HALF_DAY = r"(?:\d?\d:\d\d(?::\d\d)?\s?[AP]\.?\s?M\.?)"
_HALF = re.compile(r"^[AP]|[上下]午|午[前後]|오[전후]", re.I)
_AFTERNOON = ("p", "P", "下午", "午後", "오후")
_TIME_OF_DAY = re.compile(rf"\s*(?:(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?|{_HALF_DAY})\s*", re.I)
_COMMA = re.compile(r"\s*-?\d+,\d+\s*")


@cache
def _role_of_name() -> dict[str, str]:
    """Return what a column of each known name holds; names are in small letters, without blanks and signs."""
    content = Path(__file__).with_name("column_names.json").read_text(encoding="utf-8")
    return {name: role for role, names in json.loads(content).items() for name in names}


@dataclass
class Columns:
    """Where a table's columns are that say something of the chat, by chat-downloader's names of fields.

    `offset` and `moment` are columns of times; a `day` goes before the time of day in `moment`.
    """

    fields: dict[str, int] = field(default_factory=dict)
    badges: dict[str, dict[str, int]] = field(default_factory=dict)  # which badge -> title, name -> column
    offset: int | None = None
    offset_scale: float = 1.0
    moment: int | None = None
    day: int | None = None
    day_first: bool = False  # in dates such as 7/8/2021
    stream: int | None = None
    is_own: bool = False  # chat-downloader's own table

    def list_needed(self) -> list[int]:
        """Return the places of the columns to read, in order."""
        times = (self.offset, self.moment, self.day, self.stream)
        badges = (i for badge in self.badges.values() for i in badge.values())
        return sorted({*self.fields.values(), *badges, *(i for i in times if i is not None)})


def has_heading(first_row: Sequence[object]) -> bool:
    """Return whether a table's first row names its columns: no name is a number or a time."""
    return not any(_classify_value(cell) for cell in first_row)


def find_columns(
    names: Sequence[str], sample: Sequence[Sequence[object]], said: Mapping[str, str]
) -> Columns:
    """Return which column holds what. `sample` has some values of each; `said` is what the user says.

    Raises: UnknownFormat if none can hold the text, two can hold the same, or one that is said is not there.
    """
    given = set(names)
    has_marks = bool({"time_in_seconds", "time_text"} & given) or len(_OWN_MARKS & given) >= 2
    columns = Columns(is_own="message" in given and has_marks)
    roles = {_find_said(name, names): role for role, name in said.items()}
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        badge = _OWN_BADGE.fullmatch(name) if columns.is_own else None
        if badge and i not in roles:
            columns.badges.setdefault(badge[1], {})[badge[2] or "title"] = i
        elif i not in roles and (meaning := _find_meaning(name, columns.is_own)):
            found.setdefault(meaning, []).append(i)
    if login := found.pop("author (login)", []):
        found.setdefault("author_name", login)
    for meaning, good in _BETTER:
        better = [i for i in found.get(meaning, []) if _simplify(names[i]) == good]
        found |= {meaning: better} if better else {}
    found |= {ROLES[role] or role: [i] for i, role in roles.items()}
    own_times = [i for i, name in enumerate(names) if columns.is_own and name in _OWN_TIMES]
    times = found.pop("time", []) or own_times
    columns.stream = found.pop("stream", [None])[0]
    for meaning, places in found.items():
        if len(places) > 1:
            role = next((role for role, own in ROLES.items() if own == meaning), meaning)
            raise _two_for_one(role, *(names[i] for i in places[:2]))
        columns.fields[meaning] = places[0]
    _find_times(columns, times, names, sample)
    _require_chat(columns, names)
    if columns.offset is columns.moment is None and times:  # rows count what they cannot read
        columns.offset = times[0]
    return columns


def _find_meaning(name: str, is_own: bool) -> str:
    """Return the field that a column's name stands for, `time` or `stream`; "" for an unknown name."""
    if is_own and (emote := _OWN_EMOTE.fullmatch(name)):
        return f"emotes.{emote[1]}.{emote[2]}"
    if is_own and name in _OWN:
        return name
    role = _role_of_name().get(_simplify(name), "")
    return ROLES.get(role) or role if not is_own or role in ("time", "stream") else ""


def _find_said(said: str, names: Sequence[str]) -> int:
    """Return the place of a column that the user names, or numbers from 1."""
    if said in names:
        return list(names).index(said)
    if said.isdecimal() and 0 < int(said) <= len(names):
        return int(said) - 1
    shown = one_line(", ".join(names), 300)
    raise UnknownFormat(f"A column must be one of the table's ({shown}) or its number, got {said!r}.")


def _simplify(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _two_for_one(role: str, *names: str) -> UnknownFormat:
    shown = " and ".join(repr(one_line(name, 60)) for name in names)
    return UnknownFormat(
        f"A table may have one column for the {role}, and this one has {shown}. Say which: "
        f"--columns {role}=NAME."
    )


def _require_chat(columns: Columns, names: Sequence[str]) -> None:
    has_author = any(name.startswith("author") and "badge" not in name for name in columns.fields)
    has_time = columns.offset is not None or columns.moment is not None
    missing = (
        "text" if "message" not in columns.fields else "" if has_author or has_time else "author or time"
    )
    if missing:
        raise UnknownFormat(
            f"A table of chat must have a column for the {missing}, and none of these is known as one: "
            f"{one_line(', '.join(map(repr, names)), 300)}. Say which: --columns "
            "text=NAME,author=NAME,time=NAME."
        )


# ------------------------------------------------------------------ times


def _find_times(
    columns: Columns, places: Sequence[int], names: Sequence[str], sample: Sequence[Sequence[object]]
) -> None:
    """Decide by their values which of the columns for times hold offsets, moments, or days."""
    kinds = {i: _classify(sample[i], share=0.5) for i in places}
    offsets, clocks, moments, days = (
        [i for i in places if kinds[i] == kind] for kind in ("seconds", "clock", "moment", "day")
    )
    if len(offsets) > 1 and columns.is_own:
        offsets = [i for i in offsets if names[i] == "time_in_seconds"] or offsets[:1]
    is_time_of_day = bool(clocks) and all(_TIME_OF_DAY.fullmatch(str(v)) for v in sample[clocks[0]] if v)
    if days and is_time_of_day and not moments:
        columns.day, moments, clocks = days[0], clocks[:1], clocks[1:]
    elif days == list(places):
        moments = days
    for some in (offsets, clocks if not offsets else [], moments):
        if len(some) > 1:
            raise _two_for_one("time", *(names[i] for i in some[:2]))
    columns.offset = next(iter([*offsets, *clocks]), None)
    columns.moment = next(iter(moments), None)
    if columns.offset is not None and re.search(r"m(illi)?s(ec(onds?)?)?$", _simplify(names[columns.offset])):
        columns.offset_scale = 1000.0
    dated = columns.moment if columns.day is None else columns.day
    dates = () if dated is None else sample[dated]
    columns.day_first = is_day_first([value for value in dates if isinstance(value, str)])


def _classify(values: Sequence[object], *, share: float = 0.8) -> str:
    """Return what at least this share of the values is: seconds, clock, moment, day; "" for nothing such."""
    kinds = [_classify_value(value) for value in values if value not in (None, "")]
    most = max(sorted(set(kinds), reverse=True), key=kinds.count, default="")
    return most if kinds.count(most) >= share * len(kinds) else ""


def _classify_value(value: object) -> str:
    number = read_number(_read_decimal_comma(value))
    if number is not None:
        return "moment" if read_timestamp(int(number)) else "seconds" if abs(number) <= MAX_OFFSET_S else ""
    if not isinstance(value, str) or len(value) > 100:
        return ""
    if read_offset(value) is not None or re.fullmatch(rf"\s*{_HALF_DAY}\s*", value, re.I):
        return "clock"
    if read_column_moment(value, False) is None and read_column_moment(value, True) is None:
        return ""
    return "moment" if re.search(r"\d\D\d\d", value[8:]) else "day"


def _read_decimal_comma(value: object) -> object:
    """Return a number's text with a point where it has a comma; anything else as it is."""
    return value.replace(",", ".") if isinstance(value, str) and _COMMA.fullmatch(value) else value


def read_column_offsets(columns: Columns, values: list[Any]) -> list[Any]:
    """Return seconds from the column of offsets, at once where it holds numbers only; what is none stays."""
    import numpy as np

    with suppress(ValueError, TypeError):
        offsets = np.array(values, dtype=float) / columns.offset_scale
        if np.isfinite(offsets).all() and (np.abs(offsets) <= MAX_OFFSET_S).all():
            return (offsets + 0.0).tolist()
    found = (read_offset(_read_decimal_comma(value), scale=columns.offset_scale) for value in values)
    return [value if offset_s is None else offset_s for value, offset_s in zip(values, found, strict=True)]


def read_column_moments(columns: Columns, batch: Mapping[int, list[Any]]) -> list[Any]:
    """Return microseconds since 1970 from the column of moments, or of times of day; what is none stays."""
    values = written = batch[columns.moment or 0]
    if columns.day is not None:
        days = batch[columns.day]
        written = [f"{day} {time}" if day and time else None for day, time in zip(days, values, strict=True)]
    with suppress(ValueError, TypeError):  # chat-downloader's, all at once
        stamps = list(map(int, written)) if written and type(written[0]) in (str, int) else []
        if stamps and min(stamps) >= MIN_TIMESTAMP_US and max(stamps) <= MAX_TIMESTAMP_US:
            return stamps
    found = (None if value is None else read_column_moment(value, columns.day_first) for value in written)
    return [value if moment is None else moment for value, moment in zip(values, found, strict=True)]


@lru_cache(maxsize=4096)
def read_column_moment(value: object, day_first: bool) -> int | None:
    """Return microseconds since 1970 from a number, an ISO 8601 moment, or a date as people write it."""
    if not isinstance(value, str):
        return read_timestamp(value)
    text, zone_s = split_zone(value.strip()) if len(value) < 100 else (value, None)
    moment = _read_moment(text, day_first)
    return moment if moment is None else moment - (zone_s or 0) * 1_000_000


def _read_moment(text: str, day_first: bool) -> int | None:
    found = _DATE.fullmatch(text) if len(text) < 60 else None
    if found and (text[4:5] != "-" or found[9]):
        return _read_numeric_date(found, day_first)
    number = text if text.isdecimal() else read_number(text)
    if number is not None:
        return read_timestamp(number)
    exact = read_timestamp_text(text)
    return exact if exact is not None or len(text) > 60 else _read_named_date(text)


def _read_numeric_date(found: re.Match[str], day_first: bool) -> int | None:
    first, second, third = int(found[1]), int(found[2]), int(found[3])
    if len(found[1]) == 4:
        year, month, day = first, second, third
    else:
        day, month = (first, second) if day_first else (second, first)
        year = third if len(found[3]) == 4 else 2000 + third
    hour, minute, second = (int(number or 0) for number in found.group(5, 6, 7))
    if half := _HALF.search(found[9] or found[4] or ""):
        hour = hour % 12 + (12 if half[0] in _AFTERNOON else 0)
    fraction = int((found[8] or "0").ljust(6, "0")[:6])
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, fraction, dt.UTC)
    except ValueError:
        return None
    return read_timestamp(round(moment.timestamp() * 1e6))


def _read_named_date(text: str) -> int | None:
    """Return the moment of a date with the month's English name, such as `Jul 15, 2021 8:01 PM`."""
    if not re.search(r"[A-Za-z]{3}.*\d{4}|\d{4}.*[A-Za-z]{3}", text):
        return None
    import pandas as pd

    try:
        return read_timestamp_text(pd.Timestamp(text).isoformat())
    except (ValueError, OverflowError, TypeError):
        return None


def is_day_first(values: Sequence[str]) -> bool:
    """Return whether the day comes first: what cannot be a month tells, else the shorter span does."""
    texts = (split_zone(value.strip())[0] for value in values)
    dates = [found for text in texts if (found := _DATE.fullmatch(text)) and len(found[1]) < 4]
    if any(int(found[1]) > 12 for found in dates):
        return True
    if not dates or any(int(found[2]) > 12 for found in dates):
        return False
    spans = []
    for day_first in (False, True):
        moments = [m for found in dates if (m := _read_numeric_date(found, day_first)) is not None]
        spans.append(max(moments) - min(moments) if moments else 0)
    return spans[1] < spans[0] or (spans[0] == spans[1] and "." in dates[0][0])


# ------------------------------------------------------------------ without a heading


def find_unnamed_columns(sample: Sequence[Sequence[object]]) -> Columns:
    """Return which column of a table without a heading holds the time, the author and the text.

    The first whose values are times is the time; of the others the text has more words, the author fewer
    different values. Raises: UnknownFormat if that is not plain to see.
    """
    columns = Columns()
    kinds = [_classify(values) for values in sample]
    times = [i for i, kind in enumerate(kinds) if kind in ("clock", "moment")]
    times = times or [i for i, values in enumerate(sample) if kinds[i] == "seconds" and _is_ascending(values)]
    names = [f"{i + 1}" for i in range(len(sample))]
    others = [i for i, kind in enumerate(kinds) if not kind and any(sample[i])]
    if times and others:
        text = max(others, key=lambda i: (round(_count_words(sample[i]), 1), i))
        before = [i for i in others if i != text and sample[i].count("") * 5 <= len(sample[i])]
        columns.fields["message"] = text
        if before:
            columns.fields["author_name"] = min(before, key=lambda i: (len(set(sample[i])), i))
        _find_times(columns, [times[0], *(i for i, kind in enumerate(kinds) if kind == "day")], names, sample)
    if not {"message", "author_name"} <= columns.fields.keys():
        raise UnknownFormat(
            "A table without a heading must show which column is the time, the author and the text, and this "
            "one does not. Say which by their numbers: --columns time=1,author=2,text=3."
        )
    return columns


def _is_ascending(values: Sequence[object]) -> bool:
    numbers = [read_number(_read_decimal_comma(value)) or 0.0 for value in values if value not in (None, "")]
    return numbers == sorted(numbers)


def _count_words(values: Sequence[object]) -> float:
    texts = [str(value) for value in values if value]
    return sum(len(text.split()) + len(text) / 12 for text in texts) / max(len(texts), 1)
