"""Samples: what happened in the chat within one interval.

Field names are the ChatAnalytics format's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from chatlib.analyze.analytics.words import format_time

__all__ = ["Sample", "TwitchSample", "YoutubeSample", "samples_as_dicts"]


@dataclass(slots=True)
class Sample:
    """The chat within [startTime, endTime), in seconds from the start of the stream."""

    startTime: float
    endTime: float
    sampleDuration: float = -1
    startTime_text: str = ""
    endTime_text: str = ""
    activity: int = 0
    chatMessages: int = 0
    firstTimeChatters: int = 0
    uniqueUsers: int = 0
    avgActivityPerSecond: float = 0
    avgChatMessagesPerSecond: float = 0
    avgUniqueUsersPerSecond: float = 0
    _userChats: dict[str, int] = field(default_factory=dict)  # author -> chat messages in this sample

    def __post_init__(self) -> None:
        if self.sampleDuration < 0:  # the fast way brings all three along
            self.sampleDuration = self.endTime - self.startTime
            self.startTime_text = format_time(self.startTime)
            self.endTime_text = format_time(self.endTime)

    def sample_post_process(self) -> None:
        """Settle unique users and averages, and drop what is not written out.

        May be called again: with no new messages nothing changes.
        """
        if self._userChats:
            self.uniqueUsers = len(self._userChats)
        if self.sampleDuration > 0:
            self.avgActivityPerSecond = self.activity / self.sampleDuration
            self.avgChatMessagesPerSecond = self.chatMessages / self.sampleDuration
            self.avgUniqueUsersPerSecond = self.uniqueUsers / self.sampleDuration
        self._userChats.clear()


@dataclass(slots=True)
class YoutubeSample(Sample):
    """A sample of a YouTube chat. A Super Chat and its ticker are one."""

    superchats: int = 0
    memberships: int = 0


@dataclass(slots=True)
class TwitchSample(Sample):
    """A sample of a Twitch chat."""

    subscriptions: int = 0
    giftSubscriptions: int = 0
    upgradeSubscriptions: int = 0


def samples_as_dicts(samples: list[Sample]) -> list[dict[str, Any]]:
    """Return samples of one class as plain dictionaries, keys in the format's order."""
    if not samples:
        return []
    names = [f.name for f in fields(samples[0])]
    values = attrgetter(*names)
    return [dict(zip(names, values(sample), strict=True)) for sample in samples]
