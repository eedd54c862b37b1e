"""Who writes: the viewers of each stream, who returns, who talks most, who is a member."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from chatlib.store import Store
from chatlib.tables import format_share

__all__ = [
    "KNOWN_BOTS",
    "describe_concentration",
    "find_talkers",
    "format_small_chat_warning",
    "is_named",
    "label_people",
    "load_viewers",
    "measure_concentration",
    "summarize_crowd",
    "summarize_loyalty",
    "summarize_retention",
]

# Names of bots that write in many chats.
KNOWN_BOTS = (
    "botisimo", "deepbot", "fossabot", "kofistreambot", "moobot", "mtgbot", "nightbot",
    "pokemoncommunitygame", "sery_bot", "soundalerts", "streamelements", "streamlabs",
    "streamstickers", "tangiabot", "wizebot",
)  # fmt: skip
_SMALL_MESSAGES, _SMALL_PEOPLE = 500, 30
_TOP_SHARE = 0.1
_LOYALTY = {1: "1", 2: "2-4", 5: "5-9", 10: "10-19", 20: "20-49", 50: "50 or more"}


def load_viewers(store: Store, *, leave_out: Collection[str] = ()) -> pd.DataFrame:
    """Return `Store.load_chatters`, without the people whose names are to be left out."""
    chatters = store.load_chatters()
    return chatters[~is_named(chatters["name"], leave_out)].reset_index(drop=True)


def is_named(names: pd.Series, wanted: Iterable[str]) -> pd.Series:
    """Return where a name is one of the wanted ones, ignoring case and a leading @."""
    known = {name.strip().removeprefix("@").casefold() for name in wanted}
    distinct = {str(name): str(name).removeprefix("@").casefold() for name in names.dropna().unique()}
    return names.isin([name for name, plain in distinct.items() if plain in known - {""}])


def summarize_retention(viewers: pd.DataFrame, streams: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stream that somebody wrote in, in the order of `streams`.

    Columns: stream_id, started_at, video_id, people, new (never seen before in these streams),
    returning, returning_share, members_share, chats. In the first stream everybody is new.
    """
    order = {key: place for place, key in enumerate(streams["stream_id"].tolist())}
    seen = viewers.assign(place=viewers["stream_id"].map(order)).dropna(subset=["place"])
    first = seen.groupby("author")["place"].transform("min")
    seen = seen.assign(new=seen["place"] == first)
    table = seen.groupby("place").agg(
        stream_id=("stream_id", "first"),
        people=("author", "size"),
        new=("new", "sum"),
        members_share=("member", "mean"),
        chats=("chats", "sum"),
    )
    table["returning"] = table["people"] - table["new"]
    table["returning_share"] = table["returning"] / table["people"]
    known = streams[["stream_id", "started_at", "video_id"]]
    columns = ["stream_id", "started_at", "video_id", "people", "new", "returning", "returning_share"]
    return table.merge(known, on="stream_id")[[*columns, "members_share", "chats"]]


def summarize_loyalty(viewers: pd.DataFrame) -> pd.DataFrame:
    """Return how many people came to how many streams, and how much of the chat is theirs.

    Columns: streams (as '2-4'), people, people_share, chats_share.
    """
    person = viewers.groupby("author").agg(streams=("stream_id", "nunique"), chats=("chats", "sum"))
    step = np.searchsorted(list(_LOYALTY), person["streams"], side="right") - 1
    table = person.groupby(step).agg(people=("streams", "size"), chats=("chats", "sum"))
    table.insert(0, "streams", [list(_LOYALTY.values())[i] for i in table.index])
    table["people_share"] = table["people"] / max(len(person), 1)
    table["chats_share"] = table["chats"] / max(person["chats"].sum(), 1)
    return table[["streams", "people", "people_share", "chats_share"]].reset_index(drop=True)


