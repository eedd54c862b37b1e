"""What an import did, by file and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chatlib.errors import UnknownFormat
from chatlib.text import clean_text

__all__ = ["FILE_STATES", "FileReport", "ImportReport", "say_totals", "shorten"]

_MAX_LINES = 20  # of each list in a summary

# imported: read now; known: was in already; failed: could not be read, see `error`.
FILE_STATES = ("imported", "known", "failed")


@dataclass(frozen=True)
class FileReport:
    """What became of one file, or of one stream of a file that holds several."""

    path: Path
    state: str  # one of FILE_STATES
    format: str = ""
    stream: str = ""  # platform/video id
    stream_id: int | None = None
    n_rows: int = 0  # messages in the file
    n_added: int = 0  # of them new in the database
    skipped: Mapping[str, int] = field(default_factory=dict)  # reason -> rows
    error: str = ""


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `totals` counts what the database holds of the streams it met:
    streams, messages, authors, paid. `ignored` are files in the folders that are no chat at all.
    """

    files: list[FileReport]
    ignored: list[Path]
    totals: Mapping[str, int]

    @property
    def n_added(self) -> int:
        """Messages that were not in the database before."""
        return sum(file.n_added for file in self.files)

    @property
    def errors(self) -> dict[Path, str]:
        """The files that could not be read, and why."""
        return {file.path: file.error for file in self.files if file.state == "failed"}

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was left out of the files that were read, by reason."""
        counts: Counter[str] = Counter()
        for file in self.files:
            counts.update(file.skipped)
        return dict(counts.most_common())

    @property
    def is_usable(self) -> bool:
        """Whether anything of what was named is in the database now."""
        return any(file.state != "failed" for file in self.files)

    def require_usable(self) -> None:
        """Raise UnknownFormat if nothing of what was named is in the database now."""
        if not self.is_usable:
            first = next((f"{path.name}: {error}" for path, error in self.errors.items()), "no chat file")
            raise UnknownFormat(
                f"At least one chat must be readable, and of {len(self.files)} files none was. {first}"
            )

    def say(self, db: Path) -> str:
        """Return the summary: what is in the database, what was left out, and why."""
        states = [file.state for file in self.files]
        lines = [
            f"{states.count('imported'):,} read, {states.count('known'):,} known already, "
            f"{states.count('failed'):,} failed; {self.n_added:,} new messages in {db}",
            "",
            *say_totals(self.totals, self.skipped),
        ]
        if self.errors:
            lines += ["", "Could not be read:"]
            lines += shorten([f"  {path}: {error}" for path, error in self.errors.items()])
        if self.ignored:
            lines += ["", "No chat, left alone:"]
            lines += shorten([f"  {path}" for path in self.ignored])
        return clean_text("\n".join(lines) + "\n")

    def to_table(self) -> pd.DataFrame:
        """Return one row per file: what it is, its stream, rows, rows that were new, what was left out."""
        columns = ("file", "state", "format", "stream", "rows", "added", "left out", "error")
        rows = [
            (f.path.name, f.state, f.format, f.stream, f.n_rows, f.n_added, say_counts(f.skipped), f.error)
            for f in self.files
        ]
        return pd.DataFrame(rows, columns=list(columns))


def say_totals(totals: Mapping[str, int], skipped: Mapping[str, int]) -> list[str]:
    """Return the lines of a summary that tell what a database holds, and what was left out by reason."""
    columns = [(name, f"{count:,}") for name, count in totals.items()]
    widths = [2 + max(map(len, column)) for column in columns]
    lines = ["".join(map(str.rjust, row, widths)) for row in zip(*columns, strict=True)]
    if skipped:
        lines += ["", "Left out or incomplete:"]
        lines += shorten([f"{count:>9,} × {reason}" for reason, count in skipped.items()])
    return lines


def shorten(lines: list[str]) -> list[str]:
    """Return the first lines of a long list, and how many more there are."""
    more = len(lines) - _MAX_LINES
    return lines if more <= 0 else [*lines[:_MAX_LINES], f"  … and {more:,} more"]


def say_counts(counts: Mapping[str, int]) -> str:
    """Return counts as a phrase: `3 × row is empty, 1 × line is no JSON`."""
    return ", ".join(f"{n:,} × {reason}" for reason, n in counts.items())
