"""FakeYoutube: a server on loopback that plays YouTube for the real clients, by way of a proxy.

    with FakeYoutube() as youtube:
        channel = youtube.add_channel("@sample", videos_of_simulation(3, 500, seed=1))
        youtube.faults = Faults(rate=0.1, kinds=("429", "reset", "empty_batch"))
        subprocess.run([...], env={**os.environ, **youtube.environment()})

In a test, the fixture `youtube` also brings the clients of its own process here. Nothing leaves
loopback: hosts that are not played get 502 when a client asks for a tunnel.
"""

from __future__ import annotations

import functools
import os
import shlex
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from tests.collect.youtube.site.channels import (
    Channel,
    answer_browse,
    answer_channel,
    answer_consent,
    make_channel,
)
from tests.collect.youtube.site.proxy import HOSTS, Proxy
from tests.collect.youtube.site.videos import DATA_KEY, Video, answer_videos
from tests.collect.youtube.site.watch import (
    answer_batch,
    answer_chat_page,
    answer_live_batch,
    answer_live_page,
    answer_player,
    answer_watch,
)
from tests.collect.youtube.site.wire import Entry, Faults, Reply, Request, apply_fault, can_happen, read_token

SITE = Path(__file__).with_name("site")
Answer = Callable[[Request], Reply | None]


class Route(NamedTuple):
    """Who answers a path; a path that ends in `*` stands for all that begin so."""

    path: str
    answer: Answer
    hosts: frozenset[str]

    def fits(self, request: Request) -> bool:
        """Return whether this route answers that request."""
        is_begun = self.path.endswith("*") and request.path.startswith(self.path[:-1])
        return request.host in self.hosts and (is_begun or request.path == self.path)


