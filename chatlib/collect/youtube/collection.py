"""One channel: its streams listed, their facts looked up, their chats fetched and stored, its sheet kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chatlib.collect.files.rows import read_count, read_offset
from chatlib.collect.sheets.channels import Channel, load_stream_list, merge_stream_list, save_stream_list
from chatlib.collect.youtube.listing import LISTINGS, Listing, list_streams
from chatlib.collect.youtube.metadata import Metadata, VideoFacts, fetch_videos, find_key
from chatlib.collect.youtube.plan import Plan, plan_streams
from chatlib.collect.youtube.progress import Board
from chatlib.collect.youtube.replay import CHAT_SOURCES, Replay, Way, check_sources
from chatlib.collect.youtube.replay_part import Part
from chatlib.collect.youtube.replay_queue import Wanted, iter_replays
from chatlib.collect.youtube.report import ChannelReport, StreamReport
from chatlib.errors import ParameterError, SourceError
from chatlib.records import YOUTUBE
from chatlib.store import Import, Store
from chatlib.workspace import without_gc

__all__ = ["ChannelCollection", "Settings"]

log = logging.getLogger(__name__)

MAX_BLOCKED = 3  # refusals in a row after which a channel's other streams are not asked for
_STORED = (
    "video_id", "title", "url", "duration_s", "started_at", "ended_at", "state", "view", "reason",
    "channel_name", "n_messages", "updated_at",
)  # fmt: skip
_WATCH = "https://www.youtube.com/watch?v="


@dataclass(frozen=True)
class Settings:
    """How channels are collected.

    `listing` is one of `LISTINGS`, `sources` are tried in their order, `cookies` is a Netscape
    cookies file, `at_once` streams are fetched together, at most `per_s` requests a second go to
    one host, no read waits longer than `timeout_s`, and the first wait after a failure is shorter
    than `backoff_s`. `limit` is the number of newest streams of
    a channel, 0 for all.
    """

    listing: str = LISTINGS[0]
    sources: tuple[str, ...] = CHAT_SOURCES
    cookies: Path | None = None
    at_once: int = 3
    per_s: float = 5.0
    timeout_s: float = 20.0
    backoff_s: float = 1.0
    limit: int = 0

    def __post_init__(self) -> None:
        check_sources(self.sources)
        if self.listing not in LISTINGS:
            raise ParameterError(f"LISTING is one of {', '.join(LISTINGS)}, got {self.listing!r}.")
        if not 1 <= self.at_once <= 16:
            raise ParameterError(f"AT_ONCE is a number of streams from 1 to 16, got {self.at_once}.")
        if not 0 < self.per_s <= 1000:
            raise ParameterError(f"REQUESTS_PER_S must be above 0 and at most 1000, got {self.per_s}.")
        if self.limit < 0:
            raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {self.limit}.")
        if self.cookies is not None and not self.cookies.is_file():
            raise ParameterError(f"COOKIES names a Netscape cookies.txt; there is no file {self.cookies}.")


class ChannelCollection:
    """The collection of one channel; `run` it once."""

    def __init__(self, db: Store, channel: Channel, settings: Settings, way: Way, *, progress: bool) -> None:
        self._db = db
        self._channel = channel
        self._settings = settings
        self._way = way
        self._progress = progress
        self._report = ChannelReport(channel.url, channel.spreadsheet)
        self._rows: list[dict] = []
        self._n_blocked = 0

    def run(self) -> ChannelReport:
        """List, look up, fetch, store. Raises: StoreError, SourceError for a sheet that cannot be used."""
        self._rows = (
            load_stream_list(self._channel.spreadsheet) if self._channel.spreadsheet.is_file() else []
        )
        listing = self._list()
        before = self._load_states()
        metadata = self._look_up(before)
        plan = self._plan(listing, metadata, before)
        self._save_sheet()
        if listing:
            self._db.save_channel(
                self._channel.url,
                spreadsheet=str(self._channel.spreadsheet),
                channel_id=listing.channel_id,
                name=listing.channel_name,
                n_listed=len(listing.streams),
            )
        try:
            self._fetch(plan, before)
        finally:
            self._save_sheet()
        return self._report

    # ------------------------------------------------------------- what there is

    def _list(self) -> Listing | None:
        """List the channel and put what is new into the rows; None if it could not be listed."""
        try:
            listing = list_streams(
                self._channel.url,
                self._settings.listing,
                cookies=self._settings.cookies,
                progress=self._progress,
            )
        except SourceError as error:
            self._report.problems.append(f"the streams could not be listed: {error}")
            return None
        self._report.name = listing.channel_name
        self._report.n_listed = len(listing.streams)
        self._report.listing = f"{listing.reason}, {listing.seconds:.0f} s"
        if not listing.complete:
            self._report.problems.append(f"the list may lack streams: it ended with {listing.reason}")
        facts = [
            {
                "video_id": stream.video_id,
                "title": stream.title,
                "url": _WATCH + stream.video_id,
                "duration_s": stream.duration_s,
                "views": stream.views,
                "channel_name": listing.channel_name,
            }
            for stream in listing.streams
        ]
        self._rows = merge_stream_list(self._rows, facts)
        return listing

    def _load_states(self) -> dict[str, str]:
        streams = self._db.find_streams(YOUTUBE, self._ids())
        return dict(zip(streams["video_id"], streams["state"], strict=True))

    def _ids(self) -> list[str]:
        """Return the ids in the sheet, in its order; rows of other things have none."""
        return [row["video_id"] for row in self._rows if row.get("video_id")]

    def _look_up(self, states: Mapping[str, str]) -> Metadata:
        """Ask the Data API about all streams whose chat is not complete yet."""
        ids = [video_id for video_id in self._ids() if states.get(video_id) != "complete"]
        metadata = fetch_videos(ids, key=find_key(), progress=self._progress, politeness=self._way.politeness)
        if metadata.problem:
            self._report.problems.append(metadata.problem)
        self._rows = merge_stream_list(self._rows, [_row_of_facts(v) for v in metadata.videos.values()])
        return metadata

    def _plan(self, listing: Listing | None, metadata: Metadata, states: Mapping[str, str]) -> Plan:
        """Decide what to fetch, and note in rows and report what is left out."""
        told = {stream.video_id: stream.status for stream in listing.streams} if listing else {}
        told |= {v.video_id: v.status for v in metadata.videos.values()}
        newest_first = [stream.video_id for stream in listing.streams] if listing else []
        listed = list(dict.fromkeys([*newest_first, *reversed(self._ids())]))
        plan = plan_streams(
            listed,
            states,
            running=[video_id for video_id, status in told.items() if status in ("live", "upcoming")],
            gone=metadata.gone,
            has_cookies=self._settings.cookies is not None,
            limit=self._settings.limit,
        )
        left_out = {v: told[v] for v in plan.running} | dict.fromkeys(plan.gone, "gone")
        self._note({"video_id": v, "state": states.get(v) or status} for v, status in left_out.items())
        self._report.titles = {
            row["video_id"]: row.get("title") or "" for row in self._rows if row["video_id"]
        }
        self._report.running, self._report.gone, self._report.left = plan.running, plan.gone, plan.left
        return plan

    # ------------------------------------------------------------- what is fetched

    def _fetch(self, plan: Plan, before: Mapping[str, str]) -> None:
        known = {row["video_id"]: _as_text(row) for row in self._rows if row["video_id"]}
        wanted = [Wanted(video_id, known[video_id]) for video_id in plan.wanted]
        durations = {v: read_offset(known[v].get("duration_s")) or 0.0 for v in plan.wanted}
        with Board(self._report.titles, durations, shown=self._progress) as board:
            replays = iter_replays(wanted, self._way, at_once=self._settings.at_once, tell=board.tell)
            with closing(replays):
                for number, replay in enumerate(replays, 1):
                    stream = self._store(plan.wanted[number - 1], replay, before)
                    board.finish(stream)
                    if self._n_blocked >= MAX_BLOCKED:
                        self._report.not_asked = plan.wanted[number:]
                        self._report.problems.append(
                            f"{MAX_BLOCKED} streams in a row were refused ({stream.reason}); the others were "
                            "not asked for. The same command goes on with them"
                        )
                        return

    def _store(self, video_id: str, replay: Replay, before: Mapping[str, str]) -> StreamReport:
        """Store a chat, and note it in sheet and report; a stream that still runs is not stored."""
        chat, stream = replay.chat, replay.chat.stream
        if replay.running:
            self._report.running.append(video_id)
            self._note([{"video_id": video_id, "state": replay.running}])
            return self._tell(video_id, replay, before, replay.running, 0)
        source = None
        if chat.rows:
            content = f"replay of {YOUTUBE}/{video_id}"
            source = Import(content, stream.url or content, chat.format, len(chat.rows), dict(chat.skipped))
        views = next((row.get("views") for row in self._rows if row["video_id"] == video_id), None)
        stream = stream._replace(views=read_count(views))
        with without_gc():
            saved = self._db.save_chat(stream, chat.rows, source=source)
        if stream.state in ("complete", "no_replay"):
            Part(self._way.parts_dir / f"{video_id}.jsonl").drop()
        self._n_blocked = self._n_blocked + 1 if stream.state == "blocked" else 0
        (state,) = self._db.find_streams(YOUTUBE, [video_id])["state"]  # a better one may have been known
        return self._tell(video_id, replay, before, state, saved.added)

    def _tell(
        self, video_id: str, replay: Replay, before: Mapping[str, str], state: str, n_added: int
    ) -> StreamReport:
        chat = replay.chat
        report = StreamReport(
            video_id, chat.stream.title or self._report.titles.get(video_id), before.get(video_id), state,
            chat.stream.view, chat.stream.reason, chat.format, len(chat.rows), n_added, dict(chat.skipped),
        )  # fmt: skip
        if not replay.running:
            self._report.streams.append(report)
        return report

    def _note(self, facts: Iterable[dict]) -> None:
        self._rows = merge_stream_list(self._rows, list(facts))

    def _save_sheet(self) -> None:
        """Write the sheet; of what is in the database, the database tells it."""
        stored = self._db.find_streams(YOUTUBE, self._ids()).set_index("video_id", drop=False)
        facts = stored[list(_STORED)].rename(columns={"n_messages": "messages", "updated_at": "fetched_at"})
        facts["date"] = [None if start is None else start[:10] for start in facts["started_at"]]
        self._note(facts.to_dict("records"))
        for row in self._rows:
            if row.get("video_id") in facts.index:  # a reason goes with its state
                row["reason"] = facts.at[row["video_id"], "reason"]
        save_stream_list(self._channel.spreadsheet, self._rows)


def _row_of_facts(facts: VideoFacts) -> dict:
    started = facts.started_at or facts.published_at
    return {
        "video_id": facts.video_id,
        "title": facts.title,
        "date": (started or "")[:10] or None,
        "duration_s": facts.duration_s,
        "started_at": facts.started_at,
        "ended_at": facts.ended_at,
        "views": facts.views,
        "channel_name": facts.channel_name,
    }


def _as_text(row: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in row.items() if value is not None and value != ""}
