"""What was announced of a viewer: kind, months, tier, streak, and when the next renewal is due.

Twitch announces subscriptions, YouTube memberships, which are no payment in the chat but say who is a member
and since when. What has no notice (Super Chats, bits) counts by its kind and its day. Only what is
strictly earlier is read.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.predict.viewers.history import MONTH, AsOf
from chatlib.predict.viewers.memory import count_months
from chatlib.records import AMOUNT_KINDS, GIFT_RECEIVED_KINDS, MEMBERSHIP_KINDS

__all__ = [
    "HABIT_COLUMNS",
    "NOTICE_COLUMNS",
    "SUBSCRIPTIONS",
    "build_habits",
    "build_notices",
    "parse_notices",
]

SUBSCRIPTIONS = (
    "subscription",
    "resubscription",
    "prime_paid_upgrade",
    "gift_paid_upgrade",
    *MEMBERSHIP_KINDS,
)
_GROUPS = {
    "renewal": ("resubscription",),
    "new": ("subscription", "prime_paid_upgrade", "gift_paid_upgrade"),
    "gift": ("subscription_gift", "mystery_subscription_gift", "sponsorships_gift_purchase_announcement"),
    "received": tuple(GIFT_RECEIVED_KINDS),
    "tip": tuple(AMOUNT_KINDS),  # and bits
}
_AT_ONCE_S = 1.0
NOTICE_COLUMNS = (
    "months",
    "tier",
    "streak",
    "days_since_notice",
    "n_notices",
    "months_by_now",
    "overdue_at_most",
    "overdue_at_least",
    "overdue_by_earliest",
    "overdue_by_last_two",
    "due_uncertainty",
    "due_change",
    "share_announced",
    *(f"{group}_{what}" for group in _GROUPS for what in ("days_since", "n")),
)
HABIT_COLUMNS = (
    "visits_since_due",
    "visits_since_earliest_due",
    "streams_since_due",
    "paid_at_once_share",
    "last_paid_after_s",
    "last_paid_offset_s",
    "n_payments",
)


def build_notices(events: pd.DataFrame, *, asked: np.ndarray, when: np.ndarray) -> pd.DataFrame:
    """Return NOTICE_COLUMNS for each person asked about, as of a day; NaN for what is not known.

    `events` are payments and memberships, with author, day, kind, notice and bits, and may come from
    `parse_notices`. Days are times since 1970, as in `order_streams`.
    """
    events = events if "months" in events else parse_notices(events)
    events = events.sort_values(["author", "day"], kind="stable", ignore_index=True)
    told = events["kind"].isin(SUBSCRIPTIONS) & events["months"].notna()
    columns = _find_renewals(events[told].reset_index(drop=True), asked, when)
    for name, kinds in _GROUPS.items():
        of_group = events["kind"].isin(kinds).to_numpy(bool)
        day = events["day"].to_numpy(float)[of_group]
        past = AsOf(events["author"].to_numpy(np.int64)[of_group], day, asked=asked, when=when)
        columns |= {f"{name}_days_since": when - past.at(day, -1), f"{name}_n": past.count()}
    return pd.DataFrame(columns)[list(NOTICE_COLUMNS)]


def parse_notices(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events with the months, tier (0 is Prime) and streak that their sentences name.

    Months are those begun: Twitch's first is 1; YouTube counts what is over, so that a new member is in month
    1, and a "Member for 6 months" in month 7. Memberships become Twitch's kinds of subscription, bits Super
    Chats.
    """
    notice, kind = events["notice"].astype("string"), events["kind"].to_numpy(object)
    numbers = {"months": r"for (\d{1,4}) months?", "tier": r"Tier (\d)", "streak": r"on a (\d{1,4}) month"}
    joined = np.isin(kind, list(MEMBERSHIP_KINDS))
    found = {
        name: pd.to_numeric(notice.str.extract(pattern)[0], errors="coerce").astype(float).mask(joined)
        for name, pattern in numbers.items()
    }
    found["tier"] = found["tier"].mask(notice.str.contains("Prime", na=False).to_numpy(bool) & ~joined, 0.0)
    found["months"] = found["months"].mask(kind == "subscription", 1.0)
    found["months"][joined] = np.array([_read_milestone(text) for text in notice[joined].fillna("")], float)
    is_new = (found["months"] == 1).to_numpy(bool)
    tips = (events["bits"].fillna(0).astype(float) > 0).to_numpy(bool)
    choices = [joined & is_new, joined & ~is_new, tips], ["subscription", "resubscription", "paid_message"]
    return events.assign(kind=np.select(*choices, kind), **found)


