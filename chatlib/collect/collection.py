"""Channels, from their addresses to their streams' chats in the database; the site is behind `Site`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from filelock import FileLock, Timeout

from chatlib.ahead import map_ahead
from chatlib.collect.address import find_video_id, guess_platform, make_video_url
from chatlib.collect.files.formats import Chat
from chatlib.collect.files.parsing import read_count
from chatlib.collect.lists import (
    STREAM_COLUMNS,
    Channel,
    as_text,
    load_stream_list,
    merge_stream_list,
    save_stream_list,
)
from chatlib.collect.sites import CollectSettings, Listing, Metadata, Replay, Site, VideoFacts
from chatlib.collect.summary import (
    RETRIED,
    ChannelReport,
    CollectReport,
    ProgressBoard,
    StreamReport,
    describe_sides,
)
from chatlib.errors import ParameterError, SourceError, SourceRefused, UnwritableFile
from chatlib.records import TWITCH, YOUTUBE
from chatlib.store import Import, Store
from chatlib.times import read_offset
from chatlib.workspace import rare_gc

__all__ = ["Plan", "collect_channels", "fetch_chat", "load_known_channels", "plan_streams"]

UNFINISHED = "unfinished"  # the folder beside the database for unfinished downloads
MAX_BLOCKED = 3  # refusals in a row after which a channel's other streams are not asked for
_STORED = (
    "video_id", "title", "url", "duration_s", "started_at", "ended_at", "state", "view", "reason",
    "channel_name", "n_messages", "updated_at",
)  # fmt: skip


def load_known_channels(db: Store) -> list[Channel]:
    """Return the channels that were collected into this database.

    Raises: ParameterError if there are none.
    """
    folder = db.path.parent.resolve()  # where lists within it are, also after the folder was moved
    channels = [Channel(url, folder / spreadsheet) for url, spreadsheet in db.load_channels()]
    if not channels:
        raise ParameterError(
            "An update without a list of channels goes on with those that were collected into the database, "
            f"and {db.path} knows none. Name a list, or a channel's address."
        )
    return channels


def collect_channels(db: Store, channels: Sequence[Channel], settings: CollectSettings) -> CollectReport:
    """List each channel's streams, and fetch the chats that are new or did not come whole before.

    What is complete is left alone, so the same call collects, resumes after an interruption, and
    updates. Each stream's chat is stored whole or not at all; the channel's sheet is written
    before the first chat is fetched and when the last one is in, also at Ctrl-C.

    Raises: StoreError. A channel that cannot be listed, a sheet that cannot be used, and a stream
    that gives no chat, are in the report, and the others go on.
    """
    folder = db.path.parent / UNFINISHED
    sites: dict[str, Site] = {}
    reports = []
    stream_ids: list[int] = []
    with _lock(folder), rare_gc():
        for channel in channels:
            platform = guess_platform(url=channel.url) or YOUTUBE
            if platform not in sites:
                sites[platform] = _open_site(platform, settings, folder)
            collection = _ChannelCollection(db, channel, settings, sites[platform])
            try:
                collection.run()
            except (SourceError, UnwritableFile) as error:
                collection.report.failures.append(str(error))
            reports.append(collection.report)
            ids = list(collection.report.titles)
            stream_ids += db.find_streams(platform, ids)["stream_id"].tolist()
    return CollectReport(reports, db.count_content(stream_ids), describe_sides(db, stream_ids))


def fetch_chat(url: str, settings: CollectSettings | None = None) -> Chat:
    """Return the stream and messages of one finished stream, by its address; no database is needed.

    Raises: ParameterError for an address of something else; SourceRefused, with the reason, if
    there is no chat to fetch, or the stream is not over.
    """
    video_id = find_video_id(url)
    platform = guess_platform(url=url)
    if video_id is None or platform is None:
        raise ParameterError(
            "A stream's address looks like https://www.youtube.com/watch?v=… or "
            f"https://www.twitch.tv/videos/…, got {url[:200]!r}."
        )
    with TemporaryDirectory(prefix="chatlib-") as folder, ProgressBoard({}, {video_id: 0.0}) as board:
        site = _open_site(platform, settings or CollectSettings(), Path(folder))
        replay = site.fetch(video_id, {"url": url}, on_progress=partial(board.update, video_id))
    stream = replay.stream
    if replay.running:
        raise SourceRefused(f"{url} is not over ({replay.running}); its replay can be fetched afterwards.")
    if stream.state not in ("complete", "partial"):
        raise SourceRefused(f"{url} gives no chat: {stream.reason}", state=stream.state)
    return Chat(replay.source, stream, list(replay.messages), dict(replay.skipped))


def _open_site(platform: str, settings: CollectSettings, folder: Path) -> Site:
    if platform == TWITCH:
        from chatlib.collect.twitch.site import Twitch

        return Twitch(settings, folder)
    from chatlib.collect.youtube.site import YouTube

    return YouTube(settings, folder)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder of unfinished downloads for this process; if it is empty in the end, it is removed.

    Raises: SourceError if another process holds it, or it cannot be made.
    """
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise SourceError(
            f"One collection at a time may write into {folder.parent}, and another one is running. Wait for "
            "its end, or name another database."
        ) from None
    except OSError as error:
        raise SourceError(f"Unfinished downloads are kept in {folder}, which failed ({error}).") from error
    try:
        yield
    finally:
        with suppress(OSError):  # not empty: another run resumes
            Path(lock.lock_file).unlink(missing_ok=True)
            folder.rmdir()
        lock.release()


