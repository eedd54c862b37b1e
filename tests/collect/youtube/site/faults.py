"""What the fake can be told to do wrong, at random or once."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.collect.youtube.site.wire import JSON, Reply, Request, json_reply

__all__ = ["KINDS", "FaultPlan", "Faults", "apply_fault", "google_error"]

_BATCHES = "/youtubei/v1/live_chat/get_live_chat_replay"
_PICTURES = ("i.ytimg.com", "yt3.ggpht.com", "yt3.googleusercontent.com")


def _anywhere(request: Request) -> bool:
    return request.host not in _PICTURES


def _on_batches(request: Request) -> bool:
    return request.path == _BATCHES


def _on_graphql(request: Request) -> bool:
    return request.path == "/gql"


# Where each kind can happen.
KINDS: dict[str, Callable[[Request], bool]] = {
    "429": _anywhere,
    "500": _anywhere,
    "503": _anywhere,
    "reset": _anywhere,
    "stall": _anywhere,  # headers, then nothing
    "hang": _anywhere,  # nothing at all
    "trickle": _anywhere,  # the body a few bytes at a time, so that no single read is slow
    "cut_json": _anywhere,  # half a body, all of its length promised, then the connection ends
    "short_json": _anywhere,  # half a body that claims to be whole
    "empty_batch": _on_batches,
    "repeat_batch": _on_batches,
    "service_error": _on_graphql,  # Twitch's, inside an answer that came
}
_MESSAGES = {
    "429": (
        429,
        "Resource has been exhausted (e.g. check quota).",
        "rateLimitExceeded",
        "RESOURCE_EXHAUSTED",
    ),
    "500": (500, "Internal error encountered.", "backendError", "INTERNAL"),
    "503": (503, "The service is currently unavailable.", "backendError", "UNAVAILABLE"),
}


@dataclass
class Faults:
    """Requests that fail at random: one in `1 / rate` of those for which `where` is true.

    Of `kinds`, one that can happen to the request is drawn.
    """

    rate: float = 0.1
    kinds: Sequence[str] = ("429", "500", "reset", "cut_json")
    seed: int = 0
    stall_s: float = 30.0
    where: Callable[[Request], bool] | None = None

    def __post_init__(self) -> None:
        unknown = set(self.kinds) - KINDS.keys()
        if unknown:
            raise ValueError(f"Faults must be among {', '.join(KINDS)}; got {', '.join(sorted(unknown))}.")


@dataclass
class _Once:
    kind: str
    path_part: str
    video_id: str | None
    times: int


class FaultPlan:
    """Decides for each request what goes wrong with it; safe to ask from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._once: list[_Once] = []
        self.random = Faults(rate=0.0)

    @property
    def random(self) -> Faults:
        """The faults at random that are in force."""
        return self._random

    @random.setter
    def random(self, faults: Faults) -> None:
        with self._lock:
            self._random, self._rng = faults, random.Random(faults.seed)

    def add_once(self, kind: str, path_part: str, video_id: str | None, times: int) -> None:
        """Let the next requests that fit fail so."""
        if kind not in KINDS:
            raise ValueError(f"A fault must be one of {', '.join(KINDS)}; got {kind!r}.")
        with self._lock:
            self._once.append(_Once(kind, path_part, video_id, times))

    def pick(self, request: Request, video_id: str | None) -> str:
        """Return the fault's kind, or an empty string."""
        with self._lock:
            for once in self._once:
                if (
                    once.times > 0
                    and once.path_part in request.path
                    and once.video_id in (None, video_id)
                    and KINDS[once.kind](request)
                ):
                    once.times -= 1
                    return once.kind
            return self._draw(request)

    def _draw(self, request: Request) -> str:
        faults = self._random
        fitting = [kind for kind in faults.kinds if KINDS[kind](request)]
        if not fitting or (faults.where is not None and not faults.where(request)):
            return ""
        if self._rng.random() >= faults.rate:
            return ""
        return self._rng.choice(fitting)


def google_error(code: int, message: str, reason: str, status: str = "") -> Reply:
    """Return an error as Google's APIs write it."""
    error: dict[str, object] = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "reason": reason}],
    }
    return json_reply({"error": {**error, "status": status} if status else error}, code)


def apply_fault(kind: str, request: Request, reply: Reply, *, stall_s: float) -> Reply:
    """Return the reply with a fault; those that lie in the content were made by who answered."""
    if kind in _MESSAGES:
        if request.path.startswith("/youtube"):  # InnerTube and the Data API answer in JSON
            return google_error(*_MESSAGES[kind])
        code = _MESSAGES[kind][0]
        page = (
            f"<html><head><title>Error {code}</title></head><body>Sorry, something went wrong.</body></html>"
        )
        return Reply(page.encode(), code)
    if kind in ("reset", "stall", "hang", "trickle"):
        return reply._replace(drop=kind, stall_s=stall_s)
    if kind == "cut_json":
        return reply._replace(drop="cut")
    if kind == "short_json":
        body = reply.plain
        if reply.content_type == JSON and body:
            json.loads(body)  # half of what was whole
        return reply._replace(body=body[: len(body) // 2], packed=b"")
    return reply
