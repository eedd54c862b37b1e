"""Several streams at once: replays fetched by threads, handed over in the order asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chatlib.collect.youtube.replay import Replay, Way, fetch_replay
from chatlib.collect.youtube.transport import Stopped

__all__ = ["Wanted", "iter_replays"]

AHEAD = 3  # finished streams per thread that may wait for an earlier one


class Wanted(NamedTuple):
    """A stream to fetch, and what a list of streams says of it."""

    video_id: str
    known: Mapping[str, str]


def iter_replays(
    wanted: Sequence[Wanted], way: Way, *, at_once: int = 3, tell: Callable[[str, float], None] | None = None
) -> Iterator[Replay]:
    """Yield each stream's replay, in order; `tell` hears a video id and the offset reached, from any thread.

    The order makes a collection's result independent of which stream was faster. When the
    iterator is closed early, by Ctrl-C too, the threads stop at their next request; they never
    keep the program alive. Raises: what `fetch_replay` raises.
    """
    crew = _Crew(wanted, way, at_once, tell)
    try:
        for number in range(len(wanted)):
            yield crew.wait_for(number)
    except BaseException:
        way.politeness.stop.set()
        raise


class _Crew:
    """Threads that fetch what is wanted, never far ahead of what was handed over."""

    def __init__(
        self, wanted: Sequence[Wanted], way: Way, at_once: int, tell: Callable[[str, float], None] | None
    ) -> None:
        self._wanted = wanted
        self._way = way
        self._tell = tell
        self._ahead = at_once * AHEAD
        self._next = 0
        self._handed = 0
        self._done: dict[int, Replay] = {}
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        for _ in range(min(at_once, len(wanted))):
            threading.Thread(target=self._work, daemon=True).start()

    def wait_for(self, number: int) -> Replay:
        """Return a replay as soon as it is there; an error in any thread ends the waiting, a stop too."""
        with self._changed:
            while number not in self._done and not self._is_over():
                self._changed.wait(0.2)  # so that Ctrl-C comes through
            if number not in self._done:
                raise self._error or Stopped
            self._handed = number + 1
            self._changed.notify_all()
            return self._done.pop(number)

    def _work(self) -> None:
        while (number := self._take()) is not None:
            try:
                replay = self._fetch(self._wanted[number])
            except BaseException as error:
                with self._changed:
                    self._error = self._error or error
                    self._changed.notify_all()
                return
            with self._changed:
                self._done[number] = replay
                self._changed.notify_all()

    def _take(self) -> int | None:
        """Return the number of the next stream, or None if there is nothing more to do."""
        with self._changed:
            while self._next < len(self._wanted) and self._next >= self._handed + self._ahead:
                if self._is_over():
                    return None
                self._changed.wait(0.2)
            if self._is_over() or self._next >= len(self._wanted):
                return None
            self._next += 1
            return self._next - 1

    def _is_over(self) -> bool:
        return self._error is not None or self._way.politeness.stop.is_set()

    def _fetch(self, wanted: Wanted) -> Replay:
        tell = self._tell and (lambda offset_s: self._tell(wanted.video_id, offset_s))
        return fetch_replay(wanted.video_id, wanted.known, way=self._way, tell=tell)