def summarize_crowd(viewers: pd.DataFrame, streams: pd.DataFrame, stream_id: int) -> pd.DataFrame:
    """Return who wrote in one stream, in groups that overlap.

    Columns: who (new here, been here before, members, everybody), people, people_share, chats,
    chats_share. New is who wrote in no earlier stream, in the order of `streams`.
    """
    order = {key: place for place, key in enumerate(streams["stream_id"].tolist())}
    first = viewers["stream_id"].map(order).groupby(viewers["author"]).min()
    here = viewers[viewers["stream_id"] == stream_id]
    new = here["author"].map(first) == order.get(stream_id)
    groups = {
        "new here": new,
        "been here before": ~new,
        "members": here["member"],
        "everybody": here["chats"] > 0,
    }
    table = pd.DataFrame(
        [(who, int(mask.sum()), here.loc[mask, "chats"].sum()) for who, mask in groups.items()],
        columns=["who", "people", "chats"],
    )
    table["people_share"] = table["people"] / max(len(here), 1)
    table["chats_share"] = table["chats"] / max(here["chats"].sum(), 1)
    return table[["who", "people", "people_share", "chats", "chats_share"]]


def find_talkers(viewers: pd.DataFrame, labels: dict[int, str], *, top: int = 10) -> pd.DataFrame:
    """Return the people with most chat messages. Columns: who, chats, chats_share, streams, member."""
    person = viewers.groupby("author").agg(
        chats=("chats", "sum"), streams=("stream_id", "nunique"), member=("member", "max")
    )
    person["chats_share"] = person["chats"] / max(person["chats"].sum(), 1)
    ranked = person.sort_values("chats", ascending=False, kind="stable").head(top).reset_index()
    ranked["who"] = ranked["author"].map(labels)
    return ranked[["who", "chats", "chats_share", "streams", "member"]]


def label_people(viewers: pd.DataFrame, *, anonymize: bool) -> dict[int, str]:
    """Return each author's label: the name, or `viewer N`, N being the rank by messages written."""
    chats = viewers.groupby("author")["chats"].sum().sort_values(ascending=False, kind="stable")
    if anonymize:
        return {author: f"viewer {rank}" for rank, author in enumerate(chats.index, 1)}
    names = viewers.drop_duplicates("author", keep="last").set_index("author")["name"]
    known = zip(names.index.tolist(), names.tolist(), strict=True)
    return {author: name if isinstance(name, str) else "(no name)" for author, name in known}


def measure_concentration(amounts: Iterable[float]) -> float:
    """Return the share of a sum that its largest amounts hold, a tenth of their number; NaN of under ten."""
    ordered = np.sort(np.array([amount for amount in amounts if amount > 0], dtype=float))[::-1]
    if len(ordered) < 1 / _TOP_SHARE:
        return float("nan")
    return float(ordered[: round(len(ordered) * _TOP_SHARE)].sum() / ordered.sum())


def describe_concentration(viewers: pd.DataFrame, values: pd.Series) -> str:
    """Return how much of messages and money comes from few, in words; `values` are payments by author."""
    by_writer = format_share(measure_concentration(viewers.groupby("author")["chats"].sum()))
    by_donor = format_share(measure_concentration(values.groupby(level=0).sum()))
    sentences = []
    if by_writer:
        sentences.append(f"The tenth of the people who write most wrote {by_writer} of the messages.")
    if by_donor:
        sentences.append(f"The tenth of the donors who gave most gave {by_donor} of the money shown.")
    return "\n".join(sentences) or "Too few wrote, and too few paid, to say how much comes from few."


def format_small_chat_warning(*, n_messages: int, n_people: int) -> str:
    """Return a sentence if a chat is so small that shares mean little, else an empty text."""
    if n_messages >= _SMALL_MESSAGES and n_people >= _SMALL_PEOPLE:
        return ""
    return (
        f"This is a small chat ({n_messages:,} messages by {n_people:,} people): "
        "shares and ranks below may be chance."
    )
