"""Requests to a site: paced, with timeouts and retries, until a stop is requested.

All clients of one collection share one `Politeness`, so that the pace holds for all streams that
are fetched at once.
"""

from __future__ import annotations

import io
import json
import logging
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from chatlib.errors import ChatlibError, SourceError, SourceRefused, SourceUnreachable
from chatlib.text import clean_json

__all__ = [
    "Disconnected",
    "Forbidden",
    "PoliteAdapter",
    "Politeness",
    "Stopped",
    "Transient",
    "check_answer",
    "describe_failure",
    "find_refusal",
    "map_foreign_errors",
    "parse_answer",
    "read_whole",
]

MAX_RETRY_AFTER_S = 120.0  # a site that wants a longer pause is left alone
SLOWEST = 6.0  # times its timeout that an answer may take in all
_PAGES = ("/watch", "/live_chat_replay", "/live_chat")
_API, _CHATS = ("/youtubei/", "/gql"), ("/youtubei/v1/live_chat/", "/gql")

_BOT_CHECK = re.compile(r"not a bot|confirm you.re human|unusual traffic", re.I)
_MEMBERS = re.compile(r"members[- ]only|join this channel|available to this channel.s members", re.I)
_AGE = re.compile(r"confirm your age|age.restricted", re.I)
_NO_REPLAY = re.compile(r"chat replay|chat is disabled|chat was disabled|no chat|chat is not available", re.I)
_FAILURES = (  # by the names of errors
    ("timeout|timedout", "no answer in time"),
    ("nameresolution|gaierror", "the host's name was not found"),
    ("ssl", "no secure connection"),
    ("incompleteread|chunkedencoding", "an answer that was cut short"),
)
_TOO_MANY = re.compile(r"too many requests|HTTP Error 429|rate.?limit", re.I)

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The collection is to end; what is stored is whole."""


class Transient(Exception):
    """A request failed in a way that a retry may fix."""

    def __init__(self, reason: str, *, retry_after_s: float = 0.0, busy: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.busy = busy  # the site asked for fewer requests


class Forbidden(SourceRefused):
    """HTTP 401 or 403; another client may be let in."""


class Disconnected(SourceUnreachable):
    """A live connection ended, or the server asks to come again; `silent_s` is how long it had been dead."""

    def __init__(self, message: str, *, silent_s: float = 0.0) -> None:
        super().__init__(message)
        self.silent_s = silent_s


@dataclass(kw_only=True, eq=False)
class Politeness:
    """The pace per host, the timeout of every read, the retries of a request, and the request to stop.

    `per_s` requests a second go to one host at most. A failed request is retried after a
    random wait below `backoff_s`, twice that, and so on up to 30 s (exponential back-off with
    full jitter), or after what the site asks for, `attempts` times in all.
    """

    per_s: float = 5.0
    timeout_s: float = 20.0
    attempts: int = 7
    backoff_s: float = 1.0
    stop: threading.Event = field(default_factory=threading.Event)
    _next: dict[str, float] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def call(self, host: str, send: Callable[[], Result]) -> Result:
        """Return what `send` returns; it raises `Transient` for what is worth a retry.

        Raises: SourceUnreachable after the last attempt; SourceRefused, state `blocked`, if
        the site keeps asking for fewer requests; Stopped.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=self._wait_s,
            sleep=self._sleep,
            reraise=True,
        )

        def attempt() -> Result:
            self._keep_pace(host)
            return send()

        try:
            return retrying(attempt)
        except Transient as error:
            raise self._give_up(host, error) from None

    def _keep_pace(self, host: str) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, 0.0))
            self._next[host] = turn + 1.0 / self.per_s
        self._sleep(turn - now)

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise Stopped

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        asked_s = error.retry_after_s if isinstance(error, Transient) else 0.0
        return max(asked_s, random.uniform(0, min(30.0, self.backoff_s * 2 ** (state.attempt_number - 1))))

    def _give_up(self, host: str, error: Transient) -> Exception:
        if error.busy:
            return SourceRefused(
                f"{host} asks for fewer requests ({error}). Wait some hours and go on with the same command.",
                state="blocked",
            )
        return SourceUnreachable(
            f"{host} must answer, and {self.attempts} attempts failed, the last one with: {error}. "
            "Check the connection and go on with the same command."
        )


