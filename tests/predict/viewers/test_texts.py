import pandas as pd
import pytest

from chatlib.predict.viewers.texts import select_inputs
from chatlib.records import DONATION_KINDS

HONEST = {
    "message_id": "1", "kind": "text_message", "author": 7, "offset_s": 5.0, "bits": None,
    "amount_text": None, "notice": None,
}  # fmt: skip


def rows(*changes):
    """Messages, and a mask of those that pay."""
    table = pd.DataFrame([HONEST | change for change in changes])
    return table, (table["kind"].isin(DONATION_KINDS) | (table["bits"].astype(float) > 0)).to_numpy()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "paid_message"},
        {"kind": "membership_item"},
        {"kind": "ticker_paid_message_item"},
        {"kind": "sponsorships_gift_redemption_announcement"},
        {"bits": 100},
        {"amount_text": "$5.00"},
        {"notice": "ann subscribed at Tier 1."},
        {"author": None},
        {"offset_s": None},
    ],
)
def test_one_thing_wrong_keeps_a_row_out(change):
    assert select_inputs(*rows({}, {"message_id": "2"} | change)).tolist() == [True, False]


def test_plain_words_of_either_platform_pass():
    kinds = ("text_message", "highlighted_message", "send_message_in_subscriber_only_mode")
    assert select_inputs(*rows(*({"kind": kind} for kind in kinds))).all()


def test_what_shares_the_id_of_a_payment_is_its_echo():
    chat = rows({}, {"message_id": "2"}, {"message_id": "2", "kind": "paid_sticker"})
    assert select_inputs(*chat).tolist() == [True, False, False]
