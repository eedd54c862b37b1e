"""Tables that leave the program: several CSV files at once, in a notebook with links and no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from numbers import Real
from pathlib import Path

import pandas as pd

from chatlib.analyze.analytics.format import format_time
from chatlib.analyze.analytics.sections import Section
from chatlib.files import save_table

__all__ = ["RenderedTable", "RenderedTables", "save_tables", "sections_as_table"]

_SIDE_BY_SIDE = "display: flex; flex-wrap: wrap; gap: 0 2.5em; align-items: flex-start"


@dataclass(frozen=True)
class RenderedTable:
    """A table that renders itself in a notebook: its `link` column clickable, all else escaped.

    Numbers have three significant digits, integers all of theirs; a column named as a share is in
    percent. Underscores in column names are shown as spaces.
    """

    table: pd.DataFrame

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        empty = [name for name in self.table.columns if name == "link" and self.table[name].isna().all()]
        shown = self.table.drop(columns=empty).astype(object)
        names = []
        for column in shown.columns:
            name = escape(str(column).removesuffix("_s").replace("_", " "))
            cells = [_render_cell(value, str(column)) for value in shown[column]]
            if any(map(_has_letters, shown[column])) and column != "link":
                name, *cells = [f'<div style="text-align: left">{cell}</div>' for cell in (name, *cells)]
            names.append(name)
            shown[column] = cells
        shown.columns = names
        return shown.to_html(index=False, escape=False)


@dataclass(frozen=True)
class RenderedTables:
    """Tables by title that render themselves side by side in a notebook; all text escaped."""

    tables: Mapping[str, pd.DataFrame]

    def __repr__(self) -> str:
        return "\n\n".join(f"{title}\n{table.to_string(index=False)}" for title, table in self.tables.items())

    def _repr_html_(self) -> str:
        parts = "".join(
            f"<div><p><b>{escape(title)}</b></p>{RenderedTable(table)._repr_html_()}</div>"
            if len(table)
            else f"<div><p><b>{escape(title)}</b></p><p>none</p></div>"
            for title, table in self.tables.items()
        )
        return f'<div style="{_SIDE_BY_SIDE}">{parts}</div>'


def sections_as_table(sections: Sequence[Section]) -> pd.DataFrame:
    """Return highlights or spikes as a table. Columns: from, to, seconds, peak, mean, description."""
    rows = [(s.startTime_text, s.endTime_text, s.duration, s.peak, s.avg, s.description) for s in sections]
    return pd.DataFrame(rows, columns=["from", "to", "seconds", "peak", "mean", "description"])


def save_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as `NAME.csv` into a folder."""
    for name, table in tables.items():
        save_table(table, folder / f"{name}.csv")


def _has_letters(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and any(map(str.isalpha, value)))


def _render_cell(value: object, column: str) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, list):
        return "<br>".join(escape(str(item)) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.endswith("share"):
        return f"{value:.1%}"
    if column.endswith("_s"):
        return format_time(value)
    if isinstance(value, Real | Decimal):
        return f"{value:,.0f}" if value % 1 == 0 else _round(float(value))
    text = escape(str(value))
    return f'<a href="{text}">watch</a>' if column == "link" else text


def _round(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.3g}"
