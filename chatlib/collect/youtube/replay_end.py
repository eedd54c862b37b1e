"""Whether a replay is whole: where it ended, against how long the stream was."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["judge_end", "say_clock"]

ALWAYS_S = 120.0  # of silence at a stream's end say nothing
SHARE = 0.05  # nor does this share of its length
GAPS = 3.0  # nor this many times the chat's longest silence before


def judge_end(offsets_s: Sequence[float], duration_s: float | None, *, ended: bool) -> tuple[str, str | None]:
    """Return a state, `complete` or `partial`, and the reason if it is not plainly complete.

    `offsets_s` are the messages' offsets in any order, `ended` says that the source named no
    further batch. A replay whose own end lies far before the stream's counts as partial: sources
    take an empty batch for the end. Far is more than 2 minutes, 5 % of the stream, and 3 times
    the longest silence inside the chat.
    """
    last_s = max(offsets_s, default=0.0)
    of = "" if duration_s is None else f" of {say_clock(duration_s)}"
    if not ended:
        return "partial", f"the replay broke off at {say_clock(last_s)}{of}"
    if duration_s is None:
        return "complete", None
    inside = sorted({0.0, *(offset for offset in offsets_s if offset > 0)})
    longest_s = max((later - earlier for earlier, later in pairwise(inside)), default=0.0)
    if duration_s - last_s <= max(ALWAYS_S, SHARE * duration_s, GAPS * longest_s):
        return "complete", None
    return "partial", f"the replay ends at {say_clock(last_s)}{of}"


def say_clock(seconds: float) -> str:
    """Return seconds as h:mm:ss."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
