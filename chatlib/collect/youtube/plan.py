"""Which of a channel's streams to fetch: what is new, and what did not come whole the last time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chatlib.errors import ParameterError

__all__ = ["RETRIED", "Plan", "plan_streams"]

# States of a chat that another attempt may mend; the members' ones only with a member's cookies.
RETRIED = ("partial", "blocked", "failed")


class Plan(NamedTuple):
    """Video ids, oldest first: to fetch; those live or upcoming; those gone; those left as they are."""

    wanted: list[str]
    running: list[str]
    gone: list[str]
    left: list[str]


def plan_streams(
    listed: Sequence[str],
    states: Mapping[str, str],
    *,
    running: Sequence[str] = (),
    gone: Sequence[str] = (),
    has_cookies: bool = False,
    limit: int = 0,
) -> Plan:
    """Plan for the streams in a list, newest first, and for known ones that it no longer shows.

    `states` are the states of the chats that are in the database. With `limit`, only the newest so
    many that are over count, and known ones beyond them are left as they are.
    """
    if limit < 0:
        raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {limit}.")
    retried = RETRIED + ("members_only",) * has_cookies
    away = {*running, *gone}
    over = [video_id for video_id in listed if video_id not in away]
    over = over[:limit] if limit else over + [v for v in states if v not in set(listed) | away]
    wanted = [v for v in over if v not in states or states[v] in retried]
    chosen = set(wanted)
    return Plan(
        wanted[::-1],
        [v for v in listed if v in set(running)][::-1],
        [v for v in listed if v in set(gone)][::-1],
        [v for v in over if v not in chosen][::-1],
    )
