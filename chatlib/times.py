"""Dates, moments and offsets as sources write them; the periods for training, validation and test.

Dates are kept as ISO 8601 in UTC, moments as microseconds since 1970, offsets as seconds.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, NamedTuple

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.text import format_count, read_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MAX_OFFSET_S",
    "MAX_TIMESTAMP_US",
    "MIN_TIMESTAMP_US",
    "DateSplit",
    "find_day",
    "format_clock",
    "format_timestamp",
    "read_date",
    "read_offset",
    "read_timestamp",
    "read_timestamp_text",
    "split_by_date",
    "split_zone",
]

MAX_OFFSET_S = 1e8  # three years; what is beyond is no offset
MIN_TIMESTAMP_US = 1_100_000_000_000_000  # 2004, before there was any of this
MAX_TIMESTAMP_US = 4_100_000_000_000_000  # 2099

# Zones by the names that programs write, in minutes east of UTC; of two with one name, the more common.
_ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "EET": 120,
    "EEST": 180, "MSK": 180, "SGT": 480, "HKT": 480, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660,
    "NZST": 720, "NZDT": 780, "BRT": -180, "ART": -180, "AST": -240, "ADT": -180, "EST": -300, "EDT": -240,
    "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "HST": -600,
}  # fmt: skip
_ZONE = re.compile(
    r"(.*\d:\d\d.*?)\s*(?:\b([A-Z]{3,5})|(Z)|(?:UTC|GMT)?\s?([+-]\d\d?):?(\d\d)?)(?: \([^()]{1,60}\))?",
    re.S | re.I,
)
_BELOW_MICRO = re.compile(r"(\.\d{6})\d+")  # Twitch writes nanoseconds
# Python and pandas write `1 day, 2:03:04` and `0 days 00:01:05`; of -5 s, a day less and `23:59:55`.
_CLOCK = re.compile(r"\s*(?:(-?\d{1,4}) days?,? \+?)?(-?)(?:(\d{1,4}):)?(\d{1,4}):(\d\d(?:\.\d+)?)\s*")


def read_offset(value: object, *, scale: float = 1.0) -> float | None:
    """Return seconds from a number, from plain text, or from a clock such as `-1:02:03` or `1 day, 2:03:04`.

    A number is divided by `scale`; a clock is not.
    """
    number = read_number(value)
    if number is None and isinstance(value, str) and (clock := _CLOCK.fullmatch(value)):
        days, sign, hours, minutes, seconds = clock.groups()
        number = (int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)) * (-1 if sign else 1)
        number += int(days or 0) * 86400
        scale = 1.0
    if number is None:
        return None
    number = number / scale
    return number + 0.0 if abs(number) <= MAX_OFFSET_S else None


def read_timestamp(value: object) -> int | None:
    """Return microseconds since 1970 from nano-, micro-, milli- or whole seconds between 2004 and 2099."""
    if type(value) is str and value.strip().isdecimal() and len(value) < 20:
        value = int(value.strip())
    if not (type(value) is int or type(value) is float) or not math.isfinite(value):  # not a bool
        return None
    for factor in (1, 1000, 1_000_000):
        if MIN_TIMESTAMP_US <= value * factor <= MAX_TIMESTAMP_US:
            return int(value * factor)
    return int(value // 1000) if MIN_TIMESTAMP_US <= value // 1000 <= MAX_TIMESTAMP_US else None


def read_timestamp_text(value: object) -> int | None:
    """Return microseconds since 1970 from an ISO 8601 moment, or None. Without a zone it is in UTC."""
    try:
        return read_timestamp(round(_parse_moment(value).timestamp() * 1_000_000))
    except (TypeError, ValueError, OverflowError):
        return None


def split_zone(text: str) -> tuple[str, int | None]:
    """Return a moment's text without the zone at its end, and that zone's seconds east of UTC.

    A zone whose name is not known stays in the text, and is None, as none is.
    """
    found = _ZONE.fullmatch(text)
    if found is None:
        return text, None
    moment, name, zulu, hours, minutes = found.groups()
    if hours:
        sign = -1 if hours[0] == "-" else 1
        return moment, 3600 * int(hours) + sign * 60 * int(minutes or 0)
    zone_min = _ZONES.get((name or zulu).upper())
    return (text, None) if zone_min is None else (moment, 60 * zone_min)


def read_date(value: object) -> str | None:
    """Return a date, or a moment in UTC to the second, as ISO 8601; None for what is neither.

    A moment without a zone is taken as UTC.
    """
    try:
        if isinstance(value, str) and len(value.strip()) == 10:
            return dt.date.fromisoformat(value.strip()).isoformat()
        return _parse_moment(value).astimezone(dt.UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError):
        return None


def _parse_moment(value: object) -> dt.datetime:
    if not isinstance(value, str):
        raise TypeError("a moment is text")
    moment = dt.datetime.fromisoformat(_BELOW_MICRO.sub(r"\1", value.strip()))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def format_timestamp(timestamp_us: float | None) -> str | None:
    """Return microseconds since 1970 as a moment in UTC, ISO 8601, to the second."""
    if timestamp_us is None:
        return None
    return dt.datetime.fromtimestamp(round(timestamp_us / 1e6), dt.UTC).isoformat()


def format_clock(seconds: float) -> str:
    """Return seconds as `h:mm:ss`, as all that people read shows times; parts of a second are cut off."""
    minutes, second = divmod(abs(int(seconds)), 60)
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{second:02}"


def find_day(timestamp_us: float | None, started_at: str | None) -> dt.date | None:
    """Return the UTC day of a message: of its timestamp, else of its stream's start, else None."""
    if timestamp_us is not None and not math.isnan(timestamp_us):
        return dt.datetime.fromtimestamp(timestamp_us / 1e6, dt.UTC).date()
    return dt.date.fromisoformat(started_at[:10]) if started_at else None


class DateSplit(NamedTuple):
    """Keys of streams (`stream_id`), each list oldest first."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split_by_date(streams: pd.DataFrame, *, train: float = 0.60, validation: float = 0.15) -> DateSplit:
    """Split streams into periods by `started_at`: shares of their number, oldest first.

    Streams with the same start stay together, in the earlier period, so each period is strictly later
    than the one before. Streams without a date are left out.

    Raises: ParameterError for shares that leave no test; NotEnoughData if a period is empty.
    """
    if not (0 < train < 1 and 0 < validation < 1 and train + validation < 1):
        raise ParameterError(
            f"Shares of training and validation are positive and leave a test: got {train} and {validation}."
        )
    dated = streams[streams["started_at"].notna()].sort_values(["started_at", "video_id"])
    ids, dates = dated["stream_id"].astype(int).tolist(), dated["started_at"].tolist()
    first = _end_of_date(dates, round(len(ids) * train))
    second = _end_of_date(dates, max(round(len(ids) * (train + validation)), first + 1))
    split = DateSplit(ids[:first], ids[first:second], ids[second:])
    if not all(split):
        raise NotEnoughData(
            "Training, validation and test each need at least one stream with a date of its own, and get "
            f"{len(split.train)}, {len(split.validation)} and {len(split.test)} of "
            f"{format_count(len(ids), 'dated stream')}. Add streams, or dates to streams.csv."
        )
    return split


def _end_of_date(dates: list[str], end: int) -> int:
    while 0 < end < len(dates) and dates[end] == dates[end - 1]:
        end += 1
    return end
