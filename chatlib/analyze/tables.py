"""Tables that leave the program: as CSV without formulas, in a notebook with links and no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from chatlib.analyze.sections import Section
from chatlib.errors import ParameterError

__all__ = ["RenderedTable", "save_table", "save_tables", "sections_as_table"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class RenderedTable:
    """A table that shows itself in a notebook: its `link` column clickable, all else escaped."""

    table: pd.DataFrame

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        shown = self.table.astype(object)
        for column in shown.columns:
            shown[column] = [_render_cell(value, as_link=column == "link") for value in shown[column]]
        return shown.to_html(index=False, escape=False)


def sections_as_table(sections: Sequence[Section]) -> pd.DataFrame:
    """Return highlights or spikes as a table. Columns: from, to, seconds, peak, mean, description."""
    rows = [(s.startTime_text, s.endTime_text, s.duration, s.peak, s.avg, s.description) for s in sections]
    return pd.DataFrame(rows, columns=["from", "to", "seconds", "peak", "mean", "description"])


def save_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV, and return the path. Lists are joined by ` | `.

    Text that a spreadsheet would take for a formula gets an apostrophe in front: chat text is
    hostile input.
    Raises: ParameterError if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.map(_disarm).to_csv(path, index=False)
    except OSError as error:
        raise ParameterError(f"A table needs a file that can be written, got {path} ({error}).") from error
    return path


def save_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as `NAME.csv` into a folder."""
    for name, table in tables.items():
        save_table(table, folder / f"{name}.csv")


def _disarm(value: object) -> object:
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _render_cell(value: object, *, as_link: bool) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, list):
        return "<br>".join(escape(str(item)) for item in value)
    text = escape(f"{value:.3g}" if isinstance(value, float) else str(value))
    return f'<a href="{text}">watch</a>' if as_link else text
