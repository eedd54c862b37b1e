"""A forecaster in use: fitted on all streams there are, kept in a run, and ranking the people asked about.

On disk it is a folder per question: boosted trees as LightGBM's text, and forecaster.json, written last.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from chatlib.errors import ModelError
from chatlib.files import atomic_write
from chatlib.predict.models.trees import Line, TreeModel, fit_trees, map_fits
from chatlib.predict.questions import NEXT_STREAM, Question
from chatlib.predict.viewers.people import NEXT, People, list_groups, load_people
from chatlib.store import Store

__all__ = [
    "FIRST",
    "LAPSED",
    "SUPPORTER",
    "Forecaster",
    "fit_forecaster",
    "load_forecaster",
    "rank_people",
    "save_forecaster",
]

SUPPORTER, LAPSED, FIRST = "supporter", "lapsed", "no payment before"
_VERSION = 2  # of the files; another one, or other columns, is refused
_CARD = "forecaster.json"
_LAPSED_DAYS = 45.0  # without a payment: a monthly one is overdue by half a month
_PAUSE_DAYS = 90.0  # overdue by more than this, a renewal is no longer spoken of
_N_REASONS = 3
_COLUMNS = ("author", "who", "channel", "p_pays", "p_comes", "p_pays_if_comes", "amount", "expected_amount",
            "currency", "status", "reasons")  # fmt: skip


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
                days = _count(abs(due), "day")
                return f"renewal due {days} ago" if due > 0 else f"renewal due in {days}"
            return f"paid {_count(row['days_since_paid'], 'day')} ago" if row["paid_visits"] else ""
        case "payments":
            came = _count(row["visits"], "stream")
            return f"paid in {row['paid_visits']:.0f} of {came} attended" if row["paid_visits"] else ""
        case "attendance":
            lately = row["visits_of_last_10"]
            return f"came to {lately:.0f} of the last 10 streams" if lately else ""
        case "writing" if row["visits"] == 0:
            return "new here"
        case "writing":
            last, usual = _count(row["last_messages"], "message"), row["messages_per_visit"]
            return f"{last} last time, usually {usual:.0f}"
        case "stream":
            return _describe_present(row)
    if row["member"] > 0:
        return f"a member's badge in {row['visits_as_member']:.0f} of {_count(row['visits'], 'visit')}"
    return ""


def _describe_present(row: Mapping[Hashable, float]) -> str:
    """Return what somebody did in the stream asked about."""
    if "n_messages" not in row:
        badge = "with a member's badge" if row["now_member"] > 0 else "without a member's badge"
        return f"first message {_count(row['first_s'] / 60, 'minute')} in, {badge}"
    n, usual = row["n_messages"], row["messages_per_visit"]
    return f"{_count(n, 'message')} in this stream" + (f", usually {usual:.0f}" if usual > 0 else "")


def _count(n: float, unit: str) -> str:
    return f"{n:.0f} {unit}" if round(n) == 1 else f"{n:.0f} {unit}s"


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
            if part in ("pays", "comes", "pays_if_comes")
        }
        expected = 3 if question.name == NEXT_STREAM else 1
        unknown = {column for model in trees.values() for column in model.columns} - set(columns)
        if question.name != name or len(trees) != expected or "pays" not in trees or unknown:
            raise ValueError(f"{sorted(trees)} for {question.name}, unknown columns {sorted(unknown)}")
        sentences = [str(sentence) for sentence in card["sentences"]]
        return Forecaster(question, trees, str(card["until"]), int(card["n_streams"]), sentences)
    except ModelError as error:
        raise ModelError(str(error) if again in str(error) else f"{error} {again}") from error
    except Exception as error:
        raise ModelError(f"A forecaster must be whole, and {folder} is not ({error!r}). {again}") from error


def _list_columns(question: Question) -> list[str]:
    return [name for group in list_groups(question).values() for name in group]
