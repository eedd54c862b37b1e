import numpy as np
import pandas as pd

from chatlib.predict.viewers.features import BADGE_FEATURES, BEHAVIOUR_FEATURES, build_badges, build_features
from chatlib.predict.viewers.history import HISTORY_COLUMNS
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import day, save, say


def features_of(tmp_path, rows, **kwargs):
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        return build_features(load_viewers(db), **kwargs)


def test_behaviour_of_two_viewers(tmp_path):
    table = features_of(
        tmp_path,
        [
            say(0, "ann", "Hi all"),
            say(60, "ann", "WOW!"),
            say(240, "ann", "WOW!"),
            say(300, "bob", "@ann see https://x.example ?"),
        ],
    )
    ann, bob = table.to_dict("records")
    expected = {
        "n_messages": 3,
        "share_of_stream": 0.75,
        "first_share": 0,
        "last_share": 0.8,
        "span_min": 4,
        "median_gap_s": 120,
        "longest_gap_s": 180,
        "distinct_share": 2 / 3,
        "chars_max": 6,
        "words_mean": 4 / 3,
        "exclamation_mean": 2 / 3,
        "mention_mean": 0,
        "n_viewers": 2,
    }
    assert {k: round(ann[k], 6) for k in expected} == {k: round(v, 6) for k, v in expected.items()}
    assert (bob["mention_mean"], bob["link_mean"], bob["question_mean"]) == (1, 1, 1)
    assert np.isnan(bob["median_gap_s"]) and np.isnan(bob["longest_gap_s"])


def test_columns_are_those_announced(tmp_path):
    table = features_of(tmp_path, [say(1, "ann", "")], known_before=True)
    assert tuple(table.columns) == (*BEHAVIOUR_FEATURES, *BADGE_FEATURES, *HISTORY_COLUMNS)
    assert table["chars_sum"].tolist() == [0.0]


def test_badges_of_both_platforms():
    badges = pd.Series(
        ['["Member (6 months)", "Moderator"]', '["subscriber", "sub-gift-leader"]', "[]", None]
    )
    table = build_badges(badges)
    assert table.iloc[0].to_dict() == {
        "member": 1, "member_months": 6, "moderator": 1, "vip": 0, "verified": 0, "premium": 0,
        "gifter": 0, "bits": 0, "n_badges": 2,
    }  # fmt: skip
    assert (table["gifter"][1], table["member"][1]) == (1, 1)
    assert table.iloc[2].eq(0).all()
    assert table.iloc[3].isna().all()
