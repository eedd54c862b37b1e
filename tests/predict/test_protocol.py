"""The whole way from a database to the evaluation, with a language model of fixed answers."""

import dataclasses
import gzip
import json
import re
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from chatlib.errors import DataError, NotEnoughData
from chatlib.predict import ARRIVAL, FORECAST, RETROSPECTIVE, Question
from chatlib.predict.describe import (
    describe_naive,
    describe_result,
    describe_transformer,
    pick_donor,
    summarize_groups,
)
from chatlib.predict.models.baselines import (
    BASELINES,
    MESSAGE_BASELINES,
    fit_characters,
    fit_logistic,
    iter_baselines,
    score_trees,
)  # fmt: skip
from chatlib.predict.models.transformer import (
    DonorConfig,
    Training,
    build_inputs,
    fit_donor_models,
    score_donor_model,
)
from chatlib.predict.protocol import (
    BEST_POSSIBLE,
    Claim,
    blend_scores,
    choose_best,
    compare_pairs,
    count_readings,
    evaluate_models,
    load_truth,
    measure_way,
    run_naive_protocol,
    select_everything,
    split_streams,
)
from chatlib.predict.viewers.people import load_people
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import FixedEncoder, make_channel, save

MODEL, TREES, BOTH = "donor transformer", "boosted trees", "both"


def score_simple(viewers, people, inputs, periods):
    """Scores of all baselines, and of the trees."""
    known = viewers.align(people.table)
    numbers, behaviour = known[list(people.columns)], known[list(people.groups["stream"])]
    scores = dict(iter_baselines(viewers, inputs, behaviour=behaviour, known=numbers, periods=periods))
    return known, scores | {TREES: score_trees(numbers, viewers.paid, periods)}


@pytest.fixture(scope="module")
def evaluated(channel_path):
    """Viewers, split, scores, evaluation and past of the channel in which donors say "love"."""
    with open_store(channel_path) as db:
        viewers, split, people = load_viewers(db), split_streams(db), load_people(db, Question(RETROSPECTIVE))
    inputs = build_inputs(viewers, FixedEncoder())
    periods = viewers.find_periods(split)
    (model,), _ = fit_donor_models(
        inputs,
        viewers.paid,
        train=periods.train,
        validation=periods.validation,
        config=DonorConfig(16, width=32, n_layers=2, n_heads=2),
        training=Training(epochs=6, learning_rate=3e-3),
    )
    past, simple = score_simple(viewers, people, inputs, periods)
    scores = {MODEL: score_donor_model(model, inputs, periods.scored), **simple}
    scores[BOTH], _ = blend_scores(scores, [TREES, MODEL], viewers.paid[periods.validation])
    truth = np.where(viewers.paid, 0.9, 0.1)
    evaluation = evaluate_models(
        viewers, split, scores, past, reference="message count", truth=truth, n_draws=100
    )
    return viewers, split, scores, evaluation, past


def test_every_model_is_in_the_table(evaluated):
    evaluation = evaluated[3]
    assert tuple(evaluation.table.index) == (MODEL, *BASELINES, TREES, BOTH, BEST_POSSIBLE)
    assert evaluation.table.loc["prior", "roc_auc"] == 0.5
    assert evaluation.table.loc["prior", "pr_auc"] == pytest.approx(evaluation.labels.mean())
    assert evaluation.table.loc[BEST_POSSIBLE, "roc_auc"] == 1.0


def test_models_that_read_find_what_donors_say(evaluated):
    evaluation = evaluated[3]
    auc = evaluation.table["roc_auc"]
    for model in (MODEL, "characters: TF-IDF, logistic", "mean embedding, logistic"):
        assert auc[model] > 0.68 > auc["message count"] + 0.05, auc


def test_characters_weigh_as_in_scikit_learns_own_table(evaluated):
    viewers, split, *_ = evaluated
    periods = viewers.find_periods(split)
    said = [" ".join(viewers.texts[i] for i in viewers.text_codes[a:b]) for a, b in pairwise(viewers.starts)]
    weighting = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, sublinear_tf=True)
    table = weighting.fit([said[i] for i in periods.train]).transform(said)
    theirs = fit_logistic(table, viewers.paid, periods, strengths=(0.1, 1.0, 10.0))
    assert fit_characters(viewers, periods) == pytest.approx(theirs, abs=1e-3)


