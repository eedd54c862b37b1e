"""Amounts as people write them, and their value on a day.

Reading the number is price-parser's work, the list of symbols is CLDR's (Babel), the
rates are the European Central Bank's daily reference rates (CurrencyConverter).
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

# The libraries that know currencies are imported where they are used: few chats pay, and a command must
# be fast to start.
if TYPE_CHECKING:
    from currency_converter import CurrencyConverter

__all__ = ["NO_MONEY", "MoneyFields", "convert_money", "format_money", "read_money", "read_plain_money"]

# Symbols that CLDR's English list gives to none or to another currency, as YouTube means them.
# `kr` is left out: Swedish, Norwegian, Danish and Icelandic amounts look the same.
_SYMBOLS = {
    "$": "USD",
    "US$": "USD",
    "AU$": "AUD",
    "C$": "CAD",
    "S$": "SGD",
    "SG$": "SGD",
    "RM": "MYR",
    "Rp": "IDR",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "lei": "RON",
    "₽": "RUB",
    "₺": "TRY",
    "₴": "UAH",
    "S/": "PEN",
    "円": "JPY",
    "元": "CNY",
    "원": "KRW",
}
_NUMBER = re.compile(r"\d(?:[\d\s.,'’]*\d)?")
_PLAIN_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,6})?")


class MoneyFields(NamedTuple):
    """An amount of money as written, as a decimal in text, and the ISO 4217 code: fields of a `Message`."""

    amount_text: str | None = None
    amount: str | None = None
    currency: str | None = None


NO_MONEY = MoneyFields()


@cache
def _code_of_symbol() -> dict[str, str]:
    from babel import Locale

    english = Locale("en", "US").currency_symbols
    codes = {symbol: code for code, symbol in english.items()}
    return codes | {code: code for code in Locale("en", "US").currencies} | _SYMBOLS


@lru_cache(maxsize=65536)
def read_money(text: str | None) -> MoneyFields:
    """Return the amount and ISO 4217 code of an amount as written, in any locale.

    What cannot be understood is None; the text is kept as it came, unless it is blank. `kr` gives an
    amount without a currency, because four countries write it so.
    """
    if not text or not text.strip():
        return NO_MONEY
    plain = unicodedata.normalize("NFKC", text).strip()
    number = _NUMBER.search(plain)
    if number is None:
        return MoneyFields(text)
    symbol = (plain[: number.start()] + plain[number.end() :]).strip(" -+\u200e\u200f")
    currency = _code_of_symbol().get(symbol) or _code_of_symbol().get(symbol.upper())
    amount = _read_number(number.group().replace("’", "'"), currency)
    return MoneyFields(text, None if amount is None else format(amount, "f"), currency)


def read_plain_money(amount: object, currency: str | None) -> MoneyFields | None:
    """Return money from a plain number with a currency's code or symbol; None if it is no number.

    Such a number has a decimal point whatever the currency: 5000.0 yen are 5000.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float, str)):
        return None
    if not _PLAIN_AMOUNT.fullmatch(str(amount)):
        return None
    written = str(amount).removesuffix(".0")
    if currency is None:
        return MoneyFields(written, written)
    return MoneyFields(f"{currency} {written}", written, read_money(f"{currency} 1").currency)


def format_money(amount: float, currency: str) -> str:
    """Return an amount with its currency's code and as many decimals as the currency has (CLDR)."""
    from babel.numbers import format_currency

    return format_currency(amount, currency, "#,##0.00 ¤¤", locale="en_US").replace("\xa0", " ")


def _read_number(digits: str, currency: str | None) -> Decimal | None:
    from babel.numbers import get_currency_precision
    from price_parser import Price

    # Three digits behind the last point are thousands, but not of 0, nor of a dinar with its 1,000 fils.
    last = re.search(r"[.,](?=\d{3}$)", digits)
    is_decimal = last and (digits[: last.start()] == "0" or get_currency_precision(currency or "") == 3)
    try:
        amount = Price.fromstring(digits, decimal_separator=last[0] if last and is_decimal else None).amount
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return amount if amount is None or amount.is_finite() else None


@cache
def _rates() -> CurrencyConverter:
    from currency_converter import CurrencyConverter

    return CurrencyConverter(fallback_on_missing_rate=True, fallback_on_wrong_date=True)


@lru_cache(maxsize=65536)
def convert_money(amount: Decimal, currency: str | None, *, to: str, date: dt.date | None) -> Decimal | None:
    """Return `amount` in the currency `to` at the rate of `date`, to a hundredth.

    On a day without a rate the nearest day's is used, of an unknown day the newest. None where the
    currency has no rate at all (the ECB publishes about 40).
    Source: ECB euro foreign exchange reference rates, as packaged by CurrencyConverter.
    """
    from currency_converter import RateNotFoundError

    if currency is None:
        return None
    try:
        value = _rates().convert(float(amount), currency, to, date=date)
    except (ValueError, RateNotFoundError):
        return None
    return Decimal(str(round(value, 2)))
