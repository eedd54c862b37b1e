"""Who writes and who pays: viewers of each stream, who returns, talks most, is a member; what was paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd

from chatlib.errors import ParameterError
from chatlib.money import convert_money
from chatlib.records import AMOUNT_KINDS, DONATION_KINDS, GIFT_RECEIVED_KINDS, MEMBERSHIP_KINDS
from chatlib.store import Store
from chatlib.tables import format_share
from chatlib.text import PEOPLE, format_count
from chatlib.times import find_day

__all__ = [
    "KNOWN_BOTS",
    "convert_events",
    "describe_concentration",
    "find_talkers",
    "format_small_chat_warning",
    "is_named",
    "label_people",
    "list_payments",
    "load_events",
    "load_viewers",
    "measure_concentration",
    "summarize_crowd",
    "summarize_currencies",
    "summarize_donors",
    "summarize_events",
    "summarize_income",
    "summarize_loyalty",
    "summarize_months",
    "summarize_retention",
    "trace_income",
]

# Names of bots that write in many chats.
KNOWN_BOTS = (
    "botisimo", "deepbot", "fossabot", "kofistreambot", "moobot", "mtgbot", "nightbot",
    "pokemoncommunitygame", "sery_bot", "soundalerts", "streamelements", "streamlabs",
    "streamstickers", "tangiabot", "wizebot",
)  # fmt: skip
_SMALL_MESSAGES, _SMALL_PEOPLE = 500, 30
_TOP_SHARE = 0.1
_LOYALTY = {1: "1", 2: "2-4", 5: "5-9", 10: "10-19", 20: "20-49", 50: "50 or more"}


def load_viewers(store: Store, *, leave_out: Collection[str] = ()) -> pd.DataFrame:
    """Return `Store.load_chatters`, without the people whose names are to be left out."""
    chatters = store.load_chatters()
    return chatters[~is_named(chatters["name"], leave_out)].reset_index(drop=True)


def is_named(names: pd.Series, wanted: Iterable[str]) -> pd.Series:
    """Return where a name is one of the wanted ones, ignoring case and a leading @."""
    known = {name.strip().removeprefix("@").casefold() for name in wanted}
    distinct = {str(name): str(name).removeprefix("@").casefold() for name in names.dropna().unique()}
    return names.isin([name for name, plain in distinct.items() if plain in known - {""}])


def summarize_retention(viewers: pd.DataFrame, streams: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stream that somebody wrote in, in the order of `streams`.

    Columns: stream_id, started_at, video_id, people, new (never seen before in these streams),
    returning, returning_share, members_share, chats. In the first stream everybody is new.
    """
    order = {key: place for place, key in enumerate(streams["stream_id"].tolist())}
    seen = viewers.assign(place=viewers["stream_id"].map(order)).dropna(subset=["place"])
    first = seen.groupby("author")["place"].transform("min")
    seen = seen.assign(new=seen["place"] == first)
    table = seen.groupby("place").agg(
        stream_id=("stream_id", "first"),
        people=("author", "size"),
        new=("new", "sum"),
        members_share=("member", "mean"),
        chats=("chats", "sum"),
    )
    table["returning"] = table["people"] - table["new"]
    table["returning_share"] = table["returning"] / table["people"]
    known = streams[["stream_id", "started_at", "video_id"]]
    columns = ["stream_id", "started_at", "video_id", "people", "new", "returning", "returning_share"]
    return table.merge(known, on="stream_id")[[*columns, "members_share", "chats"]]


def summarize_loyalty(viewers: pd.DataFrame) -> pd.DataFrame:
    """Return how many people came to how many streams, and how much of the chat is theirs.

    Columns: streams (as '2-4'), people, people_share, chats_share.
    """
    person = viewers.groupby("author").agg(streams=("stream_id", "nunique"), chats=("chats", "sum"))
    step = np.searchsorted(list(_LOYALTY), person["streams"], side="right") - 1
    table = person.groupby(step).agg(people=("streams", "size"), chats=("chats", "sum"))
    table.insert(0, "streams", [list(_LOYALTY.values())[i] for i in table.index])
    table["people_share"] = table["people"] / max(len(person), 1)
    table["chats_share"] = table["chats"] / max(person["chats"].sum(), 1)
    return table[["streams", "people", "people_share", "chats_share"]].reset_index(drop=True)


