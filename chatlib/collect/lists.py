"""The lists that people keep, as ODS or CSV sheets: of channels, and of the streams of each.

A list of streams (`streams.csv`, `streams.ods`) may also lie beside chat files, and tells what they lack.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import clean_channel_url, find_ids_in_name, find_video_id, guess_platform
from chatlib.collect.files.parsing import read_whole_number
from chatlib.collect.files.table_columns import is_day_first, read_column_moment
from chatlib.collect.sheets import Table, clean_cell, clean_line, load_tables, save_tables
from chatlib.errors import MissingSource, ParameterError, SourceError
from chatlib.records import Stream
from chatlib.text import clean_text, one_line
from chatlib.times import format_timestamp, read_date, read_offset

__all__ = [
    "STREAM_COLUMNS", "Channel", "Found", "Rows", "age_of_row", "as_text", "find_chat_files", "find_row",
    "load_channels", "load_sheet", "load_stream_list", "merge_stream_list", "save_stream_list",
    "stream_of_row",
]  # fmt: skip

_warn_once = cache(logging.getLogger(__name__).warning)  # a list may be read several times

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

STREAM_COLUMNS = (
    "title", "url", "date", "video_id", "duration_s", "started_at", "ended_at", "state", "view", "messages",
    "views", "reason", "fetched_at", "channel_name",
)  # fmt: skip

_COUNTS = {"messages", "views"}
_DATES = ("date", "started_at", "ended_at")
_ADDRESS = re.compile(r"://|^\s*@|[^\W_]\.[a-z]{2,}(/|\s*$)", re.I)


# ------------------------------------------------------------------ channels


class Channel(NamedTuple):
    """A channel, and the list of its streams."""

    url: str
    spreadsheet: Path


def load_channels(path: str | Path) -> list[Channel]:
    """Return the channels of an ODS or CSV sheet, in its order: address and spreadsheet.

    The columns may have any names, or none. Relative names start at the sheet's folder, and a
    spreadsheet's name may lack `.ods`.

    Raises: MissingSource if there is no sheet or no channel in it; SourceError, naming the row, for a
    row that is none, a channel listed twice, or a spreadsheet that two would share.
    """
    path = Path(path)
    rows = _number_rows(load_tables(path)[0].cells)
    channels = {number: _read_channel(path, number, row) for number, row in rows}
    if not channels:
        raise MissingSource(
            f"A list of channels has a row per channel: its address, and the name of a spreadsheet for its "
            f"streams. {path} has none."
        )
    _check_distinct(path, channels)
    return list(channels.values())


def _number_rows(cells: Iterable[Iterable[object]]) -> list[tuple[int, list[str]]]:
    """Return the rows that hold something, numbered from 1; a first one without an address is a heading."""
    texts = [[clean_line(str(cell)) for cell in row] for row in cells]
    rows = [(number, row) for number, row in enumerate(texts, 1) if any(row)]
    return rows if not rows or _is_like_address(rows[0][1][0]) else rows[1:]


def _is_like_address(text: str) -> bool:
    with suppress(ParameterError):
        return bool(clean_channel_url(text))
    return _ADDRESS.search(text) is not None


def _read_channel(path: Path, number: int, row: Sequence[str]) -> Channel:
    address, name = [*row, ""][:2]
    where = f"row {number} of {path.name}"
    try:
        url = clean_channel_url(address)
    except ParameterError as error:
        raise SourceError(f"In {where}: {error}") from error
    if not name:
        raise SourceError(
            "Each channel needs the name of a spreadsheet for its streams in the second column, and "
            f"{where} has none. Write one there, such as `streams.ods`."
        )
    spreadsheet = name if name.lower().endswith(".ods") else f"{name}.ods"
    written = Path(spreadsheet).expanduser() if name.startswith("~/") else Path(spreadsheet)
    return Channel(url, (path.parent / written).resolve())


def _check_distinct(path: Path, channels: Mapping[int, Channel]) -> None:
    seen: dict[str, int] = {_as_key(path.resolve()): 0}
    for number, channel in channels.items():
        for name in (channel.url, _as_key(channel.spreadsheet)):
            first = seen.setdefault(name, number)
            if first == 0:
                raise SourceError(
                    "Each channel needs a spreadsheet of its own for its streams, and row "
                    f"{number} of {path.name} names the list of channels itself. Write another name there."
                )
            if first != number:
                raise SourceError(
                    "Each channel stands once in a list, with a spreadsheet of its own, and rows "
                    f"{first} and {number} of {path.name} share {name}. Change one of them."
                )


def _as_key(path: Path) -> str:
    """Return a key that is equal for two names of one file, also on disks that ignore case."""
    return str(path).casefold()


# ------------------------------------------------------------------ streams


def load_stream_list(path: str | Path) -> list[dict[str, object]]:
    """Return the rows of a list of streams: every column of `STREAM_COLUMNS`, then what others it has.

    `duration_s`, `messages` and `views` are numbers, the rest is text, None is absence; columns that
    are not ours keep their kind. Reads the lists of the first version too (titles, URLs, dates).

    Raises: MissingSource if there is none; SourceError if it is no such list.
    """
    path = Path(path)
    return _read_streams(path, load_tables(path)[0].cells)[1]


def _read_streams(path: Path, cells: Sequence[Sequence[object]]) -> tuple[list[str], list[dict[str, object]]]:
    header, *body = cells or [[]]
    names = _choose_names(header, body)
    rows = []
    for line in body:
        row: dict[str, object] = dict.fromkeys([*STREAM_COLUMNS, *filter(None, names)])
        row |= {name: _read_cell(name, cell) for name, cell in zip(names, line, strict=False) if name}
        row["video_id"] = _find_id(row)
        if any(value is not None for value in row.values()):
            rows.append(row)
    if rows and not any(row["video_id"] or row["url"] for row in rows):
        raise SourceError(f"A list of streams needs a column `video_id` or `url`; {path} has neither filled.")
    return names, rows


def _choose_names(header: Sequence[object], body: Sequence[Sequence[object]]) -> list[str]:
    """Return a name for each column, ours where it is ours, all distinct; "" for what can be left out."""
    names: list[str] = []
    for place, (our, cell) in enumerate(zip(_name_columns(header), header, strict=True)):
        name = our if our in STREAM_COLUMNS and our not in names else clean_line(str(cell))
        if not name:
            values = [row[place] if place < len(row) else "" for row in body]
            numbered = all(value in ("", number, str(number)) for number, value in enumerate(values))
            name = "" if numbered else f"column {place + 1}"  # what is numbered is pandas's index
        names.append(f"{name} ({place + 1})" if name and name in names else name)
    return names


def _find_id(row: Mapping[str, object]) -> object:
    return row.get("video_id") or find_video_id(str(row.get("url") or ""))


def _read_cell(column: str, cell: object) -> object:
    if column == "duration_s":
        return read_offset(cell if isinstance(cell, (int, float)) else str(cell))
    if column in _COUNTS:
        return read_whole_number(cell)
    value = clean_cell(cell)
    return str(value) if value is not None and column in STREAM_COLUMNS else value


def merge_stream_list(
    old: Iterable[Mapping[str, object]], new: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """Return the old rows with what is new of them, then the new ones; a stream is known by its id.

    A new fact replaces an old one, absence replaces nothing, and what the channel no longer lists
    stays. Rows without an id are kept as they are.
    """
    merged: dict[object, dict[str, object]] = {}
    for number, row in enumerate((*old, *new)):
        facts = {name: value for name, value in row.items() if not _is_absent(value)}
        key = _find_id(facts) or number
        merged[key] = dict.fromkeys(row) | merged.get(key, {}) | facts
    return list(merged.values())


def _is_absent(value: object) -> bool:
    """Return whether a cell would be empty; quick, since a collection merges after each stream."""
    if type(value) is str and value.isprintable():
        return not value.strip()
    return value is None or clean_cell(value) is None


def save_stream_list(path: str | Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a list of streams as ODS, oldest first, those without a date last; whole or not at all.

    Columns that a person added to the file that is there are kept, for the streams that are in
    `rows`, and so are its other sheets, as values; formatting and formulas are not.

    Raises: ParameterError for a name without `.ods`; SourceError if the file that is there is no
    list; UnwritableFile; StoreFull if the disk is full. The file is whole then.
    """
    path = Path(path)
    if path.suffix.lower() != ".ods":
        raise ParameterError(f"A list of streams is written as ODS, got {path.name}. End the name in .ods.")
    try:
        first, *others = load_tables(path)
    except MissingSource:
        first, others = Table("", []), []
    names, present = _read_streams(path, first.cells)
    added = [name for name in names if name and name not in STREAM_COLUMNS]
    kept = {row["video_id"]: {name: row[name] for name in added} for row in present}
    written = [kept.get(_find_id(row), {}) | dict(row) for row in rows]
    written.sort(key=lambda row: age_of_row({name: str(row.get(name)) for name in ("started_at", "date")}))
    columns = list(dict.fromkeys([*STREAM_COLUMNS, *added, *(name for row in written for name in row)]))
    header: list[object] = [*columns]
    cells = [[row.get(name) for name in columns] for row in written]
    save_tables(path, [Table(first.name or "streams", [header, *cells]), *others])


