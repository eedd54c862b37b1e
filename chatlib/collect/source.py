"""Where notebooks 01 and 02 take chat from: the sample channel, or chat files of the user's."""

from __future__ import annotations

from pathlib import Path

from chatlib.errors import MissingSource, ParameterError
from chatlib.workspace import SAMPLE_DIR, resolve_path

__all__ = ["find_chats"]


def find_chats(source: str, chats: str = "", *, update: bool = False) -> list[Path]:
    """Return the files or folders to import for a notebook's SOURCE and CHATS.

    The sample is a channel at two moments: what there was at first, and with `update` also
    what was streamed since.

    Raises: ParameterError for another source, or one without CHATS; MissingSource if there is
    nothing at CHATS.
    """
    if source == "sample":
        return [SAMPLE_DIR / "first", SAMPLE_DIR / "new"] if update else [SAMPLE_DIR / "first"]
    if source != "chats":
        raise ParameterError(f'SOURCE is "sample" or "chats", got {source!r}.')
    if not chats:
        raise ParameterError(
            'With SOURCE = "chats", CHATS names a chat file or a folder of them; it is empty.'
        )
    path = resolve_path(chats)
    if not path.exists():
        raise MissingSource(f"CHATS must name a chat file or a folder of them; there is nothing at {path}.")
    return [path]