def summarize_crowd(viewers: pd.DataFrame, streams: pd.DataFrame, stream_id: int) -> pd.DataFrame:
    """Return who wrote in one stream, in groups that overlap.

    Columns: who (new here, been here before, members, everybody), people, people_share, chats,
    chats_share. New is who wrote in no earlier stream, in the order of `streams`.
    """
    order = {key: place for place, key in enumerate(streams["stream_id"].tolist())}
    first = viewers["stream_id"].map(order).groupby(viewers["author"]).min()
    here = viewers[viewers["stream_id"] == stream_id]
    new = here["author"].map(first) == order.get(stream_id)
    groups = {
        "new here": new,
        "been here before": ~new,
        "members": here["member"],
        "everybody": here["chats"] > 0,
    }
    table = pd.DataFrame(
        [(who, int(mask.sum()), here.loc[mask, "chats"].sum()) for who, mask in groups.items()],
        columns=["who", "people", "chats"],
    )
    table["people_share"] = table["people"] / max(len(here), 1)
    table["chats_share"] = table["chats"] / max(here["chats"].sum(), 1)
    return table[["who", "people", "people_share", "chats", "chats_share"]]


def find_talkers(viewers: pd.DataFrame, labels: dict[int, str], *, top: int = 10) -> pd.DataFrame:
    """Return the people with most chat messages. Columns: who, chats, chats_share, streams, member."""
    person = viewers.groupby("author").agg(
        chats=("chats", "sum"), streams=("stream_id", "nunique"), member=("member", "max")
    )
    person["chats_share"] = person["chats"] / max(person["chats"].sum(), 1)
    ranked = person.sort_values("chats", ascending=False, kind="stable").head(top).reset_index()
    ranked["who"] = ranked["author"].map(labels)
    return ranked[["who", "chats", "chats_share", "streams", "member"]]


def label_people(viewers: pd.DataFrame, *, anonymize: bool) -> dict[int, str]:
    """Return each author's label: the name, or `viewer N`, N being the rank by messages written."""
    chats = viewers.groupby("author")["chats"].sum().sort_values(ascending=False, kind="stable")
    if anonymize:
        return {author: f"viewer {rank}" for rank, author in enumerate(chats.index, 1)}
    names = viewers.drop_duplicates("author", keep="last").set_index("author")["name"]
    known = zip(names.index.tolist(), names.tolist(), strict=True)
    return {author: name if isinstance(name, str) else "(no name)" for author, name in known}


def measure_concentration(amounts: Iterable[float]) -> float:
    """Return the share of a sum that its largest amounts hold, a tenth of their number; NaN of under ten."""
    ordered = np.sort(np.array([amount for amount in amounts if amount > 0], dtype=float))[::-1]
    if len(ordered) < 1 / _TOP_SHARE:
        return float("nan")
    return float(ordered[: round(len(ordered) * _TOP_SHARE)].sum() / ordered.sum())


def describe_concentration(viewers: pd.DataFrame, values: pd.Series) -> str:
    """Return how much of messages and money comes from few, in words; `values` are payments by author."""
    by_writer = format_share(measure_concentration(viewers.groupby("author")["chats"].sum()))
    by_donor = format_share(measure_concentration(values.groupby(level=0).sum()))
    sentences = []
    if by_writer:
        sentences.append(f"The tenth of the people who write most wrote {by_writer} of the messages.")
    if by_donor:
        sentences.append(f"The tenth of the donors who gave most gave {by_donor} of the money shown.")
    return "\n".join(sentences) or "Too few wrote, and too few paid, to say how much comes from few."


def format_small_chat_warning(*, n_messages: int, n_people: int) -> str:
    """Return a sentence if a chat is so small that shares mean little, else an empty text."""
    if n_messages >= _SMALL_MESSAGES and n_people >= _SMALL_PEOPLE:
        return ""
    size = f"{format_count(n_messages, 'message')} by {format_count(n_people, *PEOPLE)}"
    return f"This is a small chat ({size}): shares and ranks below may be chance."


