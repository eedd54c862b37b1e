"""Who will pay: boosted trees for any of the questions, how well they have foretold, and what moves them.

The trees are fitted again each month on all that was known by then, as in use; how good they were in
the last months is measured before anybody is named.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

from chatlib.errors import NotEnoughData
from chatlib.predict.evaluation import bootstrap_metrics, interval, rank_metrics
from chatlib.predict.models.trees import N_ROUNDS, TREE_SETTINGS, boost, predict_boosted
from chatlib.predict.viewers.history import MONTH
from chatlib.predict.viewers.people import NEXT, NEXT_STREAM, People, load_people
from chatlib.store import Store

__all__ = [
    "EVERYBODY",
    "FIRST",
    "LAPSED",
    "MODEL",
    "SUPPORTER",
    "NextStream",
    "Rolling",
    "describe_rolling",
    "evaluate_rolling",
    "forecast_next",
    "try_forecast",
]

MODEL = "boosted trees"
SUPPORTER, LAPSED, FIRST = "supporter", "lapsed", "no payment before"
EVERYBODY = "everybody"
_LABELS = {"pays": "paid", "comes": "came"}
_MONTHS = 6  # evaluated at most, the last ones
_LEAST_DONORS = 10  # to learn from
_LAPSED_DAYS = 45.0  # without a payment: a monthly one is overdue by half a month
_PAUSE_DAYS = 90.0  # overdue by more than this, a renewal is no longer spoken of
_N_NAMED = 10  # people before each stream, whose payments are counted
_N_REASONS = 3
_COLUMNS = ("who", "channel", "p_pays", "p_comes", "p_pays_if_comes", "amount", "expected_amount",
            "currency", "status", "reasons")  # fmt: skip


@dataclass(frozen=True)
class NextStream:
    """A forecast of the next stream: in sentences, how good it is, and everybody asked about.

    `rolling` is None and `table` empty where the chat does not allow them; the sentences say why.
    """

    sentences: list[str]
    rolling: Rolling | None
    table: pd.DataFrame

    @property
    def pr_auc(self) -> float:
        """The PR-AUC of whether people pay, in the last months, NaN where it was not measured."""
        return float(self.rolling.table["pr_auc"].iloc[0]) if self.rolling else float("nan")

    def measures(self) -> list[dict[Hashable, object]]:
        """Return the rows of `Rolling.table`, none where nothing was measured."""
        return self.rolling.table.to_dict("records") if self.rolling else []


@dataclass(frozen=True)
class Rolling:
    """How good forecasts were in the last months, each by models of all months before.

    `table` has a row per question (pays, comes), group and model: asked, positives, prevalence,
    pr_auc, lift, roc_auc with 95 % intervals over streams and people, and gain, the
    PR-AUC of the trees minus its own. `months` has asked, predicted and paid per month;
    `named` is how many of the ten people named first before a stream paid in it, on average.
    """

    table: pd.DataFrame
    months: pd.DataFrame
    named: float


def try_forecast(db: Store, *, days: float = 60.0, seed: int = 0) -> NextStream:
    """Evaluate forecasts of the last months, and forecast the next stream, as far as the chat allows."""
    try:
        people = load_people(db, days=days)
    except NotEnoughData as error:
        return NextStream([str(error)], None, pd.DataFrame(columns=list(_COLUMNS)))
    rolling = evaluate_rolling(people, seed=seed)
    return NextStream(describe_rolling(rolling), rolling, forecast_next(people, seed=seed))


class _Trees:
    """The mean of a few boosted models of one label, by some columns of the people."""

    def __init__(
        self, columns: tuple[str, ...], table: pd.DataFrame, labels: np.ndarray, *, seed: int, n_seeds: int
    ) -> None:
        self.columns = list(columns)
        numbers = table[self.columns].to_numpy()
        self.constant = float(labels.mean()) if labels.all() or not labels.any() else None
        self.boosters: list[lightgbm.Booster] = []
        if self.constant is None:
            self.boosters = [
                boost(numbers, labels, TREE_SETTINGS, n_rounds=N_ROUNDS, seed=seed + i)
                for i in range(n_seeds)
            ]

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return probabilities."""
        if self.constant is not None:
            return np.full(len(table), self.constant)
        numbers = table[self.columns].to_numpy()
        return expit(np.mean([predict_boosted(booster, numbers) for booster in self.boosters], axis=0))

    def explain(self, table: pd.DataFrame, groups: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
        """Return what each group of features adds to the log odds (TreeSHAP: Lundberg and others 2020)."""
        numbers = table[self.columns].to_numpy()
        parts = [np.asarray(b.predict(numbers, pred_contrib=True, num_threads=1)) for b in self.boosters]
        shares = np.mean(parts, axis=0) if parts else np.zeros((len(table), len(self.columns) + 1))
        by_name = pd.DataFrame(shares[:, :-1], columns=self.columns, index=table.index)
        return pd.DataFrame({name: by_name[list(group)].sum(axis=1) for name, group in groups.items()})


def evaluate_rolling(
    people: People, *, n_draws: int = 200, n_seeds: int = 3, seed: int = 0
) -> Rolling | None:
    """Forecast each of the last months by models of all that came before it, and measure how that went.

    Whether people come is asked of `next_stream` alone. None if no month has ten payments before it to learn
    from.
    """
    table = people.table[people.table["stream_id"] != NEXT]
    month = table["started_at"].str[:7]
    n_before = table["paid"].groupby(month).sum().cumsum().shift(fill_value=0)
    months = n_before.index[n_before >= _LEAST_DONORS][-_MONTHS:]
    asked = table[month.isin(months)].reset_index(drop=True)
    if asked.empty:
        return None
    month_asked = asked["started_at"].str[:7]
    labels_of = _LABELS if people.question == NEXT_STREAM else {"pays": _LABELS["pays"]}
    scores = {label: {MODEL: np.zeros(len(asked)), "prior": np.zeros(len(asked))} for label in labels_of}
    for name in tqdm(months, unit="month", disable=None):
        past, here = table[month < name], (month_asked == name).to_numpy()
        for label, column in labels_of.items():
            labels, n = past[column].to_numpy(bool), n_seeds if label == "pays" else 1
            trees = _Trees(people.columns, past, labels, seed=seed, n_seeds=n)
            scores[label][MODEL][here] = trees.predict(asked[here])
            scores[label]["prior"][here] = labels.mean()
    scores["pays"] |= _score_by_rules(asked)
    for values in scores.values():
        values["visits of the last 10"] = asked["visits_of_last_10"].to_numpy(float)
    never = (asked["paid_visits"] == 0).to_numpy()
    everybody = np.ones(len(asked), bool)
    groups = [("pays", EVERYBODY, everybody), ("pays", FIRST, never), ("comes", EVERYBODY, everybody)]
    rng = np.random.default_rng(seed)
    parts = [
        _compare(
            asked[rows],
            label,
            {name: values[rows] for name, values in scores[label].items()},
            rng,
            n_draws,
        ).assign(question=label, group=group)
        for label, group, rows in groups
        if label in scores
    ]
    pays = scores["pays"][MODEL]
    by_month = asked.assign(month=month_asked, predicted=pays).groupby("month")
    counts = by_month.agg(asked=("paid", "size"), predicted=("predicted", "sum"), paid=("paid", "sum"))
    first = asked.assign(score=pays).sort_values("score", ascending=False, kind="stable")
    named = first.groupby("stream_id").head(_N_NAMED)["paid"].sum() / asked["stream_id"].nunique()
    return Rolling(pd.concat(parts, ignore_index=True), counts, float(named))


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


def _compare(
    asked: pd.DataFrame,
    question: str,
    scores: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    n_draws: int,
) -> pd.DataFrame:
    """Return one row per model, as in `Rolling.table`."""
    labels = asked[_LABELS[question]].to_numpy(bool)
    streams, authors = asked["stream_id"].to_numpy(), asked["author"].to_numpy()
    draws = bootstrap_metrics(labels, scores, streams, people=authors, n_draws=n_draws, rng=rng)
    prevalence = labels.mean() if len(labels) else np.nan
    rows = []
    for name, values in scores.items():
        pr_auc, roc = rank_metrics(labels, values)
        row = {"model": name, "asked": len(labels), "positives": int(labels.sum()), "prevalence": prevalence}
        row |= {"pr_auc": pr_auc, "lift": pr_auc / prevalence if prevalence else np.nan, "roc_auc": roc}
        row["pr_auc_low"], row["pr_auc_high"] = interval(draws[name][:, 0])
        row["roc_auc_low"], row["roc_auc_high"] = interval(draws[name][:, 1])
        row["gain"] = rank_metrics(labels, scores[MODEL])[0] - pr_auc
        row["gain_low"], row["gain_high"] = interval(draws[MODEL][:, 0] - draws[name][:, 0])
        rows.append(row)
    return pd.DataFrame(rows)


def describe_rolling(rolling: Rolling | None) -> list[str]:
    """Return in sentences how good the last forecasts were."""
    if rolling is None:
        return [f"How good this is cannot be measured yet: no month has {_LEAST_DONORS} payments before it."]
    rows = {(r["question"], r["group"], r["model"]): r for r in rolling.table.to_dict("records")}
    ours, first = rows["pays", EVERYBODY, MODEL], rows["pays", FIRST, MODEL]
    rule = rows["pays", EVERYBODY, "paid a month ago"]
    comes = rows.get(("comes", EVERYBODY, MODEL))
    months = rolling.months.index
    sentences = [
        f"Forecasts of {months[0]} to {months[-1]}, fitted anew each month: {ours['asked']:,} asked about, "
        f"{ours['positives']:,} paid ({ours['prevalence']:.2%}).",
        f"Will they pay: PR-AUC {ours['pr_auc']:.3f} (95 % interval {ours['pr_auc_low']:.3f} to "
        f"{ours['pr_auc_high']:.3f}), {ours['lift']:.0f} times chance; ROC-AUC {ours['roc_auc']:.3f}. "
        f'The rule "paid a month ago" reaches {rule["pr_auc"]:.3f}.',
        f"Of those without a payment before, {first['positives']} of {first['asked']:,} paid: PR-AUC "
        f"{first['pr_auc']:.4f}, {first['lift']:.0f} times chance.",
        f"Of the {_N_NAMED} named first in a stream, {rolling.named:.1f} paid in it on average.",
    ]
    if comes:
        sentences.insert(
            3, f"Will they come: PR-AUC {comes['pr_auc']:.3f}, where {comes['prevalence']:.0%} came."
        )
    return sentences


def forecast_next(
    people: People, *, names: pd.Series | None = None, n_seeds: int = 3, seed: int = 0
) -> pd.DataFrame:
    """Return everybody asked about before the next stream, the likeliest to pay first.

    Columns: who (`viewer N` by the messages written, or the name), channel, p_pays, p_comes,
    p_pays_if_comes, amount (what they would pay: the mean of what they paid in a stream, else of what
    was paid on the channel), expected_amount, currency, status, reasons.
    """
    known = people.table["stream_id"] != NEXT
    past, ahead = people.table[known], people.table[~known].reset_index(drop=True)
    came = past[past["came"]]
    columns = people.columns
    trees = _Trees(columns, past, past["paid"].to_numpy(), seed=seed, n_seeds=n_seeds)
    result = ahead[["channel", "author"]].assign(
        p_pays=trees.predict(ahead),
        p_comes=_Trees(columns, past, past["came"].to_numpy(), seed=seed, n_seeds=1).predict(ahead),
        p_pays_if_comes=_Trees(columns, came, came["paid"].to_numpy(), seed=seed, n_seeds=n_seeds).predict(
            ahead
        ),
    )
    result[["amount", "currency"]] = _guess_amounts(people.amounts, ahead)
    result["expected_amount"] = result["p_pays"] * result["amount"]
    lapsed = ahead["days_since_paid"] > _LAPSED_DAYS
    result["status"] = np.where(ahead["paid_visits"] == 0, FIRST, np.where(lapsed, LAPSED, SUPPORTER))
    result["reasons"] = _give_reasons(trees.explain(ahead, people.groups), ahead)
    labels = people.ranks.map("viewer {}".format) if names is None else names
    result.insert(0, "who", labels.reindex(result.pop("author")).fillna("(no name)").to_numpy())
    return result.sort_values("p_pays", ascending=False, kind="stable", ignore_index=True)[list(_COLUMNS)]


def _guess_amounts(amounts: pd.DataFrame, ahead: pd.DataFrame) -> pd.DataFrame:
    """Return amount and currency for each row: of the person, else of the channel; of the usual currency."""
    result = pd.DataFrame({"amount": np.nan, "currency": None}, index=ahead.index)
    for keys in (["channel", "author"], ["channel"]):
        usual = amounts.groupby([*keys, "currency"])["amount"].agg(["mean", "size"]).reset_index()
        usual = usual.sort_values("size", ascending=False, kind="stable").drop_duplicates(keys)
        found = ahead[keys].merge(usual, on=keys, how="left")
        missing = result["amount"].isna() & found["mean"].notna()
        result.loc[missing, "amount"] = found.loc[missing, "mean"]
        result.loc[missing, "currency"] = found.loc[missing, "currency"]
    return result


def _give_reasons(shares: pd.DataFrame, ahead: pd.DataFrame) -> list[str]:
    """Return, for each person, in words what raises the score most, the most important first."""
    shares = shares.drop(columns="channel")  # the same for everybody
    order = np.argsort(-shares.to_numpy(), axis=1)[:, :_N_REASONS]
    reasons = []
    for row, first, values in zip(ahead.to_dict("records"), order, shares.to_numpy(), strict=True):
        words = [_describe_group(shares.columns[i], row) for i in first if values[i] > 0]
        reasons.append("; ".join(words))
    return reasons


def _describe_group(group: str, row: Mapping[Hashable, float]) -> str:
    match group:
        case "renewal":
            due = (row["overdue_at_least"] + row["overdue_at_most"]) / 2
            if abs(due) < _PAUSE_DAYS:
                return (
                    f"renewal due {abs(due):.0f} days ago" if due > 0 else f"renewal due in {-due:.0f} days"
                )
            if row["paid_visits"]:
                return f"paid {row['days_since_paid']:.0f} days ago"
            return "no payment on record"
        case "payments":
            return f"paid in {row['paid_visits']:.0f} of {row['visits']:.0f} streams attended"
        case "attendance":
            return f"came to {row['visits_of_last_10']:.0f} of the last 10 streams"
        case "writing":
            return f"{row['last_messages']:.0f} messages last time, usually {row['messages_per_visit']:.0f}"
    if row["member"]:
        return f"a member, by the badge, for {row['visits_as_member']:.0f} of {row['visits']:.0f} visits"
    if row["days_since_no_member"] >= 0:
        return f"member's badge gone for {row['days_since_no_member']:.0f} days"
    return "no member's badge"
