"""A Twitch beside the local YouTube: GraphQL of channels, VODs with their chat, and clips.

twitch = FakeTwitch()
twitch.play_on(youtube)
twitch.add_channel("sample", [make_vod("2001", 300)])
"""

from __future__ import annotations

import bisect
import datetime as dt
import json
import random
from dataclasses import dataclass, field
from typing import Any

from tests.collect.youtube.site.server import FakeYoutube
from tests.collect.youtube.site.wire import Reply, Request, json_reply

START = dt.datetime(2024, 5, 1, 18, tzinfo=dt.UTC)
WORDS = ["pog", "lol", "gg", "wow", "nice", "hello", "what", "chat", "stream", "again"]


@dataclass
class Vod:
    """A recording. `comments` are nodes by their offset; a page ends after `page_size` of them."""

    id: str
    comments: list[dict]
    title: str = "A stream"
    started_at: dt.datetime = START
    duration_s: int = 3600
    views: int = 77
    is_live: bool = False
    is_gone: bool = False
    refusal: str | None = None  # in the words of an error, in the place of comments
    page_size: int = 60
    overlap: int = 20  # comments before the offset asked for with which a page begins

    @property
    def ids(self) -> list[str]:
        """The comments' ids, in order."""
        return [comment["id"] for comment in self.comments]


@dataclass
class Channel:
    """A channel: its VODs, newest first, its clips as nodes, and the stream that runs now, if one does."""

    login: str
    vods: list[Vod] = field(default_factory=list)
    clips: list[dict] = field(default_factory=list)
    live: dict | None = None
    id: str = "9001"
    name: str = "Sample"


def make_comment(
    number: int, offset_s: int, text: str, *, vod: str = "", author: int = 1, **facts: Any
) -> dict:
    """Return a comment's node."""
    stamp = (START + dt.timedelta(seconds=offset_s)).isoformat().replace("+00:00", "Z")
    return {
        "id": f"{vod}-{number}",
        "commenter": {"id": str(author), "login": f"viewer{author}", "displayName": f"Viewer{author}"},
        "contentOffsetSeconds": offset_s,
        "createdAt": stamp,
        "message": {
            "fragments": [{"text": text, "emote": None}],
            "userBadges": [{"setID": "subscriber", "version": "6"}] if author % 3 == 0 else [],
            "userColor": None,
        },
        **facts,
    }


def make_vod(video_id: str, n_comments: int, *, duration_s: int = 3600, seed: int = 0, **facts: Any) -> Vod:
    """Return a VOD with so many comments at random seconds."""
    rng = random.Random(f"{seed}-{video_id}")
    offsets = sorted(rng.randrange(duration_s) for _ in range(n_comments))
    comments = [
        make_comment(i, offset, " ".join(rng.choices(WORDS, k=3)), vod=video_id, author=rng.randrange(1, 40))
        for i, offset in enumerate(offsets)
    ]
    return Vod(video_id, comments, duration_s=duration_s, **facts)


