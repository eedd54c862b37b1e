"""The specification's classes: the analytics of a stream, fed message by message; and their published JSON.

Class, field and method names are the published format's own. For a whole chat,
`chatlib.analyze.analytics.columns` gives the same result faster. The schema of the JSON is
`chat_analytics.schema.json`, beside this file.
"""

from __future__ import annotations

import logging
import math
from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import orjson

from chatlib.analyze.analytics.format import (
    METRIC_FIELDS,
    TWITCH_RULES,
    YOUTUBE_RULES,
    PlatformRules,
    ProcessSettings,
    check_interval,
    find_rules,
    format_time,
)
from chatlib.analyze.analytics.sections import (
    Highlight,
    Sample,
    Section,
    Spike,
    TwitchSample,
    YoutubeSample,
    as_dicts,
    find_highlights,
    find_spikes,
)
from chatlib.errors import DataError, ParameterError, UnknownFormat
from chatlib.files import atomic_path, read_file
from chatlib.records import NAME_PREFIX, Message
from chatlib.workspace import rare_gc

__all__ = [
    "SCHEMA_PATH",
    "ChatAnalytics",
    "TwitchChatAnalytics",
    "YoutubeChatAnalytics",
    "count_samples",
    "find_class",
    "load",
    "save",
]

log = logging.getLogger(__name__)


@dataclass
class _Tally:
    """State kept while messages are fed, since they may come out of time order."""

    users: list[set[str]] = field(default_factory=list)  # of each sample that is past
    first_sample: dict[str, Sample | None] = field(default_factory=dict)  # of each user
    counted_in: dict[str, Sample | None] = field(default_factory=dict)  # of each id that counts once
    n_outside: int = 0


