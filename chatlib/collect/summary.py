"""What is in a chat database, as small tables: streams, kinds, people, money."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pandas as pd

from chatlib.money import convert_money
from chatlib.records import AMOUNT_KINDS, CHAT_KINDS, DONATION_KINDS, MEMBERSHIP_KINDS, is_member
from chatlib.store import Store

__all__ = [
    "say_origin",
    "shorten_streams",
    "summarize_kinds",
    "summarize_money",
    "summarize_people",
    "summarize_streams",
]


def _in(kinds: frozenset[str]) -> str:
    return "(" + ", ".join(f"'{kind}'" for kind in sorted(kinds)) + ")"


_IS_PAID = f"(kind IN {_in(DONATION_KINDS)} OR bits > 0)"


def summarize_streams(db: Store) -> pd.DataFrame:
    """Return one row per stream, oldest first: what it is and who was in its chat.

    Columns: stream_id, video_id, title, started_at, hours, messages (all kinds), chatters (who
    wrote a chat message), donors (who paid), payments, state.
    """
    counts = db.query(
        f"""SELECT stream_id,
                   count(DISTINCT CASE WHEN kind IN {_in(CHAT_KINDS)} THEN author END) AS chatters,
                   count(DISTINCT CASE WHEN {_IS_PAID} THEN author END) AS donors,
                   count(CASE WHEN {_IS_PAID} THEN 1 END) AS payments
            FROM messages GROUP BY stream_id"""
    )
    table = db.load_streams().merge(counts, on="stream_id", how="left")
    table["hours"] = table["duration_s"].fillna(table["last_offset_s"]).astype(float) / 3600
    table["messages"] = table["n_messages"]
    for column in ("chatters", "donors", "payments"):
        table[column] = table[column].fillna(0).astype(int)
    columns = ["stream_id", "video_id", "title", "started_at", "hours", "messages", "chatters", "donors"]
    return table[[*columns, "payments", "state"]]


def summarize_kinds(db: Store) -> pd.DataFrame:
    """Return one row per kind of message, the most frequent first: kind, messages, share, pays."""
    table = db.query("SELECT kind, count(*) AS messages FROM messages GROUP BY kind ORDER BY 2 DESC, 1")
    table["share"] = table["messages"] / table["messages"].sum()
    table["pays"] = table["kind"].isin(DONATION_KINDS)
    return table


def summarize_people(db: Store) -> dict[str, int]:
    """Return counts of people over all streams, each counted once.

    authors (any row), chatters (a chat message), members (a member's badge, or a membership
    bought), donors (a payment). Members and donors overlap.
    """
    badges = db.query("SELECT DISTINCT author, badges FROM messages WHERE badges IS NOT NULL")
    members = set(badges["author"][[is_member(b) for b in badges["badges"]]])
    bought = f"SELECT DISTINCT author FROM messages WHERE kind IN {_in(MEMBERSHIP_KINDS)}"
    members |= {author for (author,) in db.connection.execute(bought)}

    def count(condition: str) -> int:
        sql = f"SELECT count(DISTINCT author) FROM messages WHERE {condition}"
        return db.connection.execute(sql).fetchone()[0]

    return {
        "authors": count("TRUE"),
        "chatters": count(f"kind IN {_in(CHAT_KINDS)}"),
        "members": len(members - {None}),
        "donors": count(_IS_PAID),
    }


def summarize_money(db: Store, *, to: str = "USD") -> pd.DataFrame:
    """Return one row per currency, the largest value first: payments, amount, value in `to`.

    Paid messages and stickers only; a ticker repeats one and is left out. The value is at the
    rate of the stream's day, and missing where the ECB publishes no rate. An amount whose
    currency could not be told has the currency `unknown`.
    """
    rows = db.connection.execute(
        f"""SELECT m.currency, m.amount, m.timestamp_us, s.started_at
            FROM messages m JOIN streams s USING (stream_id)
            WHERE m.kind IN {_in(AMOUNT_KINDS)} AND m.amount IS NOT NULL"""
    )
    table = pd.DataFrame(
        [
            (currency or "unknown", float(amount), _value(amount, currency, to, stamp, start))
            for currency, amount, stamp, start in rows
        ],
        columns=["currency", "amount", "value"],
    )
    sums = table.groupby("currency").agg(
        payments=("amount", "size"), amount=("amount", "sum"), value=("value", lambda v: v.sum(min_count=1))
    )
    sums = sums.sort_values(["value", "amount"], ascending=False, na_position="last")
    return sums.rename(columns={"value": f"value_{to.lower()}"}).reset_index()


def _value(amount: str, currency: str | None, to: str, stamp: int | None, start: str | None) -> float:
    if stamp is not None:
        date = dt.datetime.fromtimestamp(stamp / 1e6, dt.UTC).date()
    elif start:
        date = dt.date.fromisoformat(start[:10])
    else:
        return float("nan")
    value = convert_money(Decimal(amount), currency, to=to, date=date)
    return float("nan") if value is None else float(value)


def shorten_streams(streams: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `summarize_streams` as it reads well: by day, hours to a tenth, short titles."""
    table = streams.assign(
        day=streams["started_at"].str[:10].fillna("no date"),
        hours=streams["hours"].round(1),
        title=streams["title"].fillna(streams["video_id"]).str.slice(0, 60),
    )
    columns = ["title", "hours", "messages", "chatters", "donors", "payments", "state"]
    return table.set_index("day")[columns]


def say_origin(db: Store) -> str:
    """Return one sentence on where the chat comes from; a simulated channel is called so."""
    streams = db.load_streams()
    simulated = int(streams["simulated"].sum())
    if simulated:
        which = "All" if simulated == len(streams) else f"{simulated:,} of the"
        return f"{which} {len(streams):,} streams are SIMULATED: people, messages and money are made up."
    platforms = " and ".join(sorted(streams["platform"].unique())) or "nowhere yet"
    return f"{len(streams):,} streams from {platforms}, real chat: what files and replays hold of it."