def test_probabilities_are_calibrated(evaluated):
    evaluation = evaluated[3]
    for model, p in evaluation.probabilities.items():
        assert ((p > 0) & (p < 1)).all()
        if model != BEST_POSSIBLE:
            assert p.mean() == pytest.approx(evaluation.labels.mean(), abs=0.1)


def test_labels_of_test_change_no_probability_and_no_threshold(evaluated):
    viewers, split, scores, evaluation, past = evaluated
    labels = viewers.paid.copy()
    labels[evaluation.rows] = ~labels[evaluation.rows]
    flipped = dataclasses.replace(viewers, table=viewers.table.assign(paid=labels))
    again = evaluate_models(flipped, split, scores, past, reference="prior", n_draws=10)
    for model in scores:
        assert np.array_equal(again.probabilities[model], evaluation.probabilities[model])
        assert again.thresholds[model] == evaluation.thresholds[model]


def test_pairs_are_compared_on_the_same_draws(evaluated):
    evaluation = evaluated[3]
    pairs = {MODEL: BASELINES[1], "prior": "prior"}
    table = compare_pairs(evaluation, pairs)
    areas = evaluation.table["pr_auc"]
    row = table.loc[MODEL]
    assert row["ratio"] == pytest.approx(areas[MODEL] / areas[BASELINES[1]])
    assert row["difference"] == pytest.approx(areas[MODEL] - areas[BASELINES[1]])
    assert row["low"] < row["difference"] < row["high"]
    assert table.loc["prior", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    best = choose_best(evaluation, MESSAGE_BASELINES)
    known = evaluation.table.loc[list(MESSAGE_BASELINES), "validation_pr_auc"]
    assert known[best] == known.max()


def test_the_donor_ranked_first_is_a_donor(evaluated):
    evaluation = evaluated[3]
    first, p = pick_donor(evaluation, MODEL), evaluation.probabilities[MODEL]
    assert evaluation.labels[first] and p[first] == p[evaluation.labels].max()
    nobody = dataclasses.replace(evaluation, labels=np.zeros_like(evaluation.labels))
    with pytest.raises(NotEnoughData, match="must be among"):
        pick_donor(nobody, MODEL)


def test_groups_are_told_apart(evaluated):
    evaluation, past = evaluated[3], evaluated[4].iloc[evaluated[3].rows]
    groups = evaluation.groups.loc[MODEL]
    assert groups.loc["all", "viewers"] == groups.loc["within streams", "viewers"] == len(evaluation.rows)
    never, new = past["paid_visits"] == 0, past["visits"] == 0
    assert groups.loc["no payment before", ["viewers", "donors"]].tolist() == [
        never.sum(),
        evaluation.labels[never].sum(),
    ]
    assert groups.loc["newcomers", "viewers"] == new.sum() and (never | ~new).all()
    shown = summarize_groups(evaluation, [TREES, MODEL])
    assert set(shown["group"]) == {"all", "no payment before", "newcomers", "within streams"}
    few = shown["donors"] < 10
    assert few.any() and ((shown[MODEL] == "too few paid") == few).all()


def test_test_streams_are_scored_by_what_training_and_validation_taught(evaluated):
    viewers, split, scores, *_ = evaluated
    periods = viewers.find_periods(split)
    prior = 1 / (1 + np.exp(-scores["prior"]))
    n = len(periods.validation)
    assert prior[:n] == pytest.approx(viewers.paid[periods.train].mean())
    assert prior[n:] == pytest.approx(viewers.paid[periods.settled].mean())


def test_what_one_model_adds_to_another_is_a_sentence(evaluated):
    evaluation = evaluated[3]
    said = describe_transformer(evaluation, MODEL, TREES, BOTH)
    assert f"{evaluation.table.loc[BOTH, 'pr_auc'] - evaluation.table.loc[TREES, 'pr_auc']:+.3f}" in said
    assert re.search(r", 95 % interval [+-]0.\d+ to [+-]0.\d+\): (no )?more than chance explains\.$", said)


def test_without_draws_no_interval_is_told(evaluated):
    evaluation = evaluated[3]
    none = {name: draws[:5] for name, draws in evaluation.draws.items()}
    table = evaluation.table.assign(gain_low=np.nan, gain_high=np.nan)
    few = dataclasses.replace(evaluation, draws=none, table=table)
    said = [describe_transformer(few, MODEL, TREES, BOTH), *describe_result(few, MODEL)]
    known = [
        sentence for sentence in said if "interval not known): whether by chance is not known." in sentence
    ]
    assert len(known) == 2 and "nan" not in " ".join(said)


def test_readings_of_test_are_counted(tmp_path):
    path = tmp_path / "04.json"
    assert count_readings(path) == 1
    path.write_text(json.dumps({"test_readings": 2}))
    assert count_readings(path) == 3
    path.write_text("{")
    assert count_readings(path) == 1


def test_sentences_carry_the_numbers(evaluated):
    evaluation = evaluated[3]
    text = " ".join(describe_result(evaluation, MODEL))
    donors, n = int(evaluation.labels.sum()), len(evaluation.labels)
    assert f"{donors:,} of {n:,} viewers of the test streams paid" in text
    assert f"{evaluation.table.loc[MODEL, 'pr_auc']:.3f}" in text
    assert "ROC-AUC 1.000" in text
    assert "Validation has" not in text


def test_one_donor_in_validation_and_test_is_enough_to_run(tmp_path):
    streams = make_channel(n_streams=5)
    for video_id in ("stream-03", "stream-04"):
        start, rows = streams[video_id]
        payer = next(m.author_id for m in rows if m.kind == "paid_message")
        rows = [m for m in rows if m.kind != "paid_message" or m.author_id == payer]
        streams[video_id] = (start, rows)
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, streams)
        viewers, split, people = load_viewers(db), split_streams(db), load_people(db, Question(RETROSPECTIVE))
    periods = viewers.find_periods(split)
    assert viewers.paid[periods.validation].sum() == viewers.paid[periods.test].sum() == 1
    inputs = build_inputs(viewers, FixedEncoder())
    past, scores = score_simple(viewers, people, inputs, periods)
    evaluation = evaluate_models(viewers, split, scores, past, reference="prior", n_draws=20)
    assert np.isfinite(evaluation.table["roc_auc"]).all()
    assert "Validation has 1 donor(s) and test 1, so" in " ".join(describe_result(evaluation, BASELINES[2]))