@functools.cache
def _make_authority() -> tuple[trustme.CA, ssl.SSLContext]:
    """Return a certificate authority of this process, and a server's context with its certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*sorted(HOSTS)).configure_cert(context)
    return authority, context


class FakeYoutube:
    """YouTube on one port of loopback. `requests` is the log, oldest first."""

    def __init__(self) -> None:
        self.latency_s = 0.0
        self.requests: list[Entry] = []
        self.errors: list[Exception] = []  # mistakes of the fake itself; leaving the block raises the first
        self.videos: dict[str, Video] = {}
        self.channels: list[Channel] = []
        self.api_key = DATA_KEY  # the only one that the Data API takes
        self.faults = Faults(rate=0.0)  # what goes wrong at random; settable at any time
        self._failing: list[tuple[str, str, str | None]] = []  # requests: kind, part of the path, video
        self._lock = threading.Lock()
        self._routes: list[Route] = []
        self._folder = tempfile.TemporaryDirectory(prefix="fake-youtube-")
        self._add_routes()

    def __enter__(self) -> FakeYoutube:
        authority, context = _make_authority()
        self.ca_file = Path(self._folder.name) / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self._proxy = Proxy(self._answer, self._note, context)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._proxy.close()  # connections that are open break
        self._folder.cleanup()
        if self.errors and kind is None:
            raise RuntimeError("The fake YouTube made a mistake.") from self.errors[0]

    @property
    def proxy_url(self) -> str:
        """The address of the proxy, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._proxy.server_address[1]}"

    @property
    def chromium_switches(self) -> tuple[str, ...]:
        """What Chromium needs to come here and nowhere else."""
        return (
            f"--proxy-server={self.proxy_url}",
            "--proxy-bypass-list=<-loopback>",
            "--ignore-certificate-errors",
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that bring the clients of a child process here."""
        ca = str(self.ca_file)
        proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), self.proxy_url)
        loopback = "localhost,127.0.0.1"  # Selenium speaks to its driver there
        trusted = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "FAKE_YOUTUBE_CA")
        paths = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **proxies,
            "NO_PROXY": loopback,
            "no_proxy": loopback,
            **dict.fromkeys(trusted, ca),
            "CHATLIB_CHROMIUM_SWITCHES": shlex.join(self.chromium_switches),
            "PYTHONPATH": os.pathsep.join(paths),
        }

    def add_route(self, path: str, answer: Answer, *, hosts: frozenset[str] = HOSTS) -> None:
        """Let a function answer a path; what was added last is asked first, None passes on."""
        self._routes.insert(0, Route(path, answer, hosts))

    def add_page(self, path: str, html: str | bytes, *, status: int = 200) -> None:
        """Serve a page as it is, whatever the query."""
        reply = Reply(html.encode() if isinstance(html, str) else html, status)
        self.add_route(path, lambda request: reply)

    def add_videos(self, *videos: Video) -> None:
        """Hold videos, each under its id."""
        self.videos.update((video.id, video) for video in videos)

    def add_channel(self, handle: str, videos: list[Video], **facts: Any) -> Channel:
        """Hold a channel and its videos, newest first; facts are those of `Channel`."""
        channel = make_channel(handle, videos, **facts)
        self.channels.append(channel)
        self.add_videos(*videos)
        return channel

    def fail_next(
        self, kind: str, path_part: str = "", *, video_id: str | None = None, times: int = 1
    ) -> None:
        """Let the next requests whose path holds `path_part` fail."""
        with self._lock:
            self._failing += [(kind, path_part, video_id)] * times

    def _pick_fault(self, request: Request, video_id: str | None) -> str:
        with self._lock:
            for failing in self._failing:
                kind, path_part, of_video = failing
                fits = path_part in request.path and of_video in (None, video_id)
                if fits and can_happen(kind, request):
                    self._failing.remove(failing)
                    return kind
            return self.faults.draw(request)

    def _add_routes(self) -> None:
        self.add_route("*", answer_consent, hosts=frozenset({"consent.youtube.com"}))
        for path, answer, held in (
            ("/*", answer_channel, self),
            ("/youtubei/v1/browse", answer_browse, self),
            ("/watch", answer_watch, self.videos),
            ("/youtubei/v1/player", answer_player, self.videos),
            ("/live_chat_replay", answer_chat_page, self.videos),
            ("/youtubei/v1/live_chat/get_live_chat_replay", answer_batch, self.videos),
            ("/live_chat", answer_live_page, self.videos),
            ("/youtubei/v1/live_chat/get_live_chat", answer_live_batch, self.videos),
        ):
            self.add_route(path, functools.partial(answer, held), hosts=frozenset({"www.youtube.com"}))
        self.add_route("/youtube/v3/videos", functools.partial(answer_videos, self))

    def _note(self, entry: Entry) -> None:
        with self._lock:
            self.requests.append(entry)

    def _answer(self, request: Request) -> Reply:
        try:
            return self._play(request)
        except Exception as error:
            self.errors.append(error)
            return Reply(status=500)

    def _play(self, request: Request) -> Reply:
        if self.latency_s:
            time.sleep(self.latency_s)
        video_id = _find_video_id(request)
        kind = self._pick_fault(request, video_id)
        request = replace(request, fault=kind) if kind else request
        reply = self._find_reply(request)
        if kind:
            reply = apply_fault(kind, reply, stall_s=self.faults.stall_s)
        status = 0 if reply.drop else reply.status
        self._note(Entry(time.time(), request.method, request.host, request.path, video_id, status))
        return reply.encode(takes_gzip=request.takes_gzip)

    def _find_reply(self, request: Request) -> Reply:
        for route in list(self._routes):
            if route.fits(request) and (reply := route.answer(request)) is not None:
                return reply
        return Reply(b"<html><head><title>404 Not Found</title></head><body></body></html>", 404)


def _find_video_id(request: Request) -> str | None:
    """Return the video that a request is about, if it tells."""
    if request.path == "/watch":
        return request.query.get("v")
    content = request.json if request.method == "POST" else {}
    token = read_token(request.query.get("continuation") or content.get("continuation"))
    if token is not None and token.use != "list":
        return token.subject
    return content.get("videoId")


def apply_environment(youtube: FakeYoutube, monkeypatch) -> None:
    """Bring this process's own clients to a fake; pytest's `monkeypatch` takes it back."""
    import certifi

    for name, value in youtube.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(certifi, "where", lambda: str(youtube.ca_file))
