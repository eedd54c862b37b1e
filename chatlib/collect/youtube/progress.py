"""What a person sees while chats are fetched: one line over all, with each running stream's share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from chatlib.collect.files.rows import one_line
from chatlib.collect.youtube.report import StreamReport
from chatlib.workspace import progress_bar

__all__ = ["Board"]

log = logging.getLogger(__name__)


class Board:
    """The progress of one channel: a bar where a person looks, a line per finished stream in the log.

    `durations_s` are the streams to come, by video id; 0 is unknown. `tell` may be called from
    any thread.
    """

    def __init__(self, titles: Mapping[str, str], durations_s: Mapping[str, float], *, shown: bool) -> None:
        self._titles = titles
        self._durations_s = durations_s
        self._running: dict[str, float] = {}
        self._n_done = 0
        self._lock = threading.Lock()
        self._bar = progress_bar(
            total=len(durations_s), desc="chats", unit="stream", **({} if shown else {"disable": True})
        )

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tell(self, video_id: str, offset_s: float) -> None:
        """Take the offset that a stream's chat has reached."""
        with self._lock:
            self._running[video_id] = offset_s
            self._show()

    def finish(self, stream: StreamReport) -> None:
        """Take a stream that is done."""
        with self._lock:
            self._running.pop(stream.video_id, None)
            self._n_done += 1
            self._bar.update()
            self._show()
        if self._bar.disable:
            reason = f" ({one_line(stream.reason, 160)})" if stream.reason else ""
            log.info(
                "%d/%d %s %s: %s, %d messages, %d of them new%s",
                self._n_done,
                len(self._durations_s),
                stream.video_id,
                one_line(stream.title, 50),
                stream.state,
                stream.n_rows,
                stream.n_added,
                reason,
            )

    def _show(self) -> None:
        parts = []
        for video_id, offset_s in self._running.items():
            duration_s = self._durations_s.get(video_id)
            share = f"{min(offset_s / duration_s, 1):.0%}" if duration_s else f"{offset_s / 60:.0f} min"
            parts.append(f"{one_line(self._titles.get(video_id) or video_id, 16)} {share}")
        self._bar.set_postfix_str(", ".join(parts))
