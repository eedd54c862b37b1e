"""Two recordings of one stream, its capture and its replay: which messages of theirs are the same.

The ids tell, where the site gives both the same. Where it does not, author, content and time do, each
message once, so that what a spammer repeats stays as often as it was said.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from statistics import median

from chatlib.records import DONATION_KINDS, Message

__all__ = ["APART_S", "find_twins"]

APART_S = 2.0  # between the two moments of one message


def find_twins(captured: Sequence[Message], replayed: Sequence[Message]) -> dict[int, Message]:
    """Return the captured message that a replayed one is, by the replayed one's place.

    Both by id and kind; by an id alone that has another kind on either side, as events have in Twitch's
    replays; else by author, content and moments at most `APART_S` apart, earliest first.
    """
    by_key = {(seen.message_id, seen.kind): seen for seen in captured}
    found = {
        i: by_key[m.message_id, m.kind] for i, m in enumerate(replayed) if (m.message_id, m.kind) in by_key
    }
    used = {id(seen) for seen in found.values()}
    rest = [i for i in range(len(replayed)) if i not in found]
    by_id: dict[str, list[Message]] = defaultdict(list)
    for seen in captured:
        if id(seen) not in used:
            by_id[seen.message_id].append(seen)
    for i in rest:
        same = by_id.get(replayed[i].message_id, [])
        if len(same) == 1 and id(same[0]) not in used:
            found[i] = same[0]
            used.add(id(same[0]))
    left = [seen for seen in captured if id(seen) not in used]
    rest = [i for i in rest if i not in found]
    return found | _match_by_content(left, replayed, rest)


def _match_by_content(
    captured: Sequence[Message], replayed: Sequence[Message], places: Sequence[int]
) -> dict[int, Message]:
    moments = _find_moments(captured), _find_moments([replayed[i] for i in places])
    if None in moments:
        moments = [seen.offset_s for seen in captured], [replayed[i].offset_s for i in places]
    pools: dict[tuple, deque[tuple[float, Message]]] = defaultdict(deque)
    timed = ((at, seen) for at, seen in zip(moments[0] or (), captured, strict=True) if at is not None)
    for at, seen in sorted(timed, key=lambda pair: pair[0]):
        for key in _iter_keys(seen):
            pools[key].append((at, seen))
    found: dict[int, Message] = {}
    used: set[int] = set()
    due = ((at, i) for at, i in zip(moments[1] or (), places, strict=True) if at is not None)
    for at, i in sorted(due):
        for key in _iter_keys(replayed[i]):
            pool = pools.get(key, deque())
            while pool and (id(pool[0][1]) in used or pool[0][0] < at - APART_S):
                pool.popleft()
            if pool and pool[0][0] <= at + APART_S:
                found[i] = pool.popleft()[1]
                used.add(id(found[i]))
                break
    return found


def _find_moments(messages: Sequence[Message]) -> list[float | None] | None:
    """Return when each was said, in seconds since 1970; None if none of them tells.

    A message that tells only its offset is placed by the others.
    """
    starts = [
        m.timestamp_us / 1e6 - m.offset_s
        for m in messages
        if m.timestamp_us is not None and m.offset_s is not None
    ]
    if not starts:
        return None
    start = median(starts)
    return [
        m.timestamp_us / 1e6
        if m.timestamp_us is not None
        else (None if m.offset_s is None else m.offset_s + start)
        for m in messages
    ]


def _iter_keys(message: Message) -> Iterator[tuple]:
    """Yield what two recordings of one message have in common.

    A replay may show an event's sentence as the words of a plain message.
    """
    author = message.author_id
    if message.target_id is not None:
        yield ("removal", message.target_id)
    elif message.kind in DONATION_KINDS or message.bits:
        yield ("payment", author, message.kind, message.amount, message.currency, message.bits)
    words = [" ".join(part.split()) for part in (message.notice, message.text) if part]
    for said in dict.fromkeys([" ".join(words), *words]):
        yield ("words", author, said)
    if not words and message.target_id is None:
        yield ("silent", author, message.kind)
