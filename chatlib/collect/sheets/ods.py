"""An ODS file, written whole or not at all: text is text, whatever it begins with or contains."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from chatlib.collect.sheets.streams import Table
from chatlib.errors import SourceError, UnwritableFile
from chatlib.files import atomic_write
from chatlib.text import clean_text

__all__ = ["clean_cell", "clean_line", "save_tables", "tell_disk_errors"]

MAX_TEXT = 32_000  # spreadsheet programs take a little more in a cell
MAX_NUMBER = 2**53  # a spreadsheet's numbers are floats

_BLANKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_SPACES = re.compile(" ( +)")
_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
_MANIFEST = (
    f'{_DECLARED}<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" '
    f'manifest:version="1.2"><manifest:file-entry manifest:full-path="/" manifest:media-type="{_TYPE}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
    "</manifest:manifest>"
)
_NOTHING = ("nan", "NaT", "<NA>")


def clean_line(text: str) -> str:
    """Return text as one line that any spreadsheet can hold, without blanks around it.

    Control characters go, a line break becomes a blank, what is beyond 32,000 characters is cut.
    """
    text = _CONTROLS.sub("", _BLANKS.sub(" ", clean_text(text) or "")).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def clean_cell(value: object) -> str | int | float | None:
    """Return what a cell holds: a line of text, a number, a date as ISO 8601; None for absence."""
    if value is None or (not isinstance(value, str) and str(value) in _NOTHING):
        return None
    if isinstance(value, dt.date):  # and moments
        return value.isoformat().removesuffix("T00:00:00")
    if hasattr(value, "item"):  # numpy's
        value = value.item()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if abs(value) == math.inf:
            return None
        return value if abs(value) < MAX_NUMBER else str(value)
    return clean_line(str(value)) or None


def save_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write sheets as an ODS file; if anything fails, what was there is whole.

    Raises: StoreFull if the disk is full; SourceError if the file cannot be written.
    """
    try:
        atomic_write(path, _make_ods(tables))
    except UnwritableFile as error:
        raise SourceError(str(error)) from error


@contextmanager
def tell_disk_errors(path: Path) -> Iterator[None]:
    """Raise SourceError, with the next step, for what the system says of a file that is read."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"A sheet must be a file that can be read and written, and {path} is not ({error.strerror}). "
            "Close it where it is open, or name another one."
        ) from error


def _make_ods(tables: Iterable[Table]) -> bytes:
    """Return a file with nothing but cells (OpenDocument 1.2, part 1); odfpy takes twenty times as long."""
    body = "".join(map(_make_table, tables))
    content = (
        f'{_DECLARED}<office:document-content {_NAMES} office:version="1.2"><office:body>'
        f"<office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as file:
        file.writestr("mimetype", _TYPE, compress_type=ZIP_STORED)  # first, and as it is
        file.writestr("META-INF/manifest.xml", _MANIFEST)
        file.writestr("content.xml", content)
    return buffer.getvalue()


def _make_table(table: Table) -> str:
    rows = table.cells or [[None]]
    lines = ("".join(map(_make_cell, row)) for row in rows)
    inside = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    columns = f'<table:table-column table:number-columns-repeated="{max(map(len, rows))}"/>'
    return f"<table:table table:name={quoteattr(clean_line(table.name))}>{columns}{inside}</table:table>"


def _make_cell(value: object) -> str:
    value = clean_cell(value)
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, str):
        kind, text = 'office:value-type="string"', _make_text(value)
    else:
        kind, text = f'office:value-type="float" office:value="{value}"', str(value)
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"


def _make_text(text: str) -> str:
    if text == "#N/A":  # pandas reads that text as an error
        text += " "
    return _SPACES.sub(lambda run: f' <text:s text:c="{len(run[1])}"/>', escape(text))
