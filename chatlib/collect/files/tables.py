"""Tables of chat: CSV and TSV, with a heading or without, and Parquet.

Columns become chat-downloader's fields, and rows that are no plain messages are read as its JSON is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from chatlib.collect.address import find_video_id, guess_platform
from chatlib.collect.files.chat_downloader import read_row
from chatlib.collect.files.parsing import Chat, IdMaker, Notes, author_key, badge_json
from chatlib.collect.files.table_columns import (
    Columns,
    find_columns,
    find_unnamed_columns,
    has_heading,
    read_column_moments,
    read_column_offsets,
)
from chatlib.errors import SourceError
from chatlib.files import FILE_MB, LINE_MB, TABLE_COLUMNS, TABLE_ROWS
from chatlib.money import read_plain_money
from chatlib.records import CHAT_KINDS, Message, Stream
from chatlib.text import clean_text, dump_names, one_line, read_number, rearm_cell
from chatlib.times import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, split_zone

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["find_chats", "looks_like_chat"]

_DELIMITERS = ",;\t|"
_SAMPLE_CHARS = 1 << 18
_SAMPLE_ROWS = 500
_BATCH_ROWS = 20_000
_PREFACE = re.compile(r'(?:#[^,;\t|\n]*\n)*(?:"?sep=([^\r\n"])"?\r?\n)?', re.I)  # remarks, Excel's first line
_BLOCK_BYTES = 8 << 20  # no row may be longer
_PLAIN_KINDS = CHAT_KINDS | {None}
_ZEROS = ("", "0", "0.0", "0.00", "null", "none", "nan", "n/a", "-")

_Batch = dict[int, list[Any]]  # the values of each column that is needed, of some rows
_Source = Callable[[Sequence[int], Notes], Iterator[_Batch]]


class Table(NamedTuple):
    """A table that is open: the names of its columns, None if it has no heading, some values of each."""

    names: list[str] | None
    sample: Sequence[Sequence[object]]
    sources: Sequence[_Source]  # ways to read it, of which the one that gives most rows counts


def looks_like_chat(text: str) -> bool:
    """Return whether text begins as a table whose heading names a text, an author and a time."""
    try:
        table = _open_csv(text)
        columns = find_columns(table.names, table.sample, {}) if table and table.names else None
    except SourceError:
        return False
    if columns is None:
        return False
    has_author = any(name.startswith("author") for name in columns.fields)
    return has_author and (columns.offset is not None or columns.moment is not None)


def find_chats(
    content: str | bytes, _file_name: str, notes: Notes, said: Mapping[str, str]
) -> list[Chat] | None:
    """Return the chats in a CSV's text or a Parquet file's bytes, one for each stream; None for no table.

    `said` names columns by what they hold (`options.ROLES`); others are found by their names.
    Raises: UnknownFormat if no column can be the text, or two can; SourceError for a table that is damaged.
    """
    table = _open_csv(content) if isinstance(content, str) else _open_parquet(content)
    if table is None:
        return None
    if table.names is None and not said:
        columns = find_unnamed_columns(table.sample)
    else:
        names = table.names or [str(i + 1) for i in range(len(table.sample))]
        columns = find_columns(names, table.sample, said)
    attempts = [_read_source(source, columns) for source in table.sources]
    best = max(attempts, key=lambda attempt: sum(map(len, attempt[0].values())))
    found, left_out = best
    notes.update(left_out)
    if best is not attempts[0]:
        notes["quote is not closed"] += 1
    if columns.offset is columns.moment is None:
        notes["no column is known as the time: --columns time=NAME"] += 1
    for value in table.sample[columns.moment] if columns.moment is not None else ():
        if (zone := re.search(r"\b[A-Z]{3,5}$", str(value))) and split_zone(str(value))[1] is None:
            notes.count_name("a zone that is not known is read as UTC", zone[0])
    name = "chat-downloader-table" if columns.is_own else "table"
    return [
        Chat(name, _name_stream(stream), messages, Notes() if i else notes)
        for i, (stream, messages) in enumerate(found.items())
    ]


# ------------------------------------------------------------------ CSV


def _iter_csv(
    text: str, delimiter: str, n_columns: int, n_skipped: int, quote: str | bool, needed: Sequence[int],
    notes: Notes,
) -> Iterator[_Batch]:  # fmt: skip
    """Yield the rows' values of some columns; "" is None, a row of another length is counted."""
    import pyarrow as pa
    from pyarrow import compute as arrow_compute
    from pyarrow import csv as arrow_csv

    names = [f"c{i}" for i in range(n_columns)]
    used = [names[i] for i in needed]
    try:
        batches = arrow_csv.open_csv(
            pa.BufferReader(text.encode("utf-8", "replace")),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                quote_char=quote,
                invalid_row_handler=partial(_skip_row, notes),
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=used,
                column_types={name: pa.string() for name in used},
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        n_rows = 0
        for batch in batches:
            first = 0 if n_rows else n_skipped
            n_rows += batch.num_rows
            TABLE_ROWS.require(n_rows)
            for column in batch.columns:
                longest = arrow_compute.max(arrow_compute.binary_length(column)).as_py()
                LINE_MB.require((longest or 0) / 1e6)
            yield {i: batch.column(name).to_pylist()[first:] for i, name in zip(needed, used, strict=True)}
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            raise SourceError(f"A table's row may have at most {_BLOCK_BYTES >> 20} MB.") from error
        raise SourceError(
            f"A table must be whole CSV, and this one is not: {one_line(error, 200)}."
        ) from error


def _skip_row(notes: Notes, row: Any) -> str:
    if row.actual_columns > 1 or row.text.strip():
        notes["row has more or fewer columns than the table"] += 1
    return "skip"


def _open_csv(text: str) -> Table | None:
    """Return a table of text; None if its lines have no columns in common."""
    text = text.replace("\x00", "") if "\x00" in text else text
    text = text if "\n" in text else text.replace("\r", "\n")
    preface = _PREFACE.match(text)
    text = (text[preface.end() :] if preface else text).lstrip("\r\n")
    head = text[:_SAMPLE_CHARS]
    if len(head) < len(text):
        head = head.rpartition("\n")[0] or head
    samples = (_read_sample(head, delimiter) for delimiter in (preface and preface[1]) or _DELIMITERS)
    (share, n_columns), rows, delimiter = max(samples, key=lambda found: found[0])
    if share < 0.5 or n_columns < 2:
        return None
    TABLE_COLUMNS.require(n_columns)
    headed = has_heading(rows[0])
    heading = text[: text.find("\n") + 1]
    if headed and heading:  # comes again where tables were put together
        text = heading + text[len(heading) :].replace(f"\n{heading}", "\n")
    names = [str(cell).strip() for cell in rows[0]] + [""] * n_columns
    fitting = [row for row in rows[headed:] if len(row) == n_columns]
    sample: list[Sequence[object]] = list(zip(*fitting, strict=True)) or [()] * n_columns
    n_skipped = int(headed and len(rows[0]) == n_columns)
    quotes = ('"', False) if text.count('"') % 2 else ('"',)  # one not closed may have swallowed rows
    sources = [partial(_iter_csv, text, delimiter, n_columns, n_skipped, quote) for quote in quotes]
    return Table(names[:n_columns] if headed else None, sample, sources)


def _read_sample(head: str, delimiter: str) -> tuple[tuple[float, int], list[list[str]], str]:
    """Return how well a delimiter fits (share of rows of the usual length, that length), the rows, and it."""
    rows: list[list[str]] = []
    csv.field_size_limit(max(csv.field_size_limit(), _SAMPLE_CHARS))
    with suppress(csv.Error):
        rows.extend(filter(None, islice(csv.reader(io.StringIO(head), delimiter=delimiter), _SAMPLE_ROWS)))
    lengths = [len(row) for row in rows]
    if not lengths or max(lengths) < 2:
        return (0.0, 0), rows, delimiter
    usual = max(set(lengths), key=lambda n: (lengths.count(n), n))
    return (round(lengths.count(usual) / len(rows), 1) if usual > 1 else 0.0, usual), rows, delimiter


# ------------------------------------------------------------------ Parquet


def _iter_parquet(file: Any, needed: Sequence[int], _notes: Notes) -> Iterator[_Batch]:
    """Yield the rows' values of some columns, as text, numbers and microseconds; "" is None."""
    n_bytes = 0
    for table in _iter_flat(file):
        batch = {i: _to_values(table.column(i)) for i in needed}
        n_bytes += sum(len(v) for values in batch.values() for v in values if isinstance(v, str))
        FILE_MB.require(n_bytes / 1e6)
        yield batch


def _open_parquet(data: bytes) -> Table | None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(pa.BufferReader(data))
        text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        # As dictionaries: a repeated long text takes a few bytes in the file, and must not take more here.
        file = parquet.ParquetFile(pa.BufferReader(data), read_dictionary=text)
        TABLE_ROWS.require(file.metadata.num_rows)
        TABLE_COLUMNS.require(file.metadata.num_columns)
        first = next(_iter_flat(file), None)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _damaged(error) from error
    if first is None or first.num_columns < 2:
        return None
    sample = [_to_values(column)[:_SAMPLE_ROWS] for column in first.columns]
    return Table([name.strip() for name in first.column_names], sample, [partial(_iter_parquet, file)])


def _damaged(error: Exception) -> SourceError:
    return SourceError(f"A Parquet file must be whole, and this one is not: {one_line(error, 200)}.")


def _iter_flat(file: Any) -> Iterator[pa.Table]:
    """Yield a file's rows as tables in which the fields of objects are columns: `author.id`."""
    import pyarrow as pa

    try:
        nothing = [pa.RecordBatch.from_pylist([], schema=file.schema_arrow)]
        batches = file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
        for batch in batches if file.metadata.num_rows else nothing:
            batch.validate(full=True)
            table = pa.Table.from_batches([batch])
            while any(pa.types.is_struct(each.type) for each in table.schema):
                table = table.flatten()
                TABLE_COLUMNS.require(table.num_columns)
            yield table
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _damaged(error) from error


def _to_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values as Python's: numbers, lists, moments in microseconds, durations in seconds.

    Everything else that can be text is text: days and times of day as a CSV has them.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        found: list[Any] = []
        for chunk in column.chunks:
            values = _to_values(pa.chunked_array([chunk.dictionary]))
            found += [None if i is None else values[i] for i in chunk.indices.to_pylist()]
        return found
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    if pa.types.is_duration(kind):
        values = column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else value / 1e6 for value in values]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return [None if value != value else value for value in column.to_pylist()]
    if pa.types.is_decimal(kind):
        return [None if value is None else format(value, "f") for value in column.to_pylist()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return column.to_pylist()
    with suppress(pa.ArrowNotImplementedError):
        written = column.cast(pa.large_string()) if pa.types.is_temporal(kind) else column
        values = written.cast(pa.large_binary()).to_pylist()
        return [clean_text(value.decode("utf-8", "replace")) or None if value else None for value in values]
    return [None] * len(column)


# ------------------------------------------------------------------ rows


def _read_source(source: _Source, columns: Columns) -> tuple[dict[Any, list[Message]], Notes]:
    """Return the messages by stream as one of the ways to read a table gives them, and what was left out."""
    notes = Notes()
    found: dict[Any, list[Message]] = {} if columns.stream is not None else {"": []}
    ids: dict[Any, IdMaker] = defaultdict(IdMaker)
    for batch in source(columns.list_needed(), notes):
        streams = repeat("") if columns.stream is None else batch[columns.stream]
        for stream, row in zip(streams, _iter_rows(columns, batch), strict=False):
            if stream is None:
                notes["row names no stream"] += 1
                continue
            messages = found.setdefault(stream, [])
            message = row if type(row) is Message else read_row(row, notes, ids[stream])
            if message is not None:
                messages.append(message if message.message_id else ids[stream].complete(message))
    return found, notes


def _iter_rows(columns: Columns, batch: _Batch) -> Iterator[Message | dict[str, Any]]:
    """Yield plain rows as messages, some without an id, and others as objects of chat-downloader's."""
    fields = {name: batch[i] for name, i in columns.fields.items()}
    nothing: list[Any] = [None] * len(next(iter(batch.values())))

    def take(*names: str) -> list[Any]:
        found = [fields.pop(name) for name in names if name in fields]
        return found[0] if found else nothing

    author_id, name = take("author.id", "author_id"), take("author.name", "author_name", "author")
    if not columns.is_own:
        name = [value.strip() or None if type(value) is str else value for value in name]
    written = (_as_ids(author_id), name, take("author.badges", "author_badges", "badges"))
    own = (_join_names(badge, batch) for badge in columns.badges.values())
    take("action_type")
    plain = zip(
        _as_ids(take("message_id", "id")),
        _as_texts(take("message")),
        take("message_type"),
        nothing if columns.offset is None else read_column_offsets(columns, batch[columns.offset]),
        nothing if columns.moment is None else read_column_moments(columns, batch),
        take("time_text"),
        zip(*map(_as_texts, [*written, *own]), strict=True),
        strict=True,
    )
    more = [*fields.values()]
    has_more = [row.count(None) < len(row) for row in zip(*more, strict=True)] if more else nothing
    for i, (message_id, text, kind, offset_s, moment, clock, known) in enumerate(plain):
        author = _read_author(*known)
        if (
            not has_more[i]
            and author is not None
            and kind in _PLAIN_KINDS
            and (type(offset_s) is float or offset_s is clock is None)
            and (moment is None or (type(moment) is int and MIN_TIMESTAMP_US <= moment <= MAX_TIMESTAMP_US))
        ):
            yield Message(
                message_id or "", kind or "text_message", offset_s, author[0], known[1], text, None,
                author[1], None, None, None, None, moment,
            )  # fmt: skip
            continue
        item = {
            "message_id": message_id,
            "message": text,
            "message_type": kind,
            "time_in_seconds": offset_s,
            "timestamp": moment,
            "time_text": clock,
        }
        if author is not None:
            titles = [{"title": title} for title in json.loads(author[1] or "[]")]
            item["author"] = {"id": known[0], "name": known[1], "badges": titles}
        _add_more(item, {name: values[i] for name, values in fields.items()})
        if not columns.is_own:
            _read_amount(item)
        yield item


def _add_more(item: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Enter values by chat-downloader's names: `money.text` is the field `text` of the object `money`."""
    for name, value in values.items():
        if value is not None:
            *outer, last = name.split(".")
            place = item
            for step in outer:
                place = place.setdefault(step, {})
            value = rearm_cell(value) if isinstance(value, str) else value
            place[last] = [value] if last == "shortcuts" else value
    if type(item.get("emotes")) is dict:  # numbered
        item["emotes"] = list(item["emotes"].values())


@lru_cache(maxsize=65536)
def _read_author(
    author_id: str | None, name: str | None, written: str | None, *titles: str | None
) -> tuple[str, str | None] | None:
    """Return an author's identity and badges; None where a row has neither an id nor a name."""
    key = author_key(author_id, name)
    if key is None:
        return None
    return key, dump_names(tuple(title for title in titles if title)) if any(titles) else badge_json(written)


def _read_amount(item: dict[str, Any]) -> None:
    """Put an amount and a currency of two columns together; in other programs' tables 0 is no payment."""
    amount, currency = item.pop("amount", None), item.pop("currency", None)
    number = read_number(amount)
    if amount is None or number == 0 or (isinstance(amount, str) and amount.strip().lower() in _ZEROS):
        return
    if number is not None and read_plain_money(amount, currency):
        item["money"] = {"amount": amount, "currency": currency}
    else:
        text = str(amount)
        item["amount"] = (
            text if currency is None or re.search(r"[^\d\s.,'’-]", text) else f"{currency} {text}"
        )


def _as_texts(values: list[Any]) -> list[str | None]:
    """Return values as text, as it was before a spreadsheet's formulas were disarmed; a list is its names."""
    return [value if type(value) is str and value[:1] != "'" else _as_text(value) for value in values]


def _as_ids(values: list[Any]) -> list[str | None]:
    """Return ids as text; what pandas or a spreadsheet made `12.0` is 12."""
    texts = _as_texts(values)
    return [text[:-2] if text and text[-2:] == ".0" and text[:-2].isdecimal() else text for text in texts]


def _as_text(value: object) -> str | None:
    if type(value) is str:
        return rearm_cell(value)
    if type(value) is list:
        return ", ".join(json.loads(badge_json(value) or "[]")) or None
    return str(value) if type(value) in (int, float) else None


def _join_names(badge: Mapping[str, int], batch: _Batch) -> list[Any]:
    """Return a badge's title in each row, or its name where it has no title."""
    columns = [batch[badge[key]] for key in ("title", "name") if key in badge]
    return [next(filter(None, values), None) for values in zip(*columns, strict=True)]


def _name_stream(written: object) -> Stream:
    """Return the stream that a column names: by an address, or by an id of any kind."""
    text = (_as_ids([written])[0] or "").strip()
    url = text if "://" in text else None
    video_id = find_video_id(url) or text[:200]
    platform = guess_platform(url=url, video_id=video_id)
    return Stream(platform or "", video_id, url=url)