class FakeTwitch:
    """The channels that are played; `asked` are the operations answered, with their variables."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.asked: list[tuple[str, dict]] = []
        self.list_size = 100  # VODs to a page of a channel's list

    def play_on(self, server: FakeYoutube) -> None:
        """Answer on a server for gql.twitch.tv."""
        server.add_route("/gql", self._answer, hosts=frozenset({"gql.twitch.tv"}))

    def add_channel(self, login: str, vods: list[Vod], **facts: Any) -> Channel:
        """Hold a channel."""
        self.channels[login] = Channel(login, vods, **facts)
        return self.channels[login]

    def _answer(self, request: Request) -> Reply:
        if not request.headers.get("client-id"):
            return json_reply({"error": "Bad Request", "message": "The client ID is missing."}, 400)
        try:
            operations = json.loads(request.body)
        except ValueError:  # the client was killed in the middle of its question
            return json_reply({"error": "Bad Request"}, 400)
        if request.fault == "service_error":
            return json_reply([_error("service error", {"video": {"id": "1", "comments": None}})])
        return json_reply([self._play(operation) for operation in operations])

    def _play(self, operation: dict) -> dict:
        asked, variables = operation.get("operationName") or operation["query"], operation["variables"]
        for name, part, answer in (
            ("VideoCommentsByOffsetOrCursor", "VideoComments", self._answer_comments),
            ("FilterableVideoTower_Videos", "Filterable", self._answer_videos),
            ("clips", "clips(", self._answer_clips),
            ("live", "stream {", self._answer_live),
            ("video", "video(", self._answer_video),
        ):
            if part in asked:
                self.asked.append((name, variables))
                return answer(variables)
        raise ValueError(f"There is no operation {asked!r}.")

    def find_vod(self, video_id: str) -> Vod | None:
        """Return a VOD that is not gone, or None."""
        vods = (vod for channel in self.channels.values() for vod in channel.vods)
        return next((vod for vod in vods if vod.id == video_id and not vod.is_gone), None)

    def _answer_comments(self, variables: dict) -> dict:
        vod = self.find_vod(variables["videoID"])
        if vod is None:
            return {"data": {"video": None}}
        if variables.get("cursor"):
            return {"errors": [{"message": "failed integrity check"}], "data": None}
        offset_s = variables["contentOffsetSeconds"]
        head = {"id": vod.id, "creator": {"id": "9001", "channel": {"id": "9001"}}}
        if offset_s > vod.duration_s:
            return _error("service error", {"video": head | {"comments": None}})
        if vod.refusal:
            return _error(vod.refusal, {"video": head | {"comments": None}})
        offsets = [comment["contentOffsetSeconds"] for comment in vod.comments]
        first = max(0, bisect.bisect_left(offsets, offset_s) - vod.overlap)
        page = vod.comments[first : first + vod.page_size]
        comments = {
            "edges": [{"cursor": f"c{comment['id']}", "node": comment} for comment in page],
            "pageInfo": {"hasNextPage": first + len(page) < len(vod.comments), "hasPreviousPage": first > 0},
        }
        return {"data": {"video": head | {"comments": comments}}}

    def _answer_videos(self, variables: dict) -> dict:
        channel = self.channels.get(variables["channelOwnerLogin"])
        if channel is None:
            return {"data": {"user": {"id": "", "videos": {"edges": []}}}}
        vods = [vod for vod in channel.vods if not vod.is_gone]
        first = int(variables.get("cursor") or 0)
        edges = [
            {
                "__typename": "VideoEdge",
                "cursor": str(number) if number < len(vods) else None,
                "node": {"__typename": "Video", **_describe(vod, channel)},
            }
            for number, vod in enumerate(vods[first : first + self.list_size], first + 1)
        ]
        return {"data": {"user": {"id": channel.id, "videos": {"edges": edges}}}}

    def _answer_video(self, variables: dict) -> dict:
        vod = self.find_vod(variables["id"])
        if vod is None:
            return {"data": {"video": None}}
        channel = next(channel for channel in self.channels.values() if vod in channel.vods)
        status = "RECORDING" if vod.is_live else "RECORDED"
        facts = {"createdAt": _format(vod.started_at), "status": status}
        return {"data": {"video": _describe(vod, channel) | facts}}

    def _answer_clips(self, variables: dict) -> dict:
        channel = self.channels.get(variables["login"])
        if channel is None:
            return {"data": {"user": None}}
        first = int(variables.get("cursor") or 0)
        page = channel.clips[first : first + 100]
        edges = [{"cursor": str(number), "node": clip} for number, clip in enumerate(page, first + 1)]
        more = first + len(page) < len(channel.clips)
        return {"data": {"user": {"id": "1", "clips": {"edges": edges, "pageInfo": {"hasNextPage": more}}}}}

    def _answer_live(self, variables: dict) -> dict:
        channel = self.channels.get(variables["login"])
        if channel is None:
            return {"data": {"user": None}}
        current = [vod for vod in channel.vods if vod.is_live]
        edges = [{"node": {"id": vod.id, "publishedAt": _format(vod.started_at)}} for vod in current]
        user = {"id": channel.id, "login": channel.login, "displayName": channel.name, "stream": channel.live,
                "broadcastSettings": {"title": "Now"}, "videos": {"edges": edges}}  # fmt: skip
        return {"data": {"user": user}}


def _error(message: str, data: dict) -> dict:
    return {"errors": [{"message": message, "path": ["video", "comments"]}], "data": data}


def _describe(vod: Vod, channel: Channel) -> dict:
    picture = "404_processing_320x180.png" if vod.is_live else "thumb0-320x180.jpg"
    return {
        "id": vod.id,
        "title": vod.title,
        "previewThumbnailURL": f"https://vod-secure.twitch.tv/{picture}",
        "lengthSeconds": vod.duration_s,
        "viewCount": vod.views,
        "publishedAt": _format(vod.started_at),
        "broadcastType": "ARCHIVE",
        "owner": {"id": channel.id, "displayName": channel.name, "login": channel.login},
    }


def _format(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