class Plan(NamedTuple):
    """Video ids, oldest first: to fetch; live or upcoming; gone; left as they are."""

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

    `states` are the states of the chats that are in the database; members-only ones are tried again
    with cookies only. With `limit`, only the newest so many that are over count, and known ones
    beyond them are left as they are.
    """
    retried = (*RETRIED, "members_only") if has_cookies else RETRIED
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


class _ChannelCollection:
    """The collection of one channel; `run` it once, what it did is in `report`."""

    def __init__(self, db: Store, channel: Channel, settings: CollectSettings, site: Site) -> None:
        self._db = db
        self._channel = channel
        self._settings = settings
        self._site = site
        self.report = ChannelReport(channel.url, channel.spreadsheet)
        self._rows: list[dict[str, object]] = []
        self._before: dict[str, str] = {}  # states of the chats so far
        self._n_blocked = 0

    def run(self) -> None:
        """List, look up, fetch, store.

        Raises: StoreError; SourceError, UnwritableFile for a sheet that cannot be used.
        """
        if self._channel.spreadsheet.is_file():
            self._rows = load_stream_list(self._channel.spreadsheet)
        listing = self._list()
        streams = self._db.find_streams(self._site.platform, [*self._rows_by_id()])
        # A capture, whole or not, is completed by the replay, which may hold more.
        states = streams["state"].where(streams["view"] != "captured", "partial")
        self._before = dict(zip(streams["video_id"], states, strict=True))
        metadata = self._look_up()
        plan = self._plan(listing, metadata)
        self._save_sheet()
        if listing:
            sheet, folder = self._channel.spreadsheet, self._db.path.parent.resolve()
            self._db.save_channel(
                self._channel.url,
                spreadsheet=str(sheet.relative_to(folder) if sheet.is_relative_to(folder) else sheet),
                channel_id=listing.channel_id,
                name=listing.channel_name,
                n_listed=len(listing.streams),
            )
        try:
            self._fetch(plan)
        finally:
            self._save_sheet()
        self._save_clips()

    # ------------------------------------------------------------- what there is

    def _list(self) -> Listing | None:
        """List the channel and put what is new into the rows; None if it could not be listed."""
        began = time.monotonic()
        try:
            listing = self._site.list_streams(self._channel.url)
        except SourceError as error:
            self.report.failures.append(f"the streams could not be listed: {error}")
            return None
        other = self._site.listed.setdefault(listing.channel_id or self._channel.url, self._channel)
        if other is not self._channel:
            raise SourceError(
                f"Each channel stands once in a list, and {self._channel.url} is the channel of {other.url}, "
                f"whose streams are in {other.spreadsheet.name}. Take one of the two out."
            )
        self.report.name = listing.channel_name
        self.report.n_listed = len(listing.streams)
        self.report.listing = f"{listing.reason}, {time.monotonic() - began:.0f} s"
        if not listing.complete:
            self.report.failures.append(f"the list may lack streams: it ended with {listing.reason}")
        self._note(
            {
                **_row_of_facts(facts),
                "url": make_video_url(self._site.platform, facts.video_id),
                "channel_name": listing.channel_name,
            }
            for facts in listing.streams
        )
        return listing

    def _look_up(self) -> Metadata:
        ids = [video_id for video_id in self._rows_by_id() if self._before.get(video_id) != "complete"]
        metadata = self._site.describe_streams(ids)
        if metadata.problem:
            self.report.problems.append(metadata.problem)
        self._note(_row_of_facts(facts) for facts in metadata.videos.values())
        return metadata

    def _plan(self, listing: Listing | None, metadata: Metadata) -> Plan:
        """Decide what to fetch, and note in rows and report what is left out."""
        newest_first = listing.streams if listing else []
        statuses = {stream.video_id: stream.status for stream in newest_first}
        statuses |= {facts.video_id: facts.status for facts in metadata.videos.values()}
        plan = plan_streams(
            list(
                dict.fromkeys([*(stream.video_id for stream in newest_first), *reversed(self._rows_by_id())])
            ),
            self._before,
            running=[video_id for video_id, status in statuses.items() if status in ("live", "upcoming")],
            gone=metadata.gone,
            has_cookies=bool(self._settings.cookies),
            limit=self._settings.limit,
        )
        left_out = {v: statuses[v] for v in plan.running} | dict.fromkeys(plan.gone, "gone")
        self._note({"video_id": v, "state": self._before.get(v) or status} for v, status in left_out.items())
        report = self.report
        report.titles = {v: str(row.get("title") or "") for v, row in self._rows_by_id().items()}
        report.running, report.gone, report.left = plan.running, plan.gone, plan.left
        return plan

    # ------------------------------------------------------------- what is fetched

    def _fetch(self, plan: Plan) -> None:
        known = {video_id: as_text(row) for video_id, row in self._rows_by_id().items()}
        durations_s = {v: read_offset(known[v].get("duration_s")) or 0.0 for v in plan.wanted}
        with ProgressBoard(self.report.titles, durations_s) as board:

            def fetch(video_id: str) -> Replay:
                progress = partial(board.update, video_id)
                return self._site.fetch(video_id, known[video_id], on_progress=progress)

            replays = map_ahead(
                fetch, plan.wanted, workers=self._settings.at_once, on_stop=self._site.politeness.stop.set
            )
            with closing(replays):
                for number, replay in enumerate(replays, 1):
                    stream = self._store(replay)
                    board.finish(stream)
                    if self._n_blocked >= MAX_BLOCKED:
                        self.report.not_asked = plan.wanted[number:]
                        self.report.failures.append(
                            f"{MAX_BLOCKED} streams in a row were refused ({stream.reason}); the others were "
                            "not asked for. The same command goes on with them"
                        )
                        return

    def _store(self, replay: Replay) -> StreamReport:
        """Store a chat, and note it in sheet and report; a stream that still runs is not stored."""
        video_id, stream = replay.stream.video_id, replay.stream
        if replay.running:
            self.report.running.append(video_id)
            self._note([{"video_id": video_id, "state": replay.running}])
            return self._make_report(replay, replay.running, 0)
        source = None
        if replay.messages:
            content = f"replay of {self._site.platform}/{video_id}"
            name = stream.url or content
            source = Import(content, name, replay.source, len(replay.messages), dict(replay.skipped))
        self._db.adopt_capture(stream)
        stream = stream._replace(views=read_count(self._rows_by_id().get(video_id, {}).get("views")))
        saved = self._db.save_chat(stream, replay.messages, source=source)
        if replay.heatmap:
            self._db.save_heatmap(saved.stream_id, replay.heatmap)
        if replay.ended or stream.state == "no_replay":
            self._site.open_resume_file(video_id).drop()
        self._n_blocked = self._n_blocked + 1 if stream.state == "blocked" else 0
        (state,) = self._db.find_streams(self._site.platform, [video_id])["state"]  # or a better one, known
        report = self._make_report(replay, state, saved.added)
        self.report.streams.append(report)
        return report

    def _make_report(self, replay: Replay, state: str, n_added: int) -> StreamReport:
        stream = replay.stream
        return StreamReport(
            stream.video_id,
            stream.title or self.report.titles.get(stream.video_id),
            self._before.get(stream.video_id),
            state,
            stream.reason,
            len(replay.messages),
            n_added,
            dict(replay.skipped),
        )

    def _save_clips(self) -> None:
        streams = self._db.find_streams(self._site.platform, [*self._rows_by_id()])
        stream_ids = dict(zip(streams["video_id"], streams["stream_id"], strict=True))
        try:
            for video_id, clips in self._site.list_clips(self._channel.url, set(stream_ids)).items():
                self._db.save_clips(stream_ids[video_id], clips)
        except SourceError as error:
            self.report.problems.append(f"the clips could not be listed: {error}")

    # ------------------------------------------------------------- the channel's sheet

    def _rows_by_id(self) -> dict[str, dict[str, object]]:
        """Return the sheet's rows of streams, in its order; rows of other things have no id."""
        return {str(row["video_id"]): row for row in self._rows if row.get("video_id")}

    def _note(self, facts: Iterable[dict[str, object]]) -> None:
        self._rows = merge_stream_list(self._rows, list(facts))

    def _save_sheet(self) -> None:
        """Write the sheet; for streams in the database, the facts come from there."""
        ids = [*self._rows_by_id()]
        stored = self._db.find_streams(self._site.platform, ids).set_index("video_id", drop=False)
        facts = stored[list(_STORED)].rename(columns={"n_messages": "messages", "updated_at": "fetched_at"})
        facts["date"] = [None if start is None else start[:10] for start in facts["started_at"]]
        self._note({str(name): value for name, value in row.items()} for row in facts.to_dict("records"))
        for video_id, row in self._rows_by_id().items():
            if video_id in facts.index:  # a reason goes with its state
                row["reason"] = facts.at[video_id, "reason"]
        save_stream_list(self._channel.spreadsheet, self._rows)


def _row_of_facts(facts: VideoFacts) -> dict[str, object]:
    row = {name: value for name, value in facts._asdict().items() if name in STREAM_COLUMNS}
    return row | {"date": (facts.started_at or facts.published_at or "")[:10] or None}
