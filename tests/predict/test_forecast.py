from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chatlib.errors import ParameterError
from chatlib.predict import QUESTIONS, Question
from chatlib.predict.describe import answer_forecasts, compare_questions, list_people, show_people
from chatlib.predict.forecast import (
    EVERYBODY,
    FIRST,
    LAPSED,
    MODEL,
    SUPPORTER,
    _describe_group,
    describe_rolling,
    evaluate_rolling,
    fit_forecaster,
    rank_people,
    try_forecast,
)
from chatlib.predict.viewers.people import load_people
from chatlib.records import Stream
from chatlib.store import open_store
from tests.predict.channels import SMALL, make_channel, save, say

N_STREAMS = 28


def make_patrons(db):
    """28 streams, five days apart: patrons pay whenever they come, one of them no more since the 15th."""
    rng = np.random.default_rng(0)
    for s in range(N_STREAMS):
        rows = [say(float(v), f"viewer-{v}", "hello") for v in range(60) if rng.random() < 0.5]
        for v in range(5):
            if rng.random() < 0.7:
                rows.append(say(100.0 + v, f"patron-{v}", "hi"))
                if v or s < 15:
                    money = {"amount_text": "$5.00", "amount": str(v + 1), "currency": "USD"}
                    rows.append(say(200.0 + v, f"patron-{v}", "take it", kind="paid_message", **money))
        start = (pd.Timestamp("2026-01-01T20:00Z") + pd.Timedelta(days=5 * s)).isoformat()
        db.save_chat(Stream("youtube", f"s{s:02d}", started_at=start), rows)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("patrons") / "Db_file.dbs"
    with open_store(path, create=True) as db:
        make_patrons(db)
        db.connection.execute("UPDATE authors SET name = ? WHERE name = 'patron-1'", ["=1+1\x1b[31m"])
        db.connection.commit()
    return path


@pytest.fixture(scope="module")
def people(path):
    with open_store(path, read_only=True) as db:
        return load_people(db)


@pytest.fixture(scope="module")
def rolling(people):
    return evaluate_rolling(people, n_draws=30, n_seeds=1)


def test_patrons_are_forecast_better_than_by_any_rule(people, rolling):
    table = rolling.table.set_index(["question", "group", "model"])
    ours = table.loc[("pays", EVERYBODY, MODEL)]
    assert ours["pr_auc"] > 0.6 and ours["pr_auc_low"] <= ours["pr_auc"] <= ours["pr_auc_high"]
    assert ours["pr_auc"] > table.loc[("pays", EVERYBODY, "paid a month ago"), "pr_auc"]
    assert ours["lift"] == pytest.approx(ours["pr_auc"] / ours["prevalence"])
    prior = table.loc[("pays", EVERYBODY, "prior")]
    assert prior["gain"] == pytest.approx(prior["pr_auc"] - ours["pr_auc"]) and prior["gain_high"] < 0
    assert table.loc[("comes", EVERYBODY, MODEL), "prevalence"] == pytest.approx(0.5, abs=0.1)
    assert table.loc[("pays", FIRST, MODEL), "positives"] == 0  # nobody pays for the first time so late
    assert list(rolling.months.index) == ["2026-02", "2026-03", "2026-04", "2026-05"]
    asked = people.table[
        people.table["started_at"].between("2026-02", "2026-06") & (people.table["stream_id"] > 0)
    ]
    assert rolling.months["asked"].sum() == len(asked) and rolling.months["paid"].sum() == asked["paid"].sum()
    assert rolling.months["predicted"].sum() == pytest.approx(asked["paid"].sum(), rel=0.3)
    assert 2 < rolling.named < 3.5
    assert describe_rolling(rolling)[0].startswith("Forecasts of 2026-02 to 2026-05, fitted")
    assert describe_rolling(replace(rolling, months=rolling.months[:1]))[0].startswith(
        "Forecasts of 2026-02, "
    )


def test_a_month_is_forecast_from_earlier_months_alone(people, rolling):
    later = people.table["started_at"] >= "2026-04"
    table = people.table.assign(paid=people.table["paid"] ^ later)  # the answers turned around
    changed = evaluate_rolling(replace(people, table=table), n_draws=1, n_seeds=1)
    early = ["2026-02", "2026-03", "2026-04"]
    assert changed.months.loc[early, "predicted"].equals(rolling.months.loc[early, "predicted"])
    assert changed.months.loc["2026-05", "predicted"] != rolling.months.loc["2026-05", "predicted"]


def test_patrons_come_first_with_amounts_and_reasons(people):
    forecaster = fit_forecaster(people, n_seeds=1)
    table = rank_people(forecaster, people)
    assert list(table["status"][:4]) == [SUPPORTER] * 4 and table["p_pays"].is_monotonic_decreasing
    assert (table["status"] == LAPSED).sum() == 1 and (table["status"] == FIRST).sum() == 60
    top = table.head(4)
    assert sorted(top["amount"]) == [2, 3, 4, 5] and set(top["currency"]) == {"USD"}
    assert np.allclose(table["expected_amount"], table["p_pays"] * table["amount"])
    assert top["reasons"].str.contains("paid in|paid \\d+ days? ago").all()
    assert table["who"].str.fullmatch(r"viewer \d+").all() and table["who"].is_unique
    assert table.equals(rank_people(fit_forecaster(people, n_seeds=1), people))
    poor = rank_people(forecaster, replace(people, amounts=people.amounts.iloc[:0]))
    assert poor["expected_amount"].isna().all() and poor["currency"].isna().all()