def _name_columns(header: Iterable[object]) -> list[str]:
    """Return our names of columns: small letters, `url` for what is headed Link, and so on.

    A column keeps its own name where another one bears ours already.
    """
    names = [_simplify(str(cell)) for cell in header]
    ours = [_ALIASES.get(name, name) for name in names]
    return [name if our in names else our for name, our in zip(names, ours, strict=True)]


def _simplify(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def as_text(row: Mapping[str, object]) -> dict[str, str]:
    """Return a row's cells as text, without the empty ones."""
    return {name: str(value) for name, value in row.items() if value is not None and value != ""}


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


def age_of_row(row: Mapping[str, str]) -> tuple[bool, str]:
    """Return a key that sorts by the list's date, oldest first, those without a date last."""
    date = read_date(row.get("started_at")) or read_date(row.get("date"))
    return date is None, date or ""


# ------------------------------------------------------------------ beside chat files


Rows = Mapping[str, Mapping[str, str]]  # of a list of streams, by video id, in its order


def find_row(rows: Rows, file_name: str) -> Mapping[str, str]:
    """Return the row of the stream that a file name contains the id of, or an empty one."""
    for candidate in find_ids_in_name(file_name):
        if candidate in rows:
            return rows[candidate]
    tokens = set(re.split(r"[^\w-]+|_(?=\d)", file_name))
    return next((row for video_id, row in rows.items() if video_id in tokens), {})


class Found(NamedTuple):
    """A file that may be a chat, the list of streams beside it, and whether it was named itself."""

    path: Path
    rows: Rows
    named: bool

    @property
    def row(self) -> Mapping[str, str]:
        """The list's row of the stream whose id is in the file's name; empty if there is none."""
        return find_row(self.rows, self.path.name)


def load_sheet(path: Path) -> Rows:
    """Read a list of streams as texts. Column names are matched whatever their case.

    Raises: SourceError if it cannot be read or has neither a video id nor an address.
    """
    rows: dict[str, Mapping[str, str]] = {}
    found = load_stream_list(path)
    for column in _DATES:
        _clean_dates(path, found, column)
    for row in found:
        if row["video_id"]:
            texts = as_text(row)
            rows.setdefault(texts["video_id"], {_simplify(name): text for name, text in texts.items()})
    return rows


def _clean_dates(path: Path, rows: Sequence[dict[str, object]], column: str) -> None:
    """Write dates, as people and spreadsheet programs write them, as ISO 8601; log what is none."""
    odd = [row for row in rows if row[column] and read_date(row[column]) is None]
    written = [str(row[column]) for row in odd]
    day_first = is_day_first(written)
    for row, text in zip(odd, written, strict=True):
        moment = format_timestamp(read_column_moment(text, day_first))
        row[column] = moment and moment.removesuffix("T00:00:00+00:00")
    if unread := [text for row, text in zip(odd, written, strict=True) if row[column] is None]:
        _warn_once(
            "%s: a %s must be like 2021-07-15, and %d are not, such as %r; their streams have none.",
            path, column, len(unread), one_line(unread[0], 40),
        )  # fmt: skip


def find_chat_files(paths: Iterable[str | Path]) -> tuple[list[Found], dict[Path, SourceError]]:
    """Return the files to try, oldest stream first, and the lists and folders that could not be read.

    Order: the date in the sheet, then the path. Files without a date come last.
    Raises: MissingSource for a path that is not there, or when there is no file at all.
    """
    found: dict[Path, Found] = {}
    sheets: dict[Path, Rows] = {}
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


def _walk(folder: Path, errors: dict[Path, SourceError]) -> Iterable[Path]:
    """Yield the files of a folder tree. Where a list lies beside a `chat` folder, only that is chat."""

    def report(error: OSError) -> None:
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


def _sheet_beside(file: Path, sheets: dict[Path, Rows], errors: dict[Path, SourceError]) -> Rows:
    folders = [file.parent, file.parent.parent] if file.parent.name == "chat" else [file.parent]
    for path in (folder / name for folder in folders for name in SHEET_NAMES):
        if path not in sheets and path.is_file():
            try:
                sheets[path] = load_sheet(path)
            except (SourceError, OSError) as error:
                errors[path] = SourceError(str(error))
                sheets[path] = {}
        if path in sheets:
            return sheets[path]
    return {}
