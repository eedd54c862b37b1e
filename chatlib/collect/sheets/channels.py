"""The sheets of a collection: the list of channels, and the list of streams of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import clean_channel_url, find_video_id
from chatlib.collect.files.rows import read_whole_number
from chatlib.collect.sheets.streams import age_of_row, name_columns
from chatlib.collect.sheets.tables import Table, clean_cell, clean_line, load_tables, save_tables
from chatlib.errors import MissingSource, ParameterError, SourceError
from chatlib.times import read_offset

__all__ = [
    "STREAM_COLUMNS",
    "Channel",
    "load_channels",
    "load_stream_list",
    "merge_stream_list",
    "save_stream_list",
]

STREAM_COLUMNS = (
    "title", "url", "date", "video_id", "duration_s", "started_at", "ended_at", "state", "view", "messages",
    "views", "reason", "fetched_at", "channel_name",
)  # fmt: skip

_COUNTS = {"messages", "views"}
_DATABASES = (".db", ".dbs", ".sqlite", ".sqlite3")
_OTHER_SHEETS = (".csv", ".tsv", ".xls", ".xlsx", ".gsheet")
_ADDRESS = re.compile(r"://|^\s*@|[^\W_]\.[a-z]{2,}(/|\s*$)", re.I)
_DATABASE_COLUMN = re.compile(r"database|^db|db$|_db")


class Channel(NamedTuple):
    """A channel, the list of its streams, and the database where its chat goes, if one is named."""

    url: str
    spreadsheet: Path
    database: Path | None


def load_channels(path: str | Path) -> list[Channel]:
    """Return the channels of an ODS or CSV sheet, in its order: address, spreadsheet, maybe database.

    The columns may have any names, or none. Relative names start at the sheet's folder, and a
    spreadsheet's name may lack `.ods`. The third column counts where it names a database.

    Raises: MissingSource if there is no sheet or no channel in it; SourceError, naming the row, for a
    row that is none, a channel listed twice, or a spreadsheet that two would share.
    """
    path = Path(path)
    header, rows = _split_header(load_tables(path)[0].cells)
    channels = {number: _read_channel(path, number, header, row) for number, row in rows}
    if not channels:
        raise MissingSource(
            f"A list of channels has a row per channel: its address, and the name of a spreadsheet for its "
            f"streams. {path} has none."
        )
    _check_distinct(path, channels)
    return list(channels.values())


def _split_header(cells: Iterable[Iterable[object]]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and the rows, numbered from 1; a first row that holds an address is no header."""
    texts = [[clean_line(str(cell)) for cell in row] for row in cells]
    rows = [(number, row) for number, row in enumerate(texts, 1) if any(row)]
    if not rows or _is_like_address(rows[0][1][0]):
        return [], rows
    return name_columns(rows[0][1]), rows[1:]


def _is_like_address(text: str) -> bool:
    try:
        clean_channel_url(text)
    except ParameterError:
        return _ADDRESS.search(text) is not None
    return True


def _read_channel(path: Path, number: int, header: Sequence[str], row: Sequence[str]) -> Channel:
    address, name, database = [*row, "", ""][:3]
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
    if name.lower().endswith(_OTHER_SHEETS):
        raise SourceError(
            f"The list of a channel's streams is written as ODS, and {where} names {name!r}. End it in .ods, "
            "or leave the ending out."
        )
    spreadsheet = name if name.lower().endswith(".ods") else f"{name}.ods"
    headed = len(header) > 2 and _DATABASE_COLUMN.search(header[2]) is not None
    named = database.lower().endswith(_DATABASES) or (headed and database not in ("", "NULL"))
    return Channel(url, _beside(path, spreadsheet), _beside(path, database) if named else None)


def _beside(path: Path, name: str) -> Path:
    written = Path(name).expanduser() if name.startswith("~/") else Path(name)
    return (path.parent / written).resolve()


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
    for place, (our, cell) in enumerate(zip(name_columns(header), header, strict=True)):
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
