"""Real chat: what the protocol promises, on forty streams of one channel."""

import pytest

from chatlib.collect.files.importing import import_chats
from chatlib.predict import Question
from chatlib.predict.audits import check_features, check_inputs, check_periods
from chatlib.predict.protocol import split_streams
from chatlib.predict.viewers.people import load_people
from chatlib.predict.viewers.table import load_viewers
from chatlib.records import DONATION_KINDS
from chatlib.store import open_store
from tests.places import CHANNEL_2023

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHANNEL_2023.is_dir(), reason="../shared/data/twitch/channel_2023 is not here"),
]


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("real") / "real.dbs", create=True) as db:
        import_chats(db, [CHANNEL_2023], limit=40)
        yield db


@pytest.mark.parametrize("question", [Question("retrospective"), Question("forecast")])
def test_inputs_are_clean_and_periods_in_order(db, question):
    viewers, split = load_viewers(db, question), split_streams(db)
    assert check_inputs(db, viewers) == viewers.table["n_messages"].sum() > 5_000
    check_periods(db.load_streams(), split)
    people = load_people(db, question)
    assert check_features(people) == len(people.columns)
    assert viewers.align(people.table)["visits"].notna().all()


def test_every_payer_is_a_donor_or_a_counted_exclusion(db):
    marks = ", ".join("?" * len(DONATION_KINDS))
    payers = db.query(
        "SELECT DISTINCT stream_id, author FROM messages WHERE author IS NOT NULL "
        f"AND (kind IN ({marks}) OR bits > 0)",
        sorted(DONATION_KINDS),
    )
    viewers = load_viewers(db)
    assert len(payers) == viewers.paid.sum() + viewers.exclusions["paid, but no other message"] > 20
