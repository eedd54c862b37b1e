"""The explorer: every stream's timeline, moments and chat beside the pages, and what the front page says.

`explorer/sN.js` holds the timeline of stream N, `explorer/cN.js` its chat; each is one call with plain data,
which a page loads from disk when a reader opens that stream. `results/explorer.json` holds the table of
streams and the cards of the front page.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from chatlib.ahead import map_ahead
from chatlib.analyze.analytics.chat_analytics import ChatAnalytics, save
from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.analyze.analytics.readers import TALK_COLUMNS, Talk, analyze_stream, pick_stream, take_talk
from chatlib.analyze.moments import ReactionWords
from chatlib.analyze.people import KNOWN_BOTS, convert_events, label_people, load_events, load_viewers
from chatlib.analyze.speech import hide_mentions
from chatlib.analyze.streams import (
    Timeline,
    add_texts,
    learn_channel,
    make_timeline,
    summarize_stream,
    tabulate_streams,
)
from chatlib.errors import DataError
from chatlib.files import atomic_folder, atomic_write, make_safe_name
from chatlib.plots.timeline import pack_timeline
from chatlib.queries import StoredStream
from chatlib.records import CHAT_KINDS, DONATION_KINDS, MEMBERSHIP_KINDS, TICKER_KINDS, TWITCH
from chatlib.store import Store, open_store
from chatlib.tables import format_share
from chatlib.text import PEOPLE, format_count, one_line, remove_controls
from chatlib.times import format_clock
from chatlib.workspace import progress_bar, rare_gc

__all__ = [
    "ExplorerSettings",
    "load_facts",
    "load_timeline_data",
    "rank_row",
    "write_explorer",
]

FOLDER = "explorer"
_FACTS, _ANALYTICS = "results/explorer.json", "results/chat_analytics"
_TITLE_LENGTH = 100
_LEAST_STREAM_S = 600  # of the busiest stream, where there is one
_GIFT = "sponsorships_gift_purchase_announcement"
_NOBODY = "somebody"  # who is no chatter: known by an event alone, or left out by name
_MANY_MESSAGES, _PART = 300_000, 20  # from so many, streams are told in several processes, so many at a time
_COLUMNS = (*TALK_COLUMNS, "amount_text", "name")


@dataclass(frozen=True)
class ExplorerSettings:
    """How streams are analyzed and shown; the defaults are those of notebook 05.

    `stream` is the video id of the stream on the front page, empty for the one with the best moment.
    """

    analysis: ProcessSettings = field(default_factory=ProcessSettings)
    stream: str = ""
    anonymize: bool = True
    bots: Sequence[str] = KNOWN_BOTS
    currency: str = "USD"
    frame_rate: float = 30.0

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> ExplorerSettings:
        """Return the settings that notebook 05 had, from its parameters; what is missing has its default."""
        names = ("interval_s", "highlight_percentile", "highlight_metric", "spike_sensitivity")
        return cls(
            analysis=ProcessSettings(**{n: parameters[n.upper()] for n in names if n.upper() in parameters}),
            stream=parameters.get("STREAM", ""),
            anonymize=parameters.get("ANONYMIZE", True),
            bots=[*KNOWN_BOTS, *parameters.get("BOTS", "").split(",")],
            currency=parameters.get("CURRENCY", "USD"),
            frame_rate=parameters.get("FRAME_RATE", 30.0),
        )


class _Told(NamedTuple):
    """A stream as told: its row of the explorer's table, and what its page shows."""

    row: dict[str, Any]
    timeline: Timeline
    talk: Talk
    about: dict[str, Any]


class _Part(NamedTuple):
    """Some streams as told, their rows of both tables, why others are left out; `front` ranks first."""

    rows: list[dict[str, Any]]
    summaries: list[dict[str, object]]
    skipped: list[str]
    front: _Told | None