def test_where_nothing_can_be_forecast_the_reason_is_the_result(tmp_path):
    with open_store(tmp_path / "few.dbs", create=True) as db:
        save(db, {"a": SMALL["a"]})
        result = try_forecast(db)
    assert "there is one alone" in result.sentences[0] and result.rolling is None
    assert result.table.empty and result.forecaster is None and answer_forecasts(result) == result.sentences
    assert np.isnan(result.pr_auc)


@pytest.mark.parametrize(
    ("change", "start", "n_streams", "answered"),
    [
        ({}, "2026-01-0{}", 3, 4),
        ({"author_id": "name:ann", "kind": "paid_message"}, "2026-01-05", 4, 3),  # one name; all on a day
        ({"offset_s": None}, "2026-01-0{}", 4, 1),
        ({}, None, 4, 0),
    ],
)
def test_odd_channels_are_answered_or_refused_in_a_sentence(tmp_path, change, start, n_streams, answered):
    streams = list(make_channel(n_streams=n_streams).values())
    with open_store(tmp_path / "odd.dbs", create=True) as db:
        for i, (_, rows) in enumerate(streams):
            rows = [
                row._replace(**change) if "offset_s" in change or j == 5 else row
                for j, row in enumerate(rows)
            ]
            db.save_chat(Stream("youtube", f"v{i}", started_at=start and start.format(i + 1)), rows)
        results = [try_forecast(db, Question(q, landmark_min=9), n_draws=1, n_seeds=1) for q in QUESTIONS]
    assert sum(result.forecaster is not None for result in results) == answered
    for result in results:
        assert result.forecaster or result.sentences[0].startswith("A forecast needs")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"n_draws": -1}])
def test_a_seed_or_draws_below_0_are_refused(wrong):
    with pytest.raises(ParameterError, match="N_BOOTSTRAP and SEED must be 0 or more"):
        try_forecast(None, **wrong)


def test_what_readers_are_shown(path, people):
    with open_store(path, read_only=True) as db:
        forecasts = {
            name: try_forecast(db, Question(name, landmark_min=1), n_draws=5, n_seeds=1)
            for name in ("next_stream", "forecast")
        }
    table = compare_questions(forecasts)
    assert list(table.index) == list(forecasts) and table.loc["next_stream", "PR-AUC"] > 0.6
    assert "no month has ten" not in str(table) and table["asked"].nunique() == 2
    coming = forecasts["next_stream"]
    assert "65 people were seen in the 60 days" in answer_forecasts(coming)[0]
    assert (coming.table["p_pays"] <= coming.table["p_comes"]).all()
    shown = list_people(coming.table, n=3)
    assert list(shown) == ["who", "pays", "comes", "expected", "what speaks for it"] and len(shown) == 3
    assert "expected" not in list_people(coming.table.assign(amount=np.nan))
    two = replace(coming, table=coming.table.assign(channel=[0] * 60 + [1] * 5))
    assert (
        "65 people were seen in the 60 days before the next stream of each of 2 channels, "
        in answer_forecasts(two)[0]
    )
    assert list_people(two.table, n=99)["channel"].tolist() == [1] * 60 + [2] * 5
    assert show_people(replace(people, table=people.table.iloc[:0])).equals(list_people(pd.DataFrame()))
    assert list_people(pd.DataFrame()).iloc[0, 0] == "nobody"
    with pytest.raises(ParameterError, match="TOP must be a number of people, 0 or more, got -1"):
        list_people(coming.table, n=-1)
    assert table["95 %"]["next_stream"] == "not known" in coming.sentences[2]
    rows = show_people(people)
    assert len(rows) == 10 and rows["who"].str.fullmatch(r"viewer \d+").all()


def test_the_surest_are_counted(rolling):
    surest, asked = rolling.name_surest(), rolling.asked
    first = asked.sort_values("p_pays", ascending=False, kind="stable").head(100)
    assert surest["n_named"] == 100 and surest["n_pay_of_named"] == first["paid"].sum() == rolling.curve[99]
    assert surest["n_pay_by_lot"] == round(100 * asked["paid"].mean(), 1)


def test_what_somebody_lacks_is_no_reason_and_one_is_no_plural():
    row = {"visits": 2, "last_messages": 1, "messages_per_visit": 3}
    assert _describe_group("writing", row) == "1 message last time, usually 3"
    row = dict.fromkeys(("paid_visits", "visits_of_last_10", "member"), 0) | {"visits": 1}
    assert not any(_describe_group(group, row) for group in ("payments", "attendance", "badges"))
    row = dict.fromkeys(("visits", "visits_as_member", *row), 1)
    said = [_describe_group(group, row) for group in ("payments", "attendance", "badges")]
    assert said == [
        "paid in 1 of 1 stream attended",
        "came to 1 of the last 10 streams",
        "a member's badge in 1 of 1 visit",
    ]
