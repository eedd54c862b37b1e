"""The videos that the fake holds, their chats cut into batches, and what the Data API says of them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chatlib.simulate import ChannelSettings
from chatlib.simulate.channel import simulate_channel
from chatlib.times import format_clock
from tests.collect.youtube.site.renderers import replay_action
from tests.collect.youtube.site.wire import Reply, Request, google_error, json_reply, make_token

if TYPE_CHECKING:
    from tests.collect.youtube.site.server import FakeYoutube

Json = dict[str, Any]
BATCH_SIZE = 100  # as in real replays
CHANNEL_ID, CHANNEL_NAME = "UCfakeHarbor0000000000aa", "Fake Harbor"
CONTEXT = {"mainAppWebResponseContext": {"loggedOut": True}}


class Held(NamedTuple):
    """A message that the server holds: what a collector must have in the end."""

    message_id: str
    renderer: str
    offset_ms: int


class Chat:
    """A replay in two views, "live" (everything) and "top" (less), as batches of items."""

    def __init__(self, video_id: str, batches: Iterable[list[Json]]) -> None:
        self.video_id = video_id
        self.views = {"live": list(batches) or [[]]}

    def __len__(self) -> int:
        return len(self.views["live"])

    @property
    def actions(self) -> list[Json]:
        """Every item of the unfiltered replay."""
        return list(chain.from_iterable(self.views["live"]))

    def respond(self, view: str, number: int, *, is_empty: bool = False) -> Json | None:
        """Return the response with one batch of a view, None behind the last one."""
        if view not in self.views:
            self.views[view] = cut_batches(filter(_is_top, self.actions)) or [[]]
        batches = self.views[view]
        if not 0 <= number < len(batches):
            return None
        following = number + 1 if number + 1 < len(batches) else None
        return wrap_batch([] if is_empty else batches[number], continuations(self.video_id, view, following))


class LiveChat:
    """The chat of a running stream: what was said so far, and how it is handed out.

    A page holds the last `page_size` actions, and a continuation leads from there to what is new:
    `kind` is invalidation or timed, `timeout_ms` what it asks to wait. With `is_over` nothing follows.
    `n_broken` connections to come answer a continuation with nothing, so that the client has to come
    again.
    """

    def __init__(self, video_id: str, *, timeout_ms: int = 200, page_size: int = 75) -> None:
        self.video_id = video_id
        self.timeout_ms = timeout_ms
        self.page_size = page_size
        self.kind = "invalidation"
        self.is_over = False
        self.n_broken = 0
        self.is_away = False  # no answer at all is good for anything
        self.n_asked = 0  # times that a continuation was followed
        self.handed: dict[int, float] = {}  # when a client was given each action, by number
        self._actions: list[Json] = []

    def say(self, *actions: Json) -> None:
        """Let actions happen now."""
        self._actions += actions

    def __len__(self) -> int:
        return len(self._actions)

    def answer(self, number: int | None, *, every: bool = True) -> Json:
        """Return the content after so many actions; None is for a page, of `every` action or of some."""
        last = len(self._actions)
        first = max(0, last - self.page_size) if number is None else number
        self.n_asked += number is not None
        if every:
            self.handed |= {i: time.time() for i in range(first, last)}
        token = make_token("live", self.video_id, "live", last)
        name = f"{self.kind}ContinuationData"
        found = [] if self.is_over else [{name: {"timeoutMs": self.timeout_ms, "continuation": token}}]
        content = wrap_batch(self._actions[first:last], found)
        if self.is_over:
            del content["continuationContents"]["liveChatContinuation"]["continuations"]
            content["continuationContents"]["liveChatContinuation"].setdefault("actions", [])
        return content


def live_action(
    number: int, text: str, *, video_id: str = "", author: str = "@ann", sent_us: int | None = None
) -> Json:
    """Return a plain message as a running stream sends it: with the moment, without an offset."""
    action = text_action(number, text, offset_ms=0, video_id=video_id, author=author)
    (action,) = action["replayChatItemAction"]["actions"]
    body = action["addChatItemAction"]["item"]["liveChatTextMessageRenderer"]
    body["timestampUsec"] = str(sent_us or time.time_ns() // 1000)
    del body["timestampText"]
    return action


def continuations(video_id: str, view: str, following: int | None) -> list[Json]:
    """Return where a batch leads to: the next one, if there is one, and a place to seek from."""
    seek = {"playerSeekContinuationData": {"continuation": make_token("seek", video_id, view)}}
    if following is None:
        return [seek]
    token = make_token("batch", video_id, view, following)
    return [
        {"liveChatReplayContinuationData": {"timeUntilLastMessageMsec": 5000, "continuation": token}},
        seek,
    ]


def wrap_batch(actions: list[Json], found: list[Json]) -> Json:
    """Return a response of `get_live_chat_replay`."""
    content: Json = {"continuations": found}
    if actions:
        content["actions"] = actions
    return {"responseContext": CONTEXT, "continuationContents": {"liveChatContinuation": content}}


def cut_batches(actions: Iterable[Json], size: int = BATCH_SIZE) -> list[list[Json]]:
    """Return the actions in lists of one size, the last one shorter."""
    items = list(actions)
    return [items[i : i + size] for i in range(0, len(items), size)]


def _is_top(item: Json) -> bool:
    """Return whether the top chat shows an item: of plain messages it leaves out three in ten."""
    added = item["replayChatItemAction"]["actions"][0].get("addChatItemAction")
    text = added and added.get("item", {}).get("liveChatTextMessageRenderer")
    return not text or zlib.crc32(str(text.get("id")).encode()) % 10 >= 3


@dataclass
class Video:
    """One video of the fake; everything may be changed while the server runs, `status` above all."""

    id: str
    chat: Chat
    title: str = "A stream"
    channel_id: str = CHANNEL_ID
    channel_name: str = CHANNEL_NAME
    started_at: str = "2026-03-01T18:00:00Z"
    duration_s: int = 3600
    views: int = 1234
    status: str = "finished"
    live: LiveChat | None = None  # the chat while it runs
    heatmap: Sequence[float] = ()  # the most-replayed curve, from 0 to 1

    @property
    def ended_at(self) -> str:
        """When the stream ended, as ISO 8601 in UTC."""
        started = dt.datetime.fromisoformat(self.started_at)
        return (started + dt.timedelta(seconds=self.duration_s)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def held(self) -> list[Held]:
        """The messages of the replay, tickers among them; deletions have no id and are left out."""
        found = []
        for item in self.chat.actions:
            replay = item["replayChatItemAction"]
            for action in replay["actions"]:
                added = action.get("addChatItemAction") or action.get("addLiveChatTickerItemAction") or {}
                for name, body in added.get("item", {}).items():
                    found.append(Held(body["id"], name, int(replay["videoOffsetTimeMsec"])))
        return found


def make_video(
    video_id: str, actions: Iterable[Json] = (), *, batch_size: int = BATCH_SIZE, **facts: Any
) -> Video:
    """Return a video whose replay is made of these items."""
    return Video(video_id, Chat(video_id, cut_batches(actions, batch_size)), **facts)


def text_action(number: int, text: str, *, offset_ms: int, video_id: str = "", author: str = "@ann") -> Json:
    """Return a plain message, for small chats written by hand."""
    seconds = offset_ms / 1000
    return replay_action({
        "message_type": "text_message", "message_id": f"ChwKGk{video_id}{number:08d}", "message": text,
        "timestamp": 1_772_388_000_000_000 + offset_ms * 1000, "time_in_seconds": seconds,
        "time_text": format_clock(seconds).removeprefix("0:"),
        "author": {"name": author, "id": f"UC{author[1:]:0<22}"[:24]},
    })  # fmt: skip


def video_of_batches(responses: Sequence[Json], *, video_id: str = "realreplay0", **facts: Any) -> Video:
    """Return a video that plays real responses of InnerTube's, batch by batch; tokens become ours."""
    batches = [
        response["continuationContents"]["liveChatContinuation"].get("actions", []) for response in responses
    ]
    return Video(video_id, Chat(video_id, batches), **facts)


