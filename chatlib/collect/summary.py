"""What is in a chat database, as small tables: streams, kinds, people, money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import pandas as pd

from chatlib.money import convert_money
from chatlib.records import AMOUNT_KINDS, CHAT_KINDS, DONATION_KINDS, MEMBERSHIP_KINDS
from chatlib.store import Store
from chatlib.tables import format_share
from chatlib.text import PEOPLE, format_count, hide_mentions, one_line
from chatlib.times import find_day, format_clock

__all__ = [
    "describe_channel",
    "describe_origin",
    "describe_sides",
    "shorten_streams",
    "show_rows",
    "summarize_kinds",
    "summarize_money",
    "summarize_people",
    "summarize_sides",
    "summarize_streams",
]


_WHATS = ("messages", "payments")


def show_rows(db: Store, n: int = 10, *, among: Iterable[int] | None = None) -> pd.DataFrame:
    """Return `n` successive rows of the stream with the most, around a payment if it has one.

    Columns: time, viewer (a number, in the order of their appearance here), kind, message, amount.
    Mentions of names are hidden. `among` are the streams to choose from.
    """
    columns = ["time", "viewer", "kind", "message", "amount"]
    wanted = None if among is None else set(among)
    streams = [s for s in db.list_streams() if s.n_messages and (wanted is None or s.stream_id in wanted)]
    if not streams:
        return pd.DataFrame(columns=columns)
    stream = max(streams, key=lambda s: s.n_messages)
    asked = ["offset_s", "author", "kind", "text", "notice", "amount_text", "bits"]
    rows = db.load_messages([stream.stream_id], columns=asked)
    paid = (rows["kind"].isin(DONATION_KINDS) | rows["bits"].gt(0)).to_numpy().nonzero()[0]
    middle = len(rows) // 2
    place = min(paid.tolist(), key=lambda row: abs(row - middle), default=middle)
    first = max(0, min(place - n // 2, len(rows) - n))
    rows = rows.iloc[first : first + n]
    said = rows["text"].fillna(rows["notice"]).fillna("")
    bits = [f"{bits:.0f} bits" if bits and bits > 0 else "" for bits in rows["bits"]]
    return pd.DataFrame(
        {
            "time": ["" if pd.isna(s) else format_clock(s) for s in rows["offset_s"]],
            "viewer": pd.factorize(rows["author"])[0] + 1,
            "kind": rows["kind"].tolist(),
            "message": [one_line(hide_mentions(text), 90) for text in said],
            "amount": [
                one_line(text, 20) if isinstance(text, str) else more
                for text, more in zip(rows["amount_text"], bits, strict=True)
            ],
        }
    )


def describe_channel(db: Store, streams: pd.DataFrame, people: Mapping[str, int]) -> list[str]:
    """Return what a database holds, in sentences, from what `summarize_streams` and `_people` return."""
    if streams.empty:
        return ["There is no stream yet."]
    days = streams["started_at"].dropna().str[:10]
    when = f" from {days.min()} to {days.max()}" if len(days) else ""
    answer = [
        f"{format_count(len(streams), 'stream')}{when} {'holds' if len(streams) == 1 else 'hold'} "
        f"{format_count(streams['messages'].sum(), 'row')} of chat by "
        f"{format_count(people['authors'], *PEOPLE)}, {people['chatters']:,} of whom typed a message."
    ]
    if people["chatters"]:
        share = format_share(people["donors"] / people["authors"])
        n_paid = format_count(streams["payments"].sum(), "time")
        answer.append(f"{format_count(people['donors'], *PEOPLE)} ({share}) paid, {n_paid} in all.")
    most = max(streams.to_dict("records"), key=lambda row: row["messages"])
    title = one_line(most["title"] or most["video_id"], 60)
    wrote = f"{format_count(most['messages'], 'row')} by {format_count(most['chatters'], *PEOPLE)}"
    answer.append(f"Most was written in “{title}”: {wrote}.")
    states = streams.loc[streams["state"] != "complete", "state"].value_counts()
    if len(states):
        listed = ", ".join(f"{n:,} {state}" for state, n in states.items())
        answer.append(f"Not every chat is whole: {listed}.")
    return answer + [f"{sentence}." for sentence in describe_sides(db)]


def summarize_streams(db: Store) -> pd.DataFrame:
    """Return one row per stream, oldest first: what it is and who was in its chat.

    Columns: stream_id, video_id, title, started_at, duration_s, messages (all kinds), chatters (who
    wrote a chat message), donors (who paid), payments, state.
    """
    counts = db.count_by_stream()
    table = db.load_streams().merge(counts, on="stream_id", how="left")
    table["duration_s"] = table["duration_s"].fillna(table["last_offset_s"]).astype(float)
    table["messages"] = table["n_messages"]
    for column in ("chatters", "donors", "payments"):
        table[column] = table[column].fillna(0).astype(int)
    columns = ["stream_id", "video_id", "title", "started_at", "duration_s", "messages", "chatters", "donors"]
    return table[[*columns, "payments", "state"]]


def summarize_kinds(db: Store) -> pd.DataFrame:
    """Return one row per kind of message, the most frequent first: kind, messages, share, pays."""
    table = db.count_kinds()
    table["share"] = table["messages"] / table["messages"].sum()
    table["pays"] = table["kind"].isin(DONATION_KINDS)
    return table


def summarize_people(db: Store) -> dict[str, int]:
    """Return counts of people over all streams, each counted once.

    authors (any row), chatters (a chat message), members (a member's badge, or a membership
    bought), donors (a payment). Members and donors overlap.
    """
    return db.count_people(MEMBERSHIP_KINDS)


def summarize_money(db: Store, *, to: str = "USD") -> pd.DataFrame:
    """Return one row per currency, the largest value first: payments, amount, value in `to`.

    Paid messages and stickers only; a ticker repeats one and is left out. The value is at the
    rate of the stream's day, and missing where the ECB publishes no rate. An amount whose
    currency is not known has the currency `unknown`.
    """
    table = pd.DataFrame(
        [
            (currency or "unknown", float(amount), _value(amount, currency, to, stamp, start))
            for _, _, kind, _, amount, currency, _, stamp, start in db.load_events(())
            if amount is not None and kind in AMOUNT_KINDS
        ],
        columns=["currency", "amount", "value"],
    )
    sums = table.groupby("currency").agg(
        payments=("amount", "size"), amount=("amount", "sum"), value=("value", lambda v: v.sum(min_count=1))
    )
    sums = sums.sort_values(["value", "amount"], ascending=False, na_position="last")
    return sums.rename(columns={"value": f"value_{to.lower()}"}).reset_index()


def _value(amount: str, currency: str | None, to: str, stamp: int | None, start: str | None) -> float:
    day = find_day(stamp, start)
    value = convert_money(Decimal(amount), currency, to=to, date=day)
    return float("nan") if value is None else float(value)


def summarize_sides(db: Store) -> pd.DataFrame:
    """Return one row per stream that was captured live and fetched as a replay: what each alone had.

    Columns: stream_id, title, messages and payments (in all), then how many of each only the capture
    had (replay_lacks_messages, replay_lacks_payments), and only the replay (capture_lacks_messages,
    capture_lacks_payments), and `paid_as`, what the payments are called. Chat messages and payments
    count; deletions, tickers and notices don't.
    """
    counts = db.count_sides()
    counts = counts[counts["pays"] | counts["kind"].isin(CHAT_KINDS)]
    names: dict[object, str] = {s.stream_id: s.title or s.video_id for s in db.list_streams()}
    rows = []
    for stream_id, table in counts.groupby("stream_id"):
        row: dict[str, object] = {"stream_id": stream_id, "title": names[stream_id]}
        for what, of_these in zip(_WHATS, (table[~table["pays"]], table[table["pays"]]), strict=True):
            both, live, replay = of_these[["both", "live", "replay"]].sum().tolist()
            row |= {what: both + live + replay}
            row |= {f"replay_lacks_{what}": live, f"capture_lacks_{what}": replay}
        kinds = set(table.loc[table["pays"], "kind"])
        row["paid_as"] = "Super Chats" if kinds and kinds <= AMOUNT_KINDS else "payments"
        rows.append(row)
    lacks = [f"{side}_lacks_{what}" for side in ("replay", "capture") for what in _WHATS]
    return pd.DataFrame(rows, columns=["stream_id", "title", *_WHATS, *lacks, "paid_as"])


def describe_sides(db: Store, stream_ids: Iterable[int] | None = None) -> list[str]:
    """Return a sentence on each stream that was captured live and fetched as a replay, payments first."""
    table = summarize_sides(db)
    if stream_ids is not None:
        table = table[table["stream_id"].isin(list(stream_ids))]
    sentences = []
    for row in table.to_dict("records"):
        lacks = []
        for side in ("replay", "capture"):
            parts = [
                f"{row[f'{side}_lacks_{what}']:,} of {row[what]:,} {name}"
                for what, name in (("payments", row["paid_as"]), ("messages", "messages"))
                if row[f"{side}_lacks_{what}"]
            ]
            lacks.append(f"the {side} lacks {' and '.join(parts) or 'nothing'}")
        sentences.append(f"{one_line(row['title'], 60)}: {'; '.join(lacks)}")
    return sentences


def shorten_streams(streams: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `summarize_streams` as it reads well: by day, with short titles."""
    table = streams.assign(
        day=streams["started_at"].str[:10].fillna("no date"),
        title=streams["title"].fillna(streams["video_id"]).str.slice(0, 60),
    )
    columns = ["title", "duration_s", "messages", "chatters", "donors", "payments", "state"]
    return table.set_index("day")[columns]


def describe_origin(db: Store) -> str:
    """Return one sentence on where the chat comes from; a simulated channel is called so."""
    streams = db.load_streams()
    simulated = int(streams["simulated"].sum())
    if simulated:
        if len(streams) == 1:
            return "The stream is SIMULATED: people, messages and money are made up."
        which = "All" if simulated == len(streams) else f"{simulated:,} of the"
        return f"{which} {len(streams):,} streams are SIMULATED: people, messages and money are made up."
    names = streams["platform"].replace({"twitch": "Twitch", "youtube": "YouTube"})
    platforms = " and ".join(sorted(names.unique())) or "nowhere yet"
    return (
        f"{format_count(len(streams), 'stream')} from {platforms}: real chat, as files and replays hold it."
    )
