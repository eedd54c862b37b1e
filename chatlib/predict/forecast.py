"""Who will pay: boosted trees for any of the questions, how well they have foretold, and what moves them.

The trees are fitted again each month on all that was known by then, as in use; how good they were in
the last months is measured before anybody is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

from chatlib.errors import NotEnoughData
from chatlib.predict.evaluation import bootstrap_metrics, compare_models
from chatlib.predict.forecaster import FIRST, Forecaster, fit_forecaster, rank_people
from chatlib.predict.models.trees import fit_trees, map_fits
from chatlib.predict.questions import NEXT_STREAM, Question
from chatlib.predict.viewers.history import MONTH
from chatlib.predict.viewers.people import NEXT, People, load_people
from chatlib.store import Store
from chatlib.tables import format_share
from chatlib.workspace import release_memory

__all__ = [
    "EVERYBODY",
    "MODEL",
    "Forecast",
    "Rolling",
    "describe_rolling",
    "evaluate_rolling",
    "try_forecast",
]

MODEL = "boosted trees"
EVERYBODY = "everybody"
_LABELS = {"pays": "paid", "comes": "came"}
_MONTHS = 6  # evaluated at most, the last ones
_LEAST_DONORS = 10  # to learn from
_N_NAMED = 10  # people before each stream, whose payments are counted
_N_SUREST, _N_CURVE = 100, 500  # people of all streams


@dataclass(frozen=True)
class Forecast:
    """An answer to a question: in sentences, how good such answers were, and who is named now.

    `rolling` and `forecaster` are None and `table` is empty where the chat does not allow them; the
    sentences say why. `table` is of the next stream (`rank_people`), empty for the other questions.
    """

    question: Question
    sentences: list[str]
    rolling: Rolling | None
    forecaster: Forecaster | None
    table: pd.DataFrame

    @property
    def pr_auc(self) -> float:
        """The PR-AUC of whether people pay, in the last months, NaN where it was not measured."""
        return float(self.rolling.table["pr_auc"].iloc[0]) if self.rolling else float("nan")


@dataclass(frozen=True)
class Rolling:
    """How good forecasts were in the last months, each by models of all months before.

    `table` has a row per question (pays, comes), group and model: asked, positives, and what
    `compare_models` gives, beside the trees. `months` has asked, predicted and paid per month;
    `named` is how many of the ten people named first before a stream paid in it, on average. `curve` is
    how many paid of the first 1, 2, ... 500 who were named with the highest probability in all these months.
    `asked` has stream_id, author, paid and p_pays of everybody asked about.
    """

    table: pd.DataFrame
    months: pd.DataFrame
    named: float
    curve: np.ndarray
    asked: pd.DataFrame

    @property
    def rate(self) -> float:
        """The share that paid of all who were asked about."""
        return float(self.table["prevalence"].iloc[0])

    def name_surest(self) -> dict[str, float]:
        """Return of the 100 named first (or all) how many paid, and how many by lot would have."""
        n = min(_N_SUREST, len(self.curve))
        return {
            "n_named": n,
            "n_pay_of_named": int(self.curve[n - 1]),
            "n_pay_by_lot": round(n * self.rate, 1),
        }


def try_forecast(
    db: Store,
    question: Question | None = None,
    *,
    people: People | None = None,
    n_draws: int = 200,
    n_seeds: int = 3,
    seed: int = 0,
) -> Forecast:
    """Evaluate forecasts of the last months, and forecast the next stream, as far as the chat allows.

    `people` are those of the question, where they were asked already.
    """
    question = question or Question()
    try:
        people = people or load_people(db, question)
        people.require_payers()
    except NotEnoughData as error:
        return Forecast(question, [str(error)], None, None, pd.DataFrame())
    with ThreadPoolExecutor(1) as pool:  # beside the months: a fit uses one core
        fitted = pool.submit(fit_forecaster, people, n_seeds=n_seeds, seed=seed)
        rolling = evaluate_rolling(people, n_draws=n_draws, n_seeds=n_seeds, seed=seed)
        sentences = describe_rolling(rolling)
        forecaster = replace(fitted.result(), sentences=sentences)
    table = rank_people(forecaster, people) if question.name == NEXT_STREAM else pd.DataFrame()
    release_memory()  # of what trees learned from
    return Forecast(question, sentences, rolling, forecaster, table)


def evaluate_rolling(
    people: People,
    *,
    n_draws: int = 200,
    n_seeds: int = 3,
    seed: int = 0,
    rivals: Mapping[str, Sequence[str]] | None = None,
) -> Rolling | None:
    """Forecast each of the last months by models of all that came before it, and measure how that went.

    Whether people come is asked of `next_stream` alone. `rivals` are trees that read only these columns, by
    name. None if no month has ten payments before it to learn from.
    """
    table = people.table[people.table["stream_id"] != NEXT]
    month = table["started_at"].str[:7]
    n_before = table["paid"].groupby(month).sum().cumsum().shift(fill_value=0)
    months = n_before.index[n_before >= _LEAST_DONORS][-_MONTHS:]
    asked = table[month.isin(months)].reset_index(drop=True)
    if asked.empty:
        return None
    month_asked, numbers = asked["started_at"].str[:7].to_numpy(), table[list(people.columns)]
    labels_of = _LABELS if people.question.name == NEXT_STREAM else {"pays": _LABELS["pays"]}
    models: dict[tuple[str, str], Sequence[str]] = {(label, MODEL): people.columns for label in labels_of}
    models |= {("pays", rival): columns for rival, columns in (rivals or {}).items()}
    scores = {label: {name: np.zeros(len(asked)) for name in (MODEL, "prior")} for label in labels_of}

    def score_month(name: str, label: str, model: str) -> tuple[np.ndarray, float]:
        """Return what one model says of a month, and the share that paid, or came, before it."""
        labels, past = table[labels_of[label]].to_numpy(bool), np.flatnonzero(month < name)
        known = numbers if model == MODEL else numbers[[*models[label, model]]]
        trees = fit_trees(known, labels, rows=past, seed=seed, n_seeds=n_seeds, quick=label == "comes")
        return expit(trees.score(asked[month_asked == name])), labels[past].mean()

    jobs = [(name, *key) for name in reversed(months) for key in models]  # those that take long first
    done = tqdm(map_fits(score_month, *zip(*jobs, strict=True)), total=len(jobs), unit="fit", disable=None)
    for (name, label, model), (pays, rate) in zip(jobs, done, strict=True):
        here = month_asked == name
        scores[label].setdefault(model, np.zeros(len(asked)))[here] = pays
        scores[label]["prior"][here] = rate
    scores["pays"] |= _score_by_rules(asked)
    for values in scores.values():
        values["visits of the last 10"] = asked["visits_of_last_10"].to_numpy(float)
    never = (asked["paid_visits"] == 0).to_numpy()
    everybody = np.ones(len(asked), bool)
    groups = [("pays", EVERYBODY, everybody), ("pays", FIRST, never), ("comes", EVERYBODY, everybody)]
    rng = np.random.default_rng(seed)
    parts = []
    for label, group, rows in (of for of in groups if of[0] in scores):
        who, values = asked[rows], {name: values[rows] for name, values in scores[label].items()}
        labels, keys = who[_LABELS[label]].to_numpy(bool), who[["stream_id", "author"]].to_numpy()
        draws = bootstrap_metrics(labels, values, keys[:, 0], people=keys[:, 1], n_draws=n_draws, rng=rng)
        part = compare_models(labels, values, draws, reference=MODEL).reset_index()
        parts.append(part.assign(question=label, group=group, asked=len(labels), positives=labels.sum()))
    pays = scores["pays"][MODEL]
    by_month = asked.assign(month=month_asked, predicted=pays).groupby("month")
    counts = by_month.agg(asked=("paid", "size"), predicted=("predicted", "sum"), paid=("paid", "sum"))
    first = asked.assign(score=pays).sort_values("score", ascending=False, kind="stable")
    named = first.groupby("stream_id").head(_N_NAMED)["paid"].sum() / asked["stream_id"].nunique()
    curve = first["paid"].head(_N_CURVE).cumsum().to_numpy(int)
    kept = asked[["stream_id", "author", "paid"]].assign(p_pays=pays)
    return Rolling(pd.concat(parts, ignore_index=True), counts, float(named), curve, kept)


def _score_by_rules(asked: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what simple rules say of who pays: a month since they paid, often, often lately."""
    overdue = (asked["days_since_paid"] - MONTH).abs().to_numpy(float)
    rules = {
        "paid a month ago": np.nan_to_num(-overdue, nan=-1e3),
        "streams paid in": asked["paid_visits"].to_numpy(float),
        "paid in often lately": asked["paid_visits_lately"].to_numpy(float),
    }
    if "n_messages" in asked:
        rules["messages written"] = asked["n_messages"].to_numpy(float)
    return rules