def videos_of_simulation(n_streams: int = 2, n_messages: int = 300, seed: int = 0) -> list[Video]:
    """Return videos with simulated chats, newest first; the same arguments give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="fake-youtube-") as folder:
        settings = ChannelSettings(n_streams, max(10, n_messages // 6), n_messages, seed)
        simulate_channel(folder, settings)
        with Path(folder, "streams.csv").open(encoding="utf-8", newline="") as file:
            streams = list(csv.DictReader(file))
        videos = [_load_video(stream, Path(folder)) for stream in streams]
    return videos[::-1]


def _load_video(stream: dict[str, str], folder: Path) -> Video:
    with gzip.open(folder / "chat" / f"{stream['video_id']}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = sorted(map(json.loads, lines), key=lambda row: row["time_in_seconds"])
    return make_video(
        stream["video_id"],
        map(replay_action, rows),
        title=stream["title"],
        channel_id=stream["channel_id"],
        channel_name=stream["channel_name"],
        started_at=stream["started_at"],
        duration_s=int(stream["duration_s"]),
        views=len(rows) * 7,
    )


DATA_KEY = "AIzaFakeDataApiKeyOfTheTests00000000000"
_ABSENT = ("private", "deleted")


def answer_videos(youtube: FakeYoutube, request: Request) -> Reply:
    """Return the videos asked for, in the order asked; those that are gone are simply not among them."""
    if request.headers.get("x-goog-api-key") != youtube.api_key or "key" in request.query:
        return google_error(400, "API key not valid. Please pass a valid API key.", "keyInvalid")
    ids = dict.fromkeys(filter(None, request.query["id"].split(",")))
    found = [youtube.videos[one] for one in ids if one in youtube.videos]
    items = [_resource(video) for video in found if video.status not in _ABSENT]
    return json_reply({"kind": "youtube#videoListResponse", "items": items})


def _resource(video: Video) -> dict[str, Any]:
    is_running = video.status in ("live", "upcoming")
    snippet = {
        "publishedAt": video.started_at,
        "channelId": video.channel_id,
        "title": video.title,
        "channelTitle": video.channel_name,
        "liveBroadcastContent": video.status if is_running else "none",
    }
    found = {
        "kind": "youtube#video",
        "id": video.id,
        "snippet": snippet,
        "contentDetails": {"duration": "P0D" if is_running else f"PT{video.duration_s}S"},
        "statistics": {"viewCount": str(video.views)},
    }
    times = {"scheduledStartTime": video.started_at}
    if video.status != "upcoming":
        times["actualStartTime"] = video.started_at
    if not is_running:
        times["actualEndTime"] = video.ended_at
    return found if video.status == "plain" else found | {"liveStreamingDetails": times}
