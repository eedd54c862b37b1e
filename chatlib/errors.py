"""Every error that chatlib raises on purpose.

    ChatlibError
    ├── SourceError            a source of chat (file, folder, site) cannot be used
    │   ├── MissingSource      it does not exist, or is empty
    │   ├── UnknownFormat      it has no format that chatlib knows
    │   ├── SourceRefused      the site gives no chat of a stream, and says so
    │   └── SourceUnreachable  the site did not answer, or not completely
    ├── StoreError             the chat database cannot be used
    │   ├── NotADatabase       the file is no chat database
    │   ├── NewerSchema        a newer chatlib made it
    │   ├── DamagedStore       the file is damaged
    │   ├── StoreLocked        another program keeps it locked
    │   └── StoreFull          the disk or the file system is full
    ├── DataError              the chat is readable but does not allow what was asked
    │   └── NotEnoughData      too few messages, streams, viewers or donors
    ├── ModelError             a model or tokenizer cannot be loaded, or does not fit
    ├── ParameterError         a name or value given by the user breaks a rule
    │   └── UnwritableFile     an output cannot be written where it was asked for
    └── PipelineError          a notebook of the chain failed

A message says the rule, the value that broke it, and the next step.
"""

from __future__ import annotations

__all__ = [
    "ChatlibError",
    "DamagedStore",
    "DataError",
    "MissingSource",
    "ModelError",
    "NewerSchema",
    "NotADatabase",
    "NotEnoughData",
    "ParameterError",
    "PipelineError",
    "SourceError",
    "SourceRefused",
    "SourceUnreachable",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "UnknownFormat",
    "UnwritableFile",
]


class ChatlibError(Exception):
    """Root of all errors that chatlib raises on purpose."""


class SourceError(ChatlibError):
    """A source of chat (file, folder, site) cannot be used."""


class MissingSource(SourceError):
    """The source does not exist, or is empty."""


class UnknownFormat(SourceError):
    """The source has no format that chatlib knows."""


class SourceRefused(SourceError):
    """The site gives no chat of a stream, and says so. `state` is one of `chatlib.records.STATES`."""

    def __init__(self, message: str, *, state: str = "failed") -> None:
        super().__init__(message)
        self.state = state


class SourceUnreachable(SourceError):
    """The site did not answer, or not completely, after all retries."""


class StoreError(ChatlibError):
    """The chat database cannot be used."""


class NotADatabase(StoreError):
    """The file is no chat database."""


class NewerSchema(StoreError):
    """A newer chatlib made the database."""


class DamagedStore(StoreError):
    """The file is damaged."""

    @classmethod
    def of(cls, path: object, reason: object) -> DamagedStore:
        """Return the error for a file, with what SQLite found."""
        found = " ".join(str(reason).replace("*** in database main ***", "").split())
        return cls(
            f"A chat database must be whole, and {path} is damaged ({found}). Nothing was written to it: "
            "use an earlier copy of it, or import the chats into a new file."
        )


class StoreLocked(StoreError):
    """Another program keeps the database locked."""


class StoreFull(StoreError):
    """The disk or the file system is full; what was committed before is intact."""


class DataError(ChatlibError):
    """The chat is readable but does not allow what was asked."""


class NotEnoughData(DataError):
    """Too few messages, streams, viewers or donors for what was asked."""


class ModelError(ChatlibError):
    """A model or tokenizer cannot be loaded, or does not fit."""


class ParameterError(ChatlibError):
    """A name or value given by the user breaks a rule."""


class UnwritableFile(ParameterError):
    """An output cannot be written where it was asked for."""


class PipelineError(ChatlibError):
    """A notebook of the chain failed."""
