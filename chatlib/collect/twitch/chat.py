"""The chat of one VOD: pages by offset, each comment once, kept on disk until the whole is in.

Twitch refuses paging by cursor at times, so each page is asked for at the second that the last one
reached. Pages overlap, and that proves that nothing lies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from chatlib.collect.downloads import Batch, Replay, ResumeFile, check_end
from chatlib.collect.files.rows import Notes, walk
from chatlib.collect.files.twitch import iter_nodes, read_nodes
from chatlib.collect.transport import Politeness
from chatlib.collect.twitch.graphql import GraphQL, Page
from chatlib.errors import SourceError, SourceRefused
from chatlib.records import Stream
from chatlib.text import read_number
from chatlib.times import format_clock

__all__ = ["SOURCE", "ChatPages", "fetch_chat_of", "open_resume_file"]

SOURCE = "twitch"
MAX_IDLE = 100  # pages in a row that bring nothing new before the download counts as broken


class ChatPages:
    """Puts the pages of a chat together: what is new in each, where to ask next, what may be missing.

    `full_seconds` are the seconds with so many comments that a page ended inside them, and the next
    one began behind them: some of theirs may be missing.
    """

    def __init__(self) -> None:
        self.next_offset_s = 0
        self.ended = False
        self.full_seconds: set[int] = set()
        self.nodes: list[object] = []
        self._seen: set[object] = set()
        self._reached_s = 0
        self._n_idle = 0

    def add(self, page: Page) -> None:
        """Take the next page. Raises: SourceError if many in a row brought nothing new."""
        nodes = list(iter_nodes(page.edges))
        keys = [_key(node) for node in nodes]
        fresh = [node for node, key in zip(nodes, keys, strict=True) if key not in self._seen]
        if self._seen and nodes and len(fresh) == len(nodes):
            self.full_seconds.update(range(self._reached_s, page.offset_s))
        self._seen.update(keys)
        self.nodes += fresh
        self._n_idle = 0 if fresh else self._n_idle + 1
        if self._n_idle >= MAX_IDLE:
            raise SourceError(f"Twitch gave {MAX_IDLE} pages in a row with nothing new.")
        last_s = int(max((_offset(node) for node in nodes), default=0.0))
        self._reached_s = max(self._reached_s, last_s)
        self.next_offset_s = last_s if last_s > page.offset_s else page.offset_s + 1
        self.ended = not page.has_next

    @property
    def offsets_s(self) -> list[float]:
        """The offsets of the comments."""
        return [_offset(node) for node in self.nodes]


def _key(node: object) -> object:
    return node["id"] if isinstance(node, dict) and isinstance(node.get("id"), str) else repr(node)


def _offset(node: object) -> float:
    return read_number(walk(node, "contentOffsetSeconds")) or 0.0


def open_resume_file(folder: Path, video_id: str) -> ResumeFile:
    """Return the file of a VOD's pages while not all are in."""
    return ResumeFile(folder / f"twitch-{video_id}.jsonl")


def fetch_chat_of(
    stream: Stream,
    politeness: Politeness,
    folder: Path,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Replay:
    """Return the chat of a VOD, also of a download that broke off; its stream says how far it goes.

    A chat that ends long before the VOD is believed if asking behind its end gives nothing more.
    Pages are kept in `folder`, so that an interrupted download goes on.
    Raises: SourceError if there is nothing at all; Stopped; StoreError.
    """
    resume_file = open_resume_file(folder, stream.video_id)
    pages = ChatPages()
    error: SourceError | None = None
    with closing(GraphQL(politeness)) as client:

        def ask(offset_s: int) -> None:
            """Fetch the page at an offset, and keep it on disk unless it is the last."""
            page = client.fetch_page(stream.video_id, offset_s)
            pages.add(page)
            if page.has_next:
                resume_file.add(Batch(page.edges, str(pages.next_offset_s)))
            if on_progress:
                on_progress(float(pages.next_offset_s))

        try:
            for page in _iter_saved(resume_file):
                pages.add(page)
            _read_to_end(pages, ask, stream.duration_s)
        except SourceError as caught:
            if not pages.nodes:
                raise
            error = caught
    if not pages.nodes:
        raise SourceRefused("the VOD has no chat", state="no_replay")
    notes = Notes()
    messages = read_nodes(pages.nodes, notes)
    state, reason = _describe_end(pages, stream.duration_s, error)
    stream = stream._replace(state=state, view="live", reason=reason)
    return Replay(stream, messages, notes, SOURCE, ended=error is None)


def _iter_saved(resume_file: ResumeFile) -> Iterator[Page]:
    """Yield the pages on disk, each with the offset at which it was asked for."""
    offset_s = 0
    for batch in resume_file.iter_saved():
        yield Page(offset_s, batch.items, True)
        offset_s = int(batch.next_token or 0)


def _read_to_end(pages: ChatPages, ask: Callable[[int], None], duration_s: float | None) -> None:
    """Ask for pages until Twitch names no further one; where that comes early, also behind it."""
    while not pages.ended:
        if duration_s and pages.next_offset_s > duration_s + 1:  # there Twitch answers with errors only
            pages.ended = True
            return
        ask(pages.next_offset_s)
        last_s = max(pages.offsets_s, default=0.0)
        state, _ = check_end(pages.offsets_s, duration_s, ended=pages.ended)
        if pages.ended and pages.nodes and duration_s and state == "partial":
            ask(int((last_s + duration_s) / 2))


def _describe_end(
    pages: ChatPages, duration_s: float | None, error: SourceError | None
) -> tuple[str, str | None]:
    """Return the state of the chat, and what to know of it."""
    state, reason = check_end(pages.offsets_s, duration_s, ended=error is None)
    if error is None and state == "partial":
        end, duration = format_clock(max(pages.offsets_s)), format_clock(duration_s or 0.0)
        state, reason = "complete", f"the chat ends at {end} of {duration}; nothing lies behind it"
    n_full = len(pages.full_seconds)
    full = (
        f"{n_full:,} {'second was' if n_full == 1 else 'seconds were'} so full that comments may be missing"
    )
    parts = [reason, str(error) if error else None, full if n_full else None]
    return state, " · ".join(part for part in parts if part) or None
