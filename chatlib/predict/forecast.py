"""Who will pay: boosted trees for any of the questions, how well they have foretold, and what moves them.

The trees are fitted again each month on all that was known by then, as in use; how good they were in
the last months is measured before anybody is named. A forecaster in use is fitted on all streams there are.
On disk it is a folder per question: boosted trees as LightGBM's text, and forecaster.json, written last.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

from chatlib.errors import ModelError, NotEnoughData, ParameterError
from chatlib.files import atomic_write
from chatlib.predict import NEXT_STREAM, Question
from chatlib.predict.evaluation import bootstrap_metrics, compare_models, describe_interval
from chatlib.predict.models.trees import Line, TreeModel, fit_trees, map_fits
from chatlib.predict.viewers.history import MONTH
from chatlib.predict.viewers.people import NEXT, People, list_groups, load_people
from chatlib.store import Store
from chatlib.tables import format_share
from chatlib.text import format_count
from chatlib.workspace import release_memory

__all__ = [
    "EVERYBODY",
    "FIRST",
    "LAPSED",
    "MODEL",
    "SUPPORTER",
    "Forecast",
    "Forecaster",
    "Rolling",
    "describe_rolling",
    "evaluate_rolling",
    "fit_forecaster",
    "load_forecaster",
    "rank_people",
    "save_forecaster",
    "try_forecast",
]

MODEL = "boosted trees"
EVERYBODY = "everybody"
_LABELS = {"pays": "paid", "comes": "came"}
_MONTHS = 6  # evaluated at most, the last ones
_LEAST_DONORS = 10  # to learn from
_N_NAMED = 10  # people before each stream, whose payments are counted
_N_SUREST, _N_CURVE = 100, 500  # people of all streams
SUPPORTER, LAPSED, FIRST = "supporter", "lapsed", "no payment before"
_VERSION = 2  # of the files; another one, or other columns, is refused
_CARD = "forecaster.json"
_PARTS = ("pays", "comes", "pays_if_comes")  # what trees are asked; the first alone of other questions
_LAPSED_DAYS = 45.0  # without a payment: a monthly one is overdue by half a month
_PAUSE_DAYS = 90.0  # overdue by more than this, a renewal is no longer spoken of
_N_REASONS = 3
_COLUMNS = ("author", "who", "channel", "p_pays", "p_comes", "p_pays_if_comes", "amount", "expected_amount",
            "currency", "status", "reasons")  # fmt: skip


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

    `people` are those of the question, where they were asked already. Raises: ParameterError.
    """
    question = question or Question()
    if min(n_draws, seed) < 0:
        raise ParameterError(f"N_BOOTSTRAP and SEED must be 0 or more, got {n_draws} draws and seed {seed}.")
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
    month_asked, numbers = asked["started_at"].str[:7].to_numpy(), table[list(people.columns)]
    labels_of = _LABELS if people.question.name == NEXT_STREAM else {"pays": _LABELS["pays"]}
    scores = {label: {name: np.zeros(len(asked)) for name in (MODEL, "prior")} for label in labels_of}

    def score_month(name: str, label: str) -> tuple[np.ndarray, float]:
        """Return how likely people of a month pay, or come, and the share that did before it."""
        labels, past = table[labels_of[label]].to_numpy(bool), np.flatnonzero(month < name)
        trees = fit_trees(numbers, labels, rows=past, seed=seed, n_seeds=n_seeds, quick=label == "comes")
        return expit(trees.score(asked[month_asked == name])), labels[past].mean()

    jobs = [(name, label) for name in reversed(months) for label in labels_of]  # those that take long first
    done = tqdm(map_fits(score_month, *zip(*jobs, strict=True)), total=len(jobs), unit="fit", disable=None)
    for (name, label), found in zip(jobs, done, strict=True):
        here = month_asked == name
        scores[label][MODEL][here], scores[label]["prior"][here] = found
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
        f"The ranking by who pays: PR-AUC {ours['pr_auc']:.3f} "
        f"({describe_interval(ours['pr_auc_low'], ours['pr_auc_high'])}), {ours['lift']:.1f} times chance; "
        f"ROC-AUC {ours['roc_auc']:.3f}. "
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


