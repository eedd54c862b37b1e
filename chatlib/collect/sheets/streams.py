"""The list of streams beside chat files: `streams.csv` or `streams.ods`, and where the files are."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import find_ids_in_name, find_video_id, guess_platform
from chatlib.collect.sheets.tables import load_tables
from chatlib.errors import MissingSource, SourceError
from chatlib.records import Stream
from chatlib.text import clean_text
from chatlib.times import read_date, read_offset

__all__ = [
    "Found",
    "Sheet",
    "age_of_row",
    "find_chat_files",
    "load_sheet",
    "name_columns",
    "stream_of_row",
]

log = logging.getLogger(__name__)

SHEET_NAMES = ("streams.csv", "streams.ods")
_ALIASES = {
    "id": "video_id",
    "videoid": "video_id",
    "link": "url",
    "urls": "url",
    "name": "title",
    "titles": "title",
    "dates": "date",
    "published_at": "date",
    "start": "started_at",
    "duration": "duration_s",
    "channel": "channel_name",
}


class Sheet(NamedTuple):
    """A list of streams: rows by video id, in the sheet's order; keys are column names."""

    rows: Mapping[str, Mapping[str, str]]

    def find_row(self, file_name: str) -> Mapping[str, str]:
        """Return the row of the stream that a file name contains the id of, or an empty one."""
        for candidate in find_ids_in_name(file_name):
            if candidate in self.rows:
                return self.rows[candidate]
        tokens = set(re.split(r"[^\w-]+|_(?=\d)", file_name))
        return next((row for video_id, row in self.rows.items() if video_id in tokens), {})


class Found(NamedTuple):
    """A file that may be a chat, the list of streams beside it, and whether it was named itself."""

    path: Path
    sheet: Sheet
    named: bool

    @property
    def row(self) -> Mapping[str, str]:
        """The list's row of the stream whose id is in the file's name; empty if there is none."""
        return self.sheet.find_row(self.path.name)


def load_sheet(path: Path) -> Sheet:
    """Read a list of streams. Column names are matched whatever their case.

    Raises: SourceError if it cannot be read or has neither a video id nor an address.
    """
    header, *table = load_tables(path)[0].cells or [[]]
    names = name_columns(header)
    rows: dict[str, Mapping[str, str]] = {}
    for cells in table:
        texts = zip(names, (str(cell).strip() for cell in cells), strict=False)
        named = {name: text for name, text in texts if name and text}
        if video_id := named.get("video_id") or find_video_id(named.get("url")):
            rows.setdefault(video_id, named | {"video_id": video_id})
    if table and not rows:
        raise SourceError(f"A list of streams needs a column `video_id` or `url`; {path} has neither filled.")
    return Sheet(rows)


def name_columns(header: Iterable[object]) -> list[str]:
    """Return our names of columns: small letters, `url` for what is headed Link, and so on.

    A column keeps its own name where another one bears ours already.
    """
    names = [str(cell).strip().lower().replace(" ", "_") for cell in header]
    ours = [_ALIASES.get(name, name) for name in names]
    return [name if our in names else our for name, our in zip(names, ours, strict=True)]


def stream_of_row(row: Mapping[str, str]) -> Stream:
    """Return what a sheet's row says of a stream; the date stands in for a missing start."""
    url = clean_text(row.get("url"))
    platform = row.get("platform", "").lower() or guess_platform(url=url, video_id=row.get("video_id"))
    return Stream(
        platform=platform or "",
        video_id=row.get("video_id", ""),
        url=url,
        title=clean_text(row.get("title")),
        channel_id=clean_text(row.get("channel_id")),
        channel_name=clean_text(row.get("channel_name")),
        started_at=read_date(row.get("started_at")) or read_date(row.get("date")),
        ended_at=read_date(row.get("ended_at")),
        duration_s=read_offset(row.get("duration_s")),
        simulated=row.get("simulated", "").lower() in ("1", "1.0", "true", "yes"),
    )


def find_chat_files(paths: Iterable[str | Path]) -> tuple[list[Found], dict[Path, SourceError]]:
    """Return the files to try, oldest stream first, and the lists and folders that could not be read.

    Order: the date in the sheet, then the path. Files without a date come last.
    Raises: MissingSource for a path that is not there, or when there is no file at all.
    """
    found: dict[Path, Found] = {}
    sheets: dict[Path, Sheet] = {}
    errors: dict[Path, SourceError] = {}
    named = [Path(path) for path in paths]
    for path in named:
        if not path.is_dir() and not path.is_file():
            raise MissingSource(f"Chats are read from a file or a folder, and there is neither at {path}.")
        for file in _walk(path, errors) if path.is_dir() else [path]:
            if file not in found:
                sheet = _sheet_beside(file, sheets, errors)
                found[file] = Found(file, sheet, file == path)
    if not found:
        raise MissingSource(
            f"There must be at least one chat file in {', '.join(map(str, named)) or 'what is named'}, "
            "and there is none. Name another folder."
        )
    return sorted(found.values(), key=_age), errors


def _age(found: Found) -> tuple:
    return *age_of_row(found.row), str(found.path)


def age_of_row(row: Mapping[str, str]) -> tuple[bool, str]:
    """Return a key that sorts by the list's date, oldest first, those without a date last."""
    date = read_date(row.get("started_at")) or read_date(row.get("date"))
    return date is None, date or ""


def _walk(folder: Path, errors: dict[Path, SourceError]) -> Iterable[Path]:
    """Yield the files of a folder tree. Where a list lies beside a `chat` folder, only that is chat."""

    def report(error: OSError) -> None:
        """Note a folder that cannot be listed."""
        errors[Path(error.filename)] = SourceError(
            f"A folder must be readable, and this one is not ({error})."
        )

    for root, folders, names in os.walk(folder, onerror=report):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "chat" in folders and any(name in SHEET_NAMES for name in names):
            names = []
        for name in sorted(names):
            if not name.startswith(".") and name not in SHEET_NAMES and (here / name).is_file():
                yield here / name


def _sheet_beside(file: Path, sheets: dict[Path, Sheet], errors: dict[Path, SourceError]) -> Sheet:
    folders = [file.parent, file.parent.parent] if file.parent.name == "chat" else [file.parent]
    for path in (folder / name for folder in folders for name in SHEET_NAMES):
        if path not in sheets and path.is_file():
            try:
                sheets[path] = load_sheet(path)
            except (SourceError, OSError) as error:
                errors[path] = SourceError(str(error))
                sheets[path] = Sheet({})
        if path in sheets:
            return sheets[path]
    return Sheet({})