_BIT_USD = Decimal("0.01")  # what Twitch pays a streamer for a bit
_UNPAID_EVENT_KINDS = MEMBERSHIP_KINDS | GIFT_RECEIVED_KINDS | {"raid"}
_EVENT_KINDS = DONATION_KINDS | _UNPAID_EVENT_KINDS
_NAMES = {
    "paid_message": "Super Chats",
    "paid_sticker": "Super Stickers",
    "sponsorships_gift_purchase_announcement": "membership gifts bought",
    "sponsorships_gift_redemption_announcement": "memberships received as a gift",
    "membership_item": "memberships",
    "subscription": "subscriptions",
    "resubscription": "resubscriptions",
    "subscription_gift": "gifted subscriptions",
    "mystery_subscription_gift": "gifts to the community",
    "anonymous_subscription_gift": "gifted subscriptions, unnamed giver",
    "anonymous_mystery_subscription_gift": "gifts to the community, unnamed giver",
    "raid": "raids",
}


def load_events(store: Store) -> pd.DataFrame:
    """Return payments, memberships, gifts and raids, in time order within each stream.

    Columns: stream_id, offset_s, kind, author, amount (Decimal or None), currency, bits, day
    (a date, from the message or its stream; None if unknown). Tickers are left out: they repeat
    what has a row of its own.
    """
    rows = [
        (*plain, _read_amount(amount), currency, bits or 0, find_day(time_us, started_at))
        for *plain, amount, currency, bits, time_us, started_at in store.load_events(_UNPAID_EVENT_KINDS)
    ]
    columns = ["stream_id", "offset_s", "kind", "author", "amount", "currency", "bits", "day"]
    events = pd.DataFrame(rows, columns=columns)
    return events.astype({"amount": object, "currency": object, "day": object})


def convert_events(events: pd.DataFrame, *, to: str) -> pd.DataFrame:
    """Return events with a column `value`: money and bits in one currency, at the day's rate.

    NaN where there is no money, or no rate to convert it. A bit is one US cent.
    Raises: ParameterError for a currency that has no rate.
    """
    if convert_money(Decimal(1), "EUR", to=to, date=dt.date(2024, 1, 2)) is None:
        raise ParameterError(f"The currency to convert to must have a rate at the ECB, got {to!r}.")
    columns = [events[name] for name in ("amount", "currency", "bits", "day")]
    values = [_convert(*row, to=to) for row in zip(*columns, strict=True)]
    return events.assign(value=pd.Series(values, index=events.index, dtype=float))


def summarize_events(events: pd.DataFrame) -> pd.DataFrame:
    """Return the number of events of each kind, most first. Columns: what, events, people."""
    of_kind = events[events["kind"].isin(_EVENT_KINDS)]
    table = of_kind.groupby("kind").agg(events=("kind", "size"), people=("author", "nunique"))
    table = table.sort_values("events", ascending=False, kind="stable")
    rows = [(_NAMES.get(kind, kind.replace("_", " ")), *row) for kind, *row in table.itertuples()]
    cheers = events[events["bits"] > 0]
    if len(cheers):
        what = f"messages with bits ({cheers['bits'].sum():,} bits)"
        rows.append((what, len(cheers), cheers["author"].nunique()))
    return pd.DataFrame(rows, columns=["what", "events", "people"])


def list_payments(converted: pd.DataFrame) -> pd.DataFrame:
    """Return one row per payment with an amount. Columns: day, stream_id, currency, amount, value.

    Twitch's bits are a currency of that name, and an unknown one is '?'.
    """
    has_money = converted["kind"].isin(AMOUNT_KINDS) & converted["amount"].notna()
    money = converted[has_money]
    bits = converted[(converted["bits"] > 0) & ~has_money]
    money = money.assign(currency=[code if isinstance(code, str) else "?" for code in money["currency"]])
    bits = bits.assign(currency="bits", amount=bits["bits"].map(Decimal))
    payments = pd.concat([part.astype(object) for part in (money, bits)]).sort_index()
    payments = payments[["day", "stream_id", "currency", "amount", "value"]].reset_index(drop=True)
    return payments.astype({"value": float})


def summarize_currencies(converted: pd.DataFrame) -> pd.DataFrame:
    """Return the donations with an amount by currency, largest value first.

    Columns: currency, donations, amount (exact, in that currency), value (converted), rate_missing
    (donations that could not be converted). Bits and unknown currencies: see `list_payments`.
    """
    table = _sum_payments(list_payments(converted), ["currency"])
    return table.sort_values(["value", "donations"], ascending=False, ignore_index=True)


