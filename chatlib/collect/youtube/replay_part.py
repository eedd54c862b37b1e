"""What an interrupted download of a chat had got so far: one line of JSON per batch, on disk.

A line names the token of the batch that follows. A line that was cut by the interruption is
dropped, and its batch is fetched again.
"""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from chatlib.collect.files.rows import clean_json
from chatlib.errors import SourceError, StoreFull

__all__ = ["Part", "Saved", "tidy_rows"]

_UNREAD = frozenset({"badge_icons", "icons", "images", "sticker_images"})


class Saved(NamedTuple):
    """Rows in their order, what was left out by reason, and the token to go on with, None at first."""

    rows: list[dict]
    skipped: Counter[str]
    token: str | None


class Part:
    """The unfinished download of one stream, in a file of its own. Call `load` first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Saved:
        """Return what is there, and cut off what cannot be read."""
        try:
            data = self.path.read_bytes()
        except OSError:
            data = b""
        rows: list[dict] = []
        skipped: Counter[str] = Counter()
        token = None
        end = 0
        while (stop := data.find(b"\n", end)) >= 0:
            try:
                batch = orjson.loads(data[end:stop])
                new, *told = list(batch["rows"]), Counter(batch["skipped"]), str(batch["next"])
            except (ValueError, KeyError, TypeError):
                break
            rows += new
            skipped, token = told
            end = stop + 1
        if end < len(data):
            with self.path.open("r+b") as file:
                file.truncate(end)
        return Saved(rows, skipped, token)

    def add(self, rows: list[dict], skipped: Mapping[str, int], token: str) -> None:
        """Append a batch and the token of the next. Raises: StoreFull, SourceError."""
        line = orjson.dumps({"rows": rows, "skipped": dict(skipped), "next": token}) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreFull(
                    f"The disk must have room for a chat on its way, and {self.path} could not grow. Free "
                    "some space and run the same command again: it goes on where it stopped."
                ) from error
            raise SourceError(f"A chat on its way is kept in {self.path}, which failed ({error}).") from error

    def drop(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)


def tidy_rows(rows: list[dict]) -> list[dict]:
    """Return rows of chat-downloader without pictures, and with no text that UTF-8 or SQLite cannot hold."""
    rows = [_without_pictures(row) for row in rows]
    try:
        plain = b"\\u0000" not in orjson.dumps(rows, default=str)
    except TypeError:  # a lone surrogate, or a number past 64 bits
        plain = False
    return rows if plain else clean_json(json.loads(json.dumps(rows, default=str)))


def _without_pictures(row: dict) -> dict:
    kept = {key: value for key, value in row.items() if key not in _UNREAD}
    author = kept.get("author")
    if type(author) is dict:
        kept["author"] = author = {key: value for key, value in author.items() if key not in _UNREAD}
        if type(author.get("badges")) is list:
            author["badges"] = [_drop_pictures(badge) for badge in author["badges"]]
    if type(kept.get("emotes")) is list:
        kept["emotes"] = [_drop_pictures(emote) for emote in kept["emotes"]]
    return kept


def _drop_pictures(item: object) -> object:
    return {key: item[key] for key in item if key not in _UNREAD} if type(item) is dict else item
