"""What was paid: donations by currency, month and donor, converted; subscriptions, gifts, raids."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation

import pandas as pd

from chatlib.errors import ParameterError
from chatlib.money import convert_money
from chatlib.records import AMOUNT_KINDS, DONATION_KINDS, GIFT_RECEIVED_KINDS, MEMBERSHIP_KINDS
from chatlib.store import Store
from chatlib.times import find_day

__all__ = [
    "convert_events",
    "list_payments",
    "load_events",
    "summarize_currencies",
    "summarize_donors",
    "summarize_events",
    "summarize_income",
    "summarize_months",
    "trace_income",
]

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
