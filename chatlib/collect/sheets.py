"""Sheets as tables of cells: ODS and CSV files are read, ODS files written; text stays text."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from chatlib.collect.files.parsing import Notes, decode_text, unpack
from chatlib.errors import ParameterError, SourceError
from chatlib.files import SHEET_CELLS, SHEET_MB, atomic_write, read_file, require_regular
from chatlib.text import clean_text

__all__ = ["Table", "clean_cell", "clean_line", "load_tables", "save_tables"]

MAX_TEXT = 32_000  # spreadsheet programs take a little more in a cell
MAX_NUMBER = 2**53  # a spreadsheet's numbers are floats

_BLANKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_NO_CHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_CONTROLS = re.compile(f"[\x00-\x1f\x7f-\x9f{_NO_CHARACTERS}]")
_NOTHING = ("nan", "NaT", "<NA>")
_CONTENT = "content.xml"
_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_ELEMENT = re.compile(rb"<table:(table|table-row|table-cell|covered-table-cell)(?=[\s/>])([^>]*)>")
_INDENT = re.compile(rb">\s+(?=</?(?:table|office):)")


class Table(NamedTuple):
    """One sheet of a file: its name, and its cells row by row, the header as any other."""

    name: str
    cells: list[list[object]]


@lru_cache(maxsize=64)  # a few bytes of ODS repeat a long cell a million times
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


def load_tables(path: Path) -> list[Table]:
    """Return the sheets of an ODS file, at least one; a CSV file is one. An empty file has no cells.

    An empty cell is "". Text is as it stands; in an ODS file, numbers and dates are such.
    Raises: MissingSource if it is not there; SourceError if it cannot be read, or is too large.
    """
    if not require_regular(path).st_size:
        return [Table("", [])]
    if path.suffix.lower() not in (".ods", ".csv"):
        raise SourceError(f"A sheet must be an ODS or CSV file, got {path.name}. Save it as ODS.")
    data = read_file(path, SHEET_MB)
    try:
        return _load_ods(data) if path.suffix.lower() == ".ods" else [Table("", _load_csv(data))]
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None
    except ParameterError:
        raise
    except Exception as error:  # zipfile, python-calamine and csv raise their own
        raise SourceError(
            f"A list of streams or channels must be a CSV or ODS sheet; {path} is not ({error})."
        ) from error


def _load_csv(data: bytes) -> list[list[object]]:
    text = decode_text(unpack(data, Notes()), Notes()).replace("\x00", "")
    header = text.partition("\n")[0]
    rows: list[list[object]] = []
    n_cells = 0
    for row in csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count)):
        n_cells += len(row)
        SHEET_CELLS.require(n_cells)
        rows.append([*row])
    return rows


def _load_ods(data: bytes) -> list[Table]:
    import pandas as pd

    with ZipFile(io.BytesIO(data)) as file:
        SHEET_MB.require(file.getinfo(_CONTENT).file_size / 1e6)
        content = file.read(_CONTENT)
    SHEET_CELLS.require(_count_cells(content))
    # Some programs indent their XML, which calamine does not expect.
    plain = io.BytesIO()
    with ZipFile(plain, "w") as file:
        file.writestr("mimetype", _ODS_TYPE)
        file.writestr("META-INF/manifest.xml", "<manifest/>")
        file.writestr(_CONTENT, _INDENT.sub(b">", content))
    frames = pd.read_excel(
        plain, sheet_name=None, header=None, engine="calamine", dtype=object, na_filter=False
    )
    tables = [Table(str(name), frame.to_numpy().tolist()) for name, frame in frames.items()]
    return tables or [Table("", [])]


def _count_cells(content: bytes) -> int:
    """Return the number of cells in all sheets' rectangles, up to the last row and column that is filled.

    A repeated row or cell takes a few bytes whatever its number; blank ones to the sheet's end are usual.
    """
    n_cells = n_rows = n_columns = row = column = repeated = 0
    for found in _ELEMENT.finditer(content):
        name, attributes = found[1], found[2]
        if name == b"table":
            n_cells += n_rows * n_columns
            n_rows = n_columns = row = repeated = 0
        elif name == b"table-row":
            row += repeated
            repeated, column = _read_repeated(attributes, b"rows"), 0
        else:
            column += _read_repeated(attributes, b"columns")
            if b"value-type" in attributes or not attributes.endswith(b"/"):  # filled
                n_rows, n_columns = row + repeated, max(n_columns, column)
    return n_cells + n_rows * n_columns


def _read_repeated(attributes: bytes, what: bytes) -> int:
    found = re.search(rb"number-%b-repeated=[\"']\s*(\d{1,18})" % what, attributes)
    return int(found[1]) if found else 1


def save_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write sheets as an ODS file, whole or not at all; every text is a text, none a formula.

    Raises: StoreFull if the disk is full; UnwritableFile for what else the system says.
    """
    import pandas as pd

    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="odf") as book:
        for table in tables:
            cells = [[clean_cell(cell) for cell in row] for row in table.cells or [[None]]]
            frame = pd.DataFrame(cells, dtype=object)
            frame.to_excel(book, sheet_name=clean_line(table.name), header=False, index=False)
    atomic_write(path, buffer.getvalue())