@dataclass(frozen=True)
class _Teller:
    """Tells streams into files of `folder`, and their analytics into `analytics`, if that is one.

    `labels` are what people are called, a number for `viewer 12`; `n_people` is by stream; `wanted` is the
    stream for the front page, if one was asked for.
    """

    folder: Path
    analytics: Path | None
    settings: ExplorerSettings
    words: ReactionWords
    clips: pd.DataFrame
    labels: Mapping[int, str | int]
    n_people: Mapping[int, int]
    wanted: int | None

    def rank(self, told: _Told) -> tuple[bool, float, int]:
        """Return what ranks a stream for the front page: first the one that was asked for."""
        return told.row["stream"] == self.wanted, *rank_row(told.row)

    def tell_apart(self, db: Path, streams: Sequence[StoredStream]) -> _Part:
        """Tell streams of a database, in a process of its own."""
        with open_store(db, read_only=True) as chat:
            return self.tell(chat, streams)

    @rare_gc()
    def tell(self, chat: Store, streams: Sequence[StoredStream]) -> _Part:
        """Write the files of streams. One in which no message has a time is left out."""
        part = _Part([], [], [], None)
        for stream in streams:
            try:
                story = analyze_stream(chat, stream, self.settings.analysis)
            except DataError as error:
                part.skipped.append(str(error))
                continue
            if self.analytics:
                save(story, self.analytics / f"{make_safe_name(stream.video_id)}.json")
            told = self._tell_stream(chat, stream, story)
            best = next((mark for mark in told.timeline.marks if mark.kind == "moment"), None)
            part.rows.append(told.row)
            part.summaries.append(
                summarize_stream(story, video_id=stream.video_id, started_at=stream.started_at, best=best)
            )
            part = part._replace(front=max(filter(None, (part.front, told)), key=self.rank))
        return part

    def _tell_stream(self, chat: Store, stream: StoredStream, story: ChatAnalytics) -> _Told:
        settings = self.settings
        messages = chat.load_messages([stream.stream_id], columns=_COLUMNS)
        if settings.anonymize:
            texts = messages["text"].fillna("").tolist()
            messages = messages.assign(text=pd.Series(hide_mentions(texts)).where(messages["text"].notna()))
        talk = take_talk(messages, leave_out=settings.bots)
        timeline = make_timeline(
            stream, story, talk, words=self.words, clips=self.clips, frame_rate=settings.frame_rate
        )
        is_paid = messages["kind"].isin(DONATION_KINDS) | (messages["bits"].astype(float) > 0)
        n_people = self.n_people.get(stream.stream_id, 0)
        row = _summarize(stream, timeline, n_people=n_people, n_payments=int(is_paid.sum()))
        about = {"n_messages": row["messages"], "n_people": n_people, "kit": timeline.kit}
        _write_data(self.folder, f"s{stream.stream_id}", pack_timeline(timeline, said=False) | about)
        _write_data(self.folder, f"c{stream.stream_id}", _pack_chat(messages, self.labels))
        return _Told(row, timeline, talk, about)


