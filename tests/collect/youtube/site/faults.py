"""What the fake can be told to do wrong, at random or once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.collect.youtube.site.wire import Reply, Request, json_reply

_BATCHES = "/youtubei/v1/live_chat/get_live_chat_replay"
_ONLY_AT = {"empty_batch": _BATCHES, "repeat_batch": _BATCHES, "service_error": "/gql"}


def can_happen(kind: str, request: Request) -> bool:
    """Return whether a kind of fault can happen to a request."""
    return request.path == _ONLY_AT[kind] if kind in _ONLY_AT else True


@dataclass
class Faults:
    """Requests that fail at random: one in `1 / rate` of those for which `where` is true.

    Of `kinds`, one that can happen to the request is drawn (see `apply_fault`).
    """

    rate: float = 0.1
    kinds: Sequence[str] = ("429", "500", "reset", "cut_json")
    seed: int = 0
    stall_s: float = 30.0
    where: Callable[[Request], bool] | None = None

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self, request: Request) -> str:
        """Return the kind of fault that happens to a request, or an empty string."""
        fitting = [kind for kind in self.kinds if can_happen(kind, request)]
        if not fitting or (self.where is not None and not self.where(request)):
            return ""
        return self._rng.choice(fitting) if self._rng.random() < self.rate else ""


def google_error(code: int, message: str, reason: str, status: str = "") -> Reply:
    """Return an error as Google's APIs write it."""
    error: dict[str, object] = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "reason": reason}],
    }
    return json_reply({"error": {**error, "status": status} if status else error}, code)


INVALID = google_error(400, "Request contains an invalid argument.", "badRequest", "INVALID_ARGUMENT")
NOT_FOUND = google_error(404, "Requested entity was not found.", "notFound", "NOT_FOUND")


def apply_fault(kind: str, reply: Reply, *, stall_s: float) -> Reply:
    """Return the reply with a fault; those that lie in the content were made by who answered."""
    match kind:
        case "429" | "500" | "503":
            return Reply(b"<html><body>Sorry, something went wrong.</body></html>", int(kind))
        case "reset" | "stall" | "hang" | "trickle":  # headers alone, nothing, a few bytes at a time
            return reply._replace(drop=kind, stall_s=stall_s)
        case "cut_json":  # half a body, all of its length promised, then the connection ends
            return reply._replace(drop="cut")
        case "short_json":  # half a body that claims to be whole
            return reply._replace(body=reply.plain[: len(reply.plain) // 2], packed=b"")
        case "empty_batch" | "repeat_batch" | "service_error":
            return reply
    raise ValueError(f"There is no fault {kind!r}.")
