"""Tables that leave the program: as CSV files, and in one style in every notebook and on every page."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from numbers import Real
from pathlib import Path

import pandas as pd

from chatlib.files import save_table
from chatlib.times import format_clock

__all__ = ["RenderedTable", "RenderedTables", "format_share", "format_value", "save_tables", "style_tables"]

_SIDE_BY_SIDE = "display: flex; flex-wrap: wrap; gap: 0 2.5em; align-items: flex-start"
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]00:?00)?")
_TIME_UNIT = re.compile(r"(?<!_per)_s$")
_CHATS = re.compile(r"\bchats\b")  # as the published JSON has it
_SHORT = 14  # characters of a text that stays on a line
_MOST_ROWS = 60  # of a table that nobody cut; its file has them all


@dataclass(frozen=True)
class RenderedTable:
    """A table that renders itself in a notebook: its `link` column clickable, all else escaped.

    Numbers are as `format_value` writes them; a column named as a share is in percent, `value` is money, one
    in seconds (`_s`, but not `_per_s`) is a time as h:mm:ss. Absence is an empty cell. In names underscores
    are shown as spaces and `chats` as messages, and an index with a meaning is the first column. Without rows
    it says so.
    """

    table: pd.DataFrame

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        if not len(self.table):
            return "<p>none</p>"
        whole = _flatten(self.table)
        empty = [name for name in whole.columns if name == "link" and whole[name].isna().all()]
        shown = whole.head(_MOST_ROWS).drop(columns=empty).astype(object)
        names = []
        columns = {}
        for place, column in enumerate(shown.columns):
            values = shown.iloc[:, place]
            name = escape(_CHATS.sub("messages", _TIME_UNIT.sub("", str(column)).replace("_", " ")))
            cells = [_render_cell(value, str(column)) for value in values]
            if any(map(_has_letters, values)) and column != "link":
                is_short = all(len(value) <= _SHORT for value in values if isinstance(value, str | list))
                name = f'<div style="text-align: left">{name}</div>'
                style = "text-align: left" + "; white-space: nowrap" * is_short
                cells = [f'<div style="{style}">{cell}</div>' for cell in cells]
            names.append(name)
            columns[place] = cells
        html = pd.DataFrame(columns, index=shown.index).set_axis(names, axis=1)
        more = len(whole) - len(shown)
        rest = f"<p>and {more:,} more rows</p>" if more else ""
        return html.to_html(index=False, escape=False, border=0) + rest


@dataclass(frozen=True)
class RenderedTables:
    """Tables by title that render themselves side by side in a notebook; all text escaped."""

    tables: Mapping[str, pd.DataFrame]

    def __repr__(self) -> str:
        return "\n\n".join(f"{title}\n{table.to_string(index=False)}" for title, table in self.tables.items())

    def _repr_html_(self) -> str:
        parts = "".join(
            f"<div><p><b>{escape(title)}</b></p>{RenderedTable(table)._repr_html_()}</div>"
            for title, table in self.tables.items()
        )
        return f'<div style="{_SIDE_BY_SIDE}">{parts}</div>'


def style_tables() -> None:
    """Show every pandas table of this notebook as a RenderedTable; nothing outside of a notebook."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(pd.DataFrame, lambda table: RenderedTable(table)._repr_html_())


def save_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as `NAME.csv` into a folder."""
    for name, table in tables.items():
        save_table(table, folder / f"{name}.csv")


def format_value(value: object) -> str:
    """Return a value as people read it: three significant digits, all of an integer and of a Decimal.

    Thousands have commas; from 1,000 on there are no decimals.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if not isinstance(value, Real):
        return str(value)
    number = float(value)
    if number % 1 == 0 or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) >= 1e-4 else f"{number:.0e}"


def format_share(share: float) -> str:
    """Return a share in percent: whole from 10 % on, one decimal from 1 % on, two below; empty for NaN."""
    percent = 100 * share
    decimals = 0 if percent == 0 or percent >= 9.95 else 1 if percent >= 0.995 else 2
    return f"{percent:.{decimals}f} %" if share == share else ""


def _flatten(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with plain columns: headings in one row, an index that has a meaning as columns."""
    named = [name is not None for name in table.index.names]
    if any(named) or not isinstance(table.index, pd.RangeIndex):
        plain = pd.api.types.is_integer_dtype(table.index) and not any(named)
        table = table.reset_index(drop=plain, names=None if any(named) else "")
    if table.columns.nlevels > 1:
        joined = [" ".join(str(part) for part in column if part != "") for column in table.columns]
        table = table.set_axis(joined, axis=1)
    return table


def _has_letters(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and any(map(str.isalpha, value)))


def _is_absent(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)


def _render_cell(value: object, column: str) -> str:
    if _is_absent(value):
        return ""
    if isinstance(value, list | tuple):
        return "<br>".join(escape(str(item)) for item in value)
    if isinstance(value, Real) and not isinstance(value, bool):
        if column.endswith("share"):
            return format_share(float(value))
        if column == "value":  # money
            return f"{value:,.2f}"
        if _TIME_UNIT.search(column):
            return format_clock(float(value))
    if isinstance(value, pd.Timestamp):
        value = str(value)
    if isinstance(value, str) and (moment := _MOMENT.fullmatch(value)):
        day, clock = moment.groups()
        time = f" {clock}" if clock and clock != "00:00" else ""
        return f'<span style="white-space: nowrap">{day}{time}</span>'
    text = escape(value if isinstance(value, str) else format_value(value))
    return f'<a href="{text}">watch</a>' if column == "link" else text
