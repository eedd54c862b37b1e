import numpy as np
import pandas as pd
import pytest

from chatlib.predict.viewers.history import MONTH
from chatlib.predict.viewers.past import build_notices, parse_notices


def announce(author, day, notice, *, kind="resubscription", bits=None):
    return {"author": author, "day": float(day), "kind": kind, "notice": notice, "bits": bits}


def ask(payments, *questions):
    """The columns for each (author, day), one row per question."""
    people, days = (np.array(column) for column in zip(*questions, strict=True))
    return build_notices(parse_notices(pd.DataFrame(payments)), asked=people, when=days.astype(float))


PAYMENTS = [
    announce(1, 100, "ann subscribed with Prime.", kind="subscription"),
    announce(1, 132, "ann subscribed at Tier 2. They've subscribed for 2 months, on a 2 month streak!"),
    announce(1, 140, None, kind="text_message", bits=100),
    announce(2, 150, "bob gifted a Tier 1 sub to ann!", kind="subscription_gift"),
]


def test_what_the_last_notice_announced():
    table = ask(PAYMENTS, (1, 100), (1, 101), (1, 150), (2, 151))
    assert table["n_notices"].tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(table["months"], [np.nan, 1, 2, np.nan])
    np.testing.assert_array_equal(table["tier"], [np.nan, 0, 2, np.nan])
    np.testing.assert_array_equal(table["streak"], [np.nan, np.nan, 2, np.nan])
    np.testing.assert_array_equal(table["days_since_notice"], [np.nan, 1, 18, np.nan])
    np.testing.assert_array_equal(table["share_announced"], [np.nan, 1, 1, np.nan])
    assert table["tip_n"].tolist() == [0, 0, 1, 0] and table["gift_n"].tolist() == [0, 0, 0, 1]
    assert table["renewal_days_since"][2] == 18 and table["new_days_since"][2] == 50
    assert table["gift_days_since"][3] == 1 and np.isnan(table["gift_days_since"][2])


def test_when_the_next_renewal_is_due_is_narrowed_down_by_each_notice():
    one, two = ask(PAYMENTS, (1, 131), (1, 160)).to_dict("records")
    # The first month began within the month before day 100, so the second is due until a month after it.
    assert one["overdue_at_most"] == pytest.approx(31) and one["due_uncertainty"] == pytest.approx(MONTH)
    assert one["overdue_at_least"] == pytest.approx(31 - MONTH)
    # Two months announced on day 132: no sooner than day 132 - 2 months, no later than day 100.
    assert two["due_uncertainty"] == pytest.approx(100 - (132 - 2 * MONTH))
    assert two["overdue_at_least"] == pytest.approx(160 - (100 + 2 * MONTH))
    assert two["months_by_now"] == pytest.approx(2 + 28 / MONTH)


def test_a_pause_starts_anew():
    payments = [announce(1, 0, "for 5 months"), announce(1, 400, "for 6 months")]
    row = ask(payments, (1, 410)).iloc[0]
    assert row["due_uncertainty"] == pytest.approx(MONTH) and row["overdue_at_most"] == pytest.approx(10)


def test_youtube_memberships_are_read_like_subscriptions():
    events = [
        announce(1, 100, "Welcome to Level 2!", kind="membership_item"),
        announce(1, 135, "Member for 1 month · Level 2", kind="membership_item"),
        announce(2, 100, "会員歴 23 か月 · そらとも", kind="membership_item"),
        announce(2, 110, "Member for a while · Level 2", kind="membership_item"),
        announce(3, 101, "was gifted a membership by 4", kind="sponsorships_gift_redemption_announcement"),
        announce(4, 101, "Gifted 5 memberships", kind="sponsorships_gift_purchase_announcement"),
        announce(4, 105, None, kind="paid_message"),
    ]
    one, two, three, four = ask(events, (1, 140), (2, 140), (3, 140), (4, 140)).to_dict("records")
    # A new member is in month 1, and who has been one for a month in month 2.
    assert (one["months"], one["n_notices"], one["new_n"], one["renewal_n"]) == (2, 2, 1, 1)
    assert one["overdue_at_most"] == pytest.approx(5)  # month 3 began on day 135 at the earliest
    assert one["due_uncertainty"] == pytest.approx(100 - (135 - 2 * MONTH))
    assert (two["months"], two["days_since_notice"], np.isnan(two["tier"])) == (24, 40, True)
    assert (three["received_n"], three["received_days_since"], three["n_notices"]) == (1, 39, 0)
    assert (four["gift_n"], four["tip_n"], four["tip_days_since"], four["received_n"]) == (1, 1, 35, 0)


def test_nobody_paid_and_nobody_is_asked():
    events = parse_notices(pd.DataFrame(PAYMENTS))
    table = build_notices(events.iloc[:0], asked=np.array([1]), when=np.array([5.0]))
    assert table["n_notices"].tolist() == [0] and table["months"].isna().all()
    assert len(build_notices(events, asked=np.array([], int), when=np.array([]))) == 0