def _read_milestone(notice: str) -> float:
    """Return the month that YouTube's sentence about a member says they are in, NaN where it does not.

    A milestone has its length and the level's name; a welcome is one part, and may hold a number, too.
    """
    length, several, _ = notice.partition(" · ")
    return count_months(length) + 1.0 if several or length.startswith("Member for ") else 1.0


def _find_renewals(notices: pd.DataFrame, asked: np.ndarray, when: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the last notice named, and when the next renewal was due.

    Whoever announces m months on a day began between m and m - 1 months before. Each notice narrows
    the beginning down; a contradiction (a pause) starts anew. The next renewal is due m months later.
    """
    day, months = notices["day"].to_numpy(float), notices["months"].to_numpy(float)
    past = AsOf(notices["author"].to_numpy(np.int64), day, asked=asked, when=when)
    earliest, latest = day - MONTH * months, day - MONTH * (months - 1)
    by_author = pd.DataFrame({"earliest": earliest, "latest": latest}).groupby(notices["author"])
    low, high = by_author["earliest"].cummax().to_numpy(), by_author["latest"].cummin().to_numpy()
    began, began_before = past.at(latest, -1), past.at(latest, -2)
    first_began, last_months = past.at(by_author["latest"].cummin().to_numpy(), -1), past.at(months, -1)
    paused = low >= high
    low, high = np.where(paused, earliest, low), np.where(paused, latest, high)
    first = notices.groupby("author")["months"].transform("first").to_numpy(float)
    n_so_far = notices.groupby("author").cumcount().to_numpy() + 1.0
    since = when - past.at(day, -1)
    return {
        **{name: past.at(notices[name].to_numpy(float), -1) for name in ("months", "tier", "streak")},
        "days_since_notice": since,
        "n_notices": past.count(),
        "months_by_now": past.at(months, -1) + since / MONTH,
        "overdue_at_most": when - past.at(low + MONTH * months, -1),
        "overdue_at_least": when - past.at(high + MONTH * months, -1),
        "overdue_by_earliest": when - (first_began + MONTH * last_months),
        "overdue_by_last_two": when - (np.fmin(began, began_before) + MONTH * last_months),
        "due_uncertainty": past.at(high - low, -1),
        "due_change": began - began_before,
        "share_announced": past.at(n_so_far / np.maximum(months - first + 1, 1.0), -1),
    }


def build_habits(
    payments: pd.DataFrame, visits: pd.DataFrame, notices: pd.DataFrame, *, asked: np.ndarray, day: float
) -> pd.DataFrame:
    """Return HABIT_COLUMNS for each person asked about: how they pay, and whether they came since it was due.

    `payments` and `visits` (author, day; of payers) are all before the day, the payments in order, with
    offset_s and after_s (their offset less that of their payer's first row in the stream); `notices` is what
    `build_notices` returned of the same people.
    """
    when = np.full(len(asked), day)
    who, days = visits["author"].to_numpy(np.int64), visits["day"].to_numpy(float)
    came = AsOf(who, days, asked=asked, when=when)
    due = notices["days_since_notice"].to_numpy(float) - MONTH
    earliest = notices["overdue_by_earliest"].to_numpy(float)
    streams = np.unique(days)
    after, offset = payments["after_s"].to_numpy(float), payments["offset_s"].to_numpy(float)
    paid_days = payments["day"].to_numpy(float)
    paid = AsOf(payments["author"].to_numpy(np.int64), paid_days, asked=asked, when=when)
    n_paid = paid.count()
    at_once = paid.total((np.nan_to_num(after, nan=1e9) <= _AT_ONCE_S).astype(float))
    since_due = len(streams) - np.searchsorted(streams, day - due).astype(float)
    table = {
        "visits_since_due": came.count(np.maximum(due, 0.0)),
        "visits_since_earliest_due": came.count(np.maximum(earliest, 0.0)),
        "streams_since_due": np.where(np.isnan(due), np.nan, since_due),
        "paid_at_once_share": np.where(n_paid > 0, at_once / np.maximum(n_paid, 1), np.nan),
        "last_paid_after_s": paid.at(after, -1),
        "last_paid_offset_s": paid.at(offset, -1),
        "n_payments": n_paid,
    }
    return pd.DataFrame(table)[list(HABIT_COLUMNS)]