def summarize_months(converted: pd.DataFrame) -> pd.DataFrame:
    """Return the donations by calendar month and currency, in time order.

    Columns: month ('2026-01', or 'no date'), then those of `summarize_currencies`.
    """
    payments = list_payments(converted)
    months = [f"{day:%Y-%m}" if isinstance(day, dt.date) else "no date" for day in payments["day"]]
    table = _sum_payments(payments.assign(month=months), ["month", "currency"])
    return table.sort_values(["month", "value"], ascending=[True, False], kind="stable", ignore_index=True)


def _sum_payments(payments: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    payments = payments.assign(missing=payments["value"].isna())
    return payments.groupby(keys, as_index=False).agg(
        donations=("stream_id", "size"),
        amount=("amount", lambda amounts: sum(amounts, Decimal(0))),
        value=("value", "sum"),
        rate_missing=("missing", "sum"),
    )


def trace_income(converted: pd.DataFrame, stream_id: int) -> pd.DataFrame:
    """Return one stream's payments and events in time order.

    Columns: offset_s, what (donations, memberships, gifts, raids), value (of a donation, else 0),
    total (of the values so far). Events without a time are left out.
    """
    found = converted[(converted["stream_id"] == stream_id) & converted["offset_s"].notna()]
    what = list(map(_classify_event, found["kind"], found["value"]))
    found = found.assign(what=pd.Series(what, found.index, dtype=object)).dropna(subset=["what"])
    found = found.sort_values("offset_s", kind="stable", ignore_index=True)
    found["value"] = found["value"].fillna(0.0)
    found["total"] = found["value"].cumsum()
    return found[["offset_s", "what", "value", "total"]]


def _classify_event(kind: str, value: float) -> str | None:
    if kind in AMOUNT_KINDS or value == value:
        return "donations"
    if kind in GIFT_RECEIVED_KINDS:
        return None
    if kind == "raid":
        return "raids"
    return "gifts" if "gift" in kind else "memberships"


def summarize_donors(converted: pd.DataFrame, labels: dict[int, str], *, top: int = 10) -> pd.DataFrame:
    """Return who gave most. Columns: who, donations, value, value_share, streams."""
    paid = converted[converted["value"].notna() & converted["author"].notna()]
    donor = paid.groupby("author").agg(
        donations=("value", "size"), value=("value", "sum"), streams=("stream_id", "nunique")
    )
    donor["value_share"] = donor["value"] / donor["value"].sum()
    ranked = donor.sort_values("value", ascending=False, kind="stable").head(top).reset_index()
    ranked["who"] = [labels.get(author, "somebody who wrote nothing else") for author in ranked["author"]]
    return ranked[["who", "donations", "value", "value_share", "streams"]]


def summarize_income(converted: pd.DataFrame, streams: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stream in the order of `streams`, including streams without any event.

    Columns: stream_id, started_at, video_id, value, donations, donors, memberships, gifts.
    """
    kind = converted["kind"]
    flagged = converted.assign(
        donation=converted["value"].notna(),
        donor=converted["author"].where(converted["value"].notna()),
        membership=kind.isin(MEMBERSHIP_KINDS | {"subscription", "resubscription"}),
        gift=kind.isin({k for k in DONATION_KINDS if "gift" in k}),
    )
    table = flagged.groupby("stream_id").agg(
        value=("value", "sum"),
        donations=("donation", "sum"),
        donors=("donor", "nunique"),
        memberships=("membership", "sum"),
        gifts=("gift", "sum"),
    )
    known = streams[["stream_id", "started_at", "video_id"]]
    return known.merge(table, on="stream_id", how="left").fillna(dict.fromkeys(table.columns, 0))


def _read_amount(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _convert(
    amount: Decimal | None, currency: str | None, bits: int, day: dt.date | None, *, to: str
) -> float | None:
    money = [(amount, currency)] if amount is not None else []
    money += [(bits * _BIT_USD, "USD")] if bits else []
    if not money:
        return None
    values = [convert_money(part, code, to=to, date=day) for part, code in money]
    known = [value for value in values if value is not None]
    return float(sum(known, Decimal(0))) if len(known) == len(money) else None