def describe_rolling(rolling: Rolling | None) -> list[str]:
    """Return in sentences how good the last forecasts were."""
    if rolling is None:
        return [f"How good this is cannot be measured yet: no month has {_LEAST_DONORS} payments before it."]
    rows = {(r["question"], r["group"], r["model"]): r for r in rolling.table.to_dict("records")}
    ours, first = rows["pays", EVERYBODY, MODEL], rows["pays", FIRST, MODEL]
    everybody = [r for (asked, group, _), r in rows.items() if (asked, group) == ("pays", EVERYBODY)]
    rule = max((r for r in everybody if r["model"] != MODEL), key=itemgetter("pr_auc"))
    comes = rows.get(("comes", EVERYBODY, MODEL))
    months, surest = rolling.months.index, rolling.name_surest()
    period = " to ".join(dict.fromkeys([months[0], months[-1]]))
    sentences = [
        f"Forecasts of {period}, fitted anew each month: {ours['asked']:,} asked about, "
        f"{ours['positives']:,} paid ({format_share(ours['prevalence'])}).",
        f"Of the {surest['n_named']} people they were surest of, {surest['n_pay_of_named']} paid; of as many "
        f"drawn by lot, {surest['n_pay_by_lot']:.1f}. Of the {_N_NAMED} named first in a stream, "
        f"{rolling.named:.1f} paid in it on average.",
        f"The ranking by who pays: PR-AUC {ours['pr_auc']:.3f} (95 % interval {ours['pr_auc_low']:.3f} to "
        f"{ours['pr_auc_high']:.3f}), {ours['lift']:.1f} times chance; ROC-AUC {ours['roc_auc']:.3f}. "
        f"The best simple rule, “{rule['model']}”, has a PR-AUC of {rule['pr_auc']:.3f}.",
        f"Of {first['asked']:,} without a payment before, {first['positives']:,} paid: "
        + (
            f"PR-AUC {first['pr_auc']:.4f}, {first['lift']:.1f} times chance."
            if first["positives"] >= _LEAST_DONORS
            else "too few to say how good the ranking of these is."
        ),
    ]
    if comes:
        area, lift = comes["pr_auc"], comes["lift"]
        sentences.append(f"The ranking by who comes: PR-AUC {area:.3f}, {lift:.1f} times chance.")
    return sentences