@dataclass
class ChatAnalytics(ABC):
    """The analytics of one stream; made as a `YoutubeChatAnalytics` or a `TwitchChatAnalytics`.

    duration, interval: of the stream and of a sample, in seconds.
    platform: 'www.youtube.com', 'youtu.be' or 'www.twitch.tv'.

    Samples tile [0, duration); a message at exactly `duration` is in the last one, and one
    outside is left out of everything. All other fields follow from the messages.
    Raises: ParameterError for an impossible duration, interval or platform.
    """

    rules: ClassVar[PlatformRules]
    sample_class: ClassVar[type[Sample]]

    duration: float
    interval: int
    description: str
    program_version: str
    platform: str
    duration_text: str = ""
    interval_text: str = ""
    mediaTitle: str = "No Media Title"
    mediaSource: str = "No Media Source"
    samples: list[Sample] = field(default_factory=list)
    totalActivity: int = 0
    totalChatMessages: int = 0
    totalUniqueUsers: int = 0
    overallAvgActivityPerSecond: float = 0
    overallAvgChatMessagesPerSecond: float = 0
    overallAvgUniqueUsersPerSecond: float = 0
    highlights: list[Highlight] = field(default_factory=list)
    highlights_duration: float = 0
    highlights_duration_text: str = ""
    highlight_percentile: float = 0
    highlight_metric: str = ""
    spikes: list[Spike] = field(default_factory=list)
    _overallUserChats: dict[str, int] = field(default_factory=dict)  # author -> chat messages
    _currentSample: Sample | None = None

    def __new__(cls, *args: object, **kwargs: object) -> ChatAnalytics:
        if cls is ChatAnalytics:
            raise TypeError("ChatAnalytics is abstract: use YoutubeChatAnalytics or TwitchChatAnalytics.")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_interval(self.interval)
        if not (math.isfinite(self.duration) and self.duration >= 0):
            raise ParameterError(f"A duration must be 0 seconds or more, got {self.duration}.")
        if self.platform not in self.rules.values:
            values, name = self.rules.values, type(self).__name__
            raise ParameterError(f"The platform of a {name} is one of {values}, got {self.platform!r}.")
        self.duration_text = format_time(self.duration)
        self.interval_text = format_time(self.interval)
        self._tally: _Tally | None = _Tally()

    # ------------------------------------------------------------------ message by message

    def process_chatlog(
        self, chatlog: Iterable[Mapping | Message], source: str, settings: ProcessSettings
    ) -> None:
        """Process a whole chat, then compute totals, averages, highlights and spikes.

        `source` is its address or its file. The title is the chat's own, if it has a `title`.
        """
        self.mediaTitle = getattr(chatlog, "title", None) or self.mediaTitle
        self.mediaSource = source
        for index, message in enumerate(chatlog):
            if index == settings.msg_break:
                break
            if settings.print_interval > 0 and index and index % settings.print_interval == 0:
                self.print_process_progress(message, index)
            self.process_message(message)
        if settings.print_interval > 0:
            self.print_process_progress(None, None, finished=True)
        self.chatlog_post_process(settings)

    def process_message(self, msg: Mapping | Message) -> None:
        """Count one message: a `Message`, or a dictionary in chat-downloader's schema.

        Messages may come in any order. Raises: DataError after `chatlog_post_process`.
        """
        tally, message = self._open_tally, _read_message(msg)
        if message.offset_s is None or not 0 <= message.offset_s <= self.duration:
            tally.n_outside += 1
            return
        sample = self._find_sample(message.offset_s)
        self.totalActivity += 1
        if sample:
            sample.activity += 1
        if message.kind in self.rules.chat_kinds:
            self._count_chat(sample, message.author_id)
        elif counter := self.rules.events.get(message.kind):
            self._count_event(sample, counter, message.message_id)
        if sample is not None and sample is not self._currentSample:  # late, into a finished sample
            sample.sample_post_process()

    def create_new_sample(self) -> None:
        """Finish the current sample, and append the one that follows it.

        Raises: DataError when the samples already reach the end of the stream.
        """
        tally = self._open_tally
        start = self._currentSample.endTime if self._currentSample else 0
        if start >= self.duration:
            raise DataError(f"Samples end with the stream, at {self.duration} s; there is no next one.")
        if self._currentSample:
            tally.users.append(set(self._currentSample._userChats))
            self._currentSample.sample_post_process()
        self._currentSample = self.sample_class(start, min(start + self.interval, self.duration))
        self.samples.append(self._currentSample)

    def print_process_progress(
        self, msg: Mapping | Message | None, idx: int | None, finished: bool = False
    ) -> None:
        """Log how far the chat has been processed, as share, stream time and messages.

        `msg` is the message with number `idx`, counted from 0; with `finished` neither is needed.
        """
        offset = self.duration if finished or msg is None else (_read_message(msg).offset_s or 0.0)
        offset = offset if math.isfinite(offset) else 0.0
        share = 100 * offset / self.duration if self.duration else 100.0
        log.info(
            "%5.1f %% | %s / %s | %s messages",
            min(max(share, 0.0), 100.0),
            format_time(offset),
            self.duration_text,
            self.totalActivity if finished else idx,
        )

    @property
    def _open_tally(self) -> _Tally:
        if self._tally is None:
            name = type(self).__name__
            raise DataError(f"After chatlog_post_process no message can be fed. Make a new {name}.")
        return self._tally

    def _find_sample(self, offset_s: float) -> Sample | None:
        """Return the sample that an offset lies in, created if need be; None if the duration is 0."""
        last = count_samples(self.duration, self.interval) - 1
        index = min(int(offset_s // self.interval), last)
        while len(self.samples) <= index:
            self.create_new_sample()
        return self.samples[index] if index >= 0 else None

    def _count_chat(self, sample: Sample | None, author: str | None) -> None:
        self.totalChatMessages += 1
        if sample:
            sample.chatMessages += 1
        if author is None:
            return
        self._overallUserChats[author] = self._overallUserChats.get(author, 0) + 1
        _move_earlier(self._open_tally.first_sample, author, sample, "firstTimeChatters")
        if sample is None:
            return
        if sample is self._currentSample:
            sample._userChats[author] = sample._userChats.get(author, 0) + 1
        else:
            users = self._open_tally.users[int(sample.startTime // self.interval)]
            users.add(author)
            sample.uniqueUsers = len(users)

    def _count_event(self, sample: Sample | None, counter: str, message_id: str | None) -> None:
        total = self.rules.totals[counter]
        if counter in self.rules.once_per_id and message_id is not None:
            counted_in = self._open_tally.counted_in
            is_new = message_id not in counted_in
            _move_earlier(counted_in, message_id, sample, counter)
            setattr(self, total, getattr(self, total) + is_new)
            return
        setattr(self, total, getattr(self, total) + 1)
        if sample:
            setattr(sample, counter, getattr(sample, counter) + 1)

    # ------------------------------------------------------------------ after the last message

    def chatlog_post_process(self, settings: ProcessSettings) -> None:
        """Compute totals and averages after the last message, then find highlights and spikes.

        In analytics that are complete (read from a file), only highlights and spikes are found again.
        """
        if self._tally is not None:
            self._finish_samples(self._tally.n_outside)
        self.highlight_percentile = settings.highlight_percentile
        self.highlight_metric = settings.highlight_metric
        self.highlights = self.get_highlights(settings.highlight_metric, settings.highlight_percentile)
        self.highlights_duration = sum(highlight.duration for highlight in self.highlights)
        self.highlights_duration_text = format_time(self.highlights_duration)
        self.spikes = self.get_spikes(settings.spike_sensitivity, settings.spike_metric)

    def get_highlights(self, highlight_metric: str, highlight_percentile: float) -> list[Highlight]:
        """Return the contiguous times in which the metric is at or above its percentile."""
        return find_highlights(self.samples, METRIC_FIELDS[highlight_metric], percentile=highlight_percentile)

    def get_spikes(self, spike_sensitivity: float, spike_metric: str) -> list[Spike]:
        """Return the sharp, sustained rises of the metric over its local baseline."""
        return find_spikes(self.samples, METRIC_FIELDS[spike_metric], sensitivity=spike_sensitivity)

    def compute_averages(self, *, n_users: int, n_outside: int) -> None:
        """Compute the averages of the whole stream from samples and totals, and accept no more messages."""
        self.totalUniqueUsers = n_users
        if self.duration:
            self.overallAvgActivityPerSecond = self.totalActivity / self.duration
            self.overallAvgChatMessagesPerSecond = self.totalChatMessages / self.duration
            self.overallAvgUniqueUsersPerSecond = sum(s.uniqueUsers for s in self.samples) / self.duration
        if n_outside:
            log.debug("%d messages outside [0, %s] left out", n_outside, self.duration_text)
        self.seal()

    def seal(self) -> None:
        """Drop what is not written out, and accept no more messages."""
        self._overallUserChats = {}
        self._currentSample = None
        self._tally = None

    def _finish_samples(self, n_outside: int) -> None:
        while len(self.samples) < count_samples(self.duration, self.interval):
            self.create_new_sample()
        if self._currentSample:
            self._currentSample.sample_post_process()
        self.compute_averages(n_users=len(self._overallUserChats), n_outside=n_outside)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, keys in the format's order."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "samples": as_dicts(self.samples),
            "highlights": as_dicts(self.highlights),
            "spikes": as_dicts(self.spikes),
        }


@dataclass
class YoutubeChatAnalytics(ChatAnalytics):
    """The analytics of a YouTube chat. Super Chats are counted once, whatever their forms."""

    rules: ClassVar[PlatformRules] = YOUTUBE_RULES
    sample_class: ClassVar[type[Sample]] = YoutubeSample

    totalSuperchats: int = 0
    totalMemberships: int = 0


@dataclass
class TwitchChatAnalytics(ChatAnalytics):
    """The analytics of a Twitch chat: subscriptions bought, given and upgraded."""

    rules: ClassVar[PlatformRules] = TWITCH_RULES
    sample_class: ClassVar[type[Sample]] = TwitchSample

    totalSubscriptions: int = 0
    totalGiftSubscriptions: int = 0
    totalUpgradeSubscriptions: int = 0


def find_class(platform: str) -> type[YoutubeChatAnalytics] | type[TwitchChatAnalytics]:
    """Return the class of a platform, named as the format or as the database names it.

    Raises: ParameterError for a platform that the format does not know.
    """
    return YoutubeChatAnalytics if find_rules(platform) is YOUTUBE_RULES else TwitchChatAnalytics


def count_samples(duration_s: float, interval_s: int) -> int:
    """Return how many samples tile [0, duration); the last may be shorter, none is empty."""
    return int(duration_s // interval_s) + (duration_s % interval_s > 0)


def _move_earlier(where: dict[str, Sample | None], key: str, sample: Sample | None, counter: str) -> None:
    """Count `key` in the earliest sample it is seen in, and in no other."""
    if sample is None:
        where[key] = None
        return
    before = where.get(key)
    if before is not None:
        if before.startTime <= sample.startTime:
            return
        setattr(before, counter, getattr(before, counter) - 1)
    where[key] = sample
    setattr(sample, counter, getattr(sample, counter) + 1)


def _read_message(msg: Mapping | Message) -> Message:
    """Return the fields that are counted; `message_id` and `kind` may be None in a dictionary."""
    if isinstance(msg, Message):
        return msg
    offset = msg.get("time_in_seconds")
    number = isinstance(offset, (int, float)) and not isinstance(offset, bool)
    author = msg.get("author")
    if isinstance(author, Mapping):
        author_id, name = author.get("id"), author.get("name")
    else:
        author_id, name = None, author if isinstance(author, str) else None
    return Message(
        message_id=msg.get("message_id"),  # type: ignore[arg-type]
        kind=msg.get("message_type"),  # type: ignore[arg-type]
        offset_s=offset if number else None,
        author_id=author_id or (f"{NAME_PREFIX}{name}" if name else None),
    )


SCHEMA_PATH = Path(__file__).with_name("chat_analytics.schema.json")

_Item = TypeVar("_Item", bound=ChatAnalytics | Sample | Section)
_LISTS = {"samples", "highlights", "spikes"}
_TEXTS = {
    "description", "program_version", "platform", "mediaTitle", "mediaSource", "highlight_metric", "type",
}  # fmt: skip


@rare_gc()
def save(analytics: ChatAnalytics, path: str | Path) -> Path:
    """Write analytics as JSON: keys in the format's order, one line to a sample; return the path.

    Raises: UnwritableFile if nothing can be written there; StoreFull.
    """
    with atomic_path(path) as part, part.open("wb") as file:
        separator = b"{\n"
        for key, value in analytics.to_dict().items():
            file.write(separator + orjson.dumps(key) + b": " + _dump(value))
            separator = b",\n"
        file.write(b"\n}\n")
    return Path(path)


def _dump(value: object) -> bytes:
    if isinstance(value, list) and value:  # of objects without lists: `},{` occurs between them only
        return b"[\n" + orjson.dumps(value)[1:-1].replace(b"},{", b"},\n{") + b"\n]"
    return orjson.dumps(value)


def load(path: str | Path) -> ChatAnalytics:
    """Return the analytics that `save`, or chat-analyzer 1.0.6b3, wrote.

    Raises: MissingSource if there is no file; UnknownFormat if it is something else.
    """
    data = read_file(Path(path))
    try:
        return _build_analytics(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise UnknownFormat(f"Analytics are JSON, and {path} is not ({error}).") from error
    except (KeyError, TypeError, ValueError, ParameterError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UnknownFormat(
            f"{path} must be a ChatAnalytics JSON, and it is not: {what}. "
            "A raw chat is analyzed with --mode chatfile."
        ) from error


def _build_analytics(content: object) -> ChatAnalytics:
    if not isinstance(content, Mapping) or "platform" not in content:
        raise TypeError("an object with `platform` and `samples` is needed")
    made = find_class(content["platform"])
    analytics = _build(
        made,
        dict(content)
        | {
            "samples": [_build(made.sample_class, sample) for sample in content["samples"]],
            "highlights": [_build(Highlight, section) for section in content["highlights"]],
            "spikes": [_build(Spike, section) for section in content["spikes"]],
            "description": content["description"] or "",
        },
    )
    analytics.seal()
    return analytics


def _build(made: type[_Item], content: Mapping) -> _Item:
    """Return an object of the format. Raises: KeyError for a missing field; TypeError for a wrong type."""
    item = made(**{f.name: content[f.name] for f in fields(made) if f.init})
    for name in (f.name for f in fields(item) if not f.name.startswith("_") and f.name not in _LISTS):
        value = getattr(item, name)
        if name in _TEXTS or name.endswith("_text"):
            if not isinstance(value, str):
                raise TypeError(f"`{name}` must be a text, got {value!r}")
        elif isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"`{name}` must be a number, got {value!r}")
    return item
