"""Tables as CSV that a spreadsheet only shows: chat text is hostile input."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chatlib.errors import ParameterError

__all__ = ["save_table"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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


def _disarm(value: object) -> object:
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
