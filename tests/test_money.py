"""Amounts as people write them."""

import datetime as dt
from decimal import Decimal

import pytest

from chatlib.money import convert_money, format_money, read_money


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$5.00", "5.00", "USD"),
        ("US$10.00", "10.00", "USD"),
        ("CA$4.99", "4.99", "CAD"),
        ("A$2", "2", "AUD"),
        ("NT$75.00", "75.00", "TWD"),
        ("HK$100.00", "100.00", "HKD"),
        ("MX$50.00", "50.00", "MXN"),
        ("10,00 €", "10.00", "EUR"),
        ("€1.234,56", "1234.56", "EUR"),
        ("£2", "2", "GBP"),
        ("¥5,000", "5000", "JPY"),
        ("￥1,000", "1000", "JPY"),
        ("JPY 100.00", "100.00", "JPY"),
        ("₩10,000", "10000", "KRW"),
        ("₱1,000.00", "1000.00", "PHP"),
        ("R$ 100,00", "100.00", "BRL"),
        ("CLP\xa05,000", "5000", "CLP"),
        ("CLP 5.000", "5000", "CLP"),
        ("CHF 1’234.50", "1234.50", "CHF"),
        ("1.250,000 KWD", "1250", "KWD"),
        ("₿0.001", "0.001", None),
        ("RUB 400.00", "400.00", "RUB"),
        ("₹1,00,000.00", "100000.00", "INR"),
        ("1 000,00 kr", "1000.00", None),
        ("NULL", None, None),
        ("many", None, None),
        ("", None, None),
    ],
)
def test_amounts_of_all_locales(text, amount, currency):
    money = read_money(text)
    assert money.amount_text == (text or None)
    assert (money.amount and Decimal(money.amount), money.currency) == (amount and Decimal(amount), currency)


def test_conversion_takes_the_rate_of_the_day():
    # ECB reference rate of 2023-05-05: 1 EUR = 1.1014 USD.
    assert convert_money(Decimal("11.014"), "USD", to="EUR", date=dt.date(2023, 5, 5)) == Decimal("10.00")


def test_a_day_without_rate_takes_a_near_one_and_a_currency_without_rate_none():
    newest = convert_money(Decimal(1), "USD", to="EUR", date=dt.date(2099, 1, 1))
    assert newest == convert_money(Decimal(1), "USD", to="EUR", date=None) != None  # noqa: E711
    assert convert_money(Decimal(1), "CLP", to="EUR", date=dt.date(2023, 5, 5)) is None
    assert convert_money(Decimal(1), None, to="EUR", date=dt.date(2023, 5, 5)) is None


def test_an_amount_is_shown_with_the_decimals_of_its_currency():
    shown = [format_money(1400.61, code) for code in ("USD", "JPY", "ZZZ")]
    assert shown == ["1,400.61 USD", "1,401 JPY", "1,400.61 ZZZ"]