@rare_gc()
def write_explorer(
    run_dir: Path,
    settings: ExplorerSettings | None = None,
    *,
    chat: Store,
    words: ReactionWords | None = None,
    viewers: pd.DataFrame | None = None,
    analytics: bool = False,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Write the folder `explorer` and `results/explorer.json` of a run; return the latter, and a table.

    In the former `streams` has one row per stream with a chat that has times, oldest first; `cards` the
    answers of the front page; `skipped` why streams were left out. The table is one of `tabulate_streams`.
    `words` (`learn_channel`) and `viewers` (`load_viewers`) may be given where they are known. With
    `analytics` each stream's JSON is written into `results/chat_analytics`. Many take several processes.
    """
    settings = settings or ExplorerSettings()
    viewers = load_viewers(chat, leave_out=settings.bots) if viewers is None else viewers
    names = label_people(viewers, anonymize=settings.anonymize)
    labels: Mapping[int, str | int] = {author: remove_controls(name) for author, name in names.items()}
    if settings.anonymize:
        labels = {author: int(name.rpartition(" ")[2]) for author, name in names.items()}
    streams = chat.list_streams()
    is_large = sum(stream.n_messages for stream in streams) >= _MANY_MESSAGES
    size = _PART if is_large else max(len(streams), 1)
    in_parts = [streams[first : first + size] for first in range(0, len(streams), size)]
    with atomic_folder(run_dir / FOLDER) as folder:
        teller = _Teller(
            folder,
            run_dir / _ANALYTICS if analytics else None,
            settings,
            words or learn_channel(chat),
            chat.load_clips(),
            labels,
            Counter(viewers["stream_id"].tolist()),
            pick_stream(chat, settings.stream).stream_id if settings.stream else None,
        )
        apart = len(in_parts) > 1
        tell = partial(teller.tell_apart, chat.path) if apart else partial(teller.tell, chat)
        workers = (os.cpu_count() or 1) if apart else 0
        told = map_ahead(tell, in_parts, workers=workers, processes=True)
        parts = list(progress_bar(told, total=len(in_parts), desc="explorer"))
        front = max((part.front for part in parts if part.front), key=teller.rank, default=None)
        if front:
            shown = pack_timeline(add_texts(front.timeline, front.talk)) | front.about
            _write_data(folder, "shown", shown)
    rows = [row for part in parts for row in part.rows]
    facts = {
        "streams": rows,
        "cards": _answer(chat, rows, viewers, currency=settings.currency),
        "shown": front and front.row["stream"],
        "skipped": [reason for part in parts for reason in part.skipped],
        "anonymous": settings.anonymize,
    }
    atomic_write(run_dir / _FACTS, orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    return facts, tabulate_streams([row for part in parts for row in part.summaries])


def load_facts(run_dir: Path) -> dict[str, Any]:
    """Return what `write_explorer` left in a run; an empty dict where it has not run."""
    path = run_dir / _FACTS
    return orjson.loads(path.read_bytes()) if path.is_file() and (run_dir / FOLDER).is_dir() else {}


def load_timeline_data(run_dir: Path, name: str) -> str:
    """Return the data of a file of `explorer` as JSON, such as that of `s12`."""
    text = (run_dir / FOLDER / f"{name}.js").read_text(encoding="utf-8")
    return text[text.index(",") + 1 : text.rindex(")")]


def _pack_chat(messages: pd.DataFrame, labels: Mapping[int, str | int]) -> dict[str, object]:
    """Return a stream's messages in columns: `at` in tenths of a second, `who` counts into `names`.

    `paid` says of a row what was paid, or what else happened. Tickers, deletions and rows without a time are
    left out.
    """
    kept = messages["offset_s"].notna() & ~messages["kind"].isin(TICKER_KINDS)
    kept &= messages["text"].notna() | messages["kind"].isin(DONATION_KINDS | MEMBERSHIP_KINDS | {"raid"})
    messages = messages[kept]
    authors, keys = pd.factorize(messages["author"].fillna(-1).astype("int64"))
    others = ~messages["kind"].isin(CHAT_KINDS) | messages["amount_text"].notna() | messages["bits"].notna()
    rows = np.flatnonzero(others).tolist()
    fields = messages.loc[others.to_numpy(), ["kind", "amount_text", "bits"]].itertuples(index=False)
    labelled = {str(row): _label_payment(*found) for row, found in zip(rows, fields, strict=True)}
    return {
        "at": (messages["offset_s"] * 10).round().astype("int64").tolist(),
        "who": authors.tolist(),
        "names": [labels.get(key, _NOBODY) for key in keys.tolist()],
        "text": messages["text"].fillna("").tolist(),
        "paid": {row: label for row, label in labelled.items() if label},
    }


def _label_payment(kind: str, amount: object, bits: float | None) -> str:
    if isinstance(amount, str) and amount:
        return one_line(amount, 30)
    if bits and bits > 0:
        return f"{bits:,.0f} bits"
    return "" if kind in CHAT_KINDS else one_line(kind.replace("_", " "), 60)


def _summarize(stream: StoredStream, timeline: Timeline, *, n_people: int, n_payments: int) -> dict[str, Any]:
    """Return a stream's row of the front page's table."""
    n_messages = sum(timeline.messages)
    best = next((mark for mark in timeline.marks if mark.kind == "moment"), None)
    first = int(best.start_s // timeline.step_s) if best else 0
    end = max(int(-(-best.end_s // timeline.step_s)), first + 1) if best else 0
    return {
        "stream": stream.stream_id,
        "date": (stream.started_at or "")[:10],
        "title": one_line(timeline.title, _TITLE_LENGTH),
        "duration_s": int(timeline.duration_s),
        "messages": n_messages,
        "people": n_people,
        "per_min": round(n_messages * 60 / max(timeline.duration_s, 1), 2),
        "payments": int(n_payments),
        "best_s": None if best is None else int(best.start_s),
        "best_score": float(max(timeline.score[first:end], default=0.0)),
        "best_title": "" if best is None else one_line(best.title, _TITLE_LENGTH),
        "link": best and best.link,
    }


def rank_row(row: Mapping[str, Any]) -> tuple[float, int]:
    """Return what ranks a row of the table of streams: its best moment, then its messages."""
    return row["best_score"], row["messages"]


# ------------------------------------------------------------------ the cards


def _answer(
    chat: Store, rows: Sequence[Mapping[str, Any]], viewers: pd.DataFrame, *, currency: str
) -> list[dict[str, Any]]:
    """Return the front page's cards: what is asked, the answer, a sentence, where it leads to."""
    if not rows:
        return []
    best = max(rows, key=rank_row)
    long = [row for row in rows if row["duration_s"] >= _LEAST_STREAM_S]
    busiest = max(long or rows, key=lambda row: row["per_min"])
    said = f"“{best['best_title']}”, in" if best["best_title"] else "In"
    people = format_count(busiest["people"], *PEOPLE)
    in_all = f" in {len(rows):,} streams" if len(rows) > 1 else f", {busiest['per_min']:,.0f} a minute"
    cards = [
        {
            "what": "The best moment",
            "value": format_clock(best["best_s"] or 0),
            "says": f"{said} {best['title']}{_on(best['date'])}.",
            "go": f"{best['stream']}@{best['best_s']}",
            "link": best["link"],
        },
        {
            "what": "People who chat",
            "value": f"{viewers['author'].nunique():,}",
            "says": f"They wrote {format_count(sum(row['messages'] for row in rows), 'message')}{in_all}.",
        },
        _answer_return(viewers, len(rows)),
        _answer_money(chat, currency=currency),
        {
            "what": "The busiest stream",
            "value": f"{busiest['per_min']:,.0f} a minute",
            "says": f"messages in {busiest['title']}{_on(busiest['date'])}, by {people}.",
            "go": str(busiest["stream"]),
        },
    ]
    of_one = cards[:2] + cards[3:4]
    return (cards if len(rows) > 1 else of_one)[best["best_s"] is None :]


def _answer_return(viewers: pd.DataFrame, n_streams: int) -> dict[str, Any]:
    streams_of = viewers.groupby("author")["stream_id"].nunique()
    n_people, n_again = len(streams_of), int((streams_of > 1).sum())
    n_regular = int((streams_of >= max(n_streams / 2, 2)).sum())
    says = f"{n_again:,} of {n_people:,} people wrote in more than one stream"
    says += f", {n_regular:,} in at least half of them." if n_streams > 3 and n_regular else "."
    return {"what": "Who comes back", "value": format_share(n_again / max(n_people, 1)), "says": says}


def _answer_money(chat: Store, *, currency: str) -> dict[str, Any]:
    """Return the card of what was paid, in the words of the platform that most streams are on."""
    platforms = [stream.platform for stream in chat.list_streams()]
    events = load_events(chat)
    has_money = events["amount"].notna().any() or events["bits"].any()  # rates take a while to load
    events = convert_events(events, to=currency) if has_money else events.assign(value=np.nan)
    value, n_of = float(events["value"].sum()), Counter(events["kind"])
    own = n_of["subscription"] + n_of["resubscription"]
    given = n_of["subscription_gift"] + n_of["anonymous_subscription_gift"]
    bits = int(events["bits"].sum())
    if 2 * platforms.count(TWITCH) > len(platforms):
        parts = {"new and renewed": 1, f"{given:,} more given to others": given, f"{bits:,} bits": bits}
        says = ", ".join(part for part, n in parts.items() if n) + "."
        return {"what": "Subscriptions", "value": f"{own:,}", "says": says}
    paid = events[events["amount"].notna() | (events["bits"] > 0)]
    people = format_count(paid["author"].nunique(), *PEOPLE)
    n_unknown = int(paid["value"].isna().sum())
    undated = paid["value"].notna() & paid["day"].isna() & ~paid["currency"].isin([None, currency])
    joined, gifts = sum(n_of[kind] for kind in MEMBERSHIP_KINDS), n_of[_GIFT]
    told: list[str | int] = [
        f"in Super Chats{', bits' if bits else ''} and stickers by {people}",
        n_unknown and f"{n_unknown:,} {'more ' if value else ''}in currencies without a rate",
        bool(undated.any()) and f"{undated.sum():,} of no known day, converted at the newest rate",
        joined and format_count(joined, "membership"),
        gifts and f"{format_count(gifts, 'gift')} of memberships",
        own and format_count(own, "subscription"),
        given and f"{format_count(given, 'subscription')} given to others",
    ]
    worth = f"{value:,.0f} {currency}" if value or not n_unknown else format_count(len(paid), "payment")
    return {"what": "Money", "value": worth, "says": "; ".join(str(part) for part in told if part) + "."}


def _on(date: str) -> str:
    return f" on {date}" if date else ""


# ------------------------------------------------------------------ files


def _write_data(folder: Path, name: str, data: object) -> None:
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"a data file's name is letters and digits, got {name!r}")
    content = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
    (folder / f"{name}.js").write_bytes(b'chatReport.receive("%b",%b)\n' % (name.encode(), content))
