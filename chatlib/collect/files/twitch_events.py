"""Events in a Twitch chat: how Twitch names them, and the fixed sentences that announce them.

Since late 2022 Twitch's replays no longer say which comment is a subscription. Its sentence,
which begins with the author's own name, still does, and is cut from the author's words.
"""

from __future__ import annotations

import re

__all__ = ["kind_of_notice", "tell_event"]

# Twitch's names of events -> chat-downloader's.
_KINDS = {
    "anongiftpaidupgrade": "anonymous_gift_paid_upgrade",
    "anonsubgift": "anonymous_subscription_gift",
    "anonsubmysterygift": "anonymous_mystery_subscription_gift",
    "bitsbadgetier": "bits_badge_tier",
    "communitypayforward": "community_pay_forward",
    "crowd-chant": "crowd_chant",
    "extendsub": "extend_subscription",
    "giftpaidupgrade": "gift_paid_upgrade",
    "highlighted-message": "highlighted_message",
    "primecommunitygiftreceived": "prime_community_gift_received",
    "primepaidupgrade": "prime_paid_upgrade",
    "raid": "raid",
    "resub": "resubscription",
    "rewardgift": "reward_gift",
    "ritual": "ritual",
    "skip-subs-mode-message": "send_message_in_subscriber_only_mode",
    "standardpayforward": "standard_pay_forward",
    "sub": "subscription",
    "subgift": "subscription_gift",
    "submysterygift": "mystery_subscription_gift",
    "unraid": "unraid",
}
_STREAK = r"They've subscribed for \d+ months?(?:, currently on an? \d+ month streak)?! ?"
_SENTENCES = (
    ("resubscription", rf"subscribed (?:with Prime|at Tier \d)\. {_STREAK}"),
    ("subscription", r"subscribed (?:with Prime|at Tier \d)\. ?"),
    ("mystery_subscription_gift", r"is gifting \d+ Tier \d Subs? to .{1,60}'s community!.*"),
    ("subscription_gift", r"gifted (?:a|\d+ months? of) Tier \d (?:sub )?to .{1,60}!.*"),
    ("prime_paid_upgrade", r"converted from a Prime sub to a Tier \d sub!.*"),
    ("gift_paid_upgrade", r"is continuing the Gift Sub they got from .*"),
    ("community_pay_forward", r"is paying forward the Gift they got from .{1,60} to the community!.*"),
    ("standard_pay_forward", r"is paying forward the Gift they got from .*"),
)
_EVENTS = tuple((kind, re.compile(sentence, re.S)) for kind, sentence in _SENTENCES)


def kind_of_notice(name: str | None) -> str:
    """Return chat-downloader's kind for Twitch's name of an event; without a name, a text message."""
    return _KINDS.get(name, name.replace("-", "_")) if name else "text_message"


def tell_event(kind: str, body: str | None, name: str | None) -> tuple[str, str | None, str | None]:
    """Return kind, the author's own words, and the platform's sentence at the head of the body.

    A kind that is known already stays. The sentence is one only about the author: `name`.
    """
    if not body or not name or not body.startswith(f"{name} "):
        return kind, body, None
    said = body[len(name) + 1 :]
    for event, sentence in _EVENTS:
        if match := sentence.match(said):
            notice = body[: len(name) + 1 + match.end()].strip()
            return event if kind == "text_message" else kind, said[match.end() :].strip() or None, notice
    return kind, body, None