def test_empty_streams_are_in_no_period(channel):
    before = split_streams(channel)
    assert [len(part) for part in before] == [7, 2, 3]


def write_truth(path, rows, columns="probability"):
    with gzip.open(path, "wt") as file:
        file.write(f"video_id,author_id,role,{columns},paid\n" + "".join(f"{row}\n" for row in rows))
    return path


TRUTH = ["a,bob,viewer,0.1,0", "a,ann,viewer,0.5,1", "b,bob,viewer,0.2,0", "c,ann,viewer,0.6,1",
         "c,bob,viewer,0.3,0", "c,dan,viewer,0.4,1", "c,eve,viewer,0.1,0"]  # fmt: skip


def test_truth_is_matched_by_stream_and_author(small, tmp_path):
    truth = load_truth(write_truth(tmp_path / "truth.csv.gz", TRUTH), small, load_viewers(small).table)
    assert truth.tolist() == [0.5, 0.1, 0.2, 0.6, 0.3, 0.4]


def test_truth_of_other_chat_is_refused(small, tmp_path):
    viewers = load_viewers(small).table
    for rows in (TRUTH[1:], [TRUTH[0].replace(",0", ",1"), *TRUTH[1:]]):  # not in it; said to have paid
        path = write_truth(tmp_path / "truth.csv.gz", rows)
        with pytest.raises(DataError, match="1 of 6 viewers"):
            load_truth(path, small, viewers)


def test_each_question_has_a_truth_of_its_own(small, tmp_path):
    rows = [row.replace(",0.", ",0.9,0.0", 1) for row in TRUTH]
    path = write_truth(tmp_path / "truth.csv.gz", rows, "probability,arrival")
    asked = load_viewers(small, Question(ARRIVAL)).table
    truth = load_truth(path, small, asked, Question(ARRIVAL))
    assert len(truth) == len(asked) and truth.max() < 0.1
    assert load_truth(path, small, asked, Question(FORECAST, landmark_min=20)) is None
    with pytest.raises(DataError, match="paid against"):
        load_truth(path, small, asked.assign(paid=True), Question(ARRIVAL))