@dataclass(frozen=True)
class Forecaster:
    """Trees of whether people pay, and for `next_stream` whether they come, and pay if they come.

    `until` is the start of the last stream that was learned from, `n_streams` how many there were.
    `sentences` say how well forecasts of the last months came true.
    """

    question: Question
    trees: dict[str, TreeModel]
    until: str
    n_streams: int
    sentences: list[str] = field(default_factory=list)

    def score(self, db: Store, stream_id: int = NEXT, *, names: pd.Series | None = None) -> pd.DataFrame:
        """Return the people asked about in a stream, as `rank_people`; no label is read.

        The stream may be one that still runs: for `arrival` who has come so far is asked about.

        Raises: DataError for a stream that is not there or has no date.
        """
        people = load_people(db, self.question, only=[stream_id])
        return rank_people(self, people, names=names)


def fit_forecaster(people: People, *, n_seeds: int = 3, seed: int = 0) -> Forecaster:
    """Fit trees on all streams that are over; how good such forecasts were is not measured."""
    table = people.table[people.table["stream_id"] != NEXT]
    paid, came = table["paid"].to_numpy(bool), table["came"].to_numpy(bool)
    fit = partial(fit_trees, table[list(people.columns)], n_seeds=n_seeds, seed=seed)
    parts = {"pays": partial(fit, paid)}
    if people.question.name == NEXT_STREAM:
        parts["comes"] = partial(fit, came, quick=True)
        parts["pays_if_comes"] = partial(fit, paid, rows=np.flatnonzero(came))
    trees = dict(zip(parts, map_fits(lambda part: part(), parts.values()), strict=True))
    return Forecaster(people.question, trees, str(table["started_at"].max()), table["stream_id"].nunique())


def rank_people(forecaster: Forecaster, people: People, *, names: pd.Series | None = None) -> pd.DataFrame:
    """Return the people asked about, the likeliest to pay first; where NEXT is among them, of it alone.

    Columns: author, who (`viewer N` by the messages written, or the name), channel, p_pays; of `next_stream`
    p_comes and p_pays_if_comes; amount (what they would pay: the mean of what they paid in a stream,
    else of what was paid on the channel), expected_amount, currency, status, reasons.
    """
    table = people.table
    if people.question.name == NEXT_STREAM:
        table = table[table["stream_id"] == NEXT]
    table = table.reset_index(drop=True)
    result = table[["channel", "author"]].copy()
    for name, trees in forecaster.trees.items():
        result[f"p_{name}"] = expit(trees.score(table))
    if "p_comes" in result:  # by trees of its own, and who pays has come
        result["p_comes"] = result[["p_comes", "p_pays"]].max(axis=1)
    result[["amount", "currency"]] = _guess_amounts(people.amounts, table)
    result["expected_amount"] = result["p_pays"] * result["amount"]
    lapsed = table["days_since_paid"] > _LAPSED_DAYS
    result["status"] = np.where(table["paid_visits"] == 0, FIRST, np.where(lapsed, LAPSED, SUPPORTER))
    result["reasons"] = _give_reasons(forecaster.trees["pays"].explain(table), people.groups, table)
    labels = people.ranks.map("viewer {}".format) if names is None else names
    result["who"] = labels.reindex(result["author"]).fillna("(no name)").to_numpy()
    result = result.sort_values("p_pays", ascending=False, kind="stable", ignore_index=True)
    return result[[name for name in _COLUMNS if name in result]]


