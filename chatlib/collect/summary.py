"""What a collection did, by channel and stream, and what a chat database holds, as small tables."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pandas as pd

from chatlib.collect.files.importing import format_totals, shorten_lines
from chatlib.errors import SourceError
from chatlib.money import convert_money
from chatlib.records import AMOUNT_KINDS, CHAT_KINDS, DONATION_KINDS, MEMBERSHIP_KINDS, STATES
from chatlib.store import Store
from chatlib.tables import format_share
from chatlib.text import PEOPLE, format_count, hide_mentions, one_line, remove_controls
from chatlib.times import find_day, format_clock
from chatlib.workspace import progress_bar

__all__ = [
    "RETRIED", "ChannelReport", "CollectReport", "ProgressBoard", "StreamReport", "describe_channel",
    "describe_origin", "describe_sides", "shorten_streams", "show_rows", "summarize_kinds", "summarize_money",
    "summarize_people", "summarize_sides", "summarize_streams",
]  # fmt: skip

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
    ends = dict.fromkeys([days.min(), days.max()] if len(days) else [])
    when = f" from {' to '.join(ends)}" if ends else ""
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


# States of a chat that another attempt may improve.
RETRIED = ("partial", "blocked", "failed")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamReport:
    """What became of one stream's chat. `before` is its state until now, None for a new stream."""

    video_id: str
    title: str | None
    before: str | None
    state: str
    reason: str | None
    n_rows: int  # messages that came
    n_added: int  # of them new in the database
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass
class ChannelReport:
    """What became of one channel. Streams are named by video id."""

    url: str
    spreadsheet: Path
    name: str | None = None
    n_listed: int = 0
    listing: str = ""  # why the listing ended, and after how long
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # the list or the sheet, not a stream
    titles: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # had been collected before
    not_asked: list[str] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)


@dataclass(frozen=True)
class CollectReport:
    """What a collection did. `totals` counts what the database holds of the streams it met.

    `sides` are sentences on streams that were captured live, too: what their replay lacks.
    """

    channels: list[ChannelReport]
    totals: Mapping[str, int]
    sides: Sequence[str] = ()

    @property
    def streams(self) -> list[StreamReport]:
        """The streams that were asked for."""
        return [stream for channel in self.channels for stream in channel.streams]

    @property
    def n_added(self) -> int:
        """Messages that were not in the database before."""
        return sum(stream.n_added for stream in self.streams)

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was left out of the chats, by reason; unknown kinds of messages by their name."""
        counts: Counter[str] = Counter()
        for stream in self.streams:
            counts.update(stream.skipped)
        return dict(counts.most_common())

    @property
    def is_usable(self) -> bool:
        """Whether the database has a chat of any of the channels' streams now."""
        return bool(self.totals.get("messages"))

    @property
    def has_failed(self) -> bool:
        """Whether a channel, a sheet or a stream failed, so that the same command may bring more."""
        return any(channel.failures for channel in self.channels) or any(
            stream.state in RETRIED for stream in self.streams
        )

    def require_usable(self) -> None:
        """Raise SourceError if the database has no chat of these channels now."""
        if not self.is_usable:
            problems = [f"{s.video_id}: {s.reason}" for s in self.streams if s.reason]
            problems += [f"{c.url}: {text}" for c in self.channels for text in (*c.failures, *c.problems)]
            raise SourceError(
                "At least one stream must give its chat, and none did. "
                + (problems[0] if problems else "No finished stream was listed.")
            )

    def format_summary(self, db: Path) -> str:
        """Return the summary: what changed, what was left out, and what to do about it."""
        has_folder = db.parent != Path()  # else the sheets are named alone, too
        lines = []
        for channel in self.channels:
            sheet = str(channel.spreadsheet) if has_folder else channel.spreadsheet.name
            lines += [*_format_channel(channel, sheet), ""]
        lines += [
            f"{self.n_added:,} new messages in {remove_controls(str(db))}",
            *self.sides,
            "",
            *format_totals(self.totals, self.skipped),
        ]
        return "\n".join(lines) + "\n"


def _format_channel(channel: ChannelReport, sheet: str) -> list[str]:
    states = Counter(stream.state for stream in channel.streams)
    new = sum(stream.before is None for stream in channel.streams)
    asked = ", ".join(f"{states[state]:,} {state}" for state in STATES if states[state]) or "nothing to fetch"
    listed = f"{format_count(channel.n_listed, 'stream')} listed ({channel.listing})"
    lines = [
        one_line(f"{channel.name or channel.url}: {listed}", 200),
        f"  {new:,} new, {len(channel.streams) - new:,} tried again: {asked}",
        f"  {len(channel.left):,} left as they were",
        f"  their list: {sheet}",
    ]
    lines += [f"  {problem}" for problem in (*channel.failures, *channel.problems)]
    for what, video_ids in (
        ("not over yet, left out", channel.running),
        ("deleted or private", channel.gone),
        ("not asked any more", channel.not_asked),
    ):
        if video_ids:
            lines += [f"  {what}:"]
            lines += shorten_lines([f"    {v} {one_line(channel.titles.get(v, ''), 60)}" for v in video_ids])
    reasons = [f"    {s.video_id} {s.state}: {one_line(s.reason, 160)}" for s in channel.streams if s.reason]
    return lines + (["  with a reason:", *shorten_lines(reasons)] if reasons else [])


class ProgressBoard(AbstractContextManager):
    """The progress of one channel: a bar where a person looks, else a log line per finished stream.

    The bar also shows how far each running stream is. `durations_s` are the streams to come, by
    video id; 0 is unknown. `update` may be called from any thread.
    """

    def __init__(self, titles: Mapping[str, str], durations_s: Mapping[str, float]) -> None:
        self._titles = titles
        self._durations_s = durations_s
        self._running: dict[str, float] = {}
        self._n_done = 0
        self._lock = threading.Lock()
        self._bar = progress_bar(total=len(durations_s), desc="chats", unit="stream")

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, video_id: str, offset_s: float) -> None:
        """Show the offset that a stream's chat has reached."""
        with self._lock:
            self._running[video_id] = offset_s
            self._show()

    def finish(self, stream: StreamReport) -> None:
        """Take a stream that is done off the board, and count it."""
        with self._lock:
            self._running.pop(stream.video_id, None)
            self._n_done += 1
            self._bar.update()
            self._show()
        if self._bar.disable:
            reason = f" ({one_line(stream.reason, 160)})" if stream.reason else ""
            name = f"{stream.video_id} {one_line(stream.title, 50)}"
            rows = f"{stream.n_rows} messages, {stream.n_added} of them new"
            log.info(
                "%d/%d %s: %s, %s%s", self._n_done, len(self._durations_s), name, stream.state, rows, reason
            )

    def _show(self) -> None:
        shares = []
        for video_id, offset_s in self._running.items():
            duration_s = self._durations_s.get(video_id)
            share = f"{min(offset_s / duration_s, 1):.0%}" if duration_s else f"{offset_s / 60:.0f} min"
            shares.append(f"{one_line(self._titles.get(video_id) or video_id, 16)} {share}")
        self._bar.set_postfix_str(", ".join(shares))
