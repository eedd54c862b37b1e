"""Downloads of finished streams' chats: batches kept on disk until all are in, and how far they got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import orjson

from chatlib.collect.files.formats import Chat, complete_chat
from chatlib.errors import SourceError, SourceRefused
from chatlib.files import map_write_errors
from chatlib.records import HeatStep, Message, Stream
from chatlib.times import format_clock

__all__ = ["Batch", "Replay", "ResumeFile", "check_end"]

# A silence at a stream's end is plausible up to this many seconds, up to this share of the stream,
# and up to this many times the longest silence before.
_SILENCE_S, _SILENCE_SHARE, _SILENCE_TIMES = 120.0, 0.05, 3.0


class Batch(NamedTuple):
    """Items of a chat as its site gives them, and where the next batch is; None at the end.

    Of a running chat also how long to wait for the next one; with `is_pushed` YouTube would push the news
    before, to those who can hear it.
    """

    items: list[object]
    next_token: str | None
    wait_s: float = 0.0
    is_pushed: bool = False


class ResumeFile:
    """The batches of an unfinished download: one line of JSON each, with the token of the next batch.

    The last batch of a replay has no such token and is not kept. `view` is the view that the
    batches were taken from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.view = "live"

    def iter_saved(self) -> Iterator[Batch]:
        """Yield the batches in the file; from the first damaged line on, the file is cut off."""
        try:
            file = self.path.open("r+b")
        except OSError:
            return
        with file:
            end = 0
            while line := file.readline():
                batch = self._parse_line(line)
                if batch is None:
                    file.truncate(end)
                    return
                end += len(line)
                yield batch

    def _parse_line(self, line: bytes) -> Batch | None:
        try:
            content = orjson.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            return None
        if not isinstance(content, dict):
            return None
        items, token, view = (content.get(key) for key in ("items", "next", "view"))
        if not isinstance(items, list) or not isinstance(token, str) or not isinstance(view, str):
            return None
        self.view = view
        return Batch(items, token)

    def add(self, batch: Batch) -> None:
        """Append a batch that names the next one. Raises: StoreFull, UnwritableFile."""
        line = orjson.dumps({"items": batch.items, "next": batch.next_token, "view": self.view}) + b"\n"
        with map_write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line)

    def drop(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


class Replay(NamedTuple):
    """What became of one stream: `stream` has state, view and reason, `source` names who gave the chat.

    `ended` says that the replay came to its own end, `running` is "live" or "upcoming" for a
    stream that is not over. `heatmap` is YouTube's most-replayed curve, empty without one.
    """

    stream: Stream
    messages: list[Message]
    skipped: Mapping[str, int]
    source: str
    ended: bool = False
    running: str | None = None
    heatmap: Sequence[HeatStep] = ()

    @classmethod
    def of_failure(cls, stream: Stream, source: str, error: SourceError, *, prefix: str = "") -> Replay:
        """Return what became of a stream that gives no chat: its state, and the reason."""
        state = error.state if isinstance(error, SourceRefused) else "failed"
        stream = stream._replace(state=state, view="live", reason=f"{prefix}{error}")
        return cls(stream, [], {}, source)

    def complete(self, known: Mapping[str, str]) -> Replay:
        """Return this with what a list of streams says of the stream, and what its messages tell."""
        chat = Chat(self.source, self.stream, list(self.messages), self.skipped)
        chat = complete_chat(chat, file_name=self.stream.video_id, row=known)
        return self._replace(stream=chat.stream, messages=chat.messages)

    @property
    def last_offset_s(self) -> float:
        """The offset of the last message, 0 without one."""
        return max((m.offset_s for m in self.messages if m.offset_s is not None), default=0.0)


def check_end(offsets_s: Sequence[float], duration_s: float | None, *, ended: bool) -> tuple[str, str | None]:
    """Return a state, `complete` or `partial`, and the reason if it is not plainly complete.

    `offsets_s` are the messages' offsets in any order, `ended` says that YouTube named no further
    batch. A replay that ends far before the stream counts as partial all the same. Far is more
    than 2 minutes, 5 % of the stream, and 3 times the longest silence inside the chat.
    """
    last_s = max(offsets_s, default=0.0)
    total = "" if duration_s is None else f" of {format_clock(duration_s)}"
    if not ended:
        return "partial", f"the replay broke off at {format_clock(last_s)}{total}"
    if duration_s is None:
        return "complete", None
    inside = sorted({0.0, *(offset for offset in offsets_s if offset > 0)})
    longest_s = max((later - earlier for earlier, later in pairwise(inside)), default=0.0)
    plausible_s = max(_SILENCE_S, _SILENCE_SHARE * duration_s, _SILENCE_TIMES * longest_s)
    if duration_s - last_s <= plausible_s:
        return "complete", None
    return "partial", f"the replay ends at {format_clock(last_s)}{total}"