def _guess_amounts(amounts: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """Return amount and currency for each row: of the person, else of the channel; of the usual currency."""
    result = pd.DataFrame({"amount": np.nan, "currency": None}, index=asked.index)
    for keys in (["channel", "author"], ["channel"]):
        usual = amounts.groupby([*keys, "currency"])["amount"].agg(["mean", "size"]).reset_index()
        usual = usual.sort_values("size", ascending=False, kind="stable").drop_duplicates(keys)
        found = asked[keys].merge(usual, on=keys, how="left")
        missing = result["amount"].isna() & found["mean"].notna()
        result.loc[missing, "amount"] = found.loc[missing, "mean"]
        result.loc[missing, "currency"] = found.loc[missing, "currency"]
    return result


def _give_reasons(
    by_column: pd.DataFrame, groups: Mapping[str, tuple[str, ...]], asked: pd.DataFrame
) -> list[str]:
    """Return, for each person, in words what raises the score most; what somebody lacks is left out."""
    names = [name for name in groups if name != "channel"]  # which is the same for everybody
    by_group = [by_column[by_column.columns.intersection(list(groups[name]))].sum(axis=1) for name in names]
    shares = np.stack(by_group, axis=1).reshape(len(asked), len(names))
    reasons = []
    for row, first, values in zip(asked.to_dict("records"), np.argsort(-shares, axis=1), shares, strict=True):
        said = (_describe_group(names[i], row) for i in first if values[i] > 0)
        reasons.append("; ".join(islice(filter(None, said), _N_REASONS)))
    return reasons


def _describe_group(group: str, row: Mapping[Hashable, float]) -> str:
    """Return what one group of columns says of somebody; an empty text where it says only what is missing."""
    match group:
        case "renewal":
            due = (row["overdue_at_least"] + row["overdue_at_most"]) / 2
            if abs(due) < _PAUSE_DAYS:
                days = format_count(abs(due), "day")
                return f"renewal due {days} ago" if due > 0 else f"renewal due in {days}"
            return f"paid {format_count(row['days_since_paid'], 'day')} ago" if row["paid_visits"] else ""
        case "payments":
            came = format_count(row["visits"], "stream")
            return f"paid in {row['paid_visits']:.0f} of {came} attended" if row["paid_visits"] else ""
        case "attendance":
            lately = row["visits_of_last_10"]
            return f"came to {lately:.0f} of the last 10 streams" if lately else ""
        case "writing" if row["visits"] == 0:
            return "new here"
        case "writing":
            last, usual = format_count(row["last_messages"], "message"), row["messages_per_visit"]
            return f"{last} last time, usually {usual:.0f}"
        case "stream":
            return _describe_present(row)
    if row["member"] > 0:
        return f"a member's badge in {row['visits_as_member']:.0f} of {format_count(row['visits'], 'visit')}"
    return ""


def _describe_present(row: Mapping[Hashable, float]) -> str:
    """Return what somebody did in the stream asked about."""
    if "n_messages" not in row:
        badge = "with a member's badge" if row["now_member"] > 0 else "without a member's badge"
        return f"first message {format_count(row['first_s'] / 60, 'minute')} in, {badge}"
    n, usual = row["n_messages"], row["messages_per_visit"]
    return f"{format_count(n, 'message')} in this stream" + (f", usually {usual:.0f}" if usual > 0 else "")


def save_forecaster(folder: str | Path, forecaster: Forecaster) -> Path:
    """Write a forecaster into the folder of its question in `folder`; its card comes last."""
    folder = Path(folder) / forecaster.question.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    for name, trees in forecaster.trees.items():
        atomic_write(folder / f"{name}.txt", trees.trees)
    card = {
        "version": _VERSION,
        "question": asdict(forecaster.question),
        "columns": _list_columns(forecaster.question),
        "trees": {
            name: {"columns": trees.columns, "n_seeds": trees.n_seeds, "line": trees.line}
            for name, trees in forecaster.trees.items()
        },
        "until": forecaster.until,
        "n_streams": forecaster.n_streams,
        "sentences": forecaster.sentences,
    }
    atomic_write(folder / _CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return folder


def load_forecaster(folder: str | Path, name: str = NEXT_STREAM) -> Forecaster:
    """Return the forecaster of a question that `save_forecaster` wrote into `folder`.

    Raises: ModelError if there is none, or one of another version, or a damaged one.
    """
    folder = Path(folder) / name
    again = f"Make it anew: chatlib forecast RUN --question {name} --refit"
    if not (folder / _CARD).is_file():
        raise ModelError(f"A forecaster is a folder with {_CARD}, and {folder} has none. {again}")
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        version, columns = card["version"], card["columns"]
        question = Question(**card["question"])
        if version != _VERSION or columns != _list_columns(question):
            raise ModelError(
                f"A forecaster works with the version that made it; that in {folder} is another's. {again}"
            )
        trees = {
            part: TreeModel(
                [str(column) for column in about["columns"]],
                (folder / f"{part}.txt").read_text(encoding="ascii"),
                int(about["n_seeds"]),
                Line(str(about["line"][0]), *map(float, about["line"][1:])) if about["line"] else None,
            )
            for part, about in card["trees"].items()
            if part in _PARTS
        }
        unknown = {column for model in trees.values() for column in model.columns} - set(columns)
        if question.name != name or unknown or set(trees) != set(_PARTS[: 3 if name == NEXT_STREAM else 1]):
            raise ValueError(f"{sorted(trees)} for {question.name}, unknown columns {sorted(unknown)}")
        sentences = [str(sentence) for sentence in card["sentences"]]
        return Forecaster(question, trees, str(card["until"]), int(card["n_streams"]), sentences)
    except ModelError as error:
        raise ModelError(str(error) if again in str(error) else f"{error} {again}") from error
    except Exception as error:
        raise ModelError(f"A forecaster must be whole, and {folder} is not ({error!r}). {again}") from error


def _list_columns(question: Question) -> list[str]:
    return [name for group in list_groups(question).values() for name in group]
