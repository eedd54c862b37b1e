"""What the ChatAnalytics format fixes: what counts on which platform, metrics, settings, times as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from chatlib.errors import ParameterError
from chatlib.options import option
from chatlib.records import CHAT_KINDS, MEMBERSHIP_KINDS, TWITCH, YOUTUBE

__all__ = [
    "INTERVAL_BOUNDS_S",
    "METRIC_FIELDS",
    "PLATFORM_VALUES",
    "TWITCH_RULES",
    "YOUTUBE_RULES",
    "PlatformRules",
    "ProcessSettings",
    "check_interval",
    "find_rules",
    "format_time",
]

# The shortest and the longest sample.
INTERVAL_BOUNDS_S = (1, 120)

# The name of a metric on the command line -> the field of a sample.
METRIC_FIELDS = {
    "usersPSec": "avgUniqueUsersPerSecond",
    "chatsPSec": "avgChatMessagesPerSecond",
    "activityPSec": "avgActivityPerSecond",
}

# A platform's name in the chat database -> its name in the format.
PLATFORM_VALUES = {YOUTUBE: "www.youtube.com", TWITCH: "www.twitch.tv"}

# Kinds of Twitch's three counts. The sets are chat-analyzer's.
_SUBSCRIPTIONS = (
    "subscription", "resubscription", "extend_subscription", "standard_pay_forward", "community_pay_forward",
)  # fmt: skip
_GIFT_SUBSCRIPTIONS = (
    "subscription_gift", "anonymous_subscription_gift", "mystery_subscription_gift",
    "anonymous_mystery_subscription_gift", "prime_community_gift_received",
)  # fmt: skip
_UPGRADE_SUBSCRIPTIONS = (
    "prime_paid_upgrade", "gift_paid_upgrade", "anonymous_gift_paid_upgrade", "reward_gift",
)  # fmt: skip
# A ticker repeats a Super Chat under the same message id; a sponsor's ticker is none.
_SUPERCHATS = ("paid_message", "paid_sticker", "ticker_paid_message_item", "ticker_paid_sticker_item")


class PlatformRules(NamedTuple):
    """What one platform's analytics count beside messages and users."""

    values: tuple[str, ...]  # of the field `platform`
    chat_kinds: frozenset[str]  # kinds that are a chat message
    events: Mapping[str, str]  # kind -> the sample's field that counts it
    totals: Mapping[str, str]  # that field -> the field of the whole stream
    once_per_id: frozenset[str]  # fields that count a message id once, however often it comes


YOUTUBE_RULES = PlatformRules(
    values=(PLATFORM_VALUES[YOUTUBE], "youtu.be"),
    chat_kinds=frozenset({"text_message"}),
    events=dict.fromkeys(_SUPERCHATS, "superchats") | dict.fromkeys(sorted(MEMBERSHIP_KINDS), "memberships"),
    totals={"superchats": "totalSuperchats", "memberships": "totalMemberships"},
    once_per_id=frozenset({"superchats"}),
)
TWITCH_RULES = PlatformRules(
    values=(PLATFORM_VALUES[TWITCH],),
    chat_kinds=CHAT_KINDS,
    events=dict.fromkeys(_SUBSCRIPTIONS, "subscriptions")
    | dict.fromkeys(_GIFT_SUBSCRIPTIONS, "giftSubscriptions")
    | dict.fromkeys(_UPGRADE_SUBSCRIPTIONS, "upgradeSubscriptions"),
    totals={
        "subscriptions": "totalSubscriptions",
        "giftSubscriptions": "totalGiftSubscriptions",
        "upgradeSubscriptions": "totalUpgradeSubscriptions",
    },
    once_per_id=frozenset(),
)


def find_rules(platform: str) -> PlatformRules:
    """Return what is counted on a platform, named as the format or as the database names it.

    Raises: ParameterError for a platform that the format does not know.
    """
    value = PLATFORM_VALUES.get(platform, platform)
    for rules in (YOUTUBE_RULES, TWITCH_RULES):
        if value in rules.values:
            return rules
    raise ParameterError(
        f"A platform is one of {[*PLATFORM_VALUES]}, {YOUTUBE_RULES.values + TWITCH_RULES.values}; "
        f"got {platform!r}."
    )


@dataclass(frozen=True)
class ProcessSettings:
    """Settings of one analysis. Raises: ParameterError for a value outside its bounds.

    `print_interval` counts for messages that are fed one by one; the engine on columns logs no progress.
    """

    print_interval: int = option(100, "messages between lines of progress; no effect on files and databases")
    msg_break: int = option(-1, "stop after N messages; no effect below 0", "--break", "-b")
    highlight_percentile: float = option(
        93.0, "samples at or above this percentile are a highlight", "-ep", metavar="P"
    )
    highlight_metric: str = option(
        "usersPSec", "people, chat messages or all messages a second", "-em", choices=tuple(METRIC_FIELDS)
    )
    spike_sensitivity: float = option(
        1.5, "a rise above 1 + 2/X times its local baseline is a spike", "-ss", metavar="X"
    )
    spike_metric: str = option("usersPSec", "as for highlights", "-sm", choices=tuple(METRIC_FIELDS))
    interval_s: int = option(5, "seconds of a sample, 1 to 120", "--interval", "-i", metavar="S")
    description: str = option("", "a text that distinguishes this output from others", "-d", metavar="TEXT")

    def __post_init__(self) -> None:
        if not 0 < self.highlight_percentile < 100:
            raise ParameterError(
                f"The highlight percentile must be above 0 and below 100, got {self.highlight_percentile}."
            )
        if not (self.spike_sensitivity > 0 and math.isfinite(self.spike_sensitivity)):
            raise ParameterError(f"The spike sensitivity must be above 0, got {self.spike_sensitivity}.")
        for metric in (self.highlight_metric, self.spike_metric):
            if metric not in METRIC_FIELDS:
                raise ParameterError(f"A metric is one of {[*METRIC_FIELDS]}, got {metric!r}.")
        check_interval(self.interval_s)


def check_interval(interval_s: int) -> None:
    """Raise a ParameterError unless an interval is a whole number of seconds within its bounds."""
    low, high = INTERVAL_BOUNDS_S
    if isinstance(interval_s, bool) or int(interval_s) != interval_s or not low <= interval_s <= high:
        raise ParameterError(
            f"The interval must be a whole number of seconds from {low} to {high}, got {interval_s}."
        )


@lru_cache(maxsize=65536)
def format_time(seconds: float) -> str:
    """Return seconds as `h:mm:ss`, below an hour as `m:ss`; parts of a second are cut off."""
    minutes, second = divmod(abs(int(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
    return f"-{text}" if seconds < 0 else text