class PoliteAdapter(HTTPAdapter):
    """The transport of a `requests` session that keeps to a `Politeness`; bodies are read whole.

    `check` raises Transient for an answer that is worth another attempt.
    """

    def __init__(self, politeness: Politeness, *, check: Callable[..., None] | None = None) -> None:
        super().__init__()
        self._politeness = politeness
        self._check = check or check_answer

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, with retries. Raises what `Politeness.call` does."""
        kwargs |= {"timeout": self._politeness.timeout_s, "stream": True}
        url = urlsplit(str(request.url))
        return self._politeness.call(url.hostname or "", lambda: self._send_once(request, url.path, kwargs))

    def _send_once(
        self, request: requests.PreparedRequest, path: str, kwargs: dict[str, Any]
    ) -> requests.Response:
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            raise Transient(describe_failure(error)) from None
        body = read_whole(response.raw, limit_s=SLOWEST * self._politeness.timeout_s)
        self._check(path, response.status_code, body, retry_after=response.headers.get("Retry-After"))
        response.raw = io.BytesIO(body)  # where `requests` reads it from
        response.headers.pop("Content-Encoding", None)
        return response


def read_whole(raw: HTTPResponse, *, limit_s: float) -> bytes:
    """Return a body, decoded. Raises: Transient if it breaks off, or takes longer than `limit_s` in all."""
    latest = time.monotonic() + limit_s
    chunks = []
    try:
        while chunk := raw.read1(1 << 16, decode_content=True):
            chunks.append(chunk)
            if time.monotonic() > latest:
                raise Transient("an answer that came too slowly")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(describe_failure(error)) from None
    finally:
        raw.close() if sys.exc_info()[0] else raw.release_conn()
    return b"".join(chunks)


def check_answer(path: str, status: int, body: bytes, *, retry_after: str | None = None) -> None:
    """Raise Transient for an answer that was cut, or of a site that is busy; SourceError for a refusal."""
    if status == 429 or status >= 500:
        wait_s = _read_pause(retry_after or "")
        if wait_s > MAX_RETRY_AFTER_S:
            raise SourceRefused(
                f"The site asks for a pause of {wait_s:,.0f} s (HTTP {status}). Go on later with the same "
                "command.",
                state="blocked",
            )
        raise Transient(f"HTTP {status}", retry_after_s=wait_s, busy=status == 429)
    if status in (401, 403) and path.startswith((*_PAGES, *_CHATS)):
        raise Forbidden(
            f"The site refuses to answer (HTTP {status}). Wait, come from another address, or give a cookies "
            "file (COOKIES).",
            state="blocked",
        )
    if status != 200:
        return
    if path.startswith(_API):
        try:
            parse_answer(body)
        except (ValueError, RecursionError):
            raise Transient("an answer that was cut short") from None
    elif path in _PAGES and b"</html>" not in body[-2000:]:
        _, found, rest = body.rpartition(b"ytInitialData")
        if not found or b"</script>" not in rest:
            raise Transient("a page that was cut short")


def find_refusal(reason: str) -> SourceRefused:
    """Return the error, with its state, for what the site or a client says instead of a chat."""
    short = " ".join(reason.split())[:300] or "the site gave no reason"
    for pattern, state, advice in (
        (_BOT_CHECK, "blocked", "wait, come from another address, or give a cookies file (COOKIES)"),
        (_TOO_MANY, "blocked", "wait some hours, and ask less often (REQUESTS_PER_S)"),
        (_MEMBERS, "members_only", "give the cookies file of a member (COOKIES)"),
        (_AGE, "failed", "give the cookies file of somebody who may see it (COOKIES)"),
        (_NO_REPLAY, "no_replay", "there is nothing to fetch"),
    ):
        if pattern.search(reason):
            return SourceRefused(f"{short} ({advice})", state=state)
    return SourceRefused(short, state="failed")


@contextmanager
def map_foreign_errors(what: str, *, to: type[SourceError] = SourceError) -> Iterator[None]:
    """Raise `to`, saying what failed, for an error of another's program, as on an answer of a new shape.

    Our own errors, Stopped and MemoryError are raised as they are.
    """
    try:
        yield
    except (ChatlibError, Stopped, MemoryError):
        raise
    except Exception as error:
        log.debug("%s", what, exc_info=True)
        raise to(f"{what} ({type(error).__name__}: {error})") from error


def _read_pause(retry_after: str) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or as a date; 0 if it is neither."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def parse_answer(body: bytes) -> object:
    """Return parsed JSON; lone halves of surrogate pairs, which UTF-8 cannot hold, become U+FFFD.

    Raises: ValueError, RecursionError.
    """
    try:
        return orjson.loads(body)
    except ValueError:
        return clean_json(json.loads(body))


def describe_failure(error: BaseException) -> str:
    """Return a network error in a few words, without the address, which may hold secrets."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < 10:
        names.append(type(cause).__name__.lower())
        arguments = [a for a in getattr(cause, "args", ()) if isinstance(a, BaseException)]
        cause = cause.__cause__ or cause.__context__ or (arguments[0] if arguments else None)
    for pattern, said in _FAILURES:
        if re.search(pattern, " ".join(names)):
            return said
    return f"the connection failed ({type(error).__name__})"
