"""The specification and the table of decisions, read word by word: slow, and obviously right."""

from __future__ import annotations

import math

YOUTUBE_CHATS = {"text_message"}
TWITCH_CHATS = {"text_message", "highlighted_message", "send_message_in_subscriber_only_mode"}
SUPERCHATS = {"paid_message", "paid_sticker", "ticker_paid_message_item", "ticker_paid_sticker_item"}
TWITCH_SETS = {
    "subscriptions": {
        "subscription",
        "resubscription",
        "extend_subscription",
        "standard_pay_forward",
        "community_pay_forward",
    },
    "giftSubscriptions": {
        "subscription_gift",
        "anonymous_subscription_gift",
        "anonymous_mystery_subscription_gift",
        "mystery_subscription_gift",
        "prime_community_gift_received",
    },
    "upgradeSubscriptions": {
        "prime_paid_upgrade",
        "gift_paid_upgrade",
        "reward_gift",
        "anonymous_gift_paid_upgrade",
    },
}
METRICS = {
    "usersPSec": "avgUniqueUsersPerSecond",
    "chatsPSec": "avgChatMessagesPerSecond",
    "activityPSec": "avgActivityPerSecond",
}


def as_text(seconds):
    """`h:mm:ss`, or `m:ss` below an hour."""
    whole = int(seconds)
    hours, minutes, second = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def analyze(rows, *, platform, duration, interval, percentile, metric):
    """Analytics of rows (offset, kind, author, message id) as a dictionary, without its spikes."""
    youtube = platform == "www.youtube.com"
    rows = [row for row in rows if row[0] is not None and 0 <= row[0] <= duration]
    rows.sort(key=lambda row: row[0])
    samples = []
    start = 0
    while start < duration:
        end = min(start + interval, duration)
        is_last = end == duration
        inside = [row for row in rows if start <= row[0] and (row[0] < end or (is_last and row[0] == end))]
        earlier = [row for row in rows if row[0] < start]
        samples.append(make_sample(inside, earlier, start, end, youtube=youtube))
        start += interval
    whole = count(rows, [], youtube=youtube)
    highlights = find_highlights(samples, METRICS[metric], percentile)
    highlight_s = sum(h["duration"] for h in highlights)
    result = {
        "duration": duration,
        "interval": interval,
        "platform": platform,
        "duration_text": as_text(duration),
        "interval_text": as_text(interval),
        "samples": samples,
        "totalActivity": whole["activity"],
        "totalChatMessages": whole["chatMessages"],
        "totalUniqueUsers": whole["uniqueUsers"],
        "overallAvgActivityPerSecond": whole["activity"] / duration if duration else 0,
        "overallAvgChatMessagesPerSecond": whole["chatMessages"] / duration if duration else 0,
        "overallAvgUniqueUsersPerSecond": sum(s["uniqueUsers"] for s in samples) / duration
        if duration
        else 0,
        "highlights": highlights,
        "highlights_duration": highlight_s,
        "highlights_duration_text": as_text(highlight_s),
        "highlight_percentile": percentile,
        "highlight_metric": metric,
        "_overallUserChats": {},
        "_currentSample": None,
    }
    names = ["superchats", "memberships"] if youtube else list(TWITCH_SETS)
    return result | {f"total{name[0].upper()}{name[1:]}": whole[name] for name in names}


def count(rows, earlier, *, youtube):
    """What the rows of one sample add up to, given the rows before it."""
    chat_kinds = YOUTUBE_CHATS if youtube else TWITCH_CHATS
    users = {row[2] for row in rows if row[1] in chat_kinds and row[2] is not None}
    known = {row[2] for row in earlier if row[1] in chat_kinds}
    counts = {
        "activity": len(rows),
        "chatMessages": sum(row[1] in chat_kinds for row in rows),
        "firstTimeChatters": len(users - known),
        "uniqueUsers": len(users),
    }
    if youtube:
        paid = {row[3] for row in rows if row[1] in SUPERCHATS}
        counts["superchats"] = len(paid - {row[3] for row in earlier if row[1] in SUPERCHATS})
        counts["memberships"] = sum(row[1] == "membership_item" for row in rows)
    else:
        for name, kinds in TWITCH_SETS.items():
            counts[name] = sum(row[1] in kinds for row in rows)
    return counts


def make_sample(rows, earlier, start, end, *, youtube):
    """One sample, keys in the specification's order."""
    counts = count(rows, earlier, youtube=youtube)
    length = end - start
    return {
        "startTime": start,
        "endTime": end,
        "sampleDuration": length,
        "startTime_text": as_text(start),
        "endTime_text": as_text(end),
        **{key: counts.pop(key) for key in ("activity", "chatMessages", "firstTimeChatters")},
        "uniqueUsers": (users := counts.pop("uniqueUsers")),
        "avgActivityPerSecond": len(rows) / length,
        "avgChatMessagesPerSecond": sum(
            row[1] in (YOUTUBE_CHATS if youtube else TWITCH_CHATS) for row in rows
        )
        / length,
        "avgUniqueUsersPerSecond": users / length,
        "_userChats": {},
        **counts,
    }


def find_percentile(values, percent):
    """Linear between the ranks, as numpy's default."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low, high = math.floor(position), math.ceil(position)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def find_highlights(samples, name, percentile):
    """Maximal runs at or above the percentile and above 0, without description."""
    if not samples:
        return []
    cutoff = find_percentile([s[name] for s in samples], percentile)
    runs = []
    open_run = []
    for sample in [*samples, None]:
        if sample and sample[name] > 0 and at_least(sample[name], cutoff):
            open_run.append(sample)
        elif open_run:
            runs.append(open_run)
            open_run = []
    return [make_highlight(run, name) for run in runs]


def at_least(value, cutoff):
    """Two ways to interpolate may differ in the last bit."""
    return value >= cutoff or math.isclose(value, cutoff, rel_tol=1e-12)


def make_highlight(run, name):
    """One highlight, keys in the specification's order, without its description."""
    start, end = run[0]["startTime"], run[-1]["endTime"]
    values = [sample[name] for sample in run]
    return {
        "startTime": start,
        "endTime": end,
        "type": name,
        "peak": max(values),
        "avg": sum(values) / len(values),
        "duration": end - start,
        "duration_text": as_text(end - start),
        "startTime_text": as_text(start),
        "endTime_text": as_text(end),
    }
