"""The words of the ChatAnalytics format: platforms, metrics, kinds that count, times as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from chatlib.errors import ParameterError
from chatlib.records import CHAT_KINDS, MEMBERSHIP_KINDS, TWITCH, YOUTUBE

__all__ = [
    "INTERVAL_BOUNDS_S",
    "METRIC_FIELDS",
    "NOBODY",
    "PLATFORM_VALUES",
    "TWITCH_WORDS",
    "YOUTUBE_WORDS",
    "PlatformWords",
    "find_words",
    "format_time",
]

# The shortest and the longest sample.
INTERVAL_BOUNDS_S = (1, 120)

# The number of a message's author where there is none.
NOBODY = -1

# The name of a metric on the command line -> the field of a sample.
METRIC_FIELDS = {
    "usersPSec": "avgUniqueUsersPerSecond",
    "chatsPSec": "avgChatMessagesPerSecond",
    "activityPSec": "avgActivityPerSecond",
}

# How the chat database calls a platform -> how the format calls it.
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


class PlatformWords(NamedTuple):
    """What one platform's analytics count beside messages and users."""

    values: tuple[str, ...]  # of the field `platform`
    chat_kinds: frozenset[str]  # kinds that are a chat message
    events: Mapping[str, str]  # kind -> the sample's field that counts it
    totals: Mapping[str, str]  # that field -> the field of the whole stream
    once_per_id: frozenset[str]  # fields that count a message id once, however often it comes


YOUTUBE_WORDS = PlatformWords(
    values=(PLATFORM_VALUES[YOUTUBE], "youtu.be"),
    chat_kinds=frozenset({"text_message"}),
    events=dict.fromkeys(_SUPERCHATS, "superchats") | dict.fromkeys(sorted(MEMBERSHIP_KINDS), "memberships"),
    totals={"superchats": "totalSuperchats", "memberships": "totalMemberships"},
    once_per_id=frozenset({"superchats"}),
)
TWITCH_WORDS = PlatformWords(
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


def find_words(platform: str) -> PlatformWords:
    """Return what is counted on a platform, named as the format or as the database names it.

    Raises: ParameterError for a platform that the format does not know.
    """
    value = PLATFORM_VALUES.get(platform, platform)
    for words in (YOUTUBE_WORDS, TWITCH_WORDS):
        if value in words.values:
            return words
    raise ParameterError(
        f"A platform is one of {[*PLATFORM_VALUES]}, {YOUTUBE_WORDS.values + TWITCH_WORDS.values}; "
        f"got {platform!r}."
    )


@lru_cache(maxsize=65536)
def format_time(seconds: float) -> str:
    """Return seconds as `h:mm:ss`, below an hour as `m:ss`; parts of a second are cut off."""
    minutes, second = divmod(abs(int(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
    return f"-{text}" if seconds < 0 else text