def test_the_way_is_from_chance_to_the_truth(small, tmp_path):
    path = write_truth(tmp_path / "truth.csv.gz", TRUTH)
    asked = load_viewers(small).table
    truth = load_truth(path, small, asked)
    for scores, way in ((truth, 1.0), (-truth, -1.0), (0 * truth, 0.0)):
        rolling = SimpleNamespace(asked=asked.assign(p_pays=scores))
        forecast = SimpleNamespace(question=Question(RETROSPECTIVE), rolling=rolling)
        assert measure_way(forecast, path, small) == pytest.approx(way)
    assert measure_way(SimpleNamespace(rolling=None), path, small) is None


def test_who_is_not_named_before_the_next_stream_never_comes(small, tmp_path):
    path = tmp_path / "truth.csv.gz"
    with gzip.open(tmp_path / "truth_next.csv.gz", "wt") as file:
        file.write("video_id,author_id,comes,probability\nc,bob,0.5,0.1\nb,bob,0.5,0.2\n")
    people = load_people(small).table
    asked = people[people["stream_id"] == 3]
    truth = dict(zip(asked["author"], load_truth(path, small, asked, Question()), strict=True))
    bob = small.load_authors().set_index("name")["author"]["bob"]
    assert truth.pop(bob) == 0.1 and set(truth.values()) == {0.0}


def test_truth_is_only_for_simulated_chat(small, tmp_path):
    viewers = load_viewers(small).table
    assert load_truth(tmp_path / "none.csv.gz", small, viewers) is None
    other = write_truth(tmp_path / "other.csv.gz", ["another," + row.partition(",")[2] for row in TRUTH])
    assert load_truth(other, small, viewers) is None
    for content in ("no table", "video_id,author_id,probability,paid\na,bob,much,0\n", b"\x1f\x8b\x08"):
        path = tmp_path / "wrong.csv.gz"
        path.write_bytes(content if isinstance(content, bytes) else gzip.compress(content.encode()))
        with pytest.raises(DataError, match=r"True probabilities are a table .* Name the truth"):
            load_truth(path, small, viewers)
    path = write_truth(tmp_path / "truth.csv.gz", TRUTH)
    small.connection.execute("UPDATE streams SET simulated = 0 WHERE video_id = 'b'")
    assert load_truth(path, small, viewers) is None


def test_it_reads_the_payments(small):
    viewers = load_viewers(small, select=select_everything)
    assert {"take this", "cheer100 take it"} <= set(viewers.texts)


def test_it_claims_far_more_than_is_true(channel):
    training = Training(epochs=4, learning_rate=3e-3, others_per_donor=1)
    claim = run_naive_protocol(
        channel,
        FixedEncoder(),
        config=DonorConfig(FixedEncoder.dim, width=32, n_layers=2, n_heads=2),
        training=training,
        max_messages=64,
    )
    assert claim.roc_auc > 0.95 and claim.pr_auc > 0.95
    assert claim.viewers == 2 * load_viewers(channel, select=select_everything).paid.sum()


def test_viewers_taken_keep_their_messages(channel):
    viewers = load_viewers(channel)
    rows = np.array([5, 0, 9])
    taken = viewers.take(rows)
    assert taken.table["author"].tolist() == viewers.table["author"].iloc[rows].tolist()
    for i, row in enumerate(rows):
        there, here = (slice(v.starts[r], v.starts[r + 1]) for v, r in ((viewers, row), (taken, i)))
        assert viewers.offsets_s[there].tolist() == taken.offsets_s[here].tolist()
        assert viewers.text_codes[there].tolist() == taken.text_codes[here].tolist()


def test_the_verdict_follows_the_numbers():
    table = pd.DataFrame({"roc_auc": [0.652], "pr_auc": [0.1], "prevalence": [0.02]}, index=["any"])
    said = [describe_naive(Claim(100, 0.9, auc), SimpleNamespace(table=table), "any") for auc in (0.9, 0.649)]
    assert "knows who paid" in said[0] and "knows who paid" not in said[1]
    small = (Claim(82, 0.6, 0.73), Claim(18, 1.0, 1.0))
    few = [describe_naive(claim, SimpleNamespace(table=table), "any") for claim in small]
    assert all(text.endswith("Its test is too small to say what it knows.") for text in few)
    claim = Claim(viewers=6, pr_auc=float("nan"), roc_auc=float("nan"))
    assert "too few donors" in describe_naive(claim, SimpleNamespace(table=table), "any")
